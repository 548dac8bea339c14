package sign

import (
	"bytes"
	"cmp"
	"context"
	"crypto"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"tidemark/keys"
)

// pgpSigner signs with one key of an OpenPGP private key file.
type pgpSigner struct {
	key      keys.ManifestKey
	secret   *packet.PrivateKey
	earliest time.Time // a signature older than its key or the key's binding is refused by all
}

// ErrNotAllowed is wrapped by OpenPGPFile when the file has keys that can sign, but none that is allowed to.
var ErrNotAllowed = errors.New("no key in it is allowed to sign")

// OpenPGPFile reads an armored private key (an offline primary with a signing subkey will do). It signs
// with the newest subkey that may sign at now and whose secret is there, or else with the primary. allowed are the
// fingerprints to choose from, 40 hex digits in capitals: what the trust document lists as signing, so that a subkey
// made since is not taken before the trust document knows it; nil allows any. The signer is an InlineSigner, too.
func OpenPGPFile(armored []byte, pass Passphrase, allowed []string, now time.Time) (signer Signer, err error) {
	defer recovered(&err)
	e, err := readPrivate(armored)
	if err != nil {
		return nil, fmt.Errorf("openpgp private key: %w", err)
	}
	cert, err := keys.CertificateOf(e)
	if err != nil {
		return nil, fmt.Errorf("openpgp private key: %w", err)
	}
	s, err := chooseKey(e, cert, allowed, now)
	if err != nil {
		return nil, fmt.Errorf("openpgp private key %s: %w", cert.Primary.Fingerprint, err)
	}
	if s.secret.Encrypted {
		p, err := askPassphrase(pass)
		if err != nil {
			return nil, fmt.Errorf("openpgp private key: %w", err)
		}
		if err := s.secret.Decrypt(p); err != nil {
			return nil, errors.New("openpgp private key: the passphrase is wrong, or the file is damaged")
		}
	}
	return s, nil
}

