package rsync

import "strings"

// Matcher tells as Hidden does which paths some patterns hide. Between two paths of one directory it remembers what the
// directory's own path has led to: lists come directory by directory. It is not to be used by several goroutines at a time.
type Matcher struct {
	walks  []*walk // one of each pattern; what they have read is the directory
	dir    string  // with its final slash, "": the top
	hidden bool    // the directory is
	steps  int
}

// NewMatcher makes a Matcher of the patterns.
func NewMatcher(patterns []Pattern) *Matcher {
	m := &Matcher{}
	for _, p := range patterns {
		if p.auto != nil {
			m.walks = append(m.walks, p.auto.begin())
		}
	}
	return m
}

// Hidden reports whether one of the patterns, as --exclude, hides the path: itself, or a directory above it.
func (m *Matcher) Hidden(path string, dir bool) bool {
	if path == "" || len(m.walks) == 0 {
		return false
	}
	at := strings.LastIndexByte(path, '/') + 1
	if path[:at] != m.dir {
		m.enter(path[:at])
	}
	if m.hidden {
		return true
	}
	for _, w := range m.walks {
		if m.probe(w, path[at:], dir) {
			return true
		}
	}
	return false
}

// enter goes to another directory.
func (m *Matcher) enter(dir string) {
	m.dir, m.hidden = strings.Clone(dir), false
	for i, w := range m.walks {
		fresh := w.begin()
		m.walks[i] = fresh
		m.hidden = fresh.parents(dir) || m.hidden
		m.steps += fresh.steps
	}
}

// probe lets a copy of the walk read the name: the walk itself stays at the directory.
func (m *Matcher) probe(w *walk, name string, dir bool) bool {
	c := *w
	c.steps = 0
	if w.table == nil {
		both := make([]uint64, 2*w.words)
		c.at, c.next = both[:w.words], both[w.words:]
		copy(c.at, w.at)
	}
	found := c.last(name, dir)
	m.steps += c.steps
	return found
}
