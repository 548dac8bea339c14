package quorum

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tidemark/internal/rsyncurl"
	"tidemark/manifest"
)

func (w *world) move(id string) {
	w.server(id).Trees = map[string]rsyncurl.URL{"centos": mustURL(w.t, "rsync://elsewhere.example.org/"+id+"/")}
}

// What was verified under one URL vouches for nothing under another.
func TestURLChanged(t *testing.T) {
	wrong := holding{timestamp: stampAt(0), anchors: set(9, 9, 9, 9)}
	w := newWorld(t, "majority", 3, 2)
	w.run()
	w.move("m1")
	if a := w.plan()["m1"]; a.Known != 0 || !a.Deep {
		t.Errorf("asked under the new URL: known %d, deep %v", a.Known, a.Deep)
	}
	w.servers["m1"] = []holding{wrong}
	d := w.run()
	if v := verdictOf(t, d, "m1"); v.State != Wrong || slices.Contains(listed(w.published), "m1") {
		t.Errorf("wrong content at the new URL: %s: %s", v.State, v.Reason)
	}

	// A soft error keeps no verification of another URL, neither from memory nor from the manifest.
	for _, lost := range []bool{false, true} {
		w = newWorld(t, "majority", 3, 2)
		w.run()
		w.move("m1")
		w.fail(FailBusy, "m1")
		if lost {
			w.memory = NewMemory()
		}
		if d := w.run(); slices.Contains(listed(w.published), "m1") {
			t.Errorf("memory lost %v: busy at the new URL: %s", lost, verdictOf(t, d, "m1").Reason)
		}
	}
}

// A URL that was wrong and is corrected gives no regression.
func TestURLCorrected(t *testing.T) {
	w := newWorld(t, "all", 1, 2)
	w.run()
	w.change(5, 2, 1, 1, 1)
	w.sync("m1")
	w.run() // verified at the newer timestamp
	w.move("m1")
	w.servers["m1"] = []holding{{timestamp: stampAt(0), anchors: set(1, 1, 1, 1)}}
	d := w.run()
	if v := verdictOf(t, d, "m1"); v.State != Verified || !v.Source {
		t.Errorf("%s, source %v: %s", v.State, v.Source, v.Reason)
	}
}

// A name that points somewhere else is looked at there; a verification elsewhere vouches for nothing.
func TestAddressChanged(t *testing.T) {
	good := holding{timestamp: stampAt(0), anchors: set(1, 1, 1, 1)}
	moved := func(h holding) holding { h.address = "192.0.2.77"; return h }
	wrong := holding{timestamp: stampAt(0), anchors: set(9, 9, 9, 9)}
	for _, tt := range []struct {
		name   string
		holds  []holding
		state  State
		source bool
	}{
		{"wrong at the new one", []holding{moved(wrong)}, Wrong, false},
		{"good at the new one", []holding{moved(good)}, Verified, true},
		{"good at both", []holding{good, moved(good)}, Verified, true},
		{"wrong at one more", []holding{good, moved(wrong)}, Mixed, false},
	} {
		w := newWorld(t, "majority", 3, 2)
		w.run()
		w.servers["m1"] = tt.holds
		d := w.run()
		if v := verdictOf(t, d, "m1"); v.State != tt.state || v.Source != tt.source {
			t.Errorf("%s: %s, source %v: %s", tt.name, v.State, v.Source, v.Reason)
		}
		if want := w.memory.Servers["m2"]["centos"].Deep; tt.source && !w.memory.Servers["m1"]["centos"].Deep.After(want.Time) && len(tt.holds) == 1 {
			t.Errorf("%s: the content was not looked at", tt.name)
		}
	}
	// Readings that did not look deeper there, as another probe may give them, prove nothing.
	for _, n := range []int{1, 2} {
		w := newWorld(t, "majority", 3, 2)
		w.run()
		w.servers["m1"] = []holding{moved(good), good}[:n]
		r := Readings{Servers: w.answer(Ask{Server: "m1", Tree: "centos", Known: stampAt(0)})}
		d := Decide(r, w.policy, w.published, w.memory, w.now)
		if v := verdictOf(t, d, "m1"); v.State != Unknown || v.Source || !strings.Contains(v.Reason, "not looked at at this address") {
			t.Errorf("%d addresses: %s, source %v: %s", n, v.State, v.Source, v.Reason)
		}
	}
}

