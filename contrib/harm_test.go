package contrib_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"tidemark/internal/lab"
	"tidemark/internal/rsyncurl"
	"tidemark/manifest"
)

const repomd = "7/os/x86_64/repodata/repomd.xml" // one of the anchors

// TestForeignDirectory_Exit1: at a first run, a directory that is not the tree's is left alone.
func TestForeignDirectory_Exit1(t *testing.T) {
	w := newWorld(t)
	w.settings["AVOID"] = "mirror.fi mirror.de" // a node: deletions are taken from it
	thesis := filepath.Join(w.tree, "home", "thesis.tex")
	write(t, thesis, "years of work\n")
	refused := func(says string) {
		t.Helper()
		if r := w.run(t, 1, nil); !strings.Contains(r.stderr, says) || !strings.Contains(r.stderr, "ADOPT=yes") {
			t.Errorf("expected words with %q and the way out: %v", says, r)
		}
		read(t, thesis)
	}
	refused("found home")
	write(t, filepath.Join(w.tree, "TIME"), "1\n") // every network has a time file
	refused("found ")
	check(t, os.Symlink("/etc/passwd", filepath.Join(w.tree, "7"))) // and no link counts for an anchor
	refused("found ")
	info, err := os.Stat(w.tree)
	check(t, err)
	check(t, os.Remove(filepath.Join(w.tree, "TIME")))
	check(t, os.Remove(filepath.Join(w.tree, "7")))
	write(t, filepath.Join(w.state, "inode"), fmt.Sprintf("%d %s\n", info.Sys().(*syscall.Stat_t).Ino, w.tree))
	refused("found home") // the number of a directory that is gone is soon that of another
	w.runWith(t, 0, nil, []string{"ADOPT=yes"})
	w.holds(t)
	if _, err := os.Stat(filepath.Join(w.state, "first")); err == nil {
		t.Error("the first sync is over, and remembered")
	}

	w.mirror(t, "new")
	check(t, os.Mkdir(filepath.Join(w.tree, "lost+found"), 0o755))
	w.run(t, 0, nil)

	w.mirror(t, "by an anchor") // moved here from another machine, or the state was lost
	write(t, filepath.Join(w.tree, repomd), "old\n")
	write(t, filepath.Join(w.tree, "stray"), "x\n")
	w.run(t, 0, nil)
	w.holds(t)
}

// TestDeletesOnlyCounted: what the source loses after its deletions were counted stays.
func TestDeletesOnlyCounted(t *testing.T) {
	for name, counted := range map[string]int{"none was counted": 0, "one was": 1} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.run(t, 0, nil)
			w.move(t, start0+1000)
			gone, err := lab.DiffTrees(w.Master("centos"), w.tree, lab.DiffOptions{})
			check(t, err)
			for _, line := range gone { // what the master has no more is no more here, either
				if name, ok := strings.CutSuffix(line, ": only in the second"); ok {
					check(t, os.RemoveAll(filepath.Join(w.tree, name)))
				}
			}
			files := count(t, w.Master("centos"))
			if counted > 0 {
				write(t, filepath.Join(w.tree, "stray"), "x\n")
			}
			s, err := w.Site("node.de")
			check(t, err)
			relay := w.relayed(t, "node.de")
			lose := func() { os.RemoveAll(filepath.Join(s.Dir, "centos", "7", "isos")) }
			relay.Arm(lab.RelayFault{Conn: 4, Once: true, Hook: func() { // pre-flight, content, count, then this
				if counted == 0 {
					lose()
				}
			}}, lab.RelayFault{Conn: 6, Once: true, Hook: lose}) // metadata, anchors, then this
			w.settings["EXCLUDES"] = os.DevNull // or else that it became less is seen
			r := w.run(t, 0, nil)
			if counted == 0 {
				if _, err := os.Stat(filepath.Join(w.tree, "7", "isos")); err != nil {
					t.Errorf("deleted what nobody counted: %v", r)
				}
				return
			}
			if n := count(t, w.tree); n < files {
				t.Errorf("%d of %d files are left, and one was counted: %v", n, files, r)
			}
			if _, err := os.Stat(filepath.Join(w.state, "owed")); err != nil || !strings.Contains(r.stderr, "owed") {
				t.Errorf("not said, or not owed: %v", r)
			}
			if got := read(t, filepath.Join(w.tree, "TIME")); got != fmt.Sprintln(start0+1000) {
				t.Errorf("the time file says %s", got)
			}
		})
	}
}

