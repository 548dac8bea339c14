package config

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/bmatcuk/doublestar/v4"

	"tidemark/internal/ident"
	"tidemark/internal/rsyncurl"
	"tidemark/internal/strictyaml"
	"tidemark/inventory"
)

const (
	defaultTimeFile = "TIME"
	defaultMaxWait  = 12 * time.Hour
	leastMaxWait    = time.Second
	mostMaxWait     = 30 * 24 * time.Hour
	maxExcludes     = 100
)

func (c *checker) trees(f publisherFile, p *Publisher) {
	if n := len(f.Trees); n == 0 || n > maxTrees {
		c.doc.Refuse(f.At("trees"), "", "found %d trees, expected 1 to %d", n, maxTrees)
	}
	for _, name := range sortedKeys(f.Trees) {
		if err := ident.Check(name); err != nil {
			c.doc.Refuse(f.At("trees", name), lowerHint(name), "%v", err)
		}
		p.Trees[name] = c.tree(f.Trees[name])
	}
}

func (c *checker) tree(f treeFile) Tree {
	if f.Line == 0 { // no tree at all, and reported as such
		return Tree{}
	}
	t := Tree{
		Master:   c.master(f),
		TimeFile: defaultTimeFile,
		Anchors:  f.Anchors,
		Exclude:  f.Exclude,
		MaxWait:  c.duration(f.At("max_wait"), f.MaxWait, defaultMaxWait, leastMaxWait, mostMaxWait),
	}
	if f.TimeFile != nil {
		t.TimeFile = *f.TimeFile
		if !plainPath(t.TimeFile) {
			c.doc.Refuse(f.At("time_file"), "", "found %.120q, expected a file's path from the tree's top, like TIME", t.TimeFile)
		}
	}
	c.anchors(f, t.TimeFile)
	c.excludes(f)
	if f.Quorum != nil {
		q, err := inventory.ParseQuorum(*f.Quorum)
		if err != nil {
			c.doc.Refuse(f.At("quorum"), "", "%v", err)
		}
		t.Quorum = q
	}
	return t
}

func (c *checker) master(f treeFile) string {
	field := f.At("master")
	if first, _, _ := strings.Cut(f.Master, "/"); !strings.Contains(first, ":") { // host:path would be ssh
		return c.path(field, f.Master)
	}
	u, err := rsyncurl.Parse(f.Master)
	if err != nil {
		c.doc.Refuse(field, "a master is a directory of this machine or rsync://host/module/path", "%v", err)
	}
	return u.String()
}

// plainPath says whether s names a file below a tree in a way that every rsync takes literally.
func plainPath(s string) bool {
	if s == "" || len(s) > 255 || s[0] == '-' || strings.HasPrefix(s, "/") || strings.Contains(s, "..") {
		return false
	}
	for _, b := range []byte(s) {
		if b <= ' ' || b > '~' || strings.IndexByte(`*?[]\"'<>`, b) >= 0 {
			return false
		}
	}
	return filepath.ToSlash(filepath.Clean(s)) == s && s != "."
}

func (c *checker) anchors(f treeFile, timeFile string) {
	field := f.At("anchors")
	if len(f.Anchors) == 0 {
		c.doc.Refuse(field, "a time file alone proves nothing; name the tree's metadata, e.g. [\"**/repodata/repomd.xml\"]",
			"found no pattern, expected at least one")
	}
	seen := map[string]bool{}
	for i, pattern := range f.Anchors {
		item := strictyaml.Item(field, i)
		switch {
		case pattern == "":
			c.doc.Refuse(item, "", "found an empty pattern")
		case !doublestar.ValidatePattern(pattern):
			c.doc.Refuse(item, "close every [ and {", "found %.120q, which is no valid pattern", pattern)
		case strings.HasPrefix(pattern, "/"):
			c.doc.Refuse(item, "write "+strings.TrimLeft(pattern, "/"), "found %.120q, expected a pattern from the tree's top, without a leading /", pattern)
		case hasDots(pattern):
			c.doc.Refuse(item, "", "found %.120q, expected a pattern below the tree's top, without . or ..", pattern)
		case seen[pattern]:
			c.doc.Refuse(item, "remove one of the two", "%.120q is given twice", pattern)
		case doublestar.MatchUnvalidated(pattern, timeFile):
			c.doc.Refuse(item, "anchors are the metadata that must not change while a timestamp stands",
				"%.120q matches the time file %s as well", pattern, timeFile)
		}
		seen[pattern] = true
	}
}

