package quorum

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tidemark/internal/filelist"
	"tidemark/internal/rsyncurl"
	"tidemark/internal/strictjson"
	"tidemark/manifest"
)

// atRest is a world in which stampAt(10) is announced, stampAt(5) was before it, the master rests, and its lists are at hand.
// All were looked at to the whole depth.
func atRest(t tester) *world {
	w := newWorld(t, "all", 2, 2)
	w.lists, w.digest = true, "a"
	w.policy.ListShare = 100
	w.change(5, 1, 1, 1, 1)
	w.sync("n1", "n2", "m1", "m2")
	w.run()
	w.now = w.now.Add(time.Hour)
	w.change(10, 2, 1, 1, 1)
	w.digest = "b"
	w.sync("n1", "n2", "m1", "m2")
	w.run()
	w.run()
	return w
}

func diffOf(different, missing, extra, moved int64) *filelist.Diff {
	d := &filelist.Diff{Files: 240201, Bytes: 1 << 40, Different: different, Missing: missing, Extra: extra, Moved: moved}
	odds := func(n int64, odd filelist.Odd) (first []filelist.Odd) {
		for i := range min(n, filelist.Shown) {
			o := odd
			o.Path = fmt.Sprintf("%s%d.rpm", odd.Path, i)
			first = append(first, o)
		}
		return first
	}
	d.DifferentFirst = odds(different, filelist.Odd{Path: "d", Size: 12, MTime: 1488372781, MasterSize: 13, MasterMTime: 1488369181})
	d.MissingFirst = odds(missing, filelist.Odd{Path: "m", MasterSize: 7, MasterMTime: 1488369181})
	d.ExtraFirst = odds(extra, filelist.Odd{Path: "e", Size: 9, MTime: 1488369181})
	d.MovedFirst = odds(moved, filelist.Odd{Path: "v", Size: 9, MTime: 1488369181})
	return d
}

func early(extra, early int64) *filelist.Diff {
	d := diffOf(0, 0, extra, 0)
	d.Early = early
	for i := range early {
		d.EarlyFirst = append(d.EarlyFirst, filelist.Odd{Path: fmt.Sprintf("y%d.rpm", i), Size: 9, MTime: 1488369181})
	}
	return d
}

func withoutTimes(n int64) *filelist.Diff {
	d := diffOf(n, 0, 0, 0)
	for i := range d.DifferentFirst {
		d.DifferentFirst[i].MasterSize = d.DifferentFirst[i].Size
	}
	return d
}

