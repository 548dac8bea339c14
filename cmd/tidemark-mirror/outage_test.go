package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tidemark/internal/lab"
)

// The site is down: what is kept stays in force until it expires; with nothing kept there is nothing to go by.
func TestRun_Site(t *testing.T) {
	t.Run("SiteDownKeptInForce_Exit0", func(t *testing.T) {
		t.Parallel()
		s := newScene(t)
		before := s.snapshot()
		s.siteDown()
		s.expect(0, "run", "--now")
		s.same(before)
	})
	t.Run("SiteDownNothingKept_Exit1", func(t *testing.T) {
		t.Parallel()
		s := newScene(t)
		before := s.snapshot()
		s.siteDown()
		s.must(os.RemoveAll(s.path("state")))
		s.mkdir("state")
		out := s.expect(1, "run", "--now")
		s.says(out, "error")
		if again := s.expect(1, "run", "--now"); again != "" {
			s.Errorf("said twice in a day:\n%s", again)
		}
		s.same(before)
	})
	t.Run("SiteDownKeptExpired_Exit1", func(t *testing.T) {
		t.Parallel()
		s := newScene(t)
		before := s.snapshot()
		s.siteDown()
		s.env = []string{"TIDEMARK_TEST_CLOCK=25h"}
		s.says(s.expect(1, "run", "--now"), "expired")
		if again := s.expect(1, "run", "--now"); again != "" {
			s.Errorf("said twice in a day:\n%s", again)
		}
		s.same(before)
	})
	t.Run("StaleEdge_Exit0", func(t *testing.T) {
		t.Parallel()
		s := newScene(t)
		before := s.staleEdge()
		s.env = []string{"TIDEMARK_TEST_CLOCK=30m"}
		s.expect(0, "run", "--now")
		s.same(before)
	})
	t.Run("StaleEdgeForAnHour_Exit4", func(t *testing.T) {
		t.Parallel()
		s := newScene(t)
		before := s.staleEdge()
		s.env = []string{"TIDEMARK_TEST_CLOCK=2h"}
		s.expect(4, "run", "--now")
		s.same(before)
	})
}

// staleEdge has the mirror in date by a manifest, and the one before it served again; the tree as it is then.
func (s *scene) staleEdge() string {
	s.Helper()
	old, err := os.ReadFile(filepath.Join(s.pub.Site, "manifest.bundle.json"))
	s.must(err)
	s.good()
	s.announce(nil)
	s.expect(0, "run", "--now")
	before := s.snapshot()
	s.must(s.pub.Lay("manifest.bundle.json", old))
	s.expect(0, "run", "--now")
	return before
}

// The network's site is gone for longer than `after`: the mirror syncs from the fallback, deleting nothing, and not again
// within six hours.
func TestRun_Fallback_Exit0(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	u := s.serve("near", s.copy("near"), lab.Daemon{})
	s.lines = append(s.lines, "fallback: {sources: ["+u+"], after: 2h}")
	s.siteDown()
	before := s.snapshot()
	s.env = []string{"TIDEMARK_TEST_CLOCK=25h"}
	s.expect(1, "run", "--now")
	s.same(before)

	s.env = []string{"TIDEMARK_TEST_CLOCK=27h"}
	s.says(s.expect(0, "run", "--now"), "without a manifest", u)
	s.same(s.master.Dir, s.goneSince()...)
	s.holds(s.t1)

	s.env = []string{"TIDEMARK_TEST_CLOCK=32h"}
	s.must(os.WriteFile(filepath.Join(s.mirror(), lab.TimeFile), []byte("1\n"), 0o644))
	s.expect(1, "run", "--now")
	s.holds(1)
	s.env = []string{"TIDEMARK_TEST_CLOCK=34h"}
	s.expect(0, "run", "--now")
	s.holds(s.t1)
}

// A manifest that is refused stays exit 4, whatever the fallback did: somebody has to look. A clock that jumped ahead has as
// long as a site that went down.
func TestRun_FallbackWhileRefused_Exit4(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.lines = append(s.lines, "fallback: {sources: ["+s.serve("near", s.copy("near"), lab.Daemon{})+"], after: 2h}")
	s.says(s.at("50h").expect(4, "run", "--now"), "expired", "the tree is untouched")
	s.holds(s.t0)
	out := s.at("52h1m").expect(4, "run", "--now", "-v")
	s.says(out, "without a manifest", "expired", "was synced from a fallback source, unproven")
	if strings.Contains(out, "untouched") {
		t.Errorf("the tree is said to be untouched:\n%s", out)
	}
	s.holds(s.t1)
}

// A genuine manifest of the future says that this machine's clock is wrong: that is to be mended, and no unproven sync made.
func TestRun_NoFallbackByAWrongClock_Exit4(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.lines = append(s.lines, "fallback: {sources: ["+s.serve("near", s.copy("near"), lab.Daemon{})+"], after: 2h}")
	for _, name := range []string{"seen.json", "manifest.bundle.json", "origin.json"} {
		s.must(os.Remove(filepath.Join(s.path("state"), name)))
	}
	s.says(s.at("-25h").expect(4, "run", "--now"), "future")
	before := s.snapshot()
	s.at("-22h").expect(4, "run", "--now")
	s.same(before)
	if _, err := os.Stat(filepath.Join(s.path("state"), fallbackFile)); err == nil {
		t.Error("the fallback source was asked")
	}
}

// What came from a fallback is proven as soon as a manifest is in force again: until then a false tree, at the announced
// timestamp, would be in date for good.
func TestRun_FallbackIsProvenLater(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	dir := s.copy("evil")
	lie := firstFile(t, dir, func(p string) bool { return strings.HasSuffix(p, "repomd.xml") })
	b, err := os.ReadFile(lie)
	s.must(err)
	s.must(os.WriteFile(lie, []byte(strings.Repeat("X", len(b))), 0o644))
	s.lines = append(s.lines, "fallback: {sources: ["+s.serve("evil", dir, lab.Daemon{})+"], after: 2h}")
	s.announce(nil) // no source yet
	s.siteDown()
	s.at("25h").expect(1, "run")
	s.says(s.at("27h1m").expect(0, "run"), "without a manifest, unproven")
	s.same(dir, s.goneSince()...)
	s.env = nil
	s.must(os.Rename(s.pub.Site+".down", s.pub.Site))
	s.says(s.expect(6, "run", "-v"), "no source to sync from") // it is not taken for proven
	s.good()
	s.announce(nil)
	s.says(s.expect(0, "run"), "synced to", "from good")
	s.same(s.master.Dir)
	s.silent(0, "run")
}

const largeFile = 1 << 20

// large gives a server the master's tree with a file that takes some time to send.
func (s *scene) large(name string) string {
	s.Helper()
	return s.largeOf(name, largeFile)
}

func (s *scene) largeOf(name string, size int) string {
	s.Helper()
	line := "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\n"
	file := filepath.Join(s.master.Dir, "7", "os", "x86_64", "large.img")
	s.must(os.WriteFile(file, []byte(strings.Repeat(line, size/len(line))), 0o644))
	return s.copy(name)
}
