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

	"github.com/google/go-cmp/cmp"

	"tidemark/internal/strictjson"
	"tidemark/treesync"
)

// More deletions than allowed: none is made, all else is in date, and the error says how to allow it once.
func TestRun_MaxDelete(t *testing.T) {
	l := newTimeline(t)
	for _, name := range []string{"a", "b", "dir/c", "dir/d"} { // with dir, five
		l.write(l.mirror, "stray/"+name, "x")
	}
	o := l.options(l.tree[0], l.serve("a", l.at[0], true))
	o.Spec.MaxDelete = 5 // and stray itself is one more
	o.DryRun = true
	dry, err := treesync.Run(context.Background(), o)
	if err != nil || dry.Refused != 6 {
		t.Errorf("dry run: %v, %+v", err, dry)
	}
	if diff := cmp.Diff([]string{"stray/", "stray/a", "stray/b", "stray/dir/", "stray/dir/c", "stray/dir/d"}, dry.Doomed); diff != "" {
		t.Errorf("dry run (-want +got):\n%s", diff)
	}
	o.DryRun = false
	out, err := treesync.Run(context.Background(), o)
	var many *treesync.TooManyDeletions
	if !errors.As(err, &many) || many.Count != 6 || many.Most != 5 || !strings.Contains(err.Error(), "--max-delete 6") {
		t.Fatalf("%v", err)
	}
	if !out.Synced || out.Refused != 6 || out.Deleted != 0 || out.Memory.Owed != 6 || out.Memory.OwedSince.IsZero() || out.Memory.Began || l.holds() != first {
		t.Errorf("%+v", out)
	}
	if _, err := os.Stat(filepath.Join(l.mirror, "stray/dir/c")); err != nil {
		t.Error(err)
	}
	o.MaxDelete, o.Memory = 6, l.memory
	out = l.sync(o)
	if out.Deleted != 6 || out.Memory.Owed != 0 || !out.Memory.OwedSince.IsZero() || out.Lists != 1 {
		t.Errorf("%+v", out)
	}
	l.same(l.at[0])
}

// What goes by name goes without a second list, and what is excluded or kept stays in a directory that goes.
func TestRun_DeletesByName(t *testing.T) {
	l := newTimeline(t)
	for _, name := range oddNames() {
		l.write(l.mirror, "gone/"+name+"/x", "x")
		l.write(l.mirror, "7/gone "+name, "x")
	}
	l.write(l.mirror, "gone/own/kept", "x")
	l.write(l.mirror, "gone/sub/x.keep", "x")
	o := l.options(l.tree[1], l.serve("a", l.at[1], true))
	o.Spec.Keep = patterns(t, "own/", "*.keep")
	o.Spec.MaxDelete = 1000
	out := l.sync(o)
	l.same(l.at[1], "gone")
	left, err := filepath.Glob(filepath.Join(l.mirror, "gone/*"))
	l.must(err)
	if len(left) != 2 || out.Lists != 1 {
		t.Errorf("left are %q, after %d lists", left, out.Lists)
	}
	for _, name := range []string{"gone/own/kept", "gone/sub/x.keep"} {
		if _, err := os.Stat(filepath.Join(l.mirror, name)); err != nil {
			t.Error(err)
		}
	}
}

// Thousands of names go by name as well, and what the source loses after the list was made stays: the metadata that was
// proven names it.
func TestRun_DeletesOnlyWhatTheListShowed(t *testing.T) {
	l := newTimeline(t)
	for i := range 2100 {
		l.must(os.WriteFile(filepath.Join(l.mirror, "7/os", fmt.Sprintf("stray-%d", i)), nil, 0o600))
	}
	l.write(l.mirror, "7/own/kept", "x")
	packages, err := filepath.Glob(filepath.Join(l.at[1], "7/os/x86_64/Packages/*.rpm"))
	l.must(err)
	l.hook = func(e treesync.Event) {
		if e.Stage == treesync.StageDelete || e.Stage == treesync.StageProof {
			for _, p := range packages {
				l.must(os.RemoveAll(p))
			}
		}
	}
	o := l.options(l.tree[1], l.serve("a", l.at[1], true))
	o.Spec.Keep = patterns(t, "/7/own/")
	o.MaxDelete = 5000
	out := l.sync(o)
	l.consistent()
	l.same(l.snap[1], "7/own")
	if _, err := os.Stat(filepath.Join(l.mirror, "7/own/kept")); err != nil || out.Lists != 1 {
		t.Errorf("%v, %d lists", err, out.Lists)
	}
	if left, _ := filepath.Glob(filepath.Join(l.mirror, "7/os/stray*")); len(left) > 0 {
		t.Errorf("%d names that are gone at the source are left", len(left))
	}
}

