package rsync

import (
	"fmt"
	"strings"
)

// maxPattern is the longest pattern, in bytes: rsync drops those of 4096.
const maxPattern = 4095

// Pattern is one of rsync's filter patterns, matched as rsync(1) "FILTER RULES" has it: anchored by a leading slash (the
// top of the transfer), for directories alone by a trailing one, *, ** and ?, character classes.
type Pattern struct {
	text string
}

// ParsePattern reads a pattern, and refuses what rsync would read as something else ("+ x", "!", an empty one, control
// characters) and what people mean as something else (a comment, "/").
func ParsePattern(s string) (Pattern, error) {
	refuse := func(why string) (Pattern, error) { return Pattern{}, fmt.Errorf("filter pattern %.100q: %s", s, why) }
	switch {
	case s == "":
		return refuse("it is empty")
	case len(s) > maxPattern:
		return refuse(fmt.Sprintf("%d bytes, expected at most %d", len(s), maxPattern))
	case hasControl(s):
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
	return Pattern{text: s}, nil
}

// String is the pattern as it was written.
func (p Pattern) String() string { return p.text }

// Match reports whether the pattern matches that very path (below the top, no leading slash), a directory or not.
func (p Pattern) Match(path string, dir bool) bool {
	pattern := p.text
	if path == "" || pattern == "" {
		return false
	}
	if len(pattern) > 1 && strings.HasSuffix(pattern, "/") {
		if !dir {
			return false
		}
		pattern = pattern[:len(pattern)-1]
	}
	slashes := strings.Count(pattern, "/")
	wild := strings.ContainsAny(pattern, "*?[")
	anywhere := strings.Contains(pattern, "**") // it can match slashes
	name := path
	switch {
	case slashes == 0 && !anywhere:
		name = path[strings.LastIndexByte(path, '/')+1:]
	case strings.HasPrefix(pattern, "**"):
		name = "/" + path // so that **/x matches x at the top
	}
	if dir && anywhere && strings.HasSuffix(pattern, "***") {
		name += "/" // so that x/*** matches the directory x itself
	}
	body, anchored := strings.CutPrefix(pattern, "/")
	match := func(s string) bool { return s == body }
	if wild {
		match = compileWild(body).match
	}
	switch {
	case anchored, strings.HasPrefix(pattern, "**"):
		return match(name)
	case anywhere:
		return matchTails(name, match)
	case slashes == 0:
		return match(name)
	}
	tail, ok := lastParts(name, slashes+1)
	return ok && match(tail)
}

// matchTails tries the whole and what follows each slash.
func matchTails(name string, match func(string) bool) bool {
	for {
		if match(name) {
			return true
		}
		_, rest, ok := strings.Cut(name, "/")
		if !ok {
			return false
		}
		name = rest
	}
}

// lastParts gives the last n parts of a path, if it has as many.
func lastParts(path string, n int) (string, bool) {
	i := len(path)
	for ; n > 0; n-- {
		if i < 0 {
			return "", false
		}
		i = strings.LastIndexByte(path[:max(i, 0)], '/')
	}
	return path[i+1:], true
}

// Hidden reports whether one of the patterns, as --exclude, hides the path: itself, or a directory above it.
func Hidden(patterns []Pattern, path string, dir bool) bool {
	for i := 0; i <= len(path); i++ {
		if i < len(path) && path[i] != '/' {
			continue
		}
		for _, p := range patterns {
			if p.Match(path[:i], dir || i < len(path)) {
				return true
			}
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
