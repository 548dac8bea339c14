package inventory

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// CheckPattern refuses what rsync would not read as a pattern: rsync(1), "FILTER RULES". Package rsync matches them.
func CheckPattern(s string) error {
	refuse := func(why string) error { return fmt.Errorf("filter pattern %.100q: %s", s, why) }
	switch {
	case s == "":
		return refuse("it is empty")
	case len(s) > maxPattern:
		return refuse(fmt.Sprintf("%d bytes, expected at most %d", len(s), maxPattern))
	case !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl):
		return refuse("a control character is not allowed; ? matches one")
	case s == "!":
		return refuse("rsync would forget all patterns before it; [!] matches that name")
	case strings.Trim(s, "/") == "":
		return refuse("it matches nothing; expected a name, a path or * between slashes")
	}
	switch s[:min(2, len(s))] {
	case "+ ", "- ":
		return refuse("rsync would read its beginning as include or exclude; put the name alone, or / before it")
	case "# ", "; ":
		return refuse("it looks like a comment; / before it makes it a pattern")
	}
	return nil
}
