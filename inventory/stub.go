package inventory

import (
	"tidemark/internal/rsyncurl"
	"tidemark/internal/strictyaml"
)

// Server is a node or a mirror as its operator declared it.
type Server struct {
	ID          string
	Kind        string // manifest.KindNode or KindMirror ("mirror" when not given)
	Country     string // ISO 3166-1 alpha-2, "" when not known
	City        string
	ASN         int64
	Slots       int // 0..8; default 4 a node, 2 a mirror
	Trees       map[string]rsyncurl.URL
	Key         string // the mirror's own minisign public key, for check-ins
	Maintenance bool
	Private     bool // counted, never in manifest or site
	Partial     bool // judged and shown, never a source
	Group       string
	File        string // where it was declared
	Line        int
}

// Load reads files and directories (*.yaml, *.yml), one or many servers each; every problem at once. Sorted by ID.
func Load(paths []string) ([]Server, strictyaml.Problems) { panic("stub") }
