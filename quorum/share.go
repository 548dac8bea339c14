package quorum

import (
	"cmp"
	"slices"
	"strings"

	"tidemark/manifest"
)

// share keeps the manifest within manifest.MaxAnchors: where there are more in all, a
// tree with more than its share gives the newest.
func (d *decision) share(m *manifest.Manifest) {
	total := 0
	for _, t := range m.Trees {
		total += countAnchors(t)
	}
	if total <= manifest.MaxAnchors {
		return
	}
	share := manifest.AnchorShare(len(m.Trees))
	for name, t := range m.Trees {
		if countAnchors(t) > share {
			m.Trees[name] = trim(t, d.memory.Trees[name].newestFirst(), share)
		}
	}
}

func countAnchors(t manifest.Tree) int {
	n := len(t.Anchors)
	for _, l := range t.Later {
		n += len(l.Anchors)
	}
	return n
}

// trim keeps the first of paths that fit, each in all sets of the tree or in none:
// so what is left of a later set still belongs to what is left of the announced one.
func trim(t manifest.Tree, paths []string, share int) manifest.Tree {
	cost := map[string]int{}
	for _, a := range t.Anchors {
		cost[a.Path]++
	}
	for _, l := range t.Later {
		for _, a := range l.Anchors {
			cost[a.Path]++
		}
	}
	dropped := map[string]bool{}
	for _, path := range paths {
		if cost[path] > share {
			dropped[path] = true
			continue
		}
		share -= cost[path]
	}
	drop := func(a manifest.Anchor) bool { return dropped[a.Path] }
	t.Anchors = slices.DeleteFunc(slices.Clone(t.Anchors), drop)
	later := slices.Clone(t.Later)
	for i := range later {
		later[i].Anchors = slices.DeleteFunc(slices.Clone(later[i].Anchors), drop)
	}
	t.Later = later
	return t
}

// newestFirst lists the paths of all anchors from the announced timestamp on, those
// that changed last first, ties by path.
func (tm TreeMemory) newestFirst() []string {
	changed := map[string]int64{} // the recorded timestamp at which it changed last
	var before []manifest.Anchor
	for _, r := range tm.Recorded {
		for _, a := range differing(before, r.Anchors) {
			changed[a.Path] = r.Timestamp
		}
		before = r.Anchors
	}
	paths := make([]string, 0, len(changed))
	for path := range changed {
		paths = append(paths, path)
	}
	slices.SortFunc(paths, func(a, b string) int {
		return cmp.Or(cmp.Compare(changed[b], changed[a]), strings.Compare(a, b))
	})
	return paths
}
