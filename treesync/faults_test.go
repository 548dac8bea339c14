package treesync_test

import (
	"bytes"
	"context"
	"errors"
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

// Sources that cannot be used, each with the reason that people are told; then a good one is taken.
func TestRun_UnusableSources(t *testing.T) {
	l := newTimeline(t)
	module := map[string]string{"m": l.at[1]}
	dead, err := lab.NewDead("127.0.0.1", 0)
	l.must(err)
	defer dead.Close()
	busy := l.daemon(lab.Daemon{Modules: module, MaxConnections: 1})
	l.must(busy.Hold(context.Background(), "m"))
	sources := []treesync.Source{
		l.source("dead", dead.URL("m"), true),
		l.source("busy", busy.URL("m"), true),
		l.source("auth", l.daemon(lab.Daemon{Modules: module, AuthUsers: map[string]string{"u": "p"}}).URL("m"), true),
		l.source("deny", l.daemon(lab.Daemon{Modules: module, Deny: true}).URL("m"), true),
		l.source("module", l.daemon(lab.Daemon{Modules: module}).URL("other"), true),
		l.source("dir", l.daemon(lab.Daemon{Modules: module}).URL("m")+"none/", true),
		l.source("name", "rsync://does-not-exist.invalid/m/", true),
	}
	for _, kind := range []lab.FakeKind{lab.FakeSilent, lab.FakeChatter, lab.FakeFlood, lab.FakeGarbage, lab.FakeHangup, lab.FakeStuck, lab.FakeWeb} {
		fake, err := lab.StartFake(context.Background(), kind)
		l.must(err)
		defer fake.Close()
		sources = append(sources, l.source(string(kind), fake.URL("m"), true))
	}
	want := "dead:pre-flight:unreachable busy:pre-flight:busy auth:pre-flight:refused deny:pre-flight:refused module:pre-flight:refused " +
		"dir:pre-flight:incomplete name:pre-flight:unreachable silent:pre-flight:unreachable chatter:pre-flight:unreachable flood:pre-flight:refused " +
		"garbage:pre-flight:broken hangup:pre-flight:refused stuck:pre-flight:unreachable web:pre-flight:refused"
	o := l.options(l.tree[1], sources...)
	o.Spec.Timeout, o.Spec.ConnectTimeout = time.Second, time.Second
	l.left(o, want)
	if len(l.saved) > 0 {
		t.Errorf("saved %+v before the tree was touched", l.saved)
	}
	o.Sources = append(o.Sources[1:3], l.serve("good", l.at[1], true))
	o.Spec.Timeout = 10 * time.Second
	if out := l.sync(o); out.Source.ID != "good" || attempts(out.Attempts) != "busy:pre-flight:busy auth:pre-flight:refused" {
		t.Errorf("%+v", out)
	}
	l.same(l.at[1])
}

// A source breaks off, or falls silent, in each of the runs; the next one finishes what it began.
func TestRun_BreaksOff(t *testing.T) {
	for name, fault := range map[string]lab.RelayFault{"cut": {Cut: true}, "hang": {Hang: true}} {
		for conn := 1; conn <= 7; conn++ {
			if fault.Hang && conn != 3 && conn != 7 && !soak() {
				continue
			}
			t.Run(name+" in run "+string(rune('0'+conn)), func(t *testing.T) {
				l := newTimeline(t)
				node := l.daemon(lab.Daemon{Modules: map[string]string{"m": l.at[1]}})
				relay, err := lab.StartRelay(context.Background(), node.Addr)
				l.must(err)
				defer relay.Close()
				fault := fault // the tests of one kind run side by side
				fault.Conn, fault.Down = conn, 200
				relay.Arm(fault)
				o := l.options(l.tree[1], l.source("bad", relay.URL("m"), true))
				o.Spec.Timeout = time.Second
				out, err := treesync.Run(context.Background(), o)
				var none *treesync.NoSource
				if !errors.As(err, &none) || l.holds() != first || len(out.Attempts) != 1 {
					t.Fatalf("%v, the time file says %d, %+v", err, l.holds(), out)
				}
				relay.Reset()
				o.Memory, o.Spec.Timeout = l.memory, 10*time.Second
				out = l.sync(o)
				l.same(l.at[1])
				if out.Memory.Began || !out.Memory.OwedSince.IsZero() {
					t.Errorf("%+v", out.Memory)
				}
			})
		}
	}
}

// A source that drips does not hold the mirror for ever: the next one is taken.
func TestRun_Drips(t *testing.T) {
	l := newTimeline(t)
	l.write(l.at[1], "large", strings.Repeat("x", 350_000))
	tree := l.announce(l.at[1], second)
	relay, err := lab.StartRelay(context.Background(), l.daemon(lab.Daemon{Modules: map[string]string{"m": l.at[1]}}).Addr)
	l.must(err)
	defer relay.Close()
	for i := range int64(60) {
		relay.Arm(lab.RelayFault{Conn: 3, Down: 300_000 + i, Hook: func() { time.Sleep(300 * time.Millisecond) }})
	}
	o := l.options(tree, l.source("drips", relay.URL("m"), true), l.serve("good", l.at[1], true))
	o.Spec.Timeout = 3 * time.Second
	out := l.sync(o)
	if attempts(out.Attempts) != "drips:content:unreachable" || !strings.Contains(out.Attempts[0].Detail, "too slow: ") {
		t.Errorf("%+v", out.Attempts)
	}
	l.same(l.at[1])
}

// An anchor of the same size and time, with other content, is brought all the same; also from one of the many public servers
// that refuse --checksum.
func TestRun_AnchorsByContent(t *testing.T) {
	for name, extra := range map[string]string{"checksum": "", "refused": "refuse options = checksum"} {
		t.Run(name, func(t *testing.T) {
			l := newTimeline(t)
			d := l.daemon(lab.Daemon{Modules: map[string]string{"m": l.at[1]}, Extra: extra})
			anchor := "6/os/x86_64/repodata/repomd.xml"
			info, err := os.Stat(filepath.Join(l.at[1], anchor))
			l.must(err)
			l.must(os.WriteFile(filepath.Join(l.mirror, anchor), bytes.Repeat([]byte("x"), int(info.Size())), 0o644))
			l.must(os.Chtimes(filepath.Join(l.mirror, anchor), info.ModTime(), info.ModTime()))
			l.sync(l.options(l.tree[1], l.source("a", d.URL("m"), true)))
			l.same(l.at[1])
		})
	}
}

// A source shows good anchors in the pre-flight, and gives others then, under the same time file.
func TestRun_FailedProof(t *testing.T) {
	l := newTimeline(t)
	liar := filepath.Join(l.dir, "liar")
	l.replaceWith(liar, l.snap[1])
	anchor := filepath.Join(liar, "7/os/x86_64/repodata/repomd.xml")
	data, err := os.ReadFile(anchor)
	l.must(err)
	l.runs.before = func(n int, _ rsync.Job) error {
		if n == 2 {
			l.must(os.WriteFile(anchor, bytes.Repeat([]byte("x"), len(data)), 0o644))
			l.touch(liar, "7/os/x86_64/repodata/repomd.xml", second)
		}
		return nil
	}
	o := l.options(l.tree[1], l.serve("liar", liar, true))
	_, err = treesync.Run(context.Background(), o)
	var none *treesync.NoSource
	if !errors.As(err, &none) || attempts(none.Attempts) != "liar:anchors:wrong" || l.holds() != first {
		t.Fatalf("%v, time file %d", err, l.holds())
	}
	if _, err := os.Stat(filepath.Join(l.mirror, "TIME")); err != nil {
		t.Error(err)
	}
	l.runs.before = nil
	l.must(os.WriteFile(anchor, data, 0o644)) // the pre-flight is passed by the liar again, after the mirror got its lies
	l.runs.n = 0
	o.Memory = l.memory
	l.sync(o)
	l.same(liar)
}

// The source brings its next state while it is synced from, up to the new anchors, and its time file comes last: at any run,
// none of the new anchors comes into the tree, which lacks the files that they name.
func TestRun_NewerAnchorsDuringTheSync(t *testing.T) {
	for n := 3; n <= 7; n++ {
		if n == 4 && !soak() {
			continue
		}
		t.Run("run "+string(rune('0'+n)), func(t *testing.T) {
			l := newTimeline(t)
			l.runs.before = func(i int, _ rsync.Job) error {
				if i == n {
					l.must(os.CopyFS(filepath.Join(l.dir, "next"), os.DirFS(l.at[2])))
					l.keepTimes(l.at[2], filepath.Join(l.dir, "next"))
					l.must(os.RemoveAll(l.at[1]))
					l.must(os.Rename(filepath.Join(l.dir, "next"), l.at[1]))
					l.must(lab.WriteTime(l.at[1], second))
				}
				return nil
			}
			out, err := treesync.Run(context.Background(), l.options(later(l.tree[1], l.tree[2]), l.serve("a", l.at[1], true)))
			if err != nil || !out.Wait || out.Synced || attempts(out.Attempts) != "a:pre-flight:moved-on" || l.holds() != first {
				t.Errorf("%v, %+v", err, out.Attempts)
			}
			for _, a := range l.tree[2].Anchors {
				name := filepath.Join(l.mirror, a.Path)
				if l.equal(name, filepath.Join(l.snap[2], a.Path)) && !l.equal(name, filepath.Join(l.snap[1], a.Path)) {
					t.Errorf("%s is of the third timestamp", a.Path)
				}
			}
		})
	}
}

// What a sync that fails writes beside the places of anchors is gone then, or after the next good one.
func TestRun_AnchorsBesideTheirPlaces(t *testing.T) {
	l := newTimeline(t)
	dir := filepath.Join(l.mirror, "[67]/*/x86_64/repodata")
	l.write(filepath.Join(l.mirror, "7/os/x86_64/repodata"), ".repomd.xml.tidemark-ABCDEFGHIJ", "of a killed run")
	l.runs.before = func(n int, _ rsync.Job) error {
		if n == 6 {
			if beside, _ := filepath.Glob(filepath.Join(dir, ".repomd.xml.tidemark-*")); len(beside) < 2 {
				t.Errorf("%q; expected one that is new", beside)
			}
			return errKilled
		}
		return nil
	}
	o := l.options(l.tree[1], l.serve("a", l.at[1], true))
	treesync.Run(context.Background(), o)
	if beside, _ := filepath.Glob(filepath.Join(dir, ".repomd.xml.tidemark-*")); len(beside) != 1 {
		t.Errorf("left: %q", beside)
	}
	l.runs.before, o.Memory = nil, l.memory
	l.sync(o)
	l.same(l.at[1])
}

// rsync warns that files vanished while it asked for them (exit code 24, which is fine): what came may not be all, so it is
// looked at once more. A source that never comes to rest is left.
func TestRun_Vanished(t *testing.T) {
	l := newTimeline(t)
	source := l.serve("a", l.at[1], true)
	l.runs.change = func(n int, res *rsync.Result) { res.Vanished = n == 3 }
	out := l.sync(l.options(l.tree[1], source))
	if out.Lists != 2 {
		t.Errorf("%d lists", out.Lists)
	}
	l.same(l.at[1])
	l.runs.change = func(_ int, res *rsync.Result) { res.Vanished = true }
	out, err := treesync.Run(context.Background(), l.options(l.tree[1], source))
	if err != nil || out.Synced || len(out.Attempts) != 1 || out.Lists != 3 {
		t.Errorf("%v, %+v", err, out)
	}
}

// What is much larger than any anchor is not fetched in the pre-flight: a stranger shall not fill the disk.
func TestRun_LargeAnchor(t *testing.T) {
	l := newTimeline(t)
	l.write(l.at[1], "7/os/x86_64/repodata/repomd.xml", string(bytes.Repeat([]byte("x"), 1<<20)))
	out := l.left(l.options(l.tree[1], l.serve("a", l.at[1], true)), "a:pre-flight:incomplete")
	if out.Received > 100<<10 {
		t.Errorf("%d bytes were received", out.Received)
	}
}

// moving has a hook bring the source to its next state before the n-th run.
func (l *timeline) moving(dir string, n int) {
	l.runs.before = func(i int, _ rsync.Job) error {
		if i == n {
			l.must(os.RemoveAll(dir))
			l.must(os.CopyFS(dir, os.DirFS(l.at[2])))
			l.keepTimes(l.at[2], dir)
		}
		return nil
	}
}

// keepTimes gives the copy in to the times of from.
func (l *timeline) keepTimes(from, to string) {
	l.t.Helper()
	l.must(filepath.WalkDir(from, func(file string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(from, file)
		return os.Chtimes(filepath.Join(to, rel), info.ModTime(), info.ModTime())
	}))
}

// A source moves on in the middle of the sync, at each of its runs. With a fresh manifest the sync follows; without one the
// source is left, and the time file is the old one.
func TestRun_MovesOnDuringTheSync(t *testing.T) {
	for n := 2; n <= 7; n++ {
		if n%2 == 1 && n != 7 && !soak() {
			continue
		}
		run := string(rune('0' + n))
		t.Run("fresh manifest, run "+run, func(t *testing.T) {
			l := newTimeline(t)
			l.moving(l.at[1], n)
			o := l.options(l.tree[1], l.serve("a", l.at[1], true))
			o.Refresh = func(context.Context) (manifest.Tree, error) { return l.tree[2], nil }
			out := l.sync(o)
			l.same(l.at[1])
			if out.Timestamp != third {
				t.Errorf("%+v", out)
			}
			l.consistent()
		})
		t.Run("no manifest, run "+run, func(t *testing.T) {
			l := newTimeline(t)
			l.moving(l.at[1], n)
			out, err := treesync.Run(context.Background(), l.options(l.tree[1], l.serve("a", l.at[1], true)))
			l.consistent()
			if l.holds() != first || out.Synced {
				t.Errorf("%v, %+v, time file %d", err, out, l.holds())
			}
		})
	}
}

// consistent expects that the mirror's time file is not ahead of its content: each file that the master had at that
// timestamp is there, as it was then or at a later one; none is missing that a later one does not miss, too.
func (l *timeline) consistent() {
	l.t.Helper()
	held := l.holds()
	for i, ts := range []int64{first, second, third} {
		if ts != held {
			continue
		}
		l.must(filepath.WalkDir(l.snap[i], func(file string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			rel, _ := filepath.Rel(l.snap[i], file)
			if !l.known(rel, i) {
				l.t.Errorf("the time file says %d, but %s is not what it was then or later", held, rel)
			}
			return nil
		}))
	}
}

func (l *timeline) known(name string, from int) bool {
	here, errHere := os.ReadFile(filepath.Join(l.mirror, name))
	for _, snap := range l.snap[from:] {
		there, err := os.ReadFile(filepath.Join(snap, name))
		if (err == nil) == (errHere == nil) && bytes.Equal(here, there) {
			return true
		}
	}
	return false
}
