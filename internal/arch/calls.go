package arch

import (
	"go/ast"
	"go/types"
	"slices"
)

// reservedCalls names, by import path, the functions that belong to cmd/*.
var reservedCalls = map[string][]string{
	"time": {"Now", "Since", "Until"},
	"os":   {"Exit"},
	"log":  {"Fatal", "Fatalf", "Fatalln"},
}

// calls refuses the reserved functions outside cmd/*, called or handed on as a
// value, under whatever name their package was imported.
func (c *checker) calls(p *Package) {
	if inCmd(p.Dir) {
		return
	}
	for _, f := range p.Files {
		ast.Inspect(f, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			path := p.importOf(sel.X)
			if slices.Contains(reservedCalls[path], sel.Sel.Name) {
				c.report(c.t.at(sel), "%s uses %s.%s: only cmd/* does; take it as an argument, or return an error", p.Dir, path, sel.Sel.Name)
			}
			return true
		})
		for _, spec := range f.Imports {
			if path := importPath(spec); spec.Name != nil && spec.Name.Name == "." && reservedCalls[path] != nil {
				c.report(c.t.at(spec), "%s imports %s into its own names: reserved functions could not be told apart", p.Dir, path)
			}
		}
	}
}

// importOf returns the import path that x names, or "" when x is something else.
func (p *Package) importOf(x ast.Expr) string {
	id, ok := x.(*ast.Ident)
	if !ok {
		return ""
	}
	if pkg, ok := p.info.Uses[id].(*types.PkgName); ok {
		return pkg.Imported().Path()
	}
	return ""
}
