package quorum

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tidemark/internal/filelist"
	"tidemark/internal/strictjson"
	"tidemark/manifest"
)

// followed is a network whose master has 15 servers that follow it, all looked at to their lists.
func followed(t tester) (w *world, all []string) {
	w = newWorld(t, "80%", 5, 10)
	w.lists, w.digest = true, "a"
	w.policy.ListShare, w.policy.Spot = 100, 5
	for _, s := range w.policy.Servers {
		all = append(all, s.ID)
	}
	w.change(10, 2, 1, 1, 1)
	w.sync(all...)
	w.run()
	w.run()
	return w, all
}

// The master changes, its time file does not, and everybody follows it: for two days nobody loses anything, and the note says it.
func TestMasterChangesWithoutItsTimeFile(t *testing.T) {
	for name, change := range map[string]func(w *world){
		"its list":                  func(w *world) { w.digest = "changed" },
		"it is never seen at rest":  func(w *world) { w.masterFail = &Failure{Kind: FailMoving, Text: `"x.rpm" vanished`} },
		"it cannot be read":         func(w *world) { w.masterFail = &Failure{Kind: FailUnreachable, Text: "no route"} },
		"only its daemon's filters": func(w *world) {},
	} {
		for kind, diff := range map[string]*filelist.Diff{"different": diffOf(1, 0, 0, 0), "missing": diffOf(0, 1, 0, 0)} {
			t.Run(name+", "+kind, func(t *testing.T) {
				t.Parallel()
				w, all := followed(t)
				if name == "only its daemon's filters" { // from the beginning: all lists are looked at in one round
					w.change(20, 3, 1, 1, 1)
					w.digest = "b"
					w.now = w.now.Add(time.Hour)
				}
				change(w)
				h := w.master
				h.diff = diff
				for _, id := range all {
					w.servers[id] = []holding{h}
				}
				for range 60 {
					d := w.run()
					if len(d.Manifest.Sources) != len(all) || d.Guard.Spoke {
						t.Fatalf("%d sources of %d; %s: %s", len(d.Manifest.Sources), len(all), d.Trees[0].Note, verdictOf(t, d, "n1").Reason)
					}
				}
				d := w.run()
				for _, v := range d.Verdicts {
					if v.State != Verified || v.Soft != 0 || v.Depth != manifest.DepthAnchors {
						t.Errorf("%s: %s to %s: %s", v.Server, v.State, v.Depth, v.Reason)
					}
				}
				switch note := d.Trees[0].Note; {
				case name == "its list" && !strings.Contains(note, "the master's list changed while its time file did not"),
					name == "only its daemon's filters" && !strings.Contains(note, "the lists of 5 of 5 nodes differ"):
					t.Error(note)
				}
			})
		}
	}
}

// What half of the nodes do not have is the master's own trouble, also where it is seen one after the other: what was held against
// the first ones is let go.
func TestSuspectedOneByOne(t *testing.T) {
	w := atRest(t)
	bad := w.master
	bad.diff = diffOf(0, 1, 0, 0)
	w.servers["n1"] = []holding{bad}
	d := w.decideOn("n1", bad)
	if v := verdictOf(t, d, "n1"); v.State != Incomplete {
		t.Fatalf("one of two: %s: %s", v.State, v.Reason)
	}
	w.memory = roundTripped(t, d.Memory)
	w.servers["n2"] = []holding{bad}
	d = w.decideOn("n2", bad)
	if v := verdictOf(t, d, "n2"); v.State != Verified {
		t.Errorf("two of two: %s: %s", v.State, v.Reason)
	}
	w.memory = roundTripped(t, d.Memory)
	for range 2 {
		d = w.run()
	}
	if v := verdictOf(t, d, "n1"); v.State != Verified || !v.Source {
		t.Errorf("the first one: %s: %s", v.State, v.Reason)
	}
	if v := verdictOf(t, w.decideOn("m1", bad), "m1"); v.State != Verified {
		t.Errorf("a mirror: %s: %s", v.State, v.Reason)
	}
	// Of the nodes one has got it: then the other, and a mirror, lack it.
	w.sync("n1")
	w.memory = roundTripped(t, w.decideOn("n1", w.master).Memory)
	if v := verdictOf(t, w.decideOn("m1", bad), "m1"); v.State != Incomplete {
		t.Errorf("a mirror, after a node is in order: %s: %s", v.State, v.Reason)
	}
}

// Nodes that differ each in another way do not accuse the master.
func TestNotSuspected(t *testing.T) {
	w := atRest(t)
	missing, different := w.master, w.master
	missing.diff, different.diff = diffOf(0, 1, 0, 0), diffOf(1, 0, 0, 0)
	w.memory = roundTripped(t, w.decideOn("n1", missing).Memory)
	w.servers["n1"] = []holding{missing}
	if v := verdictOf(t, w.decideOn("n2", different), "n2"); v.State != Wrong {
		t.Errorf("%s: %s", v.State, v.Reason)
	}
}

