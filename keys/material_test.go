package keys

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

func plainConfig(made time.Time, c packet.Config) *packet.Config {
	plain := false
	c.Time, c.DefaultHash, c.NonDeterministicSignaturesViaNotation = func() time.Time { return made }, crypto.SHA512, &plain
	return &c
}

// listed is the entity as an entry of the trust document; signing none: all that the certificate can.
func listed(t testing.TB, e *openpgp.Entity, holder string, signing ...string) ManifestKey {
	t.Helper()
	c, err := CertificateOf(e)
	if err != nil {
		t.Fatal(err)
	}
	armored, err := c.Armored()
	if err != nil {
		t.Fatal(err)
	}
	if signing == nil {
		signing = c.SigningFingerprints()
	}
	return ManifestKey{Holder: holder, Kind: OpenPGP, Key: c.Primary.Fingerprint, Public: string(armored), Signing: signing}
}

// around makes a certificate of a key that signs: made chooses the fingerprint.
func around(t testing.TB, private *packet.PrivateKey, made time.Time) *openpgp.Entity {
	t.Helper()
	e := &openpgp.Entity{PrimaryKey: &private.PublicKey, PrivateKey: private, Identities: map[string]*openpgp.Identity{}}
	if err := e.AddUserId("Test Only", "", "test@example.org", plainConfig(made, packet.Config{})); err != nil {
		t.Fatal(err)
	}
	return e
}

func refusedWith(t testing.TB, x *Trust, want ...string) {
	t.Helper()
	err := x.Check()
	for _, w := range want {
		if err == nil || !strings.Contains(err.Error(), w) {
			t.Errorf("%v, expected %q in it", err, w)
		}
	}
}

// One RSA key under two dates has two fingerprints: it would be two holders' votes.
func TestTrust_Check_SameModulus(t *testing.T) {
	raw, err := rsa.GenerateKey(rand.Reader, rsaBits)
	if err != nil {
		t.Fatal(err)
	}
	x := goodTrust(t)
	for i, holder := range []string{"one", "two"} {
		made := day0.Add(time.Duration(i) * time.Hour)
		x.Manifest.Keys = append(x.Manifest.Keys, listed(t, around(t, packet.NewRSAPrivateKey(made, raw), made), holder))
	}
	if x.Manifest.Keys[2].Key == x.Manifest.Keys[3].Key {
		t.Fatal("the case has one fingerprint only")
	}
	refusedWith(t, x, "manifest key 4", "the same key, or key id, as manifest key 3")
	x.Manifest.Keys = x.Manifest.Keys[:3]
	if err := x.Check(); err != nil {
		t.Errorf("one of them: %v", err)
	}
}

// An Ed25519 key is the same key in an OpenPGP certificate and in a minisign file.
func TestTrust_Check_SameEd25519(t *testing.T) {
	e, err := openpgp.NewEntity("Test Only", "", "", plainConfig(day0, packet.Config{Algorithm: packet.PubKeyAlgoEdDSA, Curve: packet.Curve25519}))
	if err != nil {
		t.Fatal(err)
	}
	k, err := ParseMinisign(base64.StdEncoding.EncodeToString([]byte("Ed12345678" + material(e.PrimaryKey))))
	if err != nil {
		t.Fatal(err)
	}
	x := goodTrust(t)
	x.Manifest.Keys = append(x.Manifest.Keys, listed(t, e, "one"), ManifestKey{Holder: "two", Kind: Minisign, Key: k.ID, Public: k.String()})
	refusedWith(t, x, "manifest key 4", "as manifest key 3")
	x.Manifest.Keys = x.Manifest.Keys[:3]
	x.Root.Keys[0].Key, x.Root.Keys[0].Public = k.ID, k.String()
	refusedWith(t, x, "manifest key 3", "as root key 1")
}

// A revoked entry counts even if nobody can read its certificate: another entry of that key is refused.
func TestTrust_Check_RevokedTwice(t *testing.T) {
	for _, first := range []bool{true, false} {
		x := goodTrust(t)
		revoked := x.Manifest.Keys[0]
		revoked.Revoked, revoked.Public = true, "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\ngarbage\n"
		x.Manifest.Keys = append(x.Manifest.Keys, revoked)
		if first {
			x.Manifest.Keys[0], x.Manifest.Keys[2] = x.Manifest.Keys[2], x.Manifest.Keys[0]
		}
		refusedWith(t, x, "manifest key 3", "as manifest key 1")
		x.Manifest.Keys[2].Key, x.Manifest.Keys[2].Signing = "0123", nil
		refusedWith(t, x, `"0123" is no fingerprint`)
	}
	x := goodTrust(t)
	revoked := x.Manifest.Keys[0]
	revoked.Revoked, revoked.Public, revoked.Signing, revoked.Key = true, "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\ngarbage\n", nil, strings.Repeat("0", 40)
	x.Manifest.Keys = append(x.Manifest.Keys, revoked)
	if err := x.Check(); err != nil {
		t.Errorf("revoked, and the certificate unreadable: %v", err)
	}
}

