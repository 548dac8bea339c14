package rsync

import (
	"strings"

	"tidemark/internal/filter"
)

// maxPattern is the longest pattern, in bytes: rsync drops those of 4096.
const maxPattern = 4095

// Pattern is one of rsync's filter patterns, matched as rsync(1) "FILTER RULES" has it: anchored by a leading slash (the
// top of the transfer), for directories alone by a trailing one, *, ** and ?, character classes.
//
// A path is matched in time proportional to its bytes times the pattern's pieces, whatever a server names its files; for
// patterns of less than 64 pieces to its bytes alone.
type Pattern struct {
	text string
	auto *automaton
}

// ParsePattern reads a pattern, and refuses what rsync would read as something else ("+ x", "!", an empty one, control
// characters) and what people mean as something else (a comment, "/").
func ParsePattern(s string) (Pattern, error) {
	if err := filter.Check(s, maxPattern); err != nil {
		return Pattern{}, err
	}
	return Pattern{text: s, auto: compile(s)}, nil
}

// String is the pattern as it was written.
func (p Pattern) String() string { return p.text }

// Match reports whether the pattern matches that very path (below the top, no leading slash), a directory or not.
func (p Pattern) Match(path string, dir bool) bool {
	if path == "" || p.auto == nil {
		return false
	}
	w := p.auto.begin()
	at := strings.LastIndexByte(path, '/') + 1
	w.parents(path[:at])
	return w.last(path[at:], dir)
}

// hides reports whether the pattern matches the path, or a directory above it.
func (p Pattern) hides(path string, dir bool) bool {
	if path == "" || p.auto == nil {
		return false
	}
	w := p.auto.begin()
	at := strings.LastIndexByte(path, '/') + 1
	return w.parents(path[:at]) || w.last(path[at:], dir)
}

// Hidden reports whether one of the patterns, as --exclude, hides the path: itself, or a directory above it. For many paths a
// Matcher is faster.
func Hidden(patterns []Pattern, path string, dir bool) bool {
	for _, p := range patterns {
		if p.hides(path, dir) {
			return true
		}
	}
	return false
}

// Literal is a pattern, anchored at the top, that matches that path alone, whatever characters it has. Backslashes quote
// only where a pattern has wildcards: rsync takes one without for plain text.
func Literal(path string) string {
	if !strings.ContainsAny(path, "*?[") {
		return "/" + path
	}
	return "/" + strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(path)
}
