package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tidemark/internal/lab"
)

// sourceFault is a way in which a source is of no use: what is set up for it, how the run words it, the exit code where it
// is the only source, and whether the tree may have been touched before it showed.
type sourceFault struct {
	name    string
	arm     func(s *scene)
	said    []string
	alone   int
	touched bool
	soak    bool // before a good source it shows nothing that others do not: only in the soak
}

func sourceFaults() []sourceFault {
	return []sourceFault{
		{name: "Refuses", alone: 6, said: []string{"unreachable"}, arm: func(s *scene) {
			d, err := lab.NewDead("127.0.0.1", 0)
			s.must(err)
			s.Cleanup(func() { d.Close() })
			s.near(d.URL("centos"))
		}},
		{name: "DeniesAccess", soak: true, alone: 6, said: []string{"refused"}, arm: func(s *scene) {
			s.near(s.serve("near", s.copy("near"), lab.Daemon{Deny: true}))
		}},
		{name: "IsBusy", soak: true, alone: 6, said: []string{"busy", "max connections"}, arm: func(s *scene) {
			s.near(s.daemon("near", s.copy("near"), lab.Daemon{}, lab.StartBusy).URL("centos"))
		}},
		{name: "AsksForAPassword", soak: true, alone: 6, said: []string{"refused"}, arm: func(s *scene) {
			s.near(s.serve("near", s.copy("near"), lab.Daemon{AuthUsers: map[string]string{"somebody": "secret"}}))
		}},
		{name: "HangsAtOnce", soak: true, alone: 6, said: []string{"unreachable"}, arm: func(s *scene) {
			s.hurry()
			r := s.relayed("near", s.copy("near"))
			r.Arm(lab.RelayFault{Hang: true})
			s.near(r.URL("centos"))
		}},
		{name: "HangsHalfWay", soak: true, alone: 6, said: []string{"near"}, touched: true, arm: func(s *scene) {
			s.hurry()
			r := s.relayed("near", s.large("near"))
			r.Arm(lab.RelayFault{Down: largeFile / 2, Hang: true})
			s.near(r.URL("centos"))
		}},
		{name: "BreaksOffHalfWay", alone: 6, said: []string{"broken"}, touched: true, arm: func(s *scene) {
			r := s.relayed("near", s.large("near"))
			r.Arm(lab.RelayFault{Down: largeFile / 2, Cut: true})
			s.near(r.URL("centos"))
		}},
		{name: "HasAFreshTimeAndWrongContent", alone: 6, said: []string{"pre-flight", "wrong"}, arm: func(s *scene) {
			dir := s.copy("near")
			s.must(lab.Lie(dir, s.t1))
			s.near(s.serve("near", dir, lab.Daemon{}))
		}},
		{name: "LacksAPackage", soak: true, alone: 6, said: []string{"incomplete"}, arm: func(s *scene) {
			dir := s.copy("near")
			s.must(os.Remove(firstFile(s.T, dir, func(p string) bool { return strings.HasSuffix(p, ".rpm") })))
			s.near(s.serve("near", dir, lab.Daemon{}))
		}},
		{name: "LacksAnAnchor", soak: true, alone: 6, said: []string{"pre-flight", "incomplete"}, arm: func(s *scene) {
			dir := s.copy("near")
			s.must(os.Remove(firstFile(s.T, dir, func(p string) bool { return strings.HasSuffix(p, "repomd.xml") })))
			s.near(s.serve("near", dir, lab.Daemon{}))
		}},
		{name: "IsBehind", alone: 6, said: []string{"behind"}, arm: func(s *scene) {
			s.near(s.serve("near", s.first, lab.Daemon{}))
		}},
		{name: "IsAhead", soak: true, alone: 0, said: nil, arm: func(s *scene) {
			s.announce(nil)
			s.near(s.serve("near", s.ahead("near"), lab.Daemon{}))
		}},
	}
}

// hurry gives up on silence early; not so early that a busy machine is taken for a silent one.
func (s *scene) hurry() { s.lines[1] = "timeout: 3s" }

// ahead gives a server a tree that is newer than all that is announced.
func (s *scene) ahead(name string) string {
	s.Helper()
	later, err := lab.NewTree(s.path("ahead"), "centos", 1, s.t0)
	s.must(err)
	s.must(later.Move(s.t1))
	s.must(later.Move(s.t1 + 600))
	dir := s.path(filepath.Join("servers", name))
	s.must(later.CopyTo(dir))
	return dir
}

// Where a source that fails is the only one, the exit code says so, the tree holds what it held, and the next run with a
// good source heals.
func TestRun_SourceFaults(t *testing.T) {
	for _, f := range sourceFaults() {
		t.Run(fmt.Sprintf("Source%s_Exit%d", f.name, f.alone), func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			f.arm(s)
			s.announce(nil)
			before := s.snapshot()
			out := s.expect(f.alone, "run", "--now", "-v")
			s.says(out, f.said...)
			s.holds(s.t0)
			if !f.touched {
				s.same(before)
			}
			s.heals()
		})
	}
}

// A source that fails costs nothing but time: the next one serves.
func TestRun_FirstSourceFaults(t *testing.T) { firstSourceFaults(t, false) }

