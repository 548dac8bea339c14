package arch

import (
	"fmt"
	"go/ast"
	"slices"
	"strings"
)

// Free is the floor of a package that may import any other.
const Free = -100

// House is the table that a tree is checked against. Paths are directories of
// the module.
type House struct {
	Floors   map[string]int    // every package and its floor, or Free
	Adapters []string          // leaf adapters: these import their parent and link the AWS SDK
	Tests    []string          // packages that only tests import, beside internal/lab
	Links    []string          // module paths that cmd/tidemark-mirror may link beside the standard library
	Long     map[string]string // "file.go" or "file.go: Func" that may be longer than the rule, and why
}

// Check returns every breach of the house's rules, each with its file and line,
// in the order of the packages' paths.
func Check(t *Tree, h House) []string {
	c := &checker{t: t, h: h}
	for _, dir := range t.dirs() {
		p := t.Packages[dir]
		if c.drawer(p) {
			continue // nothing else is worth saying about it
		}
		c.doc(p)
		c.imports(p)
		c.calls(p)
		c.state(p)
		c.lengths(p)
	}
	c.unusedExceptions()
	c.mirror()
	return c.problems
}

type checker struct {
	t        *Tree
	h        House
	problems []string
	longUsed []string
}

func (c *checker) report(where, format string, args ...any) {
	c.problems = append(c.problems, where+": "+fmt.Sprintf(format, args...))
}

func inCmd(dir string) bool { return strings.HasPrefix(dir, "cmd/") }

func (c *checker) imports(p *Package) {
	if _, ok := c.h.Floors[p.Dir]; !ok {
		c.report(c.t.at(p.Files[0].Name), "package %s stands on no floor: give it one in internal/arch/arch_test.go", p.Dir)
		return
	}
	for _, f := range p.Files {
		for _, spec := range f.Imports {
			path := importPath(spec)
			if dir, ok := c.t.dir(path); ok {
				if c.floor(p, spec, dir) {
					c.reserved(p, spec, dir)
				}
			} else if isAWS(path) && !slices.Contains(c.h.Adapters, p.Dir) {
				c.report(c.t.at(spec), "%s imports %s: only leaf adapters link the AWS SDK", p.Dir, path)
			}
		}
	}
}

// floor checks the direction of one import inside the module.
func (c *checker) floor(p *Package, spec *ast.ImportSpec, dir string) bool {
	from, to := c.h.Floors[p.Dir], c.h.Floors[dir]
	if _, known := c.h.Floors[dir]; !known {
		return true // reported where that package is looked at, or by the compiler
	}
	if from == Free || to == Free || to < from {
		return true
	}
	if to == from && slices.Contains(c.h.Adapters, p.Dir) && strings.HasPrefix(p.Dir, dir+"/") {
		return true
	}
	c.report(c.t.at(spec), "%s (floor %d) imports %s (floor %d): imports go to lower floors only", p.Dir, from, dir, to)
	return false
}

// reserved checks the packages that only some may import.
func (c *checker) reserved(p *Package, spec *ast.ImportSpec, dir string) {
	switch {
	case dir == "config" && !inCmd(p.Dir):
		c.report(c.t.at(spec), "%s imports config: only cmd/* does, and copies the values on", p.Dir)
	case dir == "internal/lab" && p.Dir != "cmd/tidemark-lab":
		c.report(c.t.at(spec), "%s imports internal/lab: only cmd/tidemark-lab and tests do", p.Dir)
	case slices.Contains(c.h.Tests, dir):
		c.report(c.t.at(spec), "%s imports %s: only tests do", p.Dir, dir)
	case slices.Contains(c.h.Adapters, dir) && p.Dir != "cmd/tidemark":
		c.report(c.t.at(spec), "%s imports %s: only cmd/tidemark imports a leaf adapter", p.Dir, dir)
	case p.Dir == "config" && dir != "inventory" && !strings.HasPrefix(dir, "internal/"):
		c.report(c.t.at(spec), "config imports %s: it imports inventory and internal/* only", dir)
	}
}

func isAWS(path string) bool {
	return under(path, "github.com/aws/aws-sdk-go-v2") || under(path, "github.com/aws/smithy-go")
}

func under(path, parent string) bool {
	return path == parent || strings.HasPrefix(path, parent+"/")
}

// mirror walks what cmd/tidemark-mirror reaches inside the module and looks at
// every import of another module on the way.
func (c *checker) mirror() {
	seen := map[string]bool{}
	var walk func(dir, chain string)
	walk = func(dir, chain string) {
		p := c.t.Packages[dir]
		if p == nil || seen[dir] {
			return
		}
		seen[dir] = true
		for _, f := range p.Files {
			for _, spec := range f.Imports {
				path := importPath(spec)
				if next, ok := c.t.dir(path); ok {
					walk(next, chain+" -> "+next)
				} else if !isStandard(path) {
					c.mirrorLinks(spec, chain, path)
				}
			}
		}
	}
	walk("cmd/tidemark-mirror", "cmd/tidemark-mirror")
}

func (c *checker) mirrorLinks(spec *ast.ImportSpec, chain, path string) {
	listed := slices.ContainsFunc(c.h.Links, func(m string) bool { return under(path, m) })
	switch {
	case isAWS(path):
		c.report(c.t.at(spec), "the mirror's program links the AWS SDK: %s -> %s", chain, path)
	case !listed:
		c.report(c.t.at(spec), "the mirror's program links a module it is not known to need: %s -> %s", chain, path)
	}
}

// isStandard tells the standard library's paths: their first element has no dot.
func isStandard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}
