package client

import (
	"time"

	"tidemark/internal/strictjson"
	"tidemark/keys"
	"tidemark/manifest"
	"tidemark/sign"
)

// Seen is what a reader remembers between runs.
type Seen struct {
	Serial int64           `json:"serial"`
	SHA256 string          `json:"sha256"`
	Issued strictjson.Time `json:"issued"`
}

// Opened is a manifest that was verified; only Open makes one.
type Opened struct {
	Manifest *manifest.Manifest
	Payload  []byte
	Votes    []sign.Vote
	Bundle   []byte
}

// Options say how to open.
type Options struct {
	Network string
	Trust   *keys.Trust
	Seen    *Seen // nil: nothing seen yet
	Now     time.Time
	// AnyAge leaves out the expiry of the document and of the trust (a publisher opening its own predecessor).
	AnyAge bool
}

// Open is the only door from bytes to manifest: verify, then parse, then network, serial, issued, expires.
func Open(bundle []byte, o Options) (*Opened, Seen, error) { panic("stub") }
