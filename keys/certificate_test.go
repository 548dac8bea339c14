package keys

import (
	"bytes"
	"crypto"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

func TestGenerateOpenPGP(t *testing.T) {
	private, cert := generated()
	if !bytes.HasSuffix(private, []byte("-----END PGP PRIVATE KEY BLOCK-----\n")) {
		t.Error("the private key does not end in its armor's last line and a line feed")
	}
	if cert.UserID != "Test Only <test@example.org>" {
		t.Errorf("user id %q", cert.UserID)
	}
	if len(cert.Signing) != 1 || cert.Signing[0].Fingerprint == cert.Primary.Fingerprint {
		t.Fatalf("signing keys %+v: expected one subkey, and a primary that only certifies", cert.Signing)
	}
	want := day0.Add(year)
	if !cert.Primary.End.Equal(want) || !cert.Signing[0].End.Equal(want) {
		t.Errorf("ends %v and %v, expected %v", cert.Primary.End, cert.Signing[0].End, want)
	}
	e, err := cert.Entity()
	if err != nil {
		t.Fatal(err)
	}
	if len(e.Subkeys) != 1 {
		t.Errorf("%d subkeys, expected 1: nothing here encrypts", len(e.Subkeys))
	}
	if _, ok := e.EncryptionKey(day0, PacketConfig(day0)); ok {
		t.Error("the key can encrypt")
	}
	for _, k := range []*packet.PublicKey{e.PrimaryKey, e.Subkeys[0].PublicKey} {
		if n, _ := k.BitLength(); n != 3072 || k.Version != 4 || k.PubKeyAlgo != packet.PubKeyAlgoRSA {
			t.Errorf("key of version %d, algorithm %d, %d bits", k.Version, k.PubKeyAlgo, n)
		}
	}
	for _, bad := range []string{"", "a (b)", "<x>", "a <b> <c>", "a\nb"} {
		if _, _, err := GenerateOpenPGP(bad, nil, day0, year); err == nil {
			t.Errorf("user id %q was accepted", bad)
		}
	}
}

func TestGenerateOpenPGP_GPGReadsIt(t *testing.T) {
	gpg := tool(t, "gpg", "gnupg")
	private, cert := generated()
	home := gpgHome(t)
	file := filepath.Join(home, "key.asc")
	write(t, file, private)
	run(t, gpg, "--homedir", home, "--batch", "--import", file)
	out := string(run(t, gpg, "--homedir", home, "--batch", "--with-colons", "--list-secret-keys"))
	for _, want := range []string{cert.Primary.Fingerprint, cert.Signing[0].Fingerprint} {
		if !strings.Contains(out, want) {
			t.Errorf("gpg does not list %s:\n%s", want, out)
		}
	}
}

func TestReadCertificate_GPGMade(t *testing.T) {
	gpg := tool(t, "gpg", "gnupg")
	home := gpgHome(t)
	g := func(args ...string) []byte {
		return run(t, gpg, append([]string{"--homedir", home, "--batch", "--pinentry-mode", "loopback", "--passphrase", ""}, args...)...)
	}
	g("--quick-gen-key", "RSA <rsa@example.org>", "rsa3072", "cert", "2y")
	fpr := fingerprintOf(t, string(g("--with-colons", "--list-keys", "rsa@example.org")))
	g("--quick-add-key", fpr, "rsa3072", "sign", "1y")
	g("--quick-gen-key", "Ed <ed@example.org>", "ed25519", "sign", "1y")
	for _, id := range []string{"rsa@example.org", "ed@example.org"} {
		armored := g("--armor", "--export", id)
		a, err := ReadCertificate(armored)
		if err != nil {
			t.Fatalf("%s: %v", id, err)
		}
		b, err := ReadCertificate(g("--export", id))
		if err != nil {
			t.Fatalf("%s: %v", id, err)
		}
		if !bytes.Equal(a.Binary(), b.Binary()) || a.Primary.Fingerprint != b.Primary.Fingerprint {
			t.Errorf("%s: armored and binary differ", id)
		}
		if a.Primary.End == nil || len(a.Signing) != 1 || a.Signing[0].End == nil {
			t.Errorf("%s: %+v", id, a)
		}
	}
	both := g("--armor", "--export")
	if _, err := ReadCertificate(both); err == nil || !strings.Contains(err.Error(), "exactly one certificate") {
		t.Errorf("two certificates: %v", err)
	}
}

func fingerprintOf(t *testing.T, colons string) string {
	t.Helper()
	for l := range strings.Lines(colons) {
		if f := strings.Split(l, ":"); f[0] == "fpr" {
			return f[9]
		}
	}
	t.Fatalf("no fingerprint in:\n%s", colons)
	return ""
}

func TestReadCertificate_Refused(t *testing.T) {
	private, cert := generated()
	good, err := cert.Armored()
	if err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		name, want string
		in         []byte
	}{
		{"version 6", "version 6", entity(t, packet.Config{V6Keys: true, Algorithm: packet.PubKeyAlgoEd25519})},
		{"algorithm 27", "algorithm 27", entity(t, packet.Config{Algorithm: packet.PubKeyAlgoEd25519})},
		{"ECDSA", "ECDSA", entity(t, packet.Config{Algorithm: packet.PubKeyAlgoECDSA, Curve: packet.CurveNistP256})},
		{"RSA 2048", "RSA of 2048 bits", entity(t, packet.Config{RSABits: 2048})},
		{"private", "private key", private},
		{"secret packets", "secret key", mustDearmor(t, private)},
		{"two", "exactly one", append(cert.Binary(), ed25519Entity(t)...)},
		{"junk before", "begin", append([]byte("x"), good...)},
		{"junk after", "last line", append(slices.Clone(good), "x\n"...)},
		{"cut short", "cut short", cert.Binary()[:len(cert.Binary())-1]},
		{"empty", "empty", nil},
		{"oversize", "more than", make([]byte, MaxCertificate+1)},
		{"only a subkey", "begins with its primary", cert.packets[3].Raw},
		{"signature first", "public key", cert.packets[2].Raw},
		{"a literal in it", "tag 11", append(cert.Binary(), AppendPacket(nil, TagLiteral, []byte("b\x00\x00\x00\x00\x00"))...)},
	}
	for _, c := range cases {
		_, err := ReadCertificate(c.in)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, expected %q in it", c.name, err, c.want)
		}
	}
}

