package manifest

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// rankable makes a manifest of sources "id kind country continent asn slots families".
func rankable(lines ...string) *Manifest {
	m := small()
	m.Policy.Nearby = map[string][]string{"FI": {"SE", "DK"}}
	m.Sources = nil
	for _, line := range lines {
		var s Source
		var families string
		if _, err := fmt.Sscan(line, &s.ID, &s.Kind, &s.Country, &s.Continent, &s.ASN, &s.Slots, &families); err != nil {
			panic(line)
		}
		s.Country, s.Continent = strings.Trim(s.Country, "-"), strings.Trim(s.Continent, "-")
		st := SourceTree{URL: rsyncURL("rsync://" + s.ID + "/centos/"), Timestamp: 1488372781, Since: m.Issued, Depth: DepthTime}
		for _, f := range families {
			st.Families = append(st.Families, int(f-'0'))
		}
		s.Trees = map[string]SourceTree{"centos": st}
		m.Sources = append(m.Sources, s)
	}
	slices.SortFunc(m.Sources, func(a, b Source) int { return strings.Compare(a.ID, b.ID) })
	return m
}

func places(ranked []Ranked) []string {
	var out []string
	for _, r := range ranked {
		out = append(out, r.Source.ID+": "+r.Reason)
	}
	return out
}

func TestRank_Tiers(t *testing.T) {
	m := rankable(
		"far-mirror mirror JP AS 0 8 46",
		"nowhere mirror - - 0 8 46",
		"far-node node US NA 0 8 46",
		"lost-node node - - 0 8 46",
		"eu-node node FI EU 1741 8 46", // a node is the fallback, however near it is
		"eu-mirror mirror DE EU 0 1 46",
		"dk-mirror mirror DK EU 0 8 46",
		"se-mirror mirror SE EU 0 1 46",
		"fi-mirror mirror FI EU 7 1 46",
		"asn-mirror mirror US NA 1741 1 46",
	)
	got := places(Rank(m, "centos", Client{ID: "me", Country: "FI", Continent: "EU", ASN: 1741}))
	want := []string{
		"asn-mirror: same network AS1741",
		"fi-mirror: same country FI",
		"se-mirror: nearby: SE is 1st near FI",
		"dk-mirror: nearby: DK is 2nd near FI",
		"eu-mirror: same continent EU",
		"eu-node: node on the same continent EU",
	}
	if diff := cmp.Diff(want, got[:6]); diff != "" {
		t.Error(diff)
	}
	nodes, mirrors := slices.Sorted(slices.Values(got[6:8])), slices.Sorted(slices.Values(got[8:]))
	if diff := cmp.Diff([]string{"far-node: node on another continent, NA", "lost-node: node on an unknown continent"}, nodes); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"far-mirror: mirror on another continent, AS", "nowhere: mirror on an unknown continent"}, mirrors); diff != "" {
		t.Error(diff)
	}
}

// A client that knows nothing of itself shares no ASN, country or continent with those
// that say nothing either.
func TestRank_UnknownIsNotEqual(t *testing.T) {
	m := rankable("a mirror - - 0 2 46", "b node - - 0 2 46")
	for _, r := range Rank(m, "centos", Client{ID: "me"}) {
		if r.Tier != TierFar && r.Tier != TierFarNode {
			t.Errorf("%s is in tier %d: %s", r.Source.ID, r.Tier, r.Reason)
		}
	}
}

