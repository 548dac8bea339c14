package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tidemark/internal/console"
	"tidemark/internal/lab"
	"tidemark/manifest"
)

// terminal runs the program as somebody does who sits there, in this process.
func (s *scene) terminal(args ...string) (stdout, stderr string, exit int) {
	s.Helper()
	s.configure()
	var out, errs bytes.Buffer
	exit = run(append([]string{"tidemark-mirror", args[0], "--config", s.config}, args[1:]...),
		world{Env: console.Env{Stdout: &out, Stderr: &errs, Getenv: os.Getenv, Now: time.Now, Terminal: true}})
	return out.String(), errs.String(), exit
}

// The thread of issue and purpose: something new, a sync, nothing new after one 304.
func TestRun_Thread(t *testing.T) {
	t.Parallel()
	needTool(t, "nginx")
	s := newScene(t)
	web, err := lab.StartSite(t.Context(), s.path("web"), s.pub.Site, lab.WebOptions{})
	s.must(err)
	defer web.Stop()
	s.url = web.URL
	s.lines = append(s.lines, "ca: "+web.CA)
	s.good()
	s.announce(nil)
	s.expect(100, "check")
	out := s.expect(0, "run", "--now")
	s.says(out, "synced to", "from good", "nearby: SE is 1st near FI", "received", "1 full list")
	s.same(s.master.Dir)
	if b, err := os.ReadFile(filepath.Join(s.path("state"), "behind.json")); err != nil || strings.Contains(string(b), "centos") {
		t.Errorf("behind.json says %s, %v: the tree is in date", b, err)
	}
	s.must(web.Reset(t.Context()))
	s.expect(0, "check")
	asked, err := web.Requests(t.Context())
	s.must(err)
	if len(asked) != 1 || asked[0].Status != 304 {
		t.Errorf("a check with nothing new asked %+v, expected one request and 304", asked)
	}
	if out := s.expect(0, "run", "--now"); out != "" {
		t.Errorf("a run with nothing to do said:\n%s", out)
	}
	stdout, _, exit := s.terminal("run", "--now")
	if exit != 0 {
		t.Errorf("exit code %d on a terminal", exit)
	}
	s.says(stdout, "centos", "in date")
}

func TestRun_JSON(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.near(s.serve("near", s.first, lab.Daemon{}))
	s.good()
	s.announce(nil)
	stdout, _, exit := s.run("run", "--now", "--json")
	if exit != 0 {
		t.Fatalf("exit code %d", exit)
	}
	followsRunSchema(t, stdout)
	var d runDocument
	s.must(json.Unmarshal([]byte(stdout), &d))
	if len(d.Trees) != 1 {
		t.Fatalf("%d trees", len(d.Trees))
	}
	r := d.Trees[0]
	if r.Action != "synced" || r.From != s.t0 || r.To != s.t1 || r.Source.ID != "good" || r.Lists < 1 || r.Received == 0 ||
		len(r.Attempts) != 1 || r.Attempts[0].ID != "near" || r.Attempts[0].Why != "behind" {
		t.Errorf("%+v", r)
	}
	s.offers = map[string]manifest.Source{}
	s.move(s.t1 + 60)
	s.announce(nil)
	stdout, _, exit = s.run("run", "--now", "--json")
	followsRunSchema(t, stdout)
	if exit != 6 || !strings.Contains(stdout, `"exit": 6`) || !strings.Contains(stdout, `"action": "failed"`) {
		t.Errorf("exit code %d\n%s", exit, stdout)
	}
}

// A dry run shows the commands, the files and the deletions, and changes nothing.
func TestRun_DryRun(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.good()
	s.announce(nil)
	before, state := s.snapshot(), s.stateFiles()
	s.lines = append(s.lines, "hooks: {before: [/bin/false]}")
	out := s.expect(0, "run", "--dry-run")
	s.says(out, "would be synced to", "rsync -", "rsync://127.0.0.1", "file", "1 full list", "3 names to delete", "\n  delete ")
	var doc struct {
		Trees []struct{ Deletions []string }
	}
	stdout, _, _ := s.run("run", "--dry-run", "--json")
	s.must(json.Unmarshal([]byte(stdout), &doc))
	if len(doc.Trees) != 1 || len(doc.Trees[0].Deletions) != 3 {
		t.Errorf("%+v", doc)
	}
	s.same(before)
	if now := s.stateFiles(); now != state {
		t.Errorf("the state changed from\n%s to\n%s", state, now)
	}
}

