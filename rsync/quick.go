package rsync

import (
	"encoding/binary"
	"math/bits"
	"time"
)

// tail is more than what can follow a name, and than what is read beyond a number's end.
const tail = 40

// quick gives the next entry when all of it lies in the buffer, and in one frame, which is so for nearly all of a long list.
// False, with nothing consumed, leaves everything else to the reading byte by byte: the ends of frames and of the list, long
// names, protocols below 30, and whatever is wrong.
func (d *listDecoder) quick() (Entry, bool) {
	if d.proto < 30 || d.count >= d.in.limits.Entries {
		return Entry{}, false
	}
	b := d.in.ahead()
	if len(b) < 2+2+tail {
		return Entry{}, false
	}
	flags, at := int(b[0]), 1
	if flags&flagExtended != 0 {
		flags, at = flags|int(b[1])<<8, 2
	}
	if flags == 0 || flags == flagListError || flags&flagLongName != 0 {
		return Entry{}, false
	}
	keep := 0
	if flags&flagSameName != 0 {
		keep, at = int(b[at]), at+1
	}
	name, end := at+1, at+1+int(b[at])
	if keep > len(d.name) || keep+end-name > d.in.limits.Name || end+tail > len(b) {
		return Entry{}, false
	}
	a, ok := d.attributes(b[end:], flags)
	if !ok || !fitRest(b[name:end]) {
		return Entry{}, false
	}
	d.name = append(d.name[:keep], b[name:end]...)
	d.in.skip(end + a.length)
	d.count++
	d.mtime, d.mode = a.mtime, a.mode
	return Entry{Name: d.names.keep(d.name), Size: a.size, MTime: time.Unix(a.mtime, a.nanos).UTC(), Mode: uint32(a.mode)}, true
}

// attributes are what follows a name.
type attributes struct {
	size, mtime, nanos int64
	mode               int32
	length             int // in the list, bytes
}

// attributes reads them from the beginning of b.
func (d *listDecoder) attributes(b []byte, flags int) (a attributes, ok bool) {
	at := 0
	a.mtime, a.mode = d.mtime, d.mode
	extra := 0
	a.size, extra = variable(b, 2)
	at += 3 + extra
	most := extra
	if flags&flagSameTime == 0 {
		a.mtime, extra = variable(b[at:], 3)
		at, most = at+4+extra, max(most, extra)
	}
	if d.proto >= 31 && flags&flagNanos != 0 {
		a.nanos, extra = variable(b[at:], 0)
		at, most = at+1+extra, max(most, extra)
	}
	if flags&flagSameMode == 0 {
		a.mode = int32(binary.LittleEndian.Uint32(b[at:]))
		at += 4
	}
	a.length = at
	return a, most <= 4 && a.nanos <= 999_999_999 && a.mode >= 0 && a.mode <= 0o177777
}

// variable reads a varint (low 0) or varlong of which low bytes stand beside its first one, at the beginning of b, as
// stream.varint and stream.varlong do. The value holds for up to 4 extra bytes.
func variable(b []byte, low int) (v int64, extra int) {
	extra = bits.LeadingZeros8(^b[0])
	shift := uint(8*(low+extra)) & 63
	high := uint64(b[0] & (0x80>>extra - 1))
	return int64(high<<shift | binary.LittleEndian.Uint64(b[1:])&(1<<shift-1)), extra
}
