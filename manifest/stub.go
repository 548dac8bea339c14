package manifest

import "time"

// CheckTime refuses an expired or future-dated manifest (skew 5 minutes both ways).
func (m *Manifest) CheckTime(now time.Time) error { panic("stub") }

// SameContent reports whether a and b differ in nothing but serial, issued, expires, previous.
func SameContent(a, b *Manifest) bool { panic("stub") }

// Comment is the trusted comment that goes with payload (the encoded m).
func (m *Manifest) Comment(payload []byte) string { panic("stub") }

// MayStart is the admission test of DESIGN 4.1. behindSince is zero for a mirror that was not behind before now.
func MayStart(mirrorID, tree string, timestamp, admit int64, behindSince, now time.Time, maxHold time.Duration) bool {
	panic("stub")
}

// Client is the mirror that asks for sources.
type Client struct {
	ID        string
	Country   string
	Continent string
	ASN       int64
	Families  []int // 4, 6; empty = both
	Avoid     []string
}

// Ranked is one source in its place, with the reason.
type Ranked struct {
	Source *Source
	Tree   SourceTree
	Tier   int
	Reason string
	Score  string // eight hex digits
}

// Rank orders the sources of a tree for a client, best first. (nil when there are none.)
func Rank(m *Manifest, tree string, c Client) []Ranked { panic("stub") }

// Beacon is the TXT record of DESIGN 4.4.
type Beacon struct {
	Network   string
	Serial    int64
	Expires   int64
	Trees     map[string]int64
	Key       string // minisign key id
	Signature []byte // Ed25519 over Signed()
}

// BeaconOf makes the unsigned beacon of m for a key.
func BeaconOf(m *Manifest, key string) Beacon { panic("stub") }

// Signed is the text that is signed: all before " g=".
func (b Beacon) Signed() string { panic("stub") }

// Text is the whole record.
func (b Beacon) Text() string { panic("stub") }

// ParseBeacon is the inverse of Text, strictly.
func ParseBeacon(s string) (Beacon, error) { panic("stub") }
