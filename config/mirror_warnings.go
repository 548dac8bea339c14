package config

import (
	"path/filepath"

	"tidemark/internal/strictyaml"
)

// Warnings looks at the machine, not at the text: files by which others than their owner could decide what this mirror
// serves, and directories that are one another through symlinks. They stop nothing. What cannot be looked at gives no
// warning; using it will say why.
func (m *Mirror) Warnings() strictyaml.Problems {
	w := warner{file: m.File}
	const text, chmod = "may be changed by others than its owner", "chmod go-w"
	w.mode(m.File, "", 0o022, text, chmod)
	w.mode(m.Trust, "trust", 0o022, text, chmod)
	w.mode(m.State, "state", 0o022, text, chmod)
	if m.CA != "" {
		w.mode(m.CA, "ca", 0o022, text, chmod)
	}
	if m.Rsync != "" {
		w.mode(m.Rsync, "rsync", 0o022, text, chmod)
	}
	for _, hook := range []struct {
		name string
		argv []string
	}{{"before", m.Before}, {"after", m.After}} {
		if len(hook.argv) > 0 {
			w.mode(hook.argv[0], strictyaml.Path("hooks", hook.name), 0o022, text, chmod)
		}
	}
	w.mirrorCheckin(m.Checkin)
	w.overlaps(m)
	return w.problems
}

// overlaps compares the trees' directories again, without symlinks: the configuration compares them as they are written.
func (w *warner) overlaps(m *Mirror) {
	names := sortedKeys(m.Trees)
	for i, name := range names {
		path, field := resolved(m.Trees[name].Path), strictyaml.Path("trees", name, "path")
		if state := resolved(m.State); overlap(path, state) {
			w.add(field, "choose a directory that holds the tree alone", "%s and the state directory are, without symlinks, %s and %s, which lie in one another", m.Trees[name].Path, path, state)
		}
		for _, other := range names[:i] {
			if theirs := resolved(m.Trees[other].Path); overlap(path, theirs) {
				w.add(field, "each tree needs a directory of its own", "%s and the tree %s are, without symlinks, %s and %s, which lie in one another", m.Trees[name].Path, other, path, theirs)
			}
		}
	}
}

// resolved is the path without symlinks, "" when it cannot be had.
func resolved(path string) string {
	out, err := filepath.EvalSymlinks(path)
	if err != nil {
		return ""
	}
	return out
}
