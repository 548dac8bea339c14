package rsync

// Pattern is one of rsync's filter patterns, matched as rsync(1) "FILTER RULES" has it: anchored by a leading slash (the
// top of the transfer), for directories alone by a trailing one, *, ** and ?, character classes.
type Pattern struct {
	text string
}

// ParsePattern reads a pattern, and refuses what rsync would read as something else ("+ x", "!", a comment, an empty one,
// control characters).
func ParsePattern(s string) (Pattern, error) { panic("stub") }

// String is the pattern as it was written.
func (p Pattern) String() string { return p.text }

// Match reports whether the pattern matches that very path (below the top, no leading slash), a directory or not.
func (p Pattern) Match(path string, dir bool) bool { panic("stub") }

// Hidden reports whether one of the patterns, as --exclude, hides the path: itself, or a directory above it.
func Hidden(patterns []Pattern, path string, dir bool) bool { panic("stub") }

// Literal is a pattern, anchored at the top, that matches that path alone, whatever characters it has.
func Literal(path string) string { panic("stub") }
