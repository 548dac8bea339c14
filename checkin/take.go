package checkin

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"tidemark/internal/ident"
)

const (
	leftover = time.Hour // a file in tmp that is so old is a dead receiver's
	portion  = 1000      // so many entries of a directory are in memory at once
	mostSeen = 200_000   // so many are looked at: a directory that somebody fills meanwhile comes to an end
	mostTold = 3
)

// Entry is one check-in that was taken.
type Entry struct {
	Mirror string // by the file's name: the body is to be opened again
	Body   []byte
}

// Stuck is what Take could neither give nor remove, or could not read. It held up nothing else.
type Stuck struct {
	Dirs []string // what lies in these keeps lying there until somebody removes it: of new and taken, as paths

	told []string // the first few, in one line of printable characters each
	more int
}

func (s *Stuck) Error() string {
	text := "spool: " + strings.Join(s.told, "; ")
	if s.more > 0 {
		text += fmt.Sprintf("; and %d more", s.more)
	}
	return text
}

// Take moves aside what is new and gives it, sorted, with what an earlier run took and did not finish: of each known mirror
// one at most. What has no name of a known mirror is removed unread; what is no regular file of at most MaxBody bytes, or
// cannot be read, is removed as well. What cannot be removed holds up nothing: Stuck and Done tell of it. An error is that
// nothing was given.
func (s *Spool) Take(known func(mirror string) bool) ([]Entry, error) {
	root, err := os.OpenRoot(s.dir)
	if err != nil {
		return nil, fmt.Errorf("take the spool: %w", err)
	}
	defer root.Close()
	t := taking{root: root, dir: s.dir, known: known, infos: map[string]fs.FileInfo{}}
	t.sweep()
	before, err := t.names(takenDir) // first: what is in the way there is removed
	if err != nil {
		return nil, fmt.Errorf("take the spool: %w", err)
	}
	fresh, err := t.names(newDir)
	if err != nil {
		return nil, fmt.Errorf("take the spool: %w", err)
	}
	names := append(before, t.move(fresh)...)
	slices.Sort(names)
	entries := t.read(slices.Compact(names))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken, s.stuck = t.infos, t.stuck
	return entries, nil
}

// Stuck tells of what the last Take could not deal with, as a *Stuck; nil when there was no such thing, or after Done.
func (s *Spool) Stuck() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stuck == nil {
		return nil
	}
	return s.stuck
}

// taking is one Take under way.
type taking struct {
	root  *os.Root
	dir   string
	known func(mirror string) bool
	infos map[string]fs.FileInfo // of what was read, by its name
	stuck *Stuck
}

// tell keeps a trouble for the end; left is that something lies in dir still. Names are foreign bytes.
func (t *taking) tell(dir, name, what string, err error, left bool) {
	if t.stuck == nil {
		t.stuck = &Stuck{}
	}
	if at := filepath.Join(t.dir, dir); left && !slices.Contains(t.stuck.Dirs, at) {
		t.stuck.Dirs = append(t.stuck.Dirs, at)
	}
	if len(t.stuck.told) == mostTold {
		t.stuck.more++
		return
	}
	cause := plain([]byte(err.Error()))
	if no := syscall.Errno(0); errors.As(err, &no) {
		cause = no.Error()
	}
	t.stuck.told = append(t.stuck.told, fmt.Sprintf("%+.200q %s: %s", filepath.Join(t.dir, dir, name), what, cause))
}

// names lists what may be check-ins of known mirrors. All else is removed.
func (t *taking) names(dir string) (names []string, err error) {
	err = each(t.root, dir, mostSeen, func(e fs.DirEntry) {
		id, ok := strings.CutSuffix(e.Name(), suffix)
		if ok && e.Type().IsRegular() && ident.Check(id) == nil && t.known(id) {
			names = append(names, e.Name())
			return
		}
		t.remove(dir, e.Name())
	})
	if errors.Is(err, errEndless) {
		t.tell(dir, "", "is not read to its end", err, true)
		err = nil
	}
	return names, err
}

func (t *taking) remove(dir, name string) {
	if err := t.root.RemoveAll(path.Join(dir, name)); err != nil {
		t.tell(dir, name, "can be neither taken nor removed", err, true)
	}
}

