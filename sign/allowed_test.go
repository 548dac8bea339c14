package sign

import (
	"bytes"
	"crypto"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"tidemark/keys"
)

// twoSubkeys is a private key whose primary certifies and signs, with two subkeys that sign: the older one, and one added
// half an hour later. The fingerprints are of the older, the newer and the primary.
func twoSubkeys(t testing.TB) (private []byte, e *openpgp.Entity, older, newer, primary string) {
	t.Helper()
	e = newEntity(t, packet.Config{Algorithm: packet.PubKeyAlgoEdDSA, Curve: packet.Curve25519})
	e.Subkeys = nil
	plain := false
	for _, ago := range []time.Duration{time.Hour, 30 * time.Minute} {
		made := fixtures().now.Add(-ago)
		config := &packet.Config{Algorithm: packet.PubKeyAlgoEdDSA, Curve: packet.Curve25519, DefaultHash: crypto.SHA512,
			Time: func() time.Time { return made }, NonDeterministicSignaturesViaNotation: &plain}
		if err := e.AddSigningSubkey(config); err != nil {
			t.Fatal(err)
		}
	}
	return privateOf(t, e), e, keys.Fingerprint(e.Subkeys[0].PublicKey.Fingerprint), keys.Fingerprint(e.Subkeys[1].PublicKey.Fingerprint), keys.Fingerprint(e.PrimaryKey.Fingerprint)
}

func privateOf(t testing.TB, e *openpgp.Entity) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := e.SerializePrivateWithoutSigning(&out, nil); err != nil {
		t.Fatal(err)
	}
	text, err := keys.Armor(keys.ArmorPrivate, out.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// A subkey added to the private file is not used before the trust document names it: nobody would accept it.
func TestOpenPGPFile_Allowed(t *testing.T) {
	f := fixtures()
	private, _, older, newer, primary := twoSubkeys(t)
	for _, c := range []struct {
		name    string
		allowed []string
		want    string
	}{
		{"any", nil, newer},
		{"the older only", []string{older}, older},
		{"both", []string{older, newer}, newer},
		{"the primary only", []string{strings.Repeat("0", 40), primary}, primary},
		{"primary and older", []string{primary, older}, older},
	} {
		s, err := OpenPGPFile(private, nil, c.allowed, f.now)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := s.Key().Signing[0]; got != c.want || keys.Fingerprint(secretOf(s).Fingerprint) != got {
			t.Errorf("%s: signs with %s, expected %s", c.name, got, c.want)
		}
		if got := f.sign(t, s, text); got.Key != primary {
			t.Errorf("%s: the signature names %s, expected the primary %s", c.name, got.Key, primary)
		}
	}
	for _, allowed := range [][]string{{}, {strings.Repeat("0", 40)}} {
		_, err := OpenPGPFile(private, nil, allowed, f.now)
		if !errors.Is(err, ErrNotAllowed) {
			t.Fatalf("%q: %v", allowed, err)
		}
		for _, want := range append(allowed, older, newer, primary) {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%v does not name %s", err, want)
			}
		}
	}
}

// A primary that can sign is in the key's own description: a trust document made of it passes its check.
func TestOpenPGPFile_PrimarySigns(t *testing.T) {
	f := fixtures()
	private, e, _, newer, primary := twoSubkeys(t)
	s, err := OpenPGPFile(private, nil, nil, f.now)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Key().Signing; len(got) != 2 || got[0] != newer || got[1] != primary {
		t.Errorf("signing %s, expected %s and the primary %s", got, newer, primary)
	}
	x := *f
	x.role = f.with(func(r *keys.ManifestRole) { r.Keys[0] = held(s, "publisher") })
	dir := exported(t, &x)
	// What gpgv takes by the exported ring, we take by the trust document.
	byPrimary := craft(t, e.PrivateKey, text, nil)
	byPrimary.Key = primary
	asc, doc := write(t, dir, "m.asc", []byte(byPrimary.Value)), write(t, dir, "m", []byte(text))
	mustRun(t, tool(t, "gpgv", "gpgv"), "--keyring", dir+"/centos.gpg", asc, doc)
	if _, err := Verify([]byte(text), []Signature{byPrimary}, onlyPGP(x.role.Keys[0]), f.now); err != nil {
		t.Error(err)
	}
}

// One entry that revokes a key outweighs every other that names it, in either order.
func TestVerify_RevokedTwice(t *testing.T) {
	f := fixtures()
	for i, s := range []Signer{f.pgp, f.mini} {
		revoked := f.role.Keys[i]
		revoked.Revoked = true
		for _, list := range [][]keys.ManifestKey{{f.role.Keys[i], revoked}, {revoked, f.role.Keys[i]}} {
			_, err := Verify([]byte(text), []Signature{f.sign(t, s, text)}, keys.ManifestRole{Threshold: 1, Keys: list}, f.now)
			refusal(t, err, RevokedKey)
		}
	}
}
