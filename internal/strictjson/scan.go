package strictjson

import (
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// MaxDepth is how deep objects and arrays may nest.
const MaxDepth = 64

// scanner walks the text; pos is the next byte.
type scanner struct {
	data  []byte
	pos   int
	depth int
	words [maxWords]string // short strings that were met before: one copy serves all
}

// Short strings mostly come again: names of members, countries, kinds. Each has one place where it may be kept, found from
// a few of its bytes, and the last one there stays: a map takes three times as long to ask.
const (
	maxWord  = 24
	maxWords = 256
)

func (s *scanner) word(b []byte) string {
	if len(b) == 0 || len(b) > maxWord {
		return string(b)
	}
	place := &s.words[(uint(b[0])*31+uint(b[len(b)/2])*7+uint(b[len(b)-1])+uint(len(b))*61)%maxWords]
	if *place != string(b) {
		*place = string(b)
	}
	return *place
}

func (s *scanner) errorf(k Kind, at int, format string, args ...any) *Error {
	return &Error{Kind: k, Offset: int64(at), Detail: fmt.Sprintf(format, args...)}
}

func (s *scanner) syntax(expected string) *Error {
	if s.pos >= len(s.data) {
		return s.errorf(Syntax, s.pos, "the document ends here, expected %s", expected)
	}
	r, _ := utf8.DecodeRune(s.data[s.pos:])
	return s.errorf(Syntax, s.pos, "found %+q, expected %s", r, expected)
}

func (s *scanner) space() {
	i := s.pos
	for i < len(s.data) && (s.data[i] == ' ' || s.data[i] == '\n' || s.data[i] == '\t' || s.data[i] == '\r') {
		i++
	}
	s.pos = i
}

// peek skips white space and returns the next byte, 0 at the end.
func (s *scanner) peek() byte {
	s.space()
	if s.pos >= len(s.data) {
		return 0
	}
	return s.data[s.pos]
}

// kind names the value that begins with c.
func kindOf(c byte) string {
	switch {
	case c == '{':
		return "an object"
	case c == '[':
		return "an array"
	case c == '"':
		return "a string"
	case c == 't', c == 'f':
		return "a boolean"
	case c == 'n':
		return "null"
	case c == '-', '0' <= c && c <= '9':
		return "a number"
	}
	return ""
}

func (s *scanner) enter() *Error {
	if s.depth++; s.depth > MaxDepth {
		return s.errorf(TooDeep, s.pos, "more than %d levels of objects and arrays", MaxDepth)
	}
	s.pos++
	return nil
}

func (s *scanner) leave() {
	s.depth--
	s.pos++
}

// object calls each for every member, with pos at its value.
func (s *scanner) object(each func(name string, at int) *Error) *Error {
	if err := s.enter(); err != nil {
		return err
	}
	if s.peek() == '}' {
		s.leave()
		return nil
	}
	for {
		if s.peek() != '"' {
			return s.syntax("a member's name in quotes")
		}
		at := s.pos
		name, err := s.str()
		if err != nil {
			return err
		}
		if s.peek() != ':' {
			return s.syntax("a colon").in(member(name))
		}
		s.pos++
		if err := each(name, at); err != nil {
			return err
		}
		switch s.peek() {
		case ',':
			s.pos++
		case '}':
			s.leave()
			return nil
		default:
			return s.syntax("a comma or }")
		}
	}
}

// array calls each for every element, with pos at its value.
func (s *scanner) array(each func(i int) *Error) *Error {
	if err := s.enter(); err != nil {
		return err
	}
	if s.peek() == ']' {
		s.leave()
		return nil
	}
	for i := 0; ; i++ {
		if err := each(i); err != nil {
			return err.in(index(i))
		}
		switch s.peek() {
		case ',':
			s.pos++
		case ']':
			s.leave()
			return nil
		default:
			return s.syntax("a comma or ]")
		}
	}
}

// str reads a string, pos at its opening quote.
func (s *scanner) str() (string, *Error) {
	start := s.pos
	s.pos++
	for i := s.plain(); i < len(s.data); i++ { // mostly there are no escapes
		switch c := s.data[i]; {
		case c == '"':
			text := s.word(s.data[s.pos:i])
			s.pos = i + 1
			return text, nil
		case c == '\\' || c < 0x20:
			return s.escaped(start, i)
		}
	}
	s.pos = len(s.data)
	return "", s.syntax("the end of a string")
}

// plain is where, or up to seven bytes before where, the first byte from pos on lies that ends a string or is special in
// one: a bundle is one string of megabytes. Eight bytes are looked at together; one of them may borrow from the one below
// it, which at worst ends the search early.
func (s *scanner) plain() int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	i := s.pos
	for ; i+8 <= len(s.data); i += 8 {
		x := binary.LittleEndian.Uint64(s.data[i:])
		quote, slash := x^('"'*ones), x^('\\'*ones)
		if ((x-0x20*ones)&^x|(quote-ones)&^quote|(slash-ones)&^slash)&tops != 0 {
			break
		}
	}
	return i
}