func TestSoakRun_FirstSourceFaults(t *testing.T) {
	if os.Getenv("TIDEMARK_SOAK") == "" {
		t.Skip("TIDEMARK_SOAK=1 runs it")
	}
	firstSourceFaults(t, true)
}

func firstSourceFaults(t *testing.T, soak bool) {
	for _, f := range sourceFaults() {
		if f.soak != soak {
			continue
		}
		t.Run(fmt.Sprintf("FirstSource%s_Exit0", f.name), func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			f.arm(s)
			s.good()
			s.announce(nil)
			out := s.expect(0, "run", "--now")
			s.says(out, "from good")
			s.says(out, f.said...)
			s.same(s.master.Dir)
			s.holds(s.t1)
		})
	}
}

// A source without isos/ that nobody compared file by file: a mirror that excludes something cannot count, so the sync goes
// well, but nothing is deleted for it; the deletions are owed, and made by the next source that may.
func TestRun_SourceLacksISOs_Exit0(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.tree = []string{`exclude: ["/nothing-like-this/"]`}
	dir := s.copy("near")
	s.must(lab.DropISOs(dir))
	s.near(s.serve("near", dir, lab.Daemon{}))
	s.shallow("near")
	s.announce(nil)
	out := s.expect(0, "run", "--now")
	s.says(out, "synced to", "owed")
	s.same(s.master.Dir, s.goneSince()...)
	s.holds(s.t1)

	s.good()
	delete(s.offers, "near")
	s.announce(nil)
	s.expect(0, "sync")
	s.same(s.master.Dir)
}

// The source moves on in mid-sync, with a manifest that knows it: the run fetches that, and ends at the newer timestamp.
func TestRun_SourceMovesOnDuringTheSync_Exit0(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	dir := s.large("near")
	r := s.relayed("near", dir)
	s.near(r.URL("centos"))
	s.announce(nil)
	t2 := s.t1 + 600
	r.Arm(lab.RelayFault{Down: largeFile / 2, Once: true, Hook: func() {
		s.move(t2)
		s.must(s.master.CopyTo(dir))
		s.near(r.URL("centos"))
		s.announce(nil)
	}})
	s.expect(0, "run", "--now")
	s.holds(t2)
	s.same(s.master.Dir)
}

// A full disk: a tree that cannot fit is not begun.
func TestRun_NoRoomFromTheStart_Exit1(t *testing.T) {
	t.Parallel()
	s := newSceneOn(t, "3m")
	s.near(s.serve("near", s.largeOf("near", 8<<20), lab.Daemon{}))
	s.announce(nil)
	before := s.snapshot()
	s.says(s.expect(1, "run", "--now"), "room")
	s.same(before)
	s.holds(s.t0)
}

// Others fill the disk in mid-sync: rsync fails, what was there is still whole, and with room again the next run heals.
func TestRun_DiskFullInMidSync_Exit1(t *testing.T) {
	t.Parallel()
	s := newSceneOn(t, "4m")
	r := s.relayed("near", s.large("near"))
	s.near(r.URL("centos"))
	s.announce(nil)
	filler := filepath.Join(filepath.Dir(s.mirror()), "filler")
	r.Arm(lab.RelayFault{Down: largeFile / 2, Once: true, Hook: func() { fill(filler) }})
	s.expect(1, "run", "--now")
	s.holds(s.t0)
	s.must(os.Remove(filler))
	s.heals()
}

// fill writes a file until its disk is full.
func fill(name string) {
	f, err := os.Create(name)
	if err != nil {
		return
	}
	defer f.Close()
	for b := make([]byte, 4096); err == nil; _, err = f.Write(b) {
	}
}

// More deletions than max_delete: the sync stands, none is deleted, exit 1 with the count and how to allow it; typed, they
// are made.
func TestRun_TooManyDeletions_Exit1(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.tree = []string{"max_delete: 2"}
	s.good()
	s.announce(nil)
	before := s.goneSince()
	out := s.expect(1, "run", "--now")
	s.says(out, "tidemark-mirror run --max-delete")
	s.holds(s.t1)
	s.same(s.master.Dir, before...)
	s.says(s.expect(0, "status"), "  owed      3 deletions, since ", ": more than max_delete (2); allow once: tidemark-mirror sync --max-delete 3 centos\n")
	s.says(s.expect(0, "sync", "--dry-run"), "more than max_delete (2): a run would delete nothing and exit 1")
	s.expect(0, "run", "--now")
	s.same(s.master.Dir, before...)
	s.expect(0, "run", "--now", "--max-delete", "1000")
	s.same(s.master.Dir)
}

// A clock that is wrong by a day: the manifest is refused, nothing is touched, and with the right time all is well.
func TestRun_WrongClock(t *testing.T) {
	for _, c := range []struct{ name, offset, said string }{
		{"ClockADayAhead_Exit4", "25h", "expired"},
		{"ClockADayBehind_Exit4", "-25h", "future"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			s.good()
			s.announce(nil)
			before := s.snapshot()
			s.env = []string{"TIDEMARK_TEST_CLOCK=" + c.offset}
			s.says(s.expect(4, "run", "--now"), c.said)
			s.same(before)
			s.env = nil
			s.expect(0, "run", "--now")
			s.same(s.master.Dir)
		})
	}
}