// excludes is what the tree's master has and no server is expected to.
func (c *checker) excludes(f treeFile) {
	field := f.At("exclude")
	if n := len(f.Exclude); n > maxExcludes {
		c.doc.Refuse(field, "", "found %d patterns, expected at most %d", n, maxExcludes)
		return
	}
	for i, p := range f.Exclude {
		if err := inventory.CheckPattern(p); err != nil {
			c.doc.Refuse(strictyaml.Item(field, i), "", "%v", err)
		}
	}
}

func hasDots(pattern string) bool {
	for _, seg := range strings.Split(pattern, "/") {
		if seg == "." || seg == ".." {
			return true
		}
	}
	return false
}

// treeNames are those of the trees; nil until all are good ones.
func (p *Publisher) treeNames() []string {
	names := sortedKeys(p.Trees)
	if len(names) == 0 || slices.ContainsFunc(names, func(s string) bool { return ident.Check(s) != nil }) {
		return nil
	}
	return names
}

// servers checks inventory and trees against each other; counting waits until the inventory is sound, and either until
// the trees have good names. What is wrong with several servers alike is said once.
func (c *checker) servers(p *Publisher, sound bool) strictyaml.Problems {
	var out strictyaml.Problems
	names := p.treeNames()
	wrong := slices.DeleteFunc(inventory.Review(p.Servers, inventory.ReviewOptions{Trees: names, AllowPrivate: p.Probe.AllowPrivate}),
		func(f inventory.Finding) bool { return !f.Error })
	slices.SortStableFunc(wrong, func(a, b inventory.Finding) int {
		return cmp.Or(strings.Compare(a.File, b.File), a.Line-b.Line)
	})
	for _, f := range inventory.Grouped(wrong) {
		if f.Hint == inventory.AllowPrivateHint {
			f.Hint = AllowPrivateHint(p.File, c.doc.Line("probe"))
		}
		out = append(out, f.InFull())
	}
	nodes := map[string]int{}
	for _, s := range p.Servers {
		for _, tree := range sortedKeys(s.Trees) {
			if s.Kind == inventory.KindNode {
				nodes[tree]++ // in maintenance, too: that must not make the configuration wrong
			}
		}
	}
	if !sound || names == nil {
		return out
	}
	for _, name := range names {
		field := strictyaml.Path("trees", name)
		if nodes[name] == 0 {
			c.doc.Refuse(field, "add one to the inventory: {id: ..., kind: node, trees: {"+name+": rsync://...}}",
				"no node carries this tree, expected at least one")
			continue
		}
		if _, err := p.Trees[name].Quorum.Need(nodes[name]); err != nil {
			c.doc.Refuse(strictyaml.Path(field, "quorum"), "all, majority or a share such as 80% follow the number of nodes", "%v", err)
		}
	}
	return out
}

func treeHint(tree string, known []string) string {
	if near := strictyaml.Nearest(tree, known); near != "" {
		return "did you mean " + near + "?"
	}
	return "trees of this network: " + strings.Join(known, ", ")
}

// AllowPrivateHint is what to do where the servers of a network of one's own are refused: why they are, and what to paste into the
// configuration, file. line is where it has its key probe, 0: it has none.
func AllowPrivateHint(file string, line int) string {
	const why = "a list of servers must not make this machine look into its own network; where that is meant, "
	if line > 0 {
		return fmt.Sprintf("%sadd to probe: (%s:%d)\n  allow_private: true", why, file, line)
	}
	return fmt.Sprintf("%sput into %s\nprobe:\n  allow_private: true", why, file)
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