// move takes files from new to taken, and gives the names of those that came there.
func (t *taking) move(names []string) (moved []string) {
	for _, name := range names {
		err := t.root.Rename(path.Join(newDir, name), path.Join(takenDir, name))
		switch {
		case err == nil:
			moved = append(moved, name)
		case !errors.Is(err, fs.ErrNotExist): // else another run was faster
			t.tell(newDir, name, "cannot be moved to "+takenDir, err, true)
		}
	}
	return moved
}

// read gives what lies in taken under these names.
func (t *taking) read(names []string) (out []Entry) {
	for _, name := range names {
		body, info, err := readFile(t.root, path.Join(takenDir, name))
		switch {
		case err == nil:
			t.infos[name] = info
			out = append(out, Entry{Mirror: strings.TrimSuffix(name, suffix), Body: body})
		case errors.Is(err, errImproper):
			t.remove(takenDir, name)
		case errors.Is(err, fs.ErrPermission): // at every run, if it stayed
			t.tell(takenDir, name, "cannot be read and is removed", err, false)
			t.remove(takenDir, name)
		case !errors.Is(err, fs.ErrNotExist):
			t.tell(takenDir, name, "cannot be read", err, true)
		}
	}
	return out
}

// sweep removes what receivers that died left in tmp. How old it is, the file system's own clock says.
func (t *taking) sweep() {
	var now fs.FileInfo
	var failed error
	err := each(t.root, tmpDir, mostSeen, func(e fs.DirEntry) {
		if now == nil && failed == nil {
			var probe string
			if probe, now, failed = temporary(t.root, "sweep"); failed == nil {
				failed = t.root.Remove(probe)
			}
		}
		at := path.Join(tmpDir, e.Name())
		if info, err := t.root.Lstat(at); err == nil && now != nil && now.ModTime().Sub(info.ModTime()) > leftover {
			t.root.RemoveAll(at) // what cannot be removed harms nobody
		}
	})
	if err = errors.Join(err, failed); err != nil {
		t.tell(tmpDir, "", "is not swept", err, false)
	}
}

var errEndless = errors.New("it does not come to an end")

// each goes through a directory, in portions. One that has not ended after most entries is errEndless.
func each(root *os.Root, dir string, most int, do func(fs.DirEntry)) error {
	d, err := root.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	for seen := 0; seen < most; {
		list, err := d.ReadDir(min(portion, most-seen))
		for _, e := range list {
			do(e)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		seen += len(list)
	}
	return errEndless
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

// Done forgets what the last Take gave, and tells of what was stuck. A check-in that has come since, and one that another
// Take gave, stay.
func (s *Spool) Done() error {
	stuck := s.Stuck()
	root, err := os.OpenRoot(s.dir)
	if err != nil {
		return errors.Join(fmt.Errorf("empty the spool: %w", err), stuck)
	}
	defer root.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	var failed error // the first one: they fail for the same cause
	for name, was := range s.taken {
		at := path.Join(takenDir, name)
		if info, err := root.Lstat(at); err != nil || !os.SameFile(info, was) {
			continue // taken again by somebody else
		}
		if err := root.Remove(at); err != nil && !errors.Is(err, fs.ErrNotExist) && failed == nil {
			failed = fmt.Errorf("empty the spool: %w", err)
		}
	}
	s.taken, s.stuck = map[string]fs.FileInfo{}, nil
	return errors.Join(failed, stuck)
}

// Waiting reports whether there is anything to take: anything at all, since what starts a run looks no closer.
func (s *Spool) Waiting() (bool, error) {
	root, err := os.OpenRoot(s.dir)
	if err != nil {
		return false, fmt.Errorf("look into the spool: %w", err)
	}
	defer root.Close()
	for _, dir := range []string{newDir, takenDir} {
		d, err := root.Open(dir)
		if err != nil {
			return false, fmt.Errorf("look into the spool: %w", err)
		}
		_, err = d.Readdirnames(1)
		d.Close()
		if err == nil {
			return true, nil
		}
		if !errors.Is(err, io.EOF) {
			return false, fmt.Errorf("look into the spool: %w", err)
		}
	}
	return false, nil
}
