//go:build !linux

package treesync

import (
	"os"

	"golang.org/x/sys/unix"
)

// syncTree has all file systems written to the disk.
func syncTree(*os.Root) error { return unix.Sync() }
