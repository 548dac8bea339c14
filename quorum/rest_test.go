package quorum

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tidemark/manifest"
)

// failed is a world in which m1 has failed softly n times in a row, and nobody else.
func failedFor(t tester, n int) *world {
	w := newWorld(t, "all", 2, 3)
	w.policy.Backoff = time.Hour
	w.run()
	w.fail(FailBusy, "m1")
	for i := range 100 { // it may rest in between
		if w.memory.Servers["m1"]["centos"].Soft == n {
			return w
		}
		if i == 99 {
			t.Fatal("it rests for ever")
		}
		w.run()
	}
	return w
}

// A mirror that fails again and again is asked less and less often, and at least every Policy.Backoff.
func TestRestIntervals(t *testing.T) {
	w := newWorld(t, "all", 2, 3)
	w.policy.Backoff = time.Hour
	w.run()
	w.fail(FailUnreachable, "m1")
	var asked []time.Duration // between two times
	last := w.now
	for range 12 * 12 {
		w.now = w.now.Add(5 * time.Minute)
		r := w.ask()
		if !slices.Contains(r.Rested, "m1/centos") {
			asked = append(asked, w.now.Sub(last))
			last = w.now
		}
		w.memory = roundTripped(t, Decide(r, w.policy, w.published, w.memory, w.now).Memory)
	}
	if len(asked) < 14 || len(asked) > 20 {
		t.Errorf("asked %d times in 12 hours: %v", len(asked), asked)
	}
	for i, d := range asked {
		least, most := 5*time.Minute, 5*time.Minute
		if i > softLimit {
			most = min(time.Hour, 5*time.Minute<<(i-softLimit))
			least = most*3/4 - 5*time.Minute
		}
		if d < least || d > most {
			t.Errorf("time %d: after %v, want %v to %v", i, d, least, most)
		}
	}
}

// Those that failed together do not come back together.
func TestRestSpread(t *testing.T) {
	w := failedFor(t, 5)
	sm := w.memory.Servers["m1"]["centos"]
	times := map[time.Time]bool{}
	for i := range 100 {
		e := carriers(w.policy)[0]
		e.server.ID = fmt.Sprintf("x%d", i)
		next := sm.nextAsk(e, w.policy)
		if wait := next.Sub(sm.Last.At.Time); wait < 30*time.Minute || wait > 40*time.Minute {
			t.Fatalf("after %v", wait)
		}
		times[next.Truncate(time.Minute)] = true
	}
	if len(times) < 8 {
		t.Errorf("they come back in %d different minutes", len(times))
	}
}

func TestRest(t *testing.T) {
	w := failedFor(t, softLimit)
	if got := Rested(Plan(w.memory, w.policy, w.now, w.rnd)); got != nil {
		t.Errorf("its verification has just ended: %v", got)
	}
	w = failedFor(t, 5)
	w.now = w.now.Add(5 * time.Minute)
	before := w.memory.Servers["m1"]["centos"]
	asks := Plan(w.memory, w.policy, w.now, w.rnd)
	rested := Rested(asks)
	if diff := cmp.Diff([]string{"m1/centos"}, rested); diff != "" {
		t.Fatal(diff)
	}
	if len(Awake(asks)) != 4 || len(asks) != 5 {
		t.Fatal(asks)
	}
	r := w.ask()
	d := Decide(r, w.policy, w.published, w.memory, w.now)
	after := d.Memory.Servers["m1"]["centos"]
	after.Reason, before.Reason = "", ""
	if diff := cmp.Diff(fmt.Sprintf("%+v", before), fmt.Sprintf("%+v", after)); diff != "" {
		t.Errorf("its memory changed: %s", diff)
	}
	v := verdictOf(t, d, "m1")
	if v.State != Busy || v.Source || !v.Rested || v.Soft != 5 || !v.Next.After(w.now) {
		t.Errorf("%+v", v)
	}
	want := "it was not asked in this round: it failed 5 rounds in a row, asked again at about " + v.Next.UTC().Format("15:04") + " UTC; last: it is busy: as told, so it is no source"
	if v.Reason != want {
		t.Errorf("got  %s\nwant %s", v.Reason, want)
	}
	// The words do not grow, however long it rests.
	w.memory = roundTripped(t, d.Memory)
	if v := verdictOf(t, Decide(r, w.policy, w.published, w.memory, w.now), "m1"); v.Reason != want {
		t.Error(v.Reason)
	}
	// One good check brings it back.
	w.sync("m1")
	w.now = v.Next.Time
	if v := verdictOf(t, w.run(), "m1"); v.State != Verified || !v.Source || v.Rested {
		t.Errorf("%+v", v)
	}
}

