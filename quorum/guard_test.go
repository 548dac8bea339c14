package quorum

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"tidemark/manifest"
)

// guarded has so many sources, of which one is a node.
func guarded(t *testing.T, sources int) *world {
	w := newWorld(t, "all", 1, sources-1)
	w.run()
	if got := len(w.published.Sources); got != sources {
		t.Fatalf("%d sources, want %d", got, sources)
	}
	return w
}

func mirrors(n int) []string {
	var ids []string
	for i := range n {
		ids = append(ids, fmt.Sprintf("m%d", i+1))
	}
	return ids
}

func TestGuard(t *testing.T) {
	tests := []struct {
		sources, lost int
		held          bool
	}{
		{3, 1, false}, {3, 2, false}, // a small network can lose all its mirrors: fewer than 5
		{13, 3, false}, {13, 4, false}, {13, 5, true}, {13, 12, true},
		{16, 5, true}, {17, 5, false}, {17, 6, true}, {20, 6, false}, {20, 7, true}, // 30 % of 20 is 6: not more than 30 %
		{600, 5, false}, {600, 180, false}, {600, 181, true},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%d of %d", tt.lost, tt.sources), func(t *testing.T) {
			w := guarded(t, tt.sources)
			w.fail(FailNotNumber, mirrors(tt.lost)...)
			d := w.run()
			if d.Guard.Held != tt.held || d.Guard.Spoke != tt.held || d.Guard.Lost != tt.lost || d.Guard.Of != tt.sources {
				t.Errorf("%+v", d.Guard)
			}
			if got := len(d.Manifest.Sources); got != tt.sources-tt.lost {
				t.Errorf("%d sources would be published, want %d", got, tt.sources-tt.lost)
			}
		})
	}
}

func TestGuardWhatCounts(t *testing.T) {
	tests := []struct {
		name string
		do   func(w *world)
		held bool
	}{
		{"wrong content", func(w *world) { w.fail(FailNotNumber, mirrors(6)...) }, true},
		{"incomplete", func(w *world) { w.fail(FailMissing, mirrors(6)...) }, true},
		{"busy, while an earlier check holds", func(w *world) { w.fail(FailBusy, mirrors(6)...) }, false},
		{"busy for the third time", func(w *world) {
			w.fail(FailBusy, mirrors(6)...)
			w.run()
			w.run()
		}, true},
		{"unreachable", func(w *world) { w.fail(FailUnreachable, mirrors(6)...) }, true},
		{"refused", func(w *world) { w.fail(FailRefused, mirrors(6)...) }, true},
		{"merely older", func(w *world) { w.change(5, 2, 1, 1, 1); w.sync("n1") }, false},
		{"removed", func(w *world) { w.policy.Servers = w.policy.Servers[:4] }, false},
		{"in maintenance", func(w *world) {
			for _, id := range mirrors(6) {
				w.server(id).Maintenance = true
			}
		}, false},
		{"half-way", func(w *world) {
			w.policy.Recheck = 0
			w.change(5, 2, 1, 1, 1)
			w.run()
			for _, id := range mirrors(6) {
				w.servers[id] = []holding{{timestamp: stampAt(0), anchors: w.master.anchors}}
			}
		}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := guarded(t, 13)
			tt.do(w)
			if d := w.run(); d.Guard.Held != tt.held {
				t.Errorf("%+v", d.Guard)
			}
		})
	}
}

// A tree whose sources all fail does not hide behind a healthy one.
func TestGuardOneTree(t *testing.T) {
	states := map[place]State{}
	m := &manifest.Manifest{Sources: []manifest.Source{}}
	for i := range 40 {
		id := fmt.Sprintf("m%d", i)
		m.Sources = append(m.Sources, manifest.Source{ID: id, Trees: map[string]manifest.SourceTree{"centos": {}}})
		states[place{id, "centos"}] = Verified
		if i < 5 {
			m.Sources[i].Trees["vault"] = manifest.SourceTree{}
			states[place{id, "vault"}] = Wrong
		}
	}
	p := newWorld(t, "all", 1, 0).policy
	m.Issued.Time, m.Expires.Time = start, start.Add(time.Hour)
	report, _ := watch(m, states, p, GuardMemory{}, false, start)
	if !report.Held || report.Lost != 5 || report.Of != 5 || !strings.Contains(report.Reason, "of tree vault") {
		t.Errorf("%+v", report)
	}
}