// A list that two looks do not agree in is not recorded; it is when two do.
func TestRecordedWithoutAList(t *testing.T) {
	w := newWorld(t, "all", 2, 2)
	mem := w.memory
	look := func(after time.Duration, digest string) TreeMemory {
		w.now = w.now.Add(after)
		m := MasterReading{Tree: "centos", At: strictjson.At(w.now), Timestamp: stampAt(5), Raw: "x", Anchors: set(1, 1), List: &ListSum{Files: 100, Bytes: 1, Digest: digest}}
		for range 2 { // the same look twice changes nothing
			mem = roundTripped(t, Record(mem, []MasterReading{m}, w.policy, nil, w.now))
		}
		return mem.Trees["centos"]
	}
	look(0, "a")
	if tm := look(time.Minute, "b"); len(tm.Recorded) != 1 || tm.Recorded[0].List != nil {
		t.Fatalf("%+v", tm.Recorded)
	}
	if tm := look(5*time.Minute, "c"); tm.Recorded[0].List != nil {
		t.Errorf("another list in each look: %+v", tm.Recorded)
	}
	if tm := look(10*time.Second, "c"); tm.Recorded[0].List != nil {
		t.Errorf("too soon: %+v", tm.Recorded)
	}
	mem = Record(mem, []MasterReading{{Tree: "centos", At: strictjson.At(w.now), Failure: &Failure{Kind: FailMoving}}}, w.policy, nil, w.now)
	if tm := look(5*time.Minute, "c"); tm.Recorded[0].List != nil && tm.Failed != "" {
		t.Errorf("in motion between: %+v", tm)
	}
	if tm := look(5*time.Minute, "c"); tm.Recorded[0].List == nil || tm.Recorded[0].List.Digest != "c" {
		t.Errorf("two that agree: %+v", tm.Recorded)
	}
	if tm := look(5*time.Minute, "d"); tm.Recorded[0].List.Digest != "c" || !tm.relisted() {
		t.Errorf("it is frozen: %+v", tm.Recorded)
	}
}

// When the operator leaves more out of the master's list, it is recorded anew.
func TestExcludedFromTheMaster(t *testing.T) {
	w := atRest(t)
	tp := w.policy.Trees["centos"]
	tp.Exclude = []string{"fullfilelist", "b", "b"}
	w.policy.Trees["centos"], w.digest = tp, "without"
	w.run()
	d := w.run()
	if tm := w.memory.Trees["centos"]; tm.find(stampAt(10)).List == nil || tm.find(stampAt(10)).List.Digest != "without" || tm.relisted() || !slices.Equal(tm.Exclude, []string{"b", "fullfilelist"}) {
		t.Errorf("%+v", tm)
	}
	if strings.Contains(d.Trees[0].Note, "list changed") || w.announced() != stampAt(10) {
		t.Error(d.Trees[0].Note)
	}
}

// A later look at the master, made for the faults that were seen, and the rounds of check-ins, which make none.
func TestListFaultAndTheMasterSince(t *testing.T) {
	for name, second := range map[string]func(w *world) MasterReading{
		"the list":        func(w *world) MasterReading { w.digest = "c"; return w.look() },
		"the time file":   func(w *world) MasterReading { w.change(20, 2, 1, 1, 1); return w.look() },
		"an anchor":       func(w *world) MasterReading { w.change(10, 2, 2, 1, 1); return w.look() },
		"it is moving":    func(w *world) MasterReading { w.masterFail = &Failure{Kind: FailMoving}; return w.look() },
		"it is gone":      func(w *world) MasterReading { w.masterFail = &Failure{Kind: FailUnreachable}; return w.look() },
		"it is as it was": func(w *world) MasterReading { return w.look() },
	} {
		t.Run(name, func(t *testing.T) {
			w := atRest(t)
			bad := w.master
			bad.diff = diffOf(1, 0, 2, 0)
			w.servers["n1"] = []holding{bad}
			r := Readings{Masters: []MasterReading{w.look()}}
			for _, a := range Plan(w.memory, w.policy, w.now, w.rnd) {
				if a.Server == "n1" {
					a.Deep, a.List = true, true
				}
				r.Servers = append(r.Servers, w.answer(a)...)
			}
			w.now = w.now.Add(2 * time.Minute)
			r.Masters = append(r.Masters, second(w))
			want := Verified
			if name == "it is as it was" {
				want = Wrong
			}
			d := Decide(r, w.policy, w.published, w.memory, w.now)
			if v := verdictOf(t, d, "n1"); v.State != want || v.Source != (want == Verified) {
				t.Errorf("%s: %s", v.State, v.Reason)
			}
			// The same in a check-in round after it.
			w.memory = roundTripped(t, Record(w.memory, r.Masters, w.policy, w.published, w.now))
			r = Readings{Asked: []string{"n1"}, Servers: r.Servers[slices.IndexFunc(r.Servers, func(s Reading) bool { return s.Server == "n1" }):][:1]}
			if v := verdictOf(t, Decide(r, w.policy, w.published, w.memory, w.now), "n1"); v.State != want {
				t.Errorf("check-in: %s: %s", v.State, v.Reason)
			}
		})
	}
}

