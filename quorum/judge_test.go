package quorum

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tidemark/internal/strictjson"
	"tidemark/manifest"
)

// judged is a world in which stampAt(10) is announced, stampAt(5) was before it, stampAt(20) is
// recorded and pending, and the master shows stampAt(30), which was read once.
func judged(t tester) *world {
	w := newWorld(t, "all", 2, 2)
	w.change(5, 1, 1, 1, 1)
	w.sync("n1", "n2", "m1", "m2")
	w.run()
	w.change(10, 2, 1, 1, 1)
	w.sync("n1", "n2", "m1", "m2")
	w.run()
	w.change(20, 2, 2, 1, 1)
	w.run()
	w.change(30, 2, 2, 2, 1)
	w.memory = Record(w.memory, []MasterReading{w.look()}, w.policy, w.published, w.now)
	w.policy.Settle = 100 * time.Hour
	return w
}

// decideOn lets one mirror hold something and decides; all is asked of it.
func (w *world) decideOn(id string, holds ...holding) Decision {
	w.servers[id] = holds
	r := Readings{Masters: []MasterReading{w.look()}}
	for _, a := range Plan(w.memory, w.policy, w.now, w.rnd) {
		if a.Server == id {
			a.Deep, a.List = true, w.lists
		}
		r.Servers = append(r.Servers, w.answer(a)...)
	}
	w.now = w.now.Add(time.Minute)
	return Decide(r, w.policy, w.published, w.memory, w.now)
}

func TestJudge(t *testing.T) {
	at10, at20, at30 := set(2, 1, 1, 1), set(2, 2, 1, 1), set(2, 2, 2, 1)
	tests := []struct {
		name   string
		holds  []holding
		state  State
		source bool
		says   string // in the reason
	}{
		{"announced", []holding{{timestamp: stampAt(10), anchors: at10}}, Verified, true, "anchors looked at equal the master's, so it is a source"},
		{"a later recorded one", []holding{{timestamp: stampAt(20), anchors: at20}}, Ahead, true, "newer than the announced timestamp"},
		{"the present unrecorded one", []holding{{timestamp: stampAt(30), anchors: at30}}, Moving, true, "not recorded yet"},
		{"fresh time file, old content", []holding{{timestamp: stampAt(10), anchors: set(1, 1, 1, 1)}}, Mixed, false, "anchors of two timestamps"},
		{"fresh time file, newer content", []holding{{timestamp: stampAt(10), anchors: at20}}, Mixed, false, "v1/repomd.xml is that of " + stamp(stampAt(20))},
		{"content as on the master now", []holding{{timestamp: stampAt(10), anchors: set(2, 1, 2, 1)}}, Moving, true, "already as on the master"},
		{"content of nobody", []holding{{timestamp: stampAt(10), anchors: set(9, 1, 1, 1)}}, Wrong, false, "expected 102 bytes"},
		{"later timestamp, content of nobody", []holding{{timestamp: stampAt(20), anchors: set(2, 9, 1, 1)}}, Wrong, false, "v1/repomd.xml has 109 bytes"},
		{"anchor missing", []holding{{timestamp: stampAt(10), anchors: set(0, 1, 1, 1)}}, Incomplete, false, "v0/repomd.xml is missing"},
		{"wrong beats missing", []holding{{timestamp: stampAt(10), anchors: set(0, 9, 1, 1)}}, Wrong, false, "v1/repomd.xml has 109 bytes"},
		{"regression", []holding{{timestamp: stampAt(5), anchors: set(1, 1, 1, 1)}}, Wrong, false, "a regression"},
		{"in the future", []holding{{timestamp: start.Add(1000 * time.Hour).Unix()}}, Wrong, false, "lies in the future"},
		{"never seen on the master", []holding{{timestamp: stampAt(15), anchors: at10}}, Moving, true, "never seen"},
		{"newer than the last look", []holding{{timestamp: start.Add(35 * time.Minute).Unix(), anchors: at30}}, Moving, true, "newer than our last look"},
		{"no timestamp", []holding{{timestamp: -1}}, Wrong, false, "expected Unix seconds"},
		{"not a number", []holding{{fail: FailNotNumber}}, Wrong, false, "holds no timestamp"},
		{"time file missing", []holding{{fail: FailMissing}}, Incomplete, false, "time file is missing"},
		{"busy", []holding{{fail: FailBusy}}, Busy, true, "failed round 1 of 3"},
		{"unreachable", []holding{{fail: FailUnreachable}}, Unreachable, true, "so it stays a source"},
		{"refused", []holding{{fail: FailRefused}}, Refused, true, "stays a source"},
		{"void while the master moves", []holding{{timestamp: stampAt(10), void: true}}, Moving, true, "changed while we looked"},
		{"not asked", nil, Unknown, true, "was not asked"},
		{"one good, one moving", []holding{{timestamp: stampAt(10), anchors: at10}, {timestamp: stampAt(30), anchors: at30, address: "192.0.2.2"}}, Moving, true, "failed round 1 of 3"},
		{"two addresses that agree", []holding{{timestamp: stampAt(10), anchors: at10}, {timestamp: stampAt(10), anchors: at10, address: "192.0.2.2"}}, Verified, true, ""},
		{"two addresses that disagree", []holding{{timestamp: stampAt(10), anchors: at10}, {timestamp: stampAt(20), anchors: at20, address: "192.0.2.2"}}, Mixed, false, "at 192.0.2.2 its time file says " + stamp(stampAt(20))},
		{"one good, one wrong", []holding{{timestamp: stampAt(10), anchors: at10}, {timestamp: stampAt(10), anchors: set(9, 1, 1, 1), address: "192.0.2.2"}}, Mixed, false, "disagree"},
		{"one good, one busy", []holding{{timestamp: stampAt(10), anchors: at10}, {fail: FailBusy, address: "192.0.2.2"}}, Busy, true, "failed round 1 of 3"},
		{"one good, one of the same family unreachable", []holding{{timestamp: stampAt(10), anchors: at10}, {fail: FailUnreachable, address: "192.0.2.2"}}, Unreachable, true, "failed round 1 of 3"},
		{"one wrong, one busy", []holding{{timestamp: stampAt(10), anchors: set(9, 1, 1, 1)}, {fail: FailBusy, address: "192.0.2.2"}}, Wrong, false, ""},
		{"IPv6 unreachable", []holding{{timestamp: stampAt(10), anchors: at10}, {fail: FailUnreachable, address: "2001:db8::1", family: 6}}, Verified, true, ""},
		{"IPv6 busy", []holding{{timestamp: stampAt(10), anchors: at10}, {fail: FailBusy, address: "2001:db8::1", family: 6}}, Busy, true, ""},
		{"both unreachable", []holding{{fail: FailUnreachable}, {fail: FailUnreachable, address: "2001:db8::1", family: 6}}, Unreachable, true, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := judged(t)
			d := w.decideOn("m1", tt.holds...)
			v := verdictOf(t, d, "m1")
			if v.State != tt.state || v.Source != tt.source || !strings.Contains(v.Reason, tt.says) {
				t.Errorf("%s, source %v, %q\nwant %s, source %v, with %q", v.State, v.Source, v.Reason, tt.state, tt.source, tt.says)
			}
			if got := slices.Contains(listed(d.Manifest), "m1"); got != tt.source {
				t.Errorf("in the manifest: %v, want %v", got, tt.source)
			}
		})
	}
}

