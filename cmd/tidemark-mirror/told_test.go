package main

import (
	"bytes"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tidemark/internal/lab"
	"tidemark/manifest"
)

// at sets the program's clock off by that much.
func (s *scene) at(offset string) *scene {
	s.env = []string{"TIDEMARK_TEST_CLOCK=" + offset}
	return s
}

// silent runs as cron does and wants that exit code and not a word.
func (s *scene) silent(exit int, args ...string) {
	s.Helper()
	if out := s.expect(exit, args...); out != "" {
		s.Errorf("tidemark-mirror %s: expected not a word, found\n%s", strings.Join(args, " "), out)
	}
}

// holding has another program hold the flock of path.
func (s *scene) holding(path string) (release func()) {
	s.Helper()
	held := exec.CommandContext(s.Context(), "flock", "-n", path, "sh", "-c", "echo held; read x")
	in, err := held.StdinPipe()
	s.must(err)
	out, err := held.StdoutPipe()
	s.must(err)
	s.must(held.Start())
	_, err = out.Read(make([]byte, 5))
	s.must(err)
	return func() {
		in.Close()
		held.Wait()
	}
}

// A lock that is held for ever is told once the tree is behind for long, every warn_after, and still with exit code 0.
func TestRun_LockHeldForLong(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.good()
	s.announce(nil)
	for i, path := range []string{s.path("state"), s.path("disk/mirror")} {
		release := s.holding(path)
		s.at([]string{"0s", "14h"}[i]).silent(0, "run")
		if i == 0 {
			s.says(s.at("7h").expect(0, "run"), "warning", "centos is behind since", path)
			s.at("8h").silent(0, "run")
		}
		s.says(s.at([]string{"13h1m", "20h1m"}[i]).expect(0, "run"), "centos is behind since", path)
		s.says(s.at("20h1m").expect(5, "run", "--strict"), path)
		release()
	}
}

// Sources that have moved on to what no manifest knows are waited for, but not for ever in silence.
func TestRun_WaitsForLong(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.announce(nil)
	s.near(s.serve("near", s.ahead("near"), lab.Daemon{}))
	s.announce(nil)
	s.silent(0, "run", "-q")
	s.says(s.at("7h").expect(0, "run", "-q"), "centos is behind since", "moved on")
	s.at("8h").silent(0, "run", "-q")
	s.says(s.at("13h1m").expect(0, "run", "-q"), "centos is behind since")
}

// A clock that is behind makes no time file one of the future: what the newest manifest proves has been.
func TestRun_ClockBehind(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.good()
	s.announce(nil)
	s.expect(0, "run", "--now")
	s.at("-70m").silent(0, "run", "--now")
	if out := s.expect(0, "sync"); strings.Contains(out, "future") {
		t.Errorf("a sync said\n%s", out)
	}
}

// What a person has to mend is told once, and again after warn_after; the exit code is the same at every run.
func TestRun_SameTextOnceInAWhile(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.good()
	s.announce(nil)
	s.lines = append(s.lines, "hooks: {before: [/bin/false]}")
	s.says(s.expect(1, "run", "-q"), "hook before")
	s.silent(1, "run", "-q")
	s.says(s.expect(1, "run", "-q", "-v"), "hook before")
	_, stderr, exit := s.terminal("run", "--now")
	if exit != 1 || !strings.Contains(stderr, "hook before") {
		t.Errorf("on a terminal: exit code %d\n%s", exit, stderr)
	}
	s.says(s.at("6h1m").expect(1, "run", "-q"), "hook before")

	s.lines = s.lines[:len(s.lines)-1]
	s.must(os.Rename(s.mirror(), s.mirror()+".unmounted"))
	s.says(s.expect(1, "run", "-q"), "no such directory") // another text
	s.silent(1, "run", "-q")
	s.must(os.Rename(s.mirror()+".unmounted", s.mirror()))
	memory := filepath.Join(s.path("state"), "trees", "centos.json")
	was, err := os.ReadFile(memory)
	s.must(err)
	s.must(os.WriteFile(memory, []byte("{"), 0o600))
	s.says(s.expect(1, "run", "-q"), "damaged")
	s.silent(1, "run", "-q")
	s.must(os.WriteFile(memory, was, 0o600))
	s.env = nil
	s.expect(0, "run")
	s.holds(s.t1)
}

// A disk that is too small is not asked about at every run: each time would cost the source a full list.
func TestRun_NoRoomRests(t *testing.T) {
	t.Parallel()
	s := newSceneOn(t, "3m")
	s.near(s.serve("near", s.largeOf("near", 8<<20), lab.Daemon{}))
	s.announce(nil)
	s.says(s.expect(1, "run"), "room", "run --now")
	asked := s.offers["near"]
	s.offers = map[string]manifest.Source{}
	s.announce(nil) // a run that asked now would have no source, exit code 6
	s.at("59m").silent(1, "run")
	s.at("61m").expect(6, "run")
	s.env = nil
	s.offers["near"] = asked
	s.announce(nil)
	s.says(s.expect(1, "run", "-v"), "room") // a person does not wait
	out, _, _ := s.run("run", "--now", "--json")
	s.says(out, "room")
	followsRunSchema(t, out)
}

