package publish

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// ZoneFile is a TXT in a fragment that a zone file includes ($INCLUDE): one line for each record, written atomically;
// then the reload command is run (argv, no shell; PATH, /usr/sbin and /sbin; at most 20 s).
//
// The fragment holds TXT records with absolute names, and comments; what else is found there is refused. Lines of other
// names stay as they are: the beacon and the plain record may share a fragment.
//
// As long as the reload has not succeeded, the server is taken to have what it had: that stands beside the fragment, in
// path.before, Get reads it, and so whoever compares finds a difference, and the next Swap runs the reload again. The SOA
// record's serial is not in the fragment: where there are secondaries, the reload command has to raise it.
func ZoneFile(path string, reload []string) TXT {
	return &zoneFile{path: path, reload: reload, within: reloadWithin}
}

const (
	reloadWithin = 20 * time.Second
	beforeSuffix = ".before"
	maxFragment  = 64 << 10
	lockWait     = 30 * time.Second
)

type zoneFile struct {
	path   string
	reload []string
	within time.Duration // of the reload
}

// Get reads the fragment, or, while a reload is owed, what the server had before. No fragment: no records.
func (z *zoneFile) Get(ctx context.Context, name string) (RRset, error) {
	full, err := nameOf(name)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return RRset{}, err
	}
	root, err := os.OpenRoot(filepath.Dir(z.path))
	if err != nil {
		return RRset{}, z.explain("read", err)
	}
	defer root.Close()
	has, _, err := z.read(root)
	if err != nil {
		return RRset{}, err
	}
	return has.of(full), nil
}

// read gives what the server has, and what the fragment says.
func (z *zoneFile) read(root *os.Root) (has, says *fragment, err error) {
	if says, err = z.readOne(root, filepath.Base(z.path)); err != nil {
		return nil, nil, err
	}
	if has, err = z.readOne(root, filepath.Base(z.path)+beforeSuffix); err != nil {
		return nil, nil, err
	}
	if has.info == nil {
		return says, says, nil
	}
	return has, says, nil
}

func (z *zoneFile) readOne(root *os.Root, name string) (*fragment, error) {
	full := filepath.Join(filepath.Dir(z.path), name)
	info, err := root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return new(fragment), nil
	}
	if err == nil && !info.Mode().IsRegular() {
		return nil, AdvisedError{fmt.Errorf("zone file fragment %s is no regular file: name the file itself", full)}
	}
	var b []byte
	if err == nil {
		b, err = readFile(root, name, maxFragment)
	}
	if err != nil {
		return nil, z.explain("read", err)
	}
	f, err := parseFragment(b)
	if err != nil {
		return nil, AdvisedError{fmt.Errorf("zone file fragment %s: %w (only TXT records with absolute names and comments are expected; move the rest into the zone file)", full, err)}
	}
	f.info = info
	return f, nil
}

// Swap writes the fragment under a lock on its directory, and reloads.
func (z *zoneFile) Swap(ctx context.Context, name string, old, next RRset) error {
	full, err := nameOf(name)
	if err == nil {
		err = next.check()
	}
	if err != nil {
		return fmt.Errorf("zone file fragment %s: TXT %s: %w", z.path, name, err)
	}
	dir := &DirStore{path: filepath.Dir(z.path), wait: lockWait, swept: map[string]bool{}}
	root, unlock, err := dir.lock(ctx)
	if err != nil {
		return z.explain("write", err)
	}
	defer unlock()
	if err := dir.sweepOnce(root, "."); err != nil {
		return z.explain("write", err)
	}
	has, says, err := z.read(root)
	if err != nil {
		return err
	}
	written := says.of(full).Same(next) && says.of(full).TTL == next.TTL
	switch {
	case written && has == says:
		return nil
	case !written && !has.of(full).Same(old):
		return fmt.Errorf("zone file fragment %s holds other TXT records of %s: %w", z.path, name, ErrConflict)
	}
	return z.put(ctx, root, has, says, full, next)
}

// put leaves the fragment written and the server reloaded; or a reload owed, of which the file beside it tells.
func (z *zoneFile) put(ctx context.Context, root *os.Root, has, says *fragment, name string, next RRset) error {
	file := filepath.Base(z.path)
	if len(z.reload) > 0 && has == says {
		if err := z.write(root, file+beforeSuffix, says.text, says.info); err != nil {
			return err
		}
	}
	text := says.with(name, next)
	if len(text) > maxFragment {
		return fmt.Errorf("zone file fragment %s would be %d bytes, expected at most %d", z.path, len(text), maxFragment)
	}
	if err := z.write(root, file, text, says.info); err != nil {
		return err
	}
	if len(z.reload) > 0 {
		if err := runReload(ctx, z.reload, z.within); err != nil {
			return fmt.Errorf("zone file fragment %s is written, the name server has not taken it (the next run tries again): %w", z.path, err)
		}
	}
	err := root.Remove(file + beforeSuffix)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = syncDir(root, ".")
	}
	if err != nil {
		return z.explain("write", err)
	}
	return nil
}

// write replaces one file, atomically and lastingly, with mode and owner of the one before.
func (z *zoneFile) write(root *os.Root, name string, text []byte, before fs.FileInfo) error {
	temp, err := writeTemp(root, ".", text)
	if err != nil {
		return z.explain("write", err)
	}
	if before != nil {
		err = keepOwner(root, temp, before)
	}
	if err == nil {
		err = root.Rename(temp, name)
	}
	if err != nil {
		root.Remove(temp)
		return z.explain("write", err)
	}
	if err := syncDir(root, "."); err != nil {
		return z.explain("write", err)
	}
	return nil
}

// keepOwner: only root may give a file away; anybody else's file is then of who writes it, with the same mode.
func keepOwner(root *os.Root, temp string, before fs.FileInfo) error {
	if s, ok := before.Sys().(*syscall.Stat_t); ok {
		if err := root.Chown(temp, int(s.Uid), int(s.Gid)); err != nil && !errors.Is(err, syscall.EPERM) {
			return err
		}
	}
	return root.Chmod(temp, before.Mode().Perm())
}

func (z *zoneFile) explain(verb string, err error) error {
	d := &DirStore{path: filepath.Dir(z.path)}
	return fmt.Errorf("zone file fragment: %w", d.explain(verb, filepath.Base(z.path), nil, err))
}

// fragment is a file of TXT records. What was read stays as it is, line by line.
type fragment struct {
	info  fs.FileInfo // nil: there is no file
	text  []byte
	lines []fragmentLine
}

type fragmentLine struct {
	text   string
	name   string // canonical; "" for a comment or an empty line
	ttl    int
	record []string
}

func (f *fragment) of(name string) (s RRset) {
	for _, l := range f.lines {
		if l.name == name {
			s.TTL = l.ttl
			s.Records = append(s.Records, l.record)
		}
	}
	return s
}

// with is the text with other records of a name, where its first one stood or at the end.
func (f *fragment) with(name string, s RRset) []byte {
	var b bytes.Buffer
	put := func() {
		for _, record := range s.sorted() {
			b.WriteString(recordLine(name, s.TTL, record))
		}
		s.Records = nil
	}
	if f.info == nil {
		b.WriteString("; TXT records that tidemark keeps, for $INCLUDE in the zone file. Lines of other names stay.\n")
	}
	for _, l := range f.lines {
		if l.name == name {
			put()
			continue
		}
		b.WriteString(l.text + "\n")
	}
	put()
	return b.Bytes()
}
