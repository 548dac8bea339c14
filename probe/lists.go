package probe

import "tidemark/internal/filelist"

// Lists are the masters' file lists that are at hand.
type Lists interface {
	// Open gives the list of tree at timestamp, and those of other recorded timestamps, the newest first, at most 4; want is nil
	// when that list is not at hand. The caller closes all.
	Open(tree string, timestamp int64) (want *filelist.Index, others []*filelist.Index, err error)
}
