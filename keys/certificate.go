package keys

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// MaxCertificate is the largest certificate that we read, in bytes.
const MaxCertificate = 64 << 10

const maxPackets = 256

// PGPKey is a key of a certificate.
type PGPKey struct {
	Fingerprint string // 40 hex digits in capitals
	Created     time.Time
	Begin       time.Time  // when it can sign at the earliest: it, and what binds it, may be dated in the future
	End         *time.Time // its own end; nil: none
}

// Certificate is one OpenPGP certificate that stock tools of today can use.
type Certificate struct {
	Primary PGPKey
	UserID  string   // the first among UserIDs
	UserIDs []string // all that the certificate stands by, as it has them
	Signing []PGPKey // the keys that may sign: subkeys, and the primary if its flags say so

	packets      []Packet
	revoked      []string  // fingerprints of subkeys that signed, and that the primary has revoked
	left         []leftOut // subkeys that sign, but not for us
	material     []string  // of the primary and of Signing
	primarySigns bool      // stock tools take what the primary signs
}

// leftOut is a subkey that is not in Signing, and why.
type leftOut struct {
	fingerprint string
	why         error
}

// Fingerprint writes a fingerprint as this package does: hex, in capitals.
func Fingerprint(b []byte) string { return fmt.Sprintf("%X", b) }

// PacketConfig is the algorithm policy for OpenPGP at an instant: RSA from 3072
// bits, and none of the broken hashes, in self-signatures too.
func PacketConfig(now time.Time) *packet.Config {
	weak := map[crypto.Hash]bool{crypto.MD5: true, crypto.SHA1: true, crypto.RIPEMD160: true, crypto.SHA224: true}
	return &packet.Config{
		Time:                        func() time.Time { return now },
		MinRSABits:                  rsaBits,
		RejectHashAlgorithms:        weak,
		RejectMessageHashAlgorithms: weak,
		RejectCurves:                map[packet.Curve]bool{packet.Curve448: true},
	}
}

// ReadCertificate reads exactly one public certificate, armored or binary. One that carries its own revocation is refused.
func ReadCertificate(b []byte) (*Certificate, error) {
	packets, err := certificatePackets(b)
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	return newCertificate(packets, (*Certificate).describe)
}

// readRevoked reads a certificate that carries its own revocation, and only such a one. Nothing but its fingerprint is described.
func readRevoked(b []byte) (*Certificate, error) {
	packets, err := certificatePackets(b)
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	return newCertificate(packets, func(c *Certificate, e *openpgp.Entity) error {
		c.Primary.Fingerprint = Fingerprint(e.PrimaryKey.Fingerprint)
		if !revokesItself(e) {
			return fmt.Errorf("certificate %s: carries no revocation of its own", c.Primary.Fingerprint)
		}
		return nil
	})
}

// revokesItself reports whether the primary key has signed its own revocation, for whatever reason: that a key was merely
// retired says nothing about signatures that a thief dates back.
func revokesItself(e *openpgp.Entity) bool {
	if e.Revoked(time.Time{}) { // judges each revocation signature, too
		return true
	}
	return slices.ContainsFunc(e.Revocations, func(r *packet.VerifiableSignature) bool { return r.Valid != nil && *r.Valid })
}

func certificatePackets(b []byte) ([]Packet, error) {
	if len(b) > MaxCertificate {
		return nil, fmt.Errorf("more than %d bytes; try gpg --export-options export-minimal", MaxCertificate)
	}
	if bytes.HasPrefix(b, []byte("-----BEGIN "+ArmorPrivate)) {
		return nil, errors.New("this is a private key; give its public part (gpg --armor --export)")
	}
	if bytes.HasPrefix(b, []byte("-----BEGIN ")) {
		var err error
		if b, err = dearmor(b, ArmorPublic, false); err != nil {
			return nil, err
		}
	}
	return SplitPackets(b, maxPackets)
}

// CertificateOf takes the public part of a key that was read or made.
func CertificateOf(e *openpgp.Entity) (*Certificate, error) {
	b, err := serializePublic(e)
	if err != nil {
		return nil, err
	}
	return ReadCertificate(b)
}

func newCertificate(packets []Packet, describe func(*Certificate, *openpgp.Entity) error) (c *Certificate, err error) {
	// The library has met hostile packets that made it panic.
	defer func() {
		if r := recover(); r != nil {
			c, err = nil, fmt.Errorf("certificate: cannot be read: %v", r)
		}
	}()
	if err := checkPackets(packets); err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	c = &Certificate{packets: packets}
	e, err := c.Entity()
	if err != nil {
		return nil, err
	}
	if err := describe(c, e); err != nil {
		return nil, err
	}
	return c, nil
}

// checkPackets refuses by the packets alone what would harm a keyring.
func checkPackets(packets []Packet) error {
	for i, p := range packets {
		switch p.Tag {
		case TagPublicKey, TagPublicSubkey:
			if (i == 0) != (p.Tag == TagPublicKey) {
				return errors.New("expected exactly one certificate, which begins with its primary key")
			}
			if err := checkKeyPacket(p); err != nil {
				return err
			}
		case TagSignature, TagUserID, TagUserAttribute:
			if i == 0 {
				return errors.New("does not begin with a public key")
			}
		case TagSecretKey, TagSecretSubkey:
			return errors.New("holds a secret key; give only its public part (gpg --export)")
		default:
			return fmt.Errorf("packet %d has tag %d, which belongs in no certificate", i+1, p.Tag)
		}
	}
	if len(packets) == 0 {
		return errors.New("is empty")
	}
	return nil
}

