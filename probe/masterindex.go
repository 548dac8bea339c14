package probe

import (
	"fmt"

	"tidemark/internal/filelist"
)

// indexer keeps a master's list while it is walked, for the index file. It is an aid: what fails here spoils no look. A nil
// one keeps nothing.
type indexer struct {
	name    string
	head    filelist.Head
	sorter  *filelist.Sorter
	trouble func(error)
}

// newIndexer gives nil when no index of the timestamp is wanted.
func newIndexer(m MasterAsk, timestamp int64, o Options) *indexer {
	if m.Index == nil {
		return nil
	}
	name := m.Index(timestamp)
	if name == "" {
		return nil
	}
	return &indexer{
		name: name, head: filelist.Head{Tree: m.Tree, Timestamp: timestamp},
		sorter: filelist.NewSorter(filelist.Options{Dir: o.Scratch}), trouble: o.Trouble,
	}
}

func (x *indexer) add(f item) {
	if x == nil || x.sorter == nil {
		return
	}
	if err := x.sorter.Add(filelist.Entry{Path: f.path, Size: f.size, MTime: f.mtime.Unix()}); err != nil {
		x.fail(err)
		x.close()
	}
}

// write makes the file, when the look has ended well.
func (x *indexer) write(digest string) {
	if x == nil || x.sorter == nil {
		return
	}
	x.head.Digest = digest
	sorted, err := x.sorter.Sorted()
	if err == nil {
		defer sorted.Close()
		_, err = filelist.Write(x.name, x.head, sorted)
	}
	if err != nil {
		x.fail(err)
	}
}

func (x *indexer) fail(err error) {
	x.trouble(fmt.Errorf("keeping the list of tree %s at %d: %w", x.head.Tree, x.head.Timestamp, err))
}

func (x *indexer) close() {
	if x != nil && x.sorter != nil {
		x.sorter.Close()
		x.sorter = nil
	}
}
