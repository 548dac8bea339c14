package probe

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/netip"
	"strings"
	"sync"
	"time"

	"tidemark/internal/filelist"
	"tidemark/manifest"
	"tidemark/quorum"
	"tidemark/rsync"
)

const (
	spareFiles   = 10_000   // files of a list beyond twice those of the master
	spareBytes   = 16 << 20 // bytes of a session that lists, beyond ...
	bytesOfEntry = 512      // ... these for each entry that it may have: rsync sends about 60 of a file
	scratchSpare = 16 << 20 // bytes of scratch space that sorting a list may take, beyond ...
	scratchEntry = 400      // ... these for each of the master's files: an index has about 30 of one
	longName     = 1024     // bytes of a name that patterns are tried on ...
	deepName     = 64       // ... and its parts, where the master has none like that either
)

// lister is the real ListFunc.
type lister struct{ Options }

// look compares the server's list with the master's at the timestamp that the server claims, where that is at hand, and
// reads the time file once more. What fails on this side leaves seen as it was.
func (l lister) look(ctx context.Context, ask quorum.Ask, addr netip.Addr, seen quorum.Reading) quorum.Reading {
	lists, err := l.open(ask, seen.Timestamp)
	defer lists.close()
	if err != nil {
		l.Trouble(fmt.Errorf("opening the lists of tree %s at %d: %w", ask.Tree, seen.Timestamp, err))
		return seen
	}
	if lists.want == nil {
		return seen
	}
	at := target{client: l.Client, addr: addr, url: ask.URL}
	diff, fail, err := l.compare(ctx, at, ask, lists)
	if err != nil {
		l.Trouble(fmt.Errorf("comparing a list of tree %s at %d: %w", ask.Tree, seen.Timestamp, err))
		return seen
	}
	if fail != nil {
		seen.Failure = fail
		return seen
	}
	ctx, cancel := context.WithTimeout(ctx, l.Timeout)
	defer cancel()
	again, fail := at.again(ctx, ask.TimeFile)
	if fail != nil {
		seen.Failure = fail
		return seen
	}
	seen.Depth, seen.List, seen.Beside = manifest.DepthListing, diff, lists.beside()
	seen.Void = again.timestamp != seen.Timestamp || rawText(again.data) != seen.Raw
	return seen
}

// compare gives the difference, or what failed at the server, or an error of this side.
func (l lister) compare(ctx context.Context, at target, ask quorum.Ask, lists masterLists) (*filelist.Diff, *quorum.Failure, error) {
	files := max(ask.Files, lists.longest())
	sorter := filelist.NewSorter(filelist.Options{Dir: l.Scratch, MaxBytes: scratchSpare + scratchEntry*files})
	defer sorter.Close()
	ctx, cancel := context.WithTimeout(ctx, l.ListTimeout)
	defer cancel()
	c := collector{ctx: ctx, sorter: sorter, skip: skipped(ask), most: 2*files + spareFiles}
	if len(ask.Exclude) > 0 {
		c.odd = lists.oddName()
	}
	err := at.list(ctx, c.most, l.Timeout, c.visit)
	switch {
	case c.sorting != nil:
		return blame(c.sorting)
	case c.refused != nil:
		return nil, c.refused, nil
	case err != nil:
		return nil, failure(err, "listing the tree"), nil
	}
	seen, err := sorter.Sorted()
	if err != nil {
		return blame(err)
	}
	defer seen.Close()
	diff, err := lists.compare(seen, filelist.Rules{Skip: c.skip, Subset: ask.Subset, Stop: ctx.Err})
	if err != nil && ctx.Err() != nil {
		return nil, failure(ctx.Err(), "comparing its list"), nil
	}
	if err != nil {
		return blame(err)
	}
	return &diff, nil, nil
}

// blame tells what the server's list is at fault for from what went wrong on this side. A name that is there twice, or is no path
// below a tree, is in no list that rsync makes.
func blame(err error) (*filelist.Diff, *quorum.Failure, error) {
	for theirs, kind := range map[error]quorum.FailureKind{
		filelist.ErrTwice: quorum.FailList, filelist.ErrPath: quorum.FailList, filelist.ErrTooLarge: quorum.FailUnreachable,
	} {
		if errors.Is(err, theirs) {
			return nil, &quorum.Failure{Kind: kind, Text: "listing the tree: the server's list cannot be judged: " + err.Error()}, nil
		}
	}
	return nil, nil, err
}

// errDripping ends a list that does not go on.
var errDripping = errors.New("no answer in time: no entry of the list came")

// list streams the whole list. What the walk of a master passes over is not asked for; all else is, whatever the server is known
// not to carry. Where no entry comes for as long as pause, it ends as one that took too long.
func (t target) list(ctx context.Context, most int64, pause time.Duration, visit func(rsync.Entry) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	dripping := time.AfterFunc(pause, func() { stop(errDripping) })
	defer dripping.Stop()
	c := t.limited(limits{session: spareBytes + 2*most*bytesOfEntry})
	err := c.List(ctx, t.addr, t.url, walledOff(), func(e rsync.Entry) error {
		dripping.Reset(pause)
		return visit(e)
	})
	if err != nil && context.Cause(ctx) == errDripping {
		return fmt.Errorf("%w, for %v", errDripping, pause)
	}
	return err
}

