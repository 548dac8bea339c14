package treesync_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"tidemark/rsync"
	"tidemark/treesync"
)

// inSmallFS runs the test anew in a mount namespace of its own, in which the mirror is a tmpfs of that size; daemons stay
// outside, since they cannot change their user in there. In the outer run it returns nil when all was well. node is what
// the source serves.
func inSmallFS(t *testing.T, size string) (s *site, node string, source treesync.Source) {
	t.Helper()
	if dir := os.Getenv("TIDEMARK_SMALL"); dir != "" {
		s = &site{t: t, dir: t.TempDir(), mirror: dir, runs: &runs{runner: &rsync.Exec{}}}
		return s, os.Getenv("TIDEMARK_SMALL_NODE"), s.source("node", os.Getenv("TIDEMARK_SMALL_URL"), true)
	}
	needTool(t, "unshare", "util-linux")
	if err := exec.Command("unshare", "-rm", "true").Run(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("no namespaces for users here: %v", err)
		}
		t.Skipf("no namespaces for users here: %v", err)
	}
	s = newSite(t)
	node = s.copyOf("node")
	cmd := exec.Command("unshare", "-rm", "sh", "-c", `mount -t tmpfs -o size="$1" none "$2" && shift 2 && exec "$@"`, "sh", size, s.mirror,
		os.Args[0], "-test.run", "^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), "TIDEMARK_SMALL="+s.mirror, "TIDEMARK_SMALL_NODE="+node, "TIDEMARK_SMALL_URL="+s.serve("node", node, true).URL.String())
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Fatalf("%v\n%s", err, out)
	}
	return nil, "", treesync.Source{}
}

// What would not fit is not begun.
func TestRun_NoRoom(t *testing.T) {
	s, node, source := inSmallFS(t, "512k")
	if s == nil {
		return
	}
	s.write(node, "7/large.iso", strings.Repeat("x", 600<<10))
	o := s.options(s.announce(node, first), source, source)
	_, err := treesync.Run(context.Background(), o)
	var no *treesync.NoRoom
	if !errors.As(err, &no) || no.Need < 600<<10 || no.Free > 512<<10 || !strings.Contains(err.Error(), s.mirror) {
		t.Fatalf("%v", err)
	}
	if left, _ := os.ReadDir(s.mirror); len(left) > 0 || len(s.saved) > 0 || s.runs.n != 4 {
		t.Errorf("%v, saved %v, %d runs", left, s.saved, s.runs.n)
	}

	// Files that replace others need less: the second half of the disk is free, and a file of that half is replaced.
	s.must(os.Remove(filepath.Join(node, "7/large.iso")))
	s.write(node, "7/large.iso", strings.Repeat("x", 100<<10))
	o.Tree = s.announce(node, first)
	s.sync(o)
	for range 3 {
		s.write(node, "7/large.iso", strings.Repeat("y", 101<<10))
		o.Tree, o.Memory = s.announce(node, first), s.memory
		s.sync(o)
	}
}

// A disk that somebody else fills meanwhile ends the sync: no other source would mend it.
func TestRun_DiskFull(t *testing.T) {
	s, node, source := inSmallFS(t, "1m")
	if s == nil {
		return
	}
	s.write(node, "7/large.iso", strings.Repeat("x", 300<<10))
	o := s.options(s.announce(node, first), source, source)
	filler := filepath.Join(s.mirror, "lost+found", "filler") // of no concern to the sync
	s.runs.before = func(n int, _ rsync.Job) error {
		if n == 3 {
			s.mkdir(filepath.Dir(filler))
			s.must(os.WriteFile(filler, make([]byte, 900<<10), 0o600))
		}
		return nil
	}
	out, err := treesync.Run(context.Background(), o)
	var exit *rsync.ExitError
	if !errors.As(err, &exit) || exit.Code != rsync.ExitFileIO || len(out.Attempts) > 0 || out.Synced {
		t.Fatalf("%v, %+v", err, out)
	}
	if _, err := os.Lstat(filepath.Join(s.mirror, "TIME")); err == nil {
		t.Error("there is a time file")
	}
	s.must(os.Remove(filler))
	s.runs.before, o.Memory = nil, s.memory
	s.sync(o)
}
