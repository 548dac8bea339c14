package keys

import (
	"fmt"
	"strings"
	"unicode"
)

// Legible makes a foreign text (a user id, a file's name) fit for a terminal, a page and for eyes: what is not printable ASCII or a
// Latin letter is escaped as \uXXXX or \UXXXXXXXX, so that nothing moves the cursor, runs from right to left, or looks like another
// letter. At most 2000 letters are kept.
func Legible(s string) string {
	var b strings.Builder
	for n, r := range []rune(strings.ToValidUTF8(s, "\uFFFD")) {
		switch {
		case n == maxLegible:
			b.WriteString("…")
			return b.String()
		case r >= 0x20 && r < 0x7f, unicode.Is(unicode.Latin, r) && unicode.IsLetter(r):
			b.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

const maxLegible = 2000

// LegibleID is Legible for a name on a line of its own, e.g. a user id that a stranger chose: at most 200 letters, and one space for
// many, so that what follows cannot pass for another line.
func LegibleID(s string) string {
	const most = 200
	text := []rune(strings.Join(strings.FieldsFunc(Legible(s), func(r rune) bool { return r == ' ' }), " "))
	if len(text) > most {
		return string(text[:most]) + "…"
	}
	return string(text)
}
