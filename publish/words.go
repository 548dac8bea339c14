package publish

import (
	"strings"
	"unicode"
)

// Printable keeps a foreign server's words short and harmless on a terminal: at most 300 bytes, nothing but what prints.
func Printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
	if len(s) > 300 {
		s = strings.ToValidUTF8(s[:300], "") + "..."
	}
	return s
}
