package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tidemark/internal/lab"
	"tidemark/manifest"
)

// hooked has both hooks write down that they ran, and gives what they wrote.
func (s *scene) hooked() (told func() string) {
	s.Helper()
	script, log := s.path("hook"), s.path("hooked")
	s.must(os.WriteFile(script, []byte("#!/bin/sh\necho \"$1 $TIDEMARK_RESULT\" >> "+log+"\n"), 0o755))
	s.lines = append(s.lines, fmt.Sprintf("hooks: {before: [%s, before], after: [%s, after]}", script, script))
	return func() string {
		b, _ := os.ReadFile(log)
		os.Remove(log)
		return strings.ReplaceAll(string(b), "\n", ";")
	}
}

func (s *scene) wants(what, got, want string) {
	s.Helper()
	if got != want {
		s.Errorf("%s: %q, expected %q", what, got, want)
	}
}

// The hook after runs whenever the one before did, and is told how it went.
func TestRun_HookAfterAlways(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	told := s.hooked()
	s.announce(nil)
	s.expect(6, "run")
	s.wants("no source", told(), "before ;after failed;")
	s.near(s.serve("near", s.ahead("near"), lab.Daemon{}))
	s.announce(nil)
	s.expect(0, "run")
	s.wants("all have moved on", told(), "before ;after wait;")
	s.expect(0, "run", "--dry-run")
	s.wants("dry run", told(), "")
	s.offers = map[string]manifest.Source{}
	s.good()
	s.announce(nil)
	s.expect(0, "run")
	s.wants("synced", told(), "before ;after done;")
	s.expect(0, "run")
	s.wants("in date", told(), "")
}

// Told to stop in mid-sync, the run still runs the hook after.
func TestRun_HookAfterInterruption(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	told := s.hooked()
	r := s.relayed("near", s.large("near"))
	s.near(r.URL("centos"))
	s.announce(nil)
	c := s.command("run")
	half := make(chan struct{})
	r.Arm(lab.RelayFault{Down: largeFile / 2, Hang: true, Once: true, Hook: func() { close(half) }})
	s.must(c.Start())
	select {
	case <-half:
		s.must(c.Process.Signal(unix.SIGTERM))
	case <-time.After(time.Minute):
		c.Process.Kill()
		t.Error("the source was never asked for its content")
	}
	c.Wait()
	if exit := c.ProcessState.ExitCode(); exit != 1 {
		t.Errorf("exit code %d", exit)
	}
	s.wants("interrupted", told(), "before ;after failed;")
}

// cron may have no PATH at all; a hook has one.
func TestRun_HookWithoutPATH(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.good()
	s.announce(nil)
	s.must(os.WriteFile(s.path("hook"), []byte("#!/bin/sh\n/usr/bin/env > "+s.path("env")+"\n"), 0o755))
	s.lines = append(s.lines, "hooks: {before: ["+s.path("hook")+"]}")
	c := s.command("run")
	c.Env = []string{"TMPDIR=" + s.dir}
	if stdout, stderr, exit := result(t, c); exit != 0 {
		t.Fatalf("exit code %d\n%s%s", exit, stdout, stderr)
	}
	b, err := os.ReadFile(s.path("env"))
	s.must(err)
	s.says(string(b), "PATH="+usualPath+"\n")
}

// A run that is told to stop during a hook ends it with all that it has started, also what does not listen.
func TestHook_CancelEndsTheGroup(t *testing.T) {
	dir := t.TempDir()
	pid := filepath.Join(dir, "pid")
	ctx, cancel := context.WithCancel(t.Context())
	h := hook{name: "before", argv: []string{"/bin/sh", "-c", "(trap '' TERM; while :; do sleep 1; done) & echo $! > " + pid + "; wait"}, out: os.Stderr, long: time.Hour}
	go func() {
		defer cancel()
		for range 600 {
			if b, err := os.ReadFile(pid); err == nil && strings.HasSuffix(string(b), "\n") {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	}()
	err := h.run(ctx, about{tree: "centos"})
	if err == nil || !strings.Contains(err.Error(), "hook before") {
		t.Errorf("%v", err)
	}
	b, err := os.ReadFile(pid)
	if err != nil {
		t.Fatal(err)
	}
	child := atoi(strings.TrimSpace(string(b)))
	for range 300 {
		if state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", child)); err != nil || strings.Contains(string(state), ") Z ") {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("process %d, which the hook started, is still there", child)
	unix.Kill(child, unix.SIGKILL)
}

// A hook that hangs holds up the mirror: it is told while it lasts.
func TestHook_LongIsTold(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	told := make(chan string, 1)
	h := hook{name: "before", argv: []string{"/bin/cat", fifo}, out: &bytes.Buffer{}, long: time.Millisecond, warn: func(format string, args ...any) {
		told <- fmt.Sprintf(format, args...)
		f, err := os.OpenFile(fifo, os.O_WRONLY, 0) // lets the hook end
		if err != nil {
			t.Error(err)
			return
		}
		f.Close()
	}}
	if err := h.run(t.Context(), about{tree: "centos"}); err != nil {
		t.Fatal(err)
	}
	if said := <-told; !strings.Contains(said, "centos: hook before has been running for") {
		t.Errorf("said %q", said)
	}
}