func TestReadCertificate_GPGMadeRefused(t *testing.T) {
	gpg := tool(t, "gpg", "gnupg")
	home := gpgHome(t)
	g := func(args ...string) []byte {
		return run(t, gpg, append([]string{"--homedir", home, "--batch", "--allow-weak-key-signatures", "--pinentry-mode", "loopback", "--passphrase", ""}, args...)...)
	}
	g("--quick-gen-key", "DSA <dsa@example.org>", "dsa2048", "sign", "1y")
	g("--cert-digest-algo", "SHA1", "--quick-gen-key", "Old <sha1@example.org>", "rsa3072", "sign,cert", "1y")
	g("--quick-gen-key", "Cert <cert@example.org>", "ed25519", "cert", "1y")
	for id, want := range map[string]string{"dsa@example.org": "DSA", "sha1@example.org": "SHA-1", "cert@example.org": "no key in it may sign"} {
		if _, err := ReadCertificate(g("--export", id)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, expected %q in it", id, err, want)
		}
	}
}

// A subkey bound by SHA-1 cannot sign, though the library would have it.
func TestReadCertificate_SHA1Binding(t *testing.T) {
	plain := false
	c := &packet.Config{Algorithm: packet.PubKeyAlgoEdDSA, DefaultHash: crypto.SHA512, Time: func() time.Time { return day0 }, NonDeterministicSignaturesViaNotation: &plain}
	e, err := openpgp.NewEntity("Test Only", "", "", c)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.AddSigningSubkey(c); err != nil {
		t.Fatal(err)
	}
	sub := e.Subkeys[len(e.Subkeys)-1]
	b := sub.Bindings[0].Packet
	b.Hash = crypto.SHA1
	if err := b.SignKey(sub.PublicKey, e.PrivateKey, c); err != nil {
		t.Fatal(err)
	}
	cert, err := CertificateOf(e)
	if err != nil {
		t.Fatal(err)
	}
	if slices.Contains(cert.SigningFingerprints(), Fingerprint(sub.PublicKey.Fingerprint)) {
		t.Error("a subkey bound with SHA-1 may sign")
	}
}

func mustDearmor(t *testing.T, text []byte) []byte {
	t.Helper()
	b, err := Dearmor(text, ArmorPrivate)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func FuzzReadCertificate(f *testing.F) {
	_, cert := generated()
	armored, err := cert.Armored()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(armored)
	f.Add(cert.Binary())
	f.Add(ed25519Entity(f))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := ReadCertificate(b)
		if err != nil {
			if c != nil {
				t.Fatal("a certificate beside an error")
			}
			return
		}
		again, err := ReadCertificate(c.Binary())
		if err != nil || again.Primary.Fingerprint != c.Primary.Fingerprint {
			t.Fatalf("its binary form does not read the same: %v", err)
		}
	})
}
