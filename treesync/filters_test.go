package treesync_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tidemark/internal/lab"
	"tidemark/rsync"
)

func patterns(t testing.TB, texts ...string) (all []rsync.Pattern) {
	t.Helper()
	for _, text := range texts {
		p, err := rsync.ParsePattern(text)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

// Excluded names do not come, and those that are here stay. Anchors below an exclude are not asked for, nor the time file
// when one hides it.
func TestRun_Exclude(t *testing.T) {
	s := newSite(t)
	node := s.copyOf("node")
	s.write(s.mirror, "7/isos/own.txt", "the mirror's own")
	o := s.options(s.announce(node, first), s.serve("node", node, true))
	o.Adopt = true
	o.Spec.Exclude = patterns(t, "*/isos/", "/6/", "TIME", "7/extras/x86_64/repodata/repomd.xml")
	out := s.sync(o)
	if _, err := os.Stat(filepath.Join(s.mirror, "7/isos/own.txt")); err != nil {
		t.Errorf("a file below an exclude: %v", err)
	}
	for _, name := range []string{"7/isos/x86_64", "6", "7/extras/x86_64/repodata/repomd.xml"} {
		if _, err := os.Lstat(filepath.Join(s.mirror, name)); err == nil {
			t.Errorf("%s came, though excluded", name)
		}
	}
	s.same(node, "7/isos", "6", "repomd.xml") // repomd.xml of extras alone is missing
	for _, name := range []string{"7/os/x86_64/repodata/repomd.xml", "7/updates/x86_64/repodata/repomd.xml"} {
		if _, err := os.Lstat(filepath.Join(s.mirror, name)); err != nil {
			t.Error(err)
		}
	}
	if out.Timestamp != first || s.holds() != first {
		t.Errorf("%+v", out)
	}
	for _, j := range s.runs.jobs[:1] {
		for _, r := range j.Rules {
			if r.Include && (strings.HasPrefix(r.Pattern, "/6/") || strings.HasPrefix(r.Pattern, "/7/extras")) {
				t.Errorf("the pre-flight asks for %s", r.Pattern)
			}
		}
	}
}

// With all anchors excluded the time file decides alone.
func TestRun_ExcludeAllAnchors(t *testing.T) {
	s := newSite(t)
	node := s.copyOf("node")
	o := s.options(s.announce(node, first), s.serve("node", node, true))
	o.Spec.Exclude = patterns(t, "repodata/")
	s.sync(o)
	if _, err := os.Lstat(filepath.Join(s.mirror, "7/os/x86_64/repodata")); err == nil {
		t.Error("repodata came, though excluded")
	}
	s.same(node, "repodata")
}

// What the mirror keeps is neither overwritten nor deleted, also where the source has the same names.
func TestRun_Keep(t *testing.T) {
	for name, keep := range map[string][]string{"anchored": {"/HEADER.html", "/7/own/", "/.well-known/"}, "anywhere": {"HEADER.html", "own/", ".well-known"}} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			node := s.copyOf("node")
			s.write(node, "HEADER.html", "the source's page")
			s.write(node, "7/own/theirs", "theirs")
			s.write(s.mirror, "HEADER.html", "our page")
			s.write(s.mirror, "7/own/a/b", "ours")
			s.write(s.mirror, ".well-known/security.txt", "ours")
			s.write(s.mirror, "stray", "goes")
			o := s.options(s.announce(node, first), s.serve("node", node, true))
			o.Adopt = true
			o.Spec.Keep = patterns(t, keep...)
			s.sync(o)
			s.same(node, "HEADER.html", "7/own", ".well-known")
			for file, want := range map[string]string{"HEADER.html": "our page", "7/own/a/b": "ours", ".well-known/security.txt": "ours"} {
				if got, _ := os.ReadFile(filepath.Join(s.mirror, file)); string(got) != want {
					t.Errorf("%s: %q, expected %q", file, got, want)
				}
			}
			for _, gone := range []string{"stray", "7/own/theirs"} {
				if _, err := os.Lstat(filepath.Join(s.mirror, gone)); err == nil {
					t.Errorf("%s is there", gone)
				}
			}
		})
	}
}

// Keeping files does not make up for a package that the source lacks.
func TestRun_KeepDoesNotHideThatFilesAreMissing(t *testing.T) {
	s := newSite(t)
	node := s.copyOf("node")
	s.write(node, "HEADER.html", "the source's page")
	tree := s.announce(node, first)
	s.write(s.mirror, "HEADER.html", "our page")
	s.write(s.mirror, "own.html", "our page")
	s.must(lab.DropISOs(node))
	o := s.options(tree, s.serve("node", node, true))
	o.Adopt = true
	o.Spec.Keep = patterns(t, "*.html")
	s.left(o, "node:list:incomplete")
}
