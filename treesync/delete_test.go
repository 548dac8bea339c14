package treesync_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tidemark/internal/strictjson"
	"tidemark/rsync"
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
	if out, err := treesync.Run(context.Background(), o); err != nil || out.Refused != 6 {
		t.Errorf("dry run: %v, %+v", err, out)
	}
	o.DryRun = false
	out, err := treesync.Run(context.Background(), o)
	var many *treesync.TooManyDeletions
	if !errors.As(err, &many) || many.Count != 6 || many.Most != 5 || !strings.Contains(err.Error(), "--max-delete 6") {
		t.Fatalf("%v", err)
	}
	if !out.Synced || out.Refused != 6 || out.Deleted != 0 || out.Memory.Owed != 6 || out.Memory.Began || l.holds() != first {
		t.Errorf("%+v", out)
	}
	if _, err := os.Stat(filepath.Join(l.mirror, "stray/dir/c")); err != nil {
		t.Error(err)
	}
	o.MaxDelete, o.Memory = 6, l.memory
	out = l.sync(o)
	if out.Deleted != 6 || out.Memory.Owed != 0 || out.Lists != 1 {
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

// Where there are too many to name, the whole tree is compared again: the second list.
func TestRun_DeletesByASecondList(t *testing.T) {
	l := newTimeline(t)
	for i := range 2100 {
		l.must(os.WriteFile(filepath.Join(l.mirror, "7/os", "stray"+strings.Repeat("x", i%40)+string(rune('a'+i/40%26))+string(rune('A'+i/1040))), nil, 0o600))
	}
	l.write(l.mirror, "7/own/kept", "x")
	o := l.options(l.tree[1], l.serve("a", l.at[1], true))
	o.Spec.Keep = patterns(t, "/7/own/")
	o.MaxDelete = 5000
	out := l.sync(o)
	l.same(l.at[1], "7/own")
	if _, err := os.Stat(filepath.Join(l.mirror, "7/own/kept")); err != nil || out.Lists != 2 {
		t.Errorf("%v, %d lists", err, out.Lists)
	}
}

// The source loses packages between the proof and the deleting. The metadata that was proven names them: they stay.
func TestRun_DeletesOnlyWhatTheListShowed(t *testing.T) {
	l := newTimeline(t)
	l.write(l.mirror, "stray", "x")
	packages, err := filepath.Glob(filepath.Join(l.at[1], "7/os/x86_64/Packages/*.rpm"))
	l.must(err)
	l.runs.before = func(_ int, j rsync.Job) error {
		if j.Delete && !j.DryRun {
			for _, p := range packages {
				l.must(os.Remove(p))
			}
		}
		return nil
	}
	l.sync(l.options(l.tree[1], l.serve("a", l.at[1], true)))
	l.consistent()
	if _, err := os.Lstat(filepath.Join(l.mirror, "stray")); err == nil {
		t.Error("what the list showed to be gone is still there")
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
