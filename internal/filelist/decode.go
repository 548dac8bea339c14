package filelist

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash"
	"io"
)

const (
	readSize  = 32 << 10
	maxRecord = maxPath + 2*binary.MaxVarintLen64 + maxNumbers // a directory's or an entry's bytes
)

// decoder reads blocks. Its memory is a buffer and the names of one entry, whatever it reads.
type decoder struct {
	src      io.ReaderAt
	off, end int64 // what of src is not read yet
	sum      hash.Hash
	last     func(*decoder) error // the checks at the end; nil: none

	buf     []byte
	r, w    int
	it      item
	inDir   bool
	started bool
	files   int64
	bytes   int64
	done    bool
	failure error
}

func (d *decoder) err() error { return d.failure }

// fail ends the reading. Damage is said to be at the place in src that is read now.
func (d *decoder) fail(format string, args ...any) bool {
	if d.failure == nil {
		d.failure = fmt.Errorf("%w: byte %d: %s", ErrDamaged, d.off-int64(d.w-d.r), fmt.Sprintf(format, args...))
	}
	return false
}

// next implements cursor.
func (d *decoder) next() *item {
	d.it.fresh = false
	for !d.done && d.failure == nil {
		d.fill()
		switch {
		case d.failure != nil:
		case !d.inDir:
			d.directory()
		case d.entry():
			return &d.it
		}
	}
	return nil
}

// fill makes sure that a whole record is in the buffer, or all that is left.
func (d *decoder) fill() {
	if d.w-d.r >= maxRecord || d.off == d.end {
		return
	}
	if d.buf == nil {
		d.buf = make([]byte, min(readSize, d.end-d.off)+slack)
	}
	d.w = copy(d.buf, d.buf[d.r:d.w])
	d.r = 0
	chunk := d.buf[d.w:min(int64(len(d.buf)-slack), int64(d.w)+d.end-d.off)]
	n, err := d.src.ReadAt(chunk, d.off)
	if n < len(chunk) {
		if err == io.EOF {
			d.fail("the file became shorter while it was read")
			return
		}
		d.failure = fmt.Errorf("read the list: %w", err)
		return
	}
	if d.sum != nil {
		d.sum.Write(chunk)
	}
	d.w += n
	d.off += int64(n)
}

// directory reads the head of a block, or the end of all.
func (d *decoder) directory() {
	size, ok := d.number()
	if !ok {
		return
	}
	if size == 0 {
		d.finish()
		return
	}
	first := !d.started
	d.started = true
	dir, ok := d.name(d.it.dir, size-1, first)
	if !ok {
		return
	}
	d.it.dir, d.it.base, d.it.mtime, d.inDir, d.it.fresh = dir, d.it.base[:0], 0, true, true
}

// entry reads an entry; false at the end of a block.
func (d *decoder) entry() bool {
	size, ok := d.number()
	if !ok {
		return false
	}
	if size == 0 {
		if d.it.fresh {
			return d.fail("a directory without entries")
		}
		d.inDir = false
		return false
	}
	if d.it.base, ok = d.name(d.it.base, size, d.it.fresh); !ok {
		return false
	}
	if bytes.IndexByte(d.it.base, '/') >= 0 {
		return d.fail("a base name with a slash")
	}
	if dir := len(d.it.dir); dir > 0 && dir+1+len(d.it.base) > maxPath {
		return d.fail("a path of more than %d bytes", maxPath)
	}
	return d.numbers()
}

// numbers reads an entry's size and mtime.
func (d *decoder) numbers() bool {
	if d.r == d.w {
		return d.fail("it ends before an entry's numbers")
	}
	widths := d.buf[d.r]
	end := d.r + 1 + int(widths>>4) + int(widths&15)
	if widths>>4 > 8 || widths&15 > 8 || end > d.w {
		return d.fail("numbers of %d and %d bytes, %d are left", widths&15, widths>>4, d.w-d.r-1)
	}
	size, delta := numbers(widths, d.buf[d.r+1:])
	if size < 0 {
		return d.fail("a size of %d", size)
	}
	d.r = end
	d.it.size = size
	d.it.mtime += delta
	d.files++
	d.bytes = addBytes(d.bytes, size)
	return true
}

// name reads how much of the name before is shared, and size bytes more. What is not after the name before is refused; the first
// one of its kind has none before it.
func (d *decoder) name(last []byte, size uint64, first bool) ([]byte, bool) {
	n, ok := d.number()
	if !ok {
		return last, false
	}
	switch {
	case n > uint64(len(last)) || size > maxPath-n:
		return last, d.fail("a name of %d+%d bytes after one of %d", n, size, len(last))
	case size > uint64(d.w-d.r):
		return last, d.fail("it ends within a name")
	}
	shared, suffix := int(n), d.buf[d.r:d.r+int(size)]
	switch {
	case first && shared == 0:
	case size == 0 || shared < len(last) && suffix[0] <= last[shared]:
		return last, d.fail("names out of order")
	}
	d.r += int(size)
	return append(last[:shared], suffix...), true
}

// number reads a varint.
func (d *decoder) number() (uint64, bool) {
	if d.r < d.w && d.buf[d.r] < 0x80 {
		d.r++
		return uint64(d.buf[d.r-1]), true
	}
	v, n := binary.Uvarint(d.buf[d.r:d.w])
	if n <= 0 {
		return 0, d.fail("it ends within a number, or the number is too large")
	}
	d.r += n
	return v, true
}

func (d *decoder) finish() {
	d.done = true
	if d.r < d.w || d.off < d.end {
		d.fail("bytes after the end")
		return
	}
	if d.last != nil && d.failure == nil {
		d.failure = d.last(d)
	}
}
