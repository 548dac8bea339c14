package treesync

import (
	"os"

	"golang.org/x/sys/unix"
)

// syncTree has the tree's whole file system written to the disk.
func syncTree(root *os.Root) error {
	dir, err := root.Open(".")
	if err != nil {
		return err
	}
	defer dir.Close()
	return unix.Syncfs(int(dir.Fd()))
}
