package inventory

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"tidemark/internal/filter"
)

// CheckPattern refuses what rsync would not read as a pattern (package filter), what is longer than 1000 bytes, and what cannot
// be shown to people.
func CheckPattern(s string) error {
	if err := filter.Check(s, maxPattern); err != nil {
		return err
	}
	if !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
		return fmt.Errorf("filter pattern %.100q: a control character is not allowed; ? matches one", s)
	}
	return nil
}
