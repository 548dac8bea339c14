package quorum

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"tidemark/internal/filelist"
	"tidemark/manifest"
)

// Whose list is looked at, when its content is looked at for another reason or because of its list.
func TestPlanLists(t *testing.T) {
	tests := []struct {
		name       string
		id         string
		change     func(w *world, sm *ServerMemory)
		deep, list bool
	}{
		{"a node, whenever its time file moves", "n1", nil, false, true},
		{"a node that is due", "n1", func(w *world, sm *ServerMemory) { w.now = w.now.Add(w.policy.Recheck) }, true, true},
		{"a mirror that is not drawn", "m1", nil, false, false},
		{"a mirror that is drawn, should its time file move", "m1", func(w *world, sm *ServerMemory) { w.now = w.now.Add(time.Hour); w.policy.ListShare = 100 }, false, true},
		{"drawn, but looked at just now", "m1", func(w *world, sm *ServerMemory) { w.policy.ListShare = 100 }, false, false},
		{"a mirror that is due", "m1", func(w *world, sm *ServerMemory) { w.now = w.now.Add(w.policy.Recheck * 7 / 8) }, true, true},
		{"the clock was set back", "m1", func(w *world, sm *ServerMemory) { w.now = w.now.Add(-time.Hour) }, true, true},
		{"due, but its timestamp's list is not at hand", "m1", func(w *world, sm *ServerMemory) {
			w.now = w.now.Add(w.policy.Recheck / 2 * 5 / 4) // before the anchors come due
			sm.Listed.Time = w.now.Add(-24 * time.Hour)
			w.policy.Lists = map[string][]int64{"centos": {stampAt(5)}}
		}, false, false},
		{"no list of the tree at hand", "n1", func(w *world, sm *ServerMemory) { w.policy.Lists = nil }, false, false},
		{"due, but asked in vain just now", "m1", func(w *world, sm *ServerMemory) {
			w.now = w.now.Add(w.policy.Recheck / 2 * 5 / 4)
			sm.Listed.Time, sm.ListTried.Time = w.now.Add(-24*time.Hour), w.now.Add(-10*time.Minute)
		}, false, false},
		{"behind, and its list was looked at long ago", "m1", func(w *world, sm *ServerMemory) {
			sm.State, sm.Valid, sm.Listed.Time = Behind, false, w.now.Add(-24*time.Hour)
		}, false, false},
		{"a list at fault, just now", "m1", func(w *world, sm *ServerMemory) {
			sm.State, sm.Valid, sm.List = Incomplete, false, &ListLook{Timestamp: sm.Seen, State: Incomplete}
		}, false, true},
		{"a list at fault, a while ago", "m1", func(w *world, sm *ServerMemory) {
			sm.State, sm.Valid, sm.List = Incomplete, false, &ListLook{Timestamp: sm.Seen, State: Incomplete}
			w.now = w.now.Add(w.policy.Recheck / retryPart)
		}, true, true},
		{"a node's list at fault, just now", "n1", func(w *world, sm *ServerMemory) {
			sm.State, sm.Valid, sm.List = Incomplete, false, &ListLook{Timestamp: sm.Seen, State: Incomplete}
		}, false, true},
		{"a node's list at fault, one interval ago", "n1", func(w *world, sm *ServerMemory) {
			sm.State, sm.Valid, sm.List, sm.ListFaults = Incomplete, false, &ListLook{Timestamp: sm.Seen, State: Incomplete}, 1
			w.now = w.now.Add(w.policy.CheckInterval)
		}, true, true},
		{"the fifth look at a list at fault, one interval ago", "n1", func(w *world, sm *ServerMemory) {
			sm.State, sm.Valid, sm.List, sm.ListFaults = Incomplete, false, &ListLook{Timestamp: sm.Seen, State: Incomplete}, 5
			w.now = w.now.Add(w.policy.CheckInterval)
		}, false, true},
		{"its list was at fault, and it is behind now", "m1", func(w *world, sm *ServerMemory) {
			sm.State, sm.Valid, sm.List = Behind, false, &ListLook{Timestamp: sm.Seen, State: Incomplete}
			w.now = w.now.Add(w.policy.Recheck)
		}, false, true},
		{"its list was at fault, and it went back", "n1", func(w *world, sm *ServerMemory) {
			sm.State, sm.Valid, sm.List, sm.Last.Cause = Wrong, false, &ListLook{Timestamp: sm.Seen, State: Incomplete}, CauseRegression
			w.now = w.now.Add(w.policy.Recheck)
		}, false, true},
		{"its list was at fault at an older timestamp", "m1", func(w *world, sm *ServerMemory) {
			sm.List = &ListLook{Timestamp: stampAt(5), State: Wrong}
			w.now = w.now.Add(w.policy.Recheck / retryPart)
		}, true, true},
		{"all by chance", "m1", func(w *world, sm *ServerMemory) { w.policy.Spot = 1000 }, true, true},
		{"by chance, without lists", "m1", func(w *world, sm *ServerMemory) { w.policy.Spot, w.policy.Lists = 1000, nil }, true, false},
		{"by chance, but behind", "m1", func(w *world, sm *ServerMemory) { w.policy.Spot, sm.State, sm.Valid = 1000, Behind, false }, false, false},
		{"never seen", "m1", func(w *world, sm *ServerMemory) { *sm = ServerMemory{} }, true, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := atRest(t)
			w.policy.ListShare = 0
			if sm := w.memory.Servers[tt.id]["centos"]; tt.change != nil {
				tt.change(w, &sm)
				w.memory.Servers[tt.id]["centos"] = sm
			}
			if a := w.plan()[tt.id]; a.Deep != tt.deep || a.List != tt.list || a.Files != 10 {
				t.Errorf("deep %v, list %v, %d files; want %v, %v", a.Deep, a.List, a.Files, tt.deep, tt.list)
			}
		})
	}
}

