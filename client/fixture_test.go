package client

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"tidemark/internal/strictjson"
	"tidemark/keys"
	"tidemark/manifest"
	"tidemark/sign"
)

var day0 = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)

// fixture is read once, from testdata: a fuzzer's workers are processes of their own that must agree about what is signed. The OpenPGP entity is kept, to sign what our signer never would.
type fixture struct {
	pgp, mini, mini2 sign.Signer
	entity           *openpgp.Entity
	trust            *keys.Trust
	base             []byte
}

var fixtures = sync.OnceValue(func() *fixture {
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	f := &fixture{}
	private, err := os.ReadFile("../sign/testdata/test-only-openpgp.asc")
	must(err)
	f.pgp, err = sign.OpenPGPFile(private, nil, nil, day0)
	must(err)
	list, err := openpgp.ReadArmoredKeyRing(bytes.NewReader(private))
	must(err)
	f.entity = list[0]
	f.mini, f.mini2 = testKey(1), testKey(2)
	root := testKey(3).Key()
	f.trust = &keys.Trust{Schema: keys.TrustSchema, Network: "centos", Version: 3, Issued: strictjson.At(day0.Add(-time.Hour)), Expires: strictjson.At(day0.Add(300 * 24 * time.Hour)),
		Root: keys.RootRole{Threshold: 1, Keys: []keys.RootKey{{Holder: "alice", Key: root.Key, Public: root.Public}}},
		Manifest: keys.ManifestRole{Threshold: 1, Required: []keys.Kind{keys.OpenPGP, keys.Minisign}, Keys: []keys.ManifestKey{
			held(f.pgp, "publisher"), held(f.mini, "publisher"), held(f.mini2, "second")}}}
	must(f.trust.Check())
	f.base, err = os.ReadFile("../testdata/example/manifest.json")
	must(err)
	return f
})

func testKey(n int) sign.Signer {
	secret, err := os.ReadFile(fmt.Sprintf("../sign/testdata/test-only-minisign-%d.key", n))
	if err != nil {
		panic(err)
	}
	s, err := sign.MinisignFile(secret, nil)
	if err != nil {
		panic(err)
	}
	return s
}

func newMinisign() sign.Signer {
	secret, _, err := keys.GenerateMinisign(nil)
	if err != nil {
		panic(err)
	}
	s, err := sign.MinisignFile(secret, nil)
	if err != nil {
		panic(err)
	}
	return s
}

func held(s sign.Signer, holder string) keys.ManifestKey {
	k := s.Key()
	k.Holder = holder
	return k
}

// document is the example manifest, changed: serial 4127, issued at day0, good for a day.
func (f *fixture) document(t testing.TB, change func(*manifest.Manifest)) *manifest.Manifest {
	t.Helper()
	m, err := manifest.Parse(f.base)
	if err != nil {
		t.Fatal(err)
	}
	m.Network, m.Serial, m.TrustVersion = "centos", 4127, 3
	m.Issued, m.Expires = strictjson.At(day0), strictjson.At(day0.Add(24*time.Hour))
	if change != nil {
		change(m)
	}
	return m
}

func serial(n int64) func(*manifest.Manifest) {
	return func(m *manifest.Manifest) { m.Serial = n }
}

