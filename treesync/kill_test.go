package treesync_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"

	"tidemark/rsync"
	"tidemark/treesync"
)

var errKilled = errors.New("killed")

func failAt(n int) func(int, rsync.Job) error {
	return func(i int, _ rsync.Job) error {
		if i == n {
			return errKilled
		}
		return nil
	}
}

// A run that ends at its n-th rsync, before or after that did its work, leaves a time file that is not ahead, and a tree
// that the next run brings to what it should be.
func TestRun_EndsAtTheNthRun(t *testing.T) {
	for n := 1; n <= 7; n++ {
		for _, after := range []bool{false, true} {
			if after != (n%2 == 0) && !soak() {
				continue
			}
			name := "before run " + string(rune('0'+n))
			if after {
				name = "after run " + string(rune('0'+n))
			}
			t.Run(name, func(t *testing.T) {
				l := newTimeline(t)
				if after {
					l.runs.after = failAt(n)
				} else {
					l.runs.before = failAt(n)
				}
				o := l.options(l.tree[1], l.serve("a", l.at[1], true))
				out, err := treesync.Run(context.Background(), o)
				if !errors.Is(err, errKilled) || out.Synced || l.holds() != first {
					t.Errorf("%v, %+v, time file %d", err, out, l.holds())
				}
				if began := n > 2; l.memory.Began != began {
					t.Errorf("began: %t, expected %t", l.memory.Began, began)
				}
				l.consistent()
				l.clean()
				l.runs.before, l.runs.after, o.Memory = nil, nil, l.memory
				l.sync(o)
				l.same(l.at[1])
				if l.memory.Began {
					t.Error("the sync that began has not ended")
				}
			})
		}
	}
}

// What a killed run leaves is removed by the next good one: rsync's directories of --delay-updates, files that it was
// receiving, our own time file. What only looks like it stays.
func TestRun_Leftovers(t *testing.T) {
	l := newTimeline(t)
	l.write(l.mirror, "7/os/x86_64/repodata/.~tmp~/repomd.xml", "half")
	l.write(l.mirror, "7/isos/x86_64/.CentOS-x86_64-DVD.iso.a1B2c3", "half of it")
	l.must(os.Chmod(filepath.Join(l.mirror, "7/isos/x86_64/.CentOS-x86_64-DVD.iso.a1B2c3"), 0o600))
	l.write(l.mirror, "7/isos/x86_64/.sha256sum.txt.backup", "who knows")
	l.write(l.mirror, "7/.own.sha256", "somebody's")
	l.must(os.Chmod(filepath.Join(l.mirror, "7/.own.sha256"), 0o600))
	l.write(l.mirror, ".TIME.tidemark-ABCDEFGHIJ", "1488376381\n")
	o := l.options(l.tree[1], l.serve("a", l.at[1], false))
	o.Memory.Began = true
	l.sync(o)
	for name, stays := range map[string]bool{"7/os/x86_64/repodata/.~tmp~": false, "7/isos/x86_64/.CentOS-x86_64-DVD.iso.a1B2c3": false, ".TIME.tidemark-ABCDEFGHIJ": false,
		"7/isos/x86_64/.sha256sum.txt.backup": true, "7/.own.sha256": true} {
		if _, err := os.Lstat(filepath.Join(l.mirror, name)); (err == nil) != stays {
			t.Errorf("%s: %v, expected that it stays: %t", name, err, stays)
		}
	}
}

// A source that breaks off leaves its temporary files; the sync that goes on from the next one removes them.
func TestRun_LeftoversOfAnEarlierSource(t *testing.T) {
	l := newTimeline(t)
	broken := false
	l.runs.after = func(_ int, j rsync.Job) error {
		if !j.DelayUpdates || broken {
			return nil
		}
		broken = true
		l.write(l.mirror, "7/os/x86_64/repodata/.~tmp~/primary.xml.gz", "half")
		return &rsync.ExitError{Code: rsync.ExitStream, Text: "connection unexpectedly closed"}
	}
	l.sync(l.options(l.tree[1], l.serve("a", l.at[1], true), l.serve("b", l.at[1], true)))
	l.same(l.at[1])
}

// A canceled context ends the sync at once, and is the error.
func TestRun_Canceled(t *testing.T) {
	l := newTimeline(t)
	ctx, cancel := context.WithCancel(context.Background())
	l.runs.before = func(n int, _ rsync.Job) error {
		if n == 3 {
			cancel()
		}
		return nil
	}
	_, err := treesync.Run(ctx, l.options(l.tree[1], l.serve("a", l.at[1], true), l.serve("b", l.at[1], true)))
	if !errors.Is(err, context.Canceled) || l.runs.n != 3 {
		t.Errorf("%v after %d runs", err, l.runs.n)
	}
	l.consistent()
}

// Whatever the master does, and wherever syncs end: the time file is never ahead of the content.
func TestRun_TimeFileIsNeverAhead(t *testing.T) {
	checks := 3
	if soak() {
		checks = 100
	}
	l := newTimeline(t)
	states := []string{l.snap[0], l.snap[1], l.snap[2]}
	served := filepath.Join(l.dir, "served")
	l.mkdir(served)
	l.must(os.CopyFS(served, os.DirFS(l.snap[0])))
	source := l.serve("a", served, true)
	random := rapid.Custom(func(t *rapid.T) []int { return rapid.SliceOfN(rapid.IntRange(0, 12), 4, 4).Draw(t, "steps") })
	for i := range checks {
		for _, d := range []string{served, l.mirror} {
			l.must(os.RemoveAll(d))
			l.replaceWith(d, l.snap[0])
		}
		l.memory = treesync.Memory{}
		state := 0
		for _, step := range random.Example(i) {
			if step%3 == 0 && state < 2 {
				state++
				l.must(os.RemoveAll(served))
				l.replaceWith(served, states[state])
			}
			l.runs.n, l.runs.before = 0, failAt(step)
			o := l.options(l.tree[state], source)
			o.Memory = l.memory
			treesync.Run(context.Background(), o)
			l.consistent()
		}
		l.runs.before = nil
		o := l.options(l.tree[state], source)
		o.Memory = l.memory
		l.sync(o)
		l.same(served)
	}
}

// replaceWith makes dir a copy of from, times and all.
func (l *timeline) replaceWith(dir, from string) {
	l.t.Helper()
	l.must(os.CopyFS(dir, os.DirFS(from)))
	l.keepTimes(from, dir)
}
