package quorum

import (
	"slices"
	"strings"
	"testing"
	"time"

	"tidemark/manifest"
)

// Who answers everything but its list is a source for a while, and then none, whatever the master does meanwhile; its node has no vote.
// It comes back with its list.
func TestNeverAList(t *testing.T) {
	w := newWorld(t, "all", 2, 3)
	w.lists, w.digest = true, "a"
	w.policy.ListShare, w.policy.Spot, w.policy.Backoff = 10, 5, time.Hour
	withhold := func(ids ...string) {
		h := w.master
		h.listFail = FailUnreachable
		for _, id := range ids {
			w.servers[id] = []holding{h}
		}
	}
	withhold("m1", "n1")
	until := func(hours int) (d Decision) {
		for range 6 * hours {
			d = w.run()
		}
		return d
	}
	d := until(11)
	v := verdictOf(t, d, "m1")
	if v.State != Verified || !v.Source || v.Unread.IsZero() || !strings.Contains(Advice(v), "probe.list_timeout") {
		t.Fatalf("at first: %s, source %v: %s; %s", v.State, v.Source, v.Reason, Advice(v))
	}
	w.change(60*14, 3, 1, 1, 1)
	w.digest = "b"
	w.sync("n2", "m2", "m3")
	withhold("m1", "n1")
	d = until(4)
	for _, id := range []string{"m1", "n1"} {
		v := verdictOf(t, d, id)
		if v.State != Unreachable || v.Cause != CauseList || v.Source || v.Depth != "" || !strings.Contains(Advice(v), "probe.list_timeout") {
			t.Errorf("%s: %s (%s), source %v: %s; %s", id, v.State, v.Cause, v.Source, v.Reason, Advice(v))
		}
		if id == "n1" && !strings.Contains(v.Reason, "its file list could not be read since 2026-11-22 08:") {
			t.Error(v.Reason)
		}
	}
	if d.Trees[0].Nodes.Verified != 1 {
		t.Errorf("%+v", d.Trees[0].Nodes)
	}
	w.sync("n1", "m1")
	d = until(2)
	for _, id := range []string{"m1", "n1"} {
		if v := verdictOf(t, d, id); v.State != Verified || !v.Source || v.Depth != manifest.DepthListing || !v.Unread.IsZero() {
			t.Errorf("%s: %s, source %v: %s", id, v.State, v.Source, v.Reason)
		}
	}
}

// When most cannot give their list in time, the time is too short: nobody is taken out for that.
func TestNobodysList(t *testing.T) {
	w := newWorld(t, "all", 2, 3)
	w.lists, w.digest = true, "a"
	h := w.master
	h.listFail = FailUnreachable
	for _, s := range w.policy.Servers {
		if s.ID != "n2" {
			w.servers[s.ID] = []holding{h}
		}
	}
	var d Decision
	for range 6 * 24 * 2 {
		d = w.run()
	}
	if len(d.Manifest.Sources) != 5 || verdictOf(t, d, "m1").Unread.IsZero() {
		t.Errorf("%v: %s", listed(d.Manifest), verdictOf(t, d, "m1").Reason)
	}
}

// Two publishers, one of which has seen a list at fault: the other one does not list the server again before it has looked, and does
// so in its next round.
func TestTwoPublishersAndAList(t *testing.T) {
	for name, good := range map[string]bool{"both see it": false, "the other one finds it in order": true} {
		t.Run(name, func(t *testing.T) {
			w := atRest(t)
			w.policy.ListShare, w.policy.Spot = 0, 0
			bad := w.master
			bad.diff = diffOf(0, 1, 0, 0)
			mems := []Memory{w.memory, w.memory}
			d := w.decideOn("m1", bad)
			mems[0] = roundTripped(t, d.Memory)
			w.publish(d.Manifest)
			if w.servers["m1"] = []holding{bad}; good {
				w.sync("m1")
			}
			published := 0
			for i := range 48 {
				w.now = w.now.Add(5 * time.Minute)
				mem := &mems[(i+1)%2]
				w.memory = *mem
				d := Decide(w.ask(), w.policy, w.published, w.memory, w.now)
				*mem = roundTripped(t, d.Memory)
				c := *d.Manifest
				if c.TrustVersion = w.published.TrustVersion; !manifest.SameContent(&c, w.published) {
					published++
					w.publish(d.Manifest)
				}
				if i == 0 {
					if v := verdictOf(t, d, "m1"); v.Source || !strings.Contains(v.Reason, "another publisher has taken it out since") {
						t.Errorf("%s: %s", v.State, v.Reason)
					}
				}
			}
			if published > 2 || slices.Contains(listed(w.published), "m1") != good {
				t.Errorf("%d publications, at last of %v", published, listed(w.published))
			}
		})
	}
}
