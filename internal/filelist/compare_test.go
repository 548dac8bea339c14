package filelist

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// list is a Source that is not ours.
type list struct {
	entries []Entry
	i       int
	failure error
}

func (l *list) Next() (Entry, bool) {
	if l.i == len(l.entries) {
		return Entry{}, false
	}
	l.i++
	return l.entries[l.i-1], true
}

func (l *list) Err() error   { return l.failure }
func (l *list) Close() error { return nil }

func sourceOf(entries ...Entry) Source { return &list{entries: sortEntries(entries)} }

// tree is a list as a map, for a model that has nothing in common with the walk.
type tree map[string]Entry

func (m tree) source() Source { return sourceOf(slices.Collect(maps.Values(m))...) }

func (m tree) as(path string, seen Entry, there bool) bool {
	e, ok := m[path]
	return ok == there && (!ok || e.Size == seen.Size && uint32(e.MTime) == uint32(seen.MTime))
}

// model compares by maps.
func model(seen, want tree, others []tree, newer []bool, r Rules) Diff {
	var d Diff
	union := maps.Clone(seen)
	maps.Copy(union, want)
	for _, path := range slices.SortedFunc(maps.Keys(union), ComparePaths) {
		if r.Skip != nil && r.Skip(path) {
			continue
		}
		s, inSeen := seen[path]
		w, inWant := want[path]
		if inSeen {
			d.Files++
			d.Bytes += s.Size
		}
		if want.as(path, s, inSeen) || !inSeen && r.Subset {
			continue
		}
		moved := false
		for i, o := range others {
			moved = moved || (newer[i] || inSeen && inWant) && o.as(path, s, inSeen)
		}
		n, first := &d.Different, &d.DifferentFirst
		switch {
		case moved && !inWant:
			n, first = &d.Early, &d.EarlyFirst
		case moved:
			n, first = &d.Moved, &d.MovedFirst
		case !inSeen:
			n, first = &d.Missing, &d.MissingFirst
		case !inWant:
			n, first = &d.Extra, &d.ExtraFirst
		}
		if *n++; *n <= Shown {
			*first = append(*first, Odd{shown(path), s.Size, s.MTime, w.Size, w.MTime})
		}
	}
	return d
}

// drawTrees draws trees with much in common.
func drawTrees(t *rapid.T, n int) []tree {
	var names []string
	for _, dir := range []string{"", "a/", "a-b/", "a/b/", "b/"} {
		for i := range 12 {
			names = append(names, fmt.Sprintf("%s%c%d", dir, 'a'+i%3, i))
		}
	}
	trees := make([]tree, n)
	for i := range trees {
		trees[i] = tree{}
		for _, name := range names {
			if state := rapid.IntRange(0, 5).Draw(t, "state"); state > 0 { // mostly the same
				trees[i][name] = Entry{name, int64(max(state, 3)), int64(max(state, 4)/5)<<33 + int64(state/5)}
			}
		}
	}
	return trees
}

func TestCompare_AsByMaps(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		trees := drawTrees(rt, rapid.IntRange(2, 5).Draw(rt, "lists"))
		seen, want, rest := trees[0], trees[1], trees[2:]
		var others []Other
		var newer []bool
		for i, o := range rest {
			newer = append(newer, rapid.Bool().Draw(rt, "newer"))
			others = append(others, Other{indexOf(rt, filepath.Join(dir, fmt.Sprint(i)), o.source()).Entries(), newer[i]})
		}
		r := Rules{Subset: rapid.Bool().Draw(rt, "subset")}
		if rapid.Bool().Draw(rt, "skip") {
			r.Skip = func(path string) bool { return strings.HasPrefix(path, "a/b/") || path == "TIME" }
		}
		want["TIME"], seen["TIME"] = Entry{"TIME", 1, 1}, Entry{"TIME", 2, 2}
		got, err := Compare(seen.source(), indexOf(rt, filepath.Join(dir, "want"), want.source()).Entries(), others, r)
		if err != nil {
			rt.Fatal(err)
		}
		if diff := cmp.Diff(model(seen, want, rest, newer, r), got); diff != "" {
			rt.Error(diff)
		}
	})
}

