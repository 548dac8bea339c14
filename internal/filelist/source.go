package filelist

import (
	"bytes"
	"fmt"
	"strings"
)

// cursor is a Source without the cost of strings.
type cursor interface {
	next() *item // nil at the end, and after a failure
	err() error
}

// walk is the Source of a cursor.
type walk struct {
	cursor
	paths paths
}

// Next implements Source.
func (w *walk) Next() (Entry, bool) {
	it := w.next()
	if it == nil {
		return Entry{}, false
	}
	return Entry{Path: w.paths.of(it), Size: it.size, MTime: it.mtime}, true
}

// Err implements Source.
func (w *walk) Err() error { return w.err() }

// Close implements Source. What a walk reads from belongs to its Index or Sorter.
func (w *walk) Close() error { return nil }

// paths makes strings of many paths with one allocation for hundreds of them. Each string keeps its neighbours in memory.
type paths struct{ chunk strings.Builder }

const chunkSize = 16 << 10

func (p *paths) of(it *item) string {
	n := len(it.dir) + 1 + len(it.base)
	if p.chunk.Cap()-p.chunk.Len() < n {
		p.chunk = strings.Builder{}
		p.chunk.Grow(max(chunkSize, n))
	}
	start := p.chunk.Len()
	if len(it.dir) > 0 {
		p.chunk.Write(it.dir)
		p.chunk.WriteByte('/')
	}
	p.chunk.Write(it.base)
	return p.chunk.String()[start:]
}

// cursorOf gives the cursor of a Source; a foreign one is watched: its order, and that it names files below the top.
func cursorOf(s Source) cursor {
	if w, ok := s.(*walk); ok {
		return w.cursor
	}
	return &foreign{source: s}
}

type foreign struct {
	source  Source
	it      item
	started bool
	failure error
}

func (f *foreign) next() *item {
	if f.failure != nil {
		return nil
	}
	e, ok := f.source.Next()
	if !ok {
		f.failure = f.source.Err()
		return nil
	}
	slash := strings.LastIndexByte(e.Path, '/')
	if f.failure = checkEntry(e, slash, false); f.failure != nil {
		return nil
	}
	it := item{dir: []byte(e.Path[:max(slash, 0)]), base: []byte(e.Path[slash+1:]), size: e.Size, mtime: e.MTime}
	it.fresh = !f.started || !bytes.Equal(it.dir, f.it.dir)
	if f.started {
		if f.failure = inOrder(&f.it, &it); f.failure != nil {
			return nil
		}
	}
	f.it, f.started = it, true
	return &f.it
}

func (f *foreign) err() error { return f.failure }

// inOrder refuses an item that does not come after the one before.
func inOrder(before, it *item) error {
	switch c := compareItems(before, it); {
	case c == 0:
		return twice(it)
	case c > 0:
		return fmt.Errorf("%s comes after %s: the list is not sorted", shown(it.path()), shown(before.path()))
	}
	return nil
}
