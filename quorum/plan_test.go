package quorum

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tidemark/internal/rsyncurl"
)

func (w *world) plan() map[string]Ask {
	asks := map[string]Ask{}
	for _, a := range Plan(w.memory, w.policy, w.now, w.rnd) {
		asks[a.Server] = a
	}
	return asks
}

func TestPlanWho(t *testing.T) {
	w := newWorld(t, "all", 2, 3)
	w.server("m1").Maintenance = true
	w.server("m2").Trees = map[string]rsyncurl.URL{"unheard-of": {}}
	w.server("m3").Private, w.server("n2").Partial = true, true
	slices.Reverse(w.policy.Servers)
	var got []string
	for _, a := range Plan(w.memory, w.policy, w.now, w.rnd) {
		got = append(got, a.Server)
		if a.TimeFile != "TIME" || a.URL.IsZero() || a.Tree != "centos" {
			t.Errorf("%+v", a)
		}
	}
	if diff := cmp.Diff([]string{"m3", "n1", "n2"}, got); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
}

// Deeper only when the time file moved or a re-check is due.
func TestPlanDeep(t *testing.T) {
	w := newWorld(t, "all", 1, 2)
	if a := w.plan()["m1"]; a.Known != 0 || !a.Deep {
		t.Errorf("never seen: known %d, deep %v", a.Known, a.Deep)
	}
	w.run()
	if a := w.plan()["m1"]; a.Known != stampAt(0) || a.Deep {
		t.Errorf("verified: known %d, deep %v", a.Known, a.Deep)
	}
	w.fail(FailBusy, "m2")
	w.run()
	if a := w.plan()["m2"]; a.Known != 0 || !a.Deep {
		t.Errorf("after a soft error: known %d, deep %v", a.Known, a.Deep)
	}
	deep := w.memory.Servers["m1"]["centos"].Deep
	w.now = deep.Add(w.policy.Recheck)
	if a := w.plan()["m1"]; !a.Deep {
		t.Error("a re-check is due, but not asked for")
	}
	w.now = deep.Add(-time.Hour)
	if a := w.plan()["m1"]; !a.Deep {
		t.Error("clock set back: a re-check would wait for it")
	}
}

// Those verified at the same moment do not all come due in the same round.
func TestPlanSpread(t *testing.T) {
	w := newWorld(t, "all", 1, 600)
	w.run()
	most, seen := 0, 0
	for range 36 {
		w.now = w.now.Add(10 * time.Minute)
		due := 0
		for _, a := range w.plan() {
			if a.Deep {
				due++
			}
		}
		most, seen = max(most, due-seen), due
	}
	if seen != 601 || most > 200 {
		t.Errorf("%d of 601 were due within the re-check time, at most %d at a time", seen, most)
	}
}

func TestPlanAnchors(t *testing.T) {
	w := newWorld(t, "all", 1, 1)
	w.policy.Sample = 2
	w.master.anchors = set(1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1)
	w.sync("n1", "m1")
	mem := Record(w.memory, []MasterReading{w.look()}, w.policy, nil, w.now)
	w.now = w.now.Add(time.Minute)
	w.memory = Record(mem, []MasterReading{w.look()}, w.policy, nil, w.now)
	if got := len(w.plan()["m1"].Anchors); got != 12 {
		t.Errorf("nothing announced yet: %d anchors asked, want all 12", got)
	}
	w.run()
	w.change(5, 1, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1)
	w.sync("n1")
	w.run() // announced: v1 changed
	w.change(9, 1, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1)
	w.run() // recorded: v2 differs
	w.change(11, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1)
	w.memory = Record(w.memory, []MasterReading{w.look()}, w.policy, w.published, w.now) // read once: v3 differs
	sampled := map[string]bool{}
	for range 50 {
		asked := w.plan()["m1"].Anchors
		if len(asked) != 5 {
			t.Fatalf("asked %v, want three that changed and a sample of two", asked)
		}
		for _, must := range []string{"v1/repomd.xml", "v2/repomd.xml", "v3/repomd.xml"} {
			if !slices.Contains(asked, must) {
				t.Fatalf("asked %v, without %s", asked, must)
			}
		}
		for _, path := range asked {
			sampled[path] = true
		}
	}
	if len(sampled) != 12 {
		t.Errorf("50 samples hit %d of 12 anchors", len(sampled))
	}
}

func TestPlanCapped(t *testing.T) {
	w := newWorld(t, "all", 1, 0)
	w.master.anchors = nil
	for i := range 1000 {
		w.master.anchors = append(w.master.anchors, anchor(fmt.Sprintf("%05d", i), 1))
	}
	w.sync("n1")
	for range 2 { // before and after the announcement
		w.run()
		if got := len(w.plan()["n1"].Anchors); got != maxAsked {
			t.Errorf("%d anchors asked, want %d", got, maxAsked)
		}
	}
	// Only new anchors were added: one that the announced timestamp holds is asked all the same.
	w.master.timestamp = stampAt(5)
	for i := range 1000 {
		w.master.anchors = append(w.master.anchors, anchor(fmt.Sprintf("z%04d", i), 1))
	}
	tm := w.memory.Trees["centos"]
	tm.Changed = nil
	w.memory.Trees["centos"] = tm
	w.memory = Record(w.memory, []MasterReading{w.look()}, w.policy, w.published, w.now)
	asked := w.plan()["n1"].Anchors
	if len(asked) != maxAsked || asked[0] >= "z" {
		t.Errorf("%d anchors asked, the first is %s", len(asked), asked[0])
	}
}

func TestPlanIsDeterministic(t *testing.T) {
	w := newWorld(t, "all", 1, 20)
	w.run()
	plan := func() []Ask { return Plan(w.memory, w.policy, w.now, rand.New(rand.NewPCG(7, 7))) }
	if diff := cmp.Diff(plan(), plan(), cmp.Comparer(func(a, b rsyncurl.URL) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
}

// A time file alone proves nothing, so at least one anchor is asked for even without a sample.
func TestPlanAsksOneAtLeast(t *testing.T) {
	w := newWorld(t, "all", 1, 0)
	w.run()
	w.policy.Sample = 0
	tm := w.memory.Trees["centos"]
	tm.Changed = nil
	w.memory.Trees["centos"] = tm
	if got := len(w.plan()["n1"].Anchors); got != 1 {
		t.Errorf("%d anchors asked, want 1", got)
	}
}

// The sizes of what is asked bound what is fetched: the largest that any recorded or present set knows.
func TestPlanSizes(t *testing.T) {
	w := newWorld(t, "all", 1, 0)
	sized := func(sizes ...int64) {
		anchors := set(1, 1, 1, 1)
		for i := range anchors {
			anchors[i].Size = sizes[i]
		}
		w.master.anchors = anchors
	}
	sized(10, 20, 30, 40)
	w.sync("n1")
	w.run()
	w.master.timestamp = stampAt(5)
	sized(10, 50, 30, 4)
	w.run()
	w.master.timestamp = stampAt(9)
	sized(1000, 50, 3, 4)
	w.memory = Record(w.memory, []MasterReading{w.look()}, w.policy, w.published, w.now) // read once
	w.policy.Sample = 4
	if a := w.plan()["n1"]; len(a.Anchors) != 4 || a.Largest != 1000 || a.Bytes != 1000+50+30+40 {
		t.Errorf("%d anchors, the largest %d bytes, in all %d", len(a.Anchors), a.Largest, a.Bytes)
	}
}
