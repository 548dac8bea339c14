package treesync

import (
	"fmt"
	"io/fs"
	"math"
	"os"

	"golang.org/x/sys/unix"

	"tidemark/rsync"
)

// room adds up what a sync needs on the disk at its fullest: new files; what changed files grow by; the largest changed
// file once more, since the old one stays until the new one is whole; and changed metadata as a whole, since
// --delay-updates keeps it beside the old.
type room struct {
	grows   int64
	largest int64
}

const block = 4096

func blocks(size int64) int64 { return (size + block - 1) / block * block }

// add counts an item in the place of what was there (nil: nothing).
func (r *room) add(i rsync.Item, was fs.FileInfo, ph phase) {
	switch {
	case i.Dir && was == nil:
		r.grows += block
	case i.Dir || i.Code == "" || i.Code[0] != '>': // links, and what changes its permissions or times alone
	case was == nil || !was.Mode().IsRegular() || ph != inContent:
		r.grows += blocks(i.Size)
	default:
		r.grows += max(0, blocks(i.Size)-blocks(was.Size()))
		r.largest = max(r.largest, blocks(i.Size))
	}
}

// need is in bytes, with a fiftieth for what file systems need beside.
func (r room) need() int64 {
	n := r.grows + r.largest
	return n + n/50
}

// freeBytes is what this user may still write; ok is false where the file system does not say.
func freeBytes(root *os.Root) (free int64, ok bool, err error) {
	dir, err := root.Open(".")
	if err != nil {
		return 0, false, err
	}
	defer dir.Close()
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(dir.Fd()), &st); err != nil {
		return 0, false, err
	}
	if st.Blocks == 0 || st.Bsize <= 0 {
		return 0, false, nil
	}
	avail := uint64(st.Bavail)
	if avail > math.MaxInt64/uint64(st.Bsize) {
		return math.MaxInt64, true, nil
	}
	return int64(avail) * int64(st.Bsize), true, nil
}

// roomFor refuses to begin what would not fit.
func (a *attempt) roomFor(p *plan) error {
	need := p.room.need()
	if p.result.Unreadable > 0 {
		need = max(need, p.result.Stats.Literal)
	}
	free, ok, err := freeBytes(a.root)
	if err != nil {
		return fmt.Errorf("ask for free space: %w", err)
	}
	if ok && need > free {
		return &NoRoom{Path: a.o.Spec.Path, Need: need, Free: free}
	}
	return nil
}
