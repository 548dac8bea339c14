package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tidemark/client"
	"tidemark/internal/strictjson"
	"tidemark/treesync"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func TestMemory_Behind(t *testing.T) {
	m := &memory{dir: t.TempDir()}
	file := filepath.Join(m.dir, "behind.json")
	if got, err := m.behind(); err != nil || len(got) > 0 {
		t.Fatalf("%v, %v", got, err)
	}
	if err := m.saveBehind(nil); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("a file was written about nothing")
	}
	want := map[string]*client.Behind{"centos": {Since: strictjson.At(noon), Newest: 1488372781}}
	if err := m.saveBehind(want); err != nil {
		t.Fatal(err)
	}
	got, err := m.behind()
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	before, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.saveBehind(want); err != nil {
		t.Fatal(err)
	}
	if after, err := os.Stat(file); err != nil || !os.SameFile(before, after) {
		t.Errorf("what had not changed was written again (%v)", err)
	}
	if err := m.saveBehind(nil); err != nil {
		t.Fatal(err)
	}
	if got, err := m.behind(); err != nil || len(got) > 0 {
		t.Errorf("still behind: %v, %v", got, err)
	}
	for _, damage := range []string{"", "rubbish", `{"centos": {"since": "yesterday", "newest": 1}}`} {
		if err := os.WriteFile(file, []byte(damage), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := m.behind(); err != nil || len(got) > 0 {
			t.Errorf("%q: %v, %v, expected nothing", damage, got, err)
		}
	}
}

func TestMemory_Tree(t *testing.T) {
	m := &memory{dir: t.TempDir()}
	if got, err := m.tree("centos"); err != nil || got != (treesync.Memory{}) {
		t.Fatalf("%v, %v", got, err)
	}
	want := treesync.Memory{Path: "/srv/mirror/centos", Inode: 1<<63 + 1, Timestamp: 1488372781, Source: "ftp.example.se", Synced: strictjson.At(noon)}
	if err := m.saveTree("centos", want); err != nil {
		t.Fatal(err)
	}
	got, err := m.tree("centos")
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	if err := os.WriteFile(filepath.Join(m.dir, "trees", "centos.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := m.tree("centos"); err == nil || !strings.Contains(err.Error(), "trees/centos.json is damaged") {
		t.Errorf("%v, expected that it is damaged: it says which directory is the tree's", err)
	}
}

func TestMemory_Due(t *testing.T) {
	m := &memory{dir: t.TempDir()}
	day := 24 * time.Hour
	for _, step := range []struct {
		kind string
		at   time.Duration
		due  bool
	}{
		{"old", 0, true}, {"old", time.Hour, false}, {"fork", time.Hour, true}, {"old", day - 1, false}, {"old", day, true},
		{"old", day + time.Second, false},
		{"old", -time.Hour, true}, // told in the future: the clock moved back
		{"fork", 40 * day, true},
	} {
		if due := m.due(step.kind, day, noon.Add(step.at)); due != step.due {
			t.Errorf("%s at %s: due %t, expected %t", step.kind, step.at, due, step.due)
		}
	}
	told, err := os.ReadFile(filepath.Join(m.dir, "told.json"))
	if err != nil || strings.Contains(string(told), `"old"`) {
		t.Errorf("what is a month old is still kept (%v):\n%s", err, told)
	}
	if err := os.WriteFile(filepath.Join(m.dir, "told.json"), []byte("rubbish"), 0o600); err != nil {
		t.Fatal(err)
	}
	if !m.due("fork", day, noon.Add(40*day)) {
		t.Error("not due by a damaged file")
	}
	lost := &memory{dir: filepath.Join(m.dir, "gone")}
	for range 2 {
		if !lost.due("fork", day, noon) {
			t.Error("not due where it cannot be noted")
		}
	}
}
