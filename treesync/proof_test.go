package treesync_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"tidemark/treesync"
)

// What is proven is what lies in the tree, whatever came: an anchor that became another one after it was put in its place stops
// the sync before anything is deleted, and the time file stays.
func TestRun_ProofReadsTheTree(t *testing.T) {
	l := newTimeline(t)
	anchor := filepath.Join(l.mirror, "7/os/x86_64/repodata/repomd.xml")
	l.write(l.mirror, "stray", "x")
	l.hook = func(e treesync.Event) {
		if e.Stage == treesync.StageProof {
			l.must(os.Remove(anchor))
			l.must(os.WriteFile(anchor, []byte("another one"), 0o644))
		}
	}
	_, err := treesync.Run(context.Background(), l.options(l.tree[1], l.serve("a", l.at[1], true)))
	var none *treesync.NoSource
	if !errors.As(err, &none) || attempts(none.Attempts) != "a:proof:wrong" || l.holds() != first {
		t.Errorf("%v, time file %d", err, l.holds())
	}
	if _, err := os.Stat(filepath.Join(l.mirror, "stray")); err != nil {
		t.Error(err)
	}
}
