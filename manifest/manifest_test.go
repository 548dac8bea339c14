package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tidemark/internal/geo"
	"tidemark/internal/rsyncurl"
	"tidemark/internal/strictjson"
)

func TestCheckTime(t *testing.T) {
	m := small()
	for _, c := range []struct {
		now  string
		want error
	}{
		{"2026-11-22T07:54:59Z", ErrFutureDated},
		{"2026-11-22T07:55:00Z", nil},
		{"2026-11-22T12:00:00Z", nil},
		{"2026-11-23T08:05:00Z", nil},
		{"2026-11-23T08:05:01Z", ErrExpired},
		{"1970-01-01T00:00:00Z", ErrFutureDated},
		{"2038-01-19T03:14:08Z", ErrExpired},
	} {
		err := m.CheckTime(instant(c.now).Time)
		if !errors.Is(err, c.want) || err == nil != (c.want == nil) {
			t.Errorf("%s: %v, expected %v", c.now, err, c.want)
		}
		if err != nil && (!strings.Contains(err.Error(), c.now) || !strings.Contains(err.Error(), "4127")) {
			t.Errorf("%s: the refusal does not say the time and the serial: %v", c.now, err)
		}
	}
}

func TestSameContent(t *testing.T) {
	same := small()
	same.Serial, same.Previous = 9999, ""
	same.Issued, same.Expires = instant("2027-01-01T00:00:00Z"), instant("2027-01-02T00:00:00Z")
	if !SameContent(small(), same) {
		t.Error("serial, issued, expires and previous make a difference, expected none")
	}
	empty := minimal()
	empty.Sources, empty.Trees, empty.Policy.Nearby = nil, nil, nil
	if !SameContent(minimal(), empty) {
		t.Error("nil and empty lists make a difference, expected none")
	}
	for name, change := range map[string]func(*Manifest){
		"network":       func(m *Manifest) { m.Network = "other" },
		"trust version": func(m *Manifest) { m.TrustVersion++ },
		"policy":        func(m *Manifest) { m.Policy.MaxHold++ },
		"tree":          tree(func(t *Tree) { t.Admit++ }),
		"anchor":        tree(func(t *Tree) { t.Anchors[0].Size++ }),
		"source":        source(func(s *Source) { s.Slots++ }),
		"source's tree": entry(func(st *SourceTree) { st.Depth = DepthListing }),
	} {
		m := small()
		change(m)
		if SameContent(small(), m) {
			t.Errorf("%s changed, and made no difference", name)
		}
	}
}

func TestComment(t *testing.T) {
	want := "tidemark centos serial=4127 issued=2026-11-22T08:00:00Z expires=2026-11-23T08:00:00Z sha256=" +
		"2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"
	if got := small().Comment([]byte("foo")); got != want {
		t.Errorf("%s, expected\n%s", got, want)
	}
}

// Encode refuses what Parse would refuse, by the same rule and with the same words.
func TestEncode_RefusesAsParseDoes(t *testing.T) {
	for name, spoil := range badValues() {
		m := small()
		spoil(m)
		text, err := strictjson.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		_, parseErr := Parse(text)
		b, err := Encode(m)
		if b != nil || err == nil || parseErr == nil || err.Error() != parseErr.Error() {
			t.Errorf("%s:\nencode: %v\nparse:  %v", name, err, parseErr)
		}
	}
}

func TestEncode_ValuesNoTextCanHold(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*Manifest)
		rule  Rule
	}{
		"TLS":             {entry(func(st *SourceTree) { st.URL = secureURL(t) }), RuleURL},
		"no URL":          {entry(func(st *SourceTree) { st.URL = rsyncurl.URL{} }), RuleURL},
		"path not UTF-8":  {tree(func(t *Tree) { t.Anchors[0].Path = "a\xff" }), RuleAnchorPath},
		"year 10000":      {func(m *Manifest) { m.Expires = strictjson.Time{Time: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)} }, RuleTime},
		"since year -1":   {entry(func(st *SourceTree) { st.Since.Time = time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC) }), RuleTime},
		"8 MiB of anchor": {manyLongAnchors, RuleSize},
	} {
		m := small()
		c.spoil(m)
		_, err := Encode(m)
		var e *RuleError
		if !errors.As(err, &e) || e.Rule != c.rule {
			t.Errorf("%s: %v, expected rule %s", name, err, c.rule)
		}
	}
}

