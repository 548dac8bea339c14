package quorum

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tidemark/internal/strictjson"
	"tidemark/manifest"
)

func lookAt(minute int, after time.Duration, versions ...int) MasterReading {
	return MasterReading{Tree: "centos", At: strictjson.At(start.Add(after)), Timestamp: stampAt(minute), Anchors: set(versions...)}
}

func recordedTimes(mem Memory) []int64 {
	var times []int64
	for _, r := range mem.Trees["centos"].Recorded {
		times = append(times, r.Timestamp)
	}
	return times
}

func TestRecordTwoLooks(t *testing.T) {
	tests := []struct {
		name      string
		looks     []MasterReading
		recorded  []int64
		unsettled bool
	}{
		{"one look is not enough", []MasterReading{lookAt(1, 0, 1)}, nil, true},
		{"two that agree", []MasterReading{lookAt(1, 0, 1), lookAt(1, time.Minute, 1)}, []int64{stampAt(1)}, false},
		{"two that agree too soon", []MasterReading{lookAt(1, 0, 1), lookAt(1, 59*time.Second, 1)}, nil, true},
		{"a third late enough after the first", []MasterReading{lookAt(1, 0, 1), lookAt(1, 59*time.Second, 1), lookAt(1, 61*time.Second, 1)}, []int64{stampAt(1)}, false},
		{"another time file starts anew", []MasterReading{lookAt(1, 0, 1), lookAt(2, time.Minute, 1)}, nil, true},
		{"other anchors start anew", []MasterReading{lookAt(1, 0, 1), lookAt(1, time.Minute, 2)}, nil, true},
		{"and are recorded when they rest", []MasterReading{lookAt(1, 0, 1), lookAt(1, time.Minute, 2), lookAt(1, 2*time.Minute, 2)}, []int64{stampAt(1)}, false},
		{"a failed look between changes nothing", []MasterReading{lookAt(1, 0, 1), {Tree: "centos", Failure: &Failure{Kind: FailUnreachable}}, lookAt(1, time.Minute, 1)}, []int64{stampAt(1)}, false},
		{"an older timestamp is not recorded", []MasterReading{lookAt(2, 0, 1), lookAt(2, time.Minute, 1), lookAt(1, 2*time.Minute, 1), lookAt(1, 3*time.Minute, 1)}, []int64{stampAt(2)}, false},
		{"another tree is none of ours", []MasterReading{{Tree: "vault", Timestamp: 1}, {Tree: "vault", Timestamp: 1, At: strictjson.At(start.Add(time.Hour))}}, nil, false},
		{"no timestamp", []MasterReading{{Tree: "centos"}, {Tree: "centos", At: strictjson.At(start.Add(time.Hour))}}, nil, false},
		{"clock set back after the first look", []MasterReading{lookAt(1, 9000*time.Hour, 1), lookAt(1, 0, 1), lookAt(1, time.Minute, 1)}, []int64{stampAt(1)}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, "all", 1, 0)
			now := start.Add(time.Hour)
			mem := Record(NewMemory(), tt.looks, w.policy, nil, now)
			if diff := cmp.Diff(tt.recorded, recordedTimes(mem)); diff != "" {
				t.Errorf("recorded (-want +got):\n%s", diff)
			}
			if got := len(Unsettled(mem)) > 0; got != tt.unsettled {
				t.Errorf("unsettled: %v, want %v", got, tt.unsettled)
			}
			if diff := cmp.Diff(mem, Record(mem, tt.looks, w.policy, nil, now)); diff != "" {
				t.Errorf("recording the same again changed (-before +after):\n%s", diff)
			}
		})
	}
}

func TestRecordIsFrozen(t *testing.T) {
	w := newWorld(t, "all", 1, 0)
	mem := Record(NewMemory(), []MasterReading{lookAt(1, 0, 1), lookAt(1, time.Minute, 1)}, w.policy, nil, w.now)
	mem = Record(mem, []MasterReading{lookAt(1, 2*time.Minute, 7), lookAt(1, 4*time.Minute, 7)}, w.policy, nil, w.now)
	if got := mem.Trees["centos"].find(stampAt(1)).Anchors; !slices.Equal(got, set(1)) {
		t.Errorf("the recorded anchors became %v", got)
	}
	if names := Unsettled(mem); names != nil {
		t.Errorf("a recorded timestamp is looked at again: %v", names)
	}
}

func TestRecordFuture(t *testing.T) {
	for _, tt := range []struct {
		ahead   time.Duration
		refused bool
	}{{5 * time.Minute, false}, {5*time.Minute + time.Second, true}, {time.Hour, true}} {
		w := newWorld(t, "all", 1, 0)
		w.master.timestamp = w.now.Add(10*time.Minute + tt.ahead).Unix() // run goes on by ten minutes
		w.sync("n1")
		d := w.run()
		said := strings.Contains(d.Trees[0].Note, "in the future")
		if tt.refused != said || tt.refused != (len(recordedTimes(d.Memory)) == 0) {
			t.Errorf("%v ahead: recorded %v, note %q", tt.ahead, recordedTimes(d.Memory), d.Trees[0].Note)
		}
	}
}

