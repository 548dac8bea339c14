package inventory

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"tidemark/internal/geo"
	"tidemark/internal/ident"
	"tidemark/internal/rsyncurl"
)

// Format is a list of mirrors as another project keeps it.
type Format string

// The formats.
const (
	AlmaLinux Format = "almalinux" // mirrors.d: a directory of YAML files, one mirror each
	Debian    Format = "debian"    // Mirrors.masterlist: stanzas of fields
	CentOS    Format = "centos"    // the CSV of the full mirror list
	Arch      Format = "arch"      // the JSON of the mirror status
	CSV       Format = "csv"       // a header line with id, country, city, rsync, ...
)

// Formats lists them.
func Formats() []Format { return []Format{AlmaLinux, Debian, CentOS, Arch, CSV} }

// What a note is about.
const (
	NoteSkipped = "skipped" // no server was made of the entry
	NoteMended  = "mended"  // something in it was corrected, or left out
	NoteKept    = "kept"    // taken as it is, and good to know
)

// Note is what became of one entry of a foreign list. Its texts hold what the list holds, made printable.
type Note struct {
	Kind  string `json:"kind"`  // NoteSkipped, NoteMended or NoteKept
	Entry string `json:"entry"` // as the list names it
	File  string `json:"file"`
	Line  int    `json:"line,omitempty"`
	ID    string `json:"id,omitempty"`  // of the server made of it, "": skipped
	Why   string `json:"why,omitempty"` // of a skipped one, in words that are the same for all such entries: "no rsync URL"
	Text  string `json:"text"`          // why it was skipped, or what was mended
}

// Imported is a foreign list in our terms.
type Imported struct {
	Entries int      // that the list has: so many servers and notes of NoteSkipped
	Servers []Server // sorted by id
	Notes   []Note   // in the list's order: every entry that was skipped, everything that was mended
	Unread  []string // columns of a table that were passed over
}

// Count returns how many notes are of that kind.
func (im *Imported) Count(kind string) (n int) {
	for _, note := range im.Notes {
		if note.Kind == kind {
			n++
		}
	}
	return n
}

// ImportOptions of Import.
type ImportOptions struct {
	Tree string   // the tree that the list's rsync URLs lead to
	Path string   // "": the URLs are the tree's; otherwise appended, e.g. "centos/"
	Now  []Server // as they are declared: of several entries with one id, the one whose URL that server has is taken
}

// Limits of a foreign list.
const (
	maxListSize    = 32 << 20 // bytes of a file
	maxListEntries = 20_000   // as many as a manifest has sources
)

var errTooMany = fmt.Errorf("more than %d entries", maxListEntries)

// Import reads a foreign list at path, a file or a directory. The error is of the list as a whole; what is wrong with one entry is
// a note.
func Import(f Format, path string, o ImportOptions) (*Imported, error) {
	files, err := listFiles(f, path)
	if err != nil {
		return nil, fmt.Errorf("import %s: %w", f, err)
	}
	return importFiles(f, files, o)
}

// importFiles reads the files of one list.
func importFiles(f Format, files []listFile, o ImportOptions) (*Imported, error) {
	im, err := newImporter(o)
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		entries, err := parseList(f, file)
		if err == nil && len(im.entries)+len(entries) > maxListEntries {
			err = errTooMany
		}
		if err != nil {
			return nil, fmt.Errorf("import %s: %s: %w", f, Printable(file.name), err)
		}
		im.entries = append(im.entries, entries...)
		im.out.Unread = append(im.out.Unread, unread(f, file)...)
	}
	if f == Debian {
		markPartial(im.entries)
	}
	return im.all(), nil
}

func parseList(f Format, file listFile) ([]entry, error) {
	switch f {
	case AlmaLinux:
		e := parseAlmaLinux(file)
		if e.why == whyBroken && file.alone {
			return nil, &formError{errors.New(e.text)}
		}
		return []entry{e}, nil
	case Debian:
		return parseDebian(file)
	case CentOS:
		return parseCentOS(file)
	case Arch:
		return parseArch(file)
	case CSV:
		return parseCSV(file)
	}
	return nil, fmt.Errorf("format %q, expected one of %v", string(f), Formats())
}

// entry is one mirror of a foreign list, as it stands there.
type entry struct {
	file    string
	line    int
	name    string // as the list names it; the id is made of it
	country string
	region  string // where country may be something smaller, as a state
	city    string
	asns    []string // the first is taken
	group   string
	rsync   string // URL, or host::module
	private bool
	partial string // why it is partial, "": it is not

	why, text string   // it is skipped, for a reason that the format knows
	mended    []string // what the format's reader has mended
}

// skip marks e as of no use.
func (e *entry) skip(why, format string, args ...any) {
	if e.why == "" {
		e.why, e.text = why, fmt.Sprintf(format, args...)
	}
}

