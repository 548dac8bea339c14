package checkin

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sync"
	"syscall"

	"tidemark/internal/ident"
)

const (
	tmpDir   = "tmp"
	newDir   = "new"
	takenDir = "taken"

	suffix      = ".json"
	spoolFile   = 0o640 // the receiver may be another user of the same group
	spoolDir    = 0o770 | os.ModeSetgid
	accessWrite = 0x2 | 0x1 // W_OK|X_OK of access(2)
)

// Spool keeps accepted check-ins until a run takes them: one file a mirror, so it is as small as the inventory.
//
//	tmp/<id>.json.…    being written
//	new/<id>.json      accepted: the body, as it came
//	taken/<id>.json    taken by a run that has not ended yet
//
// Whoever may write into it, a receiver that was broken into say, can make a run look at mirrors, and no more: nothing of
// it is followed out of dir, and what has no name of a known mirror is not read, however much there is of it.
type Spool struct {
	dir string

	mu    sync.Mutex
	taken map[string]fs.FileInfo // what Take gave and Done will remove
	stuck *Stuck                 // what the last Take could not deal with; nil: nothing
}

// OpenSpool makes the directories where they are missing, with mode 2770: the receiver and run may be two users of one
// group, which is that of dir. dir itself is made with mode 2750.
func OpenSpool(dir string) (*Spool, error) {
	s := &Spool{dir: dir, taken: map[string]fs.FileInfo{}}
	if err := s.makeTop(); err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	defer root.Close()
	var device uint64
	for i, name := range []string{tmpDir, newDir, takenDir} {
		if err := makeDir(root, name); err != nil {
			return nil, fmt.Errorf("spool: %w", err)
		}
		info, err := root.Lstat(name)
		if err != nil {
			return nil, fmt.Errorf("spool: %w", err)
		}
		if !info.IsDir() {
			return nil, fmt.Errorf("spool: %s is no directory (%s): move it away", filepath.Join(dir, name), info.Mode())
		}
		st, ok := info.Sys().(*syscall.Stat_t)
		if ok && i > 0 && uint64(st.Dev) != device {
			return nil, fmt.Errorf("spool: %s is another file system than %s: files are moved from one to the other", filepath.Join(dir, name), filepath.Join(dir, tmpDir))
		}
		if ok {
			device = uint64(st.Dev)
		}
	}
	return s, nil
}

func (s *Spool) makeTop() error {
	if _, err := os.Stat(s.dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(s.dir), 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(s.dir, 0o750); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return os.Chmod(s.dir, 0o750|os.ModeSetgid)
}

// makeDir leaves a directory that is there as its owner made it.
func makeDir(root *os.Root, name string) error {
	err := root.Mkdir(name, 0o770)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return root.Chmod(name, spoolDir) // whatever the umask
}

// Writable reports why nothing can be put into the spool, before the first check-in finds out.
func (s *Spool) Writable() error {
	root, err := os.OpenRoot(s.dir)
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	defer root.Close()
	name, _, err := temporary(root, "writable")
	if err == nil {
		err = root.Remove(name)
	}
	if err == nil {
		err = os.NewSyscallError("write to "+newDir, syscall.Access(filepath.Join(s.dir, newDir), accessWrite))
	}
	if err != nil {
		return fmt.Errorf("spool %s: %w", s.dir, err)
	}
	return nil
}

// Put keeps a body; it is lasting once Put has returned. It replaces the one that the mirror left before.
func (s *Spool) Put(mirror string, body []byte) error {
	if err := ident.Check(mirror); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	if len(body) > MaxBody {
		return fmt.Errorf("spool: %d bytes of %s, at most %d are kept", len(body), mirror, MaxBody)
	}
	root, err := os.OpenRoot(s.dir)
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	defer root.Close()
	if err := put(root, mirror+suffix, body); err != nil {
		return fmt.Errorf("spool: keep the check-in of %s: %w", mirror, err)
	}
	return nil
}

func put(root *os.Root, name string, body []byte) error {
	tmp, _, err := temporary(root, name, body...)
	if err != nil {
		return err
	}
	if err := root.Rename(tmp, path.Join(newDir, name)); err != nil {
		return errors.Join(err, root.Remove(tmp))
	}
	return syncDir(root, newDir)
}

// temporary writes a file of its own into tmp, lasting but for its name.
func temporary(root *os.Root, name string, body ...byte) (tmp string, info fs.FileInfo, err error) {
	tmp = path.Join(tmpDir, name+"."+rand.Text())
	f, err := root.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, spoolFile)
	if err != nil {
		return "", nil, err
	}
	err = f.Chmod(spoolFile) // whatever the umask: run must be able to read it
	if err == nil {
		_, err = f.Write(body)
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		info, err = f.Stat()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return "", nil, errors.Join(err, root.Remove(tmp))
	}
	return tmp, info, nil
}

func syncDir(root *os.Root, name string) error {
	d, err := root.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
