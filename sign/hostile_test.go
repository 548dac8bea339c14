package sign

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"tidemark/keys"
)

// mutants are the bytes cut short at each place, and with each byte changed in a few ways.
func mutants(good []byte, step int, try func([]byte)) {
	for i := 0; i < len(good); i += step {
		try(good[:i])
		for _, b := range []byte{0, 0xff, good[i] ^ 1, good[i] ^ 0x80, good[i] + 1} {
			bad := slices.Clone(good)
			bad[i] = b
			try(bad)
		}
		try(slices.Insert(slices.Clone(good), i, 0xff))
	}
}

// Every door for OpenPGP packets of others, with packets that were cut short or changed: none of them panics, and what comes
// through is what was signed. (What only happens to be worse than these, fuzzing looks for.)
func TestHostilePackets(t *testing.T) {
	f := checkedIn()
	small := remotePGP(t, edToken())
	for name, c := range map[string]struct {
		signer Signer
		step   int
	}{"RSA": {f.pgp, 23}, "Ed25519": {small, 3}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := held(c.signer, "one")
			role := onlyPGP(k)
			sig := f.sign(t, c.signer, text)
			body, err := keys.Dearmor([]byte(sig.Value), keys.ArmorSignature)
			if err != nil {
				t.Fatal(err)
			}
			mutants(body, c.step, func(bad []byte) { // signature
				s := Signature{Kind: keys.OpenPGP, Key: k.Key, Value: armorOf(t, keys.ArmorSignature, bad)}
				if _, err := Verify([]byte("never signed"), []Signature{s}, role, f.now); err == nil {
					t.Errorf("%x was accepted", bad)
				}
				if msg, err := Inline([]byte(text), s); err == nil && len(msg) == 0 {
					t.Error("neither a message nor an error")
				}
				FromASC([]byte(s.Value), role)
			})
			msg, err := Inline([]byte(text), sig)
			if err != nil {
				t.Fatal(err)
			}
			mutants(msg, c.step, func(bad []byte) {
				if payload, err := OpenInline(bad, role, f.now); err == nil && string(payload) != text {
					t.Errorf("%q was accepted", payload)
				}
			})
			cert, err := keys.ReadCertificate([]byte(k.Public))
			if err != nil {
				t.Fatal(err)
			}
			secrets := []gpgSecret{{fingerprint: k.Key, here: true}}
			mutants(cert.Binary(), 2*c.step, func(bad []byte) { // certificate; what gpg exports
				worse := k
				worse.Public = armorOf(t, keys.ArmorPublic, bad)
				Verify([]byte(text), []Signature{sig}, onlyPGP(worse), f.now)
				OpenPGPRemote(bad, edToken(), nil, f.now)
				GPGOptions{Fingerprint: k.Key, Now: f.now}.choose(secrets, bad)
			})
		})
	}
	t.Run("private key", func(t *testing.T) {
		t.Parallel()
		e, _ := edEntity(t, f.now.Add(-time.Hour))
		good, err := keys.Dearmor(privateOf(t, e), keys.ArmorPrivate)
		if err != nil {
			t.Fatal(err)
		}
		mutants(good, 3, func(bad []byte) {
			s, err := OpenPGPFile([]byte(armorOf(t, keys.ArmorPrivate, bad)), nil, nil, f.now)
			if (err == nil) != (s != nil) {
				t.Errorf("%v and %v", s, err)
			}
		})
	})
}

func armorOf(t testing.TB, kind string, body []byte) string {
	if len(body) == 0 {
		return ""
	}
	b, err := keys.Armor(kind, bytes.Clone(body))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
