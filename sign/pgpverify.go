package sign

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	pgperrors "github.com/ProtonMail/go-crypto/openpgp/errors"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"tidemark/keys"
)

// openpgp judges the text of an .asc by one key of the role.
func (j judge) openpgp(payload []byte, text string, k keys.ManifestKey) (err error) {
	defer recovered(&err)
	s, err := dearmorSignature(text)
	if err != nil {
		return err
	}
	return j.pgpSignature(payload, s, k)
}

// recovered turns a panic of the library on hostile packets into a refusal.
func recovered(err *error) {
	if r := recover(); r != nil {
		*err = faultf(Malformed, "cannot be read: %v", r)
	}
}

// pgpSignature verifies with a ring of this one certificate: the library takes
// the first key of a 64-bit id, and ids can be made to collide.
func (j judge) pgpSignature(payload []byte, s *pgpSignature, k keys.ManifestKey) error {
	if err := j.life(s); err != nil {
		return err
	}
	cert, err := keys.ReadCertificate([]byte(k.Public))
	if err != nil {
		return faultf(Algorithm, "%v", err)
	}
	if cert.Primary.Fingerprint != k.Key {
		return faultf(UnknownKey, "the certificate in the trust document is of %s", cert.Primary.Fingerprint)
	}
	e, err := cert.Entity()
	if err != nil {
		return faultf(Malformed, "%v", err)
	}
	signer, err := verifyByEntity(payload, s, e)
	if err != nil {
		return err
	}
	if !slices.Contains(k.Signing, signer) {
		return faultf(UnknownKey, "made by %s, which the trust document does not let sign (it names %s)", signer, strings.Join(k.Signing, ", "))
	}
	return j.alive(e, signer, s.CreationTime)
}

// life judges the signature's own times.
func (j judge) life(s *pgpSignature) error {
	if s.CreationTime.After(j.now.Add(Skew)) {
		return faultf(FutureDated, "made at %s, but it is %s; check the clock", rfc3339(s.CreationTime), rfc3339(j.now))
	}
	if s.SigLifetimeSecs == nil || *s.SigLifetimeSecs == 0 {
		return nil
	}
	end := s.CreationTime.Add(time.Duration(*s.SigLifetimeSecs) * time.Second)
	if j.over(&end) {
		return faultf(Expired, "the signature expired at %s", rfc3339(end))
	}
	return nil
}

func rfc3339(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// verifyByEntity returns the fingerprint of the key that made s over payload. The key
// must have been good when it did.
func verifyByEntity(payload []byte, s *pgpSignature, e *openpgp.Entity) (string, error) {
	config := keys.PacketConfig(s.CreationTime)
	md, err := openpgp.VerifyDetachedSignatureReader(openpgp.EntityList{e}, bytes.NewReader(payload), bytes.NewReader(s.raw), config)
	if err != nil {
		return "", faultf(Malformed, "%v", err)
	}
	if _, err := io.Copy(io.Discard, md.UnverifiedBody); err != nil {
		return "", faultf(Malformed, "%v", err)
	}
	if md.SignatureError != nil {
		return "", faultf(causeOf(md.SignatureError), "%v", md.SignatureError)
	}
	if len(md.SignatureCandidates) != 1 || md.SignedBy == nil || md.SignatureCandidates[0].SignedBy == nil {
		return "", faultf(BadSignature, "not verified")
	}
	return keys.Fingerprint(md.SignatureCandidates[0].SignedBy.PublicKey.Fingerprint), nil
}

func causeOf(err error) Cause {
	var weak pgperrors.WeakAlgorithmError
	switch {
	case errors.Is(err, pgperrors.ErrUnknownIssuer):
		return UnknownKey
	case errors.Is(err, pgperrors.ErrKeyRevoked):
		return RevokedKey
	case errors.Is(err, pgperrors.ErrKeyExpired):
		return EndedKey
	case errors.As(err, &weak):
		return Algorithm
	}
	return BadSignature
}

// alive refuses a key that has ended or was revoked since: the library, and
// gpg, accept what it signed before.
func (j judge) alive(e *openpgp.Entity, signer string, made time.Time) error {
	if j.anyAge {
		return nil
	}
	at := j.now.Add(-Skew)
	if at.Before(made) {
		at = made
	}
	config := keys.PacketConfig(at)
	if _, err := e.VerifyPrimaryKey(at, config); err != nil {
		return faultf(causeOfKey(err), "primary key: %v", err)
	}
	for i := range e.Subkeys {
		sub := &e.Subkeys[i]
		if keys.Fingerprint(sub.PublicKey.Fingerprint) != signer {
			continue
		}
		if _, err := sub.Verify(at, config); err != nil {
			return faultf(causeOfKey(err), "signing subkey: %v", err)
		}
	}
	return nil
}

func causeOfKey(err error) Cause {
	if c := causeOf(err); c != BadSignature {
		return c
	}
	return EndedKey
}
