package filelist

import (
	"encoding/binary"
	"io"
	"math/bits"
)

// encoder writes items as the blocks of an index.
type encoder struct {
	w       io.Writer
	buf     []byte
	last    item // copies of its names
	started bool
	files   int64
	bytes   int64
	written int64
	failure error
}

const writeSize = 32 << 10

func newEncoder(w io.Writer) *encoder {
	return &encoder{w: w, buf: make([]byte, 0, writeSize+maxRecord)}
}

// put writes an item, which must come after the one before.
func (e *encoder) put(it *item) error {
	shared := 0
	if it.fresh {
		if e.failure = e.directory(it); e.failure != nil {
			return e.failure
		}
	} else if shared = sharedPrefix(e.last.base, it.base); !after(e.last.base, it.base, shared) {
		e.failure = inOrder(&e.last, it)
		return e.failure
	}
	b := binary.AppendUvarint(e.buf, uint64(len(it.base)-shared))
	b = binary.AppendUvarint(b, uint64(shared))
	b = append(b, it.base[shared:]...)
	e.buf = appendNumbers(b, it.size, it.mtime-e.last.mtime) // wraps, and so does the decoder
	e.last.base = append(e.last.base[:shared], it.base[shared:]...)
	e.last.mtime = it.mtime
	e.files++
	e.bytes = addBytes(e.bytes, it.size)
	if len(e.buf) >= writeSize {
		e.flush()
	}
	return e.failure
}

// directory ends the block before and begins that of it.
func (e *encoder) directory(it *item) error {
	shared := sharedPrefix(e.last.dir, it.dir)
	if e.started {
		if !after(e.last.dir, it.dir, shared) {
			return inOrder(&e.last, it)
		}
		e.buf = append(e.buf, 0)
	}
	e.started = true
	e.buf = binary.AppendUvarint(e.buf, uint64(len(it.dir)-shared)+1)
	e.buf = binary.AppendUvarint(e.buf, uint64(shared))
	e.buf = append(e.buf, it.dir[shared:]...)
	e.last.dir = append(e.last.dir[:shared], it.dir[shared:]...)
	e.last.base = e.last.base[:0]
	e.last.mtime = 0
	return nil
}

// finish writes the end marks.
func (e *encoder) finish() error {
	if e.failure != nil {
		return e.failure
	}
	if e.started {
		e.buf = append(e.buf, 0)
	}
	e.buf = append(e.buf, 0)
	e.flush()
	return e.failure
}

func (e *encoder) flush() {
	n, err := e.w.Write(e.buf)
	e.written += int64(n)
	e.failure = err
	e.buf = e.buf[:0]
}

// encodeAll writes everything that c gives.
func encodeAll(w io.Writer, c cursor) (*encoder, error) {
	e := newEncoder(w)
	for it := c.next(); it != nil; it = c.next() {
		if err := e.put(it); err != nil {
			return e, err
		}
	}
	if err := c.err(); err != nil {
		return e, err
	}
	return e, e.finish()
}

// after reports whether b comes after a, of which it shares the first bytes.
func after(a, b []byte, shared int) bool {
	return shared < len(b) && (shared == len(a) || b[shared] > a[shared])
}

func sharedPrefix(a, b []byte) int {
	n, i := min(len(a), len(b)), 0
	for ; i+8 <= n; i += 8 {
		if x := binary.LittleEndian.Uint64(a[i:]) ^ binary.LittleEndian.Uint64(b[i:]); x != 0 {
			return i + bits.TrailingZeros64(x)/8
		}
	}
	for i < n && a[i] == b[i] {
		i++
	}
	return i
}
