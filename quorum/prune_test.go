package quorum

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tidemark/manifest"
)

// A master that is touched every ten minutes for two days, with nothing new: neither memory nor manifest grows, and where
// no server moves nothing is published anew.
func TestTouchedForDays(t *testing.T) {
	w := newWorld(t, "majority", 3, 2)
	w.run()
	w.run()
	before := w.published
	for i := range 288 {
		w.change(i+1, 1, 1, 1, 1)
		if w.run(); !manifest.SameContent(before, w.published) {
			t.Fatalf("touch %d was published: %d later sets", i, len(w.published.Trees["centos"].Later))
		}
	}
	if got := len(recordedTimes(w.memory)); got != 1+keepNoNews {
		t.Errorf("%d timestamps recorded, want the announced one and %d", got, keepNoNews)
	}
	// One at which a server stands is kept, carried, and dropped when it has moved on.
	w.sync("m1")
	w.run()
	stood := w.master.timestamp
	for i := range 20 {
		w.change(1000+i, 1, 1, 1, 1)
		w.run()
	}
	if later := w.published.Trees["centos"].Later; len(later) != 1 || later[0].Timestamp != stood || !slices.Contains(listed(w.published), "m1") {
		t.Errorf("later %v, sources %v", later, listed(w.published))
	}
	w.sync("m1")
	w.run()
	w.run()
	if later := w.published.Trees["centos"].Later; len(later) != 1 || later[0].Timestamp != w.master.timestamp || slices.Contains(recordedTimes(w.memory), stood) {
		t.Errorf("later %v, recorded %v", later, recordedTimes(w.memory))
	}
}

// Nodes that never come: the candidates are bounded, and how long the tree has waited is still known.
func TestCandidatesCapped(t *testing.T) {
	w := newWorld(t, "all", 2, 1)
	w.run()
	w.change(1, 2, 1, 1, 1)
	w.run()
	waiting := w.now
	w.change(2, 3, 1, 1, 1)
	w.sync("m1")
	w.run()
	stood := w.master.timestamp
	for i := range 100 {
		w.change(3+i, 4+i, 1, 1, 1)
		w.run()
	}
	d := w.run()
	if got := len(w.published.Trees["centos"].Later); got != keepNews+2 {
		t.Errorf("%d later sets, want %d", got, keepNews+2)
	}
	if r := d.Trees[0]; !r.Waiting.Equal(waiting.Truncate(time.Second)) || !r.Overdue || r.Pending != w.master.timestamp {
		t.Errorf("waiting since %v, want %v; overdue %v, pending %d", r.Waiting, waiting, r.Overdue, r.Pending)
	}
	if i := slices.IndexFunc(w.published.Sources, func(s manifest.Source) bool { return s.ID == "m1" }); i < 0 || w.published.Sources[i].Trees["centos"].Timestamp != stood {
		t.Errorf("a mirror at one in between is no source: %s", verdictOf(t, d, "m1").Reason)
	}
	w.sync("n1", "n2")
	if w.run(); w.announced() != w.master.timestamp || len(w.published.Trees["centos"].Later) != 0 {
		t.Errorf("announced %d with %d later ones", w.announced(), len(w.published.Trees["centos"].Later))
	}
}

// However many timestamps servers stand at, a tree has at most 64 later sets, and no source outside of them.
func TestLaterCapped(t *testing.T) {
	w := newWorld(t, "all", 1, 80)
	w.run()
	for i := range 80 {
		w.change(1+i, 2+i, 1, 1, 1)
		w.sync(fmt.Sprintf("m%d", i+1))
		w.run()
	}
	tree := w.published.Trees["centos"]
	if len(tree.Later) != manifest.MaxLater || tree.Later[0].Timestamp != stampAt(17) || len(w.published.Sources) != 1+manifest.MaxLater {
		t.Errorf("%d later sets, %d sources", len(tree.Later), len(w.published.Sources))
	}
}

