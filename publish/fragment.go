package publish

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// parseFragment reads a fragment of a zone file (RFC 1035, 5.1), strictly: each line is empty, a comment, or
//
//	name. [TTL] [IN] [TTL] TXT "string" …   ; comment
func parseFragment(b []byte) (*fragment, error) {
	if len(b) > maxFragment {
		return nil, fmt.Errorf("%d bytes, expected at most %d: %w", len(b), maxFragment, ErrTooLarge)
	}
	f := &fragment{text: b}
	if len(b) == 0 {
		return f, nil
	}
	if !utf8.Valid(b) {
		return nil, errors.New("not UTF-8")
	}
	for i, line := range strings.Split(strings.TrimSuffix(string(b), "\n"), "\n") {
		l, err := parseLine(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		f.lines = append(f.lines, l)
	}
	return f, nil
}

func parseLine(line string) (fragmentLine, error) {
	l := fragmentLine{text: line}
	trimmed := strings.TrimLeft(line, " \t\r")
	if trimmed == "" || trimmed[0] == ';' {
		return l, nil
	}
	if trimmed != line {
		return l, errors.New("a record without a name at its start")
	}
	words, err := lineWords(line)
	if err != nil {
		return l, err
	}
	name, err := nameOf(words[0].text)
	if err != nil || words[0].quoted || !strings.HasSuffix(words[0].text, ".") {
		return l, fmt.Errorf("found %.100q, expected an absolute name, with a final dot", words[0].text)
	}
	ttl, at, err := lineHead(words)
	if err != nil {
		return l, err
	}
	for _, w := range words[at:] {
		s, err := unescape(w.text)
		if err != nil {
			return l, err
		}
		l.record = append(l.record, s)
	}
	l.name, l.ttl = name, ttl
	return l, RRset{TTL: ttl, Records: [][]string{l.record}}.check()
}

// lineHead reads TTL and class in either order, and the type; at is where the strings begin.
func lineHead(words []lineWord) (ttl, at int, err error) {
	hasTTL, hasClass := false, false
	for at = 1; at < len(words) && !words[at].quoted; at++ {
		w := words[at].text
		switch n, err := strconv.ParseUint(w, 10, 31); {
		case strings.EqualFold(w, typeTXT):
			return ttl, at + 1, nil
		case strings.EqualFold(w, "IN") && !hasClass:
			hasClass = true
		case err == nil && !hasTTL:
			ttl, hasTTL = int(n), true
		default:
			return 0, 0, fmt.Errorf("found %.100q, expected TTL in seconds, IN, TXT", w)
		}
	}
	return 0, 0, errors.New("found no type, expected TXT")
}

type lineWord struct {
	text   string // with its escapes
	quoted bool
}

// lineWords splits a line; a quotation mark, a semicolon, a blank after a backslash is a character like others.
func lineWords(line string) (words []lineWord, err error) {
	for i := 0; i < len(line); {
		switch c := line[i]; c {
		case ' ', '\t', '\r':
			i++
			continue
		case ';':
			return words, nil
		case '(', ')':
			return nil, errors.New("found a parenthesis, expected one line for each record")
		}
		w := lineWord{quoted: line[i] == '"'}
		if w.quoted {
			i++
		}
		end := wordEnd(line, i, w.quoted)
		w.text = line[i:end]
		if i = end; w.quoted {
			if i == len(line) {
				return nil, errors.New("a quotation mark without its other one")
			}
			i++
		}
		words = append(words, w)
	}
	return words, nil
}

func wordEnd(line string, i int, quoted bool) int {
	ends := " \t\r;\"()"
	if quoted {
		ends = `"`
	}
	for i < len(line) && !strings.ContainsRune(ends, rune(line[i])) {
		if line[i] == '\\' {
			i++
		}
		i++
	}
	return min(i, len(line))
}

// recordLine is one record as a line.
func recordLine(name string, ttl int, record []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %d IN %s", name, ttl, typeTXT)
	for _, s := range record {
		b.WriteString(` "` + escape(s) + `"`)
	}
	return b.String() + "\n"
}