func secureURL(t *testing.T) rsyncurl.URL {
	t.Helper()
	u, err := rsyncurl.ParseAny("rsync+tls://ftp.funet.fi/centos/")
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func manyLongAnchors(m *Manifest) {
	t := m.Trees["centos"]
	for i := range MaxAnchors - 1 {
		t.Anchors = append(t.Anchors, anchor(fmt.Sprintf("%04d%s", i, strings.Repeat("x", 2500)), 1))
	}
	m.Trees["centos"] = t
}

// A refusal for size or number names the tree that has most.
func TestEncode_NamesTheTree(t *testing.T) {
	for name, spoil := range map[string]func(*Manifest){
		"anchors": tree(manyAnchors), "size": manyLongAnchors, "entries": manySources,
	} {
		m := small()
		spoil(m)
		if _, err := Encode(m); err == nil || !strings.Contains(err.Error(), "tree centos") {
			t.Errorf("%s: %v, expected a refusal that names tree centos", name, err)
		}
	}
}

func TestLimitsAreInclusive(t *testing.T) {
	m := small()
	m.Serial, m.TrustVersion = MaxSerial, MaxSerial
	m.Trees["centos"] = func() Tree {
		t := m.Trees["centos"]
		t.Admit, t.Files, t.Bytes = FullAdmission, MaxSerial, 0
		t.Anchors = nil
		for i := range MaxAnchors {
			t.Anchors = append(t.Anchors, anchor(fmt.Sprintf("%04d", i), 0))
		}
		t.Nodes = Nodes{} // all in maintenance since it was announced
		return t
	}()
	for i := range MaxTrees - 1 {
		t := m.Trees["centos"]
		t.Anchors = nil
		m.Trees[fmt.Sprintf("t%02d", i)] = t
	}
	m.Sources[1].Slots, m.Sources[1].ASN = MaxSlots, maxASN
	m.Sources[1].ID = strings.Repeat("z", 100)
	b, err := Encode(m)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Parse(b); err != nil {
		t.Error(err)
	}
}

func TestParse_PadsUpToTheLimit(t *testing.T) {
	b, err := Encode(small())
	if err != nil {
		t.Fatal(err)
	}
	b = append(b, bytes.Repeat([]byte(" "), MaxSize-len(b))...)
	if _, err := Parse(b); err != nil {
		t.Error(err)
	}
	if _, err := Parse(append(b, ' ')); err == nil {
		t.Error("one byte more is accepted")
	}
}

func TestTrimAnchors(t *testing.T) {
	newestFirst := []Anchor{anchor("c", 1), anchor("a", 1), anchor("b", 1)}
	for share, want := range map[int]string{-1: "", 0: "", 1: "c", 2: "ac", 3: "abc", 9: "abc"} {
		got := ""
		for _, a := range TrimAnchors(newestFirst, share) {
			got += a.Path
		}
		if got != want {
			t.Errorf("share %d: %q, expected %q", share, got, want)
		}
	}
	if newestFirst[0].Path != "c" {
		t.Error("the argument was changed")
	}
	for trees, want := range map[int]int{0: 4000, 1: 4000, 3: 1333, 64: 62} {
		if got := AnchorShare(trees); got != want {
			t.Errorf("%d trees: share %d, expected %d", trees, got, want)
		}
	}
}

func TestRulesAreListedOnce(t *testing.T) {
	seen := make(map[Rule]bool)
	for _, r := range Rules() {
		if seen[r] {
			t.Errorf("%s is listed twice", r)
		}
		seen[r] = true
	}
}

func TestSchemaHasTheCountries(t *testing.T) {
	var schema struct {
		Defs struct {
			Country struct {
				Enum []string `json:"enum"`
			} `json:"country"`
		} `json:"$defs"`
	}
	if err := strictjson.Unmarshal(readFile(t, "../schema/manifest.v1.json"), &schema); err != nil {
		t.Fatal(err)
	}
	var want []string
	for a := 'A'; a <= 'Z'; a++ {
		for b := 'A'; b <= 'Z'; b++ {
			if c := string([]rune{a, b}); geo.ValidCountry(c) {
				want = append(want, c)
			}
		}
	}
	if diff := cmp.Diff(want, schema.Defs.Country.Enum); diff != "" {
		t.Error(diff)
	}
}

func FuzzParse(f *testing.F) {
	for _, dir := range []string{"good", "bad"} {
		for _, b := range readVectors(f, dir) {
			if len(b) < 64<<10 {
				f.Add(b)
			}
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Parse(b)
		if err != nil {
			var e *RuleError
			if m != nil || !errors.As(err, &e) {
				t.Fatalf("got %v and %v, expected a *RuleError alone", m, err)
			}
			return
		}
		once, err := Encode(m)
		if err != nil {
			if e := new(RuleError); errors.As(err, &e) && e.Rule == RuleSize {
				return // an indent can make a dense foreign text too large
			}
			t.Fatalf("what was parsed is not encoded: %v", err)
		}
		again, err := Parse(once)
		if err != nil {
			t.Fatalf("what was encoded is not parsed: %v", err)
		}
		twice, err := Encode(again)
		if err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("Encode(Parse(b)) is not b for what the encoder wrote (%v):\n%s\n%s", err, once, twice)
		}
	})
}

func TestOnlyDeeper(t *testing.T) {
	at := func(depths ...string) *Manifest {
		m := &Manifest{Schema: Schema, Network: "centos"}
		u, err := rsyncurl.Parse("rsync://ftp.example.org/centos/")
		if err != nil {
			t.Fatal(err)
		}
		for i, d := range depths {
			m.Sources = append(m.Sources, Source{ID: string(rune('a' + i)), Trees: map[string]SourceTree{"centos": {URL: u, Timestamp: 1488372781, Depth: d}}})
		}
		return m
	}
	other := at(DepthListing)
	other.Network = "vault"
	for _, c := range []struct {
		name string
		a, b *Manifest
		want bool
	}{
		{"the same", at("anchors", "anchors"), at("anchors", "anchors"), false},
		{"one deeper", at("listing", "anchors"), at("anchors", "anchors"), true},
		{"one deeper, one less deep", at("listing", "anchors"), at("anchors", "listing"), false},
		{"less deep", at("anchors"), at("listing"), false},
		{"one more", at("listing", "anchors"), at("anchors"), false},
		{"one gone", at("listing"), at("anchors", "anchors"), false},
		{"deeper, and something else", other, at("anchors"), false},
	} {
		if got := OnlyDeeper(c.a, c.b); got != c.want {
			t.Errorf("%s: %v, expected %v", c.name, got, c.want)
		}
	}
	a, b := at("listing"), at("anchors")
	OnlyDeeper(a, b)
	if a.Sources[0].Trees["centos"].Depth != "listing" {
		t.Error("the manifest was changed")
	}
}
