package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tidemark/client"
	"tidemark/config"
	"tidemark/internal/console"
	"tidemark/internal/lab"
	"tidemark/manifest"
	"tidemark/rsync"
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
	s.says(out, "would be synced to", "rsync -", "rsync://127.0.0.1", "file", "1 full list", "3 names to delete")
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

// Not admitted: the run waits without the lock, a second one leaves at once, and it syncs when its turn has come.
func TestRun_WaitsForAdmission(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.good()
	s.announce(func(m *manifest.Manifest) { admit(m, 0) })
	s.expect(101, "check")
	waiting := s.command("run", "--now")
	done := make(chan struct{})
	var out string
	var exit int
	go func() {
		defer close(done)
		b, _ := waiting.CombinedOutput()
		out, exit = string(b), waiting.ProcessState.ExitCode()
	}()
	s.until("wait.json is there", func() bool { _, err := os.Stat(filepath.Join(s.path("state"), waitHolder)); return err == nil })
	lock, err := os.Open(s.path("state"))
	s.must(err)
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_SH|unix.LOCK_NB); err != nil {
		t.Errorf("the waiting run holds the lock: %v", err)
	}
	lock.Close()
	if second := s.expect(0, "run", "--now"); second != "" {
		t.Errorf("a second run said:\n%s", second)
	}
	s.holds(s.t0)
	s.announce(nil)
	<-done
	if exit != 0 {
		t.Errorf("the waiting run: exit code %d\n%s", exit, out)
	}
	s.holds(s.t1)
}

func admit(m *manifest.Manifest, ppm int64) {
	t := m.Trees["centos"]
	t.Admit = ppm
	m.Trees["centos"] = t
	m.Policy.CheckInterval = 1
}

func TestRun_IgnoreAdmission(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.good()
	s.announce(func(m *manifest.Manifest) { admit(m, 0) })
	s.expect(0, "run", "--now", "--ignore-admission")
	s.holds(s.t1)
}

// until waits for something that another process does.
func (s *scene) until(what string, there func() bool) {
	s.Helper()
	for range 600 {
		if there() {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	s.Fatalf("half a minute later: not %s", what)
}

// A lock held by others: cron hears nothing, --strict and a person do; nothing is touched.
func TestRun_LockHeld(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.good()
	s.announce(nil)
	s.lines = append(s.lines, "lock: "+s.path("old.lock"))
	before := s.snapshot()
	for _, path := range []string{s.path("state"), s.path("disk/mirror"), s.path("old.lock")} {
		if path == s.path("old.lock") {
			s.must(os.WriteFile(path, nil, 0o600))
		}
		held := exec.CommandContext(t.Context(), "flock", "-n", path, "sh", "-c", "echo held; read x")
		in, err := held.StdinPipe()
		s.must(err)
		out, err := held.StdoutPipe()
		s.must(err)
		s.must(held.Start())
		if _, err := out.Read(make([]byte, 5)); err != nil {
			t.Fatal(err)
		}
		if said := s.expect(0, "run", "--now"); said != "" {
			t.Errorf("%s is held, and cron was told:\n%s", path, said)
		}
		s.says(s.expect(5, "run", "--now", "--strict"), path, "another run holds the lock")
		_, stderr, exit := s.terminal("run", "--now")
		if exit != 5 {
			t.Errorf("%s is held: exit code %d on a terminal", path, exit)
		}
		s.says(stderr, path)
		in.Close()
		held.Wait()
	}
	s.same(before)
	s.expect(0, "run", "--now")
	s.holds(s.t1)
}

// Another run was faster between the decision and the lock: nothing is asked of anybody again.
func TestRun_AnotherRunWasFaster(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.good()
	s.announce(nil)
	s.configure()
	cfg, err := config.LoadMirror(s.config, "", config.RsyncRules{})
	s.must(err)
	trust, err := os.ReadFile(s.pub.TrustFile)
	s.must(err)
	origin, err := client.NewOrigin(s.pub.Site)
	s.must(err)
	j := waitingJourney(t, s.now, s.now)
	j.cfg, j.memory, j.heard, j.reports = cfg, &memory{dir: cfg.State}, map[string]bool{}, map[string]*treeReport{}
	j.look = func(ctx context.Context) (*client.View, error) {
		return client.Look(ctx, client.LookOptions{Origin: origin, State: cfg.State, Network: "centos", Trust: trust, Now: j.now})
	}
	j.runner = func([]*os.File) rsync.Runner {
		t.Error("the tree is synced again")
		return nil
	}
	s.must(j.lookAround(t.Context()))
	due, _, err := j.decide()
	if err != nil || len(due) != 1 {
		t.Fatalf("%d trees are due, %v", len(due), err)
	}
	s.expect(0, "run", "--now")
	if locked, err := j.syncAll(t.Context(), due); locked != nil || err != nil {
		t.Errorf("%v, %v", locked, err)
	}
	if r := j.reports["centos"]; r.Action != string(client.InDate) || r.tried() {
		t.Errorf("%+v", r)
	}
}

// A run that is refused although it has seen something newer leaves word, and the holder makes one more round.
func TestRun_CalledAgain(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	r := s.relayed("near", s.large("near"))
	s.near(r.URL("centos"))
	s.announce(nil)
	t2 := s.t1 + 600
	var refused string
	var exit int
	r.Arm(lab.RelayFault{Down: largeFile / 2, Once: true, Hook: func() {
		s.move(t2)
		delete(s.offers, "near")
		s.good()
		s.announce(nil)
		out, errs, code := s.run("run", "--now")
		refused, exit = out+errs, code
	}})
	out := s.expect(0, "run", "--now", "-v")
	if exit != 0 || refused != "" {
		t.Errorf("the refused run: exit code %d, %s", exit, refused)
	}
	s.says(out, "one more round", "from good")
	s.holds(t2)
	s.same(s.master.Dir)
	if _, err := os.Stat(filepath.Join(s.path("state"), againFile)); err == nil {
		t.Error("the word is still there")
	}
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
	s.after = "  altarch: {path: " + s.path("alt") + "}\n  vault: {path: " + s.path("alt") + "2}\n"
	out := s.expect(6, "run", "--now")
	s.says(out, "synced to", `has no tree "vault"`)
	s.same(s.master.Dir)
	if out = s.expect(6, "run", "--now"); out != "" { // once a day, once in warn_after
		t.Errorf("told again:\n%s", out)
	}
	out = s.expect(2, "run", "--now", "nonsense")
	s.says(out, "altarch, centos, vault")
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
	c := s.command("run", "--now")
	r.Arm(lab.RelayFault{Down: largeFile / 2, Hang: true, Hook: func() { c.Process.Signal(unix.SIGTERM) }})
	stdout, stderr, exit := result(t, c)
	if exit != 1 || !strings.Contains(stderr, "interrupted") {
		t.Errorf("exit code %d\n%s%s", exit, stdout, stderr)
	}
	s.holds(s.t0)
	s.heals()
}
