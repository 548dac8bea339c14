package treesync

import (
	"maps"
	"slices"

	"tidemark/manifest"
)

// anchorSet is what the tree's anchors were at one timestamp.
type anchorSet struct {
	timestamp int64
	anchors   map[string]manifest.Anchor // by path
}

// anchorSets are the sets that the manifest knows, oldest first: the announced one, and for each of later the announced
// one overlaid with the anchors that differ there.
func anchorSets(t manifest.Tree) []anchorSet {
	announced := map[string]manifest.Anchor{}
	for _, a := range t.Anchors {
		announced[a.Path] = a
	}
	sets := []anchorSet{{t.Timestamp, announced}}
	for _, later := range t.Later {
		overlaid := maps.Clone(announced)
		for _, a := range later.Anchors {
			overlaid[a.Path] = a
		}
		sets = append(sets, anchorSet{later.Timestamp, overlaid})
	}
	slices.SortFunc(sets, func(a, b anchorSet) int { return int(min(max(a.timestamp-b.timestamp, -1), 1)) })
	return sets
}

// anchorPaths are the paths of all sets, sorted.
func anchorPaths(sets []anchorSet) []string {
	all := map[string]bool{}
	for _, s := range sets {
		for path := range s.anchors {
			all[path] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// only is the set without the anchors that this mirror does not have.
func (s anchorSet) only(visible map[string]bool) anchorSet {
	seen := anchorSet{timestamp: s.timestamp, anchors: map[string]manifest.Anchor{}}
	for path, a := range s.anchors {
		if visible[path] {
			seen.anchors[path] = a
		}
	}
	return seen
}

// paths are the set's anchors, sorted.
func (s anchorSet) paths() []string { return slices.Sorted(maps.Keys(s.anchors)) }

// differs names the first anchor that is missing, and the first that is another one than the set's; "" for none.
func (s anchorSet) differs(found map[string]manifest.Anchor) (missing, other string) {
	for _, path := range s.paths() {
		f, ok := found[path]
		switch {
		case !ok && missing == "":
			missing = path
		case ok && f != s.anchors[path] && other == "":
			other = path
		}
	}
	return missing, other
}
