package treesync

import (
	"io/fs"
	"os"
	"time"
)

// keeper changes names in directories of a tree, and gives these the permissions and times again that they had before.
type keeper struct {
	root   *os.Root
	before map[string]fs.FileInfo
}

func newKeeper(root *os.Root) keeper { return keeper{root, map[string]fs.FileInfo{}} }

// open lets us change names in a directory, and remembers what it was before.
func (k keeper) open(dir string) error {
	if k.before[dir] != nil {
		return nil
	}
	info, err := k.root.Stat(dir)
	if err != nil {
		return err
	}
	k.before[dir] = info
	if info.Mode().Perm()&0o300 != 0o300 {
		return k.root.Chmod(dir, info.Mode().Perm()|0o300)
	}
	return nil
}

// restore gives directories that are still there what they had. That it fails is no harm.
func (k keeper) restore() {
	for dir, info := range k.before {
		k.root.Chtimes(dir, time.Time{}, info.ModTime())
		if info.Mode().Perm()&0o300 != 0o300 {
			k.root.Chmod(dir, info.Mode())
		}
	}
}
