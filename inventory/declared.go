package inventory

import (
	"encoding/base64"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"tidemark/internal/geo"
	"tidemark/internal/ident"
	"tidemark/internal/rsyncurl"
	"tidemark/internal/strictyaml"
)

// declared is a server as the file has it.
type declared struct {
	strictyaml.Pos `yaml:"-"`
	ID             string            `yaml:"id,required" want:"the server's id, e.g. ftp.example.org"`
	Kind           *string           `yaml:"kind" want:"node or mirror"`
	Country        *string           `yaml:"country" want:"two capital letters of ISO 3166-1, e.g. FI"`
	City           string            `yaml:"city"`
	ASN            *int64            `yaml:"asn" want:"the number of an autonomous system, e.g. 1741"`
	Slots          *int              `yaml:"slots" want:"a whole number from 0 to 8"`
	MaxConnections *int              `yaml:"max_connections" want:"how many connections it serves at a time, as its rsyncd.conf has it"`
	Trees          map[string]string `yaml:"trees,required" want:"the trees it carries, each with its rsync:// URL" each:"an rsync:// URL"`
	Key            *string           `yaml:"key" want:"a minisign public key, RW..."`
	Maintenance    bool              `yaml:"maintenance"`
	Private        bool              `yaml:"private"`
	Partial        *bool             `yaml:"partial"`
	Exclude        []string          `yaml:"exclude" want:"a list of rsync patterns, e.g. [\"*/isos/\"]" each:"an rsync pattern"`
	Group          string            `yaml:"group"`
}

// checker collects what is wrong with one server.
type checker struct {
	doc *strictyaml.Document
	pos strictyaml.Pos
	ok  bool
}

func (c *checker) refuse(key, hint, format string, args ...any) {
	c.ok = false
	c.doc.Refuse(c.pos.At(key), hint, format, args...)
}

func (c *checker) refuseTree(name, hint string, err error) {
	c.ok = false
	c.doc.Refuse(c.pos.At("trees", name), hint, "%v", err)
}

// server checks what was declared; false when something is wrong.
func (d declared) server(doc *strictyaml.Document) (Server, bool) {
	c := &checker{doc, d.Pos, true}
	s := Server{
		ID: d.ID, Kind: KindMirror, City: d.City, Trees: map[string]rsyncurl.URL{},
		Maintenance: d.Maintenance, Private: d.Private, Partial: d.Partial != nil && *d.Partial, Group: d.Group, Line: d.Pos.Line,
	}
	if err := ident.Check(d.ID); err != nil {
		c.refuse("id", lowerHint(d.ID), "%v", err)
		s.ID = ""
	}
	c.kind(d, &s)
	c.exclude(d, &s)
	c.country(d, &s)
	c.numbers(d, &s)
	c.trees(d, &s)
	c.freeText("city", d.City)
	c.freeText("group", d.Group)
	if d.Key != nil {
		if err := checkKey(*d.Key); err != nil {
			c.refuse("key", "the second line of the mirror's .pub file", "%v", err)
		}
		s.Key = *d.Key
	}
	return s, c.ok
}

func (c *checker) kind(d declared, s *Server) {
	if d.Kind != nil {
		s.Kind = *d.Kind
	}
	switch {
	case s.Kind != KindNode && s.Kind != KindMirror:
		hint := ""
		if near := strictyaml.Nearest(s.Kind, []string{KindNode, KindMirror}); near != "" {
			hint = "did you mean " + near + "?"
		}
		c.refuse("kind", hint, "found %.60q, expected node or mirror", s.Kind)
	case s.Kind == KindNode && s.Partial:
		c.refuse("partial", "declare it as a mirror, or leave the trees out that it does not carry in full",
			"a node cannot be partial: it counts for the quorum")
	}
}

func (c *checker) country(d declared, s *Server) {
	if d.Country == nil {
		return
	}
	s.Country = *d.Country
	if geo.ValidCountry(s.Country) {
		return
	}
	c.refuse("country", CountryHint(s.Country), "found %.60q, expected two capital letters of ISO 3166-1, e.g. FI", s.Country)
}

// CountryHint names the country code that was probably meant: GB for UK, FI for fi.
func CountryHint(found string) string {
	up := strings.ToUpper(found)
	switch up {
	case "UK":
		up = "GB"
	case "EL":
		up = "GR"
	}
	if geo.ValidCountry(up) {
		return "did you mean " + up + "?"
	}
	return "leave it out when it is not known"
}

