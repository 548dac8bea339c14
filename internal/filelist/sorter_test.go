package filelist

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// all gives what a source gives.
func all(s Source) ([]Entry, error) {
	var got []Entry
	for e, ok := s.Next(); ok; e, ok = s.Next() {
		got = append(got, e)
	}
	return got, s.Err()
}

// sortEntries sorts in memory.
func sortEntries(entries []Entry) []Entry {
	return slices.SortedFunc(slices.Values(entries), func(a, b Entry) int { return ComparePaths(a.Path, b.Path) })
}

// addAll sorts entries with a sorter.
func addAll(t testing.TB, o Options, entries []Entry) ([]Entry, error) {
	t.Helper()
	s := NewSorter(o)
	defer s.Close()
	for _, e := range entries {
		if err := s.Add(e); err != nil {
			return nil, err
		}
	}
	src, err := s.Sorted()
	if err != nil {
		return nil, err
	}
	return all(src)
}

// drawEntries draws a list, some of it alike in its beginnings, each path once.
func drawEntries(t *rapid.T, most int) []Entry {
	part := rapid.OneOf(
		rapid.StringOfN(rapid.SampledFrom([]rune{'a', 'b', '-'}), 1, 3, -1),
		rapid.SampledFrom([]string{"kernel-core-5.14.0", "kernel-core-5.14.0-", "kernel-core-5.14.0-1.x86_64.rpm", "\xff", "a.", "...", "a\nb", "12345678", "1234567", "123456789"}),
	)
	path := rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(part, 1, 4).Draw(t, "parts"), "/")
	})
	entry := rapid.Custom(func(t *rapid.T) Entry {
		return Entry{path.Draw(t, "path"), rapid.Int64Min(0).Draw(t, "size"), rapid.Int64().Draw(t, "mtime")}
	})
	return rapid.SliceOfNDistinct(entry, 0, most, func(e Entry) string { return e.Path }).Draw(t, "entries")
}

func TestSorter_AsInMemory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		entries := drawEntries(rt, 200)
		s := NewSorter(Options{Dir: dir})
		defer s.Close()
		s.options.Memory = rapid.SampledFrom([]int{1 << 20, 3000, 300, 1}).Draw(rt, "memory") // 1: each entry a run
		for _, e := range entries {
			if err := s.Add(e); err != nil {
				rt.Fatal(err)
			}
		}
		src, err := s.Sorted()
		if err != nil {
			rt.Fatal(err)
		}
		got, err := all(src)
		if err != nil {
			rt.Fatal(err)
		}
		if diff := cmp.Diff(sortEntries(entries), got); diff != "" {
			rt.Error(diff)
		}
		if _, ok := src.Next(); ok || src.Err() != nil {
			rt.Error("there is more after the end")
		}
	})
}

// TestSorter_Twice: wherever the same path comes again, the list is refused, and the path named.
func TestSorter_Twice(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		entries := drawEntries(rt, 60)
		if len(entries) == 0 {
			return
		}
		again := rapid.SampledFrom(entries).Draw(rt, "again")
		again.Size = 7
		entries = slices.Insert(entries, rapid.IntRange(0, len(entries)).Draw(rt, "at"), again)
		s := NewSorter(Options{Dir: dir})
		defer s.Close()
		s.options.Memory = rapid.SampledFrom([]int{1 << 20, 300, 1}).Draw(rt, "memory")
		var err error
		for _, e := range entries {
			if err = s.Add(e); err != nil {
				break
			}
		}
		if err == nil {
			src, _ := s.Sorted()
			_, err = all(src)
		}
		if !errors.Is(err, ErrTwice) || !strings.Contains(err.Error(), shown(again.Path)) {
			rt.Errorf("got %v, expected that %q is there twice", err, again.Path)
		}
	})
}

// TestSortKeys_Limits: also where the quicksort gives up, at once or on its way, and whatever the pivots do.
func TestSortKeys_Limits(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		name := rapid.OneOf(rapid.StringMatching(`[ab]{1,20}`), rapid.StringMatching(`kernel-core-[0-9]{1,9}`), rapid.SampledFrom([]string{"a", "12345678", "123456789", "\xff"}))
		names := rapid.SliceOfN(name, 0, 300).Draw(rt, "names")
		var b block
		b.directory("")
		for _, name := range names {
			b.add(name, 0, 0)
		}
		for i, r := range b.recs {
			b.recs[i].key = key(b.slab, r, 0)
		}
		sortKeys(b.slab, b.recs, 0, rapid.IntRange(0, 9).Draw(rt, "limit"))
		slices.Sort(names)
		for i, r := range b.recs {
			if got := string(b.slab[r.off : r.off+r.len]); got != names[i] {
				rt.Fatalf("%d: %q, expected %q", i, got, names[i])
			}
		}
	})
}
