package publish

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/gofrs/flock"
)

const (
	fileMode = 0o644
	dirMode  = 0o755

	tempPrefix, tempSuffix = ".tidemark-", ".tmp"
)

// lock takes flock(2) on the site directory itself: a lock file could be removed or renamed away, and a second
// publisher would then lock another one. It waits as long as the context lets it, and never longer than d.wait.
func (d *DirStore) lock(ctx context.Context) (*os.Root, func(), error) {
	bounded, cancel := context.WithTimeout(ctx, d.wait)
	defer cancel()
	for {
		l := flock.New(d.path, flock.SetFlag(os.O_RDONLY))
		if _, err := l.TryLockContext(bounded, 5*time.Millisecond); err != nil {
			l.Close()
			switch {
			case ctx.Err() == nil && bounded.Err() != nil:
				err = fmt.Errorf("%w for %s (find it: fuser -v %s)", ErrLocked, d.wait, d.path)
			case errors.Is(err, syscall.EBADF), errors.Is(err, syscall.ENOLCK), errors.Is(err, syscall.EOPNOTSUPP):
				err = fmt.Errorf("lock %s: %w (this file system cannot lock directories: use a local one)", d.path, err)
			}
			return nil, nil, err
		}
		root, err := os.OpenRoot(d.path)
		if err != nil {
			l.Close()
			return nil, nil, err
		}
		unlock := func() { root.Close(); l.Close() }
		locked, err := l.Stat()
		opened, err2 := root.Stat(".")
		if err := errors.Join(err, err2); err != nil {
			unlock()
			return nil, nil, err
		}
		if os.SameFile(locked, opened) {
			return root, unlock, nil
		}
		unlock() // replaced between lock and open: lock the new one
	}
}

// here checks that the locked directory is still the one at the path.
func (d *DirStore) here(root *os.Root) error {
	at, err := os.Stat(d.path)
	held, err2 := root.Stat(".")
	if err := errors.Join(err, err2); err != nil {
		return err
	}
	if !os.SameFile(at, held) {
		return fmt.Errorf("%s was replaced by another directory meanwhile: run again", d.path)
	}
	return nil
}

// makeSite makes the site directory and its missing parents, whatever the umask.
func makeSite(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	err := os.Mkdir(dir, dirMode)
	switch {
	case errors.Is(err, fs.ErrExist):
		return nil
	case errors.Is(err, fs.ErrNotExist):
		if err := makeSite(filepath.Dir(dir)); err != nil {
			return err
		}
		err = os.Mkdir(dir, dirMode)
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return os.Chmod(dir, dirMode)
}

// makeDirs makes dir below the site, each level lasting before the next.
func makeDirs(root *os.Root, dir string) error {
	if dir == "." {
		return nil
	}
	if err := makeDirs(root, path.Dir(dir)); err != nil {
		return err
	}
	if _, err := root.Lstat(dir); err == nil && !halfMade(root, dir) {
		return nil
	}
	if err := root.Mkdir(dir, dirMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := root.Chmod(dir, dirMode); err != nil {
		return err
	}
	return syncDir(root, path.Dir(dir))
}

// halfMade recognizes what a run killed between mkdir and chmod leaves under a strict umask: empty and private.
func halfMade(root *os.Root, dir string) bool {
	fi, err := root.Lstat(dir)
	if err != nil || !fi.IsDir() || fi.Mode()&0o055 != 0 {
		return false
	}
	entries, err := fs.ReadDir(root.FS(), dir)
	return err == nil && len(entries) == 0
}

// writeTemp writes data to a new hidden file in dir and makes it lasting.
func writeTemp(root *os.Root, dir string, data []byte) (name string, err error) {
	name = path.Join(dir, tempPrefix+rand.Text()+tempSuffix)
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			root.Remove(name)
		}
	}()
	if _, err = f.Write(data); err == nil {
		err = f.Chmod(fileMode) // whatever the umask
	}
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return name, err
}

func syncDir(root *os.Root, dir string) error {
	f, err := root.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) { // EINVAL: the file system has no such thing
		return err
	}
	return nil
}

// sweepOnce removes leftovers of killed runs from dir. All writing is done under the lock that we hold: whatever temp
// file is there belongs to nobody.
func (d *DirStore) sweepOnce(root *os.Root, dir string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.swept[dir] {
		return nil
	}
	entries, err := fs.ReadDir(root.FS(), dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !isTemp(e) {
			continue
		}
		if err := root.Remove(path.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	d.swept[dir] = true
	return nil
}

func isTemp(e fs.DirEntry) bool {
	return e.Type().IsRegular() && strings.HasPrefix(e.Name(), tempPrefix) && strings.HasSuffix(e.Name(), tempSuffix)
}

// explain names the file and, where a person can act, what to do.
func (d *DirStore) explain(verb, name string, root *os.Root, err error) error {
	full := filepath.Join(d.path, filepath.FromSlash(name))
	var inner *fs.PathError
	var link *os.LinkError
	if errors.As(err, &inner) {
		err = inner.Err // its name would be that of a temp file
	} else if errors.As(err, &link) {
		err = link.Err
	}
	advice := ""
	switch {
	case errors.Is(err, fs.ErrNotExist) && verb != "write":
		return fmt.Errorf("%s %s: %w", verb, full, ErrNotFound)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		advice = "make room on that file system and run again; the file there before is untouched"
	case errors.Is(err, syscall.EROFS):
		advice = "remount that file system read-write, or choose another site directory"
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		advice = "run as the owner of " + d.path + ", or give this user the right to write there"
	case errors.Is(err, syscall.EISDIR), errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.EEXIST):
		advice = "a directory is in the place of a file, or a file in that of a directory: move it away"
	}
	if at := linkOut(root, name); at != "" {
		advice = filepath.Join(d.path, at) + " is a symbolic link, and none is followed out of the site: remove it"
	}
	if advice == "" {
		return fmt.Errorf("%s %s: %w", verb, full, err)
	}
	return fmt.Errorf("%s %s: %w (%s)", verb, full, err, advice)
}

// linkOut finds the symbolic link on the way to name that cannot be followed.
func linkOut(root *os.Root, name string) string {
	if root == nil {
		return ""
	}
	for i := range len(name) + 1 {
		if i < len(name) && name[i] != '/' {
			continue
		}
		fi, err := root.Lstat(name[:i])
		if err != nil {
			return ""
		}
		if _, err := root.Stat(name[:i]); fi.Mode()&fs.ModeSymlink != 0 && err != nil && !errors.Is(err, fs.ErrNotExist) {
			return name[:i]
		}
	}
	return ""
}
