package inventory

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"tidemark/internal/ident"
	"tidemark/internal/rsyncurl"
	"tidemark/internal/strictyaml"
)

// Load reads files and directories (*.yaml, *.yml), one or many servers each; every problem at once. Sorted by ID.
// Directories are not descended into, names that begin with a dot are passed over, and a file that is named twice is read
// once. With problems, the servers are those that could be understood, good for further checks only.
func Load(paths []string) ([]Server, strictyaml.Problems) {
	read := Read(paths, "relative paths start at the directory of the file that names them")
	return read.Servers, read.problems()
}

// Parse reads the servers of one file from its bytes; file is the name that problems and servers carry.
func Parse(file string, data []byte) ([]Server, strictyaml.Problems) {
	l := newLoader("")
	l.parse(file, data)
	read := l.loaded()
	return read.Servers, read.problems()
}

// Loaded is an inventory as it was read.
type Loaded struct {
	Servers []Server  // sorted by id; with errors, those that could be understood
	Found   []Finding // errors, file by file
	Broken  int       // servers that were declared and are not among Servers
}

// Read is Load for those who tell servers apart from what is wrong with them. absent is what a person does about a path at which
// nothing lies.
func Read(paths []string, absent string) Loaded {
	l := newLoader(absent)
	for _, p := range paths {
		l.path(p)
	}
	return l.loaded()
}

func (r Loaded) problems() (out strictyaml.Problems) {
	for _, f := range r.Found {
		out = append(out, f.InFull())
	}
	return out
}

type loader struct {
	absent  string          // the hint for a path at which nothing lies
	seen    map[string]bool // files
	files   []*source
	found   []Finding // of paths that could not be read
	servers []Server
	broken  int
	ids     map[string]place
	urls    map[treeURL]place // of nodes
}

func newLoader(absent string) *loader {
	return &loader{absent: absent, seen: map[string]bool{}, ids: map[string]place{}, urls: map[treeURL]place{}}
}

func (l *loader) loaded() Loaded {
	for _, f := range l.files {
		l.found = append(l.found, f.found()...)
	}
	sort.Slice(l.servers, func(i, j int) bool { return l.servers[i].ID < l.servers[j].ID })
	return Loaded{Servers: l.servers, Found: l.found, Broken: l.broken}
}

// source is one file as it was read.
type source struct {
	doc *strictyaml.Document
	ids map[string]string // the path of a server in the file, "[3]" or "" where it is the only one, to its id
}

// place is where a server was declared.
type place struct {
	id, file string
	line     int
}

func (p place) String() string { return fmt.Sprintf("%s:%d", p.file, p.line) }

type treeURL struct {
	tree string
	url  rsyncurl.URL
}

func (l *loader) path(p string) {
	info, err := os.Stat(p)
	if err != nil {
		l.unreadable(p, err)
		return
	}
	if !info.IsDir() {
		l.file(p)
		return
	}
	entries, err := os.ReadDir(p) // sorted by name
	if err != nil {
		l.unreadable(p, err)
		return
	}
	for _, e := range entries {
		if ext := filepath.Ext(e.Name()); (ext == ".yaml" || ext == ".yml") && !strings.HasPrefix(e.Name(), ".") {
			l.file(filepath.Join(p, e.Name()))
		}
	}
}

func (l *loader) file(name string) {
	if l.seen[filepath.Clean(name)] {
		return
	}
	l.seen[filepath.Clean(name)] = true
	data, err := strictyaml.ReadFile(name)
	if err != nil {
		l.unreadable(name, err)
		return
	}
	l.parse(name, data)
}

func (l *loader) unreadable(path string, err error) {
	hint := ""
	switch {
	case errors.Is(err, fs.ErrNotExist):
		hint = l.absent
	case errors.Is(err, fs.ErrPermission):
		hint = "let the user that runs tidemark read it"
	}
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	l.found = append(l.found, Finding{Error: true, Problem: strictyaml.Problem{File: path, Text: fmt.Sprintf("cannot be read: %v", err), Hint: hint}})
}

func (l *loader) parse(name string, data []byte) {
	f := &source{doc: strictyaml.Read(name, data), ids: map[string]string{}}
	l.files = append(l.files, f)
	var list strictyaml.OneOrMany[declared]
	f.doc.Decode(&list)
	for _, d := range list {
		l.broken++
		if d.Pos.Line == 0 { // no server at all, and reported as such
			continue
		}
		if ident.Check(d.ID) == nil {
			f.ids[d.Pos.Field] = d.ID
		}
		s, ok := d.server(f.doc)
		s.File = name
		if l.unique(f.doc, d, s) && ok {
			l.servers = append(l.servers, s)
			l.broken--
		}
	}
}

// unique refuses an id that was declared before, and a node whose URL another node has.
func (l *loader) unique(doc *strictyaml.Document, d declared, s Server) bool {
	if s.ID == "" {
		return false
	}
	here := place{s.ID, s.File, s.Line}
	if first, ok := l.ids[s.ID]; ok {
		doc.Refuse(d.Pos.At("id"), "remove one of the two", "the id %s is taken, it was first declared at %v", s.ID, first)
		return false
	}
	l.ids[s.ID] = here
	if s.Kind != KindNode {
		return true
	}
	ok := true
	for _, tree := range sortedKeys(s.Trees) {
		key := treeURL{tree, s.Trees[tree]}
		if first, taken := l.urls[key]; taken {
			doc.Refuse(d.Pos.At("trees", tree), "a server is one node, with one id",
				"%v is already a node, %s, declared at %v", s.Trees[tree], first.id, first)
			ok = false
			continue
		}
		l.urls[key] = here
	}
	return ok
}

// found is what is wrong with the file, with ids in place of positions: "ftp.funet.fi: country" says more than "[3].country".
func (f *source) found() (out []Finding) {
	for _, p := range f.doc.Problems() {
		at, key := "", p.Field
		if end := strings.IndexByte(p.Field, ']') + 1; end > 0 && p.Field[0] == '[' {
			at, key = p.Field[:end], strings.TrimPrefix(p.Field[end:], ".")
		}
		one := Finding{Error: true, ID: f.ids[at], Problem: p}
		if one.Who = one.ID; one.Who == "" && at != "" {
			one.Who = "entry " + ordinal(at)
		}
		one.Field = key
		out = append(out, one)
	}
	return out
}

// ordinal is the number that people give to the place "[3]": 4.
func ordinal(at string) string {
	n, err := strconv.Atoi(strings.Trim(at, "[]"))
	if err != nil {
		return at
	}
	return strconv.Itoa(n + 1)
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