func TestGuardGivesIn(t *testing.T) {
	w := guarded(t, 13)
	before := w.published
	w.fail(FailMissing, mirrors(6)...)
	for i := range 3 {
		d := w.run()
		if !d.Guard.Held || !d.Guard.Spoke || w.memory.Guard.Runs != i+1 || w.published != before {
			t.Fatalf("run %d: %+v, memory %+v", i+1, d.Guard, w.memory.Guard)
		}
	}
	d := w.run()
	if d.Guard.Held || !d.Guard.Spoke || len(w.published.Sources) != 7 || w.memory.Guard.Runs != 0 {
		t.Errorf("after three: %+v, %d sources, memory %+v", d.Guard, len(w.published.Sources), w.memory.Guard)
	}
	if d := w.run(); d.Guard.Spoke {
		t.Errorf("and after that: %+v", d.Guard)
	}
}

// Three such runs in a row: one that publishes starts the count anew.
func TestGuardCountsInARow(t *testing.T) {
	w := guarded(t, 13)
	w.policy.Recheck = 0
	for round := range 3 {
		w.fail(FailMissing, mirrors(6)...)
		for range 2 {
			if d := w.run(); !d.Guard.Held {
				t.Fatalf("round %d: %+v", round, d.Guard)
			}
		}
		w.sync(mirrors(6)...)
		if d := w.run(); d.Guard.Spoke || w.memory.Guard.Runs != 0 {
			t.Fatalf("round %d: all well, but %+v", round, d.Guard)
		}
	}
}

func TestGuardHalfValidity(t *testing.T) {
	for _, tt := range []struct {
		age  time.Duration
		held bool
	}{{12*time.Hour - time.Second, true}, {12 * time.Hour, false}, {48 * time.Hour, false}} {
		w := guarded(t, 13)
		w.fail(FailMissing, mirrors(6)...)
		w.now = w.published.Issued.Add(tt.age - 10*time.Minute)
		if d := w.run(); d.Guard.Held != tt.held || !d.Guard.Spoke {
			t.Errorf("manifest of age %v: %+v", tt.age, d.Guard)
		}
	}
}

func TestGuardForce(t *testing.T) {
	w := guarded(t, 13)
	w.fail(FailMissing, mirrors(6)...)
	w.policy.Force = true
	if d := w.run(); d.Guard.Held || d.Guard.Spoke || d.Guard.Lost != 6 || len(w.published.Sources) != 7 {
		t.Errorf("%+v, %d sources", d.Guard, len(w.published.Sources))
	}
}

// A manifest that nobody accepts protects nobody: the guard speaks and does not hold; a round that asks some leaves it to a full one.
func TestGuardVoid(t *testing.T) {
	w := guarded(t, 13)
	w.fail(FailMissing, mirrors(6)...)
	w.policy.Void = true
	d := w.run()
	if d.Guard.Held || !d.Guard.Spoke || len(w.published.Sources) != 7 || w.memory.Guard.Runs != 0 || !strings.Contains(d.Guard.Reason, "no mirror accepts") {
		t.Errorf("%+v, %d sources", d.Guard, len(w.published.Sources))
	}
	lost := map[place]State{}
	m := &manifest.Manifest{}
	m.Issued.Time, m.Expires.Time = start, start.Add(24*time.Hour)
	for _, id := range mirrors(6) {
		m.Sources = append(m.Sources, manifest.Source{ID: id, Trees: map[string]manifest.SourceTree{"centos": {}}})
		lost[place{id, "centos"}] = Unreachable
	}
	if report, _ := watch(m, lost, w.policy, GuardMemory{}, true, start); !report.Held {
		t.Errorf("a round that asks some: %+v", report)
	}
}

// What the guard held back was not announced: it is decided anew in the next run, from what is there then.
func TestGuardHoldsTheAnnouncement(t *testing.T) {
	w := guarded(t, 13)
	w.change(5, 2, 1, 1, 1)
	w.sync("n1")
	w.fail(FailUnreachable, mirrors(6)...)
	d := w.run()
	if !d.Guard.Held || d.Trees[0].New || w.memory.Trees["centos"].Announced != stampAt(0) {
		t.Fatalf("%+v, announced in memory %d", d.Guard, w.memory.Trees["centos"].Announced)
	}
	if w.memory.Servers["m1"]["centos"].Soft != 1 || w.memory.Servers["n1"]["centos"].Timestamp != stampAt(5) {
		t.Errorf("memory forgot what was seen: %+v", w.memory.Servers)
	}
	w.sync(mirrors(12)...)
	if w.run(); w.announced() != stampAt(5) {
		t.Errorf("announced %d when all was well again", w.announced())
	}
}

func TestGuardFirstRun(t *testing.T) {
	w := newWorld(t, "all", 1, 0)
	w.fail(FailMissing, "n1")
	if d := w.run(); d.Guard.Held || d.Guard.Spoke || d.Guard.Reason == "" {
		t.Errorf("%+v", d.Guard)
	}
}