// TestCompare_Judgements is the table of what each state of one file is called.
func TestCompare_Judgements(t *testing.T) {
	t.Parallel()
	none, one, two, three := -1, 1, 2, 3
	for _, tt := range []struct {
		name              string
		seen, want, other int
		newer, subset     bool
		is                string
	}{
		{"as on the master", one, one, two, true, false, ""},
		{"missing", none, one, one, true, false, "missing"},
		{"missing, a subset", none, one, one, true, true, ""},
		{"missing, the master has deleted it since", none, one, none, true, false, "moved"},
		{"missing, a subset, the master has deleted it since", none, one, none, true, true, ""},
		{"missing, it was not there yet at an older one", none, one, none, false, false, "missing"},
		{"extra", one, none, none, true, false, "extra"},
		{"extra, the next one has it", one, none, one, true, false, "early"},
		{"extra in a subset, the next one has it", one, none, one, true, true, "early"},
		{"extra, the next one has another", one, none, two, true, false, "extra"},
		{"extra, not deleted since an older one", one, none, one, false, false, "extra"},
		{"different", one, two, two, true, false, "different"},
		{"different, of a newer one", one, two, one, true, false, "moved"},
		{"different, of an older one", one, two, one, false, false, "moved"},
		{"different everywhere", one, two, three, true, true, "different"},
		{"mtime beyond 32 bits", one, one + 1<<8, none, true, false, ""},
		{"absent everywhere", none, none, one, true, false, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			lists := make([]Source, 3)
			for i, state := range []int{tt.seen, tt.want, tt.other} {
				entries := []Entry{{"a", 1, 1}, {"d/a", 1, 1}, {"d/z", 1, 1}}
				if state >= 0 {
					entries = append(entries, Entry{"d/f", int64(state & 0xff), int64(state>>8) << 32})
				}
				lists[i] = sourceOf(entries...)
			}
			d, err := Compare(lists[0], lists[1], []Other{{lists[2], tt.newer}}, Rules{Subset: tt.subset})
			if err != nil {
				t.Fatal(err)
			}
			is := ""
			for name, n := range map[string]int64{"missing": d.Missing, "extra": d.Extra, "different": d.Different, "moved": d.Moved, "early": d.Early} {
				if n > 0 {
					is += name
				}
			}
			if is != tt.is || d.Equal() != (tt.is == "") {
				t.Errorf("it is %q, expected %q: %+v", is, tt.is, d)
			}
		})
	}
}

// TestCompare_FirstOnes: twenty of each kind, as a person can read them.
func TestCompare_FirstOnes(t *testing.T) {
	t.Parallel()
	var want []Entry
	for i := range 30 {
		want = append(want, Entry{fmt.Sprintf("f%02d", i), 5, 6})
	}
	seen := []Entry{{"new\nline", 1, 2}, {"d/" + strings.Repeat("x", 300) + "end", 3, 4}, {"d/\xff\"", 0, 0}, {`"quoted"`, 1<<63 - 1, 0}}
	d, err := Compare(sourceOf(seen...), sourceOf(want...), nil, Rules{})
	if err != nil {
		t.Fatal(err)
	}
	if d.Missing != 30 || len(d.MissingFirst) != Shown || d.MissingFirst[19] != (Odd{"f19", 0, 0, 5, 6}) {
		t.Errorf("missing: %+v", d)
	}
	extra := []Odd{
		{`"\"quoted\""`, 1<<63 - 1, 0, 0, 0}, {`"new\nline"`, 1, 2, 0, 0}, {`"d/\xff\""`, 0, 0, 0, 0},
		{"d/" + strings.Repeat("x", 118) + "..." + strings.Repeat("x", 117) + "end", 3, 4, 0, 0},
	}
	if diff := cmp.Diff(extra[:2], d.ExtraFirst[:2]); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(sortOdds(extra), sortOdds(d.ExtraFirst)); diff != "" {
		t.Error(diff)
	}
	if d.Bytes != 1<<63-1 || d.Files != 4 {
		t.Errorf("%d files with %d bytes: expected 4 with the largest sum", d.Files, d.Bytes)
	}
}

