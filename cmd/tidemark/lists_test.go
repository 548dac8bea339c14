package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"tidemark/internal/filelist"
	"tidemark/quorum"
)

// index writes a list as a look at the master does.
func index(t *testing.T, name, tree string, timestamp int64, digest string) {
	t.Helper()
	s := filelist.NewSorter(filelist.Options{Dir: t.TempDir()})
	defer s.Close()
	for _, path := range []string{"a", "b"} {
		if err := s.Add(filelist.Entry{Path: path, Size: 1, MTime: timestamp}); err != nil {
			t.Fatal(err)
		}
	}
	from, err := s.Sorted()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := filelist.Write(name, filelist.Head{Tree: tree, Timestamp: timestamp, Digest: digest}, from); err != nil {
		t.Fatal(err)
	}
}

func recordedWith(digests map[int64]string) quorum.Memory {
	mem := quorum.NewMemory()
	tree := quorum.TreeMemory{}
	for at, digest := range digests {
		tree.Recorded = append(tree.Recorded, quorum.Recorded{Timestamp: at, List: &quorum.ListSum{Digest: digest}})
	}
	mem.Trees["centos"] = tree
	return mem
}

// Only what was recorded with the same digest is adopted: a list of another moment would accuse every server.
func TestLists_Adopt(t *testing.T) {
	t.Parallel()
	l := openLists(filepath.Join(t.TempDir(), "lists"), true)
	looks := []struct {
		at     int64
		digest string
	}{{100, "other"}, {100, "right"}, {200, "never recorded"}, {300, "right"}}
	for _, look := range looks {
		name := l.wanted("centos", look.at)
		if name == "" {
			t.Fatalf("no list of %d is wanted", look.at)
		}
		index(t, name, "centos", look.at, look.digest)
	}
	if err := l.adopt(recordedWith(map[int64]string{100: "right", 300: "right"})); err != nil {
		t.Fatal(err)
	}
	if got := l.held()["centos"]; !slices.Equal(got, []int64{300, 100}) {
		t.Errorf("held: %v, expected the two that were recorded, the newest first", got)
	}
	if left := names(filepath.Join(l.dir, "centos")); !slices.Equal(left, []string{"100.list", "300.list"}) {
		t.Errorf("left behind: %v", left)
	}
	if name := l.wanted("centos", 300); name != "" {
		t.Errorf("a list at hand is wanted again: %s", name)
	}
	if err := l.adopt(recordedWith(map[int64]string{100: "changed"})); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(l.dir + "/centos"); len(l.held()) != 0 || err == nil {
		t.Errorf("of timestamps that are recorded otherwise: %v", l.held())
	}
	if trouble := l.told(); len(trouble) > 0 {
		t.Errorf("trouble: %v", trouble)
	}
}

func TestLists_Open(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for at := int64(1); at <= 7; at++ {
		index(t, filepath.Join(dir, "centos", listName(at)), "centos", at, "right")
	}
	open := func(l *lists, at int64) (got []int64) {
		t.Helper()
		want, others, err := l.Open("centos", at)
		if err != nil {
			t.Fatal(err)
		}
		if want == nil {
			return nil
		}
		defer want.Close()
		for _, x := range others {
			got = append(got, x.Head.Timestamp)
			x.Close()
		}
		return append([]int64{want.Head.Timestamp}, got...)
	}
	l := openLists(dir, true)
	if got := open(l, 6); !slices.Equal(got, []int64{6, 7, 5, 4, 3}) {
		t.Errorf("opened %v, expected 6, and the newest four others", got)
	}
	if got := open(l, 8); got != nil {
		t.Errorf("opened %v, expected none", got)
	}
	b, err := os.ReadFile(l.path("centos", 6))
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(l.path("centos", 6), b, 0o600); err != nil {
		t.Fatal(err)
	}

	// A dry run looks the same, and removes nothing.
	dry := openLists(dir, false)
	if got, trouble := open(dry, 6), dry.told(); got != nil || len(trouble) != 1 {
		t.Errorf("a damaged one: opened %v, said %v", got, trouble)
	}
	if name := dry.wanted("centos", 9); name != "" {
		t.Errorf("a dry run wants %s", name)
	}
	l = openLists(dir, true)
	if got, trouble := open(l, 6), l.told(); got != nil || len(trouble) != 1 {
		t.Errorf("a damaged one: opened %v, said %v", got, trouble)
	}
	if _, err := os.Stat(l.path("centos", 6)); err == nil || slices.Contains(l.held()["centos"], 6) || len(l.told()) > 0 {
		t.Error("a damaged one is there still, or said twice")
	}
	if got := open(l, 7); !slices.Equal(got, []int64{7, 5, 4, 3, 2}) {
		t.Errorf("opened %v without the damaged one", got)
	}
}

// Whatever byte of a list is another one: it accuses nobody.
func TestLists_Damage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name := filepath.Join(dir, "centos", listName(1))
	index(t, name, "centos", 1, "right")
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for i := range whole {
		b := slices.Clone(whole)
		b[i] ^= 1
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil { // it went with the last one
			t.Fatal(err)
		}
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
		l := openLists(dir, true)
		if want, _, err := l.Open("centos", 1); want != nil || err != nil || len(l.told()) != 1 {
			t.Errorf("byte %d of %d: opened %v, error %v", i, len(whole), want, err)
		}
	}
}