// Deleting follows no link, removes nothing that has become of another kind, and no directory that holds something.
func TestRun_DeletesWhatWasListedAlone(t *testing.T) {
	l := newTimeline(t)
	outside := filepath.Join(l.dir, "outside")
	l.write(outside, "x", "somebody's")
	for _, name := range []string{"gone/x", "filled/x", "turned/x", "file"} {
		l.write(l.mirror, name, "x")
	}
	l.must(os.Symlink(outside, filepath.Join(l.mirror, "7/link")))
	l.hook = func(e treesync.Event) {
		if e.Stage != treesync.StageProof {
			return
		}
		l.must(os.RemoveAll(filepath.Join(l.mirror, "gone")))
		l.must(os.Symlink("7/os", filepath.Join(l.mirror, "gone")))
		l.write(l.mirror, "7/os/x", "a file behind the link")
		l.write(l.mirror, "filled/new", "x")
		l.must(os.RemoveAll(filepath.Join(l.mirror, "file")))
		l.write(l.mirror, "file/in it", "x")
	}
	out := l.sync(l.options(l.tree[1], l.serve("a", l.at[1], true)))
	for name, stays := range map[string]bool{"7/os/x": true, "filled/new": true, "filled/x": false, "turned": false, "file/in it": true, "7/link": false} {
		if _, err := os.Lstat(filepath.Join(l.mirror, name)); (err == nil) != stays {
			t.Errorf("%s: %v; expected that it stays: %t", name, err, stays)
		}
	}
	if _, err := os.Stat(filepath.Join(outside, "x")); err != nil {
		t.Error(err)
	}
	if out.Memory.Owed == 0 || out.Memory.OwedSince.IsZero() {
		t.Errorf("%+v; expected that what stays is owed", out.Memory)
	}
}

// What the mirror keeps or excludes as a directory stays when it is a link here.
func TestRun_KeptLink(t *testing.T) {
	l := newTimeline(t)
	outside := filepath.Join(l.dir, "outside")
	l.write(outside, "a", "mine")
	for _, name := range []string{"local", "excluded"} {
		l.must(os.Symlink(outside, filepath.Join(l.mirror, name)))
	}
	o := l.options(l.tree[1], l.serve("a", l.at[1], true))
	o.Spec.Keep, o.Spec.Exclude = patterns(t, "/local/"), patterns(t, "excluded/")
	out := l.sync(o)
	for _, name := range []string{"local/a", "excluded/a"} {
		if _, err := os.Stat(filepath.Join(l.mirror, name)); err != nil {
			t.Error(err)
		}
	}
	if !out.Memory.OwedSince.IsZero() {
		t.Errorf("%+v: what stays is not owed", out.Memory)
	}
}

// A source that cannot be compared with what is announced does not empty a mirror, however few names that takes.
func TestRun_TooManyBytesToDelete(t *testing.T) {
	l := newTimeline(t)
	l.write(l.mirror, "large", strings.Repeat("x", int(l.tree[1].Bytes/4)+1))
	excluding := l.options(l.tree[1], l.serve("a", l.at[1], true))
	excluding.Spec.Exclude = patterns(t, "/nothing")
	for i, o := range []treesync.Options{excluding, l.options(later(l.tree[1], l.tree[2]), l.serve("b", l.at[2], true))} {
		out, err := treesync.Run(context.Background(), o)
		var many *treesync.TooManyDeletions
		if !errors.As(err, &many) || many.Bytes <= l.tree[1].Bytes/4 || !strings.Contains(err.Error(), "bytes") || !strings.Contains(err.Error(), "--max-delete") || out.Deleted > 0 || !out.Synced {
			t.Errorf("%d: %v, %+v", i, err, out)
		}
	}
	o := l.options(later(l.tree[1], l.tree[2]), l.serve("b", l.at[2], true))
	o.MaxDelete = 100
	l.sync(o)
	l.same(l.at[2])
}

