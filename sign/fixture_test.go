package sign

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"tidemark/internal/strictjson"
	"tidemark/keys"
)

const year = 365 * 24 * time.Hour

// fixture is the keys of all tests, made once: RSA-3072 takes a second. They
// are made an hour before the tests run, since stock tools read the real clock.
type fixture struct {
	now              time.Time
	pgp, mini, mini2 Signer
	role             keys.ManifestRole
	private          []byte
	secretMini       []byte
}

var fixtures = sync.OnceValue(func() *fixture {
	f := &fixture{now: time.Now().UTC().Truncate(time.Second)}
	var err error
	if f.private, _, err = keys.GenerateOpenPGP("Test Only <test@example.org>", nil, f.now.Add(-time.Hour), year); err != nil {
		panic(err)
	}
	if f.pgp, err = OpenPGPFile(f.private, nil, nil, f.now); err != nil {
		panic(err)
	}
	if f.secretMini, _, err = keys.GenerateMinisign(nil); err != nil {
		panic(err)
	}
	if f.mini, err = MinisignFile(f.secretMini, nil); err != nil {
		panic(err)
	}
	second, _, err := keys.GenerateMinisign(nil)
	if err != nil {
		panic(err)
	}
	if f.mini2, err = MinisignFile(second, nil); err != nil {
		panic(err)
	}
	f.role = keys.ManifestRole{Threshold: 1, Required: []keys.Kind{keys.OpenPGP, keys.Minisign}, Keys: []keys.ManifestKey{
		held(f.pgp, "publisher"), held(f.mini, "publisher"), held(f.mini2, "second"),
	}}
	return f
})

// checkedIn is the fixture of the fuzz targets: its keys lie in testdata, since a fuzzer's
// workers are processes of their own that must agree about what is signed.
var checkedIn = sync.OnceValue(func() *fixture {
	f := &fixture{now: time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)}
	private, err := os.ReadFile("testdata/test-only-openpgp.asc")
	if err != nil {
		panic(err)
	}
	if f.pgp, err = OpenPGPFile(private, nil, nil, f.now); err != nil {
		panic(err)
	}
	f.mini, f.mini2 = testKey(1), testKey(2)
	f.role = keys.ManifestRole{Threshold: 1, Required: []keys.Kind{keys.OpenPGP, keys.Minisign}, Keys: []keys.ManifestKey{
		held(f.pgp, "publisher"), held(f.mini, "publisher"), held(f.mini2, "second"),
	}}
	return f
})

func testKey(n int) Signer {
	secret, err := os.ReadFile(fmt.Sprintf("testdata/test-only-minisign-%d.key", n))
	if err != nil {
		panic(err)
	}
	s, err := MinisignFile(secret, nil)
	if err != nil {
		panic(err)
	}
	return s
}

func held(s Signer, holder string) keys.ManifestKey {
	k := s.Key()
	k.Holder = holder
	return k
}

// with is a copy of the role, changed.
func (f *fixture) with(change func(*keys.ManifestRole)) keys.ManifestRole {
	r := f.role
	r.Required = append([]keys.Kind(nil), r.Required...)
	r.Keys = append([]keys.ManifestKey(nil), r.Keys...)
	change(&r)
	return r
}

func (f *fixture) request(payload string) Request {
	return Request{Payload: []byte(payload), Comment: "tidemark test serial=1", Issued: f.now, Expires: f.now.Add(24 * time.Hour)}
}

func (f *fixture) sign(t testing.TB, s Signer, payload string) Signature {
	t.Helper()
	sig, err := s.Sign(context.Background(), f.request(payload))
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

func (f *fixture) both(t testing.TB, payload string) []Signature {
	return []Signature{f.sign(t, f.pgp, payload), f.sign(t, f.mini, payload)}
}

func at(t time.Time) *strictjson.Time { x := strictjson.At(t); return &x }

// craft makes an OpenPGP signature that our signer never would.
func craft(t testing.TB, secret *packet.PrivateKey, payload string, change func(*packet.Signature)) Signature {
	t.Helper()
	plain := false
	config := &packet.Config{NonDeterministicSignaturesViaNotation: &plain}
	lifetime := uint32(0)
	s := &packet.Signature{Version: secret.Version, PubKeyAlgo: secret.PubKeyAlgo, Hash: crypto.SHA512, CreationTime: fixtures().now, IssuerKeyId: &secret.KeyId, SigLifetimeSecs: &lifetime}
	if change != nil {
		change(s)
	}
	h, err := s.PrepareSign(config)
	if err != nil {
		t.Fatal(err)
	}
	h.Write([]byte(payload))
	if err := s.Sign(h, secret, config); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := s.Serialize(&out); err != nil {
		t.Fatal(err)
	}
	return armored(t, out.Bytes())
}

// armored is the body as a signature that claims to be of the fixture's key.
func armored(t testing.TB, body []byte) Signature {
	t.Helper()
	text, err := keys.Armor(keys.ArmorSignature, body)
	if err != nil {
		t.Fatal(err)
	}
	return Signature{Kind: keys.OpenPGP, Key: fixtures().pgp.Key().Key, Value: string(text)}
}

func secretOf(s Signer) *packet.PrivateKey { return s.(*pgpSigner).hand.(*fileHand).secret }

// newEntity makes a key with the library: the kinds that we refuse, too.
func newEntity(t testing.TB, c packet.Config) *openpgp.Entity {
	t.Helper()
	plain, made := false, fixtures().now.Add(-time.Hour)
	c.Time = func() time.Time { return made }
	c.NonDeterministicSignaturesViaNotation = &plain
	if c.DefaultHash == 0 {
		c.DefaultHash = crypto.SHA512
	}
	e, err := openpgp.NewEntity("Test Only", "", "test@example.org", &c)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// keyOf lists an entity as a trust document would, checked by nobody.
func keyOf(t testing.TB, e *openpgp.Entity, holder string) keys.ManifestKey {
	t.Helper()
	var out bytes.Buffer
	if err := e.Serialize(&out); err != nil {
		t.Fatal(err)
	}
	text, err := keys.Armor(keys.ArmorPublic, out.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	fpr := keys.Fingerprint(e.PrimaryKey.Fingerprint)
	return keys.ManifestKey{Holder: holder, Kind: keys.OpenPGP, Key: fpr, Public: string(text), Signing: []string{fpr}}
}

// refusal insists that err is a *Refusal with one rejected signature of the cause.
func refusal(t testing.TB, err error, want Cause) {
	t.Helper()
	var r *Refusal
	if !errors.As(err, &r) {
		t.Fatalf("%v, expected a refusal (%s)", err, want)
	}
	if !r.Has(want) {
		t.Errorf("%v: %+v, expected cause %s", err, r.Rejected, want)
	}
}

func tool(t testing.TB, name, apt string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is missing: apt-get install -y %s", name, apt)
		}
		t.Skipf("%s is missing: apt-get install -y %s", name, apt)
	}
	return path
}

// gpgHome is a home for gpg with a short path: its sockets allow 108 bytes.
func gpgHome(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "k")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		exec.Command("gpgconf", "--homedir", dir, "--kill", "all").Run()
		os.RemoveAll(dir)
	})
	return dir
}

// runs returns the tool's standard output, or an error with all that it said.
func runs(name string, args ...string) ([]byte, error) {
	var out, errs bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s %q: %w\n%s%s", name, args, err, out.Bytes(), errs.Bytes())
	}
	return out.Bytes(), nil
}

func mustRun(t testing.TB, name string, args ...string) []byte {
	t.Helper()
	out, err := runs(name, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func write(t testing.TB, dir, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
