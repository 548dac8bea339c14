package treesync_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// oddNames are names that lists, rules or lines of output could misread.
func oddNames() []string {
	return []string{"a b", " lead", "trail ", "new\nline", "two\r\nlines", "#hash", ";semi", "-dash", "--delete", "+ plus", "- minus", "!", "wild*?[x]", `back\#012slash`, `\`, `b\[s`,
		"inv\xff\xfe", "tab\tx", "ünïcode", "esc\x1b[31m", "a => b", "a -> b", "*deleting   x", ">f+++++++++ x", ".hidden", "..."}
}

// link links and symlinks within dir.
func (s *site) links(dir string) {
	s.t.Helper()
	s.write(dir, "7/os/x86_64/Packages/linked.rpm", "linked")
	s.must(os.Link(filepath.Join(dir, "7/os/x86_64/Packages/linked.rpm"), filepath.Join(dir, "7/extras/x86_64/Packages/linked.rpm")))
	// a hard link whose leader, by its name the first, comes in a later stage, and one with an anchor
	s.must(os.Link(filepath.Join(dir, "7/os/x86_64/Packages/linked.rpm"), filepath.Join(dir, "7/extras/x86_64/repodata/aaa-linked.xml")))
	s.must(os.Link(filepath.Join(dir, "7/os/x86_64/repodata/repomd.xml"), filepath.Join(dir, "6/os/repomd-copy.xml")))
	s.must(os.Link(filepath.Join(dir, "7/os/x86_64/repodata/repomd.xml"), filepath.Join(dir, "7/os/x86_64/repodata/old.xml")))
	s.must(os.Symlink("7/os", filepath.Join(dir, "os")))
	s.must(os.Symlink("linked.rpm", filepath.Join(dir, "7/os/x86_64/Packages/latest.rpm")))
	s.must(os.Symlink("nowhere", filepath.Join(dir, "dangling")))
}

func TestRun_TreesAreEqual(t *testing.T) {
	s := newSite(t)
	node := s.copyOf("node")
	source := s.serve("node", node, true)
	s.links(node)
	for i, name := range oddNames() {
		s.write(node, name, "odd")
		s.write(node, fmt.Sprintf("odd/%s/%s", name, name), "odd")
		s.write(node, fmt.Sprintf("odd/changes%d/%s", i, name), "odd")
	}
	s.must(os.MkdirAll(filepath.Join(node, "empty/dir"), 0o750))
	s.write(node, "no/group.txt", "x")
	s.must(os.Chmod(filepath.Join(node, "no/group.txt"), 0o400))
	s.must(os.Symlink("../../etc/passwd", filepath.Join(node, "unsafe")))
	s.must(os.Symlink("/etc/passwd", filepath.Join(node, "absolute")))
	s.sync(s.options(s.announce(node, first), source))
	s.same(node, "unsafe", "absolute")
	for _, name := range []string{"unsafe", "absolute"} {
		if _, err := os.Lstat(filepath.Join(s.mirror, name)); err == nil {
			t.Errorf("the link %s out of the tree came with it", name)
		}
	}

	// Of everything something is new, changed (in the same size, too) and gone.
	s.must(s.master.Move(second))
	s.must(os.RemoveAll(node))
	s.must(s.master.CopyTo(node))
	s.links2(node)
	for i, name := range oddNames() {
		s.write(node, "now "+name, "odd")
		s.write(node, fmt.Sprintf("odd/changes%d/%s", i, name), "new")
		s.touch(node, fmt.Sprintf("odd/changes%d/%s", i, name), second)
	}
	s.write(node, "empty", "a file where there was a directory")
	s.must(os.Symlink("7/os", filepath.Join(node, "now os")))
	out := s.sync(s.options(s.announce(node, second), source))
	s.same(node, "unsafe", "absolute")
	if out.Lists != 3 { // `b\[s` can be named in no list: content and metadata come by full runs
		t.Errorf("%d full lists were asked for, expected 3", out.Lists)
	}
}

// links2 leaves other links than before: one group less, one name more, a link that points elsewhere.
func (s *site) links2(dir string) {
	s.t.Helper()
	s.must(os.Symlink("6/os", filepath.Join(dir, "os")))
	s.must(os.Symlink("somewhere", filepath.Join(dir, "dangling")))
	s.write(dir, "7/os/x86_64/Packages/linked.rpm", "linked anew")
	s.must(os.Link(filepath.Join(dir, "7/os/x86_64/Packages/linked.rpm"), filepath.Join(dir, "6/linked.rpm")))
	s.must(os.Link(filepath.Join(dir, "7/os/x86_64/Packages/linked.rpm"), filepath.Join(dir, "7/extras/x86_64/repodata/aaa-linked.xml")))
}

func (s *site) touch(dir, name string, ts int64) {
	s.t.Helper()
	at := time.Unix(ts, 0)
	s.must(os.Chtimes(filepath.Join(dir, name), at, at))
}

// A directory at the source where the mirror has a file or a link, and the other way round, whatever is in it.
func TestRun_OneKindInThePlaceOfAnother(t *testing.T) {
	s := newSite(t)
	node := s.copyOf("node")
	source := s.serve("node", node, true)
	s.write(node, "release/os/file", "in a directory")
	s.write(node, "other/os/file", "in a directory")
	s.write(node, "plain", "a file")
	s.must(os.Symlink("7/os", filepath.Join(node, "link")))
	s.sync(s.options(s.announce(node, first), source))
	s.same(node)

	for _, name := range []string{"release", "other", "plain", "link"} {
		s.must(os.RemoveAll(filepath.Join(node, name)))
	}
	s.must(os.Symlink("7/os", filepath.Join(node, "release")))
	s.write(node, "other", "a file now")
	s.write(node, "plain/file", "a directory now")
	s.write(node, "link/file", "a directory now")
	s.must(s.master.SetTime(second))
	s.must(os.Remove(filepath.Join(node, "TIME")))
	s.must(os.Link(filepath.Join(s.master.Dir, "TIME"), filepath.Join(node, "TIME")))
	tree := s.announce(node, second)

	source.MayDelete = false // then the directories stay, and the rest comes
	out := s.sync(s.options(tree, source))
	if out.Memory.OwedSince.IsZero() {
		t.Error("no deletions are owed")
	}
	if info, err := os.Lstat(filepath.Join(s.mirror, "release")); err != nil || !info.IsDir() {
		t.Errorf("release: %v, %v; expected the directory", info, err)
	}
	if _, err := os.Lstat(filepath.Join(s.mirror, "plain/file")); err != nil {
		t.Error(err)
	}
	source.MayDelete = true
	out = s.sync(s.options(tree, source))
	s.same(node)
	if !out.Memory.OwedSince.IsZero() || out.Lists != 1 {
		t.Errorf("%+v", out)
	}
}

// New names of files that were here before are linked to them, in whatever stage they come; nothing is transferred anew.
func TestRun_NewLinksToOldFiles(t *testing.T) {
	s := newSite(t)
	node := s.copyOf("node")
	source := s.serve("node", node, true)
	s.sync(s.options(s.announce(node, first), source))
	for from, to := range map[string]string{
		"7/os/x86_64/Packages/bash-1.0-1.el.x86_64.rpm":   "7/os/x86_64/Packages/zz-bash.rpm",
		"7/os/x86_64/Packages/glibc-1.1-1.el.x86_64.rpm":  "7/os/x86_64/repodata/zz-glibc",
		"7/os/x86_64/Packages/kernel-1.2-1.el.x86_64.rpm": "7/os/x86_64/Packages/aa-kernel.rpm",
		"7/os/x86_64/repodata/repomd.xml":                 "7/os/x86_64/zz-repomd.xml",
		"7/extras/x86_64/repodata/repomd.xml":             "7/extras/x86_64/aa-repomd.xml",
	} {
		s.must(os.Link(filepath.Join(node, from), filepath.Join(node, to)))
	}
	out := s.sync(s.options(s.announce(node, first), source))
	s.same(node)
	if out.Lists != 1 || out.Files > 2 { // a leader that is new comes as a file of its own first, when it comes earlier than the rest
		t.Errorf("%d lists, %d files", out.Lists, out.Files)
	}
}