// importer makes servers of entries.
type importer struct {
	o         ImportOptions
	entries   []entry
	ids       map[string]int    // to the entry that has it
	private   map[string]bool   // ids
	hosts     map[string]string // to the id of the server that is there
	countries func() geo.Names  // made when first asked for
	out       Imported
}

func newImporter(o ImportOptions) (*importer, error) {
	if err := ident.Check(o.Tree); err != nil {
		return nil, fmt.Errorf("import: the tree's %w", err)
	}
	o.Path = strings.Trim(o.Path, "/")
	if o.Path != "" {
		o.Path += "/"
		if _, err := rsyncurl.Parse("rsync://example.org/m/" + o.Path); err != nil {
			return nil, fmt.Errorf("import: the path below the list's URLs: %w", err)
		}
	}
	return &importer{o: o, ids: map[string]int{}, private: map[string]bool{}, hosts: map[string]string{}, countries: sync.OnceValue(geo.CountryNames)}, nil
}

func (im *importer) all() *Imported {
	im.out.Entries = len(im.entries)
	im.choose()
	for i, e := range im.entries {
		im.take(i, e)
	}
	slices.SortFunc(im.out.Servers, func(a, b Server) int { return cmp.Compare(a.ID, b.ID) })
	return &im.out
}

// choose gives each id to one entry, whatever the order of the list: the one whose URL the server of that id has now, else the one
// with the first URL by letters. An id must not lead to another server tomorrow. It is private when any of its entries is.
func (im *importer) choose() {
	now, has := map[string]string{}, map[string]string{}
	for _, s := range im.o.Now {
		now[s.ID] = s.Trees[im.o.Tree].String()
	}
	for i, e := range im.entries {
		m := mender{entry: &e}
		u, id := m.url(im.o.Path).String(), ""
		if e.why == "" {
			id = m.id()
		}
		if e.why != "" {
			continue
		}
		im.private[id] = im.private[id] || e.private
		was, taken := has[id]
		if !taken || was != now[id] && (u == now[id] || u < was) {
			im.ids[id], has[id] = i, u
		}
	}
}

// take makes a server of e, the entry of that place, or a note why not.
func (im *importer) take(at int, e entry) {
	s := Server{Kind: KindMirror, Slots: defaultMirrorSlots, File: e.file, Line: e.line, Trees: map[string]rsyncurl.URL{}}
	m := mender{entry: &e, mended: e.mended}
	if e.why == "" {
		s.Trees[im.o.Tree] = m.url(im.o.Path)
	}
	if e.why == "" {
		s.ID = m.id()
	}
	if first := im.ids[s.ID]; first != at && e.why == "" {
		other := im.entries[first]
		e.skip(whyDuplicate, "the id %s is taken by %s, at %s", s.ID, strings.TrimSpace(other.rsync), other.place())
	}
	if e.why != "" {
		m.mended = nil
		m.country(im.countries) // the list's keeper may want to know all the same
		im.note(e, NoteSkipped, "", strings.Join(append([]string{e.text}, m.mended...), "; "))
		return
	}
	s.Private = im.private[s.ID]
	s.Country = m.country(im.countries)
	s.City = m.words("city", e.city)
	s.Group = m.words("group", e.group)
	s.ASN = m.asn()
	s.Partial = e.partial != ""
	if len(m.mended) > 0 {
		im.note(e, NoteMended, s.ID, strings.Join(m.mended, "; "))
	}
	im.remark(e, s)
	im.out.Servers = append(im.out.Servers, s)
}

// remark says what is good to know of a server that is taken as it is.
func (im *importer) remark(e entry, s Server) {
	var about []string
	if s.Private {
		about = append(about, "private: it is checked, and never offered or shown")
	}
	if s.Partial {
		about = append(about, "partial: "+e.partial)
	}
	if what, ok := PrivateHost(s.Trees[im.o.Tree]); ok {
		about = append(about, fmt.Sprintf("%s is a %s address, which is not probed without probe.allow_private", s.Trees[im.o.Tree].Host(), what))
	}
	host := s.Trees[im.o.Tree].Host()
	if other, ok := im.hosts[host]; ok {
		about = append(about, fmt.Sprintf("its host %s is also that of %s", host, other))
	} else {
		im.hosts[host] = s.ID
	}
	if len(about) > 0 {
		im.note(e, NoteKept, s.ID, strings.Join(about, "; "))
	}
}

func (im *importer) note(e entry, kind, id, text string) {
	if strings.TrimSpace(e.name) == "" {
		e.name = fmt.Sprintf("line %d", e.line)
	}
	n := Note{Kind: kind, Entry: Printable(e.name), File: e.file, Line: e.line, ID: id, Text: Printable(text)}
	if kind == NoteSkipped {
		n.Why = e.why
	}
	im.out.Notes = append(im.out.Notes, n)
}

func (e entry) place() string {
	if e.line == 0 {
		return e.file
	}
	return fmt.Sprintf("%s:%d", e.file, e.line)
}

var errEmpty = errors.New("the list is empty")