// walledOff are the patterns of the directories that no list has.
func walledOff() []string { return []string{partialDir + "/", "/" + lostFound + "/"} }

// skipped tells which files are not compared: the time file, what the server is known not to carry, and what lies in the
// directories that no list has, should a server send these all the same.
func skipped(ask quorum.Ask) func(name string) bool {
	hides := hidden(ask)
	return func(name string) bool {
		return name == ask.TimeFile || strings.HasPrefix(name, lostFound+"/") || strings.HasPrefix(name, partialDir+"/") || strings.Contains(name, "/"+partialDir+"/") || hides(name)
	}
}

// errRefused ends the reading of a list that is not worth it.
var errRefused = errors.New("the list is refused")

// collector takes a server's list.
type collector struct {
	ctx     context.Context // what was received before its end is not looked at after it
	sorter  *filelist.Sorter
	skip    func(string) bool
	most    int64             // files
	odd     func(string) bool // a name that is refused, nil: none is
	files   int64
	sorting error
	refused *quorum.Failure
}

func (c *collector) visit(e rsync.Entry) error {
	if err := c.ctx.Err(); err != nil {
		return err
	}
	if e.Mode&modeType != modeRegular { // of directories and links a tree may have more than files: the session's bytes bound them
		return nil
	}
	if c.files++; c.files > c.most {
		return c.refuse("its list has more than %d files: expected at most twice the master's files, and %d", c.most, spareFiles)
	}
	if c.odd != nil && c.odd(e.Name) {
		return c.refuse("its list has a name of %d bytes in %d parts: the master's have at most %d and %d", len(e.Name), strings.Count(e.Name, "/")+1, longName, deepName)
	}
	if scaffolding(e.Name, e.Mode) || c.skip(e.Name) {
		return nil
	}
	c.sorting = c.sorter.Add(filelist.Entry{Path: e.Name, Size: e.Size, MTime: e.MTime.Unix()})
	return c.sorting
}

func (c *collector) refuse(format string, a ...any) error {
	c.refused = &quorum.Failure{Kind: quorum.FailList, Text: fmt.Sprintf(format, a...) + "; it was not read to its end"}
	return errRefused
}

// isOdd reports a name made to be long, rather than to name something.
func isOdd(name string) bool { return len(name) > longName || strings.Count(name, "/") >= deepName }

// masterLists are the lists that a server's is compared with.
type masterLists struct {
	timestamp int64
	want      *filelist.Index
	others    []*filelist.Index
}

func (l lister) open(ask quorum.Ask, timestamp int64) (masterLists, error) {
	want, others, err := l.Lists.Open(ask.Tree, timestamp)
	return masterLists{timestamp, want, others}, err
}

func (m masterLists) close() {
	if m.want != nil {
		m.want.Close()
	}
	for _, x := range m.others {
		x.Close()
	}
}

// longest is the number of files of the longest of the lists.
func (m masterLists) longest() int64 {
	n := m.want.Head.Files
	for _, x := range m.others {
		n = max(n, x.Head.Files)
	}
	return n
}

// beside are the timestamps of the others.
func (m masterLists) beside() []int64 {
	all := make([]int64, 0, len(m.others))
	for _, x := range m.others {
		all = append(all, x.Head.Timestamp)
	}
	return all
}

// oddName tells which names no server has from the master. Whether the master itself has odd ones is looked at when the first is met.
func (m masterLists) oddName() func(name string) bool {
	usual := sync.OnceValue(func() bool {
		for _, x := range append([]*filelist.Index{m.want}, m.others...) {
			for e := range entries(x) {
				if isOdd(e.Path) {
					return true
				}
			}
		}
		return false
	})
	return func(name string) bool { return isOdd(name) && !usual() }
}

func entries(x *filelist.Index) iter.Seq[filelist.Entry] {
	return func(yield func(filelist.Entry) bool) {
		walk := x.Entries()
		defer walk.Close()
		for e, ok := walk.Next(); ok && yield(e); e, ok = walk.Next() {
		}
	}
}

func (m masterLists) compare(seen filelist.Source, rules filelist.Rules) (filelist.Diff, error) {
	want := m.want.Entries()
	defer want.Close()
	var others []filelist.Other
	for _, x := range m.others {
		other := x.Entries()
		defer other.Close()
		others = append(others, filelist.Other{Source: other, Newer: x.Head.Timestamp > m.timestamp})
	}
	diff, err := filelist.Compare(seen, want, others, rules)
	if err != nil {
		return filelist.Diff{}, fmt.Errorf("beside the master's: %w", err)
	}
	return diff, nil
}
