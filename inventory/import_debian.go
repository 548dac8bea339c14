package inventory

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// parseDebian reads Mirrors.masterlist: stanzas of "Field: value" between empty lines, a value going on in lines that begin with a
// blank. Of a stanza are read Site (the host), Archive-rsync (module and path there), Country ("FI Finland"), Location ("Corvallis,
// Oregon"), Sponsor, Type, Includes, Restricted-to, Sleep and Archive-architecture.
func parseDebian(file listFile) ([]entry, error) {
	var out []entry
	var s *stanza
	flush := func() {
		if s != nil {
			out = append(out, s.entry())
		}
		s = nil
	}
	for i, line := range bytes.Split(file.data, []byte("\n")) {
		text := strings.TrimRight(latin1(line), " \t\r")
		switch {
		case text == "":
			flush()
			continue
		case text[0] == '#':
			continue
		}
		if s == nil {
			if len(out) >= maxListEntries {
				return nil, errTooMany
			}
			s = &stanza{file: file.name, line: i + 1, fields: map[string]string{}}
		}
		s.add(i+1, text)
	}
	flush()
	switch {
	case len(out) == 0:
		return nil, errEmpty
	case !slices.ContainsFunc(out, func(e entry) bool { return e.name != "" }):
		return nil, &formError{fmt.Errorf("no paragraph has a field Site, expected Mirrors.masterlist with one for each mirror")}
	}
	return out, nil
}

// maxField is where a field of many lines is cut, in bytes: a line may be longer.
const maxField = 4096

// stanza is one site.
type stanza struct {
	file   string
	line   int
	fields map[string]string // by names in small letters; the first where one is repeated
	last   string            // the field that a line with a blank goes on with
	broken string
}

func (s *stanza) add(line int, text string) {
	if text[0] == ' ' || text[0] == '\t' {
		if s.last != "" && len(s.fields[s.last]) < maxField {
			s.fields[s.last] += " " + strings.TrimSpace(text)
		}
		return
	}
	name, value, ok := strings.Cut(text, ":")
	name = strings.ToLower(strings.TrimSpace(name))
	if !ok || name == "" {
		if s.broken == "" {
			s.broken = fmt.Sprintf("found %.60q, expected a field, a colon and a value", text)
			if s.fields["site"] != "" { // otherwise the entry is named by its line
				s.broken = fmt.Sprintf("line %d: %s", line, s.broken)
			}
		}
		return
	}
	if _, again := s.fields[name]; again {
		s.last = "" // two sponsors: the first
		return
	}
	s.fields[name], s.last = strings.TrimSpace(value), name
}

func (s *stanza) entry() entry {
	f := s.fields
	e := entry{file: s.file, line: s.line, name: f["site"], rsync: f["archive-rsync"]}
	e.country, _, _ = strings.Cut(f["country"], " ")
	if len(e.country) != 2 {
		e.country = f["country"]
	}
	e.city, _, _ = strings.Cut(f["location"], ",")
	e.group, _, _ = strings.Cut(f["sponsor"], " http")
	e.partial = f["archive-architecture"] // for markPartial
	kind := strings.ToLower(f["type"])
	switch {
	case s.broken != "":
		e.skip(whyBroken, "%s", s.broken)
	case e.name == "":
		e.skip(whyBroken, "found no Site field")
	case kind == "geodns" || kind == "roundrobindns":
		e.skip(whyManyHosts, "Type: %s: the name leads to now one server, now another", f["type"])
	case f["includes"] != "":
		e.skip(whyManyHosts, "it stands for other sites: %s", f["includes"])
	case f["restricted-to"] != "":
		e.skip(whyRestricted, "restricted to %s", f["restricted-to"])
	case e.truth("Sleep", f["sleep"]):
		e.skip(whyInactive, "Sleep: %s", f["sleep"])
	case e.why != "":
	case e.rsync == "":
		e.skip(whyNoRsync, "no Archive-rsync field")
	case !strings.Contains(e.rsync, ":"): // module and path, below the site
		e.rsync = "rsync://" + e.name + "/" + e.rsync
	}
	return e
}

// markPartial finds the mirrors that carry fewer architectures than is common in the list. Until then, partial holds those.
func markPartial(entries []entry) {
	count := map[string]int{}
	for _, e := range entries {
		if e.why == "" && e.partial != "" {
			count[architectures(e.partial)]++
		}
	}
	most := ""
	for _, set := range slices.Sorted(maps.Keys(count)) {
		if count[set] > count[most] {
			most = set
		}
	}
	for i := range entries {
		e := &entries[i]
		has := strings.Fields(architectures(e.partial))
		e.partial = ""
		for _, arch := range strings.Fields(most) {
			if len(has) > 0 && !slices.Contains(has, arch) {
				e.partial = "it carries the architectures " + strings.Join(has, " ") + ", and most carry " + most
			}
		}
	}
}

// architectures in order, each once.
func architectures(s string) string {
	all := strings.Fields(s)
	slices.Sort(all)
	return strings.Join(slices.Compact(all), " ")
}

// latin1 is text that is UTF-8, or else ISO 8859-1, as lists of that age are.
func latin1(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	var s strings.Builder
	for _, c := range b {
		s.WriteRune(rune(c))
	}
	return s.String()
}
