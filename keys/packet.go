package keys

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Packet tags (RFC 4880, 4.3).
const (
	TagSignature     = 2
	TagSecretKey     = 5
	TagPublicKey     = 6
	TagOnePass       = 4
	TagSecretSubkey  = 7
	TagLiteral       = 11
	TagUserID        = 13
	TagPublicSubkey  = 14
	TagUserAttribute = 17
)

// Packet is one OpenPGP packet: its tag, its body, and all its bytes.
type Packet struct {
	Tag  int
	Body []byte
	Raw  []byte
}

// SplitPackets cuts b into at most max packets with nothing left over. Partial
// and indeterminate lengths are refused: nothing that we sign needs them.
func SplitPackets(b []byte, max int) ([]Packet, error) {
	var list []Packet
	for len(b) > 0 {
		if len(list) == max {
			return nil, fmt.Errorf("openpgp: more than %d packets", max)
		}
		p, err := firstPacket(b)
		if err != nil {
			return nil, fmt.Errorf("openpgp: packet %d: %w", len(list)+1, err)
		}
		list = append(list, p)
		b = b[len(p.Raw):]
	}
	return list, nil
}

func firstPacket(b []byte) (Packet, error) {
	if b[0]&0x80 == 0 {
		return Packet{}, fmt.Errorf("starts with byte 0x%02x, which begins no packet", b[0])
	}
	tag, head, size, err := packetHeader(b)
	if err != nil {
		return Packet{}, err
	}
	if uint64(len(b)-head) < size {
		return Packet{}, fmt.Errorf("is cut short: %d of %d bytes", len(b)-head, size)
	}
	end := head + int(size)
	return Packet{Tag: tag, Body: b[head:end], Raw: b[:end]}, nil
}

// packetHeader returns the tag, the header's length and the body's (RFC 4880, 4.2).
func packetHeader(b []byte) (tag, head int, size uint64, err error) {
	short := errors.New("ends inside its header")
	if b[0]&0x40 == 0 {
		tag = int(b[0]>>2) & 0x0f
		width := 1 << (b[0] & 3)
		if width == 8 {
			return 0, 0, 0, errors.New("has no length of its own")
		}
		if len(b) < 1+width {
			return 0, 0, 0, short
		}
		for _, x := range b[1 : 1+width] {
			size = size<<8 | uint64(x)
		}
		return tag, 1 + width, size, nil
	}
	tag = int(b[0] & 0x3f)
	switch {
	case len(b) < 2:
		return 0, 0, 0, short
	case b[1] < 192:
		return tag, 2, uint64(b[1]), nil
	case b[1] < 224:
		if len(b) < 3 {
			return 0, 0, 0, short
		}
		return tag, 3, uint64(b[1]-192)<<8 + uint64(b[2]) + 192, nil
	case b[1] < 255:
		return 0, 0, 0, errors.New("comes in parts (a partial length), expected one length")
	case len(b) < 6:
		return 0, 0, 0, short
	}
	return tag, 6, uint64(binary.BigEndian.Uint32(b[2:])), nil
}

// AppendPacket appends a packet with a new-format header and one length.
func AppendPacket(dst []byte, tag int, body []byte) []byte {
	dst = append(dst, 0xc0|byte(tag), 0xff)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(body)))
	return append(dst, body...)
}
