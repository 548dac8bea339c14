package probe

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"tidemark/internal/filelist"
	"tidemark/manifest"
	"tidemark/quorum"
	"tidemark/rsync"
)

const (
	spareFiles   = 10_000   // files of a list beyond twice those of the master
	spareBytes   = 16 << 20 // bytes of a session that lists, beyond ...
	bytesOfEntry = 512      // ... these for each entry that it may have: rsync sends about 60 of a file
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
	seen.Depth, seen.List = manifest.DepthListing, diff
	seen.Void = again.timestamp != seen.Timestamp || rawText(again.data) != seen.Raw
	return seen
}

// compare gives the difference, or what failed at the server, or an error of this side.
func (l lister) compare(ctx context.Context, at target, ask quorum.Ask, lists masterLists) (*filelist.Diff, *quorum.Failure, error) {
	sorter := filelist.NewSorter(filelist.Options{Dir: l.Scratch})
	defer sorter.Close()
	c := collector{sorter: sorter, skip: skipped(ask), most: 2*max(ask.Files, lists.longest()) + spareFiles}
	ctx, cancel := context.WithTimeout(ctx, l.ListTimeout)
	defer cancel()
	err := at.list(ctx, c.most, c.visit)
	switch {
	case c.sorting != nil:
		return blame(c.sorting)
	case errors.Is(err, errTooLong):
		return nil, c.tooLong(), nil
	case err != nil:
		return nil, failure(err, "listing the tree"), nil
	}
	seen, err := sorter.Sorted()
	if err != nil {
		return blame(err)
	}
	defer seen.Close()
	diff, err := lists.compare(seen, filelist.Rules{Skip: c.skip, Subset: ask.Subset})
	if err != nil {
		return blame(err)
	}
	return &diff, nil, nil
}

// blame tells what the server's list is at fault for from what went wrong on this side.
func blame(err error) (*filelist.Diff, *quorum.Failure, error) {
	for _, theirs := range []error{filelist.ErrTwice, filelist.ErrPath, filelist.ErrTooLarge} {
		if errors.Is(err, theirs) {
			return nil, &quorum.Failure{Kind: quorum.FailUnreachable, Text: "listing the tree: the server's list cannot be judged: " + err.Error()}, nil
		}
	}
	return nil, nil, err
}

// list streams the whole list. What the walk of a master passes over is not asked for; all else is, whatever the server is known not to carry.
func (t target) list(ctx context.Context, most int64, visit func(rsync.Entry) error) error {
	c := t.limited(limits{session: spareBytes + 2*most*bytesOfEntry})
	return c.List(ctx, t.addr, t.url, walledOff(), visit)
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

// errTooLong ends the reading of a list that is not worth it.
var errTooLong = errors.New("the list is too long")

// collector takes a server's list.
type collector struct {
	sorter       *filelist.Sorter
	skip         func(string) bool
	most         int64 // files, and as many directories, links and others
	files, other int64
	sorting      error
}

func (c *collector) visit(e rsync.Entry) error {
	if e.Mode&modeType != modeRegular {
		return c.within(&c.other)
	}
	if err := c.within(&c.files); err != nil || scaffolding(e.Name, e.Mode) || c.skip(e.Name) {
		return err
	}
	c.sorting = c.sorter.Add(filelist.Entry{Path: e.Name, Size: e.Size, MTime: e.MTime.Unix()})
	return c.sorting
}

func (c *collector) within(n *int64) error {
	if *n++; *n > c.most {
		return errTooLong
	}
	return nil
}

func (c *collector) tooLong() *quorum.Failure {
	what := "files"
	if c.other > c.most {
		what = "directories and links"
	}
	return &quorum.Failure{Kind: quorum.FailList, Text: fmt.Sprintf("its list has more than %d %s: expected at most twice the master's files, and %d; it was not read to its end", c.most, what, spareFiles)}
}

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