// escaped reads on from the first escape of a string, at byte i.
func (s *scanner) escaped(start, i int) (string, *Error) {
	var b strings.Builder
	b.Write(s.data[start+1 : i])
	s.pos = i
	for s.pos < len(s.data) {
		c := s.data[s.pos]
		switch {
		case c == '"':
			s.pos++
			return b.String(), nil
		case c < 0x20:
			return "", s.errorf(Control, s.pos, "control character %q in a string, expected an escape", c)
		case c != '\\':
			b.WriteByte(c)
			s.pos++
		default:
			r, err := s.escape()
			if err != nil {
				return "", err
			}
			b.WriteRune(r)
		}
	}
	return "", s.syntax("the end of a string")
}

// escape reads one escape, or two that are a surrogate pair, pos at the backslash.
func (s *scanner) escape() (rune, *Error) {
	at := s.pos
	if s.pos++; s.pos >= len(s.data) {
		return 0, s.syntax("an escape")
	}
	c := s.data[s.pos]
	if i := strings.IndexByte(`"\/bfnrt`, c); i >= 0 {
		s.pos++
		return rune("\"\\/\b\f\n\r\t"[i]), nil
	}
	if c != 'u' {
		return 0, s.syntax(`one of "\/bfnrtu after a backslash`)
	}
	r, err := s.hex4()
	if err != nil {
		return 0, err
	}
	if r == 0 {
		return 0, s.errorf(Control, at, `\u0000 in a string is not allowed`)
	}
	if !utf16.IsSurrogate(r) {
		return r, nil
	}
	if s.pos+1 < len(s.data) && s.data[s.pos] == '\\' && s.data[s.pos+1] == 'u' {
		s.pos++
		low, err := s.hex4()
		if err != nil {
			return 0, err
		}
		if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
			return pair, nil
		}
	}
	return 0, s.errorf(LoneSurrogate, at, `\u%04x is half of a surrogate pair`, r)
}

// hex4 reads the four digits after the u at pos.
func (s *scanner) hex4() (rune, *Error) {
	var r rune
	for range 4 {
		if s.pos++; s.pos >= len(s.data) {
			return 0, s.syntax("four hex digits")
		}
		c := s.data[s.pos]
		switch {
		case '0' <= c && c <= '9':
			r = r<<4 | rune(c-'0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, s.syntax("four hex digits")
		}
	}
	s.pos++
	return r, nil
}

// number returns the text of a number in JSON's grammar.
func (s *scanner) number() (string, *Error) {
	start := s.pos
	if s.pos < len(s.data) && s.data[s.pos] == '-' {
		s.pos++
	}
	zero := s.pos < len(s.data) && s.data[s.pos] == '0'
	if n := s.digits(); n == 0 {
		return "", s.syntax("a digit")
	} else if zero && n > 1 {
		return "", s.errorf(Syntax, start, "a number with leading zeros, expected none")
	}
	if s.pos < len(s.data) && s.data[s.pos] == '.' {
		s.pos++
		if s.digits() == 0 {
			return "", s.syntax("a digit")
		}
	}
	if s.pos < len(s.data) && s.data[s.pos]|0x20 == 'e' {
		s.pos++
		if s.pos < len(s.data) && (s.data[s.pos] == '+' || s.data[s.pos] == '-') {
			s.pos++
		}
		if s.digits() == 0 {
			return "", s.syntax("a digit")
		}
	}
	return string(s.data[start:s.pos]), nil
}

func (s *scanner) digits() int {
	start := s.pos
	for s.pos < len(s.data) && '0' <= s.data[s.pos] && s.data[s.pos] <= '9' {
		s.pos++
	}
	return s.pos - start
}

// literal reads true, false or null.
func (s *scanner) literal(word string) *Error {
	if !strings.HasPrefix(string(s.data[s.pos:min(len(s.data), s.pos+len(word))]), word) {
		return s.syntax(word)
	}
	s.pos += len(word)
	return nil
}

// skip walks over a value that nobody asked for; it must be sound all the same.
func (s *scanner) skip() *Error {
	switch c := s.peek(); c {
	case '{':
		seen := make(map[string]bool)
		return s.object(func(name string, at int) *Error {
			if seen[name] {
				return s.duplicate(name, at)
			}
			seen[name] = true
			if err := s.skip(); err != nil {
				return err.in(member(name))
			}
			return nil
		})
	case '[':
		return s.array(func(int) *Error { return s.skip() })
	case '"':
		_, err := s.str()
		return err
	case 't':
		return s.literal("true")
	case 'f':
		return s.literal("false")
	case 'n':
		return s.literal("null")
	default:
		if kindOf(c) == "" {
			return s.syntax("a value")
		}
		_, err := s.number()
		return err
	}
}

func (s *scanner) duplicate(name string, at int) *Error {
	return s.errorf(Duplicate, at, "the object has two members %s, expected one", show(name)).in(member(name))
}
