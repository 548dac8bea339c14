package manifest

import (
	"tidemark/internal/rsyncurl"
	"tidemark/internal/strictjson"
)

// Schema names the format. Same major: unknown members are ignored (but signed). Another major is refused.
const Schema = "tidemark/manifest/v1"

// Manifest is the document that everything else is about (DESIGN 4.1).
type Manifest struct {
	Schema       string          `json:"schema"`
	Network      string          `json:"network"`
	Serial       int64           `json:"serial"`
	Issued       strictjson.Time `json:"issued"`
	Expires      strictjson.Time `json:"expires"`
	TrustVersion int64           `json:"trust_version"`
	Previous     string          `json:"previous,omitempty"` // SHA-256 of the manifest before this one, hex
	Trees        map[string]Tree `json:"trees"`
	Sources      []Source        `json:"sources"` // sorted by ID
	Policy       Policy          `json:"policy"`
}

// Tree is what is announced for one content set.
type Tree struct {
	Timestamp int64           `json:"timestamp"` // Unix seconds
	Announced strictjson.Time `json:"announced"`
	TimeFile  string          `json:"time_file"`
	Files     int64           `json:"files"` // regular files in the master's tree at Timestamp
	Bytes     int64           `json:"bytes"` // their sizes added up
	Nodes     Nodes           `json:"nodes"`
	Admit     int64           `json:"admit"` // parts per million
	Anchors   []Anchor        `json:"anchors"`
	Later     []Later         `json:"later,omitempty"` // oldest first
}

// Nodes counts the quorum.
type Nodes struct {
	Verified int `json:"verified"` // at the announced timestamp or beyond
	Counted  int `json:"counted"`
	Quorum   int `json:"quorum"`
}

// Anchor is a small metadata file of a tree on the master.
type Anchor struct {
	Path   string `json:"path"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// Later is a newer recorded timestamp, with the anchors that differ from the announced ones.
type Later struct {
	Timestamp int64    `json:"timestamp"`
	Anchors   []Anchor `json:"anchors"`
}

// Kinds of a source.
const (
	KindNode   = "node"
	KindMirror = "mirror"
)

// Depths of a verification.
const (
	DepthTime    = "time"
	DepthAnchors = "anchors"
	DepthListing = "listing"
)

// Source is a node or mirror that the manifest offers.
type Source struct {
	ID        string                `json:"id"`
	Kind      string                `json:"kind"`
	Country   string                `json:"country,omitempty"`
	Continent string                `json:"continent,omitempty"`
	ASN       int64                 `json:"asn,omitempty"`
	Slots     int                   `json:"slots"`
	Trees     map[string]SourceTree `json:"trees"`
}

// SourceTree is one tree at one source.
type SourceTree struct {
	URL       rsyncurl.URL    `json:"url"`
	Timestamp int64           `json:"timestamp"`
	Since     strictjson.Time `json:"since"` // first verified at that timestamp
	Depth     string          `json:"depth"`
	Families  []int           `json:"families"` // 4, 6
}

// Policy is what clients need to know of the publisher's settings. Times in seconds.
type Policy struct {
	CheckInterval int64               `json:"check_interval"`
	MaxHold       int64               `json:"max_hold"`
	Nearby        map[string][]string `json:"nearby"`
}
