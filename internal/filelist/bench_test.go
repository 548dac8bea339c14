package filelist

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"syscall"
	"testing"
)

// realistic makes n entries as a server sends those of a distribution: one directory after the other, in no order within it.
func realistic(n int) []Entry {
	r := rand.New(rand.NewPCG(1, 2))
	words := []string{"kernel", "kernel-core", "glibc", "glibc-langpack", "python3", "python3-libs", "perl", "texlive", "golang-github", "lib", "mingw64", "rust", "php", "qt5", "java-17-openjdk"}
	arches := []string{"x86_64", "aarch64", "noarch", "i686", "ppc64le", "s390x"}
	var all []Entry
	for d := 0; len(all) < n; d++ {
		dir := fmt.Sprintf("%d.%d/%s/%s/os/Packages/%c", 7+d/600, d/60%10, []string{"BaseOS", "AppStream", "CRB"}[d%3], arches[d%6], 'a'+d/18%26)
		for i := range min(1+r.IntN(600), n-len(all)) {
			name := fmt.Sprintf("%s-%s-%d.%d.%d-%d.el%d_%d.%s.rpm", words[r.IntN(len(words))], words[r.IntN(len(words))], r.IntN(20), r.IntN(40), i, r.IntN(100), 7+d/600, r.IntN(9), arches[d%6])
			all = append(all, Entry{dir + "-" + fmt.Sprint(d) + "/" + name, r.Int64N(50 << 20), 1_480_000_000 + r.Int64N(100_000_000)})
		}
	}
	return all
}

const benchFiles = 240_000

// cpu reports the processor time of an operation, which a busy machine does not make longer as it does the other.
func cpu(b *testing.B) func() {
	used := func() int64 {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return u.Utime.Nano() + u.Stime.Nano()
	}
	before := used()
	return func() { b.ReportMetric(float64(used()-before)/1e6/float64(b.N), "cpu-ms/op") }
}

// BenchmarkSorter adds, sorts and walks a list of 240,000 files.
func BenchmarkSorter(b *testing.B) {
	entries := realistic(benchFiles)
	b.ReportAllocs()
	defer cpu(b)()
	for b.Loop() {
		s := NewSorter(Options{Dir: b.TempDir()})
		sortBench(b, s, entries)
		src, err := s.Sorted()
		if err != nil {
			b.Fatal(err)
		}
		c, n := cursorOf(src), 0
		for it := c.next(); it != nil; it = c.next() {
			n++
		}
		if c.err() != nil || n != benchFiles {
			b.Fatal(c.err(), n)
		}
		s.Close()
	}
}

func sortBench(b *testing.B, s *Sorter, entries []Entry) {
	for _, e := range entries {
		if err := s.Add(e); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkIndex walks an index of 240,000 files to its end.
func BenchmarkIndex(b *testing.B) {
	x := benchIndex(b, realistic(benchFiles))
	b.SetBytes(x.to)
	b.ReportAllocs()
	defer cpu(b)()
	for b.Loop() {
		c := cursorOf(x.Entries())
		for it := c.next(); it != nil; it = c.next() {
		}
		if c.err() != nil {
			b.Fatal(c.err())
		}
	}
}

func benchIndex(b *testing.B, entries []Entry) *Index {
	return indexOf(b, filepath.Join(b.TempDir(), "i"), sourceOf(entries...))
}

// BenchmarkCompare is what one server costs: a list of 240,000 files is added, sorted and compared with the master's index.
func BenchmarkCompare(b *testing.B) {
	entries := realistic(benchFiles)
	x := benchIndex(b, entries)
	other := benchIndex(b, entries[:benchFiles-100])
	late := append(entries[:benchFiles-50:benchFiles-50], Entry{"new", 1, 1})
	for name, c := range map[string]struct {
		entries []Entry
		rules   Rules
	}{
		"equal":     {entries, Rules{}},
		"skip":      {entries, Rules{Skip: func(path string) bool { return path == "TIME" }}},
		"different": {late, Rules{}},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			defer cpu(b)()
			for b.Loop() {
				s := NewSorter(Options{Dir: b.TempDir()})
				sortBench(b, s, c.entries)
				src, err := s.Sorted()
				if err != nil {
					b.Fatal(err)
				}
				d, err := Compare(src, x.Entries(), []Other{{other.Entries(), true}}, c.rules)
				if err != nil || d.Equal() != (name != "different") {
					b.Fatal(d, err)
				}
				s.Close()
			}
		})
	}
}
