package main

import (
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"tidemark/internal/lab"
	"tidemark/internal/timefile"
)

// TestRun_KilledAtARandomMoment kills a run, and at every other time all that it started, at random moments: the time file
// is never ahead of the content, and the next run makes the tree whole.
func TestRun_KilledAtARandomMoment(t *testing.T) { killAtRandom(t, 8) }

func TestSoakRun_KilledAtARandomMoment(t *testing.T) {
	if os.Getenv("TIDEMARK_SOAK") == "" {
		t.Skip("TIDEMARK_SOAK=1 runs it")
	}
	killAtRandom(t, 50)
}

func killAtRandom(t *testing.T, times int) {
	s := newScene(t)
	s.large("good")
	s.offer("good", "node", "DE", s.serve("good", s.path("servers/good"), lab.Daemon{}), s.t1)
	s.announce(nil)
	s.mirrorTo("disk/mirror", "saved/mirror")
	s.mirrorTo("state", "saved/state")
	began := time.Now()
	s.expect(0, "run", "--now")
	whole := time.Since(began)
	s.same(s.master.Dir)
	for i := range times {
		s.mirrorTo("saved/mirror", "disk/mirror")
		s.mirrorTo("saved/state", "state")
		after := rand.N(whole)
		s.kill(after, i%2 == 0)
		s.neverAhead()
		s.eventually()
		if s.same(s.master.Dir); s.Failed() {
			s.Fatalf("killed after %s of %s", after, whole)
		}
		s.holds(s.t1)
	}
}

// mirrorTo makes the directory to the same as from, with its own inode: the state remembers that of the tree.
func (s *scene) mirrorTo(from, to string) {
	s.Helper()
	s.mkdir(to)
	if out, err := exec.Command("rsync", "-aHI", "--delete", s.path(from)+"/", s.path(to)+"/").CombinedOutput(); err != nil {
		s.Fatalf("%v: %s", err, out)
	}
}

// kill runs the program and kills it after a while; its rsync too, or it alone.
func (s *scene) kill(after time.Duration, all bool) {
	s.Helper()
	c := s.command("run", "--now")
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	s.must(c.Start())
	time.Sleep(after)
	var children []int
	if all {
		children = descendants(c.Process.Pid)
	}
	c.Process.Kill()
	for _, pid := range children {
		syscall.Kill(pid, syscall.SIGKILL)
	}
	c.Wait()
}

// descendants are the processes that pid started, and those that they did.
func descendants(pid int) (all []int) {
	tasks, _ := filepath.Glob(filepath.Join("/proc", itoa(pid), "task", "*", "children"))
	for _, file := range tasks {
		b, _ := os.ReadFile(file)
		for _, word := range strings.Fields(string(b)) {
			if child := atoi(word); child > 0 {
				all = append(append(all, child), descendants(child)...)
			}
		}
	}
	return all
}

// neverAhead wants the whole new tree where the time file is the new one. The time file is read first: an orphan of the
// killed run may still be at work, and content only comes.
func (s *scene) neverAhead() {
	s.Helper()
	b, err := os.ReadFile(filepath.Join(s.mirror(), lab.TimeFile))
	if errors.Is(err, os.ErrNotExist) {
		return
	}
	s.must(err)
	ts, err := timefile.Parse(b)
	s.must(err)
	switch ts {
	case s.t0:
	case s.t1:
		s.same(s.master.Dir, s.goneSince()...) // deletions come last
	default:
		s.Errorf("the time file says %d, neither %d nor %d", ts, s.t0, s.t1)
	}
}

// eventually runs until the tree is in date: an orphaned rsync holds the lock until it has ended.
func (s *scene) eventually() {
	s.Helper()
	for range 100 {
		s.expect(0, "run", "--now")
		if _, _, code := s.run("check"); code == 0 {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	s.Fatal("a hundred runs later the tree is still behind")
}
