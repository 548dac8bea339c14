package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
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

// Runs of other trees, and of other kinds of news, write at the same time: nothing of any is lost.
func TestMemory_TwoRunsAtOnce(t *testing.T) {
	dir := t.TempDir()
	a, b := &memory{dir: dir}, &memory{dir: dir}
	of := func(m *memory) map[string]*client.Behind {
		found, err := m.behind()
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	save := func(m *memory, behind map[string]*client.Behind) {
		if err := m.saveBehind(behind); err != nil {
			t.Fatal(err)
		}
	}
	one, two := &client.Behind{Since: strictjson.At(noon), Newest: 1}, &client.Behind{Since: strictjson.At(noon), Newest: 2}
	forA, forB := of(a), of(b)
	forA["centos"], forB["vault"] = one, two
	save(a, forA)
	save(b, forB)
	if diff := cmp.Diff(map[string]*client.Behind{"centos": one, "vault": two}, of(a)); diff != "" {
		t.Error(diff)
	}
	forA, forB = of(a), of(b)
	delete(forA, "centos")
	forB["vault"] = one
	save(b, forB)
	save(a, forA)
	if diff := cmp.Diff(map[string]*client.Behind{"vault": one}, of(a)); diff != "" {
		t.Error(diff)
	}
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() { (&memory{dir: dir}).due(fmt.Sprint("kind ", i), time.Hour, noon) })
	}
	all.Wait()
	for i := range 50 {
		if a.due(fmt.Sprint("kind ", i), time.Hour, noon) {
			t.Errorf("kind %d was told, and it was forgotten", i)
		}
	}
}

// What a killed run left half-written is removed by the next one that writes the file, and nothing else is.
func TestMemory_Sweeps(t *testing.T) {
	m := &memory{dir: t.TempDir()}
	write := func(name string) {
		t.Helper()
		path := filepath.Join(m.dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	left := []string{".told.json1234", ".behind.json5", "trees/.centos.json77"}
	kept := []string{"told.json1234", ".told.json", ".told.json12x", ".behind.json5.bak", "trees/.vault.json77"}
	for _, name := range append(left, kept...) {
		write(name)
	}
	m.due("old", time.Hour, noon)
	if err := errors.Join(m.saveBehind(map[string]*client.Behind{"centos": {Since: strictjson.At(noon), Newest: 1}}), m.saveTree("centos", treesync.Memory{Path: "/srv"})); err != nil {
		t.Fatal(err)
	}
	for _, name := range left {
		if _, err := os.Lstat(filepath.Join(m.dir, name)); err == nil {
			t.Errorf("%s is still there", name)
		}
	}
	for _, name := range kept {
		if _, err := os.Lstat(filepath.Join(m.dir, name)); err != nil {
			t.Errorf("%s was removed: %v", name, err)
		}
	}
}

// A pipe in the place of a file, which nobody ever writes to, stops no run.
func TestMemory_Pipes(t *testing.T) {
	m := &memory{dir: t.TempDir()}
	for _, name := range []string{behindFile, toldFile} {
		if err := syscall.Mkfifo(filepath.Join(m.dir, name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := m.behind(); err == nil || !strings.Contains(err.Error(), "is no regular file") {
		t.Errorf("%v, expected what is wrong with it", err)
	}
	if err := m.saveBehind(map[string]*client.Behind{"centos": {Since: strictjson.At(noon), Newest: 1}}); err == nil || !strings.Contains(err.Error(), "is no regular file") {
		t.Errorf("%v, expected what is wrong with it", err)
	}
	for range 2 {
		if !m.due("old", time.Hour, noon) {
			t.Error("not due where it cannot be noted")
		}
	}
}
