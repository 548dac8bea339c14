package sign

import (
	"context"
	"time"

	"tidemark/keys"
)

// Limits.
const (
	MaxSignature = 64 << 10
	MaxBundle    = 12 << 20
	MaxTrustFile = 5 << 20 // a trust.json: keys.MaxTrust in base64, and MaxSigs signatures in JSON's escapes
	MaxSigs      = 16
)

// Skew is how far two honest clocks may be apart, both ways.
const Skew = keys.Skew

// Signature is one member of an envelope.
type Signature struct {
	Kind  keys.Kind `json:"kind"`
	Key   string    `json:"key"`   // full fingerprint (openpgp: of the primary key) or minisign key id, capitals
	Value string    `json:"value"` // the text of the .asc or .minisig
}

// Request is what a signer is asked for.
type Request struct {
	Payload []byte
	Comment string    // minisign's trusted comment
	Issued  time.Time // signature creation time
	Expires time.Time // OpenPGP: end of the signature's life; zero: none
}

// Signer makes one signature.
type Signer interface {
	// Key says what it signs with: Kind, Key, NotAfter (nil: never ends), Public, Signing, as a trust document lists them
	// (OpenPGP: Signing[0] is the fingerprint of the very key that signs; a primary that can sign too follows). Holder is left empty.
	Key() keys.ManifestKey
	Sign(ctx context.Context, r Request) (Signature, error)
}

// InlineSigner also makes the one-object form manifest.json.gpg. Every OpenPGP signer here is one.
type InlineSigner interface {
	SignInline(ctx context.Context, r Request) ([]byte, error)
}

// RawSigner signs short texts (beacons) with plain Ed25519. Every minisign signer here is one.
type RawSigner interface {
	SignRaw(ctx context.Context, message []byte) ([]byte, error)
}

// Passphrase gives a key file's passphrase; nil when the file is not encrypted. It is asked only if needed.
type Passphrase func() ([]byte, error)

// Vote is one accepted signature.
type Vote struct {
	Holder    string
	Kind      keys.Kind
	Key       string
	Comment   string    // minisign: the trusted comment
	Signature Signature // the very one that was accepted
}
