package manifest

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"tidemark/internal/geo"
	"tidemark/internal/ident"
)

func (m *Manifest) checkSources() error {
	entries := 0
	countries := make(map[string]bool)
	for i := range m.Sources {
		s := &m.Sources[i]
		// Paths cost more than the checks do: they are made for a refusal only.
		if s.check("", countries) != nil {
			return s.check("sources"+index(i), countries)
		}
		if i > 0 && m.Sources[i-1].ID >= s.ID {
			return badOrder("sources"+index(i), m.Sources[i-1].ID, s.ID)
		}
		if err := m.checkSourceTrees(i, s); err != nil {
			return err
		}
		entries += len(s.Trees)
	}
	if entries > MaxEntries {
		tree, n := m.largestTree()
		return broken(RuleEntryCount, "sources", "found %d source-tree entries, expected at most %d; tree %s has most, %d", entries, MaxEntries, tree, n)
	}
	return nil
}

// largestTree returns the tree with most sources, for messages.
func (m *Manifest) largestTree() (tree string, entries int) {
	count := make(map[string]int)
	for i := range m.Sources {
		for name := range m.Sources[i].Trees {
			count[name]++
		}
	}
	for _, name := range slices.Sorted(maps.Keys(m.Trees)) {
		if n := count[name]; n > entries || tree == "" {
			tree, entries = name, n
		}
	}
	return tree, entries
}

func (m *Manifest) checkSourceTrees(i int, s *Source) error {
	sound := true
	for name, st := range s.Trees {
		sound = sound && m.checkSourceTree("", name, st) == nil
	}
	if sound {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(s.Trees)) {
		if err := m.checkSourceTree("sources"+index(i)+".trees."+name, name, s.Trees[name]); err != nil {
			return err
		}
	}
	return nil
}

func badOrder(path, before, id string) error {
	if before == id {
		return broken(RuleSourceTwice, path+".id", "found %s twice, expected each source once", id)
	}
	return broken(RuleSourceOrder, path+".id", "found %s after %s, expected sources sorted by id", id, before)
}

// check judges a source without its trees; countries remembers the valid ones.
func (s *Source) check(path string, countries map[string]bool) error {
	if err := ident.Check(s.ID); err != nil {
		return broken(RuleSourceID, path+".id", "%v", err)
	}
	if s.Kind != KindNode && s.Kind != KindMirror {
		return broken(RuleKind, path+".kind", "found %.40q, expected %q or %q", s.Kind, KindNode, KindMirror)
	}
	if s.Country != "" && !countries[s.Country] {
		if !geo.ValidCountry(s.Country) {
			return broken(RuleCountry, path+".country", "found %.20q, expected an ISO 3166-1 alpha-2 code in capitals", s.Country)
		}
		countries[s.Country] = true
	}
	if s.Continent != "" && !geo.ValidContinent(s.Continent) {
		return broken(RuleContinent, path+".continent", "found %.20q, expected AF, AN, AS, EU, NA, OC or SA", s.Continent)
	}
	if err := between(RuleASN, path+".asn", s.ASN, 0, maxASN); err != nil {
		return err
	}
	if err := between(RuleSlots, path+".slots", int64(s.Slots), 0, MaxSlots); err != nil {
		return err
	}
	if len(s.Trees) == 0 {
		return broken(RuleSourceTrees, path+".trees", "source %s has no trees, expected at least one", s.ID)
	}
	return nil
}

func (m *Manifest) checkSourceTree(path, name string, st SourceTree) error {
	t, ok := m.Trees[name]
	if !ok {
		return broken(RuleSourceTree, path, "found a tree %.100q that the document does not announce, expected one of its trees", name)
	}
	if st.URL.IsZero() {
		return broken(RuleURL, path+".url", "found no URL, expected an rsync URL")
	}
	if st.URL.TLS() {
		return broken(RuleURL, path+".url", "found %s, expected rsync://: rsync itself does not speak TLS", st.URL)
	}
	if !t.has(st.Timestamp) {
		return broken(RuleSourceTimestamp, path+".timestamp", "found %d, expected the announced %d or one of later", st.Timestamp, t.Timestamp)
	}
	if st.Depth != DepthTime && st.Depth != DepthAnchors && st.Depth != DepthListing {
		return broken(RuleDepth, path+".depth", "found %.40q, expected %q, %q or %q", st.Depth, DepthTime, DepthAnchors, DepthListing)
	}
	if !validFamilies(st.Families) {
		return broken(RuleFamilies, path+".families", "found %.40s, expected [4], [6] or [4, 6]", familiesText(st.Families))
	}
	return nil
}

// has reports whether a source may be at timestamp.
func (t Tree) has(timestamp int64) bool {
	return timestamp == t.Timestamp || slices.ContainsFunc(t.Later, func(l Later) bool { return l.Timestamp == timestamp })
}

func validFamilies(f []int) bool {
	switch len(f) {
	case 1:
		return f[0] == 4 || f[0] == 6
	case 2:
		return f[0] == 4 && f[1] == 6
	}
	return false
}

func familiesText(f []int) string {
	words := make([]string, len(f))
	for i, n := range f {
		words[i] = strconv.Itoa(n)
	}
	return "[" + strings.Join(words, ", ") + "]"
}

func index(i int) string { return "[" + strconv.Itoa(i) + "]" }

// stamp writes a time for a message or a comment, as the document does.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }
