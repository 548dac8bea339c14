package keys

import "tidemark/internal/strictjson"

// Kind is a kind of signature and of key.
type Kind string

// The two kinds.
const (
	OpenPGP  Kind = "openpgp"
	Minisign Kind = "minisign"
)

// TrustSchema names the trust document's format; another major is refused.
const TrustSchema = "tidemark/trust/v1"

// Trust is the payload of trust.json: who may sign (DESIGN 4.3).
type Trust struct {
	Schema      string          `json:"schema"`
	Network     string          `json:"network"`
	Version     int64           `json:"version"`
	Issued      strictjson.Time `json:"issued"`
	Expires     strictjson.Time `json:"expires"`
	Root        RootRole        `json:"root"`
	Manifest    ManifestRole    `json:"manifest"`
	MinSerial   int64           `json:"min_serial"`
	ResetSerial bool            `json:"reset_serial,omitempty"`
}

// RootRole lists the Ed25519 keys, held offline, that sign trust documents.
type RootRole struct {
	Threshold int       `json:"threshold"` // distinct holders
	Keys      []RootKey `json:"keys"`
}

// RootKey is one holder's offline key.
type RootKey struct {
	Holder string `json:"holder"`
	Key    string `json:"key"`    // minisign key id, 16 hex digits in capitals
	Public string `json:"public"` // minisign public key, base64 ("RW…")
}

// ManifestRole lists the keys that sign manifests and beacons.
type ManifestRole struct {
	Threshold int           `json:"threshold"` // distinct holders
	Required  []Kind        `json:"required"`  // a missing kind is a failure, never a fallback
	Keys      []ManifestKey `json:"keys"`
}

// ManifestKey is one online key.
type ManifestKey struct {
	Holder   string           `json:"holder"`
	Kind     Kind             `json:"kind"`
	Key      string           `json:"key"`               // minisign: key id, 16 hex capitals; openpgp: primary fingerprint, 40 hex capitals
	Public   string           `json:"public"`            // minisign: base64 "RW…"; openpgp: armored certificate
	Signing  []string         `json:"signing,omitempty"` // openpgp: fingerprints that may sign
	NotAfter *strictjson.Time `json:"not_after,omitempty"`
	Revoked  bool             `json:"revoked,omitempty"`
}
