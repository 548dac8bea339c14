package quorum

import (
	"tidemark/inventory"
	"tidemark/manifest"
)

// ballot is where the counted nodes of a tree stand.
type ballot struct {
	counted  int     // nodes that carry the tree and are not in maintenance
	verified []int64 // the timestamps at which some of them are verified
}

// reached counts the nodes that are verified at a timestamp or beyond.
func (b ballot) reached(timestamp int64) int {
	n := 0
	for _, v := range b.verified {
		if v >= timestamp {
			n++
		}
	}
	return n
}

// met reports whether a quorum has reached a timestamp. No nodes never make one: a quorum is at least one.
func (b ballot) met(q inventory.Quorum, timestamp int64) bool {
	need, err := q.Need(b.counted)
	return err == nil && b.reached(timestamp) >= need
}

// nodes is the count that the manifest carries.
func (b ballot) nodes(q inventory.Quorum, timestamp int64) manifest.Nodes {
	need, _ := q.Need(b.counted) // more than there are is said in the tree's note
	return manifest.Nodes{Verified: b.reached(timestamp), Counted: b.counted, Quorum: need}
}

// elect returns the newest candidate that a quorum has reached, 0 when there is none.
//
// When the newest timestamp that a quorum has reached brings no news, the master
// has withdrawn what came between: then that is not announced either.
func (tm TreeMemory) elect(q inventory.Quorum, b ballot) int64 {
	later := tm.later()
	for i := len(later) - 1; i >= 0; i-- {
		if !b.met(q, later[i].Timestamp) {
			continue
		}
		if later[i].NoNews {
			return 0
		}
		return later[i].Timestamp
	}
	return 0
}

// announce moves the announced timestamp, which must be recorded, forward.
func (tm TreeMemory) announce(timestamp int64) TreeMemory {
	var before []manifest.Anchor
	if old := tm.find(tm.Announced); old != nil {
		before = old.Anchors
	}
	tm.Changed = nil
	for _, a := range differing(before, tm.find(timestamp).Anchors) {
		tm.Changed = append(tm.Changed, a.Path)
	}
	tm.Announced = timestamp
	return tm.tidy()
}

// waiting lists the candidates that were not announced, oldest first: those
// that bring news and were not withdrawn by a later one that a quorum has reached.
func (tm TreeMemory) waiting(q inventory.Quorum, b ballot) []Recorded {
	var waiting []Recorded
	for _, r := range tm.later() {
		switch {
		case !r.NoNews:
			waiting = append(waiting, r)
		case b.met(q, r.Timestamp):
			waiting = nil
		}
	}
	return waiting
}
