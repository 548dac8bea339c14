package keys

import (
	"strings"
	"testing"
)

// A user id on the sheet cannot move the cursor, turn the line round, or pass for another name.
func TestLegible(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		"Jörg Ærø <j@example.org>":      "Jörg Ærø <j@example.org>",
		"a\x1b[2Jb\r\nc\u0085":          `a\u001b[2Jb\u000d\u000ac\u0085`,
		"a\u202egro.elpmaxe\u2066":      `a\u202egro.elpmaxe\u2066`,
		"zero\u200bwidth\u00adhyphen":   `zero\u200bwidth\u00adhyphen`,
		"\u0430lice":                    `\u0430lice`, // Cyrillic
		"\U000e0041":                    `\U000e0041`,
		"\xff":                          `\ufffd`,
		strings.Repeat("x", 2000):       strings.Repeat("x", 2000),
		strings.Repeat("x", 2000) + "y": strings.Repeat("x", 2000) + "…",
	} {
		if got := Legible(s); got != want {
			t.Errorf("%q: found %q, expected %q", s, got, want)
		}
	}
}
