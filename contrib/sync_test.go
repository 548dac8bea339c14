package contrib_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"tidemark/internal/lab"
	"tidemark/internal/rsyncurl"
	"tidemark/manifest"
)

// relayed puts a relay before a source, and offers that source alone.
func (w *world) relayed(t *testing.T, id string) *lab.Relay {
	t.Helper()
	s, err := w.Site(id)
	check(t, err)
	r, err := lab.StartRelay(context.Background(), s.Addr)
	check(t, err)
	t.Cleanup(func() { r.Close() })
	w.publish(t, func(m *manifest.Manifest) {
		only(id)(m)
		source(m, id, func(_ *manifest.Source, st *manifest.SourceTree) {
			st.URL, err = rsyncurl.Parse(r.URL("centos"))
			check(t, err)
		})
	})
	return r
}

// terminal has warnings told as to a tree that is far behind.
func (w *world) terminal() { w.settings["WARN_AFTER"] = "0" }

// replace writes a new file: the lab's servers have hard links to the master's files.
func replace(t *testing.T, file, text string) {
	t.Helper()
	check(t, os.Remove(file))
	write(t, file, text)
}

// TestSourceFaults: what a source may do; the next one is taken, and without one the exit code is 6 and nothing was written
// over the time file.
func TestSourceFaults(t *testing.T) { sourceFaults(t, false) }

// TestSoakSourceFaults is the same, and each time with another source to go on to.
func TestSoakSourceFaults(t *testing.T) { sourceFaults(t, soak(t, true)) }

func sourceFaults(t *testing.T, goOn bool) {
	w := newWorld(t)
	first, err := w.Site("mirror.fi")
	check(t, err)
	tree := filepath.Join(first.Dir, "centos")
	repomd := filepath.Join(tree, "7", "os", "x86_64", "repodata", "repomd.xml")
	for _, tt := range []struct {
		name   string
		break_ func()
		says   string
		alone  int // the exit code without another source
	}{
		{"dead", func() { check(t, w.Stop("mirror.fi")) }, "refused", 6},
		{"busy", func() { check(t, w.SetRole(context.Background(), "mirror.fi", lab.Busy)) }, "max connections", 6},
		{"older", func() { check(t, lab.WriteTime(tree, start0-1000)) }, "is at 1488371781", 6},
		{"ahead", func() { check(t, lab.WriteTime(tree, start0+1000)) }, "moved on", 0},
		{"fresh time, wrong content", func() { check(t, lab.Lie(tree, start0)) }, "its metadata is not that of 1488372781", 6},
		{"no anchor", func() { check(t, os.Remove(repomd)) }, "its metadata is not that of 1488372781", 6},
		{"no time file", func() { check(t, os.Remove(filepath.Join(tree, "TIME"))) }, "no time", 6},
		{"no time in it", func() { replace(t, filepath.Join(tree, "TIME"), "<html>1488372781</html>\n") }, "no time", 6},
		{"huge anchor", func() { replace(t, repomd, strings.Repeat("x", 1<<20)) }, "its metadata is not that of 1488372781", 6},
		{"anchor is a link", func() {
			check(t, os.Remove(repomd))
			check(t, os.Symlink("/etc/passwd", repomd))
		}, "its metadata is not that of 1488372781", 6},
		{"lacks packages", func() { check(t, lab.DropISOs(tree)) }, "incomplete", 6},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w.publish(t, nil)
			tt.break_()
			if goOn || tt.name == "dead" {
				w.mirror(t, tt.name)
				w.run(t, 0, nil)
				w.holds(t)
			}
			w.mirror(t, tt.name+" alone")
			w.terminal()
			w.settings["AVOID"] = "mirror.de node.de"
			r := w.run(t, tt.alone, nil)
			if !strings.Contains(r.stderr, "mirror.fi") || !strings.Contains(r.stderr, tt.says) {
				t.Errorf("expected words with mirror.fi and %q: %v", tt.says, r)
			}
			if _, err := os.Stat(filepath.Join(w.tree, "TIME")); err == nil {
				t.Error("the time file was written")
			}
			check(t, os.RemoveAll(tree)) // its files are links to the master's
			check(t, w.SetRole(context.Background(), "mirror.fi", lab.Follow))
			check(t, w.Sync("mirror.fi"))
		})
	}
}

