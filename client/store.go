package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/google/renameio/v2"
)

// The files of the state directory, beside SeenFile and the kept BundleFile.
const (
	originFile = "origin.json"
	lockFile   = "look.lock"
	damaged    = ".damaged" // after the name of a file that was set aside
)

func stepFile(version int64) string { return fmt.Sprintf("trust-%d.json", version) }

func forkFile(serial int64, sum string) string {
	return fmt.Sprintf("fork-%d-%.8s.bundle.json", serial, sum)
}

// store is the state directory. Its lock is held for moments, never while the network is asked.
type store struct {
	dir      string
	readOnly bool                    // not ours to write: nothing is locked or kept
	written  func(name string) error // of tests: called before and after each write
}

const (
	lockWait  = 30 * time.Second
	lockRetry = 5 * time.Millisecond
)

// prepare makes the directory.
func (s *store) prepare() error {
	if s.readOnly {
		return nil
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return fmt.Errorf("state directory: %w", err)
	}
	return nil
}

// lock excludes other processes, for at most lockWait of waiting. The file is opened without following a link, and must
// still be the one in the directory once it is locked. What a killed run left half-written is removed.
func (s *store) lock(ctx context.Context) (unlock func(), err error) {
	if s.readOnly {
		return func() {}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	path := filepath.Join(s.dir, lockFile)
	for {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0o600)
		if err != nil {
			return nil, fmt.Errorf("lock the state: %w", err)
		}
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil && same(f, path) {
			s.sweep()
			return func() { f.Close() }, nil
		}
		f.Close()
		if err != nil && !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("lock %s: %w (who holds it: fuser -v %s)", path, ctx.Err(), path)
		case <-time.After(lockRetry):
		}
	}
}

func same(f *os.File, path string) bool {
	held, err := f.Stat()
	there, err2 := os.Lstat(path)
	return err == nil && err2 == nil && os.SameFile(held, there)
}

// sweep removes the temporary files of a run that was killed: whoever has the lock is the only one who writes.
func (s *store) sweep() {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if name, ok := strings.CutPrefix(e.Name(), "."); ok && ours(strings.TrimRight(name, "0123456789")) {
			os.Remove(filepath.Join(s.dir, e.Name()))
		}
	}
}

func ours(name string) bool {
	return name == SeenFile || name == BundleFile || name == originFile || name == beaconFile ||
		strings.HasSuffix(name, ".json") && (strings.HasPrefix(name, "trust-") || strings.HasPrefix(name, "fork-"))
}

// read gives a file of at most max bytes, and one more when it is larger, for the reader of its format to refuse; nil when
// it is not there.
func (s *store) read(name string, max int64) ([]byte, error) {
	b, err := readRegular(filepath.Join(s.dir, name), max, syscall.O_NOFOLLOW)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the state: %w", err)
	}
	return b, nil
}

// readRegular reads at most max bytes and one more. It opens without waiting: a pipe without a writer would block for ever.
func readRegular(path string, max int64, flags int) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|flags, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file (%s)", path, info.Mode())
	}
	return io.ReadAll(io.LimitReader(f, max+1))
}

// write replaces a file atomically, and waits until the disk has it.
func (s *store) write(name string, b []byte) error {
	return s.alter(name, func() error { return replaceFile(s.dir, name, b) })
}

func (s *store) saveSeen(seen Seen) error {
	return s.alter(SeenFile, func() error { return SaveSeen(s.dir, seen) })
}

func (s *store) remove(name string) error {
	return s.alter(name, func() error {
		if err := os.Remove(filepath.Join(s.dir, name)); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	})
}

func (s *store) alter(name string, change func() error) error {
	if s.readOnly {
		return nil
	}
	if err := s.hook(name); err != nil {
		return err
	}
	if err := change(); err != nil {
		return fmt.Errorf("write the state: %w", err)
	}
	return s.hook(name)
}

func (s *store) hook(name string) error {
	if s.written == nil {
		return nil
	}
	return s.written(name)
}

// setAside keeps a damaged file for people, out of the way.
func (s *store) setAside(name string) error {
	if s.readOnly {
		return nil
	}
	path := filepath.Join(s.dir, name)
	if err := os.Rename(path, path+damaged); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("set a damaged file aside: %w", err)
	}
	return nil
}

// replaceFile lays the temporary file beside the target, and has the directory synced: the rename is then on the disk.
func replaceFile(dir, name string, b []byte) error {
	if err := renameio.WriteFile(filepath.Join(dir, name), b, 0o644, renameio.WithTempDir(dir)); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
