package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"tidemark/internal/strictjson"
)

// The refusals of CheckTime, for errors.Is.
var (
	ErrExpired     = errors.New("the manifest has expired")
	ErrFutureDated = errors.New("the manifest is from the future")
)

// CheckTime refuses an expired or future-dated manifest (Skew, both ways): ErrExpired,
// ErrFutureDated.
func (m *Manifest) CheckTime(now time.Time) error {
	switch {
	case m.Issued.After(now.Add(Skew)):
		return fmt.Errorf("%w: serial %d was issued at %s, and it is %s now; is this machine's clock right?", ErrFutureDated, m.Serial, stamp(m.Issued.Time), stamp(now))
	case now.After(m.Expires.Add(Skew)):
		return fmt.Errorf("%w: serial %d was good until %s, and it is %s now", ErrExpired, m.Serial, stamp(m.Expires.Time), stamp(now))
	}
	return nil
}

// SameContent reports whether a and b differ in nothing but serial, issued, expires,
// previous: then nothing new is to be published.
func SameContent(a, b *Manifest) bool {
	textA, errA := content(a)
	textB, errB := content(b)
	return errA == nil && errB == nil && bytes.Equal(textA, textB)
}

// OnlyDeeper reports whether a has more than b only in that the content of sources was looked at more deeply, as it happens while
// their lists are read one after the other: no reader's choice depends on it at once.
func OnlyDeeper(a, b *Manifest) bool {
	c, deeper := *a, false
	c.Sources = slices.Clone(a.Sources)
	before := make(map[string]Source, len(b.Sources))
	for _, s := range b.Sources {
		before[s.ID] = s
	}
	for i, s := range c.Sources {
		trees := maps.Clone(s.Trees)
		for name, st := range trees {
			was := before[s.ID].Trees[name].Depth
			if depthRank(st.Depth) > depthRank(was) && was != "" {
				st.Depth, deeper = was, true
				trees[name] = st
			}
		}
		c.Sources[i].Trees = trees
	}
	return deeper && SameContent(&c, b)
}

func depthRank(depth string) int {
	return slices.Index([]string{DepthTime, DepthAnchors, DepthListing}, depth)
}

func content(m *Manifest) ([]byte, error) {
	c := *m
	c.Serial, c.Issued, c.Expires, c.Previous = 0, strictjson.Time{}, strictjson.Time{}, ""
	return strictjson.Marshal(c)
}

// Comment is the trusted comment that goes with payload (the encoded m):
//
//	tidemark <network> serial=<n> issued=<time> expires=<time> sha256=<hex>
func (m *Manifest) Comment(payload []byte) string {
	return fmt.Sprintf("tidemark %s serial=%d issued=%s expires=%s sha256=%s",
		m.Network, m.Serial, stamp(m.Issued.Time), stamp(m.Expires.Time), SHA256(payload))
}
