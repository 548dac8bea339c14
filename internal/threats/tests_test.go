package threats

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// source is what the test files of a package hold.
type source struct {
	dir   string
	funcs map[string]bool
	texts map[string]bool // string literals, spaces as underscores
}

// packageOf is the directory in "cmd/tidemark.TestScripts/rotation".
func packageOf(test string) string {
	pkg, _, _ := strings.Cut(test, ".Test")
	return pkg
}

func readTests(t *testing.T, pkg string) source {
	t.Helper()
	s := source{dir: filepath.Join(root, pkg), funcs: map[string]bool{}, texts: map[string]bool{}}
	files, err := filepath.Glob(filepath.Join(s.dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Error(err)
			continue
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				s.funcs[n.Name.Name] = s.funcs[n.Name.Name] || n.Recv == nil
			case *ast.BasicLit:
				if text, err := strconv.Unquote(n.Value); err == nil && n.Kind == token.STRING {
					s.texts[strings.ReplaceAll(text, " ", "_")] = true
				}
			}
			return true
		})
	}
	return s
}

var exitCode = regexp.MustCompile(`_Exit[0-9]+$`)

// has says what is wrong with the name of a test; "" nothing. The name of a subtest is a literal of the package, or a script.
func (s source) has(name string) string {
	parts := strings.Split(name[len(packageOf(name))+1:], "/")
	if !s.funcs[parts[0]] {
		return "there is no such test"
	}
	if parts[0] == "TestScripts" {
		if _, err := os.Stat(filepath.Join(s.dir, "testdata", "script", parts[len(parts)-1]+".txtar")); err != nil || len(parts) != 2 {
			return "there is no such script"
		}
		return ""
	}
	for _, sub := range parts[1:] {
		first, rest, _ := strings.Cut(sub, "_") // "5.3.4 a rule": a name of two texts
		if !s.texts[sub] && !s.texts[exitCode.ReplaceAllString(sub, "")] && !(s.texts[first] && s.texts[rest]) {
			return "no text of the package's tests names the subtest " + sub
		}
	}
	return ""
}
