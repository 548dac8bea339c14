package inventory

import "tidemark/internal/rsyncurl"

// Kinds of a server; the manifest has the same words.
const (
	KindNode   = "node"
	KindMirror = "mirror"
)

// MaxSlots is the most that one server may offer.
const MaxSlots = 8

// Slots of a server that declares none.
const (
	defaultNodeSlots   = 4
	defaultMirrorSlots = 2
)

// Limits of what a server may declare.
const (
	mostConnections = 10_000
	maxPatterns     = 100
	maxPattern      = 1000 // bytes: each is matched with every name of its list
)

// Server is a node or a mirror as its operator declared it.
type Server struct {
	ID             string
	Kind           string // KindNode or KindMirror (KindMirror when not given)
	Country        string // ISO 3166-1 alpha-2, "" when not known
	City           string
	ASN            int64 // 0 when not known
	Slots          int   // 0..8; default 4 a node, 2 a mirror
	Trees          map[string]rsyncurl.URL
	Key            string // the mirror's own minisign public key, for check-ins
	Maintenance    bool
	Private        bool     // counted, never in manifest or site
	Partial        bool     // judged and shown, never a source
	Exclude        []string // rsync patterns of what it leaves out of every tree; makes it Partial
	MaxConnections int      // that it serves at a time, as far as known; 0: not known
	Group          string   // the organisation: not all of its servers are asked at once
	File           string   // where it was declared
	Line           int
}
