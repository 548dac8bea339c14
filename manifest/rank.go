package manifest

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
)

// Client is the mirror that asks for sources.
type Client struct {
	ID        string
	Country   string
	Continent string
	ASN       int64
	Families  []int // 4, 6; empty = both
	Avoid     []string
}

// The tiers of a ranking, best first. In the first four are mirrors only: nodes are the
// fallback, so that the herd stays off them.
const (
	TierASN       = 1 + iota // mirrors of the same autonomous system
	TierCountry              // mirrors of the same country
	TierNearby               // mirrors of the countries of policy.nearby, in its order
	TierContinent            // other mirrors of the same continent
	TierNode                 // nodes of the same continent
	TierFarNode              // other nodes
	TierFar                  // mirrors of other continents
)

// Ranked is one source in its place, with the reason.
type Ranked struct {
	Source *Source
	Tree   SourceTree
	Tier   int
	Near   int    // in TierNearby the country's place in the list, from 1; else 0
	Reason string // a short fragment, e.g. "same country FI"
	Score  string // eight hex digits
}

// Rank orders the sources of a tree for a client, best first: by tier, inside a tier by
// score, larger first, ties by id. Never the client itself, one of its Avoid, one
// without slots, or one that shares no address family with it. (nil when there are none.)
func Rank(m *Manifest, tree string, c Client) []Ranked {
	near := make(map[string]int)
	for i, country := range m.Policy.Nearby[c.Country] {
		near[country] = i + 1
	}
	found := make([]candidate, 0, len(m.Sources))
	for i := range m.Sources {
		s := &m.Sources[i]
		if st, ok := s.Trees[tree]; ok && c.mayUse(s, st) {
			tier, nth := c.tier(s, near)
			found = append(found, candidate{s, uint64(tier)<<48 | uint64(nth)<<32 | uint64(^draw(c.ID, s))})
		}
	}
	if len(found) == 0 {
		return nil
	}
	slices.SortFunc(found, func(a, b candidate) int {
		if a.order != b.order {
			return cmp.Compare(a.order, b.order)
		}
		return cmp.Compare(a.source.ID, b.source.ID)
	})
	ranked := make([]Ranked, len(found))
	for i, p := range found {
		r := &ranked[i]
		*r = Ranked{Source: p.source, Tree: p.source.Trees[tree], Tier: int(p.order >> 48), Near: int(p.order >> 32 & 0xffff), Score: digits(^uint32(p.order))}
		r.Reason = c.reason(r)
	}
	return ranked
}

// candidate is a source with what it is sorted by in one number: tier, place in the list of countries, and all that the score
// lacks to the largest one. Twenty thousand of them are moved about while they are sorted.
type candidate struct {
	source *Source
	order  uint64
}

func (c Client) mayUse(s *Source, st SourceTree) bool {
	if s.Slots <= 0 || s.ID == c.ID || slices.Contains(c.Avoid, s.ID) {
		return false
	}
	return len(c.Families) == 0 || slices.ContainsFunc(st.Families, func(f int) bool { return slices.Contains(c.Families, f) })
}

func (c Client) tier(s *Source, near map[string]int) (tier, place int) {
	sameContinent := c.Continent != "" && s.Continent == c.Continent
	switch {
	case s.Kind == KindNode && sameContinent:
		return TierNode, 0
	case s.Kind == KindNode:
		return TierFarNode, 0
	case c.ASN != 0 && s.ASN == c.ASN:
		return TierASN, 0
	case c.Country != "" && s.Country == c.Country:
		return TierCountry, 0
	case near[s.Country] > 0:
		return TierNearby, near[s.Country]
	case sameContinent:
		return TierContinent, 0
	}
	return TierFar, 0
}

func (c Client) reason(r *Ranked) string {
	s := r.Source
	switch r.Tier {
	case TierASN:
		return fmt.Sprintf("same network AS%d", s.ASN)
	case TierCountry:
		return "same country " + s.Country
	case TierNearby:
		return fmt.Sprintf("nearby: %s is %s near %s", s.Country, ordinal(r.Near), c.Country)
	case TierContinent:
		return "same continent " + s.Continent
	case TierNode:
		return "node on the same continent " + s.Continent
	case TierFarNode:
		return "node" + c.elsewhere(s)
	}
	return "mirror" + c.elsewhere(s)
}

// elsewhere says why a source is in one of the far tiers.
func (c Client) elsewhere(s *Source) string {
	switch {
	case s.Continent == "":
		return " on an unknown continent"
	case c.Continent == "":
		return " on continent " + s.Continent + ", the client's is not known"
	}
	return " on another continent, " + s.Continent
}

func ordinal(n int) string {
	suffix := "th"
	if n%100 < 11 || n%100 > 13 {
		switch n % 10 {
		case 1:
			suffix = "st"
		case 2:
			suffix = "nd"
		case 3:
			suffix = "rd"
		}
	}
	return fmt.Sprintf("%d%s", n, suffix)
}

// draw is the score as a number. It is weighted rendezvous hashing: the largest of the first `slots` eight-digit hex words
// of SHA-256("<mirror id> <source id>"), compared as text. A source with twice the slots has twice the draws, and each
// mirror's order is its own and stable.
func draw(mirrorID string, s *Source) uint32 {
	var text [256]byte // room for two names, so that it stays on the stack
	sum := sha256.Sum256(append(append(append(text[:0], mirrorID...), ' '), s.ID...))
	best := uint32(0)
	for i := range min(s.Slots, MaxSlots) {
		best = max(best, binary.BigEndian.Uint32(sum[4*i:])) // in the order of their digits
	}
	return best
}

// digits is a draw as the eight hex digits of a Score.
func digits(draw uint32) string {
	var text [8]byte
	hex.Encode(text[:], binary.BigEndian.AppendUint32(nil, draw))
	return string(text[:])
}
