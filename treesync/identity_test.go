package treesync_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tidemark/internal/lab"
	"tidemark/treesync"
)

// refused expects that the mirror's directory is not taken for the tree, and that nothing was asked of anybody.
func (s *site) refused(o treesync.Options, want string) {
	s.t.Helper()
	_, err := treesync.Run(context.Background(), o)
	var not *treesync.NotTheTree
	if !errors.As(err, &not) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), o.Spec.Path) {
		s.t.Errorf("%v; expected %q", err, want)
	}
	if s.runs.n > 0 || len(s.saved) > 0 {
		s.t.Errorf("%d runs, saved %v", s.runs.n, s.saved)
	}
}

func TestRun_NotTheTree(t *testing.T) {
	s := newSite(t)
	node := s.copyOf("node")
	tree, source := s.announce(node, first), s.serve("node", node, true)
	at := func(path string) treesync.Options {
		o := s.options(tree, source)
		o.Spec.Path = path
		return o
	}
	file := filepath.Join(s.dir, "file")
	s.must(os.WriteFile(file, nil, 0o600))
	home := filepath.Join(s.dir, "home")
	s.write(home, "thesis.tex", "years of work")
	s.refused(at(filepath.Join(s.dir, "none")), "mkdir -p")
	s.refused(at(file), "directory")
	s.refused(at("/"), "root of the whole system")
	s.refused(at("relative"), "absolute")
	s.refused(at(home), "--adopt")
	s.must(os.Symlink("/", filepath.Join(s.dir, "slash")))
	s.refused(at(filepath.Join(s.dir, "slash")), "root of the whole system")

	// What the mirror keeps, fsck's directory, rsync's: nothing that a sync would have to do with.
	s.write(s.mirror, "HEADER.html", "our page")
	s.mkdir(filepath.Join(s.mirror, "lost+found"))
	s.mkdir(filepath.Join(s.mirror, ".~tmp~"))
	o := s.options(tree, source)
	o.Spec.Keep = patterns(t, "/HEADER.html")
	s.sync(o)
	if _, err := os.Stat(filepath.Join(s.mirror, "lost+found")); err != nil {
		t.Error(err)
	}
}

// A mirror that other tools brought has the metadata, and perhaps the time file.
func TestRun_AdoptsATree(t *testing.T) {
	for name, without := range map[string]string{"no time file": "TIME", "no metadata": "7/os/x86_64/repodata"} {
		t.Run(name, func(t *testing.T) {
			l := newTimeline(t)
			l.must(os.RemoveAll(filepath.Join(l.mirror, without)))
			l.sync(l.options(l.tree[1], l.serve("a", l.at[1], true)))
			l.same(l.at[1])
		})
	}
}

// The directory is another one than before, and empty: the file system is not mounted. With its time file it is a tree that
// was restored or moved.
func TestRun_NotMounted(t *testing.T) {
	l := newTimeline(t)
	o := l.options(l.tree[0], l.serve("a", l.at[0], true))
	l.sync(o)
	l.must(os.Rename(l.mirror, l.mirror+".disk"))
	l.mkdir(l.mirror)
	l.runs.n, l.saved = 0, nil
	o.Memory = l.memory
	l.refused(o, "mounted")
	o.Adopt = true
	l.sync(o)
	l.same(l.at[0])
	l.must(os.Rename(l.mirror, l.mirror+".before")) // which keeps its inode
	l.must(os.CopyFS(l.mirror, os.DirFS(l.mirror+".disk")))
	o.Adopt, o.Memory = false, l.memory
	l.sync(o)
	if ino := l.memory.Inode; ino == o.Memory.Inode {
		t.Errorf("the new directory was not remembered: %d", ino)
	}
}

// Another tree's directory, with a time file as all trees have one (two paths were exchanged in the configuration): nothing
// of it is deleted. By itself a time file is a mirror that has just begun, and where the anchors are excluded there is no
// more to go by.
func TestRun_OtherTreesDirectory(t *testing.T) {
	l := newTimeline(t)
	other := filepath.Join(l.dir, "altarch")
	l.write(other, "TIME", "1488000000\n")
	l.write(other, "9/os/aarch64/Packages/p.rpm", "altarch package")
	o := l.options(l.tree[1], l.serve("a", l.at[1], true))
	l.sync(o) // remembers l.mirror
	o.Memory = l.memory
	o.Spec.Path = other
	l.runs.n, l.saved = 0, nil
	l.refused(o, "--adopt")
	o.Memory = treesync.Memory{}
	l.refused(o, "repomd.xml")

	l.must(os.RemoveAll(filepath.Join(other, "9")))
	l.sync(o)
	if _, err := os.Stat(filepath.Join(other, "7/os/x86_64/repodata/repomd.xml")); err != nil {
		t.Error(err)
	}
	l.must(os.RemoveAll(filepath.Join(other, "7")))
	l.must(os.RemoveAll(filepath.Join(other, "6")))
	l.write(other, "more", "known by its inode and its time file")
	o.Memory = l.memory
	l.sync(o)
	o.Spec.Exclude, o.Memory = patterns(t, "repodata/"), treesync.Memory{}
	l.sync(o)
}

// A first sync that was killed before there was a time file goes on.
func TestRun_GoesOnAfterAKilledFirstSync(t *testing.T) {
	s := newSite(t)
	node := s.copyOf("node")
	o := s.options(s.announce(node, first), s.serve("node", node, true))
	s.runs.before = failAt(4)
	if _, err := treesync.Run(context.Background(), o); err == nil || !s.memory.Began {
		t.Fatalf("%v, %+v", err, s.memory)
	}
	s.must(os.RemoveAll(filepath.Join(s.mirror, "7/os/x86_64/repodata")))
	s.runs.before = nil
	o.Memory = s.memory
	s.sync(o)
	s.same(node)
}

// The mirror's path may be a link; the directory behind it is what counts.
func TestRun_PathIsALink(t *testing.T) {
	s := newSite(t)
	node := s.copyOf("node")
	o := s.options(s.announce(node, first), s.serve("node", node, true))
	link := filepath.Join(s.dir, "link")
	s.must(os.Symlink(s.mirror, link))
	o.Spec.Path = link
	s.sync(o)
	s.same(node)
	other := filepath.Join(s.dir, "other")
	s.mkdir(other)
	s.must(os.Remove(link))
	s.must(os.Symlink(other, link))
	s.runs.n, s.saved = 0, nil
	o.Memory = s.memory
	s.refused(o, "mounted")
}

func TestRead(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, lab.TimeFile)
	read := func() treesync.Held {
		t.Helper()
		h, err := treesync.Read(dir, lab.TimeFile, now())
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	if h := read(); h != (treesync.Held{}) {
		t.Errorf("no time file: %+v", h)
	}
	for text, want := range map[string]int64{"1488372781\n": first, "Wed Mar  1 12:53:01 UTC 2017\n": first, "<html>": 0, "": 0, "4102444800\n": 0, "1488380581\n": third + 600, "1488380880": third + 899, "1488380882": 0} {
		os.WriteFile(file, []byte(text), 0o644)
		if h := read(); h.Timestamp != want || (h.Damaged == "") != (want != 0) {
			t.Errorf("%q: %+v, expected %d", text, h, want)
		}
	}
	os.Remove(file)
	os.Symlink("/etc/passwd", file)
	if h := read(); !strings.Contains(h.Damaged, "no regular file") {
		t.Errorf("a link: %+v", h)
	}
	if _, err := treesync.Read(filepath.Join(dir, "none"), lab.TimeFile, now()); err == nil {
		t.Error("a tree that is not there has a time")
	}
}
