package lab

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// CopyTo brings dir to the tree's present state, as a mirror that has just synced: files appear, then what the tree no
// longer has goes, and the time file comes last. Files are hard links to the tree's.
func (t *Tree) CopyTo(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("copying tree %s: %w", t.Name, err)
	}
	if err := t.link(dir, func(path string) bool { return path != TimeFile }); err != nil {
		return err
	}
	if err := t.deleteExtra(dir); err != nil {
		return err
	}
	return t.link(dir, func(path string) bool { return path == TimeFile })
}

// link links the wanted files of the tree into dir, over what is there.
func (t *Tree) link(dir string, want func(path string) bool) error {
	return regular(t.Dir, func(path string, _ fs.DirEntry) error {
		if !want(path) {
			return nil
		}
		from, to := filepath.Join(t.Dir, path), filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return fmt.Errorf("copying tree %s: %w", t.Name, err)
		}
		if err := remove(to); err != nil {
			return err
		}
		if err := os.Link(from, to); err != nil {
			return fmt.Errorf("copying tree %s: %w", t.Name, err)
		}
		return nil
	})
}

func (t *Tree) deleteExtra(dir string) error {
	return regular(dir, func(path string, _ fs.DirEntry) error {
		if _, err := os.Lstat(filepath.Join(t.Dir, path)); errors.Is(err, fs.ErrNotExist) {
			return remove(filepath.Join(dir, path))
		}
		return nil
	})
}

// DropISOs makes the copy in dir a partial one: its ISO directories go, time file and metadata stay.
func DropISOs(dir string) error {
	return drop(dir, func(path string) bool { return strings.Contains(path, "/isos/") })
}

// DropRepo makes the copy in dir incomplete: the first of its repositories goes, metadata and all.
func DropRepo(dir string) error {
	first, err := firstRepo(dir)
	if err != nil {
		return err
	}
	return drop(dir, func(path string) bool { return strings.HasPrefix(path, first+"/") })
}

func drop(dir string, which func(path string) bool) error {
	return regular(dir, func(path string, _ fs.DirEntry) error {
		if which(path) {
			return remove(filepath.Join(dir, path))
		}
		return nil
	})
}

// Lie makes the copy in dir claim the timestamp ts with content that was never the master's: a changed package
// checksum in the metadata of its first repository.
func Lie(dir string, ts int64) error {
	first, err := firstRepo(dir)
	if err != nil {
		return err
	}
	file := filepath.Join(dir, first, "repodata", "repomd.xml")
	was, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("altering a copy: %w", err)
	}
	const honest, altered = `<checksum type="sha256">`, `<checksum type="sha256">0000`
	if !bytes.Contains(was, []byte(altered)) {
		was = bytes.Replace(was, []byte(honest), []byte(altered), 1)
	}
	if err := replace(file, was, ts); err != nil {
		return err
	}
	return WriteTime(dir, ts)
}

// firstRepo is the path of the first repository in dir.
func firstRepo(dir string) (string, error) {
	var found string
	err := regular(dir, func(path string, _ fs.DirEntry) error {
		if at, ok := strings.CutSuffix(path, "/repodata/repomd.xml"); ok {
			found = at
			return fs.SkipAll
		}
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("looking for a repository in %s: %w", dir, err)
	}
	if found == "" {
		return "", fmt.Errorf("looking for a repository in %s: there is none", dir)
	}
	return found, nil
}
