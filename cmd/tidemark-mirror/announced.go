package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"tidemark/client"
	"tidemark/config"
	"tidemark/internal/console"
	"tidemark/manifest"
	"tidemark/treesync"
)

const announcedFile = "announced.json" // the configured trees that a manifest once had

func (m *memory) announced() (names []string) {
	if _, err := m.load(announcedFile, &names); err != nil {
		return nil // damaged: it only tells two kinds of absence apart
	}
	return names
}

// noteAnnounced remembers the configured trees that the manifest has. Where that cannot be written, a tree that goes before
// it was ever synced here is taken for a name that was mistyped, and no more.
func (m *memory) noteAnnounced(cfg *config.Mirror, now *manifest.Manifest) {
	known := m.announced()
	for name := range cfg.Trees {
		if _, ok := now.Trees[name]; ok && !slices.Contains(known, name) {
			known = append(known, name)
		}
	}
	if len(known) > 0 {
		slices.Sort(known)
		_ = m.save(announcedFile, known)
	}
}

// mistyped is the error of a tree that the manifest does not have, and of which this mirror never saw anything: no such tree
// is gone, there never was one. nil for all others.
func (m *memory) mistyped(cfg *config.Mirror, now *manifest.Manifest, name string, behind *client.Behind) error {
	if _, ok := now.Trees[name]; ok || behind != nil || slices.Contains(m.announced(), name) {
		return nil
	}
	if known, err := m.tree(name); err != nil || known != (treesync.Memory{}) {
		return nil
	}
	return console.Exit(console.Misuse, unknownTree(now, name), "mend trees: in %s", cfg.File)
}

func unknownTree(now *manifest.Manifest, name string) error {
	return fmt.Errorf("tree %q: the network has %s", name, strings.Join(slices.Sorted(maps.Keys(now.Trees)), ", "))
}
