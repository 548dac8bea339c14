package treesync

import (
	"fmt"
	"time"

	"tidemark/manifest"
)

// found is what pre-flight brought from a source.
type found struct {
	timestamp int64                      // of its time file
	anchors   map[string]manifest.Anchor // those that it has
}

// judge says which of the sets a source holds, or why it is left: its time file and its anchors must agree on one. sets
// are reduced to the anchors that this mirror has, oldest first; held is what the tree proves already.
func judge(sets []anchorSet, f found, held int64) (anchorSet, error) {
	target, err := agreed(sets, f)
	if err == nil && target.timestamp < held {
		err = leave(StagePreflight, WhyBehind, "it is at %s, the tree here at %s", stamp(f.timestamp), stamp(held))
	}
	return target, err
}

func agreed(sets []anchorSet, f found) (anchorSet, error) {
	announced, newest := sets[0], sets[len(sets)-1]
	if f.timestamp > newest.timestamp {
		return anchorSet{}, leave(StagePreflight, WhyMovedOn, "it is at %s already, the newest timestamp that is known is %s", stamp(f.timestamp), stamp(newest.timestamp))
	}
	if f.timestamp < announced.timestamp {
		return anchorSet{}, leave(StagePreflight, WhyBehind, "it is at %s, expected %s", stamp(f.timestamp), stamp(announced.timestamp))
	}
	for _, s := range sets {
		if s.timestamp != f.timestamp {
			continue
		}
		missing, other := s.differs(f.anchors)
		if missing == "" && other == "" {
			return s, nil
		}
		return anchorSet{}, disagrees(sets, s, f, missing, other)
	}
	return anchorSet{}, leave(StagePreflight, WhyMovedOn, "it is at %s, between the timestamps that are known", stamp(f.timestamp))
}

// disagrees words what is wrong with anchors that are not those of the time file's set.
func disagrees(sets []anchorSet, s anchorSet, f found, missing, other string) error {
	if aheadOf(sets, s, f) {
		return leave(StagePreflight, WhyMovedOn, "it is moving on: %s says %s, %s is of a later timestamp", "its time file", stamp(f.timestamp), other)
	}
	if other != "" {
		seen, want := f.anchors[other], s.anchors[other]
		return leave(StagePreflight, WhyWrong, "its time file says %s, but %s has %d bytes and SHA-256 %s, expected %d bytes and %s",
			stamp(f.timestamp), other, seen.Size, seen.SHA256, want.Size, want.SHA256)
	}
	return leave(StagePreflight, WhyIncomplete, "its time file says %s, but %s is missing", stamp(f.timestamp), missing)
}

// aheadOf reports a source that is being brought from s to a later set: each of its anchors is that of s or of a newer
// set. Metadata comes before the time file, so this is what an honest source looks like then.
func aheadOf(sets []anchorSet, s anchorSet, f found) bool {
	for path, a := range f.anchors {
		if s.anchors[path] != a && !inLater(sets, s, path, a) {
			return false
		}
	}
	missing, other := s.differs(f.anchors)
	return missing == "" && other != ""
}

func inLater(sets []anchorSet, s anchorSet, path string, a manifest.Anchor) bool {
	for _, l := range sets {
		if l.timestamp > s.timestamp && l.anchors[path] == a {
			return true
		}
	}
	return false
}

// stamp shows a timestamp as the time file has it, and for people.
func stamp(t int64) string {
	return fmt.Sprintf("%d (%s)", t, time.Unix(t, 0).UTC().Format("2006-01-02 15:04:05Z"))
}