func TestBehind(t *testing.T) {
	w := judged(t)
	w.add("m3", manifest.KindMirror, 2)
	d := w.decideOn("m3", holding{timestamp: stampAt(5), anchors: set(1, 1, 1, 1)})
	v := verdictOf(t, d, "m3")
	if v.State != Behind || v.Source || !strings.Contains(v.Reason, "5 min older than the announced timestamp") {
		t.Errorf("%s, source %v: %s", v.State, v.Source, v.Reason)
	}
	// The time file comes first: as long as it stays so old, no content is asked for.
	for _, a := range Plan(d.Memory, w.policy, w.now, w.rnd) {
		if a.Server == "m3" && (a.Known != stampAt(5) || a.Deep) {
			t.Errorf("asked of a mirror that is behind: known %d, deep %v", a.Known, a.Deep)
		}
	}
}

func TestNothingRecorded(t *testing.T) {
	w := newWorld(t, "all", 1, 0)
	w.masterFail = &Failure{Kind: FailUnreachable, Text: "no route"}
	d := w.run()
	if v := verdictOf(t, d, "n1"); v.State != Unknown || v.Source {
		t.Errorf("%s, source %v: %s", v.State, v.Source, v.Reason)
	}
	if len(d.Manifest.Trees) != 0 || len(d.Manifest.Sources) != 0 {
		t.Errorf("a tree never announced is in the manifest: %v", d.Manifest)
	}
}

func TestMaintenance(t *testing.T) {
	w := judged(t)
	w.server("m1").Maintenance = true
	d := w.decideOn("m1")
	if v := verdictOf(t, d, "m1"); v.State != Maintenance || v.Source || v.Counted {
		t.Errorf("%s, source %v, counted %v: %s", v.State, v.Source, v.Counted, v.Reason)
	}
}

