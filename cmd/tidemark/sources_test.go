package main

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"tidemark/config"
	"tidemark/internal/rsyncurl"
	"tidemark/inventory"
	"tidemark/manifest"
)

// Everyone is counted once, and what is said of a failure is what a simulation without that source gives.
func TestSimulate_Failure(t *testing.T) {
	url, err := rsyncurl.Parse("rsync://ftp.example.org/centos/")
	if err != nil {
		t.Fatal(err)
	}
	server := rapid.Custom(func(t *rapid.T) inventory.Server {
		return inventory.Server{
			ID:      rapid.StringMatching(`[a-f][0-9]{2}`).Draw(t, "id"),
			Kind:    rapid.SampledFrom([]string{"node", "mirror", "mirror", "mirror"}).Draw(t, "kind"),
			Country: rapid.SampledFrom([]string{"", "FI", "SE", "DE", "US", "JP"}).Draw(t, "country"),
			ASN:     rapid.Int64Range(0, 2).Draw(t, "asn"), Slots: rapid.IntRange(0, 8).Draw(t, "slots"),
			Maintenance: rapid.IntRange(0, 9).Draw(t, "maintenance") == 0, Partial: rapid.IntRange(0, 9).Draw(t, "partial") == 0,
			Trees: map[string]rsyncurl.URL{"centos": url},
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		servers := rapid.SliceOfNDistinct(server, 0, 30, func(s inventory.Server) string { return s.ID }).Draw(t, "servers")
		cfg := &config.Publisher{Network: "centos", Trees: map[string]config.Tree{"centos": {}}, Servers: servers}
		all := supposed(cfg)
		got, err := simulate(t.Context(), all, "centos", servers)
		if err != nil {
			t.Fatal(err)
		}
		if n := total(got.Sources) + len(got.Unserved); n != got.Mirrors {
			t.Fatalf("%d mirrors were counted of %d", n, got.Mirrors)
		}
		if got.Failure == nil {
			return
		}
		if err := leaveOut(all, []string{got.Failure.ID}); err != nil {
			t.Fatal(err)
		}
		after, err := simulate(t.Context(), all, "centos", servers)
		if err != nil {
			t.Fatal(err)
		}
		if len(after.Unserved)-len(got.Unserved) != got.Failure.Unserved || total(got.Failure.To)+got.Failure.Unserved != got.Failure.Mirrors {
			t.Fatalf("of %d mirrors %d went on and %d were said to have no source, found %d", got.Failure.Mirrors, total(got.Failure.To), got.Failure.Unserved, len(after.Unserved)-len(got.Unserved))
		}
		if diff := cmp.Diff(after.Busiest, got.Failure.Busiest); diff != "" {
			t.Fatalf("busiest then (-simulated +said):\n%s", diff)
		}
		before := map[string]int{}
		for _, s := range got.Sources {
			before[s.ID] = s.Mirrors
		}
		var moved []simulatedSource
		for _, s := range after.Sources {
			if s.Mirrors -= before[s.ID]; s.Mirrors > 0 {
				moved = append(moved, s)
			}
		}
		byID := cmpopts.SortSlices(func(a, b simulatedSource) bool { return a.ID < b.ID })
		if diff := cmp.Diff(moved, got.Failure.To, byID, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(simulatedSource{}, "PerSlot")); diff != "" {
			t.Fatalf("where they go (-simulated +said):\n%s", diff)
		}
	})
}

func total(sources []simulatedSource) (n int) {
	for _, s := range sources {
		n += s.Mirrors
	}
	return n
}

func TestBar(t *testing.T) {
	for _, tt := range []struct {
		n, most, columns int
		blocks, ascii    string
	}{
		{0, 8, 4, "", ""}, {8, 8, 4, "████", "####"}, {4, 8, 4, "██", "##"}, {3, 8, 4, "█▌", "##"}, {1, 8, 4, "▌", "#"},
		{1, 1000, 4, "▏", "#"}, {999, 1000, 4, "████", "####"}, {7, 8, 1, "▉", "#"}, {0, 0, 4, "", ""},
	} {
		if got := bar(tt.n, tt.most, tt.columns, true); got != tt.blocks {
			t.Errorf("%d of %d: found %q, expected %q", tt.n, tt.most, got, tt.blocks)
		}
		if got := bar(tt.n, tt.most, tt.columns, false); got != tt.ascii {
			t.Errorf("%d of %d: found %q, expected %q", tt.n, tt.most, got, tt.ascii)
		}
	}
}

// No line is wider than the screen, unless the names alone are.
func TestChart_Width(t *testing.T) {
	sources := []simulatedSource{{ID: "ftp.example.org", Kind: "mirror", Country: "FI", Slots: 2, Mirrors: 9}, {ID: "a", Kind: "node", Slots: 4, Mirrors: 1}}
	for _, width := range []int{0, 80, 100, 500} {
		longest := 0
		for _, line := range strings.Split(chart(sources, width, true), "\n") {
			longest = max(longest, utf8.RuneCountInString(line))
		}
		if longest > max(width, 70) || width == 80 && longest < 70 {
			t.Errorf("width %d: the longest line has %d columns", width, longest)
		}
	}
}

// A source with more mirrors for its slots comes first and has the longer bar; one mirror a slot is not much anywhere.
func TestChart_PerSlot(t *testing.T) {
	bars := func(sources ...simulatedSource) (lengths []int) {
		for _, line := range strings.Split(chart(sources, 100, false), "\n")[1:] {
			lengths = append(lengths, strings.Count(line, "#"))
		}
		return lengths
	}
	room := bars(simulatedSource{ID: "a", Slots: 1, Mirrors: 9})[0]
	if got := bars(simulatedSource{ID: "a", Slots: 1, Mirrors: 1}, simulatedSource{ID: "b", Slots: 2, Mirrors: 2}); len(got) != 2 || got[0] != got[1] || got[0]*3 > room {
		t.Errorf("found bars of %d, expected less than a third of %d, equally long", got, room)
	}
	if got := bars(simulatedSource{ID: "a", Slots: 2, Mirrors: 20}, simulatedSource{ID: "b", Slots: 8, Mirrors: 40}); len(got) != 2 || got[0] != room || got[1] != (room+1)/2 {
		t.Errorf("found bars of %d, expected %d and half of it", got, room)
	}
	m := &manifest.Manifest{}
	for id, slots := range map[string]int{"few": 1, "more": 8, "same": 4} {
		m.Sources = append(m.Sources, manifest.Source{ID: id, Slots: slots})
	}
	var choices []choice
	for i := range m.Sources {
		for range map[string]int{"few": 3, "more": 8, "same": 4}[m.Sources[i].ID] {
			choices = append(choices, choice{first: &m.Sources[i]})
		}
	}
	var order []string
	for _, s := range count(m, func(*manifest.Source) bool { return true }, choices, func(c choice) *manifest.Source { return c.first }) {
		order = append(order, s.ID)
	}
	if diff := cmp.Diff([]string{"few", "more", "same"}, order); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestBlocks(t *testing.T) {
	for _, tt := range []struct {
		all, kind, lang string
		want            bool
	}{
		{"", "", "", false}, {"", "", "C.UTF-8", true}, {"", "", "fi_FI.utf8", true}, {"C", "", "fi_FI.UTF-8", false},
		{"", "POSIX", "fi_FI.UTF-8", false}, {"en_US.UTF-8", "C", "C", true},
	} {
		env := map[string]string{"LC_ALL": tt.all, "LC_CTYPE": tt.kind, "LANG": tt.lang}
		if got := blocks(func(name string) string { return env[name] }); got != tt.want {
			t.Errorf("%+v: found %v", tt, got)
		}
	}
}

func TestCut(t *testing.T) {
	var sources []simulatedSource
	for i := range 40 {
		sources = append(sources, simulatedSource{Mirrors: 40 - i, Slots: 2})
	}
	for _, tt := range []struct {
		sources []simulatedSource
		shown   int
		rest    string
	}{
		{sources[:10], 10, ""}, {sources[:30], 30, ""}, {sources, 30, " the 30 busiest; 10 more with 0.5 to 5.0 a slot"},
		{append(slices.Clone(sources[:31]), simulatedSource{}), 30, " the 30 busiest; 1 more with 5.0 a slot, 1 source to which nobody would go first"},
		{append(slices.Repeat(sources[39:], 32), simulatedSource{}, simulatedSource{}), 30, " the 30 busiest; 2 more with 0.5 a slot, 2 sources to which nobody would go first"},
		{make([]simulatedSource, 2), 0, "2 sources to which nobody would go first"}, {nil, 0, ""},
	} {
		if shown, rest := cut(tt.sources); len(shown) != tt.shown || rest != tt.rest {
			t.Errorf("found %d and %q, expected %d and %q", len(shown), rest, tt.shown, tt.rest)
		}
	}
}