// Of a client that says no country, no source is said to be on another continent.
func TestRank_NoCountry(t *testing.T) {
	got := places(Rank(rankable("a mirror DE EU 0 2 46", "b node US NA 0 2 46"), "centos", Client{ID: "me"}))
	want := []string{"b: node on continent NA, the client's is not known", "a: mirror on continent EU, the client's is not known"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestRank_NeverOffered(t *testing.T) {
	m := rankable(
		"full mirror FI EU 0 0 46", "me mirror FI EU 0 2 46", "avoided mirror FI EU 0 2 46",
		"six mirror FI EU 0 2 6", "four mirror FI EU 0 2 4", "other mirror FI EU 0 2 46",
	)
	i := slices.IndexFunc(m.Sources, func(s Source) bool { return s.ID == "other" })
	m.Sources[i].Trees = map[string]SourceTree{"vault": m.Sources[i].Trees["centos"]}
	for _, c := range []struct {
		families []int
		want     []string
	}{
		{nil, []string{"four", "six"}},
		{[]int{4, 6}, []string{"four", "six"}},
		{[]int{4}, []string{"four"}},
		{[]int{6}, []string{"six"}},
	} {
		var got []string
		for _, r := range Rank(m, "centos", Client{ID: "me", Country: "FI", Families: c.families, Avoid: []string{"avoided"}}) {
			got = append(got, r.Source.ID)
		}
		slices.Sort(got)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("families %v: %s", c.families, diff)
		}
	}
	if got := Rank(m, "altarch", Client{ID: "me"}); got != nil {
		t.Errorf("a tree that nobody has: got %v, expected nil", places(got))
	}
}

// The score is what a shell makes of the same words.
func TestRank_ScoreInShell(t *testing.T) {
	needTool(t, "sha256sum", "coreutils")
	for slots := 1; slots <= MaxSlots; slots++ {
		id := fmt.Sprintf("source-%d", slots)
		script := fmt.Sprintf(`printf '%%s %%s' me %s | sha256sum | cut -c1-%d | fold -w8 | LC_ALL=C sort | tail -n1`, id, 8*slots)
		out, err := exec.CommandContext(t.Context(), "sh", "-c", script).Output()
		if err != nil {
			t.Fatal(err)
		}
		if got, want := digits(draw("me", &Source{ID: id, Slots: slots})), strings.TrimSpace(string(out)); got != want {
			t.Errorf("%d slots: score %s, in the shell %s", slots, got, want)
		}
	}
}

// Slots are weights: over 10,000 mirrors of one country each source is the first choice of its share, within a tenth. A source
// that disappears moves its own mirrors, by their weights to the others, and nobody else's.
func TestRank_SlotsAreWeights(t *testing.T) {
	slots := map[string]int{"a": 8, "b": 4, "c": 4, "d": 2, "e": 2, "f": 2}
	total := 0
	var lines []string
	for _, id := range slices.Sorted(maps.Keys(slots)) {
		total += slots[id]
		lines = append(lines, fmt.Sprintf("%s mirror FI EU 0 %d 46", id, slots[id]))
	}
	const clients = 10000
	choices := func(lines []string) []string {
		m, first := rankable(lines...), make([]string, clients)
		for i := range first {
			first[i] = Rank(m, "centos", Client{ID: fmt.Sprintf("client-%d", i), Country: "FI"})[0].Source.ID
		}
		return first
	}
	within := func(choices []string, total int, slots map[string]int) {
		t.Helper()
		counts := make(map[string]int)
		for _, id := range choices {
			counts[id]++
		}
		for id, n := range slots {
			if want := len(choices) * n / total; counts[id] < want*9/10 || counts[id] > want*11/10 {
				t.Errorf("%s is first for %d of %d, expected about %d", id, counts[id], len(choices), want)
			}
		}
	}
	all := choices(lines)
	within(all, total, slots)

	var moved []string
	for i, id := range choices(lines[1:]) { // a is gone
		if all[i] != "a" && id != all[i] {
			t.Fatalf("client-%d was sent to %s, and to %s since a has gone", i, all[i], id)
		}
		if all[i] == "a" {
			moved = append(moved, id)
		}
	}
	delete(slots, "a")
	within(moved, total-8, slots)
}

// The order within a tier is by score, larger first, and is no other for other sources gone.
func TestRank_StableWhenASourceLeaves(t *testing.T) {
	var lines []string
	for i := range 30 {
		lines = append(lines, fmt.Sprintf("m%02d mirror FI EU 0 %d 46", i, 1+i%8))
	}
	c := Client{ID: "me", Country: "FI"}
	all := Rank(rankable(lines...), "centos", c)
	for i := 1; i < len(all); i++ {
		if all[i-1].Score < all[i].Score {
			t.Fatalf("score %s stands before %s", all[i-1].Score, all[i].Score)
		}
	}
	fewer := places(Rank(rankable(lines[1:]...), "centos", c))
	want := slices.DeleteFunc(places(all), func(s string) bool { return strings.HasPrefix(s, "m00:") })
	if diff := cmp.Diff(want, fewer); diff != "" {
		t.Error(diff)
	}
}

func TestOrdinal(t *testing.T) {
	for n, want := range map[int]string{1: "1st", 2: "2nd", 3: "3rd", 4: "4th", 11: "11th", 12: "12th", 13: "13th", 21: "21st", 112: "112th"} {
		if got := ordinal(n); got != want {
			t.Errorf("%d: %s, expected %s", n, got, want)
		}
	}
}

func BenchmarkParseAndRank(b *testing.B) {
	for _, n := range []int{650, 20000} {
		m := small()
		m.Sources = nil
		for i := range n {
			sum := sha256.Sum256([]byte{byte(i), byte(i >> 8)})
			id := fmt.Sprintf("m%05d.example", i)
			m.Sources = append(m.Sources, Source{ID: id, Kind: KindMirror, Country: []string{"FI", "SE", "US"}[sum[0]%3], Slots: 2, Trees: map[string]SourceTree{
				"centos": {URL: rsyncURL("rsync://" + id + "/c/"), Timestamp: 1488372781, Since: m.Issued, Depth: DepthTime, Families: []int{4}}}})
		}
		text, err := Encode(m)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				parsed, err := Parse(text)
				if err != nil {
					b.Fatal(err)
				}
				Rank(parsed, "centos", Client{ID: "me", Country: "FI", Continent: "EU"})
			}
		})
	}
}
