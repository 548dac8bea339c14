package filelist

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// helped is what testing.TB and rapid.T have in common.
type helped interface {
	Helper()
	Fatal(...any)
	Cleanup(func())
}

func indexOf(t helped, name string, s Source) *Index {
	t.Helper()
	if _, err := Write(name, Head{Tree: "centos", Timestamp: 1488372781, Digest: "d1"}, s); err != nil {
		t.Fatal(err)
	}
	x, err := Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { x.Close() })
	return x
}

func TestIndex_RoundTrip(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "i")
	rapid.Check(t, func(rt *rapid.T) {
		entries := sortEntries(drawEntries(rt, 200))
		head := Head{Tree: rapid.String().Draw(rt, "tree"), Timestamp: rapid.Int64().Draw(rt, "timestamp"), Digest: rapid.String().Draw(rt, "digest")}
		written, err := Write(name, head, sourceOf(entries...))
		if err != nil {
			rt.Fatal(err)
		}
		head.Files = int64(len(entries))
		for _, e := range entries {
			head.Bytes = addBytes(head.Bytes, e.Size)
		}
		x, err := Open(name)
		if err != nil {
			rt.Fatal(err)
		}
		defer x.Close()
		if written != head || x.Head != head {
			rt.Errorf("got %+v and %+v, expected %+v", written, x.Head, head)
		}
		got, err := all(x.Entries())
		if err != nil {
			rt.Fatal(err)
		}
		if diff := cmp.Diff(entries, got); diff != "" {
			rt.Error(diff)
		}
	})
}

// small is an index with several directories, shared beginnings and odd names.
func small() []Entry {
	return []Entry{
		{"README", 12, 1488372700}, {"z\nz", 0, -1},
		{"7/os/repodata/repomd.xml", 3735, 1488372781}, {"7/os/repodata/repomd.xml.asc", 836, 1488372781},
		{"7/os/Packages/kernel-3.10.0-514.el7.x86_64.rpm", 38 << 20, 1479812000}, {"7/os/Packages/kernel-3.10.0-693.el7.x86_64.rpm", 5 << 30, 1<<40 + 5},
		{"7/os/Packages/\xff\xfe", 1<<63 - 1, -1 << 63}, {"8", 1, 1<<63 - 1},
	}
}

// try opens an index and walks it to its end.
func try(name string) error {
	x, err := Open(name)
	if err != nil {
		return err
	}
	defer x.Close()
	_, err = all(x.Entries())
	return err
}

// TestIndex_EveryDamage: no byte can be lost, added or changed.
func TestIndex_EveryDamage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	indexOf(t, filepath.Join(dir, "good"), sourceOf(small()...))
	good, err := os.ReadFile(filepath.Join(dir, "good"))
	if err != nil {
		t.Fatal(err)
	}
	bad := filepath.Join(dir, "bad")
	refused := func(b []byte, what string, at int) {
		t.Helper()
		if err := os.WriteFile(bad, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := try(bad); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s %d: got %v", what, at, err)
		}
	}
	for i := range good {
		refused(good[:i], "cut at", i)
		for _, flip := range []byte{1, 0x80, 0xff} {
			b := bytes.Clone(good)
			b[i] ^= flip
			refused(b, "changed at", i)
		}
	}
	refused(append(bytes.Clone(good), 0), "longer by", 1)
	refused(append(bytes.Clone(good), good...), "twice", 2)
	if err := try(filepath.Join(dir, "good")); err != nil {
		t.Errorf("the good one: %v", err)
	}
}

// TestIndex_ConcurrentWalks of one Index do not disturb each other.
func TestIndex_ConcurrentWalks(t *testing.T) {
	t.Parallel()
	entries := realistic(5000)
	x := indexOf(t, filepath.Join(t.TempDir(), "i"), sourceOf(entries...))
	entries = sortEntries(entries)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			got, err := all(x.Entries())
			if err != nil || !cmp.Equal(got, entries) {
				t.Errorf("%d entries, %v: expected the %d that were written", len(got), err, len(entries))
			}
		})
	}
	wg.Wait()
}

// TestWrite_Refusals leave what was there, and nothing beside it.
func TestWrite_Refusals(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name := filepath.Join(dir, "i")
	indexOf(t, name, sourceOf(small()...))
	before, _ := os.ReadFile(name)
	broken := errors.New("broken")
	for what, c := range map[string]struct {
		head Head
		from Source
		is   error
	}{
		"failed source": {Head{}, &list{entries: []Entry{{"a", 1, 1}}, failure: broken}, broken},
		"twice":         {Head{}, &list{entries: []Entry{{"a", 1, 1}, {"a", 1, 1}}}, ErrTwice},
		"not sorted":    {Head{}, &list{entries: []Entry{{"b", 1, 1}, {"a", 1, 1}}}, nil},
		"bad path":      {Head{}, &list{entries: []Entry{{"b/../a", 1, 1}}}, ErrPath},
		"long tree":     {Head{Tree: strings.Repeat("t", 2000)}, sourceOf(), nil},
	} {
		if _, err := Write(name, c.head, c.from); err == nil || c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%s: got %v", what, err)
		}
	}
	if after, _ := os.ReadFile(name); !bytes.Equal(before, after) {
		t.Error("the index changed")
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("%d files are there, expected the index alone", len(left))
	}
	if _, err := Write(dir, Head{}, sourceOf()); err == nil {
		t.Error("a directory was replaced")
	}
}

// TestOpen_NoFile: what is no index, and what would hold us up.
func TestOpen_NoFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := Open(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, expected that it does not exist", err)
	}
	if _, err := Open(dir); err == nil {
		t.Error("a directory was opened")
	}
	x := indexOf(t, filepath.Join(dir, "i"), sourceOf(small()...))
	walk := x.Entries()
	x.Close()
	if _, err := all(walk); !errors.Is(err, os.ErrClosed) {
		t.Errorf("a walk of a closed index: got %v", err)
	}
}