// Unlike errors do not share one turn a day, and being interrupted takes nobody's.
func TestRun_UnlikeErrorsAreTold(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.siteDown()
	s.must(os.RemoveAll(s.path("state")))
	s.mkdir("state")
	s.expect(1, "run")
	s.silent(1, "run")
	s.must(os.WriteFile(filepath.Join(s.path("state"), "seen.json"), []byte("{"), 0o600))
	s.says(s.expect(1, "run"), "seen.json")
	s.must(os.Remove(filepath.Join(s.path("state"), "seen.json")))
	s.silent(1, "run")
}

func TestRun_InterruptedEatsNoNews(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.must(os.RemoveAll(s.path("state")))
	s.mkdir("state")
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	s.must(err)
	defer silent.Close()
	s.url = "https://" + silent.Addr().String() + "/"
	c := s.command("run")
	var said bytes.Buffer
	c.Stdout, c.Stderr = &said, &said
	s.must(c.Start())
	asking, err := silent.Accept()
	s.must(err)
	defer asking.Close()
	s.must(c.Process.Signal(unix.SIGTERM))
	c.Wait()
	s.says(said.String(), "interrupted")
	s.url = "https://127.0.0.1:1/"
	s.says(s.expect(1, "run", "-q"), "127.0.0.1")
}

// A tree that the network never had is an error of the configuration, asked for by its name or not; the others are synced.
func TestRun_TreeThatNeverWas_Exit2(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.good()
	s.announce(nil)
	s.mkdir("disk/x")
	s.after = "  cento:\n    path: " + s.path("disk/x") + "\n"
	s.says(s.expect(2, "sync", "cento"), `tree "cento": the network has centos`, "mend trees: in")
	s.says(s.expect(2, "run", "--now"), `tree "cento": the network has centos`, "synced to")
}

// Others who may write the state decide what the mirror serves: cron is told, once a day.
func TestRun_StateIsOpenToOthers(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.must(os.Chmod(s.path("state"), 0o777))
	s.says(s.expect(0, "run"), "warning", s.path("state"), "others than its owner")
	s.silent(0, "run")
	s.says(s.at("24h1m").expect(4, "run"), "others than its owner")
}

// State that cannot be used is in the document, too.
func TestRun_JSONHasTheError(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	file := filepath.Join(s.path("state"), "behind.json")
	s.must(os.RemoveAll(file))
	s.must(os.Mkdir(file, 0o755))
	stdout, _, exit := s.run("run", "--json")
	followsRunSchema(t, stdout)
	var d runDocument
	s.must(json.Unmarshal([]byte(stdout), &d))
	if exit != 1 || d.Exit != 1 || len(d.Errors) != 1 || !strings.Contains(d.Errors[0], "behind.json") {
		t.Errorf("exit code %d, %+v", exit, d)
	}
}

// What is written lies in the state directory from its first byte: nobody else's directory is used, and a rename is atomic.
func TestAgain_WritesWhereItBelongs(t *testing.T) {
	other := t.TempDir()
	t.Setenv("TMPDIR", other)
	old := time.Unix(1_000_000_000, 0)
	if err := os.Chtimes(other, old, old); err != nil {
		t.Fatal(err)
	}
	state := t.TempDir()
	if err := os.Chtimes(other, old, old); err != nil {
		t.Fatal(err)
	}
	if err := (target{Trees: map[string]int64{"centos": 1}}).save(state); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(other); err != nil || !info.ModTime().Equal(old) {
		t.Errorf("TMPDIR was written to: %v, %v", info.ModTime(), err)
	}
}

// Texts about the same are the same, whatever they count.
func TestFingerprint(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"12 bytes are to come and 5 are free", "1234 bytes are to come and 0 are free", true},
		{"dial tcp [2001:db8::1]:443: connection refused", "dial tcp [2001:db8::2]:443: connection refused", true},
		{"read udp 127.0.0.1:4312->127.0.0.53:53", "read udp 127.0.0.1:998->127.0.0.53:53", true},
		{"connection refused", "no route to host", false},
		{"hook before: /bin/false", "hook before: /bin/true", false},
	} {
		if same := fingerprint(c.a) == fingerprint(c.b); same != c.same {
			t.Errorf("%q and %q: same %t, expected %t", c.a, c.b, same, c.same)
		}
	}
}

// A site that is away for a moment is nobody's business while what is kept is in force: cron hears of it when it lasts.
func TestRun_SiteDownIsToldLate(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.siteDown()
	s.silent(0, "run")
	s.says(s.expect(0, "run", "-v"), "no newer manifest was to be had")
	_, stderr, _ := s.terminal("run", "--now")
	s.says(stderr, "no newer manifest was to be had")
	s.at("5h").silent(0, "run")
	s.says(s.at("6h1m").expect(0, "run", "-q"), "no newer manifest was to be had")
	s.at("7h").silent(0, "run", "-q")
}
