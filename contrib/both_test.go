package contrib_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tidemark/internal/lab"
	"tidemark/manifest"
)

// program builds tidemark-mirror and configures it for the script's tree, with a state of its own.
func (w *world) program(t *testing.T) []string {
	t.Helper()
	dir := t.TempDir()
	bin := filepath.Join(dir, "tidemark-mirror")
	if out, err := exec.Command("go", "build", "-o", bin, "../cmd/tidemark-mirror").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	yaml := filepath.Join(dir, "mirror.yaml")
	write(t, yaml, fmt.Sprintf("network: centos\nid: mirror.se\nurl: %s\nca: %s\ntrust: %s\ncountry: SE\nstate: %s\ntrees:\n  centos: {path: %q}\n",
		w.web.URL, w.web.CA, w.publisher.TrustFile, filepath.Join(dir, "state"), w.tree))
	check(t, os.MkdirAll(filepath.Join(dir, "state"), 0o755))
	return []string{bin, "run", "--config", yaml, "--now", "--strict"}
}

// TestLocks_Program: the program and the script keep each other out of the tree, while a sync runs and while an orphan of
// one that was killed does. The tree of one is the other's, too.
func TestLocks_Program(t *testing.T) {
	w := newWebWorld(t)
	w.settings["STRICT"] = "yes"
	program := w.program(t)
	byScript := func() int {
		return perform(t, nil, []string{"ADOPT=yes"}, w.settings.write(t, filepath.Dir(w.state))).code
	}
	byProgram := func() int {
		cmd := exec.Command(program[0], program[1:]...)
		out, _ := cmd.CombinedOutput()
		if code := cmd.ProcessState.ExitCode(); code != 0 && code != 5 {
			t.Fatalf("the program: exit code %d\n%s", code, out)
		}
		return cmd.ProcessState.ExitCode()
	}
	relay := w.relayed(t, "mirror.fi")
	for name, holder := range map[string][]string{"script": {"sh", script, w.settings.write(t, filepath.Dir(w.state))}, "program": program} {
		t.Run("the "+name+" holds", func(t *testing.T) {
			check(t, os.RemoveAll(w.tree))
			check(t, os.Mkdir(w.tree, 0o755))
			forget(w.state)
			relay.Reset()
			reached, goOn := make(chan bool, 1), make(chan bool)
			relay.Arm(lab.RelayFault{Conn: 2, Down: 200, Once: true, Hook: func() { reached <- true; <-goOn }})
			cmd := exec.Command(holder[0], holder[1:]...)
			check(t, cmd.Start())
			<-reached
			if a, b := byScript(), byProgram(); a != 5 || b != 5 {
				t.Errorf("while syncing: the script's exit code %d, the program's %d, expected 5", a, b)
			}
			check(t, cmd.Process.Kill())
			cmd.Wait()
			// The program's rsync ends soon after it; the script's goes on.
			if a, b := byScript(), byProgram(); name == "script" && (a != 5 || b != 5) {
				t.Errorf("beside the orphan: the script's exit code %d, the program's %d, expected 5", a, b)
			}
			close(goOn)
			w.awaitFree(t)
			if code := byScript(); code != 0 {
				t.Errorf("afterwards: exit code %d", code)
			}
			if code := byProgram(); code != 0 {
				t.Errorf("afterwards: the program's exit code %d", code)
			}
			w.holdsButFor(t)
		})
	}
}

// forget removes what the script remembers of the directory.
func forget(state string) {
	os.Remove(filepath.Join(state, "inode"))
	os.Remove(filepath.Join(state, "first"))
}

// free: nobody has the lock.
func free(dir string) bool { return exec.Command("flock", "-n", dir, "true").Run() == nil }