func (c *checker) numbers(d declared, s *Server) {
	switch {
	case d.Slots != nil:
		s.Slots = *d.Slots
	case s.Kind == KindNode:
		s.Slots = defaultNodeSlots
	default:
		s.Slots = defaultMirrorSlots
	}
	if s.Slots < 0 || s.Slots > MaxSlots {
		c.refuse("slots", "0 shows the server and never offers it", "found %d, expected 0 to %d", s.Slots, MaxSlots)
	}
	c.connections(d, s)
	if d.ASN == nil {
		return
	}
	s.ASN = *d.ASN
	if s.ASN < 1 || s.ASN > 1<<32-1 {
		c.refuse("asn", "leave it out when it is not known", "found %d, expected 1 to 4294967295", s.ASN)
	}
}

// connections are the server's own limit: no more mirrors are sent to it than it lets in.
func (c *checker) connections(d declared, s *Server) {
	if d.MaxConnections == nil {
		return
	}
	s.MaxConnections = *d.MaxConnections
	switch {
	case s.MaxConnections < 1 || s.MaxConnections > mostConnections:
		c.refuse("max_connections", "leave it out when it is not known", "found %d, expected 1 to %d", s.MaxConnections, mostConnections)
	case d.Slots == nil:
		s.Slots = min(s.Slots, s.MaxConnections)
	case s.Slots > s.MaxConnections && s.Slots <= MaxSlots:
		c.refuse("slots", fmt.Sprintf("write slots: %d, or leave it out", min(s.MaxConnections, MaxSlots)),
			"found %d, but the server takes max_connections: %d", s.Slots, s.MaxConnections)
	}
}

// exclude is what the server leaves out of every tree; it makes it partial.
func (c *checker) exclude(d declared, s *Server) {
	s.Exclude = d.Exclude
	switch {
	case d.Exclude == nil:
		return
	case len(d.Exclude) == 0 || len(d.Exclude) > maxPatterns:
		c.refuse("exclude", "leave it out when the server carries everything", "found %d patterns, expected 1 to %d", len(d.Exclude), maxPatterns)
		return
	case s.Kind == KindNode:
		c.refuse("exclude", "declare it as a mirror, or leave the trees out that it does not carry in full",
			"a node cannot leave files out: it counts for the quorum")
	case d.Partial != nil && !*d.Partial:
		c.refuse("partial", "remove one of the two", "found false, but a server with exclude is partial")
	}
	s.Partial = true
	for i, p := range d.Exclude {
		if err := CheckPattern(p); err != nil {
			c.ok = false
			c.doc.Refuse(strictyaml.Item(c.pos.At("exclude"), i), "", "%v", err)
		}
	}
}

func (c *checker) trees(d declared, s *Server) {
	if len(d.Trees) == 0 {
		c.refuse("trees", "e.g. trees: {centos: rsync://ftp.example.org/centos/}", "found no tree, expected at least one")
	}
	for _, name := range sortedKeys(d.Trees) {
		if err := ident.Check(name); err != nil {
			c.refuseTree(name, lowerHint(name), err)
			continue
		}
		u, err := rsyncurl.ParseAny(d.Trees[name])
		if err != nil {
			c.refuseTree(name, urlHint(d.Trees[name]), err)
			continue
		}
		s.Trees[name] = u
	}
}

func (c *checker) freeText(key, s string) {
	if utf8.RuneCountInString(s) > 100 || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		c.refuse(key, "", "found %.120q, expected at most 100 printable characters", s)
	}
}

// lowerHint is for the commonest wrong name, one with capitals.
func lowerHint(s string) string {
	if low := strings.ToLower(s); low != s && ident.Check(low) == nil {
		return "did you mean " + low + "?"
	}
	return ""
}

// checkKey wants minisign's public key: base64 of "Ed", a key id of 8 bytes and an Ed25519 key of 32.
func checkKey(s string) error {
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil || len(b) != 42 || string(b[:2]) != "Ed" || strings.ContainsAny(s, "\r\n") {
		return fmt.Errorf("found %.60q, expected a minisign public key: 56 characters that begin with RW", s)
	}
	return nil
}
