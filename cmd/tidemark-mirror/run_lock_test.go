package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tidemark/client"
	"tidemark/config"
	"tidemark/internal/lab"
	"tidemark/manifest"
	"tidemark/rsync"
)

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