func TestList(t *testing.T) {
	at10 := set(2, 1, 1, 1)
	good := holding{timestamp: stampAt(10), anchors: at10}
	with := func(change func(h *holding)) holding {
		h := good
		change(&h)
		return h
	}
	list := func(different, missing, extra, moved int64) holding {
		return with(func(h *holding) { h.diff = diffOf(different, missing, extra, moved) })
	}
	tests := []struct {
		name   string
		holds  holding
		server func(w *world)
		state  State
		cause  Cause
		source bool
		depth  string
		says   string
	}{
		{"equal", good, nil, Verified, "", true, "listing", "and the 4 anchors looked at and its list of 10 files equal the master's, so it is a source"},
		{"extra files", list(0, 0, 3, 0), nil, Verified, "", true, "anchors",
			"as does its list of 240201 files, but for 3 files that the master does not have, the first e0.rpm with 9 bytes (so deletions are not taken from it), so it is a source"},
		{"one file too many", list(0, 0, 1, 0), nil, Verified, "", true, "anchors", "but for 1 file that the master does not have, e0.rpm with 9 bytes (so"},
		{"the first stage of its own sync", with(func(h *holding) { h.diff = early(0, 7) }), nil, Verified, "", true, "anchors",
			"but for 7 files of a newer timestamp, the first y0.rpm with 9 bytes (so deletions are not taken from it), so it is a source"},
		{"extra and early", with(func(h *holding) { h.diff = early(2, 7) }), nil, Verified, "", true, "anchors", "but for 2 files that the master does not have and 7 files of a newer timestamp, the first e0"},
		{"one missing", list(0, 1, 0, 0), nil, Incomplete, CauseList, false, "", "but in its file list 1 file is missing (m0.rpm: expected 7 bytes) (its list is read again at about 09:37 UTC, or when it checks in), so it is no source"},
		{"one different", list(1, 0, 0, 0), nil, Wrong, CauseList, false, "",
			"1 file differs from the master's (d0.rpm with 12 bytes of 2017-03-01 12:53:01 UTC: expected 13 bytes of 2017-03-01 11:53:01 UTC) (its"},
		{"the worst first", list(30, 1000000, 5, 2), nil, Wrong, CauseList, false, "",
			"30 files differ from the master's (the first d0.rpm with 12 bytes of 2017-03-01 12:53:01 UTC: expected 13 bytes of 2017-03-01 11:53:01 UTC); 1000000 files are missing (the first m0.rpm: expected 7 bytes); 2 files are as"},
		{"times of last change", with(func(h *holding) { h.diff = withoutTimes(40) }), nil, Wrong, CauseMTime, false, "",
			"40 files differ from the master's in the time of last change alone (synced without rsync -t?) (the first d0.rpm of 2017-03-01 12:53:01 UTC: expected 2017-03-01 11:53:01 UTC"},
		{"in the middle of its own sync", list(0, 0, 0, 7), nil, Mixed, CauseList, false, "", "7 files are as at another recorded timestamp (the first v0.rpm)"},
		{"extra and moved", list(0, 0, 3, 1), nil, Mixed, CauseList, false, "", "1 file is as at another"},
		{"a list without an end", with(func(h *holding) { h.listFail = FailList }), nil, Wrong, CauseList, false, "", "its file list is not the master's: as told"},
		{"no list in time", with(func(h *holding) { h.listFail = FailUnreachable }), nil, Verified, "", true, "listing", "its list could not be read: as told, so it is a source"},
		{"anchors first", with(func(h *holding) { h.anchors, h.diff = set(9, 1, 1, 1), diffOf(0, 1, 0, 0) }), nil, Wrong, CauseAnchors, false, "", "anchor v0/repomd.xml has"},
		{"void", with(func(h *holding) { h.void, h.diff = true, diffOf(1, 0, 0, 0) }), nil, Unknown, CauseVoid, true, "listing", "changed while we looked"},
		{"partial, equal", good, func(w *world) { w.server("m1").Partial = true }, Verified, "", false, "listing", "it is a partial mirror"},
		{"excludes, equal", good, func(w *world) { w.server("m1").Partial, w.server("m1").Exclude = true, []string{"isos/"} }, Verified, "", false, "listing", "it is a partial mirror"},
		{"excludes, one missing", list(0, 1, 0, 0), func(w *world) { w.server("m1").Partial, w.server("m1").Exclude = true, []string{"isos/"} }, Incomplete, CauseList, false, "", "missing"},
		{"a file may be newer than the master's list at hand", list(1, 0, 0, 0), func(w *world) {
			w.masterFail = &Failure{Kind: FailMoving, Text: "changes"}
		}, Verified, "", true, "anchors", "the 4 anchors looked at equal the master's; its list differs from the master's, which is not held against it, for the master is in motion, so it is a source"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := atRest(t)
			if tt.server != nil {
				tt.server(w)
			}
			d := w.decideOn("m1", tt.holds)
			v := verdictOf(t, d, "m1")
			if v.State != tt.state || v.Cause != tt.cause || v.Source != tt.source || v.Depth != tt.depth || !strings.Contains(v.Reason, tt.says) {
				t.Errorf("%s (%s), source %v, depth %q: %s", v.State, v.Cause, v.Source, v.Depth, v.Reason)
			}
			if text, err := EncodeMemory(d.Memory); err != nil {
				t.Error(err)
			} else if _, err := LoadMemory(text); err != nil {
				t.Error(err)
			}
		})
	}
}

// A node that was looked at to the depth of its list counts, and one whose list is not the master's does not.
func TestListOfNodes(t *testing.T) {
	w := atRest(t)
	w.change(20, 2, 2, 1, 1)
	w.digest = "c"
	w.sync("n1", "n2")
	w.servers["n2"][0].diff = diffOf(0, 1, 0, 0)
	if d := w.run(); w.announced() != stampAt(10) || verdictOf(t, d, "n2").State != Incomplete || d.Trees[0].Pending != stampAt(20) {
		t.Fatalf("announced %d: %s", w.announced(), verdictOf(t, d, "n2").Reason)
	}
	w.sync("n2")
	if d := w.run(); w.announced() != stampAt(20) || verdictOf(t, d, "n2").Depth != manifest.DepthListing {
		t.Errorf("announced %d: %s", w.announced(), verdictOf(t, d, "n2").Reason)
	}
}

