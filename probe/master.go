package probe

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"tidemark/internal/rsyncurl"
	"tidemark/internal/strictjson"
	"tidemark/manifest"
	"tidemark/quorum"
	"tidemark/rsync"
)

// MasterAsk says how to look at the master of one tree.
type MasterAsk struct {
	Tree     string
	Dir      string       // a local directory, or
	URL      rsyncurl.URL // an rsync daemon
	TimeFile string
	Anchors  []string      // doublestar patterns, relative to the tree: "**/repodata/repomd.xml"
	Timeout  time.Duration // the whole look; 0: 30 min
	Exclude  []string      // rsync patterns of what is left out: of the list, its sum, the index and the anchors
	// Index names the file to which the list is written as an index when the time file says timestamp, "": it is not wanted.
	// nil: never. The index's Head.Digest is that of the reading's List. It is written when the look has ended well; what
	// prevents it goes to Options.Trouble, and the look is as good without.
	Index func(timestamp int64) string
}

const (
	defaultMasterTimeout = 30 * time.Minute
	maxAnchors           = 4000 // of one tree: as many as a manifest can carry
)

// master is a tree that can be looked at: a directory or a daemon. Every error is already worded for the operator.
type master interface {
	// timeFile reads the time file.
	timeFile(ctx context.Context) timeRead
	// walk calls visit for each regular file, in any order.
	walk(ctx context.Context, visit func(item) error) *quorum.Failure
	// hash reads the found anchors and fills in their SHA-256, and the size as it was read.
	hash(ctx context.Context, found []manifest.Anchor) *quorum.Failure
	close()
}

// Master looks at the master's tree: time file, list, anchors, time file again. Now is called once. What stops the look
// is the reading's Failure; a time file that was read before stays beside it.
func Master(ctx context.Context, m MasterAsk, o Options) quorum.MasterReading {
	o = o.withDefaults()
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(m.Timeout, defaultMasterTimeout))
	defer cancel()
	r := quorum.MasterReading{Tree: m.Tree, At: strictjson.At(o.Now())}
	tree, fail := openMaster(ctx, m, o)
	if fail != nil {
		r.Failure = fail
		return r
	}
	defer tree.close()
	look(ctx, tree, m, o, &r)
	return r
}

func openMaster(ctx context.Context, m MasterAsk, o Options) (master, *quorum.Failure) {
	var patterns []rsync.Pattern
	for _, text := range m.Exclude {
		p, err := rsync.ParsePattern(text)
		if err != nil {
			return nil, unread("%v: check `exclude:` of tree %s", err, m.Tree)
		}
		patterns = append(patterns, p)
	}
	if m.Dir != "" {
		return openDir(m, rsync.NewMatcher(patterns))
	}
	return openURL(ctx, m, o, rsync.NewMatcher(patterns))
}

func look(ctx context.Context, tree master, m MasterAsk, o Options, r *quorum.MasterReading) {
	first := tree.timeFile(ctx)
	r.Timestamp, r.Raw, r.Failure = first.timestamp, rawText(first.data), first.fail
	if r.Failure != nil {
		return
	}
	index := newIndexer(m, r.Timestamp, o)
	defer index.close()
	found, list, fail := survey(ctx, tree, m, index)
	if fail == nil {
		fail = tree.hash(ctx, found)
	}
	if fail != nil {
		r.Failure = fail
		return
	}
	again := tree.timeFile(ctx)
	if again.fail != nil || !bytes.Equal(first.data, again.data) {
		r.Failure = inMotion(fmt.Sprintf("%s held %s before the look and %s after it", m.TimeFile, quoted(first.data), after(again)))
		return
	}
	r.Anchors, r.List = found, list
	index.write(list.Digest)
}

func after(t timeRead) string {
	if t.fail != nil && t.data == nil {
		return "could not be read (" + t.fail.Text + ")"
	}
	return quoted(t.data)
}

// inMotion is the failure of a look at a tree that somebody is writing to.
func inMotion(what string) *quorum.Failure {
	return &quorum.Failure{Kind: quorum.FailMoving, Text: "the master is being written: " + what + "; look again when it is at rest"}
}

// unread is a failure to look at the master.
func unread(format string, a ...any) *quorum.Failure {
	return &quorum.Failure{Kind: quorum.FailUnreachable, Text: fmt.Sprintf(format, a...)}
}

// survey walks the tree once: it sums up the list, keeps it for the index, and finds the anchors, sorted by path, not yet read.
func survey(ctx context.Context, tree master, m MasterAsk, index *indexer) ([]manifest.Anchor, *quorum.ListSum, *quorum.Failure) {
	wanted, fail := newPatterns(m.Anchors)
	if fail != nil {
		return nil, nil, fail
	}
	var sum listSum
	var found []manifest.Anchor
	fail = tree.walk(ctx, func(f item) error {
		sum.add(f, f.path == m.TimeFile)
		if f.path == m.TimeFile {
			return nil
		}
		index.add(f)
		if !wanted.match(f.path) {
			return nil
		}
		found = append(found, manifest.Anchor{Path: f.path, Size: f.size})
		return checkAnchor(f, len(found))
	})
	if fail != nil {
		return nil, nil, fail
	}
	if len(found) == 0 {
		return nil, nil, unread("none of the %d files of the tree matches the patterns %q: check `anchors:` of tree %s", sum.files, m.Anchors, m.Tree)
	}
	slices.SortFunc(found, func(a, b manifest.Anchor) int { return cmp.Compare(a.Path, b.Path) })
	return found, sum.result(), nil
}

// checkAnchor refuses the n-th anchor when it, or their number, is more than can be announced.
func checkAnchor(f item, n int) error {
	if f.size > maxAnchor {
		return fmt.Errorf("anchor %q has %d bytes: at most %d are read; check `anchors:`", f.path, f.size, maxAnchor)
	}
	if n > maxAnchors {
		return fmt.Errorf("the patterns match more than %d files: a manifest carries no more; check `anchors:`", maxAnchors)
	}
	return nil
}
