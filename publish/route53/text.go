package route53

import (
	"fmt"
	"strings"
)

const longest = 255 // bytes of a character-string (RFC 1035, 3.3)

// sameName compares a name as Route 53 has it with one as it is configured.
func sameName(theirs, ours string) bool {
	var b strings.Builder
	for len(theirs) > 0 {
		c, rest, ok := unescape(theirs)
		if !ok || c == '.' && theirs[0] == '\\' { // a dot within a label
			return false
		}
		b.WriteByte(c)
		theirs = rest
	}
	return strings.EqualFold(strings.TrimSuffix(b.String(), "."), strings.TrimSuffix(ours, "."))
}

// unescape takes one byte off the front of s, which is not empty: \ooo, \c, or a byte that stands for itself.
func unescape(s string) (c byte, rest string, ok bool) {
	switch {
	case s[0] != '\\':
		return s[0], s[1:], true
	case len(s) >= 4 && octal(s[1]) && octal(s[2]) && octal(s[3]) && s[1] <= '3':
		return (s[1]-'0')<<6 | (s[2]-'0')<<3 | (s[3] - '0'), s[4:], true
	case len(s) >= 2 && !octal(s[1]):
		return s[1], s[2:], true
	}
	return 0, s, false
}

func octal(c byte) bool { return '0' <= c && c <= '7' }

// formatValue writes the strings of one record as Route 53 wants them.
func formatValue(record []string) (string, error) {
	if len(record) == 0 {
		return "", fmt.Errorf("found no string, expected at least one")
	}
	var b strings.Builder
	for i, s := range record {
		if len(s) > longest {
			return "", fmt.Errorf("found a string of %d bytes, expected at most %d", len(s), longest)
		}
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteByte('"')
		for _, c := range []byte(s) {
			switch {
			case c == '"' || c == '\\':
				b.WriteByte('\\')
				b.WriteByte(c)
			case c < ' ' || c > '~':
				fmt.Fprintf(&b, `\%03o`, c)
			default:
				b.WriteByte(c)
			}
		}
		b.WriteByte('"')
	}
	return b.String(), nil
}

// parseValue reads them.
func parseValue(value string) (record []string, err error) {
	rest := strings.Trim(value, " \t\r\n")
	for rest != "" {
		if rest[0] != '"' {
			return nil, fmt.Errorf("found the value %.80q, expected strings in quotes", value)
		}
		var b strings.Builder
		for rest = rest[1:]; rest != "" && rest[0] != '"'; {
			c, after, ok := unescape(rest)
			if !ok {
				return nil, fmt.Errorf("found a broken escape in the value %.80q", value)
			}
			b.WriteByte(c)
			rest = after
		}
		if rest == "" {
			return nil, fmt.Errorf("found the value %.80q without its last quote", value)
		}
		rest = strings.TrimLeft(rest[1:], " \t\r\n")
		record = append(record, b.String())
	}
	if record == nil {
		return nil, fmt.Errorf("found an empty value, expected strings in quotes")
	}
	return record, nil
}
