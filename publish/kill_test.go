package publish_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

const killedSite = "TIDEMARK_TEST_KILL" // set in the child: the site's directory

// needStrace skips, or fails where everything must be there.
func needStrace(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("strace"); err == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("strace is missing")
	}
	t.Skip("strace is missing: apt-get install -y strace")
}

// TestDirStore_SIGKILL publishes serial 2 in a process that is killed at its n-th call of each kind that changes a
// directory, for every n; readers see whole objects, and the next run heals and leaves no litter.
func TestDirStore_SIGKILL(t *testing.T) {
	if dir := os.Getenv(killedSite); dir != "" {
		runtime.LockOSThread() // strace counts calls for each thread
		mustPush(t, openDir(t, dir), release(2, "two"))
		return
	}
	needStrace(t)
	for call, least := range map[string]int{"linkat": 6, "renameat": 8, "unlinkat": 6, "mkdirat": 1} {
		t.Run(call, func(t *testing.T) {
			n := 1
			for killed(t, call, n) {
				n++
			}
			if n <= least {
				t.Errorf("killed at %d calls, expected at least %d: did strace work?", n-1, least)
			}
		})
	}
}

func killed(t *testing.T, call string, n int) bool {
	dir := fastDir(t)
	w := newWorld(dir)
	known := append(before(t, openDir(t, dir), true), release(2, "two"))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "strace", "-f", "-qq", "-o", filepath.Join(t.TempDir(), "trace"), "-e", "trace="+call,
		"-e", fmt.Sprintf("inject=%s:signal=KILL:when=%d", call, n), os.Args[0], "-test.run=^TestDirStore_SIGKILL$")
	cmd.Env = append(os.Environ(), killedSite+"="+dir)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	died := errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL
	if err != nil && !died {
		t.Fatalf("strace: %v\n%s", err, out)
	}
	if err := w.check(known...); err != nil {
		t.Errorf("killed at %s %d: %v", call, n, err)
	}
	known = append(known, release(2, "three"), release(3, "three"))
	r, err := next(t.Context(), openDir(t, dir), "three")
	if err != nil {
		t.Fatalf("killed at %s %d: the next run: %v", call, n, err)
	}
	for _, err := range []error{w.check(known...), w.is(r)} {
		if err != nil {
			t.Errorf("killed at %s %d: after the next run: %v", call, n, err)
		}
	}
	if _, err := openDir(t, dir).List(t.Context(), "m/"); err != nil { // as Clean does
		t.Error(err)
	}
	if all := strings.Join(files(t, dir), " "); strings.Contains(all, ".tmp") {
		t.Errorf("killed at %s %d: litter: %s", call, n, all)
	}
	return died
}