// Two publishers with memories of their own do not publish against each other.
func TestTwoPublishers(t *testing.T) {
	w := newWorld(t, "majority", 3, 3)
	other := NewMemory()
	w.digest = "x"
	w.run()
	turn := func() (changed bool) {
		before := w.published
		w.memory, other = other, w.memory
		w.run()
		return before != nil && !manifest.SameContent(before, w.published)
	}
	turn()
	w.change(5, 2, 1, 1, 1)
	w.sync("n1", "n2", "m1")
	w.fail(FailBusy, "m2") // the one knows it, the other has only read of it
	turn()
	w.sync("m2", "m3")
	turn()
	turn()
	for i := range 6 {
		if turn() {
			t.Errorf("turn %d published anew: %+v", i, w.published.Sources)
		}
	}
	// Recorded by the one before, and by the other after somebody had put a file there.
	w.change(9, 3, 1, 1, 1)
	w.run()
	w.memory, other = other, w.memory
	published := w.published
	w.published = nil // it has not seen what the first one published
	w.master.anchors = set(4, 1, 1, 1)
	w.memory = Record(w.memory, []MasterReading{w.look()}, w.policy, nil, w.now)
	w.now = w.now.Add(time.Minute)
	w.memory = Record(w.memory, []MasterReading{w.look()}, w.policy, nil, w.now)
	w.published = published
	for range 4 {
		if turn() {
			t.Errorf("two sets of one timestamp are published in turn: %v", w.published.Trees["centos"].Later)
		}
	}
}

// The operator adds a pattern, and takes it away again: what is announced holds the anchors, and no source is lost.
func TestPatternsChanged(t *testing.T) {
	for _, pending := range []bool{false, true} {
		w := newWorld(t, "all", 2, 3)
		w.digest = "x"
		policy := func(patterns ...string) {
			tp := w.policy.Trees["centos"]
			tp.Patterns = patterns
			w.policy.Trees["centos"] = tp
		}
		// hold has everybody hold n anchors of the announced timestamp, as the tree always did; the patterns tell which are seen.
		hold := func(n int) {
			for id, h := range w.servers {
				h[0].anchors = set(1, 1, 1, 1, 1, 1)[:n]
				if h[0].timestamp == stampAt(5) {
					h[0].anchors = set(2, 1, 1, 1, 1, 1)[:n]
				}
				w.servers[id] = h
			}
			w.master.anchors = set(1, 1, 1, 1, 1, 1)[:n]
			if pending {
				w.master.anchors = set(2, 1, 1, 1, 1, 1)[:n]
			}
		}
		policy("a")
		w.run()
		if pending {
			w.digest = "y"
			w.change(5, 2, 1, 1, 1)
			w.sync("n1", "m1")
		}
		w.policy.Recheck = 0
		w.run()
		for _, step := range []struct {
			patterns []string
			anchors  int
		}{{[]string{"b", "a"}, 6}, {[]string{"a", "b"}, 6}, {[]string{"a"}, 4}} {
			policy(step.patterns...)
			hold(step.anchors)
			d := w.run()
			for _, v := range d.Verdicts {
				if !v.Source {
					t.Errorf("pending %v, %v: %s is %s: %s", pending, step.patterns, v.Server, v.State, v.Reason)
				}
			}
			want := w.memory.Trees["centos"].find(w.master.timestamp)
			if !slices.Equal(want.Anchors, w.master.anchors) || want.Recalled || want.List == nil {
				t.Errorf("pending %v, %v: recorded %d anchors, want %d; to be completed: %v", pending, step.patterns, len(want.Anchors), step.anchors, want.Recalled)
			}
			if got := len(w.published.Trees["centos"].Anchors); !pending && got != step.anchors {
				t.Errorf("%v: %d anchors announced, want %d", step.patterns, got, step.anchors)
			}
			if n := d.Trees[0].Note; strings.Contains(n, "motion") {
				t.Errorf("pending %v, %v: %s", pending, step.patterns, n)
			}
		}
		// What was recorded with the same patterns stays frozen.
		w.master.anchors = set(7, 1, 1, 1, 1)
		w.run()
		if r := w.memory.Trees["centos"].find(w.master.timestamp); len(r.Anchors) != 4 {
			t.Errorf("pending %v: an addition at the same timestamp was recorded", pending)
		}
	}
}

// A timestamp without news stays without when patterns change, as long as the lists tell.
func TestPatternsAndNoNews(t *testing.T) {
	w := newWorld(t, "all", 2, 0)
	w.digest = "x"
	w.run()
	w.change(5, 1, 1, 1, 1)
	w.sync("n1", "n2")
	w.run()
	w.master.anchors = set(1, 1, 1, 1, 1)
	w.sync("n1", "n2")
	w.policy.Trees["centos"] = TreePolicy{TimeFile: "TIME", Quorum: mustQuorum(t, "all"), MaxWait: time.Hour, Patterns: []string{"a"}}
	if d := w.run(); w.announced() != stampAt(0) || d.Trees[0].Pending != 0 || len(w.published.Sources) != 2 {
		t.Errorf("announced %d: %s", w.announced(), d.Trees[0].Note)
	}
}
