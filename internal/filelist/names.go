package filelist

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math/bits"
	"slices"
)

// few recs are sorted by insertion.
const few = 16

// sortRecs sorts recs by their names: a quicksort of eight bytes of each, then what was equal by the next eight bytes. Names have no
// NUL: a key with one at its end is a whole name.
func sortRecs(slab []byte, recs []rec) { sortFrom(slab, recs, 0) }

// sortFrom sorts recs whose names are equal up to depth.
func sortFrom(slab []byte, recs []rec, depth uint32) {
	for i := range recs {
		recs[i].key = key(slab, recs[i], depth)
	}
	sortKeys(slab, recs, depth, 2*bits.Len(uint(len(recs))))
}

// sortKeys sorts recs by their keys, which were taken at depth. limit is how often it may go on with a part: a list that is made to
// defeat a quicksort gets another one.
func sortKeys(slab []byte, recs []rec, depth uint32, limit int) {
	for len(recs) > few {
		if limit--; limit < 0 {
			sortSlowly(slab, recs, depth)
			return
		}
		pivot := middle(recs)
		below, above := partition(recs, pivot)
		if pivot&0xff != 0 {
			sortFrom(slab, recs[below:above], depth+8)
		}
		sortKeys(slab, recs[:below], depth, limit)
		recs = recs[above:]
	}
	insert(slab, recs, depth)
}

// partition moves what is below the pivot to the front, what is above to the end, and says where the part between begins and ends.
func partition(recs []rec, pivot uint64) (below, above int) {
	above = len(recs)
	for i := 0; i < above; {
		switch k := recs[i].key; {
		case k < pivot:
			recs[i], recs[below] = recs[below], recs[i]
			below++
			i++
		case k > pivot:
			above--
			recs[i], recs[above] = recs[above], recs[i]
		default:
			i++
		}
	}
	return below, above
}

func middle(recs []rec) uint64 {
	n := len(recs)
	if n < 128 {
		return median(recs[0].key, recs[n/2].key, recs[n-1].key)
	}
	third := func(i int) uint64 { return median(recs[i].key, recs[i+n/9].key, recs[i+2*n/9].key) }
	return median(third(0), third(n/3), third(2*n/3))
}

func median(a, b, c uint64) uint64 { return max(min(a, b), min(max(a, b), c)) }

func sortSlowly(slab []byte, recs []rec, depth uint32) {
	slices.SortFunc(recs, func(a, b rec) int { return cmp.Compare(a.key, b.key) })
	for i := 0; i < len(recs); {
		j := i + 1
		for j < len(recs) && recs[j].key == recs[i].key {
			j++
		}
		if j-i > 1 && recs[i].key&0xff != 0 {
			sortFrom(slab, recs[i:j], depth+8)
		}
		i = j
	}
}

func insert(slab []byte, recs []rec, depth uint32) {
	for i := 1; i < len(recs); i++ {
		r := recs[i]
		j := i
		for ; j > 0; j-- {
			before := recs[j-1]
			if before.key < r.key || before.key == r.key && (r.key&0xff == 0 || bytes.Compare(rest(slab, before, depth), rest(slab, r, depth)) <= 0) {
				break
			}
			recs[j] = before
		}
		recs[j] = r
	}
}

// rest is the name after its key.
func rest(slab []byte, r rec, depth uint32) []byte { return slab[r.off+depth+8 : r.off+r.len] }

// key is the eight bytes of a name at depth, with zeros after its end.
func key(slab []byte, r rec, depth uint32) uint64 {
	name := slab[r.off+depth : r.off+r.len]
	if len(name) >= 8 {
		return binary.BigEndian.Uint64(name)
	}
	k := uint64(0)
	for i, c := range name {
		k |= uint64(c) << (56 - 8*i)
	}
	return k
}
