package rsync

import (
	"encoding/binary"
	"strings"
	"testing"
)

func TestGreeting(t *testing.T) {
	for _, tt := range []struct {
		line        string
		ours, proto int
	}{
		{"@RSYNCD: 32.0 sha512 sha256 sha1 md5 md4", 31, 31},
		{"@RSYNCD: 32.0 sha512", 29, 29},
		{"@RSYNCD: 31.0", 31, 31},
		{"@RSYNCD: 31.14", 31, 30},
		{"@RSYNCD: 32.1", 31, 31},
		{"@RSYNCD: 29", 31, 29},
		{"@RSYNCD: 27", 27, 27},
	} {
		g, err := parseGreeting(tt.line, tt.ours)
		if err != nil || g.protocol != tt.proto {
			t.Errorf("%q to %d: protocol %d, %v; expected %d", tt.line, tt.ours, g.protocol, err, tt.proto)
		}
	}
}

func TestIndexCode(t *testing.T) {
	for _, proto := range []int{29, 30} {
		w, indices := newIndexWriter(), []int32{0, 1, 254, 255, 508, 509, 1 << 14, 1<<15 + 1, 1 << 20, 1<<31 - 1, ndxDone, 3, 2, ndxDone}
		var b []byte
		for _, i := range indices {
			b = w.append(b, i, proto)
		}
		s, r := newStream(strings.NewReader(string(b)), Limits{}.withDefaults()), newIndexReader()
		for _, want := range indices {
			if got := r.read(s, proto); got != want || s.err != nil {
				t.Errorf("protocol %d: index %d, expected %d, %v", proto, got, want, s.err)
			}
		}
	}
}

func TestVarint(t *testing.T) {
	for _, tt := range []struct {
		bytes string
		want  int32
	}{
		{"\x00", 0}, {"\x7f", 127}, {"\x80\x80", 128}, {"\xbf\xff", 1<<14 - 1}, {"\xc0\x00\x40", 1 << 14}, {"\xe0\xff\xff\xff", 1<<24 - 1}, {"\xf0\xff\xff\xff\x7f", 1<<31 - 1}, {"\xf0\xff\xff\xff\xff", -1},
	} {
		s := newStream(strings.NewReader(tt.bytes), Limits{}.withDefaults())
		if got := s.varint(); got != tt.want || s.err != nil || s.r.Buffered() > 0 {
			t.Errorf("%x: %d, expected %d, %v", tt.bytes, got, tt.want, s.err)
		}
	}
	for _, tt := range []struct {
		bytes string
		min   int
		want  int64
	}{
		{"\x00\x05\x00", 3, 5}, {"\x01\x00\x00", 3, 1 << 16}, {"\x80\x00\x00\x80", 3, 1 << 23}, {"\xc1\x00\x00\x00\x40", 3, 1<<32 + 1<<30}, {"\x58\xed\xb6\xad", 4, 0x58adb6ed},
		{"\xf8" + "\xff\xff\xff\xff\xff\xff\xff\xff", 4, -1},
	} {
		s := newStream(strings.NewReader(tt.bytes), Limits{}.withDefaults())
		if got := s.varlong(tt.min); got != tt.want || s.err != nil || s.r.Buffered() > 0 {
			t.Errorf("%x: %#x, expected %#x, %v", tt.bytes, got, tt.want, s.err)
		}
	}
	long := binary.LittleEndian.AppendUint64([]byte("\xff\xff\xff\xff"), 5<<30)
	if got := newStream(strings.NewReader(string(long)), Limits{}.withDefaults()).longint(); got != 5<<30 {
		t.Errorf("%d, expected 5 GiB", got)
	}
}
