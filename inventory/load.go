package inventory

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"tidemark/internal/ident"
	"tidemark/internal/rsyncurl"
	"tidemark/internal/strictyaml"
)

// Load reads files and directories (*.yaml, *.yml), one or many servers each; every problem at once. Sorted by ID.
// Directories are not descended into, names that begin with a dot are passed over, and a file that is named twice is read
// once. With problems, the servers are those that could be understood, good for further checks only.
func Load(paths []string) ([]Server, strictyaml.Problems) {
	l := loader{seen: map[string]bool{}, ids: map[string]place{}, urls: map[treeURL]place{}}
	for _, p := range paths {
		l.path(p)
	}
	problems := l.problems
	for _, f := range l.files {
		problems = append(problems, f.problems()...)
	}
	sort.Slice(l.servers, func(i, j int) bool { return l.servers[i].ID < l.servers[j].ID })
	return l.servers, problems
}

// Parse reads the servers of one file from its bytes; file is the name that problems and servers carry.
func Parse(file string, data []byte) ([]Server, strictyaml.Problems) {
	l := loader{seen: map[string]bool{}, ids: map[string]place{}, urls: map[treeURL]place{}}
	l.parse(file, data)
	sort.Slice(l.servers, func(i, j int) bool { return l.servers[i].ID < l.servers[j].ID })
	return l.servers, l.files[0].problems()
}

type loader struct {
	seen     map[string]bool // files
	files    []*source
	problems strictyaml.Problems // of paths that could not be read
	servers  []Server
	ids      map[string]place
	urls     map[treeURL]place // of nodes
}

// source is one file as it was read.
type source struct {
	doc *strictyaml.Document
	ids map[string]string // the path of a server in the file, "[3]", to its id
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
		hint = "relative paths start at the directory of the file that names them"
	case errors.Is(err, fs.ErrPermission):
		hint = "let the user that runs tidemark read it"
	}
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	l.problems = append(l.problems, strictyaml.Problem{File: path, Text: fmt.Sprintf("cannot be read: %v", err), Hint: hint})
}

func (l *loader) parse(name string, data []byte) {
	f := &source{doc: strictyaml.Read(name, data), ids: map[string]string{}}
	l.files = append(l.files, f)
	var list strictyaml.OneOrMany[declared]
	f.doc.Decode(&list)
	for _, d := range list {
		if d.Pos.Line == 0 { // no server at all, and reported as such
			continue
		}
		if d.Pos.Field != "" && ident.Check(d.ID) == nil {
			f.ids[d.Pos.Field] = d.ID
		}
		s, ok := d.server(f.doc)
		s.File = name
		if l.unique(f.doc, d, s) && ok {
			l.servers = append(l.servers, s)
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

// problems of the file, with ids in place of positions: "ftp.funet.fi.country" says more than "[3].country".
func (f *source) problems() strictyaml.Problems {
	out := f.doc.Problems()
	for i, p := range out {
		end := strings.IndexByte(p.Field, ']') + 1
		if id, ok := f.ids[p.Field[:end]]; ok && end > 0 {
			out[i].Field = id + p.Field[end:]
		}
	}
	return out
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
