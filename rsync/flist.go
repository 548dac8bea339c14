package rsync

import (
	"slices"
	"time"
)

// Bits of an entry's flags that can come with the options we send.
const (
	flagSameMode  = 1 << 1
	flagExtended  = 1 << 2 // a second byte of flags; protocol 28 on
	flagSameName  = 1 << 5
	flagLongName  = 1 << 6
	flagSameTime  = 1 << 7
	flagIOError   = 1 << 12 // with flagExtended alone: the list's end, and an io_error
	flagNanos     = 1 << 13
	flagListError = flagExtended | flagIOError
)

// listDecoder reads a file list entry by entry. Its memory is one name, whatever the list's length.
type listDecoder struct {
	in    *stream
	proto int
	count int64
	name  []byte // of the entry before: names and attributes are sent as differences
	mtime int64
	mode  int32
	names nameStore
}

// next gives the next entry; false at the list's end and on an error, which in.err keeps.
func (d *listDecoder) next() (Entry, bool) {
	if e, ok := d.quick(); ok {
		return e, true
	}
	flags, ok := d.flags()
	if !ok {
		return Entry{}, false
	}
	if d.count++; d.count > d.in.limits.Entries {
		d.in.failf(CodeTooLarge, "the list has more than %d entries", d.in.limits.Entries)
		return Entry{}, false
	}
	d.readName(flags)
	if d.in.err != nil {
		return Entry{}, false
	}
	e := Entry{Size: d.in.long(d.proto, 3)}
	e.MTime = d.readTime(flags)
	if flags&flagSameMode == 0 {
		d.mode = d.in.int32()
	}
	e.Mode = uint32(d.mode)
	d.check(e)
	if d.in.err != nil {
		return Entry{}, false
	}
	e.Name = d.names.keep(d.name)
	return e, true
}

// flags reads an entry's flags; false at the list's end.
func (d *listDecoder) flags() (int, bool) {
	flags := int(d.in.byte())
	if flags == 0 {
		if d.proto < 30 {
			d.in.ioError |= d.in.int32()
		}
		return 0, false
	}
	if d.proto >= 28 && flags&flagExtended != 0 {
		flags |= int(d.in.byte()) << 8
	}
	if d.proto >= 30 && flags == flagListError {
		d.in.ioError |= d.in.varint()
		return 0, false
	}
	return flags, d.in.err == nil
}

// readName reads how much of the last name is kept, and the rest.
func (d *listDecoder) readName(flags int) {
	keep, size := 0, 0
	if flags&flagSameName != 0 {
		keep = int(d.in.byte())
	}
	switch {
	case flags&flagLongName == 0:
		size = int(d.in.byte())
	case d.proto >= 30:
		size = int(d.in.varint())
	default:
		size = int(d.in.int32())
	}
	if d.in.err != nil {
		return
	}
	if keep > len(d.name) {
		d.in.failf(CodeProtocol, "entry %d keeps %d bytes of a name of %d", d.count, keep, len(d.name))
		return
	}
	if size < 0 || size > d.in.limits.Name-keep {
		d.in.failf(CodeProtocol, "entry %d has a name of %d+%d bytes, expected at most %d", d.count, keep, size, d.in.limits.Name)
		return
	}
	d.name = slices.Grow(d.name[:keep], size)[:keep+size]
	d.in.full(d.name[keep:])
	if reason := badName(d.name); d.in.err == nil && reason != "" {
		d.in.failf(CodeProtocol, "entry %d: the name %q %s", d.count, clip(d.name), reason)
	}
}

func clip(name []byte) []byte { return name[:min(len(name), 100)] }

func (d *listDecoder) readTime(flags int) time.Time {
	switch {
	case flags&flagSameTime != 0:
	case d.proto >= 30:
		d.mtime = d.in.varlong(4)
	default:
		d.mtime = int64(uint32(d.in.int32()))
	}
	nanos := int64(0)
	if d.proto >= 31 && flags&flagNanos != 0 {
		if nanos = int64(d.in.varint()); nanos < 0 || nanos > 999_999_999 {
			d.in.failf(CodeProtocol, "entry %d has %d nanoseconds", d.count, nanos)
		}
	}
	return time.Unix(d.mtime, nanos).UTC()
}

func (d *listDecoder) check(e Entry) {
	if e.Size < 0 {
		d.in.failf(CodeProtocol, "entry %d (%q) has the size %d", d.count, clip(d.name), e.Size)
	}
	if d.mode < 0 || d.mode > 0o177777 {
		d.in.failf(CodeProtocol, "entry %d (%q) has the mode %#o", d.count, clip(d.name), e.Mode)
	}
}