func count(t *testing.T, dir string) (files int) {
	t.Helper()
	check(t, filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			files++
		}
		return err
	}))
	return files
}

// TestTempName: a source cannot know the name under which a file is made, nor have it written through a link: not to where
// a link of the admin's own leads.
func TestTempName(t *testing.T) {
	w := newWorld(t)
	outside, rules := filepath.Join(w.dir, "outside"), filepath.Join(w.dir, "excludes")
	write(t, filepath.Join(outside, "victim"), "precious\n")
	write(t, filepath.Join(outside, "repomd.xml"), "precious\n")
	write(t, rules, "/pub\n")
	w.run(t, 0, nil)
	check(t, os.Symlink(outside, filepath.Join(w.tree, "pub")))
	w.settings["EXCLUDES"], w.settings["AVOID"] = rules, "mirror.de node.de"
	w.move(t, start0+1000)
	s, err := w.Site("mirror.fi")
	check(t, err)
	tree := filepath.Join(s.Dir, "centos")
	for _, name := range []string{"TIME.tidemark-new", ".tidemark-new", ".tidemark-AAAAAAAAAA"} {
		check(t, os.Symlink("pub/victim", filepath.Join(tree, name)))
	}
	w.run(t, 0, nil)
	if _, err := os.Lstat(filepath.Join(w.tree, ".tidemark-new")); err == nil {
		t.Error("took a file of a name that is ours")
	}
	if info, err := os.Lstat(filepath.Join(w.tree, "TIME")); err != nil || !info.Mode().IsRegular() {
		t.Errorf("the time file is %v, %v", info, err)
	}

	w.move(t, start0+2000)
	relay := w.relayed(t, "mirror.fi")
	dir := filepath.Dir(filepath.Join(tree, repomd))
	relay.Arm(lab.RelayFault{Conn: 4, Once: true, Hook: func() { // metadata: the directory of an anchor is a link now
		os.Rename(dir, dir+".was")
		os.Symlink("../../../pub", dir)
	}}, lab.RelayFault{Conn: 5, Once: true, Hook: func() { // and a directory again for the anchors
		os.Remove(dir)
		os.Rename(dir+".was", dir)
	}})
	check(t, os.RemoveAll(filepath.Join(w.tree, filepath.Dir(repomd)))) // else rsync leaves what is not empty
	w.run(t, 1, nil)
	for _, name := range []string{"victim", "repomd.xml"} {
		if got := read(t, filepath.Join(outside, name)); got != "precious\n" {
			t.Errorf("outside the tree, %s was overwritten with %q", name, got)
		}
	}
}

// TestUnverifiedAnchors_Exit6: metadata that a source has only after the pre-flight never comes into the tree.
func TestUnverifiedAnchors_Exit6(t *testing.T) {
	for name, conn := range map[string]int{"with the metadata": 4, "with the anchors": 5} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.run(t, 0, nil)
			before := read(t, filepath.Join(w.tree, repomd))
			w.move(t, start0+1000)
			s, err := w.Site("mirror.fi")
			check(t, err)
			relay := w.relayed(t, "mirror.fi")
			relay.Arm(lab.RelayFault{Conn: conn, Once: true, Hook: func() {
				file := filepath.Join(s.Dir, "centos", repomd)
				os.Remove(file) // it is linked to the master's
				os.WriteFile(file, []byte("a lie\n"), 0o644)
			}})
			w.run(t, 6, nil)
			if read(t, filepath.Join(w.tree, repomd)) != before {
				t.Error("metadata that nobody verified lies in the tree")
			}
		})
	}
}

// TestRefusedOption: a server that refuses --checksum, as some do to spare their disks, is as good as any; one that refuses
// what every sync needs is left for the next, although rsync ends with code 4.
func TestRefusedOption(t *testing.T) {
	w := newWorld(t)
	w.terminal()
	s, err := w.Site("mirror.fi")
	check(t, err)
	for refused, says := range map[string]string{"checksum": "", "hard-links": "mirror.fi"} {
		t.Run(refused, func(t *testing.T) {
			w.mirror(t, refused)
			w.terminal()
			d, err := lab.StartDaemon(context.Background(), lab.Daemon{Address: "127.0.0.1", Dir: filepath.Join(w.dir, "rsyncd-"+refused),
				Modules: map[string]string{"centos": filepath.Join(s.Dir, "centos")}, Extra: "refuse options = " + refused})
			check(t, err)
			t.Cleanup(func() { d.Stop() })
			w.first(t, d.URL("centos"))
			if r := w.run(t, 0, nil); says == "" && r.stderr != "" || !strings.Contains(r.stderr, says) {
				t.Errorf("expected words with %q: %v", says, r)
			}
			w.holds(t)
		})
	}
}

