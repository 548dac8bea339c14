package manifest

import (
	"slices"
	"strings"
)

// AnchorShare is how many anchors each of a document's trees may have, announced and
// later ones together: MaxAnchors divided evenly.
func AnchorShare(trees int) int { return MaxAnchors / max(trees, 1) }

// TrimAnchors keeps a tree's anchors within its share: of more, the newest. The caller
// gives them newest first (by modification time on the master, ties by path); an anchor
// in the document has no time, so it cannot be told afterwards. The result is a new
// slice, sorted by path. Sets of later count against the same share: take them off it
// before.
func TrimAnchors(newestFirst []Anchor, share int) []Anchor {
	kept := slices.Clone(newestFirst[:min(len(newestFirst), max(share, 0))])
	slices.SortFunc(kept, func(a, b Anchor) int { return strings.Compare(a.Path, b.Path) })
	return kept
}
