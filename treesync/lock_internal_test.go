package treesync

import (
	"os"
	"path/filepath"
	"testing"
)

// A lock file that was renamed, deleted or replaced between its opening and its locking locks nobody out.
func TestStillThere(t *testing.T) {
	for name, tc := range map[string]struct {
		between func(file string) error
		want    bool
	}{
		"as it was": {func(string) error { return nil }, true},
		"renamed":   {func(f string) error { return os.Rename(f, f+".old") }, false},
		"deleted":   {os.Remove, false},
		"replaced": {func(f string) error {
			if err := os.WriteFile(f+".new", nil, 0o600); err != nil {
				return err
			}
			return os.Rename(f+".new", f)
		}, false},
		"a link to it": {func(f string) error {
			if err := os.Rename(f, f+".old"); err != nil {
				return err
			}
			return os.Symlink(f+".old", f)
		}, false},
	} {
		path := filepath.Join(t.TempDir(), "lock")
		f, err := openLock(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := tc.between(path); err != nil {
			t.Fatal(err)
		}
		if got := stillThere(f, path); got != tc.want {
			t.Errorf("%s: %t, expected %t", name, got, tc.want)
		}
	}
}

// A lock file that is replaced between its opening and its locking is taken anew; one that always is, is given up.
func TestLockPath_TakesAnew(t *testing.T) {
	for times, ok := range map[int]bool{0: true, 1: true, lockTries - 1: true, lockTries: false} {
		path := filepath.Join(t.TempDir(), "lock")
		n := 0
		f, err := lockPath(path, func(path string) (*os.File, error) {
			f, err := openLock(path)
			if n++; n <= times && err == nil {
				err = os.Remove(path)
			}
			return f, err
		})
		if (err == nil) != ok || n != min(times+1, lockTries) {
			t.Errorf("replaced %d times: %v after %d tries", times, err, n)
		}
		if err == nil {
			if !stillThere(f, path) {
				t.Errorf("replaced %d times: the lock is not at its path", times)
			}
			f.Close()
		}
	}
}
