package publish

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// DirStore writes atomically (temp file, fsync, rename or link, fsync of the directory) under a lock on the directory.
//
// Every request opens the directory anew, through os.Root: a symbolic link that leads out of it is never followed.
// Tags are SHA-256 in hex, of files that are too large to be read inode, size and time (Tag). Media type and Cache-Control are the web server's business here and are not kept.
type DirStore struct {
	path string
	wait time.Duration // for the lock, when the context sets no earlier end

	mu    sync.Mutex
	swept map[string]bool // directories in which leftovers were looked for
}

// Dir is the directory store; path is made when missing, by the first Put: looking changes nothing.
func Dir(path string) (*DirStore, error) {
	if path == "" {
		return nil, errors.New("site directory: the path is empty")
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("site directory %s: %w", path, err)
	}
	if fi, err := os.Stat(abs); err == nil && !fi.IsDir() {
		return nil, fmt.Errorf("site directory %s is not a directory: name another, or move that file away", abs)
	}
	return &DirStore{path: abs, wait: 30 * time.Second, swept: map[string]bool{}}, nil
}

// Get reads one file; without the site directory nothing is found.
func (d *DirStore) Get(ctx context.Context, name string, max int64) (Object, error) {
	if err := errors.Join(CheckName(name), ctx.Err()); err != nil {
		return Object{}, err
	}
	root, err := os.OpenRoot(d.path)
	if err != nil {
		return Object{}, d.explain("read", name, nil, err)
	}
	defer root.Close()
	b, err := readFile(root, name, max)
	if err != nil {
		return Object{}, d.explain("read", name, root, err)
	}
	o := NewObject(name, b)
	o.Tag = sumOf(b)
	return o, nil
}

// Tag tells one file from the next by what the file system says of it: nothing is read.
func (d *DirStore) Tag(ctx context.Context, name string) (string, error) {
	if err := errors.Join(CheckName(name), ctx.Err()); err != nil {
		return "", err
	}
	root, err := os.OpenRoot(d.path)
	if err != nil {
		return "", d.explain("read", name, nil, err)
	}
	defer root.Close()
	f, err := openFile(root, name)
	if err != nil {
		return "", d.explain("read", name, root, err)
	}
	defer f.Close()
	return statTag(f)
}

const statPrefix = "stat:"

func statTag(f *os.File) (string, error) {
	fi, err := f.Stat()
	if err != nil {
		return "", err
	}
	var inode uint64
	if sys, ok := fi.Sys().(*syscall.Stat_t); ok {
		inode = sys.Ino
	}
	return fmt.Sprintf("%s%d:%d:%d", statPrefix, inode, fi.Size(), fi.ModTime().UnixNano()), nil
}

// Put writes one file of mode 0644, and directories of mode 0755 where needed.
func (d *DirStore) Put(ctx context.Context, o Object, c Condition) (string, error) {
	if err := errors.Join(CheckName(o.Name), ctx.Err()); err != nil {
		return "", err
	}
	if c.Absent && c.Match != "" {
		return "", fmt.Errorf("write %s: both Absent and Match are asked for", o.Name)
	}
	if err := makeSite(d.path); err != nil {
		return "", d.explain("write", o.Name, nil, err)
	}
	root, unlock, err := d.lock(ctx)
	if err != nil {
		return "", d.explain("write", o.Name, nil, err)
	}
	defer unlock()
	if err := d.put(ctx, root, o, c); err != nil {
		return "", d.explain("write", o.Name, root, err)
	}
	return sumOf(o.Data), nil
}

func (d *DirStore) put(ctx context.Context, root *os.Root, o Object, c Condition) error {
	if c.Match != "" {
		if err := matches(root, o.Name, c.Match); err != nil {
			return err
		}
	}
	dir := path.Dir(o.Name)
	if err := makeDirs(root, dir); err != nil {
		return err
	}
	if err := d.sweepOnce(root, dir); err != nil {
		return err
	}
	temp, err := writeTemp(root, dir, o.Data)
	if err != nil {
		return err
	}
	if err := errors.Join(ctx.Err(), d.here(root)); err != nil {
		return errors.Join(err, root.Remove(temp))
	}
	if err := commit(root, temp, o.Name, c.Absent); err != nil {
		root.Remove(temp)
		return err
	}
	return syncDir(root, dir)
}