// A fault of the list stands until the list is looked at again: neither the time file nor the anchors clear it.
func TestListFaultStands(t *testing.T) {
	for _, depth := range []string{manifest.DepthTime, manifest.DepthAnchors} {
		t.Run(depth, func(t *testing.T) {
			w := atRest(t)
			bad := w.master
			bad.diff = diffOf(0, 2, 0, 0)
			w.servers["m1"] = []holding{bad}
			w.memory = roundTripped(t, w.decideOn("m1", bad).Memory)
			w.policy.Lists = nil // nobody looks at lists
			w.lists = false
			for range 3 {
				asks := Plan(w.memory, w.policy, w.now, w.rnd)
				r := Readings{Masters: []MasterReading{w.look()}}
				for _, a := range asks {
					a.Deep = depth == manifest.DepthAnchors
					r.Servers = append(r.Servers, w.answer(a)...)
				}
				d := Decide(r, w.policy, w.published, w.memory, w.now)
				v := verdictOf(t, d, "m1")
				if v.State != Incomplete || v.Source || !strings.Contains(v.Reason, "its file list was not the master's (2026-11-22 09:32 UTC, at 192.0.2.1): 2 files missing: m0.rpm: expected 7 bytes") || !strings.Contains(v.Reason, "m0.rpm") {
					t.Fatalf("%s, source %v: %s", v.State, v.Source, v.Reason)
				}
				w.memory = roundTripped(t, d.Memory)
				w.now = w.now.Add(5 * time.Minute)
			}
			w.keepLists(w.memory)
			w.lists = true
			if v := verdictOf(t, w.decideOn("m1", w.master), "m1"); v.State != Verified || v.Depth != manifest.DepthListing {
				t.Errorf("its list is in order again: %s: %s", v.State, v.Reason)
			}
			w.change(20, 2, 2, 1, 1)
			w.sync("n1", "n2", "m1", "m2")
			w.run()
			if v := verdictOf(t, w.run(), "m1"); v.State != Verified {
				t.Errorf("at another timestamp: %s: %s", v.State, v.Reason)
			}
		})
	}
}

func roundTripped(t tester, mem Memory) Memory {
	t.Helper()
	text, err := EncodeMemory(mem)
	if err != nil {
		t.Fatal(err)
	}
	if mem, err = LoadMemory(text); err != nil {
		t.Fatal(err)
	}
	return mem
}

// A look at the anchors does not undo what an earlier one at the list has shown at the same timestamp; a new address does, and a
// list that is refused twice in a row.
func TestListDepthStands(t *testing.T) {
	w := atRest(t)
	depth := func(holds ...holding) string {
		d := w.decideOn("m1", holds...)
		w.memory = roundTripped(t, d.Memory)
		return verdictOf(t, d, "m1").Depth
	}
	if got := depth(w.master); got != manifest.DepthListing {
		t.Fatal(got)
	}
	listed := w.memory.Servers["m1"]["centos"].Listed
	w.lists = false
	if got := depth(w.master); got != manifest.DepthListing {
		t.Errorf("after a look at the anchors: %s", got)
	}
	sm := w.memory.Servers["m1"]["centos"]
	if sm.Listed != listed || !sm.Deep.After(listed.Time) {
		t.Errorf("listed %v, deep %v", sm.Listed, sm.Deep)
	}
	second := w.master
	second.address = "192.0.2.9"
	if got := depth(w.master, second); got != manifest.DepthAnchors {
		t.Errorf("a new address, looked at to its anchors: %s", got)
	}
	w.lists = true
	if got := depth(w.master, second); got != manifest.DepthListing {
		t.Errorf("both lists: %s", got)
	}
	refusing := w.master
	refusing.listFail = FailBusy
	if got := depth(refusing, second); got != manifest.DepthListing {
		t.Errorf("one list refused once: %s", got)
	}
	if got := depth(refusing, second); got != manifest.DepthAnchors {
		t.Errorf("one list refused twice: %s", got)
	}
	extra := second
	extra.diff = diffOf(0, 0, 1, 0)
	if got := depth(w.master, extra); got != manifest.DepthAnchors {
		t.Errorf("one with a file too many: %s", got)
	}
}

