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
	MaxSigs      = 16
)

// Signature is one member of an envelope.
type Signature struct {
	Kind  keys.Kind `json:"kind"`
	Key   string    `json:"key"`   // full fingerprint (openpgp: of the primary key) or minisign key id, capitals
	Value string    `json:"value"` // the text of the .asc or .minisig
}

// Envelope is a payload with its signatures: manifest.bundle.json, trust.json.
type Envelope struct {
	Payload    []byte      `json:"payload"`
	Signatures []Signature `json:"signatures"`
}

// ParseEnvelope reads strictly; max is the size limit in bytes.
func ParseEnvelope(b []byte, max int) (*Envelope, error) { panic("stub") }

// Encode writes the envelope: two-space indent, final LF.
func (e *Envelope) Encode() ([]byte, error) { panic("stub") }

// Request is what a signer is asked for.
type Request struct {
	Payload []byte
	Comment string    // minisign's trusted comment
	Issued  time.Time // signature creation time
	Expires time.Time // OpenPGP: end of the signature's life; zero: none
}

// Signer makes one signature. Implementations: file (here), gpg, ssh-agent, KMS (later).
type Signer interface {
	// Key says what it signs with: Kind, Key, NotAfter (nil: never ends), Public, Signing. Holder is left empty.
	Key() keys.ManifestKey
	Sign(ctx context.Context, r Request) (Signature, error)
}

// InlineSigner also makes the one-object form manifest.json.gpg. The OpenPGP file signer is one.
type InlineSigner interface {
	SignInline(ctx context.Context, r Request) ([]byte, error)
}

// RawSigner signs short texts (beacons) with plain Ed25519. The minisign file signer is one.
type RawSigner interface {
	SignRaw(ctx context.Context, message []byte) ([]byte, error)
}

// Passphrase gives a key file's passphrase; nil when the file is not encrypted. It is asked only if needed.
type Passphrase func() ([]byte, error)

// OpenPGPFile reads an armored private key (an offline primary with a signing subkey will do).
func OpenPGPFile(armored []byte, pass Passphrase, now time.Time) (Signer, error) { panic("stub") }

// MinisignFile reads a minisign secret key file, plain or encrypted.
func MinisignFile(text []byte, pass Passphrase) (Signer, error) { panic("stub") }

// Vote is one accepted signature.
type Vote struct {
	Holder  string
	Kind    keys.Kind
	Key     string
	Comment string // minisign: the trusted comment
}

// Verify checks signatures over payload against a role: thresholds count distinct holders, every required kind must be there.
// Unknown keys and bad signatures of known keys do not count; the error lists each with its reason. now: the verifier's clock.
func Verify(payload []byte, sigs []Signature, role keys.ManifestRole, now time.Time) ([]Vote, error) {
	panic("stub")
}

// VerifyRaw checks a beacon's signature by a minisign key of the role (neither revoked nor past not_after).
func VerifyRaw(message, signature []byte, keyID string, role keys.ManifestRole, now time.Time) error {
	panic("stub")
}

// OpenTrust reads a pinned trust.json: parsed strictly, signed by its own root threshold. Expiry is not judged here.
func OpenTrust(b []byte) (*keys.Trust, error) { panic("stub") }

// OpenInline returns the payload of an inline-signed OpenPGP message signed by a key of the role.
func OpenInline(msg []byte, role keys.ManifestRole, now time.Time) ([]byte, error) { panic("stub") }
