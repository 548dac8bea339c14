package keys

import (
	"fmt"
	"slices"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// Skew is how far two clocks may differ.
const Skew = 5 * time.Minute

// Begin is when a key can sign at the earliest, by its certificate: of the signing keys that the entry names, the one that can first.
// A certificate that was made or renewed on a machine whose clock is ahead begins in the future, and no verifier
// accepts what it signs before. nil: it has no beginning (minisign), or cannot be read.
func (k ManifestKey) Begin() *time.Time {
	var first *time.Time
	for _, s := range k.signingKeys() {
		if first == nil || s.Begin.Before(*first) {
			first = &s.Begin
		}
	}
	return first
}

// BeginOf is Begin of one signing key.
func (k ManifestKey) BeginOf(fingerprint string) *time.Time {
	for _, s := range k.signingKeys() {
		if s.Fingerprint == fingerprint {
			return &s.Begin
		}
	}
	return nil
}

// signingKeys lists the keys of the certificate that the entry lets sign.
func (k ManifestKey) signingKeys() []PGPKey {
	if k.Kind != OpenPGP {
		return nil
	}
	cert, err := ReadCertificate([]byte(k.Public))
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(cert.Signing, func(s PGPKey) bool { return !slices.Contains(k.Signing, s.Fingerprint) })
}

// Pending is a key of the manifest role that can sign nothing yet.
type Pending struct {
	What  string // e.g. "the openpgp key <40 hex> of publisher"
	Key   string // the entry's id
	Begin time.Time
}

// NotYet lists the signing keys, of entries that are not revoked, that begin later than Skew after now. An entry is named
// when all its keys do so, else the subkey that does: a document that has one of them should not be signed before it is known why.
func (t *Trust) NotYet(now time.Time) []Pending {
	var list []Pending
	for _, k := range t.Manifest.Keys {
		if k.Revoked {
			continue
		}
		if k.early(now) {
			list = append(list, Pending{k.name(), k.Key, *k.Begin()})
			continue
		}
		for _, s := range k.signingKeys() {
			if tooEarly(&s.Begin, now) {
				list = append(list, Pending{fmt.Sprintf("the signing key %s of %s", s.Fingerprint, k.name()), k.Key, s.Begin})
			}
		}
	}
	return list
}

// early reports whether no key of the entry can sign yet.
func (k ManifestKey) early(now time.Time) bool { return tooEarly(k.Begin(), now) }

func tooEarly(begin *time.Time, now time.Time) bool {
	return begin != nil && begin.After(now.Add(Skew))
}

// begin is the first instant of the newest stretch of time in which a key can sign: with the primary, sub nil. An older
// self-signature that still holds until the newer one begins counts.
func begin(e *openpgp.Entity, sub *openpgp.Subkey) time.Time {
	valid := func(at time.Time) bool {
		config := PacketConfig(at)
		if _, err := e.VerifyPrimaryKey(at, config); err != nil || sub == nil {
			return err == nil
		}
		_, err := sub.Verify(at, config)
		return err == nil
	}
	// Validity begins at one of these only.
	starts := startsOf(e, sub)
	var first time.Time
	for _, at := range slices.Backward(starts) {
		if !first.IsZero() && !valid(first.Add(-time.Second)) {
			break
		}
		if valid(at) {
			first = at
		} else if !first.IsZero() {
			break
		}
	}
	if first.IsZero() {
		return starts[len(starts)-1]
	}
	return first
}

// startsOf lists, in order, when the keys and the signatures that bind them were made.
func startsOf(e *openpgp.Entity, sub *openpgp.Subkey) []time.Time {
	list := []time.Time{e.PrimaryKey.CreationTime.UTC()}
	add := func(sigs []*packet.VerifiableSignature) {
		for _, s := range sigs {
			list = append(list, s.Packet.CreationTime.UTC())
			if inner := s.Packet.EmbeddedSignature; inner != nil {
				list = append(list, inner.CreationTime.UTC())
			}
		}
	}
	add(e.DirectSignatures)
	for _, id := range e.Identities {
		add(id.SelfCertifications)
	}
	if sub != nil {
		list = append(list, sub.PublicKey.CreationTime.UTC())
		add(sub.Bindings)
	}
	slices.SortFunc(list, time.Time.Compare)
	return slices.CompactFunc(list, time.Time.Equal)
}
