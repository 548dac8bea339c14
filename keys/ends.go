package keys

import (
	"fmt"
	"slices"
	"time"
)

// End says when something ends.
type End struct {
	What string // e.g. "the minisign key 5B3A… of publisher"
	When time.Time
	// Outlasted: a signing subkey, when another of the same certificate lasts longer. Once it has ended, nothing has to be done.
	Outlasted bool
}

// Ends lists when the trust document and the keys of the manifest role end, the
// earliest first. Keys without an end, and revoked ones, are not in it; root keys have none.
func (t *Trust) Ends() []End {
	list := []End{{What: fmt.Sprintf("version %d of the trust document of %s", t.Version, t.Network), When: t.Expires.Time}}
	for _, k := range t.Manifest.Keys {
		if !k.Revoked {
			list = append(list, k.ends()...)
		}
	}
	slices.SortStableFunc(list, func(a, b End) int { return a.When.Compare(b.When) })
	return list
}

func (k ManifestKey) ends() []End {
	var list []End
	add := func(what string, when *time.Time) {
		if when != nil {
			list = append(list, End{What: what, When: *when})
		}
	}
	name := fmt.Sprintf("the %s key %s of %s", k.Kind, k.Key, k.Holder)
	if k.Kind != OpenPGP {
		add(name+" (not_after)", timeOf(k.NotAfter))
		return list
	}
	cert, err := ReadCertificate([]byte(k.Public))
	own := k
	own.NotAfter = nil
	if end := own.End(); end == nil || k.NotAfter == nil || !k.NotAfter.Equal(*end) { // else told as the certificate's, below
		add(name+" (not_after)", timeOf(k.NotAfter))
	}
	if err != nil {
		return list
	}
	add("the certificate "+k.Key+" of "+k.Holder, cert.Primary.End)
	for _, s := range cert.Signing {
		if s.Fingerprint == k.Key || s.End == nil || !slices.Contains(k.Signing, s.Fingerprint) {
			continue
		}
		list = append(list, End{"the signing subkey " + s.Fingerprint + " of " + k.Holder, *s.End, k.outlasts(cert, *s.End)})
	}
	return list
}

// outlasts reports whether a key of the certificate may sign after end.
func (k ManifestKey) outlasts(cert *Certificate, end time.Time) bool {
	return slices.ContainsFunc(cert.Signing, func(s PGPKey) bool {
		return slices.Contains(k.Signing, s.Fingerprint) && (s.End == nil || s.End.After(end))
	})
}

// End is the earliest end of a key; nil is never. For OpenPGP: of not_after, and of the
// signing key that lasts longest.
func (k ManifestKey) End() *time.Time {
	var end *time.Time
	if k.NotAfter != nil {
		end = &k.NotAfter.Time
	}
	if k.Kind != OpenPGP {
		return end
	}
	cert, err := ReadCertificate([]byte(k.Public))
	if err != nil {
		return end
	}
	var last *time.Time
	for i, s := range cert.Signing {
		if !slices.Contains(k.Signing, s.Fingerprint) {
			continue
		}
		if s.End == nil {
			return end
		}
		if last == nil || s.End.After(*last) {
			last = cert.Signing[i].End
		}
	}
	return Earliest(end, last)
}

// EndOf is when this entry stops accepting what the signing key of that fingerprint makes; nil is never. It is the
// earliest of not_after and of the end that the certificate in the trust document gives the key: a private key file
// that was extended since may say later, but nobody reads that.
func (k ManifestKey) EndOf(fingerprint string) *time.Time {
	var end *time.Time
	if k.NotAfter != nil {
		end = &k.NotAfter.Time
	}
	if k.Kind != OpenPGP {
		return end
	}
	cert, err := ReadCertificate([]byte(k.Public))
	if err != nil {
		return end
	}
	for i, s := range cert.Signing {
		if s.Fingerprint == fingerprint {
			return Earliest(end, cert.Signing[i].End)
		}
	}
	return end
}
