package treesync_test

import (
	"os"
	"path/filepath"
	"testing"
)

func TestRun_FirstSyncThenNews(t *testing.T) {
	s := newSite(t)
	node := s.copyOf("node")
	source := s.serve("node", node, true)
	out := s.sync(s.options(s.announce(node, first), source))
	s.same(node)
	if out.Lists != 1 || out.Timestamp != first || out.Files == 0 || out.Memory.Began {
		t.Errorf("the first sync: %+v", out)
	}

	s.must(s.master.Move(second))
	old := filepath.Join(s.master.Dir, "7/isos/x86_64/CentOS-x86_64-DVD.iso")
	s.must(os.Remove(old))
	s.must(s.master.CopyTo(node))
	out = s.sync(s.options(s.announce(node, second), source))
	s.same(node)
	if out.Lists != 1 || out.Deleted == 0 || out.Timestamp != second || s.holds() != second {
		t.Errorf("the second sync: %+v", out)
	}
}
