package treesync_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tidemark/internal/lab"
	"tidemark/manifest"
	"tidemark/rsync"
	"tidemark/treesync"
)

// A dry run touches nothing and remembers nothing; it says what would come, what would go, and every command.
func TestRun_DryRun(t *testing.T) {
	l := newTimeline(t)
	before := l.snapshot()
	o := l.options(l.tree[1], l.serve("a", l.at[1], true))
	o.DryRun = true
	out, err := treesync.Run(context.Background(), o)
	if err != nil || out.Synced || out.Timestamp != second || out.Files == 0 || out.Bytes == 0 || out.Deleted == 0 {
		t.Errorf("%v, %+v", err, out)
	}
	l.unchanged(before)
	if l.runs.n != 2 || len(l.saved) > 0 {
		t.Errorf("%d runs, saved %v", l.runs.n, l.saved)
	}
	dry := out.Commands
	o.DryRun = false
	real := l.sync(o)
	if len(dry) != 5 || len(real.Commands) != 7 { // time file and anchors are not fetched again
		t.Fatalf("%d and %d commands", len(dry), len(real.Commands))
	}
	for i, c := range append(real.Commands[:4:4], real.Commands[5]) {
		if dry[i] != c {
			t.Errorf("dry:  %s\nreal: %s", dry[i], c)
		}
	}
	// An anchor whose time alone is another is counted by the dry run, and not transferred, since its content is the same.
	if real.Files == 0 || real.Files > out.Files || real.Deleted != out.Deleted {
		t.Errorf("dry: %d files, %d deletions; real: %d, %d", out.Files, out.Deleted, real.Files, real.Deleted)
	}
}

// Without a manifest there is no telling a good source from another: two stages, no deleting, the time file last.
func TestRun_Fallback(t *testing.T) {
	l := newTimeline(t)
	l.write(l.mirror, "stray", "x")
	o := l.options(manifest.Tree{TimeFile: lab.TimeFile}, l.serve("old", l.at[0], true), l.serve("a", l.at[1], true))
	l.must(lab.WriteTime(l.at[0], first-100))
	o.Fallback = true
	out := l.sync(o)
	if out.Source.ID != "a" || attempts(out.Attempts) != "old:pre-flight:behind" || out.Timestamp != second || l.holds() != second || out.Memory.OwedSince.IsZero() {
		t.Errorf("%+v", out)
	}
	l.consistent()
	if _, err := os.Stat(filepath.Join(l.mirror, "stray")); err != nil {
		t.Errorf("something was deleted: %v", err)
	}
	l.must(lab.WriteTime(l.at[1], now().Unix()+600))
	l.left(o, "old:pre-flight:behind a:pre-flight:wrong")
}

// A source that moves on during the fallback is asked once more.
func TestRun_FallbackMovesOn(t *testing.T) {
	l := newTimeline(t)
	l.moving(l.at[1], 4)
	o := l.options(manifest.Tree{TimeFile: lab.TimeFile}, l.serve("a", l.at[1], true))
	o.Fallback = true
	if out := l.sync(o); out.Timestamp != third {
		t.Errorf("%+v", out)
	}
	l.consistent()
}

// The stages in their order: content, then metadata, then anchors, then what is gone, then the time file. At no moment is
// something there that names what is not.
func TestRun_Order(t *testing.T) {
	l := newTimeline(t)
	var seen []string
	was := map[string]bool{}
	look := func(n int) {
		for _, name := range []string{"content", "metadata", "anchors", "gone"} {
			if l.arrived(name) && !was[name] {
				was[name] = true
				seen = append(seen, fmt.Sprintf("%s in run %d", name, n))
			}
		}
		if l.holds() != first {
			t.Errorf("the time file came in run %d", n)
		}
	}
	l.runs.after = func(n int, _ rsync.Job) error {
		look(n)
		return nil
	}
	l.hook = func(e treesync.Event) {
		if e.Stage == treesync.StageTime {
			look(l.runs.n + 1)
		}
	}
	l.sync(l.options(l.tree[1], l.serve("a", l.at[1], true)))
	if got := strings.Join(seen, ", "); got != "content in run 3, metadata in run 4, anchors in run 7, gone in run 8" {
		t.Errorf("%s", got)
	}
}

// arrived reports whether all that is new of that kind at the second timestamp is in the mirror.
func (l *timeline) arrived(kind string) bool {
	l.t.Helper()
	from, to, all := l.snap[0], l.snap[1], true
	l.must(filepath.WalkDir(to, func(file string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == lab.TimeFile {
			return err
		}
		name, _ := filepath.Rel(to, file)
		is := "content"
		switch {
		case d.Name() == "repomd.xml":
			is = "anchors"
		case strings.Contains(name, "/repodata/"):
			is = "metadata"
		}
		all = all && (is != kind || l.equal(file, filepath.Join(l.mirror, name)))
		return nil
	}))
	if kind != "gone" {
		return all
	}
	l.must(filepath.WalkDir(from, func(file string, d os.DirEntry, err error) error {
		name, _ := filepath.Rel(from, file)
		if _, err := os.Lstat(filepath.Join(to, name)); err != nil {
			_, err := os.Lstat(filepath.Join(l.mirror, name))
			all = all && err != nil
		}
		return err
	}))
	return all
}

