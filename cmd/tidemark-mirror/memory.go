package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

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
type memory struct {
	dir string
}

const maxMemory = 1 << 20

// behind is since when each tree is behind; one that is in date is not there. A damaged file counts as none: a mirror may
// then wait for its turn a little longer.
func (m *memory) behind() (map[string]*client.Behind, error) {
	found := map[string]*client.Behind{}
	_, err := m.load("behind.json", &found)
	if json := (*strictjson.Error)(nil); errors.As(err, &json) {
		return map[string]*client.Behind{}, nil
	}
	return found, err
}

// saveBehind writes only what has changed: most runs find nothing new.
func (m *memory) saveBehind(behind map[string]*client.Behind) error {
	if old, err := m.behind(); err == nil && len(old) == 0 && len(behind) == 0 {
		return nil
	}
	return m.save("behind.json", behind)
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
	told := map[string]strictjson.Time{}
	if _, err := m.load("told.json", &told); err != nil {
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
	_ = m.save("told.json", told) // read-only state: it is told at every run
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
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("encode %s: %w", name, err)
	}
	b = append(b, '\n')
	path := filepath.Join(m.dir, name)
	if old, err := console.ReadFile(path, maxMemory); err == nil && bytes.Equal(old, b) {
		return nil
	}
	if err := console.WriteFile(path, b, 0o600); err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	return nil
}
