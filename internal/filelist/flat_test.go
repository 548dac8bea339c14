package filelist

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
)

// perDirectory is how many files each directory of numbered has.
const perDirectory = 1000

// numbered is the n-th file of a list of which nothing is in memory.
func numbered(n int) Entry {
	b := strconv.AppendInt([]byte("7.3.1611/os/"), int64(100_000+n/perDirectory), 10)
	b = strconv.AppendInt(append(b, "/Packages/kernel-"...), int64(100_000+n%perDirectory), 10)
	return Entry{string(append(b, "-514.el7.x86_64.rpm"...)), int64(n) * 37, 1_480_000_000 + int64(n)*17%1_000_003}
}

// counted is the Source of the first numbered ones, and watches the memory while it is walked.
type counted struct {
	n, i int
	peak *uint64
}

func (c *counted) Next() (Entry, bool) {
	if c.i == c.n {
		return Entry{}, false
	}
	c.i++
	watch(c.peak, c.i)
	return numbered(c.i - 1), true
}

func (c *counted) Err() error   { return nil }
func (c *counted) Close() error { return nil }

func watch(peak *uint64, i int) {
	if i%20_000 == 0 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		*peak = max(*peak, m.HeapAlloc)
	}
}

// flat makes an index of n files, sorts as many that come in another order, compares, and gives the most that the heap held.
func flat(t *testing.T, n, memory int) uint64 {
	t.Helper()
	peak, dir := uint64(0), t.TempDir()
	runtime.GC()
	x := indexOf(t, filepath.Join(dir, "i"), &counted{n: n, peak: &peak})
	s := NewSorter(Options{Dir: dir, Memory: memory})
	defer s.Close()
	dirs := n / perDirectory
	for i := range n {
		watch(&peak, i)
		if err := s.Add(numbered(i/perDirectory*7%dirs*perDirectory + i%perDirectory*337%perDirectory)); err != nil {
			t.Fatal(err)
		}
	}
	src, err := s.Sorted()
	if err != nil {
		t.Fatal(err)
	}
	i := 0
	d, err := Compare(src, x.Entries(), nil, Rules{Skip: func(string) bool { i++; watch(&peak, i); return false }})
	if err != nil || !d.Equal() || d.Files != int64(n) || d.Files != x.Head.Files || d.Bytes != x.Head.Bytes {
		t.Errorf("%+v, %v: expected %d equal ones", d, err, n)
	}
	return peak
}

// TestFlat: five times the files are not more memory (in memory they would be 14 MiB). It is not parallel: it watches the heap of the
// whole program.
func TestFlat(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(10)) // what is held, not what is left to be collected
	small, large := flat(t, 40_000, 1<<19), flat(t, 200_000, 1<<19)
	t.Logf("the heap held %d KiB with 200,000 files and %d KiB with 40,000", large>>10, small>>10)
	if large > small+4<<20 || large > 12<<20 {
		t.Errorf("the heap held %d KiB with 200,000 files and %d KiB with 40,000", large>>10, small>>10)
	}
}

// TestSoakFlat: 1,000,000 files and 5,000,000.
func TestSoakFlat(t *testing.T) {
	if os.Getenv("TIDEMARK_SOAK") != "1" {
		t.Skip("long: TIDEMARK_SOAK=1")
	}
	for _, n := range []int{1_000_000, 5_000_000} {
		peak := flat(t, n, 0)
		t.Logf("%d files: the heap held %d KiB", n, peak>>10)
		if peak > 64<<20 {
			t.Errorf("%d files: the heap held %d KiB, expected at most 64 MiB", n, peak>>10)
		}
	}
}

