package quorum

import (
	"strings"
	"testing"
)

// While the guard holds, what was published last is what is announced: nobody is told of a timestamp that clients do not see.
func TestGuardReportsWhatIsInForce(t *testing.T) {
	w := guarded(t, 13)
	w.add("m13", "mirror", 2)
	w.servers["m13"] = []holding{{timestamp: stampAt(-5)}}
	w.run()
	admit := w.published.Trees["centos"].Admit
	since := w.memory.Servers["m7"]["centos"].StateSince
	w.change(5, 2, 1, 1, 1)
	w.sync("n1", "m13")
	w.fail(FailNotNumber, mirrors(6)...)
	d := w.run()
	if !d.Guard.Held {
		t.Fatalf("%+v", d.Guard)
	}
	r := d.Trees[0]
	if r.Announced != stampAt(0) || r.New || r.Pending != 0 || r.Overdue || r.Admit != admit || r.Nodes.Verified != 1 {
		t.Errorf("report %+v", r)
	}
	if !strings.Contains(r.Note, stamp(stampAt(0))+" is announced") || !strings.Contains(r.Note, stamp(stampAt(5))+" has its quorum, but the guard holds it back") {
		t.Errorf("note: %s", r.Note)
	}
	for id, want := range map[string]struct {
		state  State
		source bool
		says   string
	}{
		"n1":  {Ahead, true, "newer than the announced timestamp " + stamp(stampAt(0))},
		"m7":  {Verified, true, "so it is a source"},
		"m1":  {Wrong, true, "stays listed as published last"},
		"m13": {Ahead, false, "not listed yet"},
	} {
		if v := verdictOf(t, d, id); v.State != want.state || v.Source != want.source || !strings.Contains(v.Reason, want.says) {
			t.Errorf("%s: %s, source %v: %s", id, v.State, v.Source, v.Reason)
		}
	}
	if got := w.memory.Servers["m7"]["centos"].StateSince; got != since {
		t.Errorf("m7 is verified since %v, before: %v", got, since)
	}
	if got := d.Manifest.Trees["centos"].Timestamp; got != stampAt(5) {
		t.Errorf("the manifest that would be published announces %d", got)
	}
}

// No node is counted: nothing can be announced, and the note says why.
func TestNobodyCounts(t *testing.T) {
	for says, do := range map[string]func(w *world){
		"all nodes of this tree (2) are in maintenance, so nothing new can be announced": func(w *world) {
			w.server("n1").Maintenance, w.server("n2").Maintenance = true, true
		},
		"no node carries this tree, so nothing can be announced": func(w *world) { w.server("n1").Kind, w.server("n2").Kind = "mirror", "mirror" },
	} {
		for _, published := range []bool{false, true} {
			w := newWorld(t, "all", 2, 1)
			if published {
				w.run()
			}
			do(w)
			if d := w.run(); !strings.Contains(d.Trees[0].Note, says) {
				t.Errorf("published %v: note %q, want %q", published, d.Trees[0].Note, says)
			}
		}
	}
	w := newWorld(t, "all", 2, 1)
	w.server("n1").Maintenance = true
	if d := w.run(); strings.Contains(d.Trees[0].Note, "maintenance") {
		t.Errorf("one node is left: %s", d.Trees[0].Note)
	}
}

// The note is for everybody; why the master could not be read names its host or directory, and is for the operator.
func TestTroubleIsNotInTheNote(t *testing.T) {
	for _, kind := range []FailureKind{FailUnreachable, FailMoving, FailMissing} {
		w := newWorld(t, "all", 1, 0)
		w.run()
		w.masterFail = &Failure{Kind: kind, Text: "cannot open /srv/secret\x1b"}
		r := w.run().Trees[0]
		if strings.Contains(r.Note, "secret") || !strings.Contains(r.Note, "stays in force") || r.Trouble != "cannot open /srv/secret\uFFFD" {
			t.Errorf("%s: note %q, trouble %q", kind, r.Note, r.Trouble)
		}
		w.masterFail = nil
		if r := w.run().Trees[0]; r.Trouble != "" {
			t.Errorf("read again, but trouble %q", r.Trouble)
		}
	}
}
