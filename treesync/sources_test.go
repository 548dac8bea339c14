package treesync_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tidemark/internal/lab"
	"tidemark/manifest"
	"tidemark/treesync"
)

// left runs a sync that finds no source, and expects the attempts, and the tree as it was.
func (s *site) left(o treesync.Options, want string) treesync.Outcome {
	s.t.Helper()
	before := s.snapshot()
	out, err := treesync.Run(context.Background(), o)
	var none *treesync.NoSource
	if !errors.As(err, &none) || out.Synced || out.Wait {
		s.t.Fatalf("%v, %+v; expected that no source is left", err, out)
	}
	if got := attempts(out.Attempts); got != want {
		s.t.Errorf("left: %s\nexpected: %s", got, want)
	}
	for _, a := range none.Attempts {
		if a.Detail == "" || !strings.Contains(err.Error(), a.Source.ID) {
			s.t.Errorf("%q does not say what was seen at %s", err, a.Source.ID)
		}
	}
	s.unchanged(before)
	return out
}

// snapshot is a copy of the mirror.
func (s *site) snapshot() string {
	s.t.Helper()
	dir := filepath.Join(s.t.TempDir(), "snapshot")
	s.must(os.CopyFS(dir, os.DirFS(s.mirror)))
	return dir
}

func (s *site) unchanged(before string) {
	s.t.Helper()
	diffs, err := lab.DiffTrees(before, s.mirror, lab.DiffOptions{NoTimes: true, NoModes: true})
	s.must(err)
	for _, d := range diffs {
		s.t.Errorf("the mirror was touched: %s", d)
	}
	s.clean()
}

// timeline is a site whose master was at three timestamps; the mirror is at the first.
type timeline struct {
	*site
	at   [3]string // directories to be served
	snap [3]string // the same, which stay as they are
	tree [3]manifest.Tree
}

func newTimeline(t testing.TB) *timeline {
	s := newSite(t)
	l := &timeline{site: s}
	for i, ts := range []int64{first, second, third} {
		if i > 0 {
			s.must(s.master.Move(ts))
		}
		l.at[i] = s.copyOf([]string{"first", "second", "third"}[i])
		l.snap[i] = s.copyOf([]string{"first", "second", "third"}[i] + ".snapshot")
		l.tree[i] = s.announce(l.at[i], ts)
	}
	s.must(os.Remove(s.mirror))
	s.must(os.CopyFS(s.mirror, os.DirFS(l.at[0])))
	return l
}

func TestRun_Behind(t *testing.T) {
	l := newTimeline(t)
	l.left(l.options(l.tree[1], l.serve("old", l.at[0], true)), "old:pre-flight:behind")
}

// All have moved on: nothing is wrong.
func TestRun_MovedOn(t *testing.T) {
	l := newTimeline(t)
	before := l.snapshot()
	out, err := treesync.Run(context.Background(), l.options(l.tree[1], l.serve("a", l.at[2], true), l.serve("b", l.at[2], false)))
	if err != nil || !out.Wait || out.Synced || attempts(out.Attempts) != "a:pre-flight:moved-on b:pre-flight:moved-on" {
		t.Errorf("%v, %+v", err, out)
	}
	l.unchanged(before)
	if len(l.saved) > 0 {
		t.Errorf("saved %+v", l.saved)
	}
}

func TestRun_MovedOnThenGood(t *testing.T) {
	l := newTimeline(t)
	out := l.sync(l.options(l.tree[1], l.serve("a", l.at[2], true), l.serve("b", l.at[0], true), l.serve("c", l.at[1], true)))
	if out.Source.ID != "c" || attempts(out.Attempts) != "a:pre-flight:moved-on b:pre-flight:behind" {
		t.Errorf("%+v", out)
	}
	l.same(l.at[1])
}

// A source at a later timestamp that is recorded is as good, and the tree is then at that.
func TestRun_Ahead(t *testing.T) {
	l := newTimeline(t)
	out := l.sync(l.options(later(l.tree[1], l.tree[2]), l.serve("a", l.at[2], true)))
	if out.Timestamp != third || l.holds() != third {
		t.Errorf("%+v", out)
	}
	l.same(l.at[2])
	// Back it goes not.
	o := l.options(later(l.tree[1], l.tree[2]), l.serve("b", l.at[1], true))
	l.left(o, "b:pre-flight:behind")
}

