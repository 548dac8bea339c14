package arch

import (
	"go/ast"
	"go/token"
	"go/types"
	"strings"
)

// A package-level variable is accepted when nothing changes it once the program
// runs: it has a value from its declaration on (or from an embed directive or, a
// string in package main, from the linker), it is not made to be filled later
// (make, new, a lock, a pool, an atomic), and no code of its package assigns to
// it or to a part of it, or takes its address.
// Errors, compiled expressions and look-up tables pass. Outside cmd/* no
// variable of another package is assigned either.

func (c *checker) state(p *Package) {
	for _, f := range p.Files {
		for _, d := range f.Decls {
			if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.VAR {
				c.varDecl(p, g)
			}
		}
		ast.Inspect(f, func(n ast.Node) bool {
			c.writes(p, n)
			return true
		})
	}
}

func (c *checker) varDecl(p *Package, g *ast.GenDecl) {
	for _, s := range g.Specs {
		spec := s.(*ast.ValueSpec)
		if len(spec.Values) == 0 {
			if !embedded(g.Doc) && !embedded(spec.Doc) && !fromLinker(p, spec) && spec.Names[0].Name != "_" {
				c.report(c.t.at(spec), "package-level var %s has no value: it is there to be changed", spec.Names[0].Name)
			}
			continue
		}
		for _, v := range spec.Values {
			if what := p.fillable(v); what != "" {
				c.report(c.t.at(spec), "package-level var %s is %s: state belongs in a value that is passed", spec.Names[0].Name, what)
			}
		}
	}
}

func embedded(doc *ast.CommentGroup) bool {
	if doc == nil {
		return false
	}
	for _, l := range doc.List {
		if strings.HasPrefix(l.Text, "//go:embed ") {
			return true
		}
	}
	return false
}

func fromLinker(p *Package, spec *ast.ValueSpec) bool {
	id, ok := spec.Type.(*ast.Ident)
	return p.Name == "main" && ok && id.Name == "string"
}

// fillable says what v is when it is made to be filled or changed later.
func (p *Package) fillable(v ast.Expr) string {
	switch v := ast.Unparen(v).(type) {
	case *ast.CallExpr:
		if id, ok := ast.Unparen(v.Fun).(*ast.Ident); ok && (id.Name == "make" || id.Name == "new") {
			if _, builtin := p.info.Uses[id].(*types.Builtin); builtin {
				return "made empty with " + id.Name
			}
		}
	case *ast.UnaryExpr:
		return p.fillable(v.X)
	case *ast.CompositeLit:
		sel, ok := v.Type.(*ast.SelectorExpr)
		if !ok {
			return ""
		}
		if path := p.importOf(sel.X); path == "sync" || path == "sync/atomic" {
			return "a " + path + "." + sel.Sel.Name
		}
	}
	return ""
}

// writes reports n when it changes a package-level variable.
func (c *checker) writes(p *Package, n ast.Node) {
	switch n := n.(type) {
	case *ast.AssignStmt:
		if n.Tok != token.DEFINE {
			for _, l := range n.Lhs {
				c.written(p, l)
			}
		}
	case *ast.IncDecStmt:
		c.written(p, n.X)
	case *ast.RangeStmt:
		if n.Tok == token.ASSIGN {
			c.written(p, n.Key)
			c.written(p, n.Value)
		}
	case *ast.UnaryExpr:
		if n.Op == token.AND {
			c.written(p, n.X)
		}
	case *ast.CallExpr:
		if id, ok := n.Fun.(*ast.Ident); ok && len(n.Args) > 0 {
			if _, builtin := p.info.Uses[id].(*types.Builtin); builtin && (id.Name == "delete" || id.Name == "clear" || id.Name == "copy") {
				c.written(p, n.Args[0])
			}
		}
	}
}

// written reports x when the variable at its root is one of a package.
func (c *checker) written(p *Package, x ast.Expr) {
	for {
		switch y := x.(type) {
		case *ast.ParenExpr:
			x = y.X
		case *ast.IndexExpr:
			x = y.X
		case *ast.SliceExpr:
			x = y.X
		case *ast.StarExpr:
			x = y.X
		case *ast.SelectorExpr:
			if path := p.importOf(y.X); path != "" {
				if !inCmd(p.Dir) {
					c.report(c.t.at(y), "%s changes %s.%s, a variable of another package", p.Dir, path, y.Sel.Name)
				}
				return
			}
			x = y.X
		case *ast.Ident:
			if v, ok := p.info.Uses[y].(*types.Var); ok && v.Parent() == p.scope {
				c.report(c.t.at(y), "package-level var %s is changed, or its address taken, here", y.Name)
			}
			return
		default:
			return
		}
	}
}
