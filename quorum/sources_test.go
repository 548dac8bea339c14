package quorum

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tidemark/internal/strictjson"
	"tidemark/inventory"
	"tidemark/manifest"
)

func TestSourcesKinds(t *testing.T) {
	tests := []struct {
		name                   string
		do                     func(s *inventory.Server)
		state                  State
		listed, source, counts bool
		says                   string
	}{
		{"a mirror", func(*inventory.Server) {}, Verified, true, true, true, "so it is a source"},
		{"private", func(s *inventory.Server) { s.Private = true }, Verified, false, false, true, "it is private"},
		{"partial", func(s *inventory.Server) { s.Partial = true }, Verified, false, false, true, "it is a partial mirror"},
		{"no slots", func(s *inventory.Server) { s.Slots = 0 }, Verified, true, false, true, "with no slots"},
		{"in maintenance", func(s *inventory.Server) { s.Maintenance = true }, Maintenance, false, false, false, "in maintenance"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, "all", 1, 3)
			tt.do(w.server("m1"))
			w.fail(FailUnreachable, "m2")
			d := w.run()
			v := verdictOf(t, d, "m1")
			if v.State != tt.state || v.Source != tt.source || !strings.Contains(v.Reason, tt.says) {
				t.Errorf("%s, source %v: %s", v.State, v.Source, v.Reason)
			}
			if got := slices.Contains(listed(w.published), "m1"); got != tt.listed {
				t.Errorf("listed %v, want %v", got, tt.listed)
			}
		})
	}
}

func TestSourceContent(t *testing.T) {
	w := newWorld(t, "all", 1, 0)
	s := w.server("n1")
	s.Country, s.ASN, s.Slots = "FI", 1741, 3
	w.run()
	want := []manifest.Source{{
		ID: "n1", Kind: "node", Country: "FI", Continent: "EU", ASN: 1741, Slots: 3,
		Trees: map[string]manifest.SourceTree{"centos": {
			URL: s.Trees["centos"], Timestamp: stampAt(0), Since: strictjson.At(w.now), Depth: "anchors", Families: []int{4},
		}},
	}}
	if diff := cmp.Diff(want, w.published.Sources, cmp.Comparer(func(a, b fmt.Stringer) bool { return a.String() == b.String() })); diff != "" {
		t.Errorf("sources (-want +got):\n%s", diff)
	}
}

func TestFilesAndBytes(t *testing.T) {
	w := newWorld(t, "all", 1, 0)
	w.run()
	if tree := w.published.Trees["centos"]; tree.Files != 0 || tree.Bytes != 0 {
		t.Errorf("no list was made, but %d files and %d bytes", tree.Files, tree.Bytes)
	}
	w.digest = "x"
	w.change(5, 2, 1)
	w.sync("n1")
	w.run()
	w.memory = NewMemory() // they outlive the memory
	w.masterFail = &Failure{Kind: FailUnreachable}
	w.run()
	if tree := w.published.Trees["centos"]; tree.Files != 10 || tree.Bytes != 1000 {
		t.Errorf("%d files and %d bytes", tree.Files, tree.Bytes)
	}
}

// An unchanged network gives an unchanged manifest: nothing in it depends on when was probed.
func TestUnchanged(t *testing.T) {
	w := newWorld(t, "majority", 3, 5)
	w.run()
	w.change(5, 2, 1, 1, 1)
	w.sync("n1", "m2")
	w.fail(FailUnreachable, "m5")
	for range 4 { // until the soft errors have had their effect
		w.run()
	}
	before := w.published
	for range 80 {
		if w.run(); !manifest.SameContent(before, w.published) {
			t.Fatalf("changed at %v: %s", w.now, cmp.Diff(before.Trees, w.published.Trees))
		}
	}
}

func TestTreeWithoutAnnouncement(t *testing.T) {
	w := newWorld(t, "all", 2, 2)
	w.fail(FailUnreachable, "n2")
	d := w.run()
	if len(d.Manifest.Trees) != 0 || len(d.Manifest.Sources) != 0 {
		t.Errorf("%d trees and %d sources before anything was announced", len(d.Manifest.Trees), len(d.Manifest.Sources))
	}
	if v := verdictOf(t, d, "m1"); v.State != Ahead || v.Source || !strings.Contains(v.Reason, "waits for the quorum") {
		t.Errorf("%s, source %v: %s", v.State, v.Source, v.Reason)
	}
	if r := d.Trees[0]; r.Pending != stampAt(0) || r.Nodes.Verified != 1 {
		t.Errorf("pending %d, nodes %+v", r.Pending, r.Nodes)
	}
}

