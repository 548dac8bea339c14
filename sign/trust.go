package sign

import (
	"fmt"

	"tidemark/keys"
)

// OpenTrust reads a pinned trust.json: parsed strictly, signed by its own root threshold. Expiry is not judged here.
func OpenTrust(b []byte) (*keys.Trust, error) {
	e, err := ParseEnvelope(b, MaxTrustFile)
	if err != nil {
		return nil, fmt.Errorf("trust.json: %w", err)
	}
	t, err := keys.ParseTrust(e.Payload)
	if err != nil {
		return nil, err
	}
	if err := verifyRoot(e, t); err != nil {
		return nil, err
	}
	return t, nil
}

// NextTrust reads the trust.json that follows old, by the rules of TUF's root role (The Update Framework, 5.3): signed by the
// root thresholds of old and of the new one, of the same network, its version higher by exactly one. Expiry is not judged here.
func NextTrust(old *keys.Trust, b []byte) (*keys.Trust, error) {
	e, err := ParseEnvelope(b, MaxTrustFile)
	if err != nil {
		return nil, fmt.Errorf("trust.json: %w", err)
	}
	if err := verifyRoot(e, old); err != nil {
		return nil, err
	}
	t, err := keys.ParseTrust(e.Payload)
	if err != nil {
		return nil, err
	}
	if err := follows(old, t); err != nil {
		return nil, err
	}
	if err := verifyRoot(e, t); err != nil {
		return nil, err
	}
	return t, nil
}

// follows says whether t may stand right behind old, whoever signed it.
func follows(old, t *keys.Trust) error {
	if t.Network != old.Network {
		return fmt.Errorf("trust document: of network %q, expected %q", t.Network, old.Network)
	}
	if t.Version != old.Version+1 {
		return fmt.Errorf("trust document: version %d cannot follow version %d, only %d can", t.Version, old.Version, old.Version+1)
	}
	return nil
}

// verifyRoot counts the holders of t's root keys who signed the envelope.
func verifyRoot(e *Envelope, t *keys.Trust) error {
	_, err := judge{anyAge: true}.verify(fmt.Sprintf("trust document, by the root keys of version %d", t.Version), e.Payload, e.Signatures, rootRole(t))
	return err
}

// rootRole is t's root in the form that signatures are judged by. Root keys have no end and no revocation: the next
// version leaves them out.
func rootRole(t *keys.Trust) keys.ManifestRole {
	role := keys.ManifestRole{Threshold: t.Root.Threshold, Required: []keys.Kind{keys.Minisign}}
	for _, k := range t.Root.Keys {
		role.Keys = append(role.Keys, keys.ManifestKey{Holder: k.Holder, Kind: keys.Minisign, Key: k.Key, Public: k.Public})
	}
	return role
}

// FromMinisig takes a .minisig made elsewhere, as by a root holder with "minisign -Sm trust.payload.json".
func FromMinisig(text []byte) (Signature, error) {
	if len(text) > MaxSignature {
		return Signature{}, fmt.Errorf("minisign signature: %d bytes, at most %d are read", len(text), MaxSignature)
	}
	m, err := parseMinisig(string(text))
	if err != nil {
		return Signature{}, err
	}
	return Signature{Kind: keys.Minisign, Key: m.keyID, Value: string(text)}, nil
}

// FromASC takes an .asc made elsewhere and finds the key of the role that it says made it; a key that the role does not
// have stays named by the fingerprint that the signature gives, or else by its 16-digit id, which no envelope takes.
// All are hints: Verify decides.
func FromASC(text []byte, role keys.ManifestRole) (sig Signature, err error) {
	defer recovered(&err)
	if len(text) > MaxSignature {
		return Signature{}, fmt.Errorf("openpgp signature: %d bytes, at most %d are read", len(text), MaxSignature)
	}
	s, err := dearmorSignature(string(text))
	if err != nil {
		return Signature{}, err
	}
	issuer := keys.MinisignID(*s.IssuerKeyId)
	for _, k := range role.Keys {
		for _, f := range k.Signing {
			if k.Kind == keys.OpenPGP && len(f) == 40 && f[24:] == issuer {
				return Signature{Kind: keys.OpenPGP, Key: k.Key, Value: string(text)}, nil
			}
		}
	}
	if f := keys.Fingerprint(s.IssuerFingerprint); len(f) == 40 {
		issuer = f
	}
	return Signature{Kind: keys.OpenPGP, Key: issuer, Value: string(text)}, nil
}

// Check reads the signature's text without verifying it: what does not pass could never count, whoever the key is of.
func (s Signature) Check() (err error) {
	defer recovered(&err)
	if len(s.Value) > MaxSignature {
		return faultf(Malformed, "%d bytes, at most %d are read", len(s.Value), MaxSignature)
	}
	switch s.Kind {
	case keys.OpenPGP:
		_, err = dearmorSignature(s.Value)
	case keys.Minisign:
		_, err = parseMinisig(s.Value)
	default:
		err = faultf(Malformed, "kind %.40q is unknown, expected %q or %q", s.Kind, keys.OpenPGP, keys.Minisign)
	}
	return err
}
