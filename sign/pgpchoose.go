package sign

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"tidemark/keys"
)

// ableKey is a key of a certificate that can sign, and since when: a signature older than its key or the key's binding is
// refused by all.
type ableKey struct {
	public   *packet.PublicKey
	earliest time.Time
}

func (k ableKey) fingerprint() string { return keys.Fingerprint(k.public.Fingerprint) }

// chooseKey takes the newest allowed subkey that can sign now and whose secret is here, else the primary. The signer has no
// hand yet.
func chooseKey(e *openpgp.Entity, cert *keys.Certificate, here func(*packet.PublicKey) bool, allowed []string, now time.Time) (*pgpSigner, error) {
	able, err := ableKeys(e, cert, here, now)
	if (err != nil || len(able) == 0) && over(e, here, now) {
		return nil, fmt.Errorf("at %s: %w; add one with gpg --quick-add-key %s rsa3072 sign 1y", rfc3339(now), ErrOver, cert.Primary.Fingerprint)
	}
	if err != nil {
		return nil, err
	}
	if len(able) == 0 {
		return nil, fmt.Errorf("no key in it can sign at %s: each has ended, is revoked, is for something else, or its secret is not there; add one with gpg --quick-add-key %s rsa3072 sign 1y", rfc3339(now), cert.Primary.Fingerprint)
	}
	var found []string
	for _, k := range able {
		if allowed == nil || slices.Contains(allowed, k.fingerprint()) {
			return newPGPSigner(cert, k)
		}
		found = append(found, k.fingerprint())
	}
	return nil, fmt.Errorf("%w: it can sign with %s, but the trust document names %s", ErrNotAllowed, strings.Join(found, ", "), cmp.Or(strings.Join(allowed, ", "), "no OpenPGP key"))
}

// ableKeys lists the keys that can sign now: subkeys, the newest first, and then the primary.
func ableKeys(e *openpgp.Entity, cert *keys.Certificate, here func(*packet.PublicKey) bool, now time.Time) ([]ableKey, error) {
	config := keys.PacketConfig(now)
	at := now
	if at.Before(cert.Primary.Created) { // a key made a moment ago, by a clock a little ahead
		at = cert.Primary.Created
	}
	self, err := e.VerifyPrimaryKey(at, config)
	if err != nil {
		return nil, fmt.Errorf("primary key at %s: %w", rfc3339(at), err)
	}
	var able []ableKey
	for i := range e.Subkeys {
		sub := &e.Subkeys[i]
		if !here(sub.PublicKey) {
			continue
		}
		binding, err := sub.Verify(at, config)
		if err != nil || !slices.Contains(cert.SigningFingerprints(), keys.Fingerprint(sub.PublicKey.Fingerprint)) {
			continue
		}
		able = append(able, ableKey{sub.PublicKey, latest(sub.PublicKey.CreationTime, binding.CreationTime, self.CreationTime)})
	}
	slices.SortStableFunc(able, func(a, b ableKey) int { return b.public.CreationTime.Compare(a.public.CreationTime) })
	if self.FlagsValid && self.FlagSign && here(e.PrimaryKey) {
		able = append(able, ableKey{e.PrimaryKey, latest(e.PrimaryKey.CreationTime, self.CreationTime)})
	}
	return able, nil
}

func latest(times ...time.Time) time.Time {
	return slices.MaxFunc(times, time.Time.Compare)
}

// newPGPSigner describes the key as a trust document lists it.
func newPGPSigner(cert *keys.Certificate, k ableKey) (*pgpSigner, error) {
	armored, err := cert.Armored()
	if err != nil {
		return nil, err
	}
	mine := k.fingerprint()
	s := &pgpSigner{earliest: k.earliest}
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
	return s, nil
}
