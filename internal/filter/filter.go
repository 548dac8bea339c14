// Package filter says what can be a pattern of rsync's filter rules (rsync(1), "FILTER RULES"), for those who write patterns
// down and for package rsync, which matches them.
//
//	err := filter.Check("*/isos/", 1000)    // nil
//	err = filter.Check("- *.iso", 1000)     // rsync would read its beginning as include or exclude
package filter

import (
	"fmt"
	"strings"
)

// Check refuses what rsync would read as something else ("+ x", "!", an empty one, control characters), what people mean as
// something else (a comment, "/"), and what has more than most bytes.
func Check(s string, most int) error {
	if why := fault(s, most); why != "" {
		return fmt.Errorf("filter pattern %.100q: %s", s, why)
	}
	return nil
}

func fault(s string, most int) string {
	switch {
	case s == "":
		return "it is empty"
	case len(s) > most:
		return fmt.Sprintf("%d bytes, expected at most %d", len(s), most)
	case strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r == 0x7f }):
		return "a control character is not allowed; ? matches one"
	case s == "!":
		return "rsync would forget all patterns before it; [!] matches that name"
	case strings.Trim(s, "/") == "":
		return "it matches nothing; expected a name, a path or * between slashes"
	}
	switch s[:min(2, len(s))] {
	case "+ ", "- ":
		return "rsync would read its beginning as include or exclude; put the name alone, or / before it"
	case "# ", "; ":
		return "it looks like a comment; / before it makes it a pattern"
	}
	return ""
}
