package history

import (
	"strings"
	"unicode"
)

const (
	maxText = 500 // characters of a reason or a failure
	maxName = 100 // of an id or a tree's name
)

// name is the key of a server's tree; both were checked by whoever read them, and are bounded all the same.
func name(server, tree string) key { return key{clean(server, maxName), clean(tree, maxName)} }

// clean makes text safe to keep and to print, of at most so many characters.
func clean(text string, most int) string {
	n := 0
	for i := range text {
		if n == most {
			text = text[:i]
			break
		}
		n++
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, text)
}