// TestSorter_HostileOrders: every entry in another directory, deep ones, all names alike.
func TestSorter_HostileOrders(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("d/", 2000)
	for name, c := range map[string]struct {
		n    int
		path func(i int) string
	}{
		"another directory each":      {20_000, func(i int) string { return strconv.Itoa(i*7919%20_000) + "/f" }},
		"two directories in turn":     {20_000, func(i int) string { return string("ab"[i%2]) + "/" + strconv.Itoa(i) }},
		"deep, another each":          {2_000, func(i int) string { return deep + strconv.Itoa(i*7919%2_000) + "/f" }},
		"long names, alike":           {1_000, func(i int) string { return strings.Repeat("n", 4000) + strconv.Itoa(i*7919%1_000) }},
		"each the next's beginning":   {1_500, func(i int) string { return strings.Repeat("n", 1+i*7919%1_500) }},
		"sorted":                      {20_000, func(i int) string { return "d/" + strconv.Itoa(100_000+i) }},
		"the other way round":         {20_000, func(i int) string { return "d/" + strconv.Itoa(200_000-i) }},
		"an organ pipe":               {20_000, func(i int) string { return "d/" + strconv.Itoa(200_000+min(2*i, 40_001-2*i)) }},
		"a directory comes back":      {20_000, func(i int) string { return []string{"d/", "d/e/", "d/"}[i%3] + strconv.Itoa(i) }},
		"top and directories in turn": {20_000, func(i int) string { return []string{"", "d/"}[i%2] + strconv.Itoa(i) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s := NewSorter(Options{Dir: dir, Memory: minMemory})
			defer s.Close()
			for i := range c.n {
				if err := s.Add(Entry{c.path(i), int64(i), 0}); err != nil {
					t.Fatal(err)
				}
			}
			if held := cap(s.block.slab) + recBytes*cap(s.block.recs) + groupBytes*cap(s.block.groups); held > 4*minMemory {
				t.Errorf("%d bytes are held, expected about %d", held, minMemory)
			}
			for i, l := range s.levels {
				if len(l.runs) >= fanIn {
					t.Errorf("%d runs on level %d", len(l.runs), i)
				}
			}
			src, err := s.Sorted()
			if err != nil {
				t.Fatal(err)
			}
			last, n := "", 0
			for e, ok := src.Next(); ok; e, ok = src.Next() {
				if n > 0 && ComparePaths(last, e.Path) >= 0 || c.path(int(e.Size)) != e.Path {
					t.Fatalf("%s after %s", shown(e.Path), shown(last))
				}
				last = e.Path
				n++
			}
			if src.Err() != nil || n != c.n {
				t.Errorf("%d entries, %v: expected %d", n, src.Err(), c.n)
			}
		})
	}
}

// TestSorter_TooLarge: scratch space has a bound too, and what is written leaves no file behind.
func TestSorter_TooLarge(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := NewSorter(Options{Dir: dir, Memory: minMemory, MaxBytes: 200_000})
	defer s.Close()
	var err error
	added := 0
	for ; err == nil && added < 100_000; added++ {
		err = s.Add(numbered(added))
	}
	if !errors.Is(err, ErrTooLarge) || added < 1000 {
		t.Errorf("after %d entries: got %v, expected that it is too large", added, err)
	}
	if _, again := s.Sorted(); !errors.Is(again, ErrTooLarge) {
		t.Errorf("sorted: got %v", again)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("%s is left", left[0].Name())
	}
}

// TestSorter_Refusals are paths that name no file below the top.
func TestSorter_Refusals(t *testing.T) {
	t.Parallel()
	for _, e := range []Entry{
		{Path: ""}, {Path: "/a"}, {Path: "a/"}, {Path: "a//b"}, {Path: "."}, {Path: ".."}, {Path: "a/./b"}, {Path: "../a"}, {Path: "a/.."},
		{Path: "a\x00"}, {Path: "a\x00/b"}, {Path: strings.Repeat("a", maxPath+1)}, {Path: "a", Size: -1},
	} {
		s := NewSorter(Options{})
		if err := s.Add(e); !errors.Is(err, ErrPath) {
			t.Errorf("%.20q: got %v", e.Path, err)
		}
		if err := s.Add(Entry{Path: "good"}); !errors.Is(err, ErrPath) {
			t.Errorf("after %.20q: got %v, expected the first failure", e.Path, err)
		}
		s.Close()
	}
	for _, path := range []string{"...", ".a", "a/...", strings.Repeat("a", maxPath), "a/" + strings.Repeat("a", maxPath-2), "\xff", "\x01"} {
		if got, err := addAll(t, Options{}, []Entry{{Path: path}}); err != nil || len(got) != 1 || got[0].Path != path {
			t.Errorf("%.20q: got %v, %v", path, got, err)
		}
	}
}

// TestSorter_NoScratch: a directory that is not there is an error of Add, once memory is full.
func TestSorter_NoScratch(t *testing.T) {
	t.Parallel()
	s := NewSorter(Options{Dir: filepath.Join(t.TempDir(), "none"), Memory: minMemory})
	var err error
	for i := 0; err == nil && i < 100_000; i++ {
		err = s.Add(numbered(i))
	}
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, expected that the directory does not exist", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestSorter_ClosedEarly: a walk whose sorter is closed fails, it does not end.
func TestSorter_ClosedEarly(t *testing.T) {
	t.Parallel()
	s := NewSorter(Options{Dir: t.TempDir(), Memory: 1 << 20}) // runs longer than what is read of them at once
	for i := range 60_000 {
		if err := s.Add(numbered(i)); err != nil {
			t.Fatal(err)
		}
	}
	src, err := s.Sorted()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Sorted(); err == nil {
		t.Error("it was sorted twice")
	}
	if err := s.Add(numbered(1)); err == nil {
		t.Error("it was added to after it was sorted")
	}
	s.Close()
	if _, err := all(src); !errors.Is(err, os.ErrClosed) {
		t.Errorf("got %v, expected that the file is closed", err)
	}
}