func TestFamilies(t *testing.T) {
	w := judged(t)
	good := holding{timestamp: stampAt(10), anchors: set(2, 1, 1, 1)}
	good6, dead6 := good, holding{fail: FailUnreachable, address: "2001:db8::1", family: 6}
	good6.address, good6.family = "2001:db8::1", 6
	families := func(d Decision) string { return fmt.Sprint(d.Memory.Servers["m1"]["centos"].Families) }

	d := w.decideOn("m1", good, good6)
	if got := families(d); got != "[4 6]" {
		t.Errorf("both verified: %s", got)
	}
	if got := families(w.decideOn("m1", good, dead6)); got != "[4]" {
		t.Errorf("IPv6 dead: %s", got)
	}
	// Read at its time file only, IPv6 counts again when its content was verified before, and not when not.
	w.memory, w.servers["m1"] = d.Memory, []holding{good, good6}
	shallow := func(w *world) Decision {
		r := Readings{Masters: []MasterReading{w.look()}}
		for _, h := range []Ask{{Server: "m1", Tree: "centos", Known: stampAt(10)}} { // as probe does not: not deeper at a new address
			r.Servers = w.answer(h)
		}
		return Decide(r, w.policy, w.published, w.memory, w.now)
	}
	if got := families(shallow(w)); got != "[4 6]" {
		t.Errorf("time file at both: %s", got)
	}
	w.memory = w.decideOn("m1", good, dead6).Memory
	w.servers["m1"] = []holding{good, good6}
	if got := families(shallow(w)); got != "[4]" {
		t.Errorf("IPv6 back, its content not looked at: %s", got)
	}
	w.servers["m1"] = []holding{good6}
	if v := verdictOf(t, shallow(w), "m1"); v.Source {
		t.Errorf("only the other family answers, its content not looked at: %s: %s", v.State, v.Reason)
	}
}

// A time file alone proves nothing, unless the content was verified under it before.
func TestTimeFileAlone(t *testing.T) {
	w := judged(t)
	reading := Reading{Server: "m1", Tree: "centos", Address: "192.0.2.1", Depth: manifest.DepthTime, Timestamp: stampAt(10), Family: 4, At: strictjson.At(w.now)}
	decide := func() Verdict {
		return verdictOf(t, Decide(Readings{Servers: []Reading{reading}}, w.policy, w.published, w.memory, w.now), "m1")
	}
	if v := decide(); v.State != Verified || !v.Source {
		t.Errorf("verified before: %s, source %v: %s", v.State, v.Source, v.Reason)
	}
	reading.Timestamp = stampAt(20)
	if v := decide(); v.State != Unknown || v.Source || !strings.Contains(v.Reason, "a time file alone proves nothing") {
		t.Errorf("moved on: %s, source %v: %s", v.State, v.Source, v.Reason)
	}
	reading.Timestamp, reading.Depth = stampAt(10), manifest.DepthAnchors
	if v := decide(); v.State != Unknown || v.Source {
		t.Errorf("no anchor was looked at: %s, source %v: %s", v.State, v.Source, v.Reason)
	}
}

// A tree without anchors is judged by its time file, and the manifest says so.
func TestNoAnchors(t *testing.T) {
	w := newWorld(t, "all", 1, 1)
	w.master.anchors = nil
	w.sync("n1", "m1")
	d := w.run()
	if got := listed(w.published); len(got) != 2 || w.published.Sources[0].Trees["centos"].Depth != manifest.DepthTime {
		t.Fatalf("sources %v: %s", got, d.Verdicts[0].Reason)
	}
	w.change(5)
	w.sync("n1")
	w.run()
	if w.announced() != stampAt(5) {
		t.Errorf("announced %d: without list and anchors nothing is known to be the same", w.announced())
	}
}

// Mirrors that do not delete keep what the master has removed, and may get what is not announced yet.
func TestAnchorOfNoSet(t *testing.T) {
	w := judged(t)
	state := func(versions ...int) State {
		return verdictOf(t, w.decideOn("m1", holding{timestamp: stampAt(10), anchors: set(versions...)}), "m1").State
	}
	tm := w.memory.Trees["centos"]
	for i := range tm.Recorded {
		switch tm.Recorded[i].Timestamp {
		case stampAt(5):
			tm.Recorded[i].Anchors = set(1, 1, 1, 1, 1) // v4 was removed with stampAt(10)
		case stampAt(20):
			tm.Recorded[i].Anchors = set(2, 2, 1, 0, 0, 3) // v3 is removed and v5 added
		}
	}
	tm.Changed = []string{"v0/repomd.xml", "v3/repomd.xml", "v4/repomd.xml"}
	w.memory.Trees["centos"] = tm
	for _, tt := range []struct {
		what     string
		versions []int
		want     State
	}{
		{"kept what was removed", []int{2, 1, 1, 1, 1}, Verified},
		{"holds what comes later", []int{2, 1, 1, 1, 0, 3}, Mixed},
		{"has removed what goes later", []int{2, 1, 1, 0}, Mixed},
		{"holds something strange under a later path", []int{2, 1, 1, 1, 0, 9}, Verified},
	} {
		if got := state(tt.versions...); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.what, got, tt.want)
		}
	}
}

