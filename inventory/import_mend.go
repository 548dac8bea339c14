package inventory

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"tidemark/internal/geo"
	"tidemark/internal/ident"
	"tidemark/internal/rsyncurl"
)

// Reasons for which entries are skipped, the same for all of a kind: they are counted.
const (
	whyNoRsync    = "no rsync URL"
	whyRefused    = "refused URL"
	whyBroken     = "broken entry"
	whyNoName     = "no usable id"
	whyInactive   = "not active"
	whyUnclear    = "neither yes nor no"
	whyManyHosts  = "a name for many servers"
	whyRestricted = "restricted"
	whyDuplicate  = "duplicate id"
)

// mender corrects what is plainly meant, and says so; what it cannot correct it skips or leaves out.
type mender struct {
	*entry
	mended []string
}

func (m *mender) mend(format string, args ...any) {
	m.mended = append(m.mended, fmt.Sprintf(format, args...))
}

// id is the entry's name in small letters.
func (m *mender) id() string {
	id := strings.TrimSuffix(strings.ToLower(strings.TrimSpace(m.name)), ".")
	if err := ident.Check(id); err != nil {
		m.skip(whyNoName, "%v", err)
		return ""
	}
	if id != m.name {
		m.mend("id %q -> %s", m.name, id)
	}
	return id
}

// url reads what the list has for an rsync URL, with path appended.
func (m *mender) url(path string) rsyncurl.URL {
	s := strings.TrimFunc(m.rsync, blank)
	if s == "" {
		m.skip(whyNoRsync, "no rsync URL")
		return rsyncurl.URL{}
	}
	if len(s) > rsyncurl.MaxLength {
		m.skip(whyRefused, "an rsync URL of %d bytes, expected at most %d", len(s), rsyncurl.MaxLength)
		return rsyncurl.URL{}
	}
	mended := straight(s)
	if path != "" {
		mended = strings.TrimSuffix(mended, "/") + "/" + path
	}
	u, err := rsyncurl.ParseAny(mended)
	if hint := urlHint(s); err != nil && hint != "" {
		m.skip(whyRefused, "%v (%s)", err, hint)
		return rsyncurl.URL{}
	} else if err != nil {
		m.skip(whyRefused, "%v", err)
		return rsyncurl.URL{}
	}
	if u.Path() != "" && !strings.HasSuffix(u.Path(), "/") {
		if u, err = rsyncurl.ParseAny(mended + "/"); err != nil {
			m.skip(whyRefused, "%v", err)
			return rsyncurl.URL{}
		}
	}
	// A module alone is the same URL with and without a slash; path is ours.
	if was := strings.TrimSuffix(m.rsync, "/"); path == "" && m.rsync != u.String() && (u.Path() != "" || was != strings.TrimSuffix(u.String(), "/")) {
		m.mend("rsync %q -> %v", m.rsync, u)
	} else if path != "" && mended != strings.TrimSuffix(m.rsync, "/")+"/"+path {
		m.mend("rsync %q -> %v", m.rsync, u)
	}
	return u
}

// straight puts an rsync URL into its usual form: small letters, one slash at a time, rsync:// for host::module, no final dot of
// the host. What it does not know it leaves alone.
func straight(s string) string {
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok {
		host, module, daemon := strings.Cut(s, "::")
		if !daemon || strings.ContainsAny(host, "/@") {
			return s
		}
		scheme, rest = "rsync", host+"/"+module
	}
	scheme = strings.ToLower(scheme)
	if scheme != "rsync" && scheme != "rsync+tls" {
		return s
	}
	rest = strings.TrimLeft(rest, "/")
	host, path, _ := strings.Cut(rest, "/")
	if name, module, daemon := strings.Cut(host, "::"); daemon && !strings.HasPrefix(host, "[") {
		host, path = name, module+"/"+path
	}
	name, port, hasPort := strings.Cut(host, ":")
	if !strings.HasPrefix(host, "[") {
		host = strings.ToLower(strings.TrimSuffix(name, "."))
		if hasPort && port != "" {
			host += ":" + port
		}
	}
	for strings.Contains(path, "//") {
		path = strings.ReplaceAll(path, "//", "/")
	}
	return scheme + "://" + host + "/" + strings.TrimPrefix(path, "/")
}

// country reads a code or a name.
func (m *mender) country(names func() geo.Names) string {
	for _, s := range []string{m.entry.country, m.region} {
		s = strings.TrimFunc(s, blank)
		if s == "" {
			continue
		}
		if geo.ValidCountry(s) {
			return s
		}
		if code := names().Code(s); code != "" {
			m.mend("country %q -> %s", s, code)
			return code
		}
	}
	if s := strings.TrimFunc(m.entry.country, blank); s != "" {
		m.mend("country %q is none, it was left out", s)
	}
	return ""
}

// words are free text for people: one line, at most 100 printable characters.
func (m *mender) words(what, s string) string {
	clean := strings.Join(strings.Fields(Printable(s)), " ")
	if utf8.RuneCountInString(clean) > 100 {
		clean = strings.TrimSpace(string([]rune(clean)[:100]))
	}
	if strings.TrimSpace(s) != clean {
		m.mend("%s %q -> %q", what, s, clean)
	}
	return clean
}

func (m *mender) asn() int64 {
	for _, s := range m.asns {
		digits := strings.TrimPrefix(strings.ToUpper(strings.TrimFunc(s, blank)), "AS")
		n, err := strconv.ParseInt(digits, 10, 64)
		switch {
		case digits == "":
			continue
		case err != nil || n < 1 || n > 1<<32-1:
			m.mend("asn %q is none, it was left out", s)
			continue
		case len(m.asns) > 1:
			m.mend("asn: %d was taken, of the %d that are listed", n, len(m.asns))
		case digits != s:
			m.mend("asn %q -> %d", s, n)
		}
		return n
	}
	return 0
}

// blank are the characters that stand around what was copied from somewhere.
func blank(r rune) bool { return unicode.IsSpace(r) || r == 0xFEFF || r == 0x200B }

// Printable is foreign text as it may be shown to people and written into files: without controls, invisible characters and bytes
// that are no UTF-8, at most 300 characters.
func Printable(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case r == utf8.RuneError || !unicode.IsPrint(r):
			return '?'
		}
		return r
	}, s)
	if utf8.RuneCountInString(s) > 300 {
		s = string([]rune(s)[:299]) + "…"
	}
	return s
}
