package threats

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const (
	root = "../.."
	page = root + "/docs/threats.md"
)

// row is one row of the page's tables.
type row struct {
	id    string // "B2"
	actor string // the heading above its table
	tests []string
	cells []string // all of them, the id first
}

var (
	anID   = regexp.MustCompile(`^[A-Z]{1,2}[0-9]{1,2}$`)
	aTest  = regexp.MustCompile("`([a-z][a-z0-9/-]*\\.Test[A-Za-z0-9_]*(?:/[^`]+)?)`")
	aTitle = regexp.MustCompile(`(?m)^#+ (.*)$`)
)

// rows reads the tables whose first column is an id.
func rows(t *testing.T) []row {
	t.Helper()
	b, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var all []row
	actor := ""
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		if m := aTitle.FindStringSubmatch(line); m != nil {
			actor = m[1]
		}
		if !strings.HasPrefix(line, "|") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		if !anID.MatchString(cells[0]) {
			continue
		}
		r := row{id: cells[0], actor: actor, cells: cells}
		for _, m := range aTest.FindAllStringSubmatch(cells[len(cells)-1], -1) {
			r.tests = append(r.tests, m[1])
		}
		all = append(all, r)
	}
	return all
}

// actors are all whom the page must speak of.
var actors = []string{
	"Owner of the bucket", "CDN", "DNS", "One mirror", "One node", "A mirror that reads", "Thief of one online key", "Thief of all online keys",
	"Thief of one root key", "threshold of root keys", "The operator, by mistake", "Other users of a mirror's machine",
}

func TestPage_Actors(t *testing.T) {
	have := map[string]bool{}
	for _, r := range rows(t) {
		have[r.actor] = true
	}
	for _, want := range actors {
		found := false
		for title := range have {
			found = found || strings.Contains(title, want)
		}
		if !found {
			t.Errorf("%s: no table under a heading with %q", page, want)
		}
	}
}

// TestPage_Rows: five cells, a number once, tests that exist.
func TestPage_Rows(t *testing.T) {
	list := rows(t)
	if len(list) < 60 {
		t.Errorf("%d rows were found: are the tables read?", len(list))
	}
	seen, code := map[string]bool{}, map[string]source{}
	for _, r := range list {
		if seen[r.id] {
			t.Errorf("%s stands twice", r.id)
		}
		seen[r.id] = true
		if len(r.cells) != 5 {
			t.Errorf("%s has %d cells, expected id, try, stop, rest, test", r.id, len(r.cells))
		}
		for i, c := range r.cells {
			if c == "" {
				t.Errorf("%s: cell %d is empty", r.id, i+1)
			}
		}
		if len(r.tests) == 0 {
			t.Errorf("%s names no test", r.id)
		}
		for _, name := range r.tests {
			pkg := packageOf(name)
			if _, read := code[pkg]; !read {
				code[pkg] = readTests(t, pkg)
			}
			if problem := code[pkg].has(name); problem != "" {
				t.Errorf("%s: %s: %s", r.id, name, problem)
			}
		}
	}
}

// TestPage_Defences: each row has an entry in the table of defences for each test that it names, and no entry is without a row.
func TestPage_Defences(t *testing.T) {
	type pair struct{ id, test string }
	entries := map[pair]bool{}
	for _, d := range defences() {
		entries[pair{d.row, d.test}] = true
	}
	for _, r := range rows(t) {
		for _, test := range r.tests {
			p := pair{r.id, test}
			if !entries[p] {
				t.Errorf("%s: no defence is taken out for %s", r.id, test)
			}
			delete(entries, p)
		}
	}
	for p := range entries {
		t.Errorf("%s, %s: a defence of no row", p.id, p.test)
	}
}

// TestDefences_Places: what takes a defence out has one place in the code of today.
func TestDefences_Places(t *testing.T) {
	for _, d := range defences() {
		for _, e := range d.edits() {
			b, err := os.ReadFile(filepath.Join(root, e.file))
			if err != nil {
				t.Errorf("%s: %v", d.row, err)
				continue
			}
			if n := strings.Count(string(b), e.old); n != 1 || e.old == e.new {
				t.Errorf("%s: %s has %q %d times, expected once: say in internal/threats what takes this defence out now, and run make defences", d.row, e.file, e.old, n)
			}
		}
	}
}
