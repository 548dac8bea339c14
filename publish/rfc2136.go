package publish

import "time"

// TSIG is a key shared with a primary server (RFC 8945).
type TSIG struct {
	Name      string // of the key, fully qualified
	Algorithm string // hmac-sha256, …
	Secret    string // base64
}

// ParseTSIG reads a key file: named's `key "name" { algorithm …; secret "…"; };` as tsig-keygen writes it, knot's as keymgr
// writes it, or one line algorithm:name:secret as nsupdate -y has it.
func ParseTSIG(b []byte) (TSIG, error) { panic("stub") }

// UpdateOptions say where dynamic updates go (RFC 2136).
type UpdateOptions struct {
	Server  string // of the primary, "host" or "host:port"
	Zone    string // "": found by asking for the SOA record
	Key     TSIG
	Timeout time.Duration // of one exchange; 0: 10 s
}

// Update is a TXT at a primary server: the old RRset is the update's prerequisite.
func Update(o UpdateOptions) TXT { panic("stub") }
