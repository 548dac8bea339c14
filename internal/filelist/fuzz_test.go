package filelist

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
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

// TestBlocks_Refusals are blocks that no Write wrote; their checksum would be right.
func TestBlocks_Refusals(t *testing.T) {
	t.Parallel()
	name := func(size, shared int, rest string) string { return string([]byte{byte(size), byte(shared)}) + rest }
	top := name(1, 0, "")
	for what, b := range map[string]string{
		"nothing":                     "",
		"no end":                      top + name(1, 0, "a") + "\x00" + "\x00",
		"no end of the block":         top + name(1, 0, "a") + "\x00",
		"more after the end":          "\x00\x00",
		"a directory without entries": top + "\x00\x00",
		"the same name again":         top + name(1, 0, "a") + "\x00" + name(1, 0, "a") + "\x00" + "\x00\x00",
		"names out of order":          top + name(1, 0, "b") + "\x00" + name(1, 0, "a") + "\x00" + "\x00\x00",
		"out of order behind a byte that was not shared": top + name(2, 0, "ab") + "\x00" + name(2, 0, "aa") + "\x00" + "\x00\x00",
		"the directory again":                            name(2, 0, "d") + name(1, 0, "a") + "\x00\x00" + name(1, 1, "") + name(1, 0, "b") + "\x00\x00\x00",
		"directories out of order":                       name(2, 0, "d") + name(1, 0, "a") + "\x00\x00" + name(2, 0, "c") + name(1, 0, "b") + "\x00\x00\x00",
		"shares more than there is":                      top + name(1, 0, "a") + "\x00" + name(1, 2, "b") + "\x00\x00\x00",
		"the first one shares":                           top + name(1, 1, "a") + "\x00\x00\x00",
		"a name that is not there":                       top + name(9, 0, "a") + "\x00\x00\x00",
		"a name of 2^63 bytes":                           top + "\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x00a\x00\x00\x00",
		"a number of 11 bytes":                           top + strings.Repeat("\xff", 10) + "\x01\x00a\x00\x00\x00",
		"a size of 9 bytes":                              top + name(1, 0, "a") + "\x09" + strings.Repeat("\x01", 9) + "\x00\x00",
		"a size below 0":                                 top + name(1, 0, "a") + "\x08" + strings.Repeat("\xff", 8) + "\x00\x00",
		"numbers that are not there":                     top + name(1, 0, "a") + "\x88",
		"a base name with a slash":                       top + name(3, 0, "a/b") + "\x00" + "\x00\x00",
		"a path of 4097 bytes":                           name(2, 0, "d") + "\xff\x1f\x00" + strings.Repeat("n", 4095) + "\x00\x00\x00",
	} {
		if err := ordered(t, &decoder{src: strings.NewReader(b), end: int64(len(b))}); err == nil {
			t.Errorf("%s: it was taken", what)
		}
	}
	good := top + name(1, 0, "a") + "\x00" + name(1, 1, "b") + "\x00" + "\x00\x00"
	if err := ordered(t, &decoder{src: strings.NewReader(good), end: int64(len(good))}); err != nil {
		t.Errorf("good ones: %v", err)
	}
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
