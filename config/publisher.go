package config

import (
	"time"

	"tidemark/inventory"
)

// Publisher is tidemark.yaml, checked, with absolute paths and defaults filled in.
type Publisher struct {
	File      string // absolute path of the file itself
	Network   string
	State     string        // directory
	Validity  time.Duration // 24h
	Inventory []string
	Trees     map[string]Tree
	Sign      Sign
	Trust     string
	Publish   []Target      // at least one; the first is the authority
	Keep      time.Duration // publish.keep of DESIGN 4.5: 7 days, never below validity + 1 h
	Beacon    *Beacon       // nil when not given
	Probe     Probe
	Settle    time.Duration // 1m; 0 is allowed
	Guard     Guard
	Policy    Policy
	Servers   []inventory.Server // loaded from Inventory
}

// Tree of tidemark.yaml.
type Tree struct {
	Master   string           // absolute directory or rsync URL
	TimeFile string           // TIME
	Anchors  []string         // doublestar patterns, at least one
	Quorum   inventory.Quorum // majority
	MaxWait  time.Duration    // 12h
}

// Sign names the signing keys; more than one of a kind is allowed, one of each is needed.
type Sign struct {
	OpenPGP []KeyFile
	Ed25519 []KeyFile
}

// KeyFile is a private key and where its passphrase comes from (at most one of the three).
type KeyFile struct {
	Key            string
	PassphraseFile string
	PassphraseEnv  string
	Credential     string // a systemd credential's name, below $CREDENTIALS_DIRECTORY
}

// Target is one store. This version has Dir; s3 comes with its issue.
type Target struct {
	Dir string
	URL string // where readers see it, with a final slash; "" when not given
}

// Beacon of tidemark.yaml.
type Beacon struct {
	Name       string   // of the TXT record, lower case, no final dot
	PlainName  string   // "" when no plain record is wanted
	PlainOrder []string // trees
}

// Probe settings.
type Probe struct {
	Concurrency int           // 64
	Timeout     time.Duration // 30s
	Recheck     time.Duration // 6h
	Sample      int           // 3
}

// Guard settings.
type Guard struct {
	Share int // percent, 30
	Least int // 5
	Runs  int // 3
}

// Policy goes into the manifest.
type Policy struct {
	CheckInterval time.Duration       // 5m; whole seconds
	MaxHold       time.Duration       // 2h; whole seconds
	Nearby        map[string][]string // nil: the built-in table
}
