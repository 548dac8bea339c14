package sign

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"tidemark/keys"
)

// ErrNotAllowed is wrapped when there are keys that can sign, but none that is allowed to.
var ErrNotAllowed = errors.New("no key in it is allowed to sign")

// pgpSigner signs with one key of an OpenPGP certificate. What is the same for every place where the secret may be is here:
// the signature's times, its armor, and that it is read back before anybody gets it.
type pgpSigner struct {
	key      keys.ManifestKey
	earliest time.Time // of the key and its binding
	hand     pgpHand
}

// pgpHand makes the signature packet where the secret is: version 4, type 0x00, SHA-512, made at a time in whole seconds,
// living for so many seconds (0: for ever).
type pgpHand interface {
	packet(ctx context.Context, payload []byte, made time.Time, lifetime uint32) ([]byte, error)
}

// Key is the key as a trust document lists it: the first of Signing is the very key that signs, and the primary follows
// if it can sign too.
func (s *pgpSigner) Key() keys.ManifestKey { return s.key }

// Sign makes a detached signature: the same request gives the same bytes with an RSA key.
func (s *pgpSigner) Sign(ctx context.Context, r Request) (sig Signature, err error) {
	defer recovered(&err)
	if err := ctx.Err(); err != nil {
		return Signature{}, err
	}
	made, lifetime, err := s.times(r)
	if err != nil {
		return Signature{}, fmt.Errorf("openpgp signature by %s: %w", s.key.Signing[0], err)
	}
	raw, err := s.hand.packet(ctx, r.Payload, made, lifetime)
	if err != nil {
		return Signature{}, fmt.Errorf("openpgp signature by %s: %w", s.key.Signing[0], err)
	}
	text, err := keys.Armor(keys.ArmorSignature, raw)
	if err != nil {
		return Signature{}, err
	}
	// A signer that failed without a word, or a key that nobody accepts, shows here and not at the mirrors.
	if err := s.check(r.Payload, string(text), made, lifetime); err != nil {
		return Signature{}, fmt.Errorf("openpgp signature by %s does not verify: %w", s.key.Signing[0], err)
	}
	return Signature{Kind: keys.OpenPGP, Key: s.key.Key, Value: string(text)}, nil
}

// times are when a signature is made, in whole seconds, and how long it lives.
func (s *pgpSigner) times(r Request) (made time.Time, lifetime uint32, err error) {
	made = latest(r.Issued, s.earliest).UTC().Truncate(time.Second)
	if made.Before(s.earliest) {
		made = made.Add(time.Second)
	}
	if s.key.NotAfter != nil && !made.Before(s.key.NotAfter.Time) {
		return made, 0, fmt.Errorf("the key ended at %s", rfc3339(s.key.NotAfter.Time))
	}
	lifetime, err = lifetimeSeconds(made, r.Expires)
	return made, lifetime, err
}

// lifetimeSeconds is 0 for a signature that never expires.
func lifetimeSeconds(made, expires time.Time) (uint32, error) {
	if expires.IsZero() {
		return 0, nil
	}
	n := int64(expires.Sub(made) / time.Second)
	if n < 1 || n > math.MaxUint32 {
		return 0, fmt.Errorf("it would be made at %s and expire at %s", rfc3339(made), rfc3339(expires))
	}
	return uint32(n), nil
}

// check reads a signature back as a client does, at the moment that it was made, and insists that it is what was asked for:
// by the key that Key names first, with these times.
func (s *pgpSigner) check(payload []byte, text string, made time.Time, lifetime uint32) error {
	only := s.key
	only.Signing = only.Signing[:1]
	if err := (judge{now: made}).openpgp(payload, text, only); err != nil {
		return err
	}
	got, err := dearmorSignature(text)
	if err != nil {
		return err
	}
	var lives uint32
	if got.SigLifetimeSecs != nil {
		lives = *got.SigLifetimeSecs
	}
	if !got.CreationTime.Equal(made) || lives != lifetime {
		return fmt.Errorf("made at %s for %d seconds, asked for %s and %d", rfc3339(got.CreationTime), lives, rfc3339(made), lifetime)
	}
	if got.hash != pgpHash512 {
		return fmt.Errorf("its hash algorithm is %d, asked for SHA-512 (%d)", got.hash, pgpHash512)
	}
	return nil
}

// SignInline makes the one-object form.
func (s *pgpSigner) SignInline(ctx context.Context, r Request) ([]byte, error) {
	sig, err := s.Sign(ctx, r)
	if err != nil {
		return nil, err
	}
	return Inline(r.Payload, sig)
}

// librarySignature lets the library make a hand's packet with a key that it holds, or believes to hold.
func librarySignature(payload []byte, secret *packet.PrivateKey, made time.Time, lifetime uint32) ([]byte, error) {
	config := withoutSalt()
	sig := &packet.Signature{
		Version:         pgpVersion,
		SigType:         packet.SigTypeBinary,
		PubKeyAlgo:      secret.PubKeyAlgo,
		Hash:            crypto.SHA512,
		CreationTime:    made,
		IssuerKeyId:     &secret.KeyId,
		SigLifetimeSecs: &lifetime,
	}
	h, err := sig.PrepareSign(config)
	if err != nil {
		return nil, err
	}
	h.Write(payload)
	if err := sig.Sign(h, secret, config); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = sig.Serialize(&out)
	return out.Bytes(), err
}

// withoutSalt keeps a random notation out of signatures, so that the same request gives the same bytes.
func withoutSalt() *packet.Config {
	plain := false
	return &packet.Config{NonDeterministicSignaturesViaNotation: &plain}
}