// What the inventory says of a server goes into what is asked of it.
func TestPlanDeclared(t *testing.T) {
	w := atRest(t)
	w.server("m1").Partial, w.server("m1").Group = true, "university"
	w.server("m2").Partial, w.server("m2").Exclude = true, []string{"isos/"}
	if a := w.plan()["m1"]; !a.Subset || a.Group != "university" || a.Exclude != nil {
		t.Errorf("%+v", a)
	}
	if a := w.plan()["m2"]; a.Subset || !slices.Equal(a.Exclude, []string{"isos/"}) || len(a.Anchors) != 4 {
		t.Errorf("%+v", a)
	}
}

// What a server excludes is not asked: an anchor that is not in the reading is not missing.
func TestExcludedAnchors(t *testing.T) {
	w := atRest(t)
	w.server("m1").Partial, w.server("m1").Exclude = true, []string{"v*/"}
	decide := func(list *filelist.Diff, anchors ...AnchorSeen) Verdict {
		r := w.answer(w.plan()["m1"])[0]
		r.Depth, r.Anchors, r.List = manifest.DepthAnchors, anchors, list
		if list != nil {
			r.Depth = manifest.DepthListing
		}
		d := Decide(Readings{Servers: []Reading{r}}, w.policy, w.published, w.memory, w.now)
		w.memory = d.Memory
		return verdictOf(t, d, "m1")
	}
	w.memory.Servers["m1"]["centos"] = ServerMemory{URL: w.server("m1").Trees["centos"]}
	if v := decide(nil); v.State != Unknown || v.Reason == "" {
		t.Errorf("all hidden, no list: %s: %s", v.State, v.Reason)
	}
	if v := decide(nil, seen(w.master.anchors, []string{"v1/repomd.xml"})...); v.State != Verified {
		t.Errorf("one carried: %s: %s", v.State, v.Reason)
	}
	w.memory.Servers["m1"]["centos"] = ServerMemory{URL: w.server("m1").Trees["centos"]}
	if v := decide(&filelist.Diff{Files: 3}); v.State != Verified || v.Depth != manifest.DepthListing {
		t.Errorf("all hidden, list equal: %s at %s: %s", v.State, v.Depth, v.Reason)
	}
	if v := decide(nil); v.State != Verified || v.Depth != manifest.DepthListing {
		t.Errorf("looked at again, list not: %s at %s: %s", v.State, v.Depth, v.Reason)
	}
	if v := decide(&filelist.Diff{Files: 3, Missing: 1, MissingFirst: []filelist.Odd{{Path: "x", MasterSize: 1}}}); v.State != Incomplete {
		t.Errorf("list incomplete: %s: %s", v.State, v.Reason)
	}
}

// crowd is a network of so many mirrors, all verified to their anchors, none listed yet.
func crowd(t tester, mirrors int) *world {
	w := atRest(t)
	for i := range mirrors {
		w.add(fmt.Sprintf("c%d", i), manifest.KindMirror, 2)
	}
	w.policy.ListShare, w.lists = 10, false
	w.policy.Lists = nil
	w.run()
	w.keepLists(w.memory)
	return w
}

// Over a day of rounds in which nothing changes, each of 650 servers is looked at, to its list, at least every Recheck, no round
// has much more than its share, and in all it is no more than the policy says.
func TestListsOverADay(t *testing.T) {
	t.Parallel()
	w := crowd(t, 646)
	w.policy.Spot, w.policy.Sample = 5, 1
	const rounds = 24 * 12
	most := 2*650*5/(6*60) + 1
	lists, deeps, last := map[string]int{}, map[string]int{}, map[string]time.Time{}
	first := w.now
	for range rounds {
		w.now = w.now.Add(w.policy.CheckInterval)
		round := 0
		for _, a := range Plan(w.memory, w.policy, w.now, w.rnd) {
			sm := w.memory.Servers[a.Server]["centos"]
			if !a.Deep {
				if w.now.Sub(first) > w.policy.Recheck && w.now.Sub(last[a.Server]) >= w.policy.Recheck {
					t.Fatalf("%s: its list was not looked at since %v", a.Server, last[a.Server])
				}
				continue
			}
			sm.Deep.Time = w.now
			deeps[a.Server]++
			if a.List {
				sm.Listed.Time = w.now
				last[a.Server] = w.now
				lists[a.Server]++
				round++
			}
			w.memory.Servers[a.Server]["centos"] = sm
		}
		if round > most+4+25 { // nodes, and those by chance
			t.Errorf("%d lists in one round, want at most %d and some", round, most)
		}
	}
	total := 0
	for id, n := range lists {
		if total += n; n > 16 || deeps[id] > n+5 {
			t.Errorf("%s: %d lists, %d looks at its content", id, n, deeps[id])
		}
	}
	if len(lists) != 650 || total > 650*9 {
		t.Errorf("%d lists of %d servers", total, len(lists))
	}
	t.Logf("%d lists, %.1f a server and day", total, float64(total)/650)
}