// Part of the addresses looked at anew does not make the last look at the content later.
func TestAddressAdded(t *testing.T) {
	good := holding{timestamp: stampAt(0), anchors: set(1, 1, 1, 1)}
	w := newWorld(t, "majority", 3, 2)
	w.run()
	before := w.memory.Servers["m1"]["centos"]
	other := good
	other.address = "192.0.2.0" // sorts first
	w.servers["m1"] = []holding{other, good}
	w.run()
	sm := w.memory.Servers["m1"]["centos"]
	if sm.Deep != before.Deep || sm.Depth != manifest.DepthAnchors || fmt.Sprint(sm.Addresses) != "[192.0.2.0 192.0.2.1]" {
		t.Errorf("deep %v, before %v; depth %s, addresses %v", sm.Deep, before.Deep, sm.Depth, sm.Addresses)
	}
}

// The master moves twice between two runs: mirrors that were faster than our looks are honest, and the guard is silent.
func TestMasterMovesTwiceBetweenRuns(t *testing.T) {
	w := guarded(t, 13)
	w.master.timestamp, w.master.anchors = w.now.Add(2*time.Minute).Unix(), set(2, 1, 1, 1)
	w.sync(mirrors(8)...)
	w.master.timestamp, w.master.anchors = w.now.Add(4*time.Minute).Unix(), set(3, 1, 1, 1)
	d := w.run()
	if v := verdictOf(t, d, "m1"); v.State != Moving || !v.Source || d.Guard.Spoke {
		t.Fatalf("%s, source %v: %s; guard %+v", v.State, v.Source, v.Reason, d.Guard)
	}
	w.sync("m2")
	seen := w.memory.Servers["m1"]["centos"].SeenSince
	for w.now.Sub(seen.Time)+10*time.Minute <= w.policy.MaxHold {
		if d = w.run(); verdictOf(t, d, "m1").State != Moving {
			t.Fatalf("after %v: %s", w.now.Sub(seen.Time), verdictOf(t, d, "m1").Reason)
		}
	}
	d = w.run()
	if v := verdictOf(t, d, "m1"); v.State != Wrong || !strings.Contains(v.Reason, "has not changed for 2 h") {
		t.Errorf("a timestamp of nobody, for longer than max_hold: %s: %s", v.State, v.Reason)
	}
	if v := verdictOf(t, d, "m2"); v.State != Ahead {
		t.Errorf("m2 has synced: %s: %s", v.State, v.Reason)
	}
}

// Moving is no verdict: the one before stands twice, and not a third time.
func TestMovingIsSoft(t *testing.T) {
	w := newWorld(t, "majority", 3, 10)
	w.run()
	w.policy.Settle = 100 * time.Hour
	w.change(5, 2, 1, 1, 1)
	w.sync("m1")
	for i, want := range []bool{true, true, false} {
		w.memory = Record(w.memory, []MasterReading{w.look()}, w.policy, w.published, w.now)
		r := Readings{Masters: []MasterReading{w.look()}, Servers: w.answer(w.plan()["m1"])}
		w.now = w.now.Add(time.Minute)
		d := Decide(r, w.policy, w.published, w.memory, w.now)
		w.memory = d.Memory
		if v := verdictOf(t, d, "m1"); v.State != Moving || v.Source != want {
			t.Errorf("time %d: %s, source %v, want %v: %s", i+1, v.State, v.Source, want, v.Reason)
		}
	}
}
