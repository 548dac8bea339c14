package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"

	"tidemark/internal/strictjson"
	"tidemark/manifest"
	"tidemark/quorum"
)

// readingsFile holds the last readings of every server, for `status --why`. Nothing is decided by it.
const readingsFile = "readings.json"

const readingsSchema = "tidemark/last-readings/v1"

// lastReadings is what was seen last of each tree at each address: the last reading, and, where that looked at the time file
// alone, the last one that went deeper. Sorted by server, tree, address and time.
type lastReadings struct {
	Schema  string          `json:"schema"`
	At      strictjson.Time `json:"at"`
	Servers []lastReading   `json:"servers"`
}

// lastReading is a reading of which a few anchors are kept: the odd ones first.
type lastReading struct {
	quorum.Reading
	Asked int `json:"anchors_asked,omitempty"` // how many were looked at
	Odd   int `json:"anchors_odd,omitempty"`   // of them: not as recorded at the timestamp that the time file claims
}

// What is kept of the anchors of one reading, so that the file stays small whatever the network.
const (
	keptOdd  = 20
	keptFine = 3
)

// keepReadings merges a round's readings into the kept ones.
func (p *publisher) keepReadings(r quorum.Readings, mem quorum.Memory) error {
	last, _ := p.lastReadings() // a damaged one is begun anew: a few hours make it whole
	merged := lastReadings{Schema: readingsSchema, At: strictjson.At(p.Now())}
	asked, now, deep, carried := map[string]bool{}, map[string]bool{}, map[string]bool{}, p.carried()
	for _, s := range r.Servers {
		one := shorten(s, mem.Trees[s.Tree])
		asked[s.Server+" "+s.Tree], now[one.key()], deep[one.key()] = true, true, one.deep()
		merged.Servers = append(merged.Servers, one)
	}
	for _, s := range last.Servers {
		outlives := now[s.key()] && s.deep() && !deep[s.key()]
		if carried[s.place()] && (!asked[s.Server+" "+s.Tree] || outlives) {
			merged.Servers = append(merged.Servers, s)
		}
	}
	slices.SortStableFunc(merged.Servers, func(a, b lastReading) int {
		return cmp.Or(cmp.Compare(a.Server, b.Server), cmp.Compare(a.Tree, b.Tree), cmp.Compare(a.Address, b.Address), a.At.Compare(b.At.Time))
	})
	b, err := json.Marshal(merged)
	if err != nil {
		return fmt.Errorf("encode %s: %w", readingsFile, err)
	}
	return p.state.write(readingsFile, append(b, '\n'))
}

func (s lastReading) place() string { return s.Server + " " + s.Tree + " " + s.URL.String() }
func (s lastReading) key() string   { return s.place() + " " + s.Address }

// deep: it looked at more than the time file.
func (s lastReading) deep() bool {
	return s.Depth != manifest.DepthTime && s.Depth != "" || s.Asked > 0 || s.List != nil
}

// carried is the set of places that the inventory has, by what lastReading.place says.
func (p *publisher) carried() map[string]bool {
	set := map[string]bool{}
	for _, s := range p.cfg.Servers {
		for tree, url := range s.Trees {
			if p.cfg.Trees[tree].Master != "" {
				set[s.ID+" "+tree+" "+url.String()] = true
			}
		}
	}
	return set
}

// shorten keeps the anchors that a person wants to see: those that are not as recorded, and a few that are.
func shorten(r quorum.Reading, tree quorum.TreeMemory) lastReading {
	s := lastReading{Reading: r, Asked: len(r.Anchors)}
	expected := anchorsOf(tree, r.Timestamp)
	var odd, fine []quorum.AnchorSeen
	for _, a := range r.Anchors {
		if e, ok := expected[a.Path]; ok && !a.Missing && e.Size == a.Size && e.SHA256 == a.SHA256 {
			fine = append(fine, a)
		} else {
			odd = append(odd, a)
		}
	}
	s.Odd = len(odd)
	s.Anchors = slices.Concat(odd[:min(len(odd), keptOdd)], fine[:min(len(fine), keptFine)])
	return s
}

// anchorsOf are the anchors that were recorded of a tree at a timestamp, by path; nil: it is not recorded.
func anchorsOf(tree quorum.TreeMemory, timestamp int64) map[string]manifest.Anchor {
	for _, r := range tree.Recorded {
		if r.Timestamp == timestamp {
			byPath := map[string]manifest.Anchor{}
			for _, a := range r.Anchors {
				byPath[a.Path] = a
			}
			return byPath
		}
	}
	return nil
}

// lastReadings reads what was kept, nothing when no run has finished.
func (p *publisher) lastReadings() (lastReadings, error) {
	var last lastReadings
	b, err := p.state.read(readingsFile)
	if err != nil || b == nil {
		return last, err
	}
	if err := json.Unmarshal(b, &last); err != nil {
		return lastReadings{}, fmt.Errorf("%s: %w", p.state.path(readingsFile), err)
	}
	return last, nil
}