// A source that deletions cannot be taken from, with the very files of the tree, and a mirror with no more: nothing is owed.
func TestRun_NothingOwed(t *testing.T) {
	s := newSite(t)
	node := s.copyOf("node")
	source := s.serve("node", node, false)
	if out := s.sync(s.options(s.announce(node, first), source)); !out.Memory.OwedSince.IsZero() {
		t.Errorf("%+v", out.Memory)
	}
	s.write(s.mirror, "stray", "x")
	if out := s.sync(s.options(s.announce(node, first), source)); out.Memory.Owed != 1 {
		t.Errorf("%+v", out.Memory)
	}
	s.must(os.Remove(filepath.Join(s.mirror, "stray")))
	s.write(node, "more", "x")
	tree := s.announce(node, first)
	tree.Files--
	if out := s.sync(s.options(tree, source)); out.Memory.OwedSince.IsZero() {
		t.Errorf("%+v", out.Memory)
	}
}

// Deletions are owed after a sync from a source that they cannot be taken from, then made from one that they can; and
// when they are a week old, only such sources are used.
func TestRun_OwedDeletions(t *testing.T) {
	l := newTimeline(t)
	may, mayNot := l.serve("may", l.at[1], true), l.serve("may-not", l.at[1], false)
	out := l.sync(l.options(l.tree[1], mayNot, may))
	if out.Source.ID != "may-not" || out.Deleted != 0 || !out.Memory.OwedSince.Equal(now()) || out.Memory.Owed == 0 {
		t.Fatalf("%+v", out)
	}
	l.consistent()

	o := l.options(l.tree[1], mayNot, may) // a day later they are owed still, since when they were
	o.Memory = l.memory
	o.Now = func() time.Time { return now().Add(24 * time.Hour) }
	if out = l.sync(o); !out.Memory.OwedSince.Equal(now()) {
		t.Errorf("owed since %s", out.Memory.OwedSince)
	}

	o.Memory = l.memory
	o.Memory.OwedSince = strictjson.At(now().Add(-8 * 24 * time.Hour))
	o.Sources = []treesync.Source{mayNot}
	if out = l.sync(o); out.Source.ID != "may-not" || out.Memory.OwedSince != o.Memory.OwedSince {
		t.Errorf("no other source than one that deletions cannot be taken from: %+v", out)
	}
	o.Sources = []treesync.Source{mayNot, may}
	out = l.sync(o)
	if out.Source.ID != "may" || out.Deleted == 0 || !out.Memory.OwedSince.IsZero() || out.Memory.Owed != 0 || len(out.Attempts) != 0 {
		t.Errorf("%+v", out)
	}
	l.same(l.at[1])
}

// A directory that must give way and holds what is kept: no source is to blame, and it is said what to do.
func TestRun_KeptInTheWay(t *testing.T) {
	l := newTimeline(t)
	l.write(l.mirror, "release/own.keep", "x")
	l.must(os.Symlink("7/os", filepath.Join(l.at[1], "release")))
	o := l.options(l.tree[1], l.serve("a", l.at[1], true))
	o.Spec.Keep = patterns(t, "*.keep")
	_, err := treesync.Run(context.Background(), o)
	var none *treesync.NoSource
	if err == nil || errors.As(err, &none) || !strings.Contains(err.Error(), "release") || !strings.Contains(err.Error(), "move them away") {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(filepath.Join(l.mirror, "release/own.keep")); err != nil {
		t.Error(err)
	}
}
