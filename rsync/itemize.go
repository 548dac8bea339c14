package rsync

import (
	"bytes"
	"strconv"
	"strings"
)

// codeDeleting is %i of something that goes; rsync pads it to eleven characters.
const codeDeleting = "*deleting"

// itemFormat is the --out-format of itemized runs. Code and size cannot hold a tab, names can: the token ends them.
//
//	TOKEN <tab> %i <tab> %l <tab> %n <tab> TOKEN %L <tab> TOKEN
func itemFormat(token string) string {
	if token == "" {
		return "%i %l %n%L"
	}
	return token + "\t%i\t%l\t%n\t" + token + "%L\t" + token
}

// parseItem reads a line of itemFormat. found is false for a line without the token, which is no item; ok is false for one
// that cannot be read. A message without an end of line may stand before the token: it is skipped.
func parseItem(line []byte, token string) (it Item, found, ok bool) {
	start := bytes.Index(line, []byte(token))
	if start < 0 {
		return it, false, false
	}
	parts := strings.Split(string(line[start:]), token)
	if len(parts) != 4 || parts[0] != "" || parts[3] != "" {
		return it, true, false
	}
	fields := strings.SplitN(strings.TrimPrefix(parts[1], "\t"), "\t", 3)
	if len(fields) != 3 || !strings.HasPrefix(parts[1], "\t") || !strings.HasSuffix(fields[2], "\t") || !strings.HasSuffix(parts[2], "\t") {
		return it, true, false
	}
	it.Code = strings.TrimRight(fields[0], " ")
	var err error
	if it.Size, err = strconv.ParseInt(fields[1], 10, 64); err != nil || it.Size < 0 || !isCode(it.Code) {
		return Item{}, true, false
	}
	if it.Name, it.Dir, ok = parseName(strings.TrimSuffix(fields[2], "\t")); !ok {
		return Item{}, true, false
	}
	if link, hard := strings.CutPrefix(strings.TrimSuffix(parts[2], "\t"), " => "); hard {
		if it.Link, _, ok = parseName(link); !ok {
			return Item{}, true, false
		}
	}
	return it, true, true
}

// isCode admits what rsync(1) has under "--itemize-changes".
func isCode(s string) bool {
	if s == codeDeleting {
		return true
	}
	return len(s) == 11 && strings.IndexByte("<>ch.", s[0]) >= 0 && strings.IndexByte("fdLDS", s[1]) >= 0
}

// parseName decodes a name, and refuses one that is not below the source.
func parseName(s string) (name string, dir, ok bool) {
	name, dir = strings.CutSuffix(unescape(s), "/")
	if name == "." {
		return name, dir, true
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == "" || part == "." || part == ".." {
			return "", false, false
		}
	}
	return name, dir, strings.IndexByte(name, 0) < 0
}

// unescape undoes what rsync does to a name on its output: each byte that is not printable in the C locale, and each
// backslash before "#" and three digits, comes as \#ooo. All else stands for itself, so this is exact.
func unescape(s string) string {
	if !strings.Contains(s, `\#`) {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if strings.HasPrefix(s[i:], `\#`) && len(s)-i >= 5 {
			if n, err := strconv.ParseUint(s[i+2:i+5], 8, 8); err == nil {
				b, i = append(b, byte(n)), i+4
				continue
			}
		}
		b = append(b, s[i])
	}
	return string(b)
}