// Announced: first, recorded: second and third; the source is between.
func TestRun_LaterSetsAreOverlays(t *testing.T) {
	l := newTimeline(t)
	l.must(os.RemoveAll(l.mirror))
	l.mkdir(l.mirror)
	out := l.sync(l.options(later(later(l.tree[0], l.tree[1]), l.tree[2]), l.serve("a", l.at[1], true)))
	if out.Timestamp != second {
		t.Errorf("%+v", out)
	}
	l.same(l.at[1])
}

// A fresh TIME over wrong content is turned away before the tree is touched.
func TestRun_FreshTimeAndWrongContent(t *testing.T) {
	l := newTimeline(t)
	l.must(lab.Lie(l.at[2], second))
	liar := l.serve("liar", l.at[2], true)
	l.left(l.options(l.tree[1], liar), "liar:pre-flight:wrong")
	// also with a fresh TIME over what was right before
	l.must(lab.WriteTime(l.at[0], second))
	l.left(l.options(l.tree[1], l.serve("stale", l.at[0], true)), "stale:pre-flight:wrong")
	out := l.sync(l.options(l.tree[1], liar, l.serve("good", l.at[1], true)))
	if out.Source.ID != "good" {
		t.Errorf("%+v", out)
	}
	l.same(l.at[1])
}

// The metadata of the next timestamp under the time file of this one: the source is being brought there.
func TestRun_SourceInMidMove(t *testing.T) {
	l := newTimeline(t)
	l.must(lab.WriteTime(l.at[2], second))
	out, err := treesync.Run(context.Background(), l.options(later(l.tree[1], l.tree[2]), l.serve("a", l.at[2], true)))
	if err != nil || !out.Wait || attempts(out.Attempts) != "a:pre-flight:moved-on" {
		t.Errorf("%v, %+v", err, out)
	}
}

func TestRun_OddTimeFile(t *testing.T) {
	for name, text := range map[string]string{"html": "<html>", "empty": "", "large": strings.Repeat("1", 5000)} {
		t.Run(name, func(t *testing.T) {
			l := newTimeline(t)
			l.write(l.at[1], "TIME", text)
			l.left(l.options(l.tree[1], l.serve("odd", l.at[1], true)), "odd:pre-flight:wrong")
		})
	}
	l := newTimeline(t)
	l.must(os.Remove(filepath.Join(l.at[1], "TIME")))
	l.left(l.options(l.tree[1], l.serve("none", l.at[1], true)), "none:pre-flight:incomplete")
}

func TestRun_MissingPackage(t *testing.T) {
	l := newTimeline(t)
	packages, err := filepath.Glob(filepath.Join(l.at[1], "7/os/x86_64/Packages/*.rpm"))
	l.must(err)
	l.must(os.Remove(packages[0]))
	l.left(l.options(l.tree[1], l.serve("holes", l.at[1], true)), "holes:list:incomplete")
}

func TestRun_MissingAnchor(t *testing.T) {
	l := newTimeline(t)
	l.must(os.Remove(filepath.Join(l.at[1], "7/os/x86_64/repodata/repomd.xml")))
	l.left(l.options(l.tree[1], l.serve("holes", l.at[1], true)), "holes:pre-flight:incomplete")
}

// A partial mirror without ISOs, at a later timestamp, so that its files are not counted: it is no source that deletions
// are taken from. Nothing is deleted, and deletions are owed.
func TestRun_LacksISOs(t *testing.T) {
	l := newTimeline(t)
	l.must(lab.DropISOs(l.at[2]))
	out := l.sync(l.options(later(l.tree[1], l.tree[2]), l.serve("partial", l.at[2], false)))
	if out.Memory.OwedSince.IsZero() || out.Memory.Owed == 0 || out.Deleted != 0 {
		t.Errorf("%+v", out)
	}
	if _, err := os.Stat(filepath.Join(l.mirror, "7/isos/x86_64/CentOS-x86_64-DVD.iso")); err != nil {
		t.Errorf("an ISO was lost: %v", err)
	}
}

func TestRun_NoSources(t *testing.T) {
	l := newTimeline(t)
	l.left(l.options(l.tree[1]), "")
}
