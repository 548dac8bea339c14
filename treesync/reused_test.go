package treesync_test

import (
	"os"
	"path/filepath"
	"testing"
)

// The tree is gone, and something else lies in its directory, which has the same inode (as one that was removed and made
// anew often has): nothing of it is deleted. Emptied, it is filled again.
func TestRun_OtherContentInTheKnownDirectory(t *testing.T) {
	s := newSite(t)
	node := s.copyOf("node")
	o := s.options(s.announce(node, first), s.serve("node", node, true))
	s.sync(o)
	o.Memory = s.memory
	s.clear()
	s.write(s.mirror, "thesis.tex", "years of work")
	s.runs.n, s.saved = 0, nil
	s.refused(o, "--adopt")
	s.must(os.Remove(filepath.Join(s.mirror, "thesis.tex")))
	s.sync(o)
	s.same(node)
}

// clear removes all that is in the mirror's directory.
func (s *site) clear() {
	s.t.Helper()
	entries, err := os.ReadDir(s.mirror)
	s.must(err)
	for _, e := range entries {
		s.must(os.RemoveAll(filepath.Join(s.mirror, e.Name())))
	}
}
