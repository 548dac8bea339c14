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
	names   int64 // new ones
}

const block = 4096

func blocks(size int64) int64 { return (size + block - 1) / block * block }

// add counts an item in the place of what was there (nil: nothing).
func (r *room) add(i rsync.Item, was fs.FileInfo, ph phase) {
	if was == nil && i.Code != "" && i.Code[0] != 'h' {
		r.names++
	}
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

// space is what this user may still write: bytes and names. MaxInt64 where the file system does not say.
type space struct{ bytes, names int64 }

func freeSpace(root *os.Root) (space, error) {
	free := space{math.MaxInt64, math.MaxInt64}
	dir, err := root.Open(".")
	if err != nil {
		return free, err
	}
	defer dir.Close()
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(dir.Fd()), &st); err != nil {
		return free, err
	}
	avail := uint64(st.Bavail)
	if st.Blocks > 0 && st.Bsize > 0 && avail <= math.MaxInt64/uint64(st.Bsize) {
		free.bytes = int64(avail) * int64(st.Bsize)
	}
	if st.Files > 0 && uint64(st.Ffree) <= math.MaxInt64 {
		free.names = int64(st.Ffree)
	}
	return free, nil
}

// roomFor refuses to begin what would not fit. A source that lists what nobody else has must not keep this mirror from them.
func (a *attempt) roomFor(p *plan) error {
	need := p.room.need()
	if p.result.Unreadable > 0 {
		need = max(need, p.result.Stats.Literal)
	}
	free, err := freeSpace(a.root)
	if err != nil {
		return fmt.Errorf("ask for free space: %w", err)
	}
	no := &NoRoom{Path: a.o.Spec.Path, Need: need, Free: free.bytes}
	if need <= free.bytes {
		if p.room.names <= free.names {
			a.fitted = true
			return nil
		}
		no.Names, no.FreeNames = p.room.names, free.names
	}
	a.noRoom = no
	return &left{stage: StageList, why: WhyNoRoom, detail: no.Error(), cause: no}
}