// stateFiles are the names and contents of what a run remembers of trees; what Look keeps may move.
func (s *scene) stateFiles() string {
	s.Helper()
	var b strings.Builder
	s.must(filepath.WalkDir(s.path("state"), func(p string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		switch d.Name() {
		case "origin.json", "seen.json", "manifest.bundle.json", "look.lock":
			return nil
		}
		text, err := os.ReadFile(p)
		fmt.Fprintf(&b, "%s: %s\n", p, text)
		return err
	}))
	return b.String()
}

// --source uses that place alone, and takes deletions from it only where the manifest lists it.
func TestRun_Source(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.near(s.serve("near", s.copy("near"), lab.Daemon{}))
	s.announce(nil)
	other := s.serve("other", s.copy("other"), lab.Daemon{})
	out := s.expect(0, "run", "--now", "--source", other)
	s.says(out, "from "+other, "owed")
	s.same(s.master.Dir, s.goneSince()...)
	s.expect(0, "sync", "--source", strings.TrimSuffix(s.offers["near"].Trees["centos"].URL.String(), "/"))
	s.same(s.master.Dir)
	for _, bad := range []string{"--rsh=touch x", "rsync://h:0x50/m", "/srv/tree", "rsync://h/m\n--daemon", "ssh://h/m"} {
		s.expect(2, "run", "--now", "--source", bad)
	}
}

func TestRun_Avoid(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.near(s.serve("near", s.copy("near"), lab.Daemon{}))
	s.good()
	s.announce(nil)
	s.lines = append(s.lines, "avoid: [near]")
	s.says(s.expect(0, "run", "--now"), "from good")
}

// Hooks run around a sync, know what it is about, and see no shell; one before that fails keeps the tree untouched.
func TestRun_Hooks(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.good()
	s.announce(nil)
	script := s.path("hook")
	s.must(os.WriteFile(script, []byte("#!/bin/sh\necho \"$1 $TIDEMARK_NETWORK $TIDEMARK_TREE $TIDEMARK_TIMESTAMP $TIDEMARK_SOURCE $TIDEMARK_PATH $HOME $SECRET\" >> "+s.path("hooked")+"\n"), 0o755))
	before := s.snapshot()
	s.env = []string{"SECRET=x"}
	s.lines = append(s.lines, "hooks: {before: [/bin/false]}")
	s.says(s.expect(1, "run", "--now"), "hook before", "/bin/false")
	s.same(before)
	s.lines[len(s.lines)-1] = fmt.Sprintf(`hooks: {before: [%s, "$(touch x); before"], after: [%s, after]}`, script, script)
	s.expect(0, "run", "--now")
	told, err := os.ReadFile(s.path("hooked"))
	s.must(err)
	u := s.offers["good"].Trees["centos"].URL
	want := fmt.Sprintf("$(touch x); before centos centos %d %s %s  \nafter centos centos %d %s %s  \n", s.t1, u, s.mirror(), s.t1, u, s.mirror())
	if string(told) != want {
		t.Errorf("the hooks were told\n%s expected\n%s", told, want)
	}
	s.move(s.t1 + 60)
	s.offers = map[string]manifest.Source{}
	s.good()
	s.announce(nil)
	s.lines[len(s.lines)-1] = "hooks: {after: [/bin/false]}"
	s.says(s.expect(1, "run", "--now"), "synced to", "hook after")
	s.same(s.master.Dir)
	s.expect(0, "run", "--now") // the sync stands
}

// sync compares a tree that is in date, and repairs it.
func TestSync_Repairs(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.good()
	s.announce(nil)
	s.expect(0, "run", "--now")
	s.must(os.Remove(firstFile(t, s.mirror(), func(p string) bool { return strings.HasSuffix(p, ".rpm") })))
	s.must(os.WriteFile(firstFile(t, s.mirror(), func(p string) bool { return strings.HasSuffix(p, "repomd.xml") }), []byte("<altered/>"), 0o644))
	s.expect(0, "run", "--now")
	s.says(s.expect(0, "sync"), "synced to", "2 files")
	s.same(s.master.Dir)
}

