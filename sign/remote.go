package sign

import (
	"context"
	"crypto"
	"time"

	"tidemark/keys"
)

// Remote is a key whose secret never leaves its place: an agent, a token, a service.
type Remote interface {
	// Public is an *rsa.PublicKey or an ed25519.PublicKey.
	Public() crypto.PublicKey
	// SignRemote signs: RSA by PKCS #1 v1.5 over the SHA-512 digest given (64 bytes); Ed25519 over the message itself, of at most
	// 4096 bytes.
	SignRemote(ctx context.Context, message []byte) ([]byte, error)
}

// MinisignRemote signs as minisign does with an Ed25519 key held elsewhere. The key's id is public's, whose key must be the
// remote's. The signer is a RawSigner, too.
func MinisignRemote(public keys.MinisignKey, r Remote) (Signer, error) { panic("stub") }

// MinisignOf is the minisign public key of an Ed25519 key that has none yet: its id is made of the key (the first eight bytes of
// its SHA-256), so that it is the same wherever it is made.
func MinisignOf(r Remote) (keys.MinisignKey, error) { panic("stub") }

// OpenPGPRemote signs with the key of the certificate that the remote holds, if allowed (see OpenPGPFile) and able to at now.
func OpenPGPRemote(certificate []byte, r Remote, allowed []string, now time.Time) (Signer, error) {
	panic("stub")
}

// CertifyRemote makes the armored certificate of a remote key: version 4, one user id, primary key that certifies and signs,
// created at now, ending after life.
func CertifyRemote(ctx context.Context, uid string, r Remote, now time.Time, life time.Duration) ([]byte, error) {
	panic("stub")
}