// TestMovesOn: a source that moves on while the tree is synced from it: the time file stays the old one, the other content
// is no harm, and the next run with a newer manifest is whole.
func TestMovesOn(t *testing.T) {
	w := newWorld(t)
	w.run(t, 0, nil)
	w.move(t, start0+1000)
	relay := w.relayed(t, "mirror.fi")
	relay.Arm(lab.RelayFault{Conn: 3, Once: true, Hook: func() { // pre-flight, content, then this
		w.Move("centos", start0+2000)
		w.Sync("mirror.fi")
	}})
	w.run(t, 0, nil)
	if got := read(t, filepath.Join(w.tree, "TIME")); got != fmt.Sprintln(start0) {
		t.Errorf("the time file says %s, expected %d as before", got, start0)
	}
	relay.Reset()
	check(t, w.Sync(w.IDs("")...))
	w.publish(t, nil)
	w.run(t, 0, nil)
	w.holds(t)
}

// TestBreaksOff_Exit6: cut in the middle of a stage; the run after is whole.
func TestBreaksOff_Exit6(t *testing.T) { breaksOff(t, 2, 5) }

// TestSoakBreaksOff_Exit6 cuts each connection in turn.
func TestSoakBreaksOff_Exit6(t *testing.T) { breaksOff(t, soak(t, []int{1, 2, 3, 4, 5})...) }

func breaksOff(t *testing.T, conns ...int) {
	w := newWorld(t)
	relay := w.relayed(t, "mirror.fi")
	for _, conn := range conns {
		w.mirror(t, "cut"+strconv.Itoa(conn))
		relay.Reset()
		relay.Arm(lab.RelayFault{Conn: conn, Down: 150, Cut: true})
		w.run(t, 6, nil)
		if _, err := os.Stat(filepath.Join(w.tree, "TIME")); err == nil {
			t.Errorf("cut in connection %d: the time file was written", conn)
		}
		relay.Reset()
		w.run(t, 0, nil)
		w.holds(t)
	}
}

// TestHangs_Exit6: silence ends by TIMEOUT.
func TestHangs_Exit6(t *testing.T) {
	w := newWorld(t)
	relay := w.relayed(t, "mirror.fi")
	w.settings["TIMEOUT"] = "1"
	relay.Arm(lab.RelayFault{Conn: 2, Down: 100, Hang: true})
	w.run(t, 6, nil)
}

// TestLists: a sync asks for the whole list three times of a source that deletions are taken from, else twice; and once
// more when there is something to delete.
func TestLists(t *testing.T) {
	w := newWorld(t)
	relay := w.relayed(t, "mirror.fi")
	w.run(t, 0, nil)
	if n := relay.FullLists(); n != 3 {
		t.Errorf("%d full lists, expected 3", n)
	}
	write(t, filepath.Join(w.tree, "stray"), "x\n")
	w.move(t, start0+1000)
	relay = w.relayed(t, "mirror.fi")
	w.run(t, 0, nil)
	w.holds(t)
	if n := relay.FullLists(); n != 4 {
		t.Errorf("%d full lists with a deletion, expected 4", n)
	}
	for i, c := range relay.Conns() {
		if m := c.Asked().Module; m != "centos" {
			t.Errorf("connection %d asked for module %q", i, m)
		}
	}
}

// TestDeletions: taken only from a node or a source of depth listing, within MAX_DELETE; owed otherwise.
func TestDeletions(t *testing.T) {
	w := newWorld(t)
	shallow := func(m *manifest.Manifest) {
		only("mirror.fi")(m)
		source(m, "mirror.fi", func(_ *manifest.Source, st *manifest.SourceTree) { st.Depth = manifest.DepthAnchors })
	}
	extra := filepath.Join(w.tree, "extra")
	write(t, extra, "x\n")
	w.publish(t, shallow)
	w.runWith(t, 0, nil, []string{"ADOPT=yes"})
	read(t, extra)
	since := read(t, filepath.Join(w.state, "owed"))

	t.Run("too many, exit 1", func(t *testing.T) {
		w.settings["MAX_DELETE"] = "0"
		w.move(t, start0+1000)
		r := w.run(t, 1, nil)
		if !strings.Contains(r.stderr, "ALLOW_DELETE=") {
			t.Errorf("expected how to allow it: %v", r)
		}
		read(t, extra)
		if read(t, filepath.Join(w.state, "owed")) != since {
			t.Error("owed since another time")
		}
		w.run(t, 0, nil) // in date: nothing to do
		read(t, extra)
		w.runWith(t, 0, nil, []string{"ALLOW_DELETE=5"})
		w.holds(t)
	})
	t.Run("owed for more than 7 days", func(t *testing.T) {
		write(t, filepath.Join(w.state, "owed"), fmt.Sprintln(time.Now().Add(-8*24*time.Hour).Unix()))
		check(t, w.Move("centos", start0+2000))
		check(t, w.Sync(w.IDs("")...))
		w.publish(t, shallow)
		w.run(t, 6, nil)
		w.publish(t, only("node.de"))
		delete(w.settings, "MAX_DELETE")
		w.run(t, 0, nil)
		w.holds(t)
		if _, err := os.Stat(filepath.Join(w.state, "owed")); err == nil {
			t.Error("still owed")
		}
	})
}

