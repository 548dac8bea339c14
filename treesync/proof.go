package treesync

import (
	"fmt"

	"tidemark/manifest"
)

// prove reads every anchor that this mirror has, in the tree, and compares it with the manifest.
func (a *attempt) prove() error {
	if a.o.Fallback || len(a.target.anchors) == 0 {
		return nil
	}
	a.say(StageProof, a.source, fmt.Sprintf("proving %d anchors in the tree", len(a.target.anchors)), "")
	most := a.largestAnchor()
	for _, path := range a.target.paths() {
		found, err := readAnchors(a.root, []string{path}, most)
		if err != nil {
			return err
		}
		if is, ok := found[path]; ok && is != a.target.anchors[path] && inLater(a.sets, a.target, path, is) {
			return leave(StageProof, WhyMovedOn, "%s is of a later timestamp than %s", path, stamp(a.target.timestamp))
		}
		if err := proven(a.target.anchors[path], found); err != nil {
			return err
		}
	}
	return nil
}

func proven(want manifest.Anchor, found map[string]manifest.Anchor) error {
	is, ok := found[want.Path]
	switch {
	case !ok:
		return leave(StageProof, WhyWrong, "%s is not in the tree", want.Path)
	case is != want:
		return leave(StageProof, WhyWrong, "%s has %d bytes and SHA-256 %s in the tree, expected %d bytes and %s", want.Path, is.Size, is.SHA256, want.Size, want.SHA256)
	}
	return nil
}