func TestPartial(t *testing.T) {
	w := judged(t)
	w.server("m1").Partial = true
	for _, tt := range []struct {
		what     string
		versions []int
		want     State
	}{
		{"carries a part", []int{2, 0, 0, 0}, Verified},
		{"carries none of it", []int{0, 0, 0, 0}, Incomplete},
		{"carries a wrong part", []int{9, 0, 0, 0}, Wrong},
	} {
		d := w.decideOn("m1", holding{timestamp: stampAt(10), anchors: set(tt.versions...)})
		if v := verdictOf(t, d, "m1"); v.State != tt.want || v.Source || slices.Contains(listed(d.Manifest), "m1") {
			t.Errorf("%s: %s, source %v, want %s and no source: %s", tt.what, v.State, v.Source, tt.want, v.Reason)
		}
	}
}

func TestSoftErrors(t *testing.T) {
	for _, kind := range []FailureKind{FailBusy, FailUnreachable, FailRefused} {
		w := newWorld(t, "majority", 3, 10)
		w.run()
		since := w.published.Sources[0].Trees["centos"].Since
		w.fail(kind, "m1")
		for i, want := range []bool{true, true, false, false} {
			d := w.run()
			if got := slices.Contains(listed(w.published), "m1"); got != want {
				t.Errorf("%s, error %d in a row: source %v, want %v: %s", kind, i+1, got, want, verdictOf(t, d, "m1").Reason)
			}
		}
		w.sync("m1")
		w.run()
		i := slices.Index(listed(w.published), "m1")
		if i < 0 {
			t.Fatalf("%s: one good check did not bring it back", kind)
		}
		if got := w.published.Sources[i].Trees["centos"].Since; got != since {
			t.Errorf("%s: since %v, want %v, when it was first verified at that timestamp", kind, got, since)
		}
		if soft := w.memory.Servers["m1"]["centos"].Soft; soft != 0 {
			t.Errorf("%s: %d soft errors after a good check", kind, soft)
		}
	}
}

// Soft errors never carry a verification to a newer timestamp.
func TestSoftErrorsNotToANewerOne(t *testing.T) {
	w := newWorld(t, "majority", 3, 10)
	w.run()
	w.change(5, 2, 1, 1, 1)
	w.sync("n1", "n2", "n3")
	w.fail(FailBusy, "m1")
	d := w.run()
	v := verdictOf(t, d, "m1")
	if w.announced() != stampAt(5) || v.State != Busy || v.Source || !strings.Contains(v.Reason, "is announced now") {
		t.Errorf("announced %d, %s, source %v: %s", w.announced(), v.State, v.Source, v.Reason)
	}
}

// A verification that a hard error has ended is not revived by a soft one.
func TestHardThenSoft(t *testing.T) {
	for _, bad := range []holding{{fail: FailNotNumber}, {fail: FailMissing}, {timestamp: stampAt(0), anchors: set(9, 9, 9, 9)}, {timestamp: stampAt(-9)}} {
		w := newWorld(t, "majority", 3, 10)
		w.run()
		w.servers["m1"] = []holding{bad}
		w.policy.Recheck = 0
		for _, step := range []string{"hard", "soft"} {
			if d := w.run(); slices.Contains(listed(w.published), "m1") {
				t.Errorf("%+v: still a source after the %s error: %s", bad, step, verdictOf(t, d, "m1").Reason)
			}
			w.fail(FailBusy, "m1")
		}
	}
}

// Words of a server cannot break the state file or a terminal.
func TestForeignBytes(t *testing.T) {
	w := newWorld(t, "all", 1, 1)
	w.run()
	r := Readings{Servers: []Reading{{Server: "m1", Tree: "centos", Failure: &Failure{Kind: FailBusy, Text: "\x00\x1b[31m\xff@ERROR"}}}}
	d := Decide(r, w.policy, w.published, w.memory, w.now)
	if _, err := EncodeMemory(d.Memory); err != nil {
		t.Errorf("the memory cannot be saved: %v", err)
	}
	if v := verdictOf(t, d, "m1"); strings.ContainsAny(v.Reason, "\x00\x1b") {
		t.Errorf("reason %q", v.Reason)
	}
}
