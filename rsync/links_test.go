package rsync

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// TestExecLinks: a link of the source that leads out of the tree is not made here: what is written below it later, and what a
// web server shows of it, would be somebody else's. One that stays inside is.
func TestExecLinks(t *testing.T) {
	eachRsync(t, func(t *testing.T, bin string) {
		d := startDaemon(t, bin, "munge symlinks = no\n"+plainModule)
		at(t, d.dir+"/tree", "dir/a", "dir/b")
		outside := t.TempDir()
		for name, target := range map[string]string{"inside": "dir/a", "absolute": outside, "up": "../../..", "dir/up": "../../x", "file": "/etc/passwd"} {
			if err := os.Symlink(target, filepath.Join(d.dir, "tree", name)); err != nil {
				t.Fatal(err)
			}
		}
		dest := t.TempDir()
		if _, err := (&Exec{Program: bin}).Run(short(t), Job{Source: d.url(t, "tree/"), Dest: dest, MaxDelete: -1}, Watch{}); err != nil {
			t.Fatal(err)
		}
		for name, made := range map[string]bool{"inside": true, "absolute": false, "up": false, "dir/up": false, "file": false} {
			if _, err := os.Lstat(filepath.Join(dest, name)); errors.Is(err, fs.ErrNotExist) == made {
				t.Errorf("%s: %v, expected that it is made: %t", name, err, made)
			}
		}
	})
}
