package filelist

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// FuzzIndex: whatever the file, it is an index in its order or refused.
func FuzzIndex(f *testing.F) {
	name := filepath.Join(f.TempDir(), "i")
	for _, entries := range [][]Entry{nil, small(), realistic(50)} {
		indexOf(f, name, sourceOf(entries...)).Close()
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add(b[:len(b)-1])
	}
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, b []byte) {
		name := filepath.Join(t.TempDir(), "i")
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
		x, err := Open(name)
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Fatal(err)
			}
			return
		}
		defer x.Close()
		ordered(t, cursorOf(x.Entries()))
	})
}

// FuzzBlocks is FuzzIndex behind the checksums, which hide the rest from a fuzzer. What is taken is the same when it is written again.
func FuzzBlocks(f *testing.F) {
	for _, entries := range [][]Entry{nil, small(), realistic(50), {{"a/b", 1, 1}, {"a/bc", 0, 0}}} {
		var b bytes.Buffer
		if _, err := encodeAll(&b, cursorOf(sourceOf(entries...))); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Add([]byte{2, 0, 'a', 1, 0})
	f.Add([]byte{1, 0, 1, 0, 'a', 0x99, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		blocks := func() *decoder { return &decoder{src: bytes.NewReader(b), end: int64(len(b)), sum: sha256.New()} }
		if ordered(t, blocks()) != nil {
			return
		}
		var again bytes.Buffer
		if _, err := encodeAll(&again, blocks()); err != nil {
			t.Fatal(err)
		}
		first, _ := all(&walk{cursor: blocks()})
		second, err := all(&walk{cursor: &decoder{src: bytes.NewReader(again.Bytes()), end: int64(again.Len())}})
		if err != nil || !slices.Equal(first, second) {
			t.Errorf("%d entries were taken; written again: %d, %v", len(first), len(second), err)
		}
	})
}

// ordered walks c, and gives the damage that it ends with.
func ordered(t *testing.T, c cursor) error {
	last, n := "", 0
	for it := c.next(); it != nil; it = c.next() {
		path := it.path()
		if n++; n > 1 && ComparePaths(last, path) >= 0 {
			t.Fatalf("%q after %q", path, last)
		}
		if len(path) > maxPath || it.size < 0 {
			t.Fatalf("a path of %d bytes, a size of %d", len(path), it.size)
		}
		last = path
	}
	if err := c.err(); err != nil && !errors.Is(err, ErrDamaged) {
		t.Fatal(err)
	}
	return c.err()
}
