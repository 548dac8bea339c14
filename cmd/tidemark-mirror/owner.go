package main

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"tidemark/internal/console"
)

// notOurs is the error of a tree that this user may not write, asked before rsync fails on each of its names. A directory
// of our own that its mode keeps us from is none: the sync mends that.
func notOurs(tree, path string) error {
	err := unix.Access(path, unix.W_OK|unix.X_OK)
	if !errors.Is(err, unix.EACCES) {
		return nil
	}
	if info, statErr := os.Stat(path); statErr == nil {
		if st, ok := info.Sys().(*syscall.Stat_t); ok && int(st.Uid) == os.Geteuid() {
			return nil
		}
	}
	return console.Hinted(fmt.Errorf("tree %s: cannot write %s: %w", tree, path, err), "the user that runs this must own the tree: chown -R USER %s", shellWord(path))
}