// commit gives the written temp its name. link(2) never replaces: it is the If-None-Match.
func commit(root *os.Root, temp, name string, absent bool) error {
	if !absent {
		return root.Rename(temp, name)
	}
	err := root.Link(temp, name)
	switch {
	case err == nil:
		return root.Remove(temp)
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("already there: %w", ErrConflict)
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EOPNOTSUPP), errors.Is(err, syscall.EMLINK):
		return errors.New("this file system has no hard links, which keep two publishers apart: choose another site directory")
	}
	return err
}

// List walks the directory that prefix names; one without a slash at its end is the beginning of names in one directory. It
// also removes what killed runs left there.
func (d *DirStore) List(ctx context.Context, prefix string) ([]Listed, error) {
	dir, whole := strings.CutSuffix(prefix, "/")
	if err := CheckName(dir); err != nil {
		return nil, err
	}
	if !whole {
		dir = path.Dir(dir)
	}
	if _, err := os.Stat(d.path); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	root, unlock, err := d.lock(ctx)
	if err != nil {
		return nil, d.explain("list", dir, nil, err)
	}
	defer unlock()
	var all []Listed
	err = fs.WalkDir(root.FS(), dir, func(name string, e fs.DirEntry, err error) error {
		switch {
		case err == nil && !whole && e.IsDir() && name != dir:
			return fs.SkipDir
		case err == nil && !whole && !e.IsDir() && !strings.HasPrefix(name, prefix):
			return nil
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		case isTemp(e):
			return root.Remove(name)
		case !e.Type().IsRegular() || CheckName(name) != nil:
			return ctx.Err()
		}
		fi, err := e.Info()
		if err != nil {
			return err
		}
		all = append(all, Listed{Name: name, Modified: fi.ModTime()})
		return nil
	})
	if err != nil {
		return nil, d.explain("list", dir, root, err)
	}
	return all, nil
}

// Delete removes a file that still has this tag, and its directory when that is empty then.
func (d *DirStore) Delete(ctx context.Context, name, tag string) error {
	if err := errors.Join(CheckName(name), ctx.Err()); err != nil {
		return err
	}
	if _, err := os.Stat(d.path); err != nil {
		return d.explain("remove", name, nil, err)
	}
	root, unlock, err := d.lock(ctx)
	if err != nil {
		return d.explain("remove", name, nil, err)
	}
	defer unlock()
	if _, err := root.Lstat(name); err != nil {
		return d.explain("remove", name, root, err)
	}
	if err := matches(root, name, tag); err != nil {
		return d.explain("remove", name, root, err)
	}
	if err := root.Remove(name); err != nil {
		return d.explain("remove", name, root, err)
	}
	if dir := path.Dir(name); dir != "." {
		root.Remove(dir) // refused while anything is in it
	}
	return nil
}

// matches compares the present bytes with a tag.
func matches(root *os.Root, name, tag string) error {
	f, err := openFile(root, name)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("not there any more: %w", ErrConflict)
	} else if err != nil {
		return err
	}
	defer f.Close()
	now, err := fileTag(f, strings.HasPrefix(tag, statPrefix))
	if err != nil {
		return err
	}
	if now != tag {
		return fmt.Errorf("changed meanwhile: %w", ErrConflict)
	}
	return nil
}

func fileTag(f *os.File, stat bool) (string, error) {
	if stat {
		return statTag(f)
	}
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func readFile(root *os.Root, name string, max int64) ([]byte, error) {
	f, err := openFile(root, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var b bytes.Buffer
	n, err := io.Copy(&b, io.LimitReader(f, max+1))
	if err != nil {
		return nil, err
	}
	if n > max {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, max)
	}
	return b.Bytes(), nil
}

// openFile opens a regular file only; a FIFO would otherwise be waited for.
func openFile(root *os.Root, name string) (*os.File, error) {
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if fi, err := f.Stat(); err != nil || !fi.Mode().IsRegular() {
		f.Close()
		return nil, errors.Join(err, errors.New("not a regular file: remove it"))
	}
	return f, nil
}