func readPrivate(armored []byte) (*openpgp.Entity, error) {
	if len(armored) > 2*keys.MaxCertificate {
		return nil, fmt.Errorf("%d bytes, at most %d are read", len(armored), 2*keys.MaxCertificate)
	}
	if bytes.HasPrefix(armored, []byte("-----BEGIN "+keys.ArmorPublic)) {
		return nil, errors.New("this is only the public part; export the secret one with gpg --armor --export-secret-subkeys")
	}
	body, err := keys.Dearmor(armored, keys.ArmorPrivate)
	if err != nil {
		return nil, err
	}
	list, err := openpgp.ReadKeyRing(bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if len(list) != 1 || list[0].PrivateKey == nil {
		return nil, fmt.Errorf("found %d private keys, expected 1", len(list))
	}
	return list[0], nil
}

// chooseKey takes the newest allowed subkey that can sign now, else the primary.
func chooseKey(e *openpgp.Entity, cert *keys.Certificate, allowed []string, now time.Time) (*pgpSigner, error) {
	able, err := ableKeys(e, cert, now)
	if err != nil {
		return nil, err
	}
	if len(able) == 0 {
		return nil, fmt.Errorf("no key in it can sign at %s: each has ended, is revoked, is for something else, or its secret is not in the file; add one with gpg --quick-add-key %s rsa3072 sign 1y and export again", rfc3339(now), cert.Primary.Fingerprint)
	}
	for _, s := range able {
		if allowed == nil || slices.Contains(allowed, keys.Fingerprint(s.secret.Fingerprint)) {
			return s, s.describe(cert)
		}
	}
	var found []string
	for _, s := range able {
		found = append(found, keys.Fingerprint(s.secret.Fingerprint))
	}
	return nil, fmt.Errorf("%w: it can sign with %s, but the trust document names %s", ErrNotAllowed, strings.Join(found, ", "), cmp.Or(strings.Join(allowed, ", "), "no OpenPGP key"))
}

// ableKeys lists the keys that can sign now: subkeys, the newest first, and then the primary.
func ableKeys(e *openpgp.Entity, cert *keys.Certificate, now time.Time) ([]*pgpSigner, error) {
	config := keys.PacketConfig(now)
	at := now
	if at.Before(cert.Primary.Created) { // a key made a moment ago, by a clock a little ahead
		at = cert.Primary.Created
	}
	self, err := e.VerifyPrimaryKey(at, config)
	if err != nil {
		return nil, fmt.Errorf("primary key at %s: %w", rfc3339(at), err)
	}
	var able []*pgpSigner
	for i := range e.Subkeys {
		sub := &e.Subkeys[i]
		if sub.PrivateKey == nil || sub.PrivateKey.Dummy() {
			continue
		}
		binding, err := sub.Verify(at, config)
		if err != nil || !slices.Contains(cert.SigningFingerprints(), keys.Fingerprint(sub.PublicKey.Fingerprint)) {
			continue
		}
		able = append(able, &pgpSigner{secret: sub.PrivateKey, earliest: latest(sub.PublicKey.CreationTime, binding.CreationTime, self.CreationTime)})
	}
	slices.SortStableFunc(able, func(a, b *pgpSigner) int { return b.secret.CreationTime.Compare(a.secret.CreationTime) })
	if self.FlagsValid && self.FlagSign && !e.PrivateKey.Dummy() {
		able = append(able, &pgpSigner{secret: e.PrivateKey, earliest: latest(e.PrimaryKey.CreationTime, self.CreationTime)})
	}
	return able, nil
}

func latest(times ...time.Time) time.Time {
	t := times[0]
	for _, x := range times[1:] {
		if x.After(t) {
			t = x
		}
	}
	return t
}

func (s *pgpSigner) describe(cert *keys.Certificate) error {
	armored, err := cert.Armored()
	if err != nil {
		return err
	}
	mine := keys.Fingerprint(s.secret.Fingerprint)
	s.key = keys.ManifestKey{Kind: keys.OpenPGP, Key: cert.Primary.Fingerprint, Public: string(armored), Signing: []string{mine}}
	for _, k := range cert.Signing {
		if k.Fingerprint == mine && k.End != nil {
			end := strictTime(*k.End)
			s.key.NotAfter = &end
		}
		if k.Fingerprint == cert.Primary.Fingerprint && k.Fingerprint != mine {
			s.key.Signing = append(s.key.Signing, k.Fingerprint) // a trust document must name it
		}
	}
	return nil
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
	raw, made, err := s.packet(r)
	if err != nil {
		return Signature{}, fmt.Errorf("openpgp signature by %s: %w", s.key.Signing[0], err)
	}
	text, err := keys.Armor(keys.ArmorSignature, raw)
	if err != nil {
		return Signature{}, err
	}
	sig = Signature{Kind: keys.OpenPGP, Key: s.key.Key, Value: string(text)}
	// A signer that failed without a word, or a key that nobody accepts, shows here and not at the mirrors.
	if err := (judge{now: made}).openpgp(r.Payload, sig.Value, s.key); err != nil {
		return Signature{}, fmt.Errorf("openpgp signature by %s does not verify: %w", s.key.Signing[0], err)
	}
	return sig, nil
}

// packet returns the signature packet and its creation time.
func (s *pgpSigner) packet(r Request) ([]byte, time.Time, error) {
	made := latest(r.Issued, s.earliest).UTC().Truncate(time.Second)
	if made.Before(s.earliest) {
		made = made.Add(time.Second)
	}
	if s.key.NotAfter != nil && !made.Before(s.key.NotAfter.Time) {
		return nil, made, fmt.Errorf("the key ended at %s", rfc3339(s.key.NotAfter.Time))
	}
	lifetime, err := lifetimeSeconds(made, r.Expires)
	if err != nil {
		return nil, made, err
	}
	plain := false
	config := &packet.Config{NonDeterministicSignaturesViaNotation: &plain}
	sig := &packet.Signature{
		Version:         pgpVersion,
		SigType:         packet.SigTypeBinary,
		PubKeyAlgo:      s.secret.PubKeyAlgo,
		Hash:            crypto.SHA512,
		CreationTime:    made,
		IssuerKeyId:     &s.secret.KeyId,
		SigLifetimeSecs: &lifetime,
	}
	h, err := sig.PrepareSign(config)
	if err != nil {
		return nil, made, err
	}
	h.Write(r.Payload)
	if err := sig.Sign(h, s.secret, config); err != nil {
		return nil, made, err
	}
	var out bytes.Buffer
	err = sig.Serialize(&out)
	return out.Bytes(), made, err
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

// SignInline makes the one-object form.
func (s *pgpSigner) SignInline(ctx context.Context, r Request) ([]byte, error) {
	sig, err := s.Sign(ctx, r)
	if err != nil {
		return nil, err
	}
	return Inline(r.Payload, sig)
}
