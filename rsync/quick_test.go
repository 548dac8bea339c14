package rsync

import (
	"bytes"
	"strings"
	"testing"
	"testing/iotest"
)

// TestQuick: an entry in the middle of a long list, which is read out of the buffer, is judged as one that is read byte by
// byte.
func TestQuick(t *testing.T) {
	const same = flagSameName | flagSameTime | flagSameMode
	attributes := []byte{0, 0, 0, 0, 0, 0, 0, 0xa4, 0x81, 0, 0}
	entry := func(flags byte, keep int, name string, tail ...byte) []byte {
		b := []byte{flags}
		if keep >= 0 {
			b = append(b, byte(keep))
		}
		return append(append(append(b, byte(len(name))), name...), tail...)
	}
	first := entry(0x01, -1, "a/bc", attributes...)
	for name, tt := range map[string]struct {
		odd  []byte
		want string
	}{
		"as the last":              {entry(same, 4, "", 0, 0, 0), `"a/bc" 0 0 100644`},
		"another ending":           {entry(same, 2, ".x", 7, 0, 0), `"a/.x" 458752 0 100644`},
		"three dots":               {entry(same, 2, "...", 0, 0, 0), `"a/..." 0`},
		"goes up":                  {entry(same, 2, "..", 0, 0, 0), `the name "a/.." has a "." or ".." part`},
		"goes up and down":         {entry(same, 2, "../x", 0, 0, 0), `"." or ".." part`},
		"goes up at the top":       {entry(0x01, -1, "../x", attributes...), `"." or ".." part`},
		"stays":                    {entry(same, 2, "./x", 0, 0, 0), `"." or ".." part`},
		"ends with a slash":        {entry(same, 2, "", 0, 0, 0), "has an empty part"},
		"empty part":               {entry(same, 2, "/x", 0, 0, 0), "has an empty part"},
		"absolute":                 {entry(0x01, -1, "/x", attributes...), "begins with a slash"},
		"empty":                    {entry(0x01, -1, "", attributes...), "is empty"},
		"empty by keeping nothing": {entry(same, 0, "", 0, 0, 0), "is empty"},
		"the top":                  {entry(0x01, -1, ".", attributes...), `"." 0 0 100644`},
		"NUL":                      {entry(same, 3, "\x00", 0, 0, 0), "has a NUL"},
		"keeps too much":           {entry(same, 5, "x", 0, 0, 0), "keeps 5 bytes of a name of 4"},
		"too long":                 {entry(same, 200, "x", 0, 0, 0), "keeps 200 bytes"},
		"size of 7 bytes":          {entry(same, 2, "x", 0xf0, 1, 2, 3, 4, 5, 6), `"a/x" 6618611909121`},
		"size of 9 bytes":          {entry(same, 2, "x", 0xfc, 1, 2, 3, 4, 5, 6, 7, 8), `"a/x" 578437695752307201`},
		"size below zero":          {entry(same, 2, "x", 0xfc, 0xfb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), "has the size -5"},
		"mtime of 9 bytes":         {entry(flagSameName|flagSameMode, 2, "x", 0, 0, 0, 0xf8, 1, 0, 0, 0, 0, 0, 0, 0), `"a/x" 0 1000000000`},
		"mtime of 5 bytes":         {entry(flagSameName|flagSameMode, 2, "x", 0, 0, 0, 0x81, 1, 0, 0, 0), `"a/x" 0`},
		"mode with bits above":     {entry(flagSameName|flagSameTime, 2, "x", 0, 0, 0, 0, 0, 2, 0), "has the mode 0400000"},
		"mode below zero":          {entry(flagSameName|flagSameTime, 2, "x", 0, 0, 0, 0, 0, 0, 0x80), "has the mode"},
		"nanoseconds":              {[]byte{same | flagExtended, flagNanos >> 8, 2, 1, 'x', 0, 0, 0, 0xf0, 0xff, 0xc9, 0x9a, 0x3b}, `"a/x" 0 999999999 `},
		"too many nanoseconds":     {[]byte{same | flagExtended, flagNanos >> 8, 2, 1, 'x', 0, 0, 0, 0xf0, 0, 0xca, 0x9a, 0x3b}, "1000000000 nanoseconds"},
		"nanoseconds below zero":   {[]byte{same | flagExtended, flagNanos >> 8, 2, 1, 'x', 0, 0, 0, 0xf0, 0xff, 0xff, 0xff, 0xff}, "-1 nanoseconds"},
		"a long name":              {append([]byte{same | flagLongName, 2, 0x81, 0x2c}, strings.Repeat("n", 300)+"\x00\x00\x00"...), "2+300 bytes, expected at most 300"},
		"a long name that is not":  {append([]byte{same | flagLongName, 2, 20}, strings.Repeat("n", 20)+"\x00\x00\x00"...), `"a/nnnnn`},
		"the end":                  {[]byte{0}, "100644\n2 0 <nil>"},
		"the end with an error":    {[]byte{flagExtended, flagIOError >> 8, 3}, "100644\n2 3 <nil>"},
	} {
		t.Run(name, func(t *testing.T) {
			list := append(bytes.Clone(first), tt.odd...)
			for range 100 { // so that neither is near the end
				list = append(list, entry(same, 1, "/yy", 0, 0, 0)...)
			}
			list = append(list, 0)
			for proto := 30; proto <= 31; proto++ {
				quick, slow := decoded(t, proto, bytes.NewReader(list)), decoded(t, proto, iotest.OneByteReader(bytes.NewReader(list)))
				if quick != slow {
					t.Errorf("protocol %d: out of the buffer\n%s\nbyte by byte\n%s", proto, quick, slow)
				}
				if proto == 31 && !strings.Contains(quick, tt.want) {
					t.Errorf("%s\nexpected %s", quick, tt.want)
				}
			}
		})
	}
}
