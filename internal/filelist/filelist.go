package filelist

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

var (
	// ErrTwice says that a list names a path twice.
	ErrTwice = errors.New("the path is listed twice")
	// ErrPath says that an entry is no file below a tree's top: its path is absolute, too long, or has an empty, "." or ".." part
	// or a NUL; or its size is negative.
	ErrPath = errors.New("no file below the top of a tree")
	// ErrTooLarge says that a list needs more scratch space than Options.MaxBytes.
	ErrTooLarge = errors.New("the list is too large")
	// ErrDamaged says that an index file is not what Write wrote: make it anew.
	ErrDamaged = errors.New("the index is damaged")
)

// maxPath is the longest path, in bytes: that of rsync, which most of all lists come from.
const maxPath = 4096

// Entry is one regular file of a tree.
type Entry struct {
	Path  string // relative to the tree, raw bytes, slashes, no leading one
	Size  int64  // bytes
	MTime int64  // Unix seconds
}

// Source gives entries in the order of an index, each path once, until it has no more or failed.
type Source interface {
	Next() (Entry, bool)
	Err() error // why Next gave no more, nil at the list's end
	Close() error
}

// ComparePaths gives the order of an index: by directory, then by base name, both by their bytes. The directory of a file at the top
// is the empty one, the first of all. The result is that of strings.Compare.
func ComparePaths(a, b string) int {
	i, j := strings.LastIndexByte(a, '/'), strings.LastIndexByte(b, '/')
	if c := strings.Compare(a[:max(i, 0)], b[:max(j, 0)]); c != 0 {
		return c
	}
	return strings.Compare(a[i+1:], b[j+1:])
}

// checkEntry refuses what is no file below a tree's top. dirKnown: everything before the last slash was seen to be good.
func checkEntry(e Entry, slash int, dirKnown bool) error {
	base := e.Path[slash+1:]
	switch {
	case len(e.Path) > maxPath:
		return fmt.Errorf("%s: %w: its path has %d bytes, expected at most %d", shown(e.Path), ErrPath, len(e.Path), maxPath)
	case !goodPart(base), strings.IndexByte(base, 0) >= 0, !dirKnown && slash >= 0 && !goodDir(e.Path[:slash]):
		return fmt.Errorf("%s: %w", shown(e.Path), ErrPath)
	case e.Size < 0:
		return fmt.Errorf("%s: %w: its size is %d", shown(e.Path), ErrPath, e.Size)
	}
	return nil
}

func goodPart(part string) bool { return part != "" && part != "." && part != ".." }

func goodDir(dir string) bool {
	for part := range strings.SplitSeq(dir, "/") {
		if !goodPart(part) {
			return false
		}
	}
	return strings.IndexByte(dir, 0) < 0
}

// shown is a path as a person or a JSON document can take it: in Go's quotes where it is not printable ASCII, cut in its middle when
// it is very long.
func shown(path string) string {
	const keep = 120
	if len(path) > 2*keep+3 {
		path = path[:keep] + "..." + path[len(path)-keep:]
	}
	for i := range len(path) {
		if c := path[i]; c < ' ' || c > '~' || i == 0 && c == '"' {
			return strconv.QuoteToASCII(path)
		}
	}
	return strings.Clone(path)
}

// item is an entry on its way. Its names are valid until its cursor moves on.
type item struct {
	dir, base   []byte
	size, mtime int64
	fresh       bool // dir is not that of the item before
}

func (it *item) path() string {
	if len(it.dir) == 0 {
		return string(it.base)
	}
	return string(it.dir) + "/" + string(it.base)
}

func compareItems(a, b *item) int {
	if c := bytes.Compare(a.dir, b.dir); c != 0 {
		return c
	}
	return bytes.Compare(a.base, b.base)
}

// addBytes adds sizes. A hostile list can claim more than an int64 holds: it stays at the largest.
func addBytes(sum, size int64) int64 {
	if sum += size; sum < 0 {
		return 1<<63 - 1
	}
	return sum
}

func twice(it *item) error { return fmt.Errorf("%s: %w", shown(it.path()), ErrTwice) }