func checkKeyPacket(p Packet) error {
	if len(p.Body) < 6 {
		return errors.New("a key packet is cut short")
	}
	if v := p.Body[0]; v != 4 {
		return fmt.Errorf("a key of version %d, expected 4: gpg and sqv of today cannot read it", v)
	}
	const ed25519v6, ed448v6 = 27, 28
	switch algo := packet.PublicKeyAlgorithm(p.Body[5]); algo {
	case ed25519v6, ed448v6:
		return fmt.Errorf("public key algorithm %d, expected RSA (1) or EdDSA legacy (22): gpg of today cannot read it", algo)
	case packet.PubKeyAlgoRSA, packet.PubKeyAlgoRSASignOnly, packet.PubKeyAlgoEdDSA:
		return nil
	default:
		if p.Tag == TagPublicSubkey { // one that encrypts harms nobody
			return nil
		}
		return fmt.Errorf("public key algorithm %d (%s), expected RSA of at least %d bits or Ed25519", algo, algorithmName(algo), rsaBits)
	}
}

func algorithmName(a packet.PublicKeyAlgorithm) string {
	names := map[packet.PublicKeyAlgorithm]string{packet.PubKeyAlgoDSA: "DSA", packet.PubKeyAlgoECDSA: "ECDSA", packet.PubKeyAlgoElGamal: "Elgamal", packet.PubKeyAlgoECDH: "ECDH"}
	if n, ok := names[a]; ok {
		return n
	}
	return "unknown"
}

// Entity parses the certificate anew: the library keeps judgements inside it.
func (c *Certificate) Entity() (*openpgp.Entity, error) {
	list, err := openpgp.ReadKeyRing(bytes.NewReader(c.Binary()))
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	if len(list) != 1 {
		return nil, fmt.Errorf("certificate: %d keys could be read, expected 1", len(list))
	}
	return list[0], nil
}

// Binary is the certificate as a keyring for gpgv.
func (c *Certificate) Binary() []byte {
	var b []byte
	for _, p := range c.packets {
		b = append(b, p.Raw...)
	}
	return b
}

// Armored is the certificate in one armored block.
func (c *Certificate) Armored() ([]byte, error) { return Armor(ArmorPublic, c.Binary()) }

// SigningFingerprints lists the keys that may sign.
func (c *Certificate) SigningFingerprints() []string {
	var list []string
	for _, k := range c.Signing {
		list = append(list, k.Fingerprint)
	}
	return list
}

// only returns the packets without the subkeys that are not in signing. The primary stays, as it must: that signing names
// one that can sign is for Check to see. So an exported keyring accepts the keys that the trust document does.
func (c *Certificate) only(signing []string) []byte {
	return c.keep(signing, func(Packet) bool { return true })
}

// keep is only, with the user ids and pictures that user wants, each with its signatures.
func (c *Certificate) keep(signing []string, user func(Packet) bool) []byte {
	var b []byte
	keep := true
	for _, p := range c.packets {
		switch p.Tag {
		case TagPublicSubkey:
			parsed, err := packet.Read(bytes.NewReader(p.Raw))
			key, ok := parsed.(*packet.PublicKey)
			keep = err == nil && ok && slices.Contains(signing, Fingerprint(key.Fingerprint))
		case TagUserID, TagUserAttribute:
			keep = user(p)
		}
		if keep {
			b = append(b, p.Raw...)
		}
	}
	return b
}

// serializePublic writes what the library's Serialize does, but identities in order.
func serializePublic(e *openpgp.Entity) ([]byte, error) { return serialize(e, false) }

func serializePrivate(e *openpgp.Entity) ([]byte, error) { return serialize(e, true) }

func serialize(e *openpgp.Entity, secret bool) ([]byte, error) {
	var out bytes.Buffer
	var err error
	add := func(f func() error) {
		if err == nil {
			err = f()
		}
	}
	if secret {
		add(func() error { return e.PrivateKey.Serialize(&out) })
	} else {
		add(func() error { return e.PrimaryKey.Serialize(&out) })
	}
	for _, s := range slices.Concat(e.Revocations, e.DirectSignatures) {
		add(func() error { return s.Packet.Serialize(&out) })
	}
	names := make([]string, 0, len(e.Identities))
	for name := range e.Identities {
		names = append(names, name)
	}
	slices.SortFunc(names, strings.Compare)
	for _, name := range names {
		add(func() error { return e.Identities[name].Serialize(&out) })
	}
	for i := range e.Subkeys {
		add(func() error { return e.Subkeys[i].Serialize(&out, secret) })
	}
	if err != nil {
		return nil, fmt.Errorf("write the OpenPGP key: %w", err)
	}
	return out.Bytes(), nil
}
