package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"tidemark/client"
	"tidemark/internal/console"
	"tidemark/internal/strictjson"
	"tidemark/treesync"
)

// memory is what this program remembers between runs, beside what package client keeps. Every file is written atomically.
//
//	behind.json         by tree: since when it is behind, and of what
//	told.json           by kind: when something was told that is told once a day
//	trees/<tree>.json   treesync.Memory
//	memory.lock         locked for the moment in which one of them is changed
type memory struct {
	dir   string
	known map[string]client.Behind // what behind.json said when it was last read: saveBehind brings what has changed since
}

const (
	behindFile = "behind.json"
	toldFile   = "told.json"
	memoryLock = "memory.lock"
	maxMemory  = 1 << 20
)

// behind is since when each tree is behind; one that is in date is not there. A damaged file counts as none: a mirror may
// then wait for its turn a little longer.
func (m *memory) behind() (map[string]*client.Behind, error) {
	found, err := m.readBehind()
	m.known = map[string]client.Behind{}
	for name, b := range found {
		m.known[name] = *b
	}
	return found, err
}

func (m *memory) readBehind() (map[string]*client.Behind, error) {
	found := map[string]*client.Behind{}
	_, err := m.load(behindFile, &found)
	if json := (*strictjson.Error)(nil); errors.As(err, &json) {
		return map[string]*client.Behind{}, nil
	}
	maps.DeleteFunc(found, func(_ string, b *client.Behind) bool { return b == nil })
	return found, err
}

// saveBehind writes only what has changed since behind was called: most runs find nothing new, and a run of other trees
// may have written meanwhile.
func (m *memory) saveBehind(behind map[string]*client.Behind) error {
	defer m.lock()()
	now, err := m.readBehind()
	if err != nil {
		now = map[string]*client.Behind{}
	} else if len(now) == 0 && len(behind) == 0 {
		return nil
	}
	for name := range m.known {
		if behind[name] == nil {
			delete(now, name)
		}
	}
	for name, b := range behind {
		if was, ok := m.known[name]; b != nil && (!ok || was != *b) {
			now[name] = b
		}
	}
	return m.write(behindFile, now)
}

// tree is what is remembered of a tree. A damaged file is an error: it says which directory is the tree's.
func (m *memory) tree(name string) (found treesync.Memory, err error) {
	file := filepath.Join("trees", name+".json")
	_, err = m.load(file, &found)
	if json := (*strictjson.Error)(nil); errors.As(err, &json) {
		return treesync.Memory{}, console.Hinted(err, "if the directory of %s is the right one, remove %s and take it anew: tidemark-mirror run --adopt", name, filepath.Join(m.dir, file))
	}
	return found, err
}

func (m *memory) saveTree(name string, v treesync.Memory) error {
	if err := os.MkdirAll(filepath.Join(m.dir, "trees"), 0o700); err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	return m.save(filepath.Join("trees", name+".json"), v)
}

// due reports whether something of that kind, told last more than every ago, is to be told again, and notes that it was.
// What cannot be noted is told: better twice than never.
func (m *memory) due(kind string, every time.Duration, now time.Time) bool {
	defer m.lock()()
	told := map[string]strictjson.Time{}
	if _, err := m.load(toldFile, &told); err != nil {
		told = map[string]strictjson.Time{}
	}
	if age := now.Sub(told[kind].Time); age >= 0 && age < every {
		return false
	}
	const forgotten = 30 * 24 * time.Hour
	for k, at := range told {
		if now.Sub(at.Time) > forgotten {
			delete(told, k)
		}
	}
	told[kind] = strictjson.At(now)
	_ = m.write(toldFile, told) // read-only state: it is told at every run
	return true
}

// load reads a file into v; known is false when there is none.
func (m *memory) load(name string, v any) (known bool, err error) {
	path := filepath.Join(m.dir, name)
	b, err := console.ReadFile(path, maxMemory)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read state: %w", err)
	}
	if err := strictjson.Unmarshal(b, v); err != nil {
		return true, fmt.Errorf("%s is damaged: %w", path, err)
	}
	return true, nil
}

// save writes v as JSON, whole or not at all, and not where it is there already.
func (m *memory) save(name string, v any) error {
	defer m.lock()()
	return m.write(name, v)
}

// write is save for who holds the lock.
func (m *memory) write(name string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("encode %s: %w", name, err)
	}
	b = append(b, '\n')
	path := filepath.Join(m.dir, name)
	if old, err := console.ReadFile(path, maxMemory); err == nil && bytes.Equal(old, b) {
		return nil
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("write state: %s is no regular file (%s)", path, info.Mode()) // WriteFile would wait for the pipe's reader
	}
	sweep(path)
	if err := console.WriteFile(path, b, 0o600); err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	return nil
}

// sweep removes what killed runs left of a file half-written, ".told.json123": under the lock nobody else writes it.
func sweep(path string) {
	dir, name := filepath.Split(path)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return // the writing says what is wrong
	}
	for _, e := range entries {
		if number, ok := strings.CutPrefix(e.Name(), "."+name); ok && number != "" && strings.Trim(number, "0123456789") == "" {
			os.Remove(filepath.Join(dir, e.Name()))
		}
	}
}

const (
	lockPatience = 5 * time.Second
	lockPause    = 5 * time.Millisecond
)

// lock keeps other runs from changing what is remembered until the result is called. Where it cannot be had, in a state that
// is read-only or on a file system without flock, or while a stopped process holds it, the run goes on without: two changes
// at once lose one of them, and no more.
func (m *memory) lock() (unlock func()) {
	f, err := os.OpenFile(filepath.Join(m.dir, memoryLock), os.O_RDONLY|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
	if err != nil {
		return func() {}
	}
	for range lockPatience / lockPause {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			break
		}
		time.Sleep(lockPause)
	}
	return func() { f.Close() }
}