// A reading says what it was compared with: lists that came to hand since do not count.
func TestListDecidedLater(t *testing.T) {
	for name, beside := range map[string][]int64{"none": {}, "the older one": {stampAt(5)}, "the newer one": {stampAt(20)}, "not said": nil} {
		w := atRest(t)
		bad := w.master
		bad.diff = diffOf(1, 0, 0, 0)
		w.servers["m1"] = []holding{bad}
		a := w.plan()["m1"]
		a.Deep, a.List = true, true
		servers := w.answer(a)
		servers[0].Beside = beside
		w.change(20, 3, 1, 1, 1)
		w.digest = "c"
		w.run()
		w.keepLists(w.memory)
		d := Decide(Readings{Servers: servers, Asked: []string{"m1"}}, w.policy, w.published, w.memory, w.now)
		want := Verified
		if beside == nil || slices.Contains(beside, stampAt(20)) {
			want = Wrong
		}
		if v := verdictOf(t, d, "m1"); v.State != want {
			t.Errorf("%s: %s: %s", name, v.State, v.Reason)
		}
	}
}

// lists counts how often a server's list is read in some rounds.
func (w *world) listsOf(id string, rounds int, every time.Duration) (n int, last Decision) {
	for range rounds {
		w.now = w.now.Add(every)
		r := w.ask()
		for _, s := range r.Servers {
			if s.Server == id && (s.List != nil || s.listFailed()) {
				n++
			}
		}
		last = Decide(r, w.policy, w.published, w.memory, w.now)
		w.memory = roundTripped(w.t, last.Memory)
		if !last.Guard.Held {
			w.publish(last.Manifest)
		}
	}
	return n, last
}

// Whoever is at fault, in doubt or behind is not asked for its list in every round.
func TestListsAreNotAskedInEveryRound(t *testing.T) {
	tests := []struct {
		name string
		id   string
		make func(w *world, bad holding)
		most int // in a day of 288 rounds
	}{
		{"a node at fault", "n1", nil, 52},
		{"a mirror at fault", "m1", nil, 52},
		{"in doubt", "m1", func(w *world, bad holding) { w.masterFail = &Failure{Kind: FailMoving} }, 50},
		{"behind", "m1", func(w *world, bad holding) {
			w.change(100, 3, 1, 1, 1)
			w.digest = "c"
			w.sync("n1", "n2", "m2")
		}, 4}, // before the new one is announced
		{"went back", "m1", func(w *world, bad holding) {
			sm := w.memory.Servers["m1"]["centos"]
			sm.Highest = stampAt(15)
			w.memory.Servers["m1"]["centos"] = sm
		}, 1},
		{"a node with a wrong anchor", "n1", func(w *world, bad holding) {
			bad.anchors = set(9, 1, 1, 1)
			w.servers["n1"] = []holding{bad}
		}, 52},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := atRest(t)
			w.policy.Spot, w.policy.ListShare = 0, 10
			w.now = w.now.Add(time.Hour)
			bad := w.master
			bad.diff = diffOf(0, 1, 0, 0)
			w.servers[tt.id] = []holding{bad}
			if tt.name != "in doubt" {
				w.memory = roundTripped(t, w.decideOn(tt.id, bad).Memory)
			}
			if tt.make != nil {
				tt.make(w, bad)
			}
			if n, d := w.listsOf(tt.id, 288, 5*time.Minute); n > tt.most {
				t.Errorf("%d lists in 288 rounds, want at most %d: %s", n, tt.most, verdictOf(t, d, tt.id).Reason)
			}
		})
	}
}

// A mirror that was in the middle of its sync is good again one interval after it was done.
func TestSyncedSoonAfter(t *testing.T) {
	w := atRest(t)
	w.now = w.now.Add(time.Hour)
	w.change(100, 3, 1, 1, 1)
	w.digest = "c"
	w.sync("n1", "n2", "m2")
	bad := w.master
	bad.diff = diffOf(0, 1, 0, 0)
	w.servers["m1"] = []holding{bad}
	d := w.run()
	v := verdictOf(t, d, "m1")
	if v.State != Incomplete || !strings.Contains(v.Reason, fmt.Sprintf("(its list is read again at about %s UTC, or when it checks in), so it is no source", w.now.Add(5*time.Minute).Format("15:04"))) {
		t.Fatalf("%s: %s", v.State, v.Reason)
	}
	w.sync("m1")
	if n, d := w.listsOf("m1", 1, 5*time.Minute); n != 1 || verdictOf(t, d, "m1").State != Verified {
		t.Errorf("%d lists: %s", n, verdictOf(t, d, "m1").Reason)
	}
}

// With `recheck: 0s` the anchors are looked at in every round, and lists once an hour.
func TestRecheckZero(t *testing.T) {
	w := atRest(t)
	w.policy.Recheck, w.policy.ListShare = 0, 10
	for _, id := range []string{"m1", "n1"} {
		if n, _ := w.listsOf(id, 60, 5*time.Minute); n < 5 || n > 11 {
			t.Errorf("%s: %d lists in five hours", id, n)
		}
	}
}
