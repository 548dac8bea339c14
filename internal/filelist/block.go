package filelist

import (
	"bytes"
	"slices"
)

// block holds entries in memory: their names and numbers in one slab of bytes, so that a million of them are a handful of
// allocations without a pointer in them.
type block struct {
	slab   []byte // of an entry: base name, numbers; of a group: its directory
	recs   []rec
	groups []group
}

// rec is an entry of a block.
type rec struct {
	key uint64 // what of the name is being compared
	off uint32 // of the name
	len uint32
}

// group is a series of entries in one directory. A list that comes back to a directory makes another group of it.
type group struct {
	off, len uint32 // of the directory
	first, n uint32 // its recs
}

const (
	recBytes   = 16
	groupBytes = 16
	firstSlab  = 64 << 10
)

// used is what the entries take.
func (b *block) used() int { return len(b.slab) + len(b.recs)*recBytes + len(b.groups)*groupBytes }

// room reports whether another entry fits into limit bytes, and makes room for it then: by doubling, which append does not do.
func (b *block) room(path string, limit int) bool {
	need := len(path) + maxNumbers
	if len(b.recs) > 0 && b.used()+need+recBytes+groupBytes > limit {
		return false
	}
	if free := cap(b.slab) - len(b.slab); free < need+slack {
		b.slab = slices.Grow(b.slab, max(min(cap(b.slab), limit-len(b.slab)), need, firstSlab)+slack)
	}
	if len(b.recs) == cap(b.recs) {
		b.recs = slices.Grow(b.recs, max(cap(b.recs), firstSlab/recBytes/4))
	}
	return true
}

func (b *block) directory(dir string) {
	b.groups = append(b.groups, group{uint32(len(b.slab)), uint32(len(dir)), uint32(len(b.recs)), 0})
	b.slab = append(b.slab, dir...)
}

func (b *block) add(base string, size, mtime int64) {
	b.recs = append(b.recs, rec{0, uint32(len(b.slab)), uint32(len(base))})
	b.slab = appendNumbers(append(b.slab, base...), size, mtime)
	b.groups[len(b.groups)-1].n++
}

func (b *block) reset() { b.slab, b.recs, b.groups = b.slab[:0], b.recs[:0], b.groups[:0] }

func (b *block) dir(g group) []byte { return b.slab[g.off : g.off+g.len] }

// sorted walks the block in order. Directories are sorted at once, the names in each when its turn comes.
func (b *block) sorted() cursor {
	slices.SortFunc(b.groups, func(x, y group) int { return bytes.Compare(b.dir(x), b.dir(y)) })
	return &blockCursor{block: b}
}

type blockCursor struct {
	block   *block
	group   int   // the next
	recs    []rec // of the directory, sorted
	i       int
	joined  []rec
	it      item
	failure error
}

func (c *blockCursor) err() error { return c.failure }

// next implements cursor.
func (c *blockCursor) next() *item {
	c.it.fresh = false
	if c.i == len(c.recs) && !c.directory() {
		return nil
	}
	r := c.recs[c.i]
	c.i++
	b := c.block
	end := r.off + r.len
	base := b.slab[r.off:end:end]
	if !c.it.fresh && bytes.Equal(base, c.it.base) {
		c.failure = twice(&c.it)
		c.group, c.recs, c.i = len(b.groups), nil, 0
		return nil
	}
	c.it.base = base
	c.it.size, c.it.mtime = numbers(b.slab[end], b.slab[end+1:cap(b.slab)])
	return &c.it
}

// directory sorts the next one; false when there is none.
func (c *blockCursor) directory() bool {
	b := c.block
	if c.group == len(b.groups) {
		return false
	}
	g := b.groups[c.group]
	c.group++
	c.it.dir, c.it.fresh = b.dir(g), true
	c.recs, c.i = b.recs[g.first:g.first+g.n], 0
	same := func() bool {
		return c.group < len(b.groups) && bytes.Equal(b.dir(b.groups[c.group]), c.it.dir)
	}
	if same() {
		c.joined = append(c.joined[:0], c.recs...)
		for ; same(); c.group++ {
			g := b.groups[c.group]
			c.joined = append(c.joined, b.recs[g.first:g.first+g.n]...)
		}
		c.recs = c.joined
	}
	sortRecs(b.slab, c.recs)
	return true
}
