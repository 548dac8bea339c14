package client

import (
	"fmt"
	"time"

	"tidemark/internal/geo"
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

// Decide says what to do with a tree whose time file holds held (0: none, damaged, or in the future). behind is what was
// remembered, nil when it was in date. Pure.
//
// A tree is behind since a newer timestamp was first seen: one that is newer still does not set the clock back, being in
// date clears it, a tree gone from the manifest leaves it, and a clock that moved back makes it now. Without a time file
// a mirror may always start.
func Decide(m *manifest.Manifest, tree, mirrorID string, held int64, behind *Behind, now time.Time) Decision {
	d := Decision{Tree: tree, Held: held}
	t, ok := m.Trees[tree]
	if !ok {
		d.Action, d.Behind = Gone, behind
		d.Reason = fmt.Sprintf("the manifest, serial %d, has no tree %q (any more): no news", m.Serial, tree)
		return d
	}
	d.Announced = t.Timestamp
	if held >= t.Timestamp {
		d.Action, d.Reason = InDate, fmt.Sprintf("in date: holds %d, announced is %d", held, t.Timestamp)
		return d
	}
	d.Behind = stillBehind(behind, t.Timestamp, now)
	hold := time.Duration(m.Policy.MaxHold) * time.Second
	d.Place = manifest.Place(mirrorID, tree, t.Timestamp)
	d.Admitted = manifest.Admitted(t.Admit, d.Behind.Since.Time, now, hold)
	switch {
	case held == 0:
		d.Action, d.Reason = Sync, fmt.Sprintf("no usable time file here, announced is %d", t.Timestamp)
	case manifest.MayStart(mirrorID, tree, t.Timestamp, t.Admit, d.Behind.Since.Time, now, hold):
		d.Action, d.Reason = Sync, fmt.Sprintf("holds %d, announced is %d; %s", held, t.Timestamp, d.Queue())
	default:
		d.Action = Hold
		d.Reason = fmt.Sprintf("holds %d, announced is %d; not admitted yet: %s; it may start at %s at the latest", held, t.Timestamp, d.Queue(), stamp(d.turn(hold)))
	}
	return d
}

func stillBehind(b *Behind, announced int64, now time.Time) *Behind {
	if b == nil || b.Since.IsZero() || b.Since.After(now) {
		return &Behind{Since: strictjson.At(now), Newest: announced}
	}
	return &Behind{Since: b.Since, Newest: max(b.Newest, announced)}
}

// Queue is where a mirror that waits, or was admitted, stands. It rounds apart: one that waits is never told that its place
// was reached.
func (d Decision) Queue() string {
	const percent = manifest.FullAdmission / 100
	if d.Place < d.Admitted {
		return fmt.Sprintf("admitted %d %%, you are at %d %%", (d.Admitted+percent-1)/percent, d.Place/percent)
	}
	return fmt.Sprintf("admitted %d %%, you are at %d %%", d.Admitted/percent, d.Place/percent+1)
}

// turn is when the time alone admits this place: the first whole second at which the share held is above it.
func (d Decision) turn(hold time.Duration) time.Time {
	seconds := ((d.Place+1)*int64(hold/time.Second) + manifest.FullAdmission - 1) / manifest.FullAdmission
	return d.Behind.Since.Add(time.Duration(seconds) * time.Second)
}

// Choose ranks the sources of a tree for a mirror, and fills in its continent where its country has one.
func Choose(m *manifest.Manifest, tree string, c manifest.Client) []manifest.Ranked {
	if c.Continent == "" {
		c.Continent = geo.Continent(c.Country)
	}
	return manifest.Rank(m, tree, c)
}