// first has mirror.fi, the first to be tried, at another URL.
func (w *world) first(t *testing.T, url string) {
	t.Helper()
	w.publish(t, func(m *manifest.Manifest) {
		source(m, "mirror.fi", func(_ *manifest.Source, st *manifest.SourceTree) {
			var err error
			st.URL, err = rsyncurl.Parse(url)
			check(t, err)
		})
	})
}

// TestNoRsync: what is no rsync daemon is left for the next source.
func TestNoRsync(t *testing.T) {
	w := newWorld(t)
	for _, kind := range []lab.FakeKind{lab.FakeGarbage, lab.FakeWeb, lab.FakeHangup} {
		w.mirror(t, string(kind))
		f, err := lab.StartFake(context.Background(), kind)
		check(t, err)
		t.Cleanup(func() { f.Close() })
		w.first(t, f.URL("centos"))
		w.run(t, 0, nil)
		w.holds(t)
	}
}

// stand puts a shell script before a tool of the same name; in it, "$real" is that one.
func (w *world) stand(t *testing.T, tool, text string) (env []string) {
	t.Helper()
	real, err := exec.LookPath(tool)
	check(t, err)
	dir := filepath.Join(w.dir, "stand-"+tool)
	write(t, filepath.Join(dir, tool), fmt.Sprintf("#!/bin/sh\nreal=%s\n%s\nexec \"$real\" \"$@\"\n", real, text))
	check(t, os.Chmod(filepath.Join(dir, tool), 0o755))
	return []string{"PATH=" + dir + ":" + os.Getenv("PATH")}
}

// TestWhoseFault: how a failed rsync is judged. A fault of this machine ends the run with exit code 1; but its words may be
// a server's, so that one source alone does not end it.
func TestWhoseFault(t *testing.T) { whoseFault(t, false) }

// TestSoakWhoseFault lets each fault be one source's alone, as well.
func TestSoakWhoseFault(t *testing.T) { whoseFault(t, soak(t, true)) }

func whoseFault(t *testing.T, all bool) {
	w := newWorld(t)
	for _, tt := range []struct {
		name, says string
		code       int
		every      int // the exit code when every source ends so
	}{
		{"no room", "rsync: [receiver] write failed on \"x\": No space left on device (28)\nrsync error: error in file IO (code 11) at receiver.c(657) [receiver=3.5.0]", 11, 1},
		{"not permitted", "rsync: [generator] recv_generator: mkdir \"x\" failed: Permission denied (13)\nrsync error: some files could not be transferred (code 23) at main.c(1) [generator=3.5.0]", 23, 1},
		{"read only", "rsync: [receiver] mkstemp \"x\" failed: Read-only file system (30)\nrsync error: x (code 23) at main.c(1) [generator=3.5.0]", 23, 1},
		{"not readable there", "rsync: [sender] send_files failed to open \"x\" (in centos): Permission denied (13)\nrsync error: x (code 23) at main.c(1) [generator=3.5.0]", 23, 6},
		{"no room there", "rsync: [sender] write error: No space left on device (28)\nrsync error: error in file IO (code 11) at io.c(1) [sender=3.1.2]", 11, 6},
		{"a code of the server", "rsync error: error allocating core memory buffers (code 22) at util.c(1) [sender=3.1.2]", 22, 6},
		{"killed", "rsync error: received SIGINT, SIGTERM, or SIGHUP (code 20) at rsync.c(1) [Receiver=3.5.0]", 20, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := w.Site("mirror.fi")
			check(t, err)
			fail := fmt.Sprintf("{ cat >&2 <<'_'\n%s\n_\nexit %d; } ;;\nesac", tt.says, tt.code)
			w.mirror(t, tt.name)
			w.runWith(t, tt.every, nil, w.stand(t, "rsync", "case $* in *rsync://*) "+fail))
			w.untouched(t)
			if !all && tt.name != "no room" {
				return
			}
			w.runWith(t, 0, nil, w.stand(t, "rsync", "case $* in *"+strings.TrimSuffix(s.URL("centos"), "/")+"*) "+fail))
			w.holds(t)
		})
	}
}