func TestNoNews(t *testing.T) {
	tests := []struct {
		name     string
		digests  [2]string
		versions []int
		news     bool
	}{
		{"equal lists", [2]string{"x", "x"}, []int{1, 1, 1, 1}, false},
		{"another list, same anchors", [2]string{"x", "y"}, []int{1, 1, 1, 1}, true},
		{"no lists, equal anchors", [2]string{"", ""}, []int{1, 1, 1, 1}, false},
		{"no list before, equal anchors", [2]string{"", "y"}, []int{1, 1, 1, 1}, false},
		{"no lists, other anchors", [2]string{"", ""}, []int{2, 1, 1, 1}, true},
		{"equal lists, other anchors", [2]string{"x", "x"}, []int{2, 1, 1, 1}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, "all", 2, 1)
			w.digest = tt.digests[0]
			w.run()
			first := w.announced()
			w.digest = tt.digests[1]
			w.change(5, tt.versions...)
			w.sync("n1", "n2")
			d := w.run()
			if news := w.announced() != first; news != tt.news {
				t.Fatalf("announced: %v, want %v (%s)", news, tt.news, d.Trees[0].Note)
			}
			if tt.news {
				return
			}
			if v := verdictOf(t, d, "n1"); v.State != Ahead || !v.Source {
				t.Errorf("a node at the timestamp without news: %s, source %v: %s", v.State, v.Source, v.Reason)
			}
			if later := w.published.Trees["centos"].Later; len(later) != 1 || later[0].Timestamp != stampAt(5) || len(later[0].Anchors) != 0 {
				t.Errorf("later does not hold it: %v", later)
			}
			if r := d.Trees[0]; r.Pending != 0 || r.Overdue || !strings.Contains(r.Note, "nothing new") {
				t.Errorf("pending %d, note %q", r.Pending, r.Note)
			}
		})
	}
}

// An update that the master took back by a later time file over the old content is not announced.
func TestWithdrawn(t *testing.T) {
	w := newWorld(t, "majority", 3, 0)
	w.run()
	first := w.announced()
	w.change(5, 2, 1, 1, 1)
	w.sync("n1")
	w.run()
	w.change(9, 1, 1, 1, 1)
	w.sync("n1", "n2", "n3")
	d := w.run()
	if w.announced() != first {
		t.Fatalf("announced %d: %s", w.announced(), d.Trees[0].Note)
	}
	if d.Trees[0].Pending != 0 {
		t.Errorf("the withdrawn update is still pending: %s", d.Trees[0].Note)
	}
	// But what brings no news to one announced timestamp may bring some to the next.
	w = newWorld(t, "majority", 3, 0)
	w.run()
	w.change(5, 2, 1, 1, 1)
	w.sync("n1", "n2")
	w.now = w.now.Add(time.Minute)
	w.memory = Record(w.memory, []MasterReading{w.look(), {Tree: "centos", Timestamp: w.master.timestamp, Anchors: w.master.anchors, At: strictjson.At(w.now.Add(time.Minute))}}, w.policy, w.published, w.now.Add(2*time.Minute))
	w.change(9, 1, 1, 1, 1)
	w.run()
	if w.announced() != stampAt(5) {
		t.Fatalf("announced %d, want the update that a quorum has", w.announced())
	}
	w.sync("n1", "n2")
	w.run()
	if w.announced() != stampAt(9) {
		t.Errorf("announced %d, want the withdrawal", w.announced())
	}
}

func TestKeepsOlderRecorded(t *testing.T) {
	w := newWorld(t, "all", 1, 0)
	for i := range 9 {
		w.change(i, i+1, 1)
		w.sync("n1")
		w.run()
	}
	w.change(20, 90, 1)
	w.run()
	w.change(21, 91, 1)
	w.run()
	var want []int64
	for _, minute := range []int{4, 5, 6, 7, 8, 20, 21} {
		want = append(want, stampAt(minute))
	}
	if diff := cmp.Diff(want, recordedTimes(w.memory)); diff != "" {
		t.Errorf("recorded (-want +got):\n%s", diff)
	}
}

func TestMasterNotes(t *testing.T) {
	tests := []struct {
		name string
		do   func(w *world)
		want string
	}{
		{"unreachable", func(w *world) { w.masterFail = &Failure{Kind: FailUnreachable, Text: "no route"} }, "the master could not be read, what"},
		{"being written", func(w *world) { w.masterFail = &Failure{Kind: FailMoving, Text: "look again"} }, "the master is being written, what"},
		{"goes back", func(w *world) { w.change(1, 1, 1, 1, 1) }, "the master went back"},
		{"in motion", func(w *world) { w.master.anchors = set(2, 1, 1, 1) }, "the master is in motion"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, "all", 2, 2)
			w.change(5, 1, 1, 1, 1)
			w.sync("n1", "n2", "m1", "m2")
			w.run()
			before := w.published
			tt.do(w)
			d := w.run()
			if !strings.Contains(d.Trees[0].Note, tt.want) {
				t.Errorf("note %q, want one with %q", d.Trees[0].Note, tt.want)
			}
			if !manifest.SameContent(before, w.published) {
				t.Errorf("what was published changed: %s", cmp.Diff(before.Trees, w.published.Trees))
			}
		})
	}
}

func TestMasterReadOnce(t *testing.T) {
	w := newWorld(t, "all", 2, 0)
	w.run()
	w.change(5, 2, 1, 1, 1)
	d := Decide(Readings{Masters: []MasterReading{w.look()}}, w.policy, w.published, w.memory, w.now)
	if !strings.Contains(d.Trees[0].Note, "when a second look agrees") || d.Trees[0].Pending != 0 {
		t.Errorf("pending %d, note %q", d.Trees[0].Pending, d.Trees[0].Note)
	}
}
