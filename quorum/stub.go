package quorum

import (
	"math/rand/v2"
	"time"

	"tidemark/manifest"
)

// Record takes the master's readings into memory: a timestamp is recorded when two looks Settle apart agree. Pure.
func Record(mem Memory, masters []MasterReading, p Policy, previous *manifest.Manifest, now time.Time) Memory {
	panic("stub")
}

// Unsettled lists the trees whose master shows a new timestamp that was read only once: look again after p.Settle.
func Unsettled(mem Memory) []string { panic("stub") }

// Plan says what to ask of every server. rnd chooses the sample.
func Plan(mem Memory, p Policy, now time.Time, rnd *rand.Rand) []Ask { panic("stub") }

// Decide concludes. Pure: the same input gives the same output. previous may be nil (first run).
// It records r.Masters first; recording the same readings twice changes nothing.
func Decide(r Readings, p Policy, previous *manifest.Manifest, mem Memory, now time.Time) Decision {
	panic("stub")
}
