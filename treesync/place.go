package treesync

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"time"
)

// placement puts the anchors into the tree: all are written beside their places first, and then get their names in one go.
// What is put there is what was fetched into the staging directory and found to be right, whatever the source has by now.
type placement struct {
	keeper
	a      *attempt
	staged *os.Root
	named  map[string]string // the name that a file is to get, by the one that it has
	order  []string          // the latter, in the order of the names that they are to get
	dirs   map[string]bool   // of the anchors
	files  int64
	bytes  int64
}

// durable is how many files are put on the disk one by one; for more, the file system is asked to write all that it has.
const durable = 50

// prepare writes the anchors of the target's set beside their places. The staging directory holds what was verified.
func (a *attempt) prepare() (*placement, error) {
	staged, err := os.OpenRoot(a.staging.file(againDir))
	if err != nil {
		return nil, fmt.Errorf("put the anchors beside their places: %w", err)
	}
	p := &placement{keeper: newKeeper(a.root), a: a, staged: staged, named: map[string]string{}, dirs: map[string]bool{}}
	linked := a.plan.linked()
	for _, name := range a.target.paths() {
		if err = p.anchor(name, linked[name]); err != nil {
			err = fmt.Errorf("put the anchor %s beside its place: %w", name, err)
			break
		}
	}
	if err == nil && len(p.order) > durable {
		err = syncTree(a.root)
	}
	if err != nil {
		p.discard()
		return nil, err
	}
	return p, nil
}

// anchor prepares one, and the names that are hard links of it.
func (p *placement) anchor(name string, links []string) error {
	from := name
	if !p.fits(name) {
		if err := p.makeDir(path.Dir(name)); err != nil {
			return err
		}
		temp, err := p.beside(name)
		if err != nil {
			return err
		}
		if err := p.copy(name, temp); err != nil {
			return err
		}
		p.dirs[path.Dir(name)] = true
		from = temp
	}
	for _, link := range links {
		if err := p.link(from, name, link); err != nil {
			return err
		}
	}
	return nil
}

// link prepares a name that is a hard link of an anchor. Where there can be none, it gets the same content.
func (p *placement) link(from, anchor, name string) error {
	if here, err := p.root.Lstat(name); err == nil {
		if there, err := p.root.Lstat(from); err == nil && os.SameFile(here, there) {
			return nil
		}
	}
	if _, err := p.root.Stat(path.Dir(name)); err != nil {
		return nil // it comes another time
	}
	temp, err := p.beside(name)
	if err != nil {
		return err
	}
	if p.root.Link(from, temp) != nil {
		return p.copy(anchor, temp)
	}
	return nil
}

// fits reports an anchor that is in its place already. Its permissions and its time are then made those of the source.
func (p *placement) fits(name string) bool {
	want := p.a.target.anchors[name]
	if have, err := readAnchor(p.root, name, want.Size); err != nil || have != want {
		return false
	}
	info, err := p.staged.Lstat(name)
	return err == nil && p.root.Chmod(name, info.Mode().Perm()) == nil && p.root.Chtimes(name, time.Time{}, info.ModTime()) == nil
}

// makeDir makes a directory that no list had, as it is at the source.
func (p *placement) makeDir(dir string) error {
	if _, err := p.root.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := p.makeDir(path.Dir(dir)); err != nil {
		return err
	}
	if err := p.open(path.Dir(dir)); err != nil {
		return err
	}
	mode := fs.FileMode(0o755)
	if info, err := p.staged.Lstat(dir); err == nil {
		mode = info.Mode().Perm() | 0o300
	}
	return p.root.Mkdir(dir, mode)
}

// beside gives a name for what is to get this one.
func (p *placement) beside(name string) (temp string, err error) {
	if info, err := p.root.Lstat(name); err == nil && info.IsDir() {
		if err := p.root.Remove(name); err != nil {
			return "", fmt.Errorf("found a directory, expected a file: move it away: %w", err)
		}
	}
	temp = tempName(name)
	p.named[temp] = name
	p.order = append(p.order, temp)
	return temp, p.open(path.Dir(name))
}

func (p *placement) copy(name, temp string) (err error) {
	in, info, err := openFile(p.staged, name)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := p.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	n, err := io.Copy(out, in)
	if err == nil {
		err = out.Chmod(info.Mode().Perm())
	}
	if err == nil && len(p.order) <= durable {
		err = out.Sync()
	}
	if closeErr := out.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = p.root.Chtimes(temp, time.Time{}, info.ModTime())
	}
	p.files, p.bytes = p.files+1, p.bytes+n
	return err
}

// place gives all of them their names.
func (p *placement) place() error {
	for dir, info := range p.before { // rsync gives them the source's permissions
		if info.Mode().Perm()&0o300 != 0o300 {
			p.root.Chmod(dir, info.Mode().Perm()|0o300)
		}
	}
	for _, temp := range p.order {
		if err := p.root.Rename(temp, p.named[temp]); err != nil {
			return fmt.Errorf("put the anchors in their places: %w", err)
		}
		delete(p.named, temp)
	}
	p.a.out.Files += p.files
	p.a.out.Bytes += p.bytes
	return nil
}

// discard removes what has not come to its place, and gives directories their times.
func (p *placement) discard() {
	for temp := range p.named {
		p.root.Remove(temp)
	}
	p.restore()
	p.a.restoreDirTimes(p.dirs)
	p.staged.Close()
}

// linked are the names that are hard links of an anchor, by its path.
func (p *plan) linked() map[string][]string {
	of := map[string][]string{}
	for leader, names := range p.links {
		group := append(slices.Clone(names), leader)
		slices.Sort(group)
		at := slices.IndexFunc(group, func(name string) bool { return p.anchors[name] })
		if at >= 0 {
			anchor := group[at]
			of[anchor] = slices.Delete(group, at, at+1)
		}
	}
	return of
}
