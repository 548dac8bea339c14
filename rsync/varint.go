package rsync

import "encoding/binary"

// int32 reads four bytes, little-endian.
func (s *stream) int32() int32 {
	var b [4]byte
	s.full(b[:])
	return int32(binary.LittleEndian.Uint32(b[:]))
}

// extraBytes gives how many bytes follow the first one of a variable-length integer: as many as it has leading ones.
func extraBytes(first byte) int {
	n := 0
	for ; n < 6 && first&(0x80>>n) != 0; n++ {
	}
	return n
}

// varint reads an integer of 1 to 5 bytes: the first holds the high bits below its leading ones, the others follow in
// little-endian order.
func (s *stream) varint() int32 {
	first := s.byte()
	extra := extraBytes(first)
	if extra == 0 {
		return int32(first)
	}
	if extra > 4 {
		s.failf(CodeProtocol, "integer of %d bytes, expected at most 5", extra+1)
		return 0
	}
	var b [5]byte
	s.full(b[:extra])
	b[extra] = first & (0x80>>extra - 1)
	return int32(binary.LittleEndian.Uint32(b[:4]))
}

// varlong reads an integer of at least min bytes, else as varint.
func (s *stream) varlong(min int) int64 {
	var head [4]byte
	s.full(head[:min])
	extra := extraBytes(head[0])
	if min+extra > 9 {
		s.failf(CodeProtocol, "integer of %d bytes, expected at most 9", min+extra)
		return 0
	}
	var b [9]byte
	copy(b[:], head[1:min])
	s.full(b[min-1 : min-1+extra])
	b[min-1+extra] = head[0]
	if extra > 0 {
		b[min-1+extra] &= 0x80>>extra - 1
	}
	return int64(binary.LittleEndian.Uint64(b[:8]))
}

// longint reads the 64-bit form of protocols below 30: an int32, or -1 and eight bytes.
func (s *stream) longint() int64 {
	if v := s.int32(); v != -1 {
		return int64(v)
	}
	var b [8]byte
	s.full(b[:])
	return int64(binary.LittleEndian.Uint64(b[:]))
}

// long reads a 64-bit integer in the form of the protocol.
func (s *stream) long(proto, min int) int64 {
	if proto < 30 {
		return s.longint()
	}
	return s.varlong(min)
}

// ndxDone ends a phase in the stream of file indices.
const ndxDone = -1

// indexReader and indexWriter code file indices: an int32 below protocol 30, from there the difference to the last one in
// one to six bytes.
type indexReader struct{ last, lastNegative int32 }

func newIndexReader() indexReader { return indexReader{last: -1, lastNegative: 1} }

func (x *indexReader) read(s *stream, proto int) int32 {
	if proto < 30 {
		return s.int32()
	}
	first := s.byte()
	last, sign := &x.last, int32(1)
	switch first {
	case 0:
		return ndxDone
	case 0xff:
		last, sign = &x.lastNegative, -1
		first = s.byte()
	}
	*last = x.value(s, first, *last)
	return sign * *last
}

func (x *indexReader) value(s *stream, first byte, last int32) int32 {
	if first != 0xfe {
		return last + int32(first)
	}
	var b [4]byte
	s.full(b[:2])
	if b[0]&0x80 == 0 {
		return last + int32(b[0])<<8 + int32(b[1])
	}
	b[3], b[0] = b[0]&0x7f, b[1]
	s.full(b[1:3])
	return int32(binary.LittleEndian.Uint32(b[:]))
}

type indexWriter struct{ last int32 }

func newIndexWriter() indexWriter { return indexWriter{last: -1} }

// append adds the code of index, which is ndxDone or not negative, to b.
func (x *indexWriter) append(b []byte, index int32, proto int) []byte {
	if proto < 30 {
		return binary.LittleEndian.AppendUint32(b, uint32(index))
	}
	if index == ndxDone {
		return append(b, 0)
	}
	diff := index - x.last
	x.last = index
	switch {
	case diff > 0 && diff < 0xfe:
		return append(b, byte(diff))
	case diff >= 0 && diff <= 0x7fff:
		return append(b, 0xfe, byte(diff>>8), byte(diff))
	}
	return append(b, 0xfe, byte(index>>24)|0x80, byte(index), byte(index>>8), byte(index>>16))
}
