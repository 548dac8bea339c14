package arch

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Tree is the non-test Go code of one module.
type Tree struct {
	Module   string              // its path, e.g. "tidemark"
	Packages map[string]*Package // by directory, "/"-separated: "cmd/tidemark"; the root is "."

	fset *token.FileSet
}

// Package is what the rules look at in one package.
type Package struct {
	Dir   string
	Name  string
	Files []*ast.File // sorted by file name

	info  *types.Info
	scope *types.Scope
}

var moduleLine = regexp.MustCompile(`(?m)^module\s+(\S+)`)

// Load reads the module whose root is fsys. Test files, testdata, hidden
// directories and nested modules are left out, as the go command leaves them
// out; build constraints are not looked at: code for every system is judged.
func Load(fsys fs.FS) (*Tree, error) {
	mod, err := fs.ReadFile(fsys, "go.mod")
	if err != nil {
		return nil, fmt.Errorf("read the module's root: %w", err)
	}
	m := moduleLine.FindSubmatch(mod)
	if m == nil {
		return nil, errors.New("go.mod: no module line")
	}
	t := &Tree{Module: string(m[1]), Packages: map[string]*Package{}, fset: token.NewFileSet()}
	err = fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			return enter(fsys, name)
		case strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go"):
			return t.add(fsys, name)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the module's files: %w", err)
	}
	for _, p := range t.Packages {
		t.resolve(p)
	}
	return t, nil
}

// enter returns fs.SkipDir for a directory that holds no package of the module.
func enter(fsys fs.FS, dir string) error {
	if dir == "." {
		return nil
	}
	base := path.Base(dir)
	if base == "testdata" || base == "vendor" || base[0] == '.' || base[0] == '_' {
		return fs.SkipDir
	}
	if _, err := fs.Stat(fsys, path.Join(dir, "go.mod")); err == nil {
		return fs.SkipDir
	}
	return nil
}

func (t *Tree) add(fsys fs.FS, name string) error {
	src, err := fs.ReadFile(fsys, name)
	if err != nil {
		return err
	}
	f, err := parser.ParseFile(t.fset, name, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	dir := path.Dir(name)
	p := t.Packages[dir]
	if p == nil {
		p = &Package{Dir: dir, Name: f.Name.Name}
		t.Packages[dir] = p
	}
	p.Files = append(p.Files, f)
	return nil
}

// resolve finds what each name of p denotes: a local variable, one of the
// package, an imported package. Imported packages are hollow, so most types stay
// unknown; the type checker's complaints about that are of no interest.
func (t *Tree) resolve(p *Package) {
	p.info = &types.Info{Uses: map[*ast.Ident]types.Object{}}
	conf := types.Config{Importer: hollow{}, Error: func(error) {}}
	pkg, _ := conf.Check(t.path(p.Dir), t.fset, p.Files, p.info)
	p.scope = pkg.Scope()
}

type hollow struct{}

var majorVersion = regexp.MustCompile(`^v[0-9]+$`)

func (hollow) Import(p string) (*types.Package, error) {
	if p == "unsafe" {
		return types.Unsafe, nil
	}
	name := path.Base(p)
	if majorVersion.MatchString(name) {
		name = path.Base(path.Dir(p))
	}
	pkg := types.NewPackage(p, name)
	pkg.MarkComplete()
	return pkg, nil
}

func (t *Tree) path(dir string) string {
	if dir == "." {
		return t.Module
	}
	return t.Module + "/" + dir
}

// dir returns the directory of an import path of the module itself.
func (t *Tree) dir(importPath string) (string, bool) {
	if importPath == t.Module {
		return ".", true
	}
	return strings.CutPrefix(importPath, t.Module+"/")
}

func (t *Tree) at(n ast.Node) string {
	p := t.fset.Position(n.Pos())
	return fmt.Sprintf("%s:%d", p.Filename, p.Line)
}

// dirs returns the packages' directories, sorted.
func (t *Tree) dirs() []string {
	var ds []string
	for d := range t.Packages {
		ds = append(ds, d)
	}
	slices.Sort(ds)
	return ds
}

func importPath(s *ast.ImportSpec) string {
	p, _ := strconv.Unquote(s.Path.Value) // the parser has checked it
	return p
}
