package probe

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/bits"
	"path"
	"regexp"
	"time"

	"github.com/bmatcuk/doublestar/v4"

	"tidemark/quorum"
)

// item is a regular file of a tree.
type item struct {
	path  string // relative, slashes, no leading one
	size  int64
	mtime time.Time
}

// listSum sums up a file list in constant memory; see the package documentation.
type listSum struct {
	files, bytes int64
	digest       [4]uint64 // 256 bits, least significant word first
}

// add counts f. The time file is counted, but not in the digest.
func (s *listSum) add(f item, timeFile bool) {
	s.files++
	s.bytes += f.size
	if timeFile {
		return
	}
	h := sha256.Sum256(fmt.Appendf(nil, "%s\x00%d\x00%d", f.path, f.size, f.mtime.Unix()))
	var carry uint64
	for i := range s.digest {
		word := binary.BigEndian.Uint64(h[24-8*i:])
		s.digest[i], carry = bits.Add64(s.digest[i], word, carry)
	}
}

func (s *listSum) result() *quorum.ListSum {
	var b [32]byte
	for i, word := range s.digest {
		binary.BigEndian.PutUint64(b[24-8*i:], word)
	}
	return &quorum.ListSum{Files: s.files, Bytes: s.bytes, Digest: hex.EncodeToString(b[:])}
}

// lostFound, at the top of a tree that is a file system of its own, is fsck's: only root may read it, and no mirror gets it.
const lostFound = "lost+found"

// partialDir is where rsync --delay-updates keeps files until it renames them.
const partialDir = ".~tmp~"

// temporary is the name that rsync gives a file while it receives it: ".NAME.XXXXXX".
var temporary = regexp.MustCompile(`^\..+\.[A-Za-z0-9]{6}$`)

// scaffolding reports whether a file is one that rsync is still receiving. The name alone would also catch files such
// as ".treeinfo.sha256"; but rsync gives a temporary file its final permissions last, and a file that only its owner
// may read is no published one.
func scaffolding(name string, perm uint32) bool {
	return perm&0o077 == 0 && temporary.MatchString(path.Base(name))
}

// patterns are the operator's globs for anchors.
type patterns []string

func newPatterns(globs []string) (patterns, *quorum.Failure) {
	for _, g := range globs {
		if !doublestar.ValidatePattern(g) {
			return nil, unread("the pattern %q is malformed: check `anchors:`", g)
		}
	}
	return globs, nil
}

func (p patterns) match(name string) bool {
	for _, g := range p {
		if doublestar.MatchUnvalidated(g, name) {
			return true
		}
	}
	return false
}
