package keys

import (
	"bytes"
	"crypto/rsa"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/eddsa"
	pgperrors "github.com/ProtonMail/go-crypto/openpgp/errors"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// describe fills in fingerprints and ends. The instant zero leaves expiry
// aside: whether a key has ended is for those who verify.
func (c *Certificate) describe(e *openpgp.Entity) error {
	config := PacketConfig(time.Time{})
	if err := strongEnough(e.PrimaryKey); err != nil {
		return fmt.Errorf("certificate: primary key: %w", err)
	}
	self, err := e.VerifyPrimaryKey(time.Time{}, config)
	if err != nil {
		return fmt.Errorf("certificate %s: %w", Fingerprint(e.PrimaryKey.Fingerprint), c.explainSelf(err))
	}
	if revokesItself(e) {
		return fmt.Errorf("certificate %s: is revoked, by its own key", Fingerprint(e.PrimaryKey.Fingerprint))
	}
	c.Primary = pgpKey(e.PrimaryKey, self)
	c.Primary.Begin = begin(e, nil)
	if direct, err := e.LatestValidDirectSignature(time.Time{}, config); err == nil {
		c.Primary.End = Earliest(c.Primary.End, lifeEnd(e.PrimaryKey, direct))
	}
	if _, id := e.PrimaryIdentity(time.Time{}, config); id != nil {
		c.UserID = id.Name
	}
	c.UserIDs = c.userIDs(e, config)
	c.primarySigns = signsForStockTools(e, self, config)
	c.material = []string{material(e.PrimaryKey)}
	for i := range e.Subkeys {
		c.describeSubkey(e, &e.Subkeys[i], config)
	}
	if self.FlagsValid && self.FlagSign {
		c.Signing = append(c.Signing, c.Primary)
	}
	if len(c.Signing) == 0 {
		return fmt.Errorf("certificate %s: no key in it may sign%s; add one with gpg --quick-add-key %s rsa%d sign 1y", c.Primary.Fingerprint, c.whyLeftOut(), c.Primary.Fingerprint, rsaBits)
	}
	return nil
}

// signsForStockTools reports whether gpgv takes what the primary signs: some user id, not only the first, gives it the
// flag, or gives it no flags at all.
func signsForStockTools(e *openpgp.Entity, self *packet.Signature, config *packet.Config) bool {
	signs := func(s *packet.Signature) bool { return !s.FlagsValid || s.FlagSign }
	for _, id := range e.Identities {
		if s, err := id.LatestValidSelfCertification(time.Time{}, config); err == nil && signs(s) {
			return true
		}
	}
	return signs(self)
}

// describeSubkey leaves out a subkey that nobody should sign with: one that is not used harms nobody.
func (c *Certificate) describeSubkey(e *openpgp.Entity, s *openpgp.Subkey, config *packet.Config) {
	leave := func(why error) {
		c.left = append(c.left, leftOut{Fingerprint(s.PublicKey.Fingerprint), why})
	}
	binding, err := s.Verify(time.Time{}, config)
	if errors.Is(err, pgperrors.ErrKeyRevoked) {
		c.describeRevoked(s, config)
	}
	if err != nil {
		leave(err)
		return
	}
	if !binding.FlagsValid || !binding.FlagSign {
		return
	}
	if err := strongEnough(s.PublicKey); err != nil {
		leave(err)
		return
	}
	k := pgpKey(s.PublicKey, binding)
	k.Begin, k.End = begin(e, s), Earliest(k.End, c.Primary.End)
	c.Signing = append(c.Signing, k)
	c.material = append(c.material, material(s.PublicKey))
}

// describeRevoked remembers a revoked subkey that could sign: its revocation is handed on, and it may not come back elsewhere.
func (c *Certificate) describeRevoked(s *openpgp.Subkey, config *packet.Config) {
	if b, err := s.LatestValidBindingSignature(time.Time{}, config); err == nil && b.FlagsValid && b.FlagSign {
		c.revoked = append(c.revoked, Fingerprint(s.PublicKey.Fingerprint))
		c.material = append(c.material, material(s.PublicKey))
	}
}

// userIDs lists the user ids with a good self-signature, in the order of the packets, the first as UserID has it.
func (c *Certificate) userIDs(e *openpgp.Entity, config *packet.Config) []string {
	var list []string
	if c.UserID != "" {
		list = append(list, c.UserID)
	}
	for _, p := range c.packets {
		if p.Tag != TagUserID || slices.Contains(list, string(p.Body)) {
			continue
		}
		if id, ok := e.Identities[string(p.Body)]; ok {
			if _, err := id.Verify(time.Time{}, config); err == nil {
				list = append(list, id.Name)
			}
		}
	}
	return list
}

// whyLeftOut lists the subkeys left out, with the reason.
func (c *Certificate) whyLeftOut() string {
	var b strings.Builder
	for _, l := range c.left {
		fmt.Fprintf(&b, " (subkey %s: %v)", l.fingerprint, l.why)
	}
	return b.String()
}

// material is what a key is made of: the RSA modulus, or the 32 bytes of an Ed25519 key as minisign holds them.
// Dates and ids around it are chosen freely.
func material(k *packet.PublicKey) string {
	switch p := k.PublicKey.(type) {
	case *rsa.PublicKey:
		return string(p.N.Bytes())
	case *eddsa.PublicKey:
		return string(p.X)
	}
	return Fingerprint(k.Fingerprint)
}

// packetMaterial is the material of every key in a certificate, as far as it can be read, whether its signatures are good or not: a
// revoked key stays what it is made of, under any date, name or binding.
func packetMaterial(public []byte) (list []string) {
	// The library has met hostile packets that made it panic.
	defer func() { _ = recover() }()
	packets, err := certificatePackets(public)
	if err != nil {
		return nil
	}
	for _, p := range packets {
		if p.Tag != TagPublicKey && p.Tag != TagPublicSubkey {
			continue
		}
		parsed, err := packet.Read(bytes.NewReader(p.Raw))
		if key, ok := parsed.(*packet.PublicKey); err == nil && ok {
			list = append(list, material(key))
		}
	}
	return list
}

// explainSelf says why no self-signature will do: most often it is SHA-1.
func (c *Certificate) explainSelf(err error) error {
	e, readErr := c.Entity()
	if readErr != nil {
		return err
	}
	if _, lax := e.VerifyPrimaryKey(time.Time{}, &packet.Config{}); lax == nil {
		return errors.New("its self-signature uses a broken hash (SHA-1?); renew it with gpg --cert-digest-algo SHA512 --quick-set-expire")
	}
	return err
}

func strongEnough(k *packet.PublicKey) error {
	switch k.PubKeyAlgo {
	case packet.PubKeyAlgoRSA, packet.PubKeyAlgoRSASignOnly:
		if n, err := k.BitLength(); err != nil || n < rsaBits {
			return fmt.Errorf("RSA of %d bits, expected at least %d", n, rsaBits)
		}
		return nil
	case packet.PubKeyAlgoEdDSA:
		if curve, err := k.Curve(); err != nil || curve != packet.Curve25519 {
			return fmt.Errorf("EdDSA on %s, expected Ed25519", curve)
		}
		if p, ok := k.PublicKey.(*eddsa.PublicKey); ok {
			return checkPoint(p.X)
		}
		return nil
	}
	return fmt.Errorf("public key algorithm %d (%s), expected RSA of at least %d bits or Ed25519", k.PubKeyAlgo, algorithmName(k.PubKeyAlgo), rsaBits)
}

func pgpKey(k *packet.PublicKey, s *packet.Signature) PGPKey {
	return PGPKey{Fingerprint: Fingerprint(k.Fingerprint), Created: k.CreationTime.UTC(), End: lifeEnd(k, s)}
}

// lifeEnd is when the key ends by this self-signature, or the self-signature itself does.
func lifeEnd(k *packet.PublicKey, s *packet.Signature) *time.Time {
	return Earliest(after(k.CreationTime, s.KeyLifetimeSecs), after(s.CreationTime, s.SigLifetimeSecs))
}

// after is nil, never, for no seconds and for 0 (RFC 4880, 5.2.3.6 and 5.2.3.10).
func after(start time.Time, seconds *uint32) *time.Time {
	if seconds == nil || *seconds == 0 {
		return nil
	}
	t := start.UTC().Add(time.Duration(*seconds) * time.Second)
	return &t
}

// Earliest returns the earlier end; nil is never.
func Earliest(a, b *time.Time) *time.Time {
	if a == nil || b != nil && b.Before(*a) {
		return b
	}
	return a
}
