package rsync

import "strings"

// wild is a pattern cut into pieces, which an automaton follows: see automaton.
type wild []piece

type piece struct {
	kind pieceKind
	char byte       // of pieceChar
	set  *[256]bool // of pieceSet
}

type pieceKind uint8

const (
	pieceChar  pieceKind = iota
	pieceAny             // ?: one byte but a slash
	pieceSet             // [...]: one byte of the set, never a slash
	pieceStar            // *: bytes but slashes
	pieceStars           // ** and more: any bytes
	pieceNever           // a broken set, or a backslash at the end: matches nothing
)

// literal takes every character of a pattern for itself.
func literal(pattern string) wild {
	w := make(wild, len(pattern))
	for i := range w {
		w[i].char = pattern[i]
	}
	return w
}

func compileWild(pattern string) wild {
	var w wild
	for i := 0; i < len(pattern); {
		switch c := pattern[i]; c {
		case '*':
			n := len(pattern[i:]) - len(strings.TrimLeft(pattern[i:], "*"))
			kind := pieceStar
			if n > 1 {
				kind = pieceStars
			}
			w, i = append(w, piece{kind: kind}), i+n
		case '?':
			w, i = append(w, piece{kind: pieceAny}), i+1
		case '[':
			set, n := compileSet(pattern[i:])
			if set == nil {
				return append(w, piece{kind: pieceNever})
			}
			w, i = append(w, piece{kind: pieceSet, set: set}), i+n
		case '\\':
			if i++; i == len(pattern) {
				return append(w, piece{kind: pieceNever})
			}
			c = pattern[i]
			fallthrough
		default:
			w, i = append(w, piece{char: c}), i+1
		}
	}
	return w
}

// stays reports a piece that takes any number of bytes.
func (p piece) stays() bool { return p.kind == pieceStar || p.kind == pieceStars }

func (p piece) takes(c byte) bool {
	switch p.kind {
	case pieceChar:
		return c == p.char
	case pieceAny, pieceStar:
		return c != '/'
	case pieceSet:
		return c != '/' && p.set[c]
	case pieceStars:
		return true
	}
	return false
}

// compileSet reads a set from its bracket on: [abc], [a-z], [!a], [^a], []a], [[:digit:]], and \ before any character. It
// gives the length of its text, and nil for a set that does not end or has an unknown class.
func compileSet(s string) (*[256]bool, int) {
	set := new([256]bool)
	i := 1
	negate := i < len(s) && (s[i] == '!' || s[i] == '^')
	if negate {
		i++
	}
	before := -1 // the character that a range can begin with
	for first := true; ; first = false {
		if i >= len(s) {
			return nil, 0
		}
		c := s[i]
		switch {
		case c == ']' && !first:
			if negate {
				for n := range set {
					set[n] = !set[n]
				}
			}
			return set, i + 1
		case c == '-' && before > 0 && i+1 < len(s) && s[i+1] != ']':
			last, n := setChar(s[i+1:])
			if n == 0 {
				return nil, 0
			}
			for b := before; b <= int(last); b++ {
				set[b] = true
			}
			before, i = -1, i+1+n
		case strings.HasPrefix(s[i:], "[:"):
			n, known := setClass(set, s[i:])
			if !known {
				return nil, 0
			}
			before, i = -1, i+n
			if n == 1 { // no class after all
				before = '['
			}
		default:
			b, n := setChar(s[i:])
			if n == 0 {
				return nil, 0
			}
			set[b], before, i = true, int(b), i+n
		}
	}
}

// setChar reads one character, with or without a backslash; n is 0 when there is none.
func setChar(s string) (c byte, n int) {
	if s[0] != '\\' {
		return s[0], 1
	}
	if len(s) == 1 {
		return 0, 0
	}
	return s[1], 2
}

// setClass adds [:name:] and gives its length; "[:" that does not end in ":]" is a plain bracket of length 1.
func setClass(set *[256]bool, s string) (n int, known bool) {
	end := strings.IndexByte(s[2:], ']')
	if end < 0 {
		return 0, false
	}
	name, isClass := strings.CutSuffix(s[2:2+end], ":")
	if !isClass {
		set['['] = true
		return 1, true
	}
	in := class(name)
	if in == nil {
		return 0, false
	}
	for b := range 128 { // the classes of the C locale
		set[b] = set[b] || in(byte(b))
	}
	return 2 + end + 1, true
}

// class gives a character class of POSIX.
func class(name string) func(byte) bool {
	digit := func(c byte) bool { return c >= '0' && c <= '9' }
	lower := func(c byte) bool { return c >= 'a' && c <= 'z' }
	upper := func(c byte) bool { return c >= 'A' && c <= 'Z' }
	alnum := func(c byte) bool { return digit(c) || lower(c) || upper(c) }
	graph := func(c byte) bool { return c > ' ' && c < 0x7f }
	switch name {
	case "alnum":
		return alnum
	case "alpha":
		return func(c byte) bool { return lower(c) || upper(c) }
	case "blank":
		return func(c byte) bool { return c == ' ' || c == '\t' }
	case "cntrl":
		return func(c byte) bool { return c < ' ' || c == 0x7f }
	case "digit":
		return digit
	case "graph":
		return graph
	case "lower":
		return lower
	case "print":
		return func(c byte) bool { return c == ' ' || graph(c) }
	case "punct":
		return func(c byte) bool { return graph(c) && !alnum(c) }
	case "space":
		return func(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }
	case "upper":
		return upper
	case "xdigit":
		return func(c byte) bool { return digit(c) || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F' }
	}
	return nil
}
