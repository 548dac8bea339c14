package arch

import (
	"go/ast"
	"maps"
	"path"
	"slices"
	"strings"
)

const (
	maxFileLines = 400
	maxFuncLines = 60
)

// drawers are names that say nothing about what a package does.
var drawers = []string{"util", "utils", "common", "core", "helper", "helpers", "misc"}

func (c *checker) drawer(p *Package) bool {
	for _, n := range []string{p.Name, path.Base(p.Dir)} {
		if slices.Contains(drawers, n) {
			c.report(c.t.at(p.Files[0].Name), "a package named %s is a drawer: name it after its one job", n)
			return true
		}
	}
	return false
}

func (c *checker) doc(p *Package) {
	for _, f := range p.Files {
		if f.Doc == nil {
			continue
		}
		text := f.Doc.Text()
		if p.Name == "main" && text != "" || strings.HasPrefix(text, "Package "+p.Name+" ") {
			return
		}
	}
	want := "Package " + p.Name + " ..., in doc.go"
	if p.Name == "main" {
		want = "what the program is for, above its package clause"
	}
	c.report(c.t.at(p.Files[0].Name), "package %s has no doc: expected %s", p.Dir, want)
}

func (c *checker) lengths(p *Package) {
	for _, f := range p.Files {
		file := c.t.fset.File(f.Package)
		c.long(file.Name(), c.t.at(f.Name), file.LineCount(), maxFileLines)
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			lines := file.Line(fn.End()) - file.Line(fn.Pos()) + 1
			c.long(file.Name()+": "+fn.Name.Name, c.t.at(fn), lines, maxFuncLines)
		}
	}
}

func (c *checker) long(key, where string, lines, limit int) {
	if lines <= limit {
		return
	}
	if c.h.Long[key] != "" {
		c.longUsed = append(c.longUsed, key)
		return
	}
	c.report(where, "%s has %d lines, the limit is %d", key, lines, limit)
}

// unusedExceptions keeps the list of exceptions as short as it can be.
func (c *checker) unusedExceptions() {
	for _, key := range slices.Sorted(maps.Keys(c.h.Long)) {
		if !slices.Contains(c.longUsed, key) {
			c.report("internal/arch/arch_test.go", "the exception for %q is not needed, or gives no reason: take it out", key)
		}
	}
}
