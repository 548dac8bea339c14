package filelist

import (
	"encoding/binary"
	"math/bits"
)

const (
	maxNumbers = 1 + 8 + 8
	slack      = 16 // bytes that must be readable and writable after numbers: they are moved eight at a time
)

// appendNumbers appends a size and a time: a byte with the number of bytes of each, then the size, then the time in zigzag form, both
// little-endian and without their upper zero bytes.
func appendNumbers(b []byte, size, time int64) []byte {
	zigzag := uint64(time)<<1 ^ uint64(time>>63)
	m, n := (bits.Len64(uint64(size))+7)/8, (bits.Len64(zigzag)+7)/8
	b = append(b, byte(n<<4|m))
	b = binary.LittleEndian.AppendUint64(b, uint64(size))
	b = binary.LittleEndian.AppendUint64(b[:len(b)-8+m], zigzag)
	return b[:len(b)-8+n]
}

// numbers reads what appendNumbers wrote; widths, its first byte, was checked. b has slack.
func numbers(widths byte, b []byte) (size, time int64) {
	m, n := widths&15, widths>>4
	v := binary.LittleEndian.Uint64(b) & (1<<(8*m) - 1)
	zigzag := binary.LittleEndian.Uint64(b[m:]) & (1<<(8*n) - 1)
	return int64(v), int64(zigzag>>1) ^ -int64(zigzag&1)
}
