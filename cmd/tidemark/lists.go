package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"tidemark/internal/console"
	"tidemark/internal/filelist"
	"tidemark/quorum"
)

// lists are the masters' file lists in the state directory: lists/<tree>/<timestamp>.list. Losing them loses nothing: as long as a
// master stands at the timestamp, its list is made anew. While it is being made it lies in the same directory as
// .<timestamp>-<n>.new; what a killed run left of that is swept by the next.
type lists struct {
	dir      string
	writable bool // the state is locked, and this is no dry run

	mu      sync.Mutex
	have    map[string][]int64 // by tree, newest first
	proven  map[string]bool    // by file: it was read to its end in this run, and is whole
	trouble []error            // not yet told
	made    int                // names given to new lists
}

// mostOthers is how many lists of other timestamps a server's is compared with.
const mostOthers = 4

// openLists looks at what is there, and sweeps it when writable.
func openLists(dir string, writable bool) *lists {
	l := &lists{dir: dir, writable: writable, proven: map[string]bool{}}
	l.scan()
	return l
}

// scan finds the lists that are there, and removes all else where that is allowed.
func (l *lists) scan() {
	l.have = map[string][]int64{}
	for _, tree := range names(l.dir) {
		for _, name := range names(filepath.Join(l.dir, tree)) {
			if at, ok := listed(name); ok {
				l.have[tree] = append(l.have[tree], at)
			} else {
				l.remove(tree, name)
			}
		}
		slices.SortFunc(l.have[tree], func(a, b int64) int { return int(max(-1, min(1, b-a))) })
	}
}

// names are those of a directory, none where there is no directory.
func names(dir string) (list []string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

// listed is the timestamp of a list by its file's name.
func listed(name string) (timestamp int64, ok bool) {
	text, ok := strings.CutSuffix(name, ".list")
	timestamp, err := strconv.ParseInt(text, 10, 64)
	return timestamp, ok && err == nil && timestamp > 0 && listName(timestamp) == name
}

func listName(timestamp int64) string { return strconv.FormatInt(timestamp, 10) + ".list" }

func (l *lists) path(tree string, timestamp int64) string {
	return filepath.Join(l.dir, tree, listName(timestamp))
}

// remove removes a file of a tree; the directory goes with the last of them.
func (l *lists) remove(tree, name string) {
	if !l.writable {
		return
	}
	os.Remove(filepath.Join(l.dir, tree, name))
	os.Remove(filepath.Join(l.dir, tree))
}

// Open implements probe.Lists. A list is read to its end when it is opened first, so that a damaged one accuses nobody: it is
// removed, said, and as if it had never been there.
func (l *lists) Open(tree string, timestamp int64) (want *filelist.Index, others []*filelist.Index, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	have := slices.Clone(l.have[tree])
	if !slices.Contains(have, timestamp) {
		return nil, nil, nil
	}
	if want, err = l.open(tree, timestamp); want == nil {
		return nil, nil, err
	}
	for _, at := range have {
		if at == timestamp || len(others) == mostOthers {
			continue
		}
		if x, err := l.open(tree, at); err == nil && x != nil { // without one of these, less is explained, and nothing is wrong
			others = append(others, x)
		}
	}
	return want, others, nil
}

// open opens one list, nil when it is gone or damaged. The lock is held.
func (l *lists) open(tree string, at int64) (*filelist.Index, error) {
	name := l.path(tree, at)
	x, err := filelist.Open(name)
	if err == nil && !l.proven[name] {
		if err = prove(x); err != nil {
			x.Close()
		}
	}
	switch {
	case err == nil:
		l.proven[name] = true
		return x, nil
	case errors.Is(err, fs.ErrNotExist): // a run that is under way beside a dry one has removed it
		return nil, nil
	case errors.As(err, new(*fs.PathError)):
		return nil, fmt.Errorf("open the master's list: %w", err) // too many open files, or a disk that fails: it may be whole
	}
	l.damaged(tree, at, err)
	return nil, nil
}

// prove reads an index to its end.
func prove(x *filelist.Index) error {
	all := x.Entries()
	defer all.Close()
	for {
		if _, more := all.Next(); !more {
			return all.Err()
		}
	}
}

// damaged takes a list out of use.
func (l *lists) damaged(tree string, at int64, err error) {
	name := l.path(tree, at)
	l.have[tree] = slices.DeleteFunc(l.have[tree], func(t int64) bool { return t == at })
	l.remove(tree, listName(at))
	l.trouble = append(l.trouble, console.Hinted(fmt.Errorf("the master's list %s is damaged: %w", name, err),
		"it is made anew while the master stands at that timestamp; until then servers are looked at without it. Look at the disk"))
}

// told gives what went wrong since it was called last.
func (l *lists) told() (trouble []error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	trouble, l.trouble = l.trouble, nil
	return trouble
}

// held lists what is there: quorum.Policy.Lists.
func (l *lists) held() map[string][]int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	held := map[string][]int64{}
	for tree, at := range l.have {
		held[tree] = slices.Clone(at)
	}
	return held
}

// wanted names the file that the next look at a tree's master makes, "" when the list of that timestamp is at hand.
func (l *lists) wanted(tree string, timestamp int64) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.writable || slices.Contains(l.have[tree], timestamp) {
		return ""
	}
	dir := filepath.Join(l.dir, tree)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		l.trouble = append(l.trouble, fmt.Errorf("keep the master's list: %w", err))
		return ""
	}
	l.made++
	return filepath.Join(dir, fmt.Sprintf(".%d-%d.new", timestamp, l.made))
}

// adopt keeps what the looks made of the timestamps that are recorded now with the same digest, and removes all else.
func (l *lists) adopt(mem quorum.Memory) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.writable {
		return nil
	}
	var failed []error
	for _, tree := range names(l.dir) {
		digests := map[int64]string{}
		for _, r := range mem.Trees[tree].Recorded {
			if r.List != nil {
				digests[r.Timestamp] = r.List.Digest
			}
		}
		for _, name := range names(filepath.Join(l.dir, tree)) {
			if err := l.adoptOne(tree, name, digests); err != nil {
				failed = append(failed, fmt.Errorf("keep the master's list: %w", err))
			}
		}
	}
	l.scan()
	return errors.Join(failed...)
}

// adoptOne keeps, renames or removes one file.
func (l *lists) adoptOne(tree, name string, digests map[int64]string) error {
	file := filepath.Join(l.dir, tree, name)
	at, final := listed(name)
	x, err := filelist.Open(file)
	switch {
	case errors.As(err, new(*fs.PathError)):
		return err // it may be whole
	case err != nil:
		if final && digests[at] != "" {
			l.damaged(tree, at, err)
		}
		l.remove(tree, name)
		return nil
	}
	head := x.Head
	x.Close()
	switch {
	case head.Tree != tree, head.Digest == "", digests[head.Timestamp] != head.Digest, final && at != head.Timestamp:
		l.remove(tree, name)
	case !final:
		return os.Rename(file, l.path(tree, head.Timestamp))
	}
	return nil
}
