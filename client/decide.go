package client

import (
	"time"

	"tidemark/internal/strictjson"
	"tidemark/manifest"
)

// Action is what a mirror should do with a tree.
type Action string

// The actions.
const (
	InDate Action = "in-date" // nothing newer is announced
	Sync   Action = "sync"
	Hold   Action = "hold" // something newer is announced, this mirror is not admitted yet
	Gone   Action = "gone" // the manifest has no such tree (any more): no news
)

// Behind is what a mirror remembers of a tree that is behind: since when, and of what (DESIGN 4.1, behind_since).
type Behind struct {
	Since  strictjson.Time `json:"since"`
	Newest int64           `json:"newest"` // the newest timestamp announced since
}

// Decision for one tree.
type Decision struct {
	Tree      string
	Action    Action
	Announced int64
	Held      int64   // the local timestamp; 0: none
	Behind    *Behind // to remember; nil: in date
	Admitted  int64   // parts per million of the mirrors that may start by now
	Place     int64   // this mirror's own place: it may start when Admitted is above it
	Reason    string  // a sentence for people
}

// Decide says what to do with a tree whose time file holds held (0: none). behind is what was remembered, nil when it was
// in date. Pure.
func Decide(m *manifest.Manifest, tree, mirrorID string, held int64, behind *Behind, now time.Time) Decision {
	panic("stub")
}

// Choose ranks the sources of a tree for a mirror, and fills in its continent.
func Choose(m *manifest.Manifest, tree string, c manifest.Client) []manifest.Ranked { panic("stub") }