func sortOdds(o []Odd) []Odd {
	return slices.SortedFunc(slices.Values(o), func(a, b Odd) int { return strings.Compare(a.Path, b.Path) })
}

// TestCompare_FailedSource: of a list that broke off nothing is concluded.
func TestCompare_FailedSource(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	whole := func() Source { return sourceOf(Entry{"a", 1, 1}, Entry{"b", 1, 1}) }
	short := func() Source { return &list{entries: []Entry{{"a", 1, 2}}, failure: broken} }
	odd := func() Source { return sourceOf(Entry{"a", 1, 3}, Entry{"c", 1, 3}) }
	for name, compare := range map[string]func() (Diff, error){
		"seen": func() (Diff, error) { return Compare(short(), whole(), nil, Rules{}) },
		"want": func() (Diff, error) { return Compare(whole(), short(), nil, Rules{}) },
		"other, behind what it was asked": func() (Diff, error) {
			return Compare(sourceOf(Entry{"a", 1, 3}, Entry{"b", 1, 1}), whole(), []Other{{short(), true}}, Rules{})
		},
		"other": func() (Diff, error) {
			return Compare(odd(), whole(), []Other{{whole(), true}, {short(), true}}, Rules{})
		},
	} {
		if d, err := compare(); !errors.Is(err, broken) || !cmp.Equal(d, Diff{}) {
			t.Errorf("%s: got %+v, %v", name, d, err)
		}
	}
}

// TestCompare_Stop: a deadline ends a comparison, in each of its parts.
func TestCompare_Stop(t *testing.T) {
	t.Parallel()
	late := errors.New("late")
	many := func(prefix string) Source {
		entries := make([]Entry, 0, 3*stopEvery)
		for i := range 3 * stopEvery {
			entries = append(entries, Entry{fmt.Sprintf("%s%06d", prefix, i), 1, 1})
		}
		return sourceOf(entries...)
	}
	few := func() Source { return sourceOf(Entry{"a", 1, 1}) }
	for name, compare := range map[string]func(Rules) (Diff, error){
		"both":  func(r Rules) (Diff, error) { return Compare(many("x"), many("x"), nil, r) },
		"seen":  func(r Rules) (Diff, error) { return Compare(many("x"), few(), nil, r) },
		"want":  func(r Rules) (Diff, error) { return Compare(few(), many("x"), nil, r) },
		"other": func(r Rules) (Diff, error) { return Compare(few(), sourceOf(), []Other{{many("x"), true}}, r) },
	} {
		asked := 0
		d, err := compare(Rules{Stop: func() error { asked++; return late }})
		if !errors.Is(err, late) || asked != 1 || !cmp.Equal(d, Diff{}) {
			t.Errorf("%s: asked %d times: %+v, %v", name, asked, d, err)
		}
		if _, err := compare(Rules{Stop: func() error { return nil }}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestCompare_ForeignSource: what is not as a Source promises is refused, not compared.
func TestCompare_ForeignSource(t *testing.T) {
	t.Parallel()
	for name, entries := range map[string][]Entry{
		"not sorted":              {{"a", 1, 1}, {"c", 1, 1}, {"b", 1, 1}},
		"directories not sorted":  {{"a/x", 1, 1}, {"x", 1, 1}},
		"by path, not by the two": {{"a-b/x", 1, 1}, {"a/b", 1, 1}, {"a/c", 1, 1}},
		"twice":                   {{"a/b", 1, 1}, {"a/b", 1, 1}},
		"above the top":           {{"../a", 1, 1}},
		"absolute":                {{"/a", 1, 1}},
		"negative":                {{"a", -1, 1}},
	} {
		for _, swap := range []bool{false, true} {
			a, b := Source(&list{entries: entries}), sourceOf()
			if swap {
				a, b = b, a
			}
			if _, err := Compare(a, b, nil, Rules{}); err == nil {
				t.Errorf("%s was taken", name)
			}
		}
	}
}