// Differences are not held against a server while they may be what the master has got since, and the list of that is not at hand.
func TestListInDoubt(t *testing.T) {
	w := atRest(t)
	bad := w.master
	bad.diff = diffOf(1, 0, 0, 0)
	w.change(20, 2, 2, 1, 1)
	w.digest = "c"
	w.run() // recorded, not announced
	w.policy.Lists = map[string][]int64{"centos": {stampAt(10)}}
	d := w.decideOn("m1", bad)
	if v := verdictOf(t, d, "m1"); v.State != Verified || v.Soft != 0 || v.Depth != manifest.DepthAnchors || !v.Source || !strings.Contains(v.Reason, "it was not compared with the master's list of "+stamp(stampAt(20))) {
		t.Errorf("%s: %s", v.State, v.Reason)
	}
	// It is looked at again when its turn comes, not in every round.
	w.memory = roundTripped(t, d.Memory)
	if sm := w.memory.Servers["m1"]["centos"]; sm.ListTried.IsZero() || sm.List.State != "" || sm.List.Doubt == "" || sm.List.Different != 1 {
		t.Errorf("%+v", sm)
	}
	w.policy.ListShare = 100
	if a := w.plan()["m1"]; a.Deep || a.List {
		t.Errorf("%+v", a)
	}
	w.keepLists(w.memory)
	w.lists = true
	if v := verdictOf(t, w.decideOn("m1", bad), "m1"); v.State != Wrong {
		t.Errorf("with that list at hand: %s: %s", v.State, v.Reason)
	}
}

// A server whose two addresses disagree is never a source, and the reason names the address.
func TestTwoAddresses(t *testing.T) {
	const second, other = "192.0.2.9", "2001:db8::9"
	at10 := set(2, 1, 1, 1)
	tests := []struct {
		name  string
		holds holding
		state State
	}{
		{"stale", holding{timestamp: stampAt(5), anchors: set(1, 1, 1, 1)}, Mixed},
		{"wrong anchor", holding{timestamp: stampAt(10), anchors: set(9, 1, 1, 1)}, Mixed},
		{"missing anchor", holding{timestamp: stampAt(10), anchors: set(0, 1, 1, 1)}, Mixed},
		{"incomplete list", holding{timestamp: stampAt(10), anchors: at10, diff: diffOf(0, 1, 0, 0)}, Mixed},
		{"wrong list", holding{timestamp: stampAt(10), anchors: at10, diff: diffOf(1, 0, 0, 0)}, Mixed},
		{"half-way list", holding{timestamp: stampAt(10), anchors: at10, diff: diffOf(0, 0, 0, 1)}, Mixed},
		{"endless list", holding{timestamp: stampAt(10), anchors: at10, listFail: FailList}, Mixed},
		{"no time file", holding{fail: FailMissing}, Mixed},
		{"no number", holding{fail: FailNotNumber}, Mixed},
		{"forbidden", holding{fail: FailForbidden}, Mixed},
		{"refused", holding{fail: FailRefused}, Refused},
		{"busy", holding{fail: FailBusy}, Busy},
		{"unreachable", holding{fail: FailUnreachable}, Unreachable},
		{"void", holding{timestamp: stampAt(10), void: true}, Unknown},
	}
	for _, tt := range tests {
		for _, address := range []string{second, other} {
			t.Run(tt.name+" at "+address, func(t *testing.T) {
				w := atRest(t)
				good, bad := w.master, tt.holds
				if bad.address = address; address == other {
					bad.family = 6
				}
				w.server("m1").Trees = map[string]rsyncurl.URL{"centos": mustURL(t, "rsync://m1.example.org/moved/")} // nothing is known of it
				for _, holds := range [][]holding{{good, bad}, {bad, good}} {
					if tt.state == Unreachable && address == other {
						continue // a family that is down is left out: TestFamilies
					}
					v := verdictOf(t, w.decideOn("m1", holds...), "m1")
					if v.State != tt.state || v.Source || !strings.Contains(v.Reason, address) {
						t.Errorf("%s, source %v: %s", v.State, v.Source, v.Reason)
					}
				}
			})
		}
	}
}

