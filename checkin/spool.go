package checkin

import (
	"crypto/rand"
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
	leftover    = time.Hour // a file in tmp that is so old is a dead receiver's
)

// Spool keeps accepted check-ins until a run takes them: one file a mirror, so it is as small as the inventory.
//
//	tmp/<id>.json.…    being written
//	new/<id>.json      accepted: the body, as it came
//	taken/<id>.json    taken by a run that has not ended yet
//
// Whoever may write into it, a receiver that was broken into say, can make a run look at mirrors, and no more: nothing of
// it is followed out of dir.
type Spool struct {
	dir string

	mu    sync.Mutex
	taken map[string]fs.FileInfo // what Take gave and Done will remove
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

// Entry is one check-in that was taken.
type Entry struct {
	Mirror string // by the file's name: the body is to be opened again
	Body   []byte
}

// Take moves what is new aside and gives it, with what an earlier run took and did not finish. What is no regular file of
// at most MaxBody bytes with a proper name is removed, where it can be; the rest is given all the same.
func (s *Spool) Take() ([]Entry, error) {
	root, err := os.OpenRoot(s.dir)
	if err != nil {
		return nil, fmt.Errorf("take the spool: %w", err)
	}
	defer root.Close()
	if err := sweep(root); err != nil {
		return nil, fmt.Errorf("take the spool: %w", err)
	}
	fresh, err := proper(root, newDir, true)
	if err != nil {
		return nil, fmt.Errorf("take the spool: %w", err)
	}
	for _, name := range fresh {
		from, to := path.Join(newDir, name), path.Join(takenDir, name)
		if info, err := root.Lstat(to); err == nil && info.IsDir() {
			root.RemoveAll(to) // nobody's: a file cannot be moved there
		}
		if err := root.Rename(from, to); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("take the spool: %w", err)
		}
	}
	entries, err := s.read(root)
	if err != nil {
		return nil, fmt.Errorf("take the spool: %w", err)
	}
	return entries, nil
}

// read gives what lies in taken, and remembers it for Done.
func (s *Spool) read(root *os.Root) ([]Entry, error) {
	names, err := proper(root, takenDir, true)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken = map[string]fs.FileInfo{}
	var out []Entry
	for _, name := range names {
		body, info, err := readFile(root, path.Join(takenDir, name))
		switch {
		case errors.Is(err, errImproper):
			root.RemoveAll(path.Join(takenDir, name))
			continue
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return nil, err
		}
		s.taken[name] = info
		out = append(out, Entry{Mirror: strings.TrimSuffix(name, suffix), Body: body})
	}
	return out, nil
}

var errImproper = errors.New("no regular file of a check-in's size")

// readFile follows no link, waits for no pipe and reads at most MaxBody bytes. os.Root follows links that stay within it,
// whatever O_NOFOLLOW says: hence the look before.
func readFile(root *os.Root, name string) ([]byte, fs.FileInfo, error) {
	seen, err := root.Lstat(name)
	if err != nil {
		return nil, nil, err
	}
	if !seen.Mode().IsRegular() {
		return nil, nil, errImproper
	}
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) // it may have become a pipe
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	if !os.SameFile(seen, info) {
		return nil, nil, errImproper
	}
	if !info.Mode().IsRegular() || info.Size() > MaxBody {
		return nil, nil, errImproper
	}
	body, err := io.ReadAll(io.LimitReader(f, MaxBody+1))
	if err == nil && len(body) > MaxBody {
		err = errImproper
	}
	return body, info, err
}

// proper lists the names of a directory that can be check-ins, sorted; the others are removed, if asked for.
func proper(root *os.Root, dir string, remove bool) (names []string, err error) {
	list, err := fs.ReadDir(root.FS(), dir)
	if err != nil {
		return nil, err
	}
	for _, e := range list {
		id, ok := strings.CutSuffix(e.Name(), suffix)
		switch {
		case ok && e.Type().IsRegular() && ident.Check(id) == nil:
			names = append(names, e.Name())
		case remove:
			root.RemoveAll(path.Join(dir, e.Name())) // what cannot be removed harms nobody
		}
	}
	return names, nil
}

// Done forgets what the last Take gave. A check-in that has come since, and one that another Take gave, stay.
func (s *Spool) Done() error {
	root, err := os.OpenRoot(s.dir)
	if err != nil {
		return fmt.Errorf("empty the spool: %w", err)
	}
	defer root.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, was := range s.taken {
		at := path.Join(takenDir, name)
		if info, err := root.Lstat(at); err != nil || !os.SameFile(info, was) {
			continue // taken again by somebody else
		}
		if err := root.Remove(at); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("empty the spool: %w", err)
		}
	}
	s.taken = map[string]fs.FileInfo{}
	return nil
}

// Waiting reports whether there is anything to take.
func (s *Spool) Waiting() (bool, error) {
	root, err := os.OpenRoot(s.dir)
	if err != nil {
		return false, fmt.Errorf("look into the spool: %w", err)
	}
	defer root.Close()
	for _, dir := range []string{newDir, takenDir} {
		names, err := proper(root, dir, false)
		if err != nil {
			return false, fmt.Errorf("look into the spool: %w", err)
		}
		if len(names) > 0 {
			return true, nil
		}
	}
	return false, nil
}

// sweep removes what receivers that died left in tmp. How old it is, the file system's own clock says.
func sweep(root *os.Root) error {
	list, err := fs.ReadDir(root.FS(), tmpDir)
	if err != nil || len(list) == 0 {
		return err
	}
	probe, now, err := temporary(root, "sweep")
	if err != nil {
		return err
	}
	defer root.Remove(probe)
	for _, e := range list {
		info, err := e.Info()
		if err == nil && now.ModTime().Sub(info.ModTime()) > leftover {
			root.RemoveAll(path.Join(tmpDir, e.Name()))
		}
	}
	return nil
}
