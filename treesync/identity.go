package treesync

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"tidemark/rsync"
)

// openTree opens the directory at path, which may be reached by a symbolic link.
func openTree(path string) (*os.Root, error) {
	refuse := func(format string, args ...any) (*os.Root, error) {
		return nil, &NotTheTree{path, fmt.Sprintf(format, args...)}
	}
	if !filepath.IsAbs(path) {
		return refuse("it is not an absolute path")
	}
	real, err := filepath.EvalSymlinks(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return refuse("there is no such directory; if it is mounted, mount it; for a new mirror: mkdir -p %s", path)
	case err != nil:
		return nil, fmt.Errorf("look for the tree: %w", err)
	case real == "/":
		return refuse("this is the root of the whole system: give the tree a directory of its own")
	}
	info, err := os.Stat(real)
	if err != nil {
		return nil, fmt.Errorf("look for the tree: %w", err)
	}
	if !info.IsDir() {
		return refuse("found a file (%s), expected the tree's directory", info.Mode())
	}
	root, err := os.OpenRoot(real)
	if err != nil {
		return nil, fmt.Errorf("open the tree: %w", err)
	}
	return root, nil
}

// inode is the number that the tree's directory is remembered by.
func inode(root *os.Root) (uint64, error) {
	var st unix.Stat_t
	f, err := root.Open(".")
	if err != nil {
		return 0, err
	}
	defer f.Close()
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return 0, err
	}
	return st.Ino, nil
}

// identify refuses a directory that is not the tree's: what a sync deletes is lost.
func identify(root *os.Root, o Options) error {
	now, err := inode(root)
	if err != nil {
		return fmt.Errorf("look at the tree: %w", err)
	}
	known := o.Memory.Path == o.Spec.Path && o.Memory.Inode != 0
	same := known && o.Memory.Inode == now
	if o.Adopt || same && o.Memory.Timestamp == 0 { // a first sync that was cut short may have left nothing to know it by
		return nil
	}
	rules := newRuler(o.Spec, o.Tree.TimeFile)
	anchors := rules.visible(anchorPaths(anchorSets(o.Tree)))
	if ours, err := anyFile(root, anchors); err != nil || ours {
		return err
	}
	// Every tree of every network has a time file: where there are anchors to be looked for, it says too little alone.
	timed, err := anyFile(root, []string{o.Tree.TimeFile})
	if err != nil || timed && (same || len(anchors) == 0) {
		return err
	}
	if known && !same && !timed {
		return &NotTheTree{o.Spec.Path, fmt.Sprintf("this is not the directory that was synced before (inode %d, expected %d) and it has no %s: is the file system mounted? If it was replaced on purpose, run once with --adopt",
			now, o.Memory.Inode, o.Tree.TimeFile)}
	}
	// The number alone proves nothing: a directory that was made anew often gets that of the one before.
	other, err := foreign(root, rules, o.Tree.TimeFile)
	if err != nil || other == "" {
		return err
	}
	if timed {
		return &NotTheTree{o.Spec.Path, fmt.Sprintf("found %s and %q, but none of the %d metadata files that tell the tree, such as %s: it may be another tree's directory, of which a sync would delete all; if it is %s's, run once with --adopt",
			o.Tree.TimeFile, other, len(anchors), anchors[0], o.Spec.Name)}
	}
	return &NotTheTree{o.Spec.Path, fmt.Sprintf("found %q, but neither %s nor one of the tree's metadata files: a sync would delete what is not %s's; if this is its directory, run once with --adopt",
		other, o.Tree.TimeFile, o.Spec.Name)}
}

// anyFile reports whether one of these files is there.
func anyFile(root *os.Root, paths []string) (bool, error) {
	for _, path := range paths {
		info, err := root.Lstat(path)
		if err == nil && info.Mode().IsRegular() {
			return true, nil
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !isNotDir(err) {
			return false, fmt.Errorf("look at the tree: %w", err)
		}
	}
	return false, nil
}

func isNotDir(err error) bool { return errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) }

// foreign gives a name in the top directory that a sync would have to do with, other than the time file or a directory on
// the way to it; "" when there is none: what the mirror excludes and keeps is its own affair.
func foreign(root *os.Root, r ruler, timeFile string) (string, error) {
	dir, err := root.Open(".")
	if err != nil {
		return "", fmt.Errorf("look at the tree: %w", err)
	}
	defer dir.Close()
	top, _, _ := strings.Cut(timeFile, "/")
	for {
		entries, err := dir.ReadDir(100)
		for _, e := range entries {
			if !rsync.Hidden(r.hidden, e.Name(), e.IsDir()) && e.Name() != partialDir && e.Name() != top {
				return e.Name(), nil
			}
		}
		if errors.Is(err, io.EOF) {
			return "", nil
		}
		if err != nil {
			return "", fmt.Errorf("look at the tree: %w", err)
		}
	}
}