func TestLostMemory(t *testing.T) {
	w := newWorld(t, "majority", 3, 3)
	w.run()
	w.change(5, 2, 1, 1, 1)
	w.sync("n1", "m1")
	w.run()
	before := w.published
	if len(before.Trees["centos"].Later) != 1 {
		t.Fatalf("later: %v", before.Trees["centos"].Later)
	}
	w.memory = NewMemory()
	w.masterFail = &Failure{Kind: FailUnreachable, Text: "no route"}
	d := w.run()
	if !manifest.SameContent(before, w.published) {
		t.Errorf("lost memory changed the manifest: %s", cmp.Diff(before.Trees, w.published.Trees))
	}
	if v := verdictOf(t, d, "n1"); v.State != Ahead {
		t.Errorf("n1 is %s: %s", v.State, v.Reason)
	}
	// And it goes on from there: what is newer is announced, what is older is not.
	w.masterFail = nil
	w.sync("n2", "n3")
	if w.run(); w.announced() != stampAt(5) {
		t.Errorf("announced %d", w.announced())
	}
	w.memory = NewMemory()
	w.change(2, 1, 1, 1, 1)
	w.sync("n1", "n2", "n3")
	if d = w.run(); w.announced() != stampAt(5) || verdictOf(t, d, "n1").State != Wrong {
		t.Errorf("went back to %d; n1 is %s", w.announced(), verdictOf(t, d, "n1").Reason)
	}
}

// A soft error in the first round after the memory was lost does not empty the list.
func TestLostMemoryAndNetwork(t *testing.T) {
	w := newWorld(t, "majority", 1, 3)
	w.run()
	before := w.published
	w.memory = NewMemory()
	w.fail(FailUnreachable, "n1", "m1", "m2", "m3")
	w.run()
	if !manifest.SameContent(before, w.published) {
		t.Errorf("sources now: %v", listed(w.published))
	}
}

// The site was deleted: memory alone keeps what was announced from going back.
func TestLostSite(t *testing.T) {
	w := newWorld(t, "all", 2, 0)
	w.change(5, 2, 1, 1, 1)
	w.sync("n1", "n2")
	w.run()
	w.published = nil
	w.change(2, 1, 1, 1, 1)
	w.sync("n1", "n2")
	if w.run(); w.announced() != stampAt(5) {
		t.Errorf("announced %d", w.announced())
	}
}

// An old copy of the memory was put back: the manifest knows better.
func TestOldMemory(t *testing.T) {
	w := newWorld(t, "all", 2, 0)
	w.run()
	old := w.memory
	w.change(5, 2, 1, 1, 1)
	w.sync("n1", "n2")
	w.run()
	w.memory = old
	w.masterFail = &Failure{Kind: FailUnreachable}
	if d := w.run(); w.announced() != stampAt(5) || len(w.published.Sources) != 2 {
		t.Errorf("announced %d, %d sources: %s", w.announced(), len(w.published.Sources), d.Verdicts[0].Reason)
	}
}

func TestAdmissionFormula(t *testing.T) {
	tests := []struct {
		f    fleet
		want int64
	}{
		{fleet{verified: 0, able: 600, slots: 52, mirrors: 600}, 86666},
		{fleet{verified: 300, able: 600, slots: 52, mirrors: 600}, 586666},
		{fleet{verified: 600, able: 600, slots: 1252, mirrors: 600}, 1000000},
		{fleet{verified: 599, able: 600, slots: 0, mirrors: 600}, 998333},
		{fleet{verified: 1, able: 3, slots: 1, mirrors: 3}, 666666},
		{fleet{verified: 0, able: 0, slots: 1, mirrors: 3}, 1000000},
		{fleet{verified: 0, able: 0, slots: 0, mirrors: 0}, 1000000},
		{fleet{verified: 0, able: 5, slots: 0, mirrors: 5}, 0},
	}
	for _, tt := range tests {
		if got := tt.f.admission(); got != tt.want {
			t.Errorf("%+v: %d, want %d", tt.f, got, tt.want)
		}
	}
}

func TestAdmissionCounts(t *testing.T) {
	w := newWorld(t, "all", 1, 10)
	w.run()
	if got := w.published.Trees["centos"].Admit; got != manifest.FullAdmission {
		t.Fatalf("all have it: %d", got)
	}
	w.policy.GuardLeast = 100
	w.change(5, 2, 1, 1, 1)
	w.sync("n1", "m1", "m2")
	w.server("m1").Private = true      // counts in V, Nv and N; its slots are not listed
	w.server("m10").Maintenance = true // counts nowhere
	w.fail(FailUnreachable, "m9")      // counts in N, and in Nv for 24 h
	w.run()
	// V = 2 of Nv = 9 can be; S = 4 of n1 and 2 of m2; N = 9
	if got, want := w.published.Trees["centos"].Admit, int64(222222+666666); got != want {
		t.Errorf("admit %d, want %d", got, want)
	}
	// m9 answered last 24 h ago: V/Nv = 2/8. It was higher before, and it never falls.
	f := func() fleet {
		d := decision{policy: w.policy, now: w.now, memory: w.memory}
		d.entries = carriers(w.policy)
		for i := range d.entries {
			e := &d.entries[i]
			e.memory = w.memory.Servers[e.server.ID]["centos"]
			e.state = e.memory.State
		}
		return d.fleet("centos")
	}
	if got := f(); got.able != 9 || got.mirrors != 9 || got.verified != 2 {
		t.Errorf("%+v", got)
	}
	for range 6 * 24 {
		w.run()
	}
	if got := f(); got.able != 8 {
		t.Errorf("a day later: %+v", got)
	}
}