// awaitFree waits until nobody has the locks.
func (w *world) awaitFree(t *testing.T) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !free(w.tree) || !free(w.state) {
		if time.Now().After(deadline) {
			t.Fatal("the locks are not given back")
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// TestAgain: a run that is refused although it has seen something newer has the holder look once more.
func TestAgain(t *testing.T) {
	w := newWorld(t)
	relay := w.relayed(t, "mirror.fi")
	relay.Arm(lab.RelayFault{Conn: 2, Down: 200, Once: true, Hook: func() {
		w.Move("centos", start0+1000)
		w.Sync("node.de", "mirror.de")
		w.publish(t, nil)
		w.run(t, 0, nil) // refused, and silent
	}})
	w.run(t, 0, nil)
	w.holds(t)
}

// TestWaits: one that is not admitted stays, without the lock, and looks again.
func TestWaits(t *testing.T) {
	w := newWorld(t)
	w.run(t, 0, nil)
	check(t, w.Move("centos", start0+1000))
	check(t, w.Sync(w.IDs("")...))
	admit := func(ppm int64) {
		w.publish(t, func(m *manifest.Manifest) {
			m.Policy.CheckInterval = 1
			tree := m.Trees["centos"]
			tree.Admit = ppm
			m.Trees["centos"] = tree
		})
	}
	admit(0)
	w.settings["WAIT"] = "600"
	cmd := exec.Command("sh", script, w.settings.write(t, filepath.Dir(w.state)))
	check(t, cmd.Start())
	deadline := time.Now().Add(30 * time.Second)
	for free(filepath.Join(w.state, "wait.lock")) && time.Now().Before(deadline) {
		time.Sleep(20 * time.Millisecond)
	}
	w.run(t, 0, nil) // another one does not wait as well
	if !free(w.tree) {
		t.Error("locked while it waits")
	}
	admit(manifest.FullAdmission)
	check(t, cmd.Wait())
	w.holds(t)
}

// TestOtherRsync: an rsync of another minor version does as well.
func TestOtherRsync(t *testing.T) {
	out, err := exec.Command("../scripts/rsync-other").Output()
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("scripts/rsync-other: %v", err)
		}
		t.Skipf("scripts/rsync-other: %v", err)
	}
	w := newWorld(t)
	env := []string{"PATH=" + filepath.Dir(strings.TrimSpace(string(out))) + ":" + os.Getenv("PATH")}
	write(t, filepath.Join(w.tree, "stray"), "x\n")
	w.runWith(t, 0, nil, append(env, "ADOPT=yes"))
	w.holds(t)
	w.settings["MAX_DELETE"] = "0"
	write(t, filepath.Join(w.tree, "stray"), "x\n")
	w.move(t, start0+1000)
	w.runWith(t, 1, nil, env)
	read(t, filepath.Join(w.tree, "stray"))
}

// TestTimeFiles: the forms of a time, as they lie in this mirror's tree.
func TestTimeFiles(t *testing.T) {
	w := newWorld(t)
	for text, code := range map[string]int{
		"1488372781\n":                             0,
		"1488372781":                               0,
		"1488372781\r\n":                           0,
		"  0001488372781 mirmon\nx\n":              0,
		"2017-03-01T12:53:01Z\n":                   0,
		"Wed Mar  1 12:53:01 UTC 2017":             0,
		"Wed, 01 Mar 2017 12:53:01 +0000\n":        0,
		"Wed, 01 Mar 2017 12:53:01 GMT\n":          0,
		"Date: Wed, 01 Mar 2017 12:53:01 +0000\nx": 0,
		"Wed Mar  1 12:00:00 UTC 2017\nUsing dak v1\nDate: Wed, 01 Mar 2017 12:53:01 +0000\n": 0,
		"Wed Mar  1 12:00:00 UTC 2017\nUsing dak v1\n":                                        100,
		"1488372780\n":                           100,
		"99999999999999999999\n":                 100,
		"1488372781000\n":                        100,
		"99999999999\n":                          100, // from the future
		"<html>1488372781</html>\n":              100,
		"":                                       100,
		"\n1488372781\n":                         100,
		"-1488372781\n":                          100,
		"Wed Mar  1 12:53:01 CST 2017":           100,
		"$(touch /tmp/x)1488372781\n":            100,
		"1488372781" + strings.Repeat(" ", 5000): 100,
	} {
		write(t, filepath.Join(w.tree, "TIME"), text)
		if r := perform(t, nil, nil, w.settings.write(t, filepath.Dir(w.state)), "check"); r.code != code {
			t.Errorf("%q: expected exit code %d: %v", text, code, r)
		}
	}
}

// TestSettings_Exit2: what cannot be meant is refused, with its name. By a check: if a system directory were taken, nothing
// would be synced into it.
func TestSettings_Exit2(t *testing.T) {
	w := newWorld(t)
	for name, values := range map[string][]string{
		"ID": {"", "Mirror", "-e", "a b"}, "NETWORK": {"", "../x"}, "TREE": {""}, "URL": {"", "http://x/", "https://x", "file://x/", "-o/x"}, "AVOID": {"-x"},
		"DIR": {"", "tree", "/", "//", "/usr", "/var/", "/etc/../home"}, "STATE": {"state", "/nonexistent/state", w.tree, w.tree + "/state"}, "KEYRING": {"centos.gpg"}, "EXCLUDES": {"x"},
		"COUNTRY": {"fi", "FIN"}, "CONTINENT": {"", "XX"}, "FAMILY": {"5"}, "MAX_DELETE": {"many", "-1", ""}, "ASN": {"AS5"},
	} {
		for _, value := range values {
			old := w.settings[name]
			w.settings[name] = value
			if r := w.run(t, 2, nil, "check"); !strings.Contains(r.stderr, name) && name != "MAX_DELETE" && name != "ASN" {
				t.Errorf("%s=%q: expected words with %s: %v", name, value, name, r)
			}
			if w.settings[name] = old; old == "" {
				delete(w.settings, name)
			}
		}
	}
	w.run(t, 2, nil, "frobnicate")
	w.run(t, 2, nil, "-x")
	w.untouched(t)
}