// Soft errors leave an earlier verification standing, at one of two addresses as at one; a disagreement does not.
func TestTwoAddressesLater(t *testing.T) {
	w := atRest(t)
	second := w.master
	second.address = "192.0.2.9"
	w.memory = w.decideOn("m1", w.master, second).Memory
	for round := range softLimit + 1 {
		d := w.decideOn("m1", w.master, holding{address: "192.0.2.9", fail: FailRefused})
		w.memory = d.Memory
		if v := verdictOf(t, d, "m1"); v.Source != (round < softLimit) || !strings.Contains(v.Reason, "192.0.2.9") {
			t.Errorf("round %d: source %v: %s", round, v.Source, v.Reason)
		}
	}
	w.memory = w.decideOn("m1", w.master, second).Memory
	second.diff = diffOf(0, 1, 0, 0)
	d := w.decideOn("m1", w.master, second)
	v := verdictOf(t, d, "m1")
	if v.State != Mixed || v.Source || v.Cause != CauseAddresses || slices.Contains(listed(d.Manifest), "m1") {
		t.Fatalf("%s: %s", v.State, v.Reason)
	}
	// At the odd one alone, and at the other alone: neither makes it good.
	for _, address := range []string{"192.0.2.1", "192.0.2.9"} {
		r := Readings{Masters: []MasterReading{w.look()}}
		for _, a := range w.answerBoth(d.Memory, second) {
			if a.Address == address { // its list is in order now, the other's was not looked at
				a.Depth, a.List = manifest.DepthListing, &filelist.Diff{Files: 10}
			}
			r.Servers = append(r.Servers, a)
		}
		if v := verdictOf(t, Decide(r, w.policy, w.published, d.Memory, w.now), "m1"); v.Source {
			t.Errorf("the list at %s alone: %s: %s", address, v.State, v.Reason)
		}
	}
	// The odd one is still named while nobody looks at lists.
	w.memory, w.lists = d.Memory, false
	second.diff = nil
	if v := verdictOf(t, w.decideOn("m1", w.master, second), "m1"); v.State != Mixed || !strings.Contains(v.Reason, "at 192.0.2.9") {
		t.Errorf("%s: %s", v.State, v.Reason)
	}
}

// answerBoth is what m1 says at two addresses whose anchors alone are looked at.
func (w *world) answerBoth(mem Memory, second holding) []Reading {
	second.diff = nil
	w.servers["m1"] = []holding{w.master, second}
	for _, a := range Plan(mem, w.policy, w.now, w.rnd) {
		if a.Server == "m1" {
			a.Deep, a.List = true, false
			return w.answer(a)
		}
	}
	return nil
}

// A deeper look that nobody has published yet is not forgotten; what another publisher says since is heeded.
func TestDepthBeforePublication(t *testing.T) {
	w := atRest(t)
	w.lists = false
	w.now = w.now.Add(time.Hour)
	w.change(80, 3, 1, 1, 1)
	w.sync("n1", "n2", "m1", "m2")
	w.run()
	if d := w.run(); verdictOf(t, d, "m1").Depth != manifest.DepthAnchors {
		t.Fatalf("%+v", verdictOf(t, d, "m1"))
	}
	w.lists, w.digest = true, "c"
	w.keepLists(w.memory)
	w.now = w.now.Add(time.Minute)
	d := w.decideOn("m1", w.master)
	if got := verdictOf(t, d, "m1"); got.Depth != manifest.DepthListing {
		t.Fatalf("after a look at its list: %s: %s", got.Depth, got.Reason)
	}
	w.memory = roundTripped(t, d.Memory)
	w.lists = false
	unpublished := w.published
	d = w.run()
	if got := verdictOf(t, d, "m1").Depth; got != manifest.DepthListing {
		t.Errorf("in the round after: %s", got)
	}
	w.published = unpublished
	w.published.Issued = strictjson.At(w.now) // another one looked since, and found less
	d = w.run()
	if got := verdictOf(t, d, "m1").Depth; got != manifest.DepthAnchors {
		t.Errorf("after another one's word: %s", got)
	}
}
