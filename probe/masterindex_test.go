package probe_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tidemark/internal/filelist"
	"tidemark/internal/lab"
	"tidemark/probe"
	"tidemark/quorum"
)

// TestMaster_Index holds the index against the list that the look is summed up from, by directory and by daemon.
func TestMaster_Index(t *testing.T) {
	tree := newTree(t)
	put(t, tree.Dir, "a\nb", "1", 0o644)
	put(t, tree.Dir, ".~tmp~/x", "1", 0o644)
	daemon := serve(t, tree.Dir, lab.Daemon{})
	all := map[string][]filelist.Entry{}
	for name, m := range map[string]probe.MasterAsk{"dir": {Dir: tree.Dir}, "url": {URL: mustURL(t, daemon.URL("centos"))}} {
		file := filepath.Join(t.TempDir(), "list")
		m.Index = func(timestamp int64) string {
			if timestamp != start {
				t.Errorf("asked for the list of %d", timestamp)
			}
			return file
		}
		got := master(t, m, probe.Options{Trouble: func(err error) { t.Error(err) }})
		if got.Failure != nil {
			t.Fatal(got.Failure)
		}
		x, err := filelist.Open(file)
		change(t, err)
		defer x.Close()
		want := filelist.Head{Tree: "centos", Timestamp: start, Files: got.List.Files - 1, Bytes: got.List.Bytes - 11, Digest: got.List.Digest}
		if diff := cmp.Diff(want, x.Head); diff != "" {
			t.Errorf("%s: head (-want +got):\n%s", name, diff)
		}
		entries := x.Entries()
		for e, ok := entries.Next(); ok; e, ok = entries.Next() {
			all[name] = append(all[name], e)
		}
		change(t, entries.Err())
	}
	if diff := cmp.Diff(all["dir"], all["url"]); diff != "" || len(all["dir"]) < 30 {
		t.Errorf("by directory (-) and by daemon (+):\n%s", diff)
	}
	if !slices.ContainsFunc(all["dir"], func(e filelist.Entry) bool { return e.Path == "a\nb" && e.Size == 1 }) || slices.ContainsFunc(all["dir"], func(e filelist.Entry) bool { return e.Path == "TIME" }) {
		t.Errorf("entries %+v", all["dir"])
	}
}

func TestMaster_IndexIsAnAid(t *testing.T) {
	tree := newTree(t)
	var told []string
	trouble := func(err error) { told = append(told, err.Error()) }
	look := func(name string, scratch string) quorum.MasterReading {
		told = nil
		m := probe.MasterAsk{Dir: tree.Dir, Index: func(int64) string { return name }}
		return master(t, m, probe.Options{Trouble: trouble, Scratch: scratch})
	}
	if r := look("", ""); r.Failure != nil || told != nil {
		t.Errorf("not wanted: %+v, told %q", r.Failure, told)
	}
	if r := look("/no/such/directory/list", ""); r.Failure != nil || r.List == nil || len(told) != 1 || !strings.Contains(told[0], "keeping the list of tree centos at 1488372781: ") {
		t.Errorf("no directory: %+v, told %q", r.Failure, told)
	}
	file := filepath.Join(t.TempDir(), "list")
	change(t, os.WriteFile(filepath.Join(tree.Dir, "TIME"), []byte("soon"), 0o644))
	if r := look(file, ""); r.Failure == nil {
		t.Errorf("reading %+v", r)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("a look that failed left a list")
	}
}

// TestMaster_InMotionLeavesNoIndex has the time file change before the last look at it.
func TestMaster_InMotionLeavesNoIndex(t *testing.T) {
	tree := newTree(t)
	file := filepath.Join(t.TempDir(), "list")
	m := probe.MasterAsk{URL: mustURL(t, serve(t, tree.Dir, lab.Daemon{}).URL("centos")), Index: func(int64) string { return file }}
	got := master(t, m, probe.Options{Client: onDial(5, func() { change(t, tree.SetTime(start+60)) })})
	if got.Failure == nil || got.Failure.Kind != quorum.FailMoving {
		t.Errorf("failure %+v", got.Failure)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("a look at a master in motion left a list")
	}
}
