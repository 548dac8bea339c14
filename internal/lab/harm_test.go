package lab_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tidemark/internal/lab"
)

// TestBreak: each harm changes one thing in one server's copy, nothing on the master, and is gone after the next sync; of a
// server whose role it is, it is not.
func TestBreak(t *testing.T) {
	const victim = "6/os/x86_64/Packages/bash-1.0-1.el.x86_64.rpm"
	harms := map[lab.Harm][]string{
		lab.LostFile: {victim}, lab.TouchedFile: {victim}, lab.ResizedFile: {victim}, lab.ExtraFile: {"lost+and+found.txt"},
		lab.LostTime: {lab.TimeFile}, lab.NoNumber: {lab.TimeFile},
		lab.LostISOs: {"7/isos/x86_64/CentOS-x86_64-DVD.iso", "7/isos/x86_64/CentOS-x86_64-Minimal.iso", "7/isos/x86_64/sha256sum.txt"},
	}
	n := newNetwork(t, lab.Options{Trees: []string{"centos"}, Servers: []lab.Server{{ID: "follows"}, {ID: "loses", Role: lab.Role(lab.LostFile)}}})
	differs := func(id string) (paths []string) {
		t.Helper()
		diffs, err := lab.DiffTrees(n.Master("centos"), filepath.Join(n.Dir, "servers", id, "centos"), lab.DiffOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range diffs {
			path, _, _ := strings.Cut(d, ": ")
			paths = append(paths, path)
		}
		return paths
	}
	if diff := cmp.Diff([]string{victim}, differs("loses")); diff != "" {
		t.Errorf("the role (-expected +found)\n%s", diff)
	}
	for how, want := range harms {
		if err := n.Break("follows", "centos", how); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, differs("follows")); diff != "" {
			t.Errorf("%s (-expected +found)\n%s", how, diff)
		}
		if err := n.Sync("follows", "loses"); err != nil {
			t.Fatal(err)
		}
		if left := differs("follows"); left != nil {
			t.Errorf("%s: after a sync there is still %q", how, left)
		}
		if len(differs("loses")) != 1 {
			t.Errorf("%s: the role ended with a sync", how)
		}
	}
	if err := n.Break("follows", "centos", "no such"); err == nil {
		t.Error("an unknown harm was done")
	}
}
