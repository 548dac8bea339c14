package treesync

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Lock is held until Release; Files are to be inherited by every rsync (rsync.Exec.Hold), so that an orphan keeps it.
type Lock struct {
	files      []*os.File
	without    []string
	holderFile string
	holder     Holder
}

// Locked is the error of Acquire when another run holds one of the locks.
type Locked struct {
	Path   string
	Holder *Holder // nil: not known (an old cron line)
	Dead   bool    // the holder has ended: an rsync that it started still holds the lock, or somebody else does
}

func (e *Locked) Error() string {
	text := e.Path + ": another run holds the lock"
	switch {
	case e.Holder == nil:
		return text + "; it did not say who it is (flock(1) from a cron line?); to see: fuser -v " + e.Path
	case e.Dead:
		return text + fmt.Sprintf("; the last one to write its name, pid %d (%s), has ended: an rsync of it may still be at work; to see: fuser -v %s",
			e.Holder.PID, e.Holder.Doing, e.Path)
	}
	return text + fmt.Sprintf(": pid %d, since %s (%s)", e.Holder.PID, e.Holder.Since.UTC().Format("2006-01-02T15:04:05Z"), e.Holder.Doing)
}

// lockTries is how often a lock that was renamed or deleted while we took it is taken anew.
const lockTries = 20

// Acquire takes the flock of each path, without waiting for longer than a moment: directories (a tree, the state directory) by themselves, other
// paths as lock files, made when missing, for writing (NFS locks no others), and opened so that a symbolic link is refused. All or none. The holder is written
// to holderFile. A lock file that was renamed or deleted in between is noticed and taken anew.
func Acquire(paths []string, holderFile string, h Holder) (*Lock, error) {
	l := &Lock{holderFile: holderFile, holder: h}
	for _, path := range paths {
		f, err := lockPath(path, openLock)
		switch {
		case errors.Is(err, unix.EWOULDBLOCK):
			l.closeAll()
			return nil, lockedBy(path, holderFile)
		case errors.Is(err, errNoFlock):
			l.without = append(l.without, path)
		case err != nil:
			l.closeAll()
			return nil, fmt.Errorf("take the lock %s: %w", path, err)
		default:
			l.files = append(l.files, f)
		}
	}
	if err := writeHolder(holderFile, h); err != nil {
		l.closeAll()
		return nil, err
	}
	return l, nil
}

// Files are the open locks.
func (l *Lock) Files() []*os.File { return l.files }

// Without lists the directories whose file system knows no flock on directories: for those the other locks must do.
func (l *Lock) Without() []string { return l.without }

// Release gives all of them back. An rsync that is still alive and has inherited them keeps them: the files are closed,
// not unlocked.
func (l *Lock) Release() error {
	err := removeHolder(l.holderFile, l.holder)
	return errors.Join(err, l.closeAll())
}

func (l *Lock) closeAll() error {
	var errs []error
	for _, f := range l.files {
		errs = append(errs, f.Close())
	}
	l.files = nil
	return errors.Join(errs...)
}

// errNoFlock is a directory on a file system that has no flock for it.
var errNoFlock = errors.New("the file system has no flock for directories")

// lockPath locks what is at path, and is sure that it still is there then.
func lockPath(path string, open func(string) (*os.File, error)) (*os.File, error) {
	for range lockTries {
		f, err := open(path)
		if err != nil {
			return nil, err
		}
		if err := flock(f); err != nil {
			f.Close()
			return nil, err
		}
		if stillThere(f, path) {
			return f, nil
		}
		f.Close()
	}
	return nil, fmt.Errorf("it was replaced %d times while it was being taken", lockTries)
}

// openLock opens a directory (which may be reached by a symbolic link: a tree's path may be one), or a lock file, which
// must be a regular file itself.
func openLock(path string) (*os.File, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return os.OpenFile(path, os.O_RDONLY|unix.O_DIRECTORY, 0)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
	if errors.Is(err, unix.ELOOP) {
		return nil, errors.New("it is a symbolic link, expected a lock file: remove it if nothing else needs it")
	}
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("it is no regular file (%s), expected a lock file or a directory", info.Mode())
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// flock tries a few times: who only looks whether the lock is held (`status`, flock(1) -n true) has it for a moment.
func flock(f *os.File) error {
	const tries, pause = 25, 10 * time.Millisecond
	for try := 1; ; try++ {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if errors.Is(err, unix.EWOULDBLOCK) && try < tries {
			time.Sleep(pause)
			continue
		}
		if noFlock(err) {
			if info, statErr := f.Stat(); statErr == nil && info.IsDir() {
				return errNoFlock
			}
		}
		return err
	}
}

// noFlock reports the errors of file systems without flock, or (NFS) without one on what is open for reading alone.
func noFlock(err error) bool {
	for _, e := range []error{unix.ENOTSUP, unix.EOPNOTSUPP, unix.EBADF, unix.ENOSYS, unix.ENOLCK, unix.EINVAL} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func stillThere(f *os.File, path string) bool {
	ours, err := f.Stat()
	if err != nil {
		return false
	}
	look := os.Lstat
	if ours.IsDir() {
		look = os.Stat
	}
	var now fs.FileInfo
	now, err = look(path)
	return err == nil && os.SameFile(ours, now)
}
