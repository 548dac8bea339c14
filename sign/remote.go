package sign

import (
	"context"
	"crypto"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/crypto/ed25519"

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

// maxRemote is the largest message that every remote signs (AWS KMS: MessageType RAW).
const maxRemote = 4096

// MinisignRemote signs as minisign does with an Ed25519 key held elsewhere. The key's id is public's, whose key must be the
// remote's. The signer is a RawSigner, too.
func MinisignRemote(public keys.MinisignKey, r Remote) (Signer, error) {
	theirs, err := remoteEd25519(r)
	if err != nil {
		return nil, fmt.Errorf("minisign key %s: %w", public.ID, err)
	}
	if !theirs.Equal(public.Public) {
		return nil, fmt.Errorf("minisign key %s: the public key file is of %x, but the key that would sign is %x", public.ID, []byte(public.Public), []byte(theirs))
	}
	return &minisignSigner{key: public, hand: remoteEdHand{theirs, r}}, nil
}

// MinisignOf is the minisign public key of an Ed25519 key that has none yet: its id is made of the key (the first eight bytes of
// its SHA-256), so that it is the same wherever it is made.
func MinisignOf(r Remote) (keys.MinisignKey, error) {
	public, err := remoteEd25519(r)
	if err != nil {
		return keys.MinisignKey{}, err
	}
	sum := sha256.Sum256(public)
	return keys.MinisignKey{ID: keys.MinisignID(binary.BigEndian.Uint64(sum[:])), Public: public}, nil
}

func remoteEd25519(r Remote) (ed25519.PublicKey, error) {
	public, ok := r.Public().(ed25519.PublicKey)
	if !ok || len(public) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("the key is a %T, expected an Ed25519 key", r.Public())
	}
	return public, nil
}

// edHand makes plain Ed25519 signatures (RFC 8032) where the secret is.
type edHand interface {
	sign(ctx context.Context, message []byte) ([]byte, error)
}

// localEdHand has the secret in memory.
type localEdHand struct{ secret ed25519.PrivateKey }

func (h localEdHand) sign(_ context.Context, message []byte) ([]byte, error) {
	return ed25519.Sign(h.secret, message), nil
}

// remoteEdHand believes no signature that it has not verified.
type remoteEdHand struct {
	public ed25519.PublicKey
	remote Remote
}

func (h remoteEdHand) sign(ctx context.Context, message []byte) ([]byte, error) {
	if len(message) > maxRemote {
		return nil, fmt.Errorf("%d bytes to sign, a key held elsewhere signs at most %d", len(message), maxRemote)
	}
	sig, err := h.remote.SignRemote(ctx, message)
	if err != nil {
		return nil, err
	}
	if !ed25519.Verify(h.public, message, sig) {
		return nil, errors.New("what came back is no signature of this key over these bytes")
	}
	return sig, nil
}
