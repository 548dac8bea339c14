package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"tidemark/internal/filelist"
	"tidemark/quorum"
)

// TestListFaults: a tree is named once, and only for what is held against a server.
func TestListFaults(t *testing.T) {
	t.Parallel()
	one := func(tree string, list *filelist.Diff, kind quorum.FailureKind) quorum.Reading {
		r := quorum.Reading{Server: "a", Tree: tree, List: list}
		if kind != "" {
			r.Failure = &quorum.Failure{Kind: kind}
		}
		return r
	}
	got := listFaults([]quorum.Reading{
		one("equal", &filelist.Diff{Files: 9}, ""), one("extra", &filelist.Diff{Extra: 1}, ""), one("time", nil, ""), one("away", nil, quorum.FailUnreachable),
		one("missing", &filelist.Diff{Missing: 1}, ""), one("missing", &filelist.Diff{Missing: 2}, ""),
		one("different", &filelist.Diff{Different: 1}, ""), one("moved", &filelist.Diff{Moved: 1}, ""), one("endless", nil, quorum.FailList),
	})
	if d := cmp.Diff([]string{"missing", "different", "moved", "endless"}, got); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}