func (l *timeline) equal(a, b string) bool {
	x, errX := os.ReadFile(a)
	y, errY := os.ReadFile(b)
	return errX == nil && errY == nil && string(x) == string(y)
}

// Thousands of anchors are asked for by a list; what is missing among them is found all the same.
func TestRun_ManyAnchors(t *testing.T) {
	s := newSite(t)
	node := s.copyOf("node")
	name := func(i int) string { return fmt.Sprintf("many/%02d/a long name %04d/repodata/repomd.xml", i%100, i) }
	for i := range 600 {
		s.write(node, name(i), fmt.Sprint(i))
	}
	tree, source := s.announce(node, first), s.serve("node", node, true)
	out := s.sync(s.options(tree, source))
	s.same(node)
	if j := s.runs.jobs[0]; j.FilesFrom == "" || out.Lists != 2 { // nearly all is new: content as a whole
		t.Errorf("%q, %d lists", j.FilesFrom, out.Lists)
	}
	s.must(os.Remove(filepath.Join(node, name(7))))
	out, err := treesync.Run(context.Background(), s.options(tree, source))
	if attempts(out.Attempts) != "node:pre-flight:incomplete" || !strings.Contains(fmt.Sprint(err), name(7)) {
		t.Errorf("%v", err)
	}
}

// Both programs that mirrors have today.
func TestRun_OtherRsync(t *testing.T) {
	program := otherRsync(t)
	l := newTimeline(t)
	l.runs.runner = &rsync.Exec{Program: program}
	l.write(l.mirror, "stray/x", "x")
	node := l.daemon(lab.Daemon{Modules: map[string]string{"m": l.at[1]}, Program: program})
	out := l.sync(l.options(l.tree[1], l.source("a", node.URL("m"), true)))
	l.same(l.at[1])
	if out.Lists != 1 || out.Deleted == 0 {
		t.Errorf("%+v", out)
	}
}

// The same options for every run.
func TestRun_Options(t *testing.T) {
	l := newTimeline(t)
	o := l.options(l.tree[1], l.serve("a", l.at[1], true))
	o.Sources[0].Family = 4
	o.Spec.Bandwidth, o.Spec.Options, o.Spec.Timeout = 50<<20, []string{"--compress"}, 7*time.Second
	l.sync(o)
	if len(l.runs.jobs) != 7 {
		t.Fatalf("%d runs", len(l.runs.jobs))
	}
	for i, j := range l.runs.jobs {
		if j.Family != 4 || j.Bandwidth != 50<<20 || len(j.Options) != 1 || j.Timeout != 7*time.Second || j.ConnectTimeout != 5*time.Second {
			t.Errorf("run %d: %+v", i+1, j)
		}
	}
}

// An answer that does not come from rsync at all is nobody's fault but ours.
func TestRun_NoProgram(t *testing.T) {
	l := newTimeline(t)
	l.runs.runner = &rsync.Exec{Program: "/nonexistent/rsync"}
	_, err := treesync.Run(context.Background(), l.options(l.tree[1], l.serve("a", l.at[1], true), l.serve("b", l.at[1], true)))
	var none *treesync.NoSource
	if err == nil || errors.As(err, &none) || l.runs.n != 1 {
		t.Errorf("%v after %d runs", err, l.runs.n)
	}
}

// A source whose directories not even their owner may write to, with a time file deep below the top.
func TestRun_ReadOnlyDirectories(t *testing.T) {
	s := newSite(t)
	node := s.copyOf("node")
	s.must(os.Rename(filepath.Join(node, "TIME"), filepath.Join(node, "NOTIME")))
	s.write(node, "project/trace/master", fmt.Sprint(first))
	for _, dir := range []string{"project/trace", "project", "7/os/x86_64/repodata", "."} {
		s.must(os.Chmod(filepath.Join(node, dir), 0o555))
	}
	tree := s.announce(node, first)
	tree.TimeFile = "project/trace/master"
	source := s.serve("node", node, true)
	s.sync(s.options(tree, source))
	s.must(os.Chmod(s.mirror, 0o555))
	out := s.sync(s.options(tree, source))
	if info, err := os.Stat(s.mirror); err != nil || info.Mode().Perm() != 0o755 || out.Timestamp != first {
		t.Errorf("%v, %v, %+v", info.Mode(), err, out)
	}
	s.must(os.Chmod(filepath.Join(s.mirror, "project/trace"), 0o555))
	s.must(os.Chmod(filepath.Join(s.mirror, "project"), 0o555))
	s.same(node)
	s.must(os.Remove(filepath.Join(node, "project/trace/master")))
	s.left(s.options(tree, source), "node:pre-flight:incomplete")
}
