package keys

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"time"
)

// Export writes the keys of the manifest role for other tools, those left out that are revoked or have ended at now:
// file name to content (see the package doc). Of a certificate it keeps
// the subkeys that the trust document lets sign now. The first minisign key is
// <network>.pub and .pem, a further one <network>.<KEYID>.pub and .pem. before are earlier versions that are known:
// <network>.txt says by them since when a key may sign.
func Export(t *Trust, now time.Time, before ...*Trust) (map[string][]byte, error) {
	if err := t.Check(); err != nil {
		return nil, err
	}
	files := map[string][]byte{t.Network + ".txt": Sheet(t, now, before...)}
	var ring, revoked []byte
	for _, k := range t.Manifest.Keys {
		revoked = append(revoked, k.revocation()...)
		switch {
		case k.Revoked:
		case k.ended(now):
		case k.Kind == Minisign:
			if err := exportMinisign(files, t.Network, k.Public); err != nil {
				return nil, err
			}
		default:
			cert, err := ReadCertificate([]byte(k.Public))
			if err != nil {
				return nil, err
			}
			ring = append(ring, cert.only(k.signingAt(now))...)
		}
	}
	if len(ring) > 0 {
		files[t.Network+".gpg"] = ring
	}
	for name, packets := range map[string][]byte{t.Network + ".asc": ring, t.Network + ".revoked.asc": revoked} {
		if len(packets) == 0 {
			continue
		}
		armored, err := Armor(ArmorPublic, packets)
		if err != nil {
			return nil, err
		}
		files[name] = armored
	}
	return files, nil
}

// revocation is what a keyring that has the entry's keys should import. Of a revoked entry: the certificate without its subkeys, when it
// carries its own revocation. Of any other: the certificate with the subkeys that it has revoked, and no others. Else nothing.
func (k ManifestKey) revocation() []byte {
	if k.Kind != OpenPGP {
		return nil
	}
	if !k.Revoked {
		cert, err := ReadCertificate([]byte(k.Public))
		if err != nil || len(cert.revoked) == 0 {
			return nil
		}
		return cert.only(cert.revoked)
	}
	cert, err := readRevoked([]byte(k.Public))
	if err != nil || cert.Primary.Fingerprint != k.Key {
		return nil
	}
	return cert.only(nil)
}

// signingAt lists the keys of an OpenPGP entry that may sign at now. gpgv takes what a key signs that has ended: one that
// has is not exported.
func (k ManifestKey) signingAt(now time.Time) []string {
	var list []string
	for _, f := range k.Signing {
		if end := k.EndOf(f); end == nil || !now.After(*end) {
			list = append(list, f)
		}
	}
	return list
}

func exportMinisign(files map[string][]byte, name, public string) error {
	k, err := ParseMinisign(public)
	if err != nil {
		return err
	}
	if _, taken := files[name+".pub"]; taken {
		name += "." + k.ID
	}
	der, err := x509.MarshalPKIXPublicKey(k.Public)
	if err != nil {
		return fmt.Errorf("write %s.pem: %w", name, err)
	}
	files[name+".pub"] = k.File()
	files[name+".pem"] = pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	return nil
}
