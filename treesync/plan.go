package treesync

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"tidemark/rsync"
)

// plan is what the dry run shows: which names come in which stage, and what is gone at the source. It is sorted as it
// comes, since a tree may have millions of names.
type plan struct {
	rules   ruler
	anchors map[string]bool
	look    func(name string) (fs.FileInfo, error) // at the tree as it is
	full    func(dir string) bool                  // of the tree: there is something in it

	content, metadata *nameList
	coming            *nameList // all that comes
	replacing         []string  // metadata in the place of other of the same name
	inTheWay          []string  // names where the tree has a directory that is not empty, and the source something else
	doomed            []doomedName
	doomedBytes       int64 // of the files among them
	maxDoomed         int   // more of them are not kept
	deletions         int
	unlisted          int // names that come and that no list can hold
	refused           int // deletions that are too many
	refusedBytes      int64
	links             map[string][]string // names that are hard links, by their leader
	linkNames         int
	room              room
	changes           int64 // names that are new or changed
	result            rsync.Result
}

// minDoomed is how many deletions are kept by name at least; at most it is what may be deleted.
const minDoomed = 50_000

// add sorts one itemized name.
func (p *plan) add(i rsync.Item) {
	switch {
	case i.Name == "." || i.Name == p.rules.timeFile: // the top is not listed: rsync would take all that is in it
	case i.Deleting():
		p.goes(i)
	default:
		p.come(i)
	}
}

// maxLinkNames is how many hard links are remembered; what is more and one with an anchor becomes so in the next sync.
const maxLinkNames = 100_000

// goes counts a name that is gone at the source. Those that stay in any case are none: an anchor, and what the mirror
// excludes or keeps, of whatever kind it is here (to rsync, "own/" means no link of that name).
func (p *plan) goes(i rsync.Item) {
	if p.anchors[i.Name] || rsync.Hidden(p.rules.hidden, i.Name, false) || rsync.Hidden(p.rules.hidden, i.Name, true) {
		return
	}
	p.deletions++
	if info, err := p.look(i.Name); err == nil && info.Mode().IsRegular() {
		p.doomedBytes += info.Size()
	}
	if len(p.doomed) < p.maxDoomed {
		p.doomed = append(p.doomed, doomedName{i.Name, i.Dir})
	}
}

// phase is the stage in which a name comes.
type phase int

const (
	inContent phase = iota
	inMetadata
	withAnchors
	never
)

func (p *plan) phase(name string, dir bool) phase {
	switch {
	case name == p.rules.timeFile:
		return never
	case p.anchors[name]:
		return withAnchors
	case p.rules.isLate(name, dir):
		return inMetadata
	}
	return inContent
}

func (p *plan) come(i rsync.Item) {
	p.coming.add(i.Name)
	was, err := p.look(i.Name)
	if err != nil {
		was = nil
	}
	if was != nil && was.IsDir() && !i.Dir && p.full(i.Name) {
		p.inTheWay = append(p.inTheWay, i.Name)
		return
	}
	p.changes++
	ph := p.phase(i.Name, i.Dir)
	if ph == inMetadata && was != nil && !was.IsDir() && !i.Dir {
		ph = withAnchors // metadata of a fixed name: what readers have of it is replaced in one moment with the anchor
	}
	p.room.add(i, was, ph)
	p.put(ph, i.Name)
	if i.Link == "" {
		return
	}
	if p.linkNames < maxLinkNames {
		p.linkNames++
		p.links[i.Link] = append(p.links[i.Link], i.Name)
	}
	// A hard link comes as one only when its leader is in the same list: where the leader comes later, so it does once more.
	switch leader := p.phase(i.Link, false); {
	case leader <= ph:
		p.put(ph, i.Link)
	case leader != never:
		p.put(leader, i.Name)
		p.put(leader, i.Link)
	}
}

// listable reports whether --files-from can hold the name: a client takes one with a backslash and a wildcard for another
// than it asked for when the server answers, and ends with code 4 (rsync 3.2.7 and 3.5.0).
func listable(name string) bool {
	return !strings.Contains(name, `\`) || !strings.ContainsAny(name, "*?[")
}

// byName reports whether the stages can name their files.
func (p *plan) byName() bool { return p.result.Unreadable == 0 && p.unlisted == 0 }

func (p *plan) put(ph phase, name string) {
	if !listable(name) {
		p.unlisted++
		return
	}
	switch ph {
	case inContent:
		p.content.add(name)
	case inMetadata:
		p.metadata.add(name)
	case withAnchors:
		if !p.anchors[name] {
			p.replacing = append(p.replacing, name)
		}
	}
}

// nameList is a file of NUL-separated names.
type nameList struct {
	path  string
	names int
	f     *os.File
	w     *bufio.Writer
	err   error
}

func newNameList(path string) (*nameList, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("write a list of names: %w", err)
	}
	return &nameList{path: path, f: f, w: bufio.NewWriter(f)}, nil
}

func (l *nameList) add(name string) {
	l.names++
	if _, err := l.w.WriteString(name + "\x00"); err != nil && l.err == nil {
		l.err = err
	}
}

func (l *nameList) close() error {
	err := l.w.Flush()
	if l.err != nil {
		err = l.err
	}
	if closeErr := l.f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("write a list of names: %w", err)
	}
	return nil
}

// eachName reads a list of names.
func eachName(path string, do func(name string)) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("read a list of names: %w", err)
	}
	defer f.Close()
	for r := bufio.NewReader(f); ; {
		name, err := r.ReadString(0)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("read a list of names: %w", err)
		}
		do(strings.TrimSuffix(name, "\x00"))
	}
}

// writeNames writes a whole list.
func writeNames(path string, names []string) error {
	l, err := newNameList(path)
	if err != nil {
		return err
	}
	for _, name := range names {
		l.add(name)
	}
	return l.close()
}