// Who is not failing, is a node, checks in, or is one of too many does not rest.
func TestRestNot(t *testing.T) {
	tests := []struct {
		name   string
		change func(w *world)
	}{
		{"no back-off", func(w *world) { w.policy.Backoff = 0 }},
		{"a node", func(w *world) { w.server("m1").Kind = manifest.KindNode }},
		{"another URL", func(w *world) {
			w.server("m1").Trees["centos"] = mustURL(w.t, "rsync://m1.example.org/other/")
		}},
		{"moving", func(w *world) { w.tell("m1", func(sm *ServerMemory) { sm.State = Moving }) }},
		{"valid", func(w *world) { w.tell("m1", func(sm *ServerMemory) { sm.Valid, sm.Timestamp = true, stampAt(0) }) }},
		{"the clock was set back", func(w *world) { w.now = w.now.Add(-24 * time.Hour) }},
		{"the guard holds", func(w *world) { w.memory.Guard.Runs = 1 }},
		{"most of them fail", func(w *world) {
			for _, id := range []string{"m2", "m3"} {
				w.tell(id, func(sm *ServerMemory) { *sm = w.memory.Servers["m1"]["centos"]; sm.URL = w.server(id).Trees["centos"] })
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := failedFor(t, 6)
			w.now = w.now.Add(5 * time.Minute)
			if got := Rested(Plan(w.memory, w.policy, w.now, w.rnd)); len(got) != 1 {
				t.Fatalf("rested %v", got)
			}
			tt.change(w)
			if got := Rested(Plan(w.memory, w.policy, w.now, w.rnd)); len(got) != 0 {
				t.Errorf("rested %v", got)
			}
		})
	}
}

func (w *world) tell(id string, change func(sm *ServerMemory)) {
	sm := w.memory.Servers[id]["centos"]
	change(&sm)
	w.memory.Servers[id]["centos"] = sm
}

// A check-in wakes, whatever it claims; the round of check-ins asks it, and so does a full one.
func TestRestCheckin(t *testing.T) {
	w := failedFor(t, 6)
	w.now = w.now.Add(5 * time.Minute)
	asks := Claims{"m1": {"centos": stampAt(0)}}.Heed(Plan(w.memory, w.policy, w.now, w.rnd), w.memory)
	if got := Rested(asks); got != nil {
		t.Errorf("rested %v", got)
	}
	if a := Only(asks, []string{"m1"}); len(a) != 1 || a[0].Rest || !a[0].Deep {
		t.Errorf("%+v", a)
	}
}

// Without a word of resting, one that was not asked counts as before; and a reading always counts.
func TestRestUnsaid(t *testing.T) {
	w := failedFor(t, 6)
	w.now = w.now.Add(5 * time.Minute)
	r := w.ask()
	r.Rested = nil
	if v := verdictOf(t, Decide(r, w.policy, w.published, w.memory, w.now), "m1"); v.State != Unknown || v.Soft != 7 || v.Rested {
		t.Errorf("%+v", v)
	}
	w.sync("m1")
	r.Rested = []string{"m1/centos", "no-such/centos", "nonsense"}
	for _, a := range Plan(w.memory, w.policy, w.now, w.rnd) {
		if a.Server == "m1" {
			r.Servers = append(r.Servers, w.answer(a)...)
		}
	}
	if v := verdictOf(t, Decide(r, w.policy, w.published, w.memory, w.now), "m1"); v.State != Verified || v.Rested {
		t.Errorf("%+v", v)
	}
	// One that is good cannot be put to rest.
	r.Rested, r.Servers = []string{"m2/centos"}, nil
	if v := verdictOf(t, Decide(r, w.policy, w.published, w.memory, w.now), "m2"); v.Rested || v.Soft != 1 {
		t.Errorf("%+v", v)
	}
}

// What another publisher has found in the meantime stands, as for one that was not asked.
func TestRestOtherPublisher(t *testing.T) {
	w := failedFor(t, 6)
	w.now = w.now.Add(5 * time.Minute)
	m := *w.published
	m.Sources = slices.Clone(m.Sources)
	for _, src := range m.Sources {
		if src.ID == "m2" {
			src.ID, src.Trees = "m1", map[string]manifest.SourceTree{"centos": src.Trees["centos"]}
			st := src.Trees["centos"]
			st.URL = w.server("m1").Trees["centos"]
			src.Trees["centos"] = st
			m.Sources = append(m.Sources, src)
		}
	}
	slices.SortFunc(m.Sources, func(a, b manifest.Source) int { return strings.Compare(a.ID, b.ID) })
	w.publish(&m)
	v := verdictOf(t, Decide(w.ask(), w.policy, w.published, w.memory, w.now), "m1")
	if v.State != Verified || !v.Source || !v.Rested {
		t.Errorf("%+v", v)
	}
}
