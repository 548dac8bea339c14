package quorum

import (
	"slices"
	"strings"
	"testing"

	"tidemark/internal/rsyncurl"
)

// An rsync+tls URL is judged, and counts; mirrors cannot sync from it, so it is never offered.
func TestTLS(t *testing.T) {
	w := newWorld(t, "all", 2, 1)
	for _, id := range []string{"n2", "m1"} {
		u, err := rsyncurl.ParseAny("rsync+tls://" + id + ".example.org/centos/")
		if err != nil {
			t.Fatal(err)
		}
		w.server(id).Trees["centos"] = u
	}
	d := w.run()
	if got := listed(w.published); !slices.Equal(got, []string{"n1"}) || w.announced() != stampAt(0) {
		t.Errorf("sources %v, announced %d", got, w.announced())
	}
	for _, id := range []string{"n2", "m1"} {
		v := verdictOf(t, d, id)
		if v.State != Verified || v.Source || !strings.Contains(v.Reason, "rsync+tls URL, so it is verified and no source") || !strings.Contains(Advice(v), "rsync://") {
			t.Errorf("%s: %s: %s; %s", id, v.State, v.Reason, Advice(v))
		}
	}
	if d.Trees[0].Nodes.Counted != 2 || d.Trees[0].Nodes.Verified != 2 {
		t.Errorf("%+v", d.Trees[0].Nodes)
	}
}

// A name that leads to an address which nobody may ask is out at once, and says so.
func TestForbidden(t *testing.T) {
	w := newWorld(t, "all", 2, 1)
	w.run()
	answered := w.memory.Servers["m1"]["centos"].Answered
	w.fail(FailForbidden, "m1")
	d := w.run()
	v := verdictOf(t, d, "m1")
	if v.State != Refused || v.Cause != CauseForbidden || v.Source || v.Soft != 0 || slices.Contains(listed(w.published), "m1") {
		t.Errorf("%+v", v)
	}
	if got := w.memory.Servers["m1"]["centos"].Answered; got != answered {
		t.Errorf("it answered at %v, though it was not asked", got)
	}
}