// What passes by itself is told when the tree is behind for long, and then not at every run.
func TestRun_SoftFailuresAreToldLate(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	d, err := lab.NewDead("127.0.0.1", 0)
	s.must(err)
	defer d.Close()
	s.near(d.URL("centos"))
	s.announce(nil)
	if out := s.expect(6, "run", "--now"); out != "" {
		t.Errorf("told at once:\n%s", out)
	}
	s.env = []string{"TIDEMARK_TEST_CLOCK=7h"}
	s.says(s.expect(6, "run", "--now"), "behind since", "unreachable")
	if out := s.expect(6, "run", "--now"); out != "" {
		t.Errorf("told again:\n%s", out)
	}
}

// One tree that fails does not keep the other; the exit code is the gravest.
func TestRun_SeveralTrees(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.good()
	alt, err := lab.NewTree(s.path("altarch"), "altarch", 2, s.t1)
	s.must(err)
	describe := func(m *manifest.Manifest) {
		tree, err := lab.TreeAt(t.Context(), alt.Dir, s.now)
		s.must(err)
		m.Trees["altarch"] = tree
	}
	s.announce(describe)
	s.mkdir("alt")
	s.after = "  altarch: {path: " + s.path("alt") + "}\n"
	s.says(s.expect(6, "run", "--now"), "synced to")
	s.same(s.master.Dir)
	if out := s.expect(6, "run", "--now"); out != "" { // once in warn_after
		t.Errorf("told again:\n%s", out)
	}
	s.says(s.expect(2, "run", "--now", "nonsense"), "altarch, centos")
	s.expect(2, "run", "--now", "--source", "rsync://127.0.0.1/x/")
	s.expect(0, "run", "--now", "centos")
}

// A directory that is not the tree's is left alone, until it is taken on purpose.
func TestRun_NotTheTree_Exit1(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.good()
	s.announce(nil)
	s.must(os.RemoveAll(s.mirror()))
	s.says(s.expect(1, "run", "--now"), "no such directory", "mkdir -p")
	s.must(os.Mkdir(s.mirror(), 0o755))
	s.must(os.WriteFile(filepath.Join(s.mirror(), "thesis.pdf"), []byte("the only copy"), 0o644))
	s.says(s.expect(1, "run", "--now"), "--adopt")
	if _, err := os.Stat(filepath.Join(s.mirror(), "thesis.pdf")); err != nil {
		t.Error(err)
	}
	s.expect(0, "run", "--now", "--adopt")
	s.same(s.master.Dir)
}

// A time file that is none, or in the future, counts as none: it is said, and the tree is synced.
func TestRun_DamagedTimeFile_Exit0(t *testing.T) {
	for _, text := range []string{"<html>404</html>\n", "9999999999\n"} {
		s := newScene(t)
		s.good()
		s.announce(func(m *manifest.Manifest) { admit(m, 0) })
		s.must(os.WriteFile(filepath.Join(s.mirror(), lab.TimeFile), []byte(text), 0o644))
		s.says(s.expect(0, "run", "--now"), "time file does not count", "synced to")
		s.same(s.master.Dir)
		s.holds(s.t1)
	}
}

// Told to stop, a run ends its rsync, and the next one goes on.
func TestRun_Interrupted_Exit1(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	r := s.relayed("near", s.large("near"))
	s.near(r.URL("centos"))
	s.announce(nil)
	half := make(chan struct{})
	r.Arm(lab.RelayFault{Down: largeFile / 2, Hang: true, Once: true, Hook: func() { close(half) }})
	c := s.command("run", "--now")
	var said bytes.Buffer
	c.Stdout, c.Stderr = &said, &said
	s.must(c.Start())
	select {
	case <-half:
	case <-time.After(time.Minute):
		c.Process.Kill()
		t.Fatalf("the source was never asked for its content\n%s", &said)
	}
	s.must(c.Process.Signal(unix.SIGTERM))
	c.Wait()
	if exit := c.ProcessState.ExitCode(); exit != 1 || !strings.Contains(said.String(), "interrupted") {
		t.Errorf("exit code %d\n%s", exit, said.String())
	}
	s.holds(s.t0)
	s.heals()
}