// TestExcludes: what is not carried, what is one's own, and anchors hidden by either.
func TestExcludes(t *testing.T) {
	w := newWorld(t)
	rules := filepath.Join(w.dir, "excludes of mine")
	write(t, rules, "*/isos/\n/HEADER.html\n/6/\n")
	write(t, filepath.Join(w.tree, "HEADER.html"), "mine\n")
	write(t, filepath.Join(w.tree, "stray"), "x\n")
	w.settings["EXCLUDES"] = rules
	w.runWith(t, 0, nil, []string{"ADOPT=yes"})
	diffs, err := lab.DiffTrees(w.Master("centos"), w.tree, lab.DiffOptions{Ignore: []string{"6", "7/isos", "HEADER.html"}})
	check(t, err)
	if len(diffs) > 0 {
		t.Errorf("%q", diffs)
	}
	for _, gone := range []string{"6", "7/isos", "stray"} {
		if _, err := os.Stat(filepath.Join(w.tree, gone)); err == nil {
			t.Errorf("%s is there", gone)
		}
	}
	if read(t, filepath.Join(w.tree, "HEADER.html")) != "mine\n" {
		t.Error("HEADER.html was written over")
	}
}

// TestAdmission: held until its turn comes, and remembered since when.
func TestAdmission(t *testing.T) {
	w := newWorld(t)
	w.run(t, 0, nil)
	check(t, w.Move("centos", start0+1000))
	check(t, w.Sync(w.IDs("")...))
	w.publish(t, func(m *manifest.Manifest) {
		tree := m.Trees["centos"]
		tree.Admit = 0
		m.Trees["centos"] = tree
	})
	w.run(t, 101, nil, "check")
	if r := w.run(t, 0, nil); r.stderr != "" {
		t.Errorf("says something: %v", r)
	}
	w.settings["STRICT"] = "yes"
	w.run(t, 5, nil)
	since, err := strconv.ParseInt(strings.TrimSpace(read(t, filepath.Join(w.state, "behind"))), 10, 64)
	check(t, err)
	write(t, filepath.Join(w.state, "behind"), fmt.Sprintln(since-7200))
	w.run(t, 100, nil, "check")
	w.run(t, 0, nil)
	w.holds(t)
	if _, err := os.Stat(filepath.Join(w.state, "behind")); err == nil {
		t.Error("still behind")
	}
}

// TestOtherDirectory: where the tree was, another directory is: nothing is mounted, perhaps.
func TestOtherDirectory_Exit1(t *testing.T) {
	w := newWorld(t)
	w.run(t, 0, nil)
	check(t, os.Rename(w.tree, w.tree+".old"))
	w.run(t, 1, nil)
	check(t, os.Mkdir(w.tree, 0o755))
	r := w.run(t, 1, nil)
	if !strings.Contains(r.stderr, "another directory") {
		t.Errorf("%v", r)
	}
	w.untouched(t)
}

// TestLocks: whoever holds the tree's directory or the state, nobody else runs an rsync in it; not while an orphan lives.
func TestLocks(t *testing.T) {
	w := newWorld(t)
	w.settings["STRICT"] = "yes"
	for name, dir := range map[string]string{"an old cron line in the tree": w.tree, "another run in the state": w.state} {
		t.Run(name, func(t *testing.T) {
			release := hold(t, dir)
			w.run(t, 5, nil)
			w.untouched(t)
			delete(w.settings, "STRICT")
			if r := w.run(t, 0, nil); r.stderr != "" {
				t.Errorf("says something: %v", r)
			}
			w.settings["STRICT"] = "yes"
			w.untouched(t)
			release()
		})
	}
	orphans(t, w, "sh")
}

// TestSoakLocks: the locks of a killed run are its orphan's, in every shell at hand.
func TestSoakLocks(t *testing.T) {
	names := soak(t, slices.Sorted(maps.Keys(shells())))
	orphans(t, newWorld(t), names...)
}