func encode(t testing.TB, m *manifest.Manifest) []byte {
	t.Helper()
	b, err := manifest.Encode(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// signed are the signatures of the signers over payload, which need be no manifest.
func (f *fixture) signed(t testing.TB, payload []byte, m *manifest.Manifest, signers ...sign.Signer) []sign.Signature {
	t.Helper()
	var sigs []sign.Signature
	for _, s := range signers {
		sig, err := s.Sign(context.Background(), sign.Request{Payload: payload, Comment: m.Comment(payload), Issued: m.Issued.Time, Expires: m.Expires.Time})
		if err != nil {
			t.Fatal(err)
		}
		sigs = append(sigs, sig)
	}
	return sigs
}

func pack(t testing.TB, payload []byte, sigs []sign.Signature) []byte {
	t.Helper()
	b, err := Pack(payload, sigs)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// bundle is the changed example, signed by both kinds.
func (f *fixture) bundle(t testing.TB, change func(*manifest.Manifest)) []byte {
	t.Helper()
	m := f.document(t, change)
	payload := encode(t, m)
	return pack(t, payload, f.signed(t, payload, m, f.pgp, f.mini))
}

func (f *fixture) options(change func(*Options)) Options {
	o := Options{Network: "centos", Trust: f.trust, Now: day0.Add(time.Hour)}
	if change != nil {
		change(&o)
	}
	return o
}

// trusting is the options with a changed copy of the manifest role.
func (f *fixture) trusting(change func(*keys.ManifestRole)) Options {
	tr := *f.trust
	tr.Manifest.Keys = append([]keys.ManifestKey(nil), tr.Manifest.Keys...)
	change(&tr.Manifest)
	return f.options(func(o *Options) { o.Trust = &tr })
}

// refuses insists on the reason, and that nothing comes out beside it.
func refuses(t testing.TB, want Reason, bundle []byte, o Options) *Refused {
	t.Helper()
	opened, seen, err := Open(bundle, o)
	if opened != nil || !seen.same(Seen{}) {
		t.Errorf("a manifest beside the refusal: %+v, %+v", opened, seen)
	}
	var r *Refused
	if !errors.As(err, &r) {
		t.Fatalf("%v, expected a refusal (%s)", err, want)
	}
	if r.Reason != want {
		t.Errorf("reason %s, expected %s: %v", r.Reason, want, err)
	}
	return r
}

// because insists that some signature was rejected for that cause.
func because(t testing.TB, r *Refused, want sign.Cause) {
	t.Helper()
	var s *sign.Refusal
	if !errors.As(r, &s) || !s.Has(want) {
		t.Errorf("%v, expected a signature rejected for %s", r, want)
	}
}

// craft is an OpenPGP signature by the fixture's own signing key, of a sort that our signer never makes.
func craft(t testing.TB, secret *packet.PrivateKey, key string, payload []byte, change func(*packet.Signature)) sign.Signature {
	t.Helper()
	plain, lifetime := false, uint32(86400)
	config := &packet.Config{NonDeterministicSignaturesViaNotation: &plain}
	s := &packet.Signature{Version: secret.Version, PubKeyAlgo: secret.PubKeyAlgo, Hash: crypto.SHA512, CreationTime: day0, IssuerKeyId: &secret.KeyId, SigLifetimeSecs: &lifetime}
	change(s)
	h, err := s.PrepareSign(config)
	if err != nil {
		t.Fatal(err)
	}
	h.Write(payload)
	if err := s.Sign(h, secret, config); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := s.Serialize(&out); err != nil {
		t.Fatal(err)
	}
	text, err := keys.Armor(keys.ArmorSignature, out.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return sign.Signature{Kind: keys.OpenPGP, Key: key, Value: string(text)}
}

// foreign makes a key of a sort that no trust document may hold, and a role that holds it all the same.
func foreign(t testing.TB, f *fixture, c packet.Config, payload []byte) (sign.Signature, Options) {
	t.Helper()
	plain := false
	c.Time = func() time.Time { return day0.Add(-time.Hour) }
	c.DefaultHash, c.NonDeterministicSignaturesViaNotation = crypto.SHA512, &plain
	e, err := openpgp.NewEntity("Test Only", "", "test@example.org", &c)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := e.Serialize(&out); err != nil {
		t.Fatal(err)
	}
	text, err := keys.Armor(keys.ArmorPublic, out.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	fpr := keys.Fingerprint(e.PrimaryKey.Fingerprint)
	name := fpr[:40] // a version 6 fingerprint is longer than any name we have for a key
	sig := craft(t, e.PrivateKey, name, payload, func(*packet.Signature) {})
	return sig, f.trusting(func(r *keys.ManifestRole) {
		r.Keys[0] = keys.ManifestKey{Holder: "publisher", Kind: keys.OpenPGP, Key: name, Public: string(text), Signing: []string{fpr}}
	})
}
