package treesync_test

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"tidemark/manifest"
	"tidemark/rsync"
	"tidemark/treesync"
)

// victim is what the process that is to be killed needs to know.
type victim struct {
	Mirror, State string
	Tree          manifest.Tree
	URL           string
}

// TestVictim is no test: it is the sync that TestRun_Killed kills.
func TestVictim(t *testing.T) {
	text := os.Getenv("TIDEMARK_VICTIM")
	if text == "" {
		t.Skip("runs as a process of TestRun_Killed")
	}
	var v victim
	s := &site{t: t, dir: v.State, runs: &runs{}}
	s.must(json.Unmarshal([]byte(text), &v))
	s.dir, s.mirror = v.State, v.Mirror
	lock, err := treesync.Acquire([]string{v.Mirror}, filepath.Join(v.State, "run.json"), treesync.Holder{PID: os.Getpid(), Since: time.Now()})
	s.must(err)
	s.runs.runner = &rsync.Exec{Hold: lock.Files()}
	remembered := filepath.Join(v.State, "memory.json")
	if data, err := os.ReadFile(remembered); err == nil {
		s.must(json.Unmarshal(data, &s.memory))
	}
	o := s.options(v.Tree, s.source("a", v.URL, true))
	o.Save = func(m treesync.Memory) error {
		data, err := json.Marshal(m)
		s.must(err)
		s.must(os.WriteFile(remembered+".new", data, 0o600))
		return os.Rename(remembered+".new", remembered)
	}
	_, err = treesync.Run(context.Background(), o)
	s.must(err)
	s.must(lock.Release())
}

// Killed at any moment, rsync's processes left to themselves: the next run waits for them, and then the time file is not
// ahead of the content, and the tree is brought to what it should be.
func TestRun_Killed(t *testing.T) {
	kills := 4
	if soak() {
		kills = 50
	}
	l := newTimeline(t)
	served, state := filepath.Join(l.dir, "served"), filepath.Join(l.dir, "state")
	l.mkdir(state)
	l.replaceWith(served, l.snap[0])
	source := l.serve("a", served, true)
	at, random := 0, rand.New(rand.NewPCG(1, 2))
	for i := range kills {
		if i%3 == 1 {
			at = (at + 1) % 3
			l.must(os.RemoveAll(served))
			l.replaceWith(served, l.snap[at])
			if at == 0 { // begin anew
				l.must(os.RemoveAll(l.mirror))
				l.replaceWith(l.mirror, l.snap[0])
				l.must(os.RemoveAll(filepath.Join(state, "memory.json")))
			}
		}
		l.kill(victim{l.mirror, state, l.tree[at], source.URL.String()}, time.Duration(random.IntN(1500))*time.Millisecond)
		lock := l.waitForLock(state)
		l.consistent()
		l.must(lock.Release())
	}
	l.kill(victim{l.mirror, state, l.tree[at], source.URL.String()}, time.Minute)
	l.dir = state
	l.same(served)
}

// kill runs a sync in a process of its own, and kills it then; that it has ended before is as good.
func (l *timeline) kill(v victim, then time.Duration) {
	l.t.Helper()
	text, err := json.Marshal(v)
	l.must(err)
	cmd := exec.Command(os.Args[0], "-test.run", "^TestVictim$")
	cmd.Env = append(os.Environ(), "TIDEMARK_VICTIM="+string(text))
	l.must(cmd.Start())
	timer := time.AfterFunc(then, func() { cmd.Process.Kill() })
	err = cmd.Wait()
	if timer.Stop() && err != nil {
		l.t.Fatalf("the sync ended by itself: %v", err)
	}
}

// waitForLock waits until no rsync of a killed run is at work in the mirror.
func (l *timeline) waitForLock(state string) *treesync.Lock {
	l.t.Helper()
	for range 600 {
		lock, err := treesync.Acquire([]string{l.mirror}, filepath.Join(state, "run.json"), me())
		if err == nil {
			return lock
		}
		time.Sleep(50 * time.Millisecond)
	}
	l.t.Fatal("an rsync of a killed run did not end")
	return nil
}