func orphans(t *testing.T, w *world, names ...string) {
	for _, name := range names {
		t.Run("held by the script in "+name, func(t *testing.T) {
			w.mirror(t, name)
			w.settings["STRICT"] = "yes"
			w.lockedWhileSyncing(t, shells()[name])
		})
	}
}

// hold is `flock -n DIR` of an old cron line, until release.
func hold(t *testing.T, dir string) (release func()) {
	t.Helper()
	cmd := exec.Command("flock", "-n", dir, "sh", "-c", "echo held; read _")
	in, err := cmd.StdinPipe()
	check(t, err)
	out, err := cmd.StdoutPipe()
	check(t, err)
	check(t, cmd.Start())
	if _, err := out.Read(make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	return func() {
		in.Close()
		cmd.Wait()
	}
}

// lockedWhileSyncing kills the script while its rsync waits for the source: the orphan has the locks, from `flock -n` and
// from another script, until it ends.
func (w *world) lockedWhileSyncing(t *testing.T, shell []string) {
	t.Helper()
	relay := w.relayed(t, "mirror.fi")
	reached, goOn := make(chan bool, 1), make(chan bool)
	relay.Arm(lab.RelayFault{Conn: 2, Down: 200, Once: true, Hook: func() { reached <- true; <-goOn }})
	conf := w.settings.write(t, filepath.Dir(w.state))
	cmd := exec.Command(shell[0], append(shell[1:len(shell):len(shell)], script, conf)...)
	check(t, cmd.Start())
	<-reached
	if free(w.tree) || free(w.state) {
		t.Error("not locked while syncing")
	}
	w.run(t, 5, nil)
	check(t, cmd.Process.Kill())
	cmd.Wait()
	if free(w.tree) || free(w.state) {
		t.Error("the orphan has lost the locks")
	}
	w.run(t, 5, nil)
	w.run(t, 100, nil, "check") // looking needs no lock
	close(goOn)
	w.awaitFree(t)
	w.publish(t, nil)
	w.run(t, 0, nil)
	w.holdsButFor(t)
}

// holdsButFor is holds, less what a killed run leaves in the state.
func (w *world) holdsButFor(t *testing.T) {
	t.Helper()
	left, err := filepath.Glob(filepath.Join(w.state, "tmp.*"))
	check(t, err)
	for _, dir := range left {
		check(t, os.RemoveAll(dir))
	}
	w.holds(t)
}

// TestPassword_Exit6: a daemon that asks for a password is a source that refuses; nothing waits for a person.
func TestPassword_Exit6(t *testing.T) {
	w := newWorld(t)
	s, err := w.Site("mirror.fi")
	check(t, err)
	d, err := lab.StartDaemon(context.Background(), lab.Daemon{Dir: filepath.Join(w.dir, "secret"), Address: "127.0.0.1",
		Modules: map[string]string{"centos": filepath.Join(s.Dir, "centos")}, AuthUsers: map[string]string{"u": "p"}})
	check(t, err)
	defer d.Stop()
	w.publish(t, func(m *manifest.Manifest) {
		only("mirror.fi")(m)
		source(m, "mirror.fi", func(_ *manifest.Source, st *manifest.SourceTree) {
			st.URL, err = rsyncurl.Parse(d.URL("centos"))
			check(t, err)
		})
	})
	w.terminal()
	if r := w.run(t, 6, nil); !strings.Contains(r.stderr, "auth failed") {
		t.Errorf("%v", r)
	}
}

// TestLiesLater_Exit6: a source that shows the right metadata in the pre-flight and serves other metadata afterwards, its
// time file the same all along: the proof in the tree finds it, and the time file is not written.
func TestLiesLater_Exit6(t *testing.T) {
	w := newWorld(t)
	relay := w.relayed(t, "mirror.fi")
	s, err := w.Site("mirror.fi")
	check(t, err)
	relay.Arm(lab.RelayFault{Conn: 3, Once: true, Hook: func() { lab.Lie(filepath.Join(s.Dir, "centos"), start0) }})
	w.terminal()
	if r := w.run(t, 6, nil); !strings.Contains(r.stderr, "not proven") {
		t.Errorf("expected that the proof fails: %v", r)
	}
	if _, err := os.Stat(filepath.Join(w.tree, "TIME")); err == nil {
		t.Error("the time file was written")
	}
	w.publish(t, only("mirror.de"))
	w.run(t, 0, nil)
	w.holds(t)
}