// A key that was revoked by its own certificate does not come back under another date, neither beside that entry nor after it is gone.
func TestTrust_RevokedMaterialComesBack(t *testing.T) {
	private, _ := generated()
	list, err := openpgp.ReadArmoredKeyRing(bytes.NewReader(private))
	if err != nil {
		t.Fatal(err)
	}
	old := goodTrust(t)
	if _, err := old.PutKey("publisher", revokedBy(t, packet.KeyCompromised).Binary()); err != nil {
		t.Fatal(err)
	}
	for name, secret := range map[string]any{"primary": list[0].PrivateKey.PrivateKey, "subkey": list[0].Subkeys[0].PrivateKey.PrivateKey} {
		made := day0.Add(time.Hour)
		again := listed(t, around(t, packet.NewRSAPrivateKey(made, secret.(*rsa.PrivateKey)), made), "publisher")
		next := old.Successor(day0.Add(2*time.Hour), year)
		next.Manifest.Keys = append(next.Manifest.Keys, again)
		refusedWith(t, next, "manifest key 3", "the same key, or key id, as manifest key 1")
		next.Manifest.Keys = next.Manifest.Keys[1:]
		if alarms := alarmsOf(Diff(old, next, day0.Add(2*time.Hour))); !strings.Contains(alarms["key-added"], "which is revoked") {
			t.Errorf("%s: %q", name, alarms)
		}
	}
}

// What is said of a revoked key never is that it may sign.
func TestDiff_RevokedIsNotRenewed(t *testing.T) {
	old := goodTrust(t)
	own := old.Successor(day0, year)
	if _, err := own.PutKey("publisher", revokedBy(t, packet.KeyCompromised).Binary()); err != nil {
		t.Fatal(err)
	}
	before := same(old)
	before.Manifest.Keys[0].Revoked = true
	other := before.Successor(day0, year)
	other.Manifest.Keys[0].Public = extended(t, 2*year)
	for name, list := range map[string][]Change{"by its certificate": Diff(old, own, day0), "before": Diff(before, other, day0)} {
		told := false
		for _, c := range list {
			told = told || c.Code == "key-renewed"
			if c.Code == "key-renewed" && (strings.Contains(c.Text, "may sign") || !strings.Contains(c.Text, "stays revoked")) {
				t.Errorf("revoked %s: %q", name, c.Text)
			}
		}
		if !told {
			t.Errorf("revoked %s: %q", name, codes(list))
		}
	}
}

// addSigning gives the entity a subkey that signs, of any strength.
func addSigning(t testing.TB, e *openpgp.Entity, bits int) string {
	t.Helper()
	if err := e.AddSigningSubkey(plainConfig(day0, packet.Config{RSABits: bits})); err != nil {
		t.Fatal(err)
	}
	return Fingerprint(e.Subkeys[len(e.Subkeys)-1].PublicKey.Fingerprint)
}

// A weak subkey that nobody lists harms nobody.
func TestReadCertificate_WeakSubkey(t *testing.T) {
	config := plainConfig(day0, packet.Config{})
	config.RSABits = rsaBits
	e, err := newEntity("Test Only", config)
	if err != nil {
		t.Fatal(err)
	}
	good, weak := Fingerprint(e.Subkeys[0].PublicKey.Fingerprint), addSigning(t, e, 2048)
	x := goodTrust(t)
	x.Manifest.Keys = append(x.Manifest.Keys, listed(t, e, "other"))
	if got := x.Manifest.Keys[2].Signing; len(got) != 1 || got[0] != good {
		t.Errorf("can sign with %s, expected only %s", got, good)
	}
	if err := x.Check(); err != nil {
		t.Error(err)
	}
	files, err := Export(x, day0)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(files["centos.gpg"], e.Subkeys[1].PublicKey.PublicKey.(*rsa.PublicKey).N.Bytes()) {
		t.Error("the weak subkey was exported")
	}
	x.Manifest.Keys[2].Signing = []string{good, weak}
	refusedWith(t, x, "signing names "+weak, "RSA of 2048 bits")

	e.Subkeys = e.Subkeys[1:]
	if _, err := CertificateOf(e); err == nil || !strings.Contains(err.Error(), "no key in it may sign (subkey "+weak+": RSA of 2048 bits") {
		t.Errorf("nothing else is left: %v", err)
	}
}

// gpgv takes what a primary key signs: the trust document says so, or is refused.
func TestTrust_Check_PrimarySigns(t *testing.T) {
	e, err := openpgp.NewEntity("Test Only", "", "", plainConfig(day0, packet.Config{Algorithm: packet.PubKeyAlgoEdDSA, Curve: packet.Curve25519}))
	if err != nil {
		t.Fatal(err)
	}
	e.Subkeys = nil
	sub, primary := addSigning(t, e, rsaBits), Fingerprint(e.PrimaryKey.Fingerprint)
	x := goodTrust(t)
	x.Manifest.Keys = append(x.Manifest.Keys, listed(t, e, "other", sub))
	refusedWith(t, x, "the primary key can sign too", "--edit-key "+primary)
	x.Manifest.Keys[2].Revoked = true
	if err := x.Check(); err != nil {
		t.Errorf("a revoked one: %v", err)
	}
	x.Manifest.Keys[2].Revoked = false
	x.Manifest.Keys[2].Signing = []string{sub, primary}
	if err := x.Check(); err != nil {
		t.Errorf("both named: %v", err)
	}
	for _, id := range e.Identities { // without flags gpg lets an RSA or EdDSA key do everything
		self := id.SelfCertifications[0].Packet
		self.FlagsValid, self.FlagSign, self.FlagCertify = false, false, false
		if err := self.SignUserId(id.UserId.Id, e.PrimaryKey, e.PrivateKey, plainConfig(day0, packet.Config{})); err != nil {
			t.Fatal(err)
		}
	}
	x.Manifest.Keys[2] = listed(t, e, "other", sub)
	refusedWith(t, x, "the primary key can sign too")
}
