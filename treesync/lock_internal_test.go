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

// A lock file is taken anew until it is the one at its path.
func TestLockPath_TakesAnew(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "lock")
	old, err := openLock(path)
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	f, err := lockPath(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if !stillThere(f, path) {
		t.Error("the lock is not at its path")
	}
}
