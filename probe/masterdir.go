package probe

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"

	"tidemark/manifest"
	"tidemark/quorum"
	"tidemark/rsync"
)

// batch is how many names of a directory are held at a time.
const batch = 512

// dirMaster is a master in a local directory. Nothing outside of the directory is read, whatever links there are.
type dirMaster struct {
	ask    MasterAsk
	root   *os.Root
	hidden *rsync.Matcher
}

func openDir(m MasterAsk, hidden *rsync.Matcher) (master, *quorum.Failure) {
	root, err := os.OpenRoot(m.Dir)
	if err != nil {
		return nil, unread("cannot open the master's directory %s: %v", m.Dir, reason(err))
	}
	return dirMaster{m, root, hidden}, nil
}

func (d dirMaster) close() { d.root.Close() }

// timeFile follows links, as the wire client has daemons do for the time file; os.Root keeps them within the tree.
func (d dirMaster) timeFile(context.Context) timeRead {
	data, err := d.readTime()
	if errors.Is(err, fs.ErrNotExist) {
		return timeRead{fail: &quorum.Failure{Kind: quorum.FailMissing, Text: fmt.Sprintf("there is no file %s in %s", d.ask.TimeFile, d.ask.Dir)}}
	}
	if err != nil {
		return timeRead{fail: unread("cannot read %q in %s: %v", d.ask.TimeFile, d.ask.Dir, reason(err))}
	}
	return parseTime(data, d.ask.TimeFile)
}

func (d dirMaster) readTime() ([]byte, error) {
	info, err := d.root.Stat(d.ask.TimeFile)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("it is not a regular file (%s)", info.Mode().Type())
	}
	f, err := d.root.Open(d.ask.TimeFile)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxTimeFile))
}

func (d dirMaster) walk(ctx context.Context, visit func(item) error) *quorum.Failure {
	return d.walkDir(ctx, d.root, ".", visit)
}

// walkDir visits the directory dir, whose path in the tree is at. Each level holds one batch of names, so that memory
// does not grow with the tree.
func (d dirMaster) walkDir(ctx context.Context, dir *os.Root, at string, visit func(item) error) *quorum.Failure {
	f, err := dir.Open(".")
	if err != nil {
		return d.cannot(at, err)
	}
	defer f.Close()
	for {
		entries, err := f.ReadDir(batch)
		for _, e := range entries {
			if fail := d.entry(ctx, dir, path.Join(at, e.Name()), e.Name(), visit); fail != nil {
				return fail
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return d.cannot(at, err)
		}
		if ctx.Err() != nil {
			return unread("walking %s took too long: stopped at %q", d.ask.Dir, at)
		}
	}
}

func (d dirMaster) entry(ctx context.Context, dir *os.Root, name, base string, visit func(item) error) *quorum.Failure {
	info, err := dir.Lstat(base)
	if err != nil {
		return d.cannot(name, err)
	}
	switch {
	case d.hidden.Hidden(name, info.IsDir()): // nor is it opened: it may be there for root alone
	case info.IsDir() && base != partialDir && name != lostFound:
		sub, err := dir.OpenRoot(base)
		if err != nil {
			return d.cannot(name, err)
		}
		defer sub.Close()
		return d.walkDir(ctx, sub, name, visit)
	case info.Mode().IsRegular() && !scaffolding(base, uint32(info.Mode().Perm())):
		if err := visit(item{name, info.Size(), info.ModTime()}); err != nil {
			return unread("%v", err)
		}
	}
	return nil
}

func (d dirMaster) hash(ctx context.Context, found []manifest.Anchor) *quorum.Failure {
	for i := range found {
		if ctx.Err() != nil {
			return unread("reading the anchors in %s took too long: stopped at %q", d.ask.Dir, found[i].Path)
		}
		if fail := d.hashOne(&found[i]); fail != nil {
			return fail
		}
	}
	return nil
}

func (d dirMaster) hashOne(a *manifest.Anchor) *quorum.Failure {
	f, err := d.root.Open(a.Path)
	if err != nil {
		return d.cannot(a.Path, err)
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, io.LimitReader(f, maxAnchor+1))
	if err != nil {
		return d.cannot(a.Path, err)
	}
	if n != a.Size {
		return inMotion(fmt.Sprintf("%q had %d bytes in the list and %d when it was read", a.Path, a.Size, n))
	}
	a.SHA256 = hex.EncodeToString(h.Sum(nil))
	return nil
}

// cannot words an error at name: what was there a moment ago and is gone means that somebody is writing.
func (d dirMaster) cannot(name string, err error) *quorum.Failure {
	if errors.Is(err, fs.ErrNotExist) {
		return inMotion(fmt.Sprintf("%q vanished while we looked", name))
	}
	return unread("cannot read %q in %s: %v", name, d.ask.Dir, reason(err))
}

// reason is err without the call and the path that the sentence already names.
func reason(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}