func TestAdmissionNeverDecreases(t *testing.T) {
	w := newWorld(t, "all", 1, 10)
	w.run()
	w.policy.GuardLeast = 100
	w.change(5, 2, 1, 1, 1)
	w.sync("n1", "m1", "m2", "m3", "m4", "m5")
	w.run()
	high := w.published.Trees["centos"].Admit
	w.fail(FailNotNumber, "m1", "m2", "m3", "m4", "m5")
	w.run()
	if got := w.published.Trees["centos"].Admit; got < high || high == 0 {
		t.Errorf("admit fell from %d to %d", high, got)
	}
	w.change(9, 3, 1, 1, 1)
	w.sync("n1")
	w.run()
	if got := w.published.Trees["centos"].Admit; got >= high {
		t.Errorf("a new timestamp starts with %d, after %d", got, high)
	}
}

// Never stuck: as long as admitted mirrors sync, everybody is admitted in the end.
func TestAdmissionNeverStuck(t *testing.T) {
	w := newWorld(t, "all", 1, 30)
	w.run()
	w.change(5, 2, 1, 1, 1)
	w.sync("n1")
	mirrors := mirrors(30)
	for range 40 {
		w.run()
		tree := w.published.Trees["centos"]
		started := 0
		for _, id := range mirrors {
			if manifest.MayStart(id, "centos", tree.Timestamp, tree.Admit, time.Time{}, w.now, 2*time.Hour) && started < 10 {
				if w.servers[id][0].timestamp != w.master.timestamp {
					w.sync(id)
					started++
				}
			}
		}
	}
	if got := w.published.Trees["centos"].Admit; got != manifest.FullAdmission {
		t.Errorf("admit %d after 40 runs", got)
	}
	for _, id := range mirrors {
		if w.servers[id][0].timestamp != w.master.timestamp {
			t.Errorf("%s never started", id)
		}
	}
}

func TestAnchorShare(t *testing.T) {
	many := func(n, version int) []manifest.Anchor {
		var anchors []manifest.Anchor
		for i := range n {
			anchors = append(anchors, anchor(fmt.Sprintf("%05d/repomd.xml", i), version))
		}
		return anchors
	}
	w := newWorld(t, "all", 2, 0)
	w.master.anchors = many(3990, 1)
	w.sync("n1", "n2")
	w.run()
	if got := len(w.published.Trees["centos"].Anchors); got != 3990 {
		t.Fatalf("%d anchors, want all that fit", got)
	}
	w.master.timestamp = stampAt(5)
	w.master.anchors = slices.Concat(many(2000, 1), many(3990, 2)[2000:])
	w.sync("n1")
	w.run()
	tree := w.published.Trees["centos"]
	if got := countAnchors(tree); got > manifest.MaxAnchors || got < manifest.MaxAnchors-1 {
		t.Errorf("%d anchors in all, want as many as fit in %d", got, manifest.MaxAnchors)
	}
	// The newest: all that differ at the later timestamp, and the announced ones under the same paths.
	if len(tree.Later[0].Anchors) != 1990 || tree.Later[0].Anchors[0].Path != "02000/repomd.xml" {
		t.Errorf("later gives %d anchors from %s", len(tree.Later[0].Anchors), tree.Later[0].Anchors[0].Path)
	}
	if a := tree.Anchors; len(a) != 2010 || a[len(a)-1].Path != "03989/repomd.xml" || a[20].Path != "02000/repomd.xml" {
		t.Errorf("announced gives %d anchors", len(a))
	}
	// Nobody is judged by what was left out, with memory or without.
	w.memory = NewMemory()
	w.sync("n2")
	if d := w.run(); w.announced() != stampAt(5) || len(w.published.Sources) != 2 {
		t.Errorf("announced %d, %d sources: %s", w.announced(), len(w.published.Sources), d.Verdicts[0].Reason)
	}
}

// A later timestamp taken from a manifest holds the announced anchors too, not only those that differ.
func TestRecallLater(t *testing.T) {
	tm := TreeMemory{}.recall(manifest.Tree{
		Timestamp: stampAt(0), Anchors: set(1, 1, 1), Later: []manifest.Later{{Timestamp: stampAt(5), Anchors: set(0, 2)}},
	}, strictjson.At(start))
	if got := tm.find(stampAt(5)).Anchors; !slices.Equal(got, set(1, 2, 1)) {
		t.Errorf("recalled %v", got)
	}
}
