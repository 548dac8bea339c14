package keys

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"tidemark/internal/ident"
)

const maxInteger = 1<<53 - 1 // what every JSON reader holds exactly

// Check judges one trust document by itself: every problem at once, joined.
// It looks at no clock.
func (t *Trust) Check() error {
	c := &checker{seen: map[string]string{}}
	c.head(t)
	c.root(t.Root)
	c.manifest(t.Manifest)
	if err := errors.Join(c.problems...); err != nil {
		return fmt.Errorf("trust document: %w", err)
	}
	return nil
}

type checker struct {
	problems []error
	seen     map[string]string // key id, and key material, to where it stands
}

func (c *checker) refuse(format string, args ...any) {
	c.problems = append(c.problems, fmt.Errorf(format, args...))
}

func (c *checker) head(t *Trust) {
	if t.Schema != TrustSchema {
		c.refuse("schema is %.60q, expected %q", t.Schema, TrustSchema)
	}
	if err := ident.Check(t.Network); err != nil {
		c.refuse("network: %w", err)
	}
	if t.Version < 1 || t.Version > maxInteger {
		c.refuse("version is %d, expected 1 or more", t.Version)
	}
	if t.MinSerial < 0 || t.MinSerial > maxInteger {
		c.refuse("min_serial is %d, expected 0 to 2^53-1", t.MinSerial)
	}
	if t.Issued.IsZero() || !t.Expires.After(t.Issued.Time) {
		c.refuse("expires %s, which is not after issued %s", t.Expires.Format(timeFormat), t.Issued.Format(timeFormat))
	}
}

const timeFormat = "2006-01-02T15:04:05Z"

func (c *checker) root(r RootRole) {
	holders := map[string]bool{}
	for i, k := range r.Keys {
		where := fmt.Sprintf("root key %d (%.40q)", i+1, k.Key)
		c.holder(where, k.Holder)
		holders[k.Holder] = true
		c.minisign(where, k.Key, k.Public)
	}
	c.threshold("root", r.Threshold, len(holders))
}

func (c *checker) manifest(m ManifestRole) {
	holders, kinds := map[string]bool{}, map[Kind]bool{}
	for i, k := range m.Keys {
		where := fmt.Sprintf("manifest key %d (%.40q)", i+1, k.Key)
		c.holder(where, k.Holder)
		c.manifestKey(where, k)
		if !k.Revoked {
			holders[k.Holder], kinds[k.Kind] = true, true
		}
	}
	c.threshold("manifest", m.Threshold, len(holders))
	if len(m.Required) == 0 {
		c.refuse("manifest: required names no kind, expected %q, %q or both", OpenPGP, Minisign)
	}
	for i, k := range m.Required {
		if k != OpenPGP && k != Minisign {
			c.refuse("manifest: required kind %.40q is unknown, expected %q or %q", k, OpenPGP, Minisign)
		} else if slices.Contains(m.Required[:i], k) {
			c.refuse("manifest: required names %q twice", k)
		} else if !kinds[k] {
			c.refuse("manifest: %q is required, but no key of that kind is there and not revoked", k)
		}
	}
}

func (c *checker) manifestKey(where string, k ManifestKey) {
	switch k.Kind {
	case Minisign:
		c.minisign(where, k.Key, k.Public)
		if len(k.Signing) > 0 {
			c.refuse("%s: signing is for openpgp keys only", where)
		}
	case OpenPGP:
		c.openpgp(where, k)
	default:
		c.refuse("%s: kind %.40q is unknown, expected %q or %q", where, k.Kind, OpenPGP, Minisign)
	}
	if k.NotAfter != nil && k.NotAfter.IsZero() {
		c.refuse("%s: not_after is no time", where)
	}
}

func (c *checker) minisign(where, id, public string) {
	k, err := ParseMinisign(public)
	if err != nil {
		c.refuse("%s: %w", where, err)
		return
	}
	if k.ID != id {
		c.refuse("%s: the public key's id is %s", where, k.ID)
	}
	c.once(where, id, string(k.Public))
}

var fingerprintPattern = regexp.MustCompile(`^[0-9A-F]{40}$`)

// openpgp looks at names before it looks into the certificate: an entry that revokes a key counts even
// if nobody can read its certificate any more.
func (c *checker) openpgp(where string, k ManifestKey) {
	for _, f := range append([]string{k.Key}, k.Signing...) {
		if !fingerprintPattern.MatchString(f) {
			c.refuse("%s: %.50q is no fingerprint, expected 40 hex digits in capitals", where, f)
			return
		}
	}
	if !c.once(where, append([]string{k.Key}, k.Signing...)...) {
		return
	}
	if !strings.HasPrefix(k.Public, "-----BEGIN ") {
		c.refuse("%s: public is not an armored certificate", where)
		return
	}
	cert, err := ReadCertificate([]byte(k.Public))
	if err != nil && !k.Revoked { // the certificate of a revoked key may say so itself
		c.refuse("%s: %w", where, err)
		return
	}
	if err == nil && cert.Primary.Fingerprint != k.Key {
		c.refuse("%s: the certificate's primary fingerprint is %s", where, cert.Primary.Fingerprint)
	}
	if !k.Revoked {
		c.signing(where, k, cert)
	}
	c.once(where, k.material()...)
}

func (c *checker) signing(where string, k ManifestKey, cert *Certificate) {
	can := cert.SigningFingerprints()
	if len(k.Signing) == 0 {
		c.refuse("%s: signing names no fingerprint; the certificate can sign with %s", where, strings.Join(can, ", "))
	}
	for i, s := range k.Signing {
		if !slices.Contains(can, s) {
			c.refuse("%s: signing names %s, but the certificate can sign only with %s%s", where, s, strings.Join(can, ", "), cert.whyLeftOut())
		} else if slices.Contains(k.Signing[:i], s) {
			c.refuse("%s: signing names %s twice", where, s)
		}
	}
	if cert.primarySigns && !slices.Contains(k.Signing, k.Key) {
		c.refuse("%s: the primary key can sign too, so gpgv and sqv take what it signs, but signing does not name it: name it, or leave it only the right to certify (gpg --edit-key %s change-usage)", where, k.Key)
	}
}

// once refuses a key that stands anywhere else in the document, roles included: root keys are offline, the others are
// not. A mark is an id, a fingerprint or the key's material: the same material under two names would be two votes.
func (c *checker) once(where string, marks ...string) bool {
	for _, m := range marks {
		if at, ok := c.seen[m]; ok && at != where {
			c.refuse("%s: the same key, or key id, as %s", where, at)
			return false
		}
	}
	for _, m := range marks {
		c.seen[m] = where
	}
	return true
}

func (c *checker) holder(where, name string) {
	if err := ident.Check(name); err != nil {
		c.refuse("%s: holder: %w", where, err)
	}
}

func (c *checker) threshold(role string, threshold, holders int) {
	if threshold < 1 {
		c.refuse("%s: threshold is %d, expected 1 or more", role, threshold)
	} else if threshold > holders {
		c.refuse("%s: threshold is %d, but there are only %d distinct holders", role, threshold, holders)
	}
}
