package sign

import (
	"context"
	"crypto"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"tidemark/keys"
)

// claiming adds an issuer fingerprint (subpacket 33) to the unhashed area, which nobody signed.
func claiming(t testing.TB, sig Signature, fingerprint string) Signature {
	t.Helper()
	body, err := keys.Dearmor([]byte(sig.Value), keys.ArmorSignature)
	if err != nil {
		t.Fatal(err)
	}
	list, err := keys.SplitPackets(body, 1)
	if err != nil {
		t.Fatal(err)
	}
	b := list[0].Body
	unhashed := 6 + int(binary.BigEndian.Uint16(b[4:]))
	fpr, err := hex.DecodeString(fingerprint)
	if err != nil {
		t.Fatal(err)
	}
	sub := append([]byte{22, 33, 4}, fpr...)
	out := append([]byte(nil), b[:unhashed]...)
	out = binary.BigEndian.AppendUint16(out, binary.BigEndian.Uint16(b[unhashed:])+uint16(len(sub)))
	out = append(append(out, sub...), b[unhashed+2:]...)
	return armored(t, keys.AppendPacket(nil, keys.TagSignature, out))
}

// The issuer that a signature names may stand where nobody signed it: only the key that verified counts.
func TestVerify_IssuerIsNoPolicy(t *testing.T) {
	f := fixtures()
	role := onlyPGP(f.role.Keys[0])
	good := f.sign(t, f.pgp, text)
	if _, err := Verify([]byte(text), []Signature{claiming(t, good, f.role.Keys[0].Signing[0])}, role, f.now); err != nil {
		t.Errorf("a good signature with a true claim: %v", err)
	}
	other := newEntity(t, packet.Config{Algorithm: packet.PubKeyAlgoEdDSA, Curve: packet.Curve25519})
	id := secretOf(f.pgp).KeyId
	forged := craft(t, other.PrivateKey, text, func(s *packet.Signature) { s.IssuerKeyId = &id })
	forged = claiming(t, forged, f.role.Keys[0].Signing[0])
	if _, err := Verify([]byte(text), []Signature{forged}, role, f.now); err == nil {
		t.Error("a claim was believed")
	}
	// A subkey of the right certificate that the trust document does not name.
	cert := newEntity(t, packet.Config{Algorithm: packet.PubKeyAlgoEdDSA, Curve: packet.Curve25519})
	plain, made := false, f.now.Add(-time.Hour)
	config := &packet.Config{Algorithm: packet.PubKeyAlgoEdDSA, Curve: packet.Curve25519, DefaultHash: crypto.SHA512, Time: func() time.Time { return made }, NonDeterministicSignaturesViaNotation: &plain}
	if err := cert.AddSigningSubkey(config); err != nil {
		t.Fatal(err)
	}
	k := keyOf(t, cert, "publisher") // names the primary
	s := craft(t, cert.Subkeys[len(cert.Subkeys)-1].PrivateKey, text, nil)
	s.Key = k.Key
	_, err := Verify([]byte(text), []Signature{s}, onlyPGP(k), f.now)
	refusal(t, err, UnknownKey)
	s = claiming(t, s, k.Signing[0])
	s.Key = k.Key
	if _, err := Verify([]byte(text), []Signature{s}, onlyPGP(k), f.now); err == nil {
		t.Error("a claim was believed")
	}
}

type brokenKey struct{ public crypto.PublicKey }

func (b brokenKey) Public() crypto.PublicKey { return b.public }
func (b brokenKey) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("the token was pulled out")
}

// The library loses the error of a signing device: nothing may come out of it all the same.
func TestOpenPGPSign_FailingDevice(t *testing.T) {
	f := fixtures()
	s := *f.pgp.(*pgpSigner)
	secret := *secretOf(f.pgp)
	secret.PrivateKey = brokenKey{secret.PublicKey.PublicKey}
	s.hand = &fileHand{&secret}
	if sig, err := s.Sign(context.Background(), f.request(text)); err == nil || sig != (Signature{}) {
		t.Errorf("%+v, %v", sig, err)
	}
	if msg, err := s.SignInline(context.Background(), f.request(text)); err == nil || msg != nil {
		t.Errorf("%q, %v", msg, err)
	}
}

// A signer whose signatures its own certificate does not verify gives none.
func TestOpenPGPSign_ChecksItself(t *testing.T) {
	f := fixtures()
	other := newEntity(t, packet.Config{Algorithm: packet.PubKeyAlgoEdDSA, Curve: packet.Curve25519})
	s := *f.pgp.(*pgpSigner)
	s.hand = &fileHand{other.PrivateKey}
	if _, err := s.Sign(context.Background(), f.request(text)); err == nil || !strings.Contains(err.Error(), "does not verify") {
		t.Error(err)
	}
}

func TestRecovered(t *testing.T) {
	hostile := func() (err error) {
		defer recovered(&err)
		panic("index out of range")
	}
	var x *fault
	if err := hostile(); !errors.As(err, &x) || x.cause != Malformed {
		t.Error(err)
	}
}

// Ed25519's numbers vary in length, so the armor's padding does too.
func TestOpenPGPFile_Ed25519MadeByGPG(t *testing.T) {
	gpg, gpgv, sqv := tool(t, "gpg", "gnupg"), tool(t, "gpgv", "gpgv"), tool(t, "sqv", "sqv")
	f := fixtures()
	home, dir := gpgHome(t), t.TempDir()
	g := func(args ...string) []byte {
		return mustRun(t, gpg, append([]string{"--homedir", home, "--batch", "--pinentry-mode", "loopback", "--passphrase", "", "--faked-system-time", f.now.Add(-time.Hour).Format("20060102T150405!")}, args...)...)
	}
	g("--quick-gen-key", "Ed <ed@example.org>", "ed25519", "sign,cert", "1y")
	s, err := OpenPGPFile(g("--armor", "--export-secret-keys"), nil, nil, f.now)
	if err != nil {
		t.Fatal(err)
	}
	ring, asc := write(t, dir, "k.gpg", g("--export")), write(t, dir, "k.asc", []byte(s.Key().Public))
	for i := range 30 {
		payload := fmt.Sprintf("serial %d\n", i)
		doc, sig := write(t, dir, "m", []byte(payload)), write(t, dir, "m.asc", []byte(f.sign(t, s, payload).Value))
		mustRun(t, gpgv, "--keyring", ring, sig, doc)
		mustRun(t, sqv, "--keyring", asc, sig, doc)
	}
}

// Two certificates in one exported ring: one armored block, or gpg and sqv read only the first.
func TestExport_TwoCertificates(t *testing.T) {
	gpgv, sqv := tool(t, "gpgv", "gpgv"), tool(t, "sqv", "sqv")
	f := fixtures()
	e := newEntity(t, packet.Config{Algorithm: packet.PubKeyAlgoEdDSA, Curve: packet.Curve25519})
	x := *f
	x.role = f.with(func(r *keys.ManifestRole) { r.Keys = append(r.Keys, keyOf(t, e, "second")) })
	dir := exported(t, &x)
	doc := write(t, dir, "m", []byte(text))
	for name, sig := range map[string]Signature{"first": f.sign(t, f.pgp, text), "second": craft(t, e.PrivateKey, text, nil)} {
		t.Run(name, func(t *testing.T) {
			asc := write(t, dir, "m.asc", []byte(sig.Value))
			mustRun(t, gpgv, "--keyring", filepath.Join(dir, "centos.gpg"), asc, doc)
			mustRun(t, sqv, "--keyring", filepath.Join(dir, "centos.asc"), asc, doc)
		})
	}
}