// TestFlood_Exit6: neither a server's words nor its files fill the disk of the state.
func TestFlood_Exit6(t *testing.T) {
	w := newWorld(t)
	found := filepath.Join(w.dir, "found")
	look := fmt.Sprintf("\nfind '%s' -type f -size +103000k >>'%s'; exit 12", w.state, found)
	w.runWith(t, 6, nil, w.stand(t, "rsync", "trap '' PIPE; yes 'rsync: I have a lot to say' | head -c 110000000"+look))
	if got := read(t, found); got != "" {
		t.Errorf("larger than 100 MB: %s", got)
	}
	w.runWith(t, 6, nil, w.stand(t, "rsync", "for d; do :; done; trap '' XFSZ; head -c 110000000 /dev/zero >$d/TIME 2>/dev/null"+look))
	if got := read(t, found); got != "" {
		t.Errorf("larger than 100 MB: %s", got)
	}
}

// TestPackagesDirectory: of the late patterns, Packages* means an index, not a directory full of packages.
func TestPackagesDirectory(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"7/os/x86_64/Packages/a.rpm", "dists/x/Packages", "Packages.gz"} {
		write(t, filepath.Join(w.Master("centos"), name), "x\n")
	}
	w.move(t, start0+1000)
	relay := w.relayed(t, "mirror.fi")
	var early []string
	relay.Arm(lab.RelayFault{Conn: 3, Once: true, Hook: func() { // after the content
		for _, name := range []string{"7/os/x86_64/Packages/a.rpm", "dists/x/Packages", "Packages.gz"} {
			if _, err := os.Stat(filepath.Join(w.tree, name)); err == nil {
				early = append(early, name)
			}
		}
	}})
	w.run(t, 0, nil)
	w.holds(t)
	if got := strings.Join(early, " "); got != "7/os/x86_64/Packages/a.rpm" {
		t.Errorf("before the metadata came %q, expected the package alone", got)
	}
}

// TestProof_NoAnswer: a tool that does nothing and says that all is well proves nothing.
func TestProof_NoAnswer(t *testing.T) {
	w := newWorld(t)
	w.runWith(t, 6, nil, w.stand(t, "sha256sum", "case $* in -c*) exit 0 ;; esac"))
	w.untouched(t)
	w.runWith(t, 1, nil, w.stand(t, "cut", "case $* in -c67-*) exit 0 ;; esac"))
	w.untouched(t)
}

// TestOnDisk: all else is on the disk before the time file says that it is there.
func TestOnDisk(t *testing.T) {
	w := newWorld(t)
	seen := filepath.Join(w.dir, "seen")
	w.runWith(t, 0, nil, w.stand(t, "sync", fmt.Sprintf("ls '%s' >'%s'", w.tree, seen)))
	if got := read(t, seen); !strings.Contains(got, "7\n") || strings.Contains(got, "TIME") {
		t.Errorf("when the tree was put on the disk, it had %q", got)
	}
	w.holds(t)
}

// TestTerm: a signal to the script alone ends it and its rsync at once, not when the source pleases.
func TestTerm(t *testing.T) { term(t, "sh") }

// TestSoakTerm is the same in every shell at hand.
func TestSoakTerm(t *testing.T) {
	term(t, soak(t, []string{"sh", "busybox", "bash", "ksh93", "yash"})...)
}

func term(t *testing.T, names ...string) {
	w := newWorld(t)
	relay := w.relayed(t, "mirror.fi")
	for _, name := range names {
		shell, ok := shells()[name]
		if !ok {
			continue
		}
		t.Run(name, func(t *testing.T) {
			w.mirror(t, name)
			w.settings["TIMEOUT"] = "600"
			relay.Reset()
			reached := make(chan bool, 1)
			relay.Arm(lab.RelayFault{Conn: 2, Down: 200, Hang: true, Hook: func() { reached <- true }})
			cmd := exec.Command(shell[0], append(shell[1:len(shell):len(shell)], script, w.settings.write(t, filepath.Dir(w.state)))...)
			check(t, cmd.Start())
			<-reached
			check(t, cmd.Process.Signal(syscall.SIGTERM))
			ended := make(chan error, 1)
			go func() { ended <- cmd.Wait() }()
			select {
			case <-ended:
			case <-time.After(45 * time.Second):
				cmd.Process.Kill()
				t.Fatal("still waiting for the source")
			}
			w.awaitFree(t)
			if left, _ := filepath.Glob(filepath.Join(w.state, "tmp.*")); len(left) > 0 {
				t.Errorf("left over in the state: %v", left)
			}
			relay.Reset()
			w.run(t, 0, shell)
			w.holds(t)
		})
	}
}
