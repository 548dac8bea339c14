package client

import (
	"bytes"
	"crypto"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"tidemark/internal/strictjson"
	"tidemark/keys"
	"tidemark/manifest"
	"tidemark/sign"
)

func seenOf(t testing.TB, f *fixture, bundle []byte) *Seen {
	t.Helper()
	_, seen, err := Open(bundle, f.options(nil))
	if err != nil {
		t.Fatal(err)
	}
	return &seen
}

func TestOpen_Rollback(t *testing.T) {
	f := fixtures()
	seen := seenOf(t, f, f.bundle(t, serial(4128)))
	r := refuses(t, Rollback, f.bundle(t, serial(4127)), f.options(func(o *Options) { o.Seen = seen }))
	if !strings.Contains(r.Error(), "serial 4127") || !strings.Contains(r.Error(), "serial 4128") {
		t.Errorf("%v names not both", r)
	}
	refuses(t, Rollback, f.bundle(t, serial(4127)), f.options(func(o *Options) { o.Seen, o.AnyAge = seen, true }))
}

func TestOpen_BelowMinSerial(t *testing.T) {
	f := fixtures()
	tr := *f.trust
	tr.MinSerial = 4128
	refuses(t, Rollback, f.bundle(t, nil), f.options(func(o *Options) { o.Trust = &tr }))
	tr.MinSerial = 4127
	if _, _, err := Open(f.bundle(t, nil), f.options(func(o *Options) { o.Trust = &tr })); err != nil {
		t.Error(err)
	}
}

func TestOpen_Fork(t *testing.T) {
	f := fixtures()
	one, two := f.bundle(t, nil), f.bundle(t, func(m *manifest.Manifest) { m.Policy.CheckInterval++ })
	seen := seenOf(t, f, one)
	o := f.options(func(o *Options) { o.Seen = seen })
	r := refuses(t, Fork, two, o)
	if !bytes.Equal(r.Payload, encode(t, f.document(t, func(m *manifest.Manifest) { m.Policy.CheckInterval++ }))) {
		t.Error("the other document is not kept")
	}
	if _, again, err := Open(one, o); err != nil || !again.same(*seen) {
		t.Errorf("the one seen, once more: %v", err)
	}
}

func TestOpen_Expired(t *testing.T) {
	f := fixtures()
	b := f.bundle(t, nil)
	refuses(t, Expired, b, f.options(func(o *Options) { o.Now = day0.Add(24*time.Hour + 6*time.Minute) }))
	for name, o := range map[string]Options{
		"within the skew":      f.options(func(o *Options) { o.Now = day0.Add(24*time.Hour + 4*time.Minute) }),
		"one's own, any age":   f.options(func(o *Options) { o.Now, o.AnyAge = day0.Add(200*24*time.Hour), true }),
		"after the trust, too": f.options(func(o *Options) { o.Now, o.AnyAge = day0.Add(500*24*time.Hour), true }),
	} {
		if _, _, err := Open(b, o); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	// minisign signatures do not end by themselves: the document does.
	m := f.document(t, nil)
	payload := encode(t, m)
	only := f.trusting(func(r *keys.ManifestRole) { r.Required = []keys.Kind{keys.Minisign} })
	only.Now = day0.Add(25 * time.Hour)
	refuses(t, Expired, pack(t, payload, f.signed(t, payload, m, f.mini)), only)
}

// A clock set back to 1970 must not make what is over good again.
func TestOpen_ClockSetBack(t *testing.T) {
	f := fixtures()
	seen := &Seen{Serial: 1, SHA256: strings.Repeat("0", 64), Issued: strictjson.At(day0.Add(48 * time.Hour))}
	refuses(t, Expired, f.bundle(t, nil), f.options(func(o *Options) { o.Seen, o.Now = seen, time.Unix(0, 0) }))
	refuses(t, FutureDated, f.bundle(t, nil), f.options(func(o *Options) { o.Now = time.Unix(0, 0) }))
}

func TestOpen_FutureDated(t *testing.T) {
	f := fixtures()
	b := f.bundle(t, nil)
	refuses(t, FutureDated, b, f.options(func(o *Options) { o.Now = day0.Add(-6 * time.Minute) }))
	refuses(t, FutureDated, b, f.options(func(o *Options) { o.Now, o.AnyAge = day0.Add(-6*time.Minute), true }))
	if _, _, err := Open(b, f.options(func(o *Options) { o.Now = day0.Add(-4 * time.Minute) })); err != nil {
		t.Errorf("within the skew: %v", err)
	}
}

func TestOpen_WrongNetwork(t *testing.T) {
	f := fixtures()
	refuses(t, WrongNetwork, f.bundle(t, func(m *manifest.Manifest) { m.Network = "debian" }), f.options(nil))
	refuses(t, WrongNetwork, f.bundle(t, nil), f.options(func(o *Options) { o.Network = "debian" }))
}

func TestOpen_UnknownKey(t *testing.T) {
	f := fixtures()
	m := f.document(t, nil)
	payload := encode(t, m)
	stranger := newMinisign()
	because(t, refuses(t, Signature, pack(t, payload, f.signed(t, payload, m, f.pgp, stranger)), f.options(nil)), sign.UnknownKey)
	if _, _, err := Open(pack(t, payload, f.signed(t, payload, m, f.pgp, stranger, f.mini)), f.options(nil)); err != nil {
		t.Errorf("a stranger's signature beside good ones: %v", err)
	}
}

func TestOpen_OneKindMissing(t *testing.T) {
	f := fixtures()
	m := f.document(t, nil)
	payload := encode(t, m)
	for _, s := range []sign.Signer{f.pgp, f.mini} {
		r := refuses(t, Signature, pack(t, payload, f.signed(t, payload, m, s)), f.options(nil))
		if !strings.Contains(r.Error(), "which is required") {
			t.Errorf("%v", r)
		}
	}
}

func TestOpen_BelowThreshold(t *testing.T) {
	f := fixtures()
	m := f.document(t, nil)
	payload := encode(t, m)
	two := f.trusting(func(r *keys.ManifestRole) { r.Threshold = 2 })
	refuses(t, Signature, pack(t, payload, f.signed(t, payload, m, f.pgp, f.mini)), two)
	if _, _, err := Open(pack(t, payload, f.signed(t, payload, m, f.pgp, f.mini, f.mini2)), two); err != nil {
		t.Errorf("two holders: %v", err)
	}
}

func TestOpen_OneHolderTwice(t *testing.T) {
	f := fixtures()
	m := f.document(t, nil)
	payload := encode(t, m)
	two := f.trusting(func(r *keys.ManifestRole) { r.Threshold, r.Keys[2].Holder = 2, "publisher" })
	refuses(t, Signature, pack(t, payload, f.signed(t, payload, m, f.pgp, f.mini, f.mini2)), two)
	two = f.trusting(func(r *keys.ManifestRole) { r.Threshold = 2 })
	because(t, refuses(t, Signature, pack(t, payload, f.signed(t, payload, m, f.pgp, f.mini, f.mini)), two), sign.Repeated)
}

func TestOpen_Truncated(t *testing.T) {
	f := fixtures()
	b := f.bundle(t, nil)
	for _, n := range []int{0, 1, len(b) / 4, len(b) / 2, len(b) - 2} {
		refuses(t, Malformed, b[:n], f.options(nil))
	}
	m := f.document(t, nil)
	payload := encode(t, m)
	sigs := f.signed(t, payload, m, f.pgp, f.mini)
	because(t, refuses(t, Signature, pack(t, payload[:len(payload)-1], sigs), f.options(nil)), sign.BadSignature)
}

func TestOpen_Oversize(t *testing.T) {
	f := fixtures()
	refuses(t, TooLarge, append(f.bundle(t, nil), bytes.Repeat([]byte(" "), sign.MaxBundle)...), f.options(nil))
	e, err := (&sign.Envelope{Payload: make([]byte, manifest.MaxSize+1), Signatures: []sign.Signature{{Kind: keys.Minisign, Key: f.mini.Key().Key, Value: "x"}}}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	refuses(t, TooLarge, e, f.options(nil))
	m := f.document(t, nil)
	payload := encode(t, m)
	var many []sign.Signature
	for range sign.MaxSigs + 1 {
		many = append(many, f.signed(t, payload, m, f.mini)...)
	}
	if _, err := Pack(payload, many); err == nil {
		t.Error("17 signatures were packed")
	}
}

func TestOpen_SwappedSignature(t *testing.T) {
	f := fixtures()
	one, two := f.document(t, serial(1)), f.document(t, serial(2))
	payload, other := encode(t, one), encode(t, two)
	good, stolen := f.signed(t, payload, one, f.pgp, f.mini), f.signed(t, other, two, f.pgp, f.mini)
	for _, sigs := range [][]sign.Signature{{stolen[0], good[1]}, {good[0], stolen[1]}, stolen} {
		because(t, refuses(t, Signature, pack(t, payload, sigs), f.options(nil)), sign.BadSignature)
	}
	mislabelled := []sign.Signature{good[0], good[1]}
	mislabelled[0].Value, mislabelled[1].Value = good[1].Value, good[0].Value
	because(t, refuses(t, Signature, pack(t, payload, mislabelled), f.options(nil)), sign.Malformed)
}

// genuine signs a text that is no good document, as a publisher gone wrong would.
func genuine(t *testing.T, f *fixture, change func(string) string) []byte {
	t.Helper()
	m := f.document(t, nil)
	good := string(encode(t, m))
	bad := change(good)
	if bad == good {
		t.Fatal("the case changes nothing")
	}
	return pack(t, []byte(bad), f.signed(t, []byte(bad), m, f.pgp, f.mini))
}

func TestOpen_DuplicateMember(t *testing.T) {
	f := fixtures()
	refuses(t, Malformed, genuine(t, f, func(s string) string {
		return strings.Replace(s, `"serial": 4127`, `"serial": 1, "serial": 4127`, 1)
	}), f.options(nil))
	b := string(f.bundle(t, nil))
	refuses(t, Malformed, []byte(strings.Replace(b, `"payload"`, `"payload": "eA==", "payload"`, 1)), f.options(nil))
}

func TestOpen_CaseFoldedMember(t *testing.T) {
	f := fixtures()
	for _, name := range []string{"SERIAL", "Serial", "\u017ferial"} {
		refuses(t, Malformed, genuine(t, f, func(s string) string { return strings.Replace(s, `"serial"`, `"`+name+`"`, 1) }), f.options(nil))
	}
	b := string(f.bundle(t, nil))
	refuses(t, Malformed, []byte(strings.Replace(b, `"payload"`, `"Payload"`, 1)), f.options(nil))
}

func TestOpen_TrailingBytes(t *testing.T) {
	f := fixtures()
	refuses(t, Malformed, append(f.bundle(t, nil), "{}"...), f.options(nil))
	refuses(t, Malformed, genuine(t, f, func(s string) string { return s + "{}" }), f.options(nil))
}

// crafted replaces the OpenPGP signature of a good bundle.
func crafted(t *testing.T, f *fixture, make func(payload []byte) sign.Signature) []byte {
	t.Helper()
	m := f.document(t, nil)
	payload := encode(t, m)
	return pack(t, payload, append([]sign.Signature{make(payload)}, f.signed(t, payload, m, f.mini)...))
}

func (f *fixture) signingKey() *packet.PrivateKey { return f.entity.Subkeys[0].PrivateKey }

func TestOpen_TextModeSignature(t *testing.T) {
	f := fixtures()
	b := crafted(t, f, func(p []byte) sign.Signature {
		p = bytes.ReplaceAll(p, []byte("\n"), []byte("\r\n")) // as text mode hashes it
		return craft(t, f.signingKey(), f.pgp.Key().Key, p, func(s *packet.Signature) { s.SigType = packet.SigTypeText })
	})
	because(t, refuses(t, Signature, b, f.options(nil)), sign.Algorithm)
}

func TestOpen_SHA1Signature(t *testing.T) {
	f := fixtures()
	b := crafted(t, f, func(p []byte) sign.Signature {
		return craft(t, f.signingKey(), f.pgp.Key().Key, p, func(s *packet.Signature) { s.Hash = crypto.SHA1 })
	})
	because(t, refuses(t, Signature, b, f.options(nil)), sign.Algorithm)
}

func TestOpen_RSA1024Signature(t *testing.T) {
	f := fixtures()
	var o Options
	b := crafted(t, f, func(p []byte) (s sign.Signature) {
		s, o = foreign(t, f, packet.Config{RSABits: 1024}, p)
		return s
	})
	r := refuses(t, Signature, b, o)
	because(t, r, sign.Algorithm)
	if !strings.Contains(r.Error(), "1024") {
		t.Error(r)
	}
}

func TestOpen_V6Key(t *testing.T) {
	f := fixtures()
	var o Options
	b := crafted(t, f, func(p []byte) (s sign.Signature) {
		s, o = foreign(t, f, packet.Config{V6Keys: true, Algorithm: packet.PubKeyAlgoEd25519}, p)
		return s
	})
	r := refuses(t, Signature, b, o)
	because(t, r, sign.Algorithm)
	if !strings.Contains(r.Error(), "version 6") {
		t.Error(r)
	}
}

func TestOpen_JunkAroundArmor(t *testing.T) {
	f := fixtures()
	m := f.document(t, nil)
	payload := encode(t, m)
	good := f.signed(t, payload, m, f.pgp, f.mini)
	v := good[0].Value
	for name, bad := range map[string]string{
		"before": "x\n" + v, "blank line before": "\n" + v, "after": v + "x\n", "blank line after": v + "\n",
		"twice": v + v, "CRLF": strings.ReplaceAll(v, "\n", "\r\n"), "no final LF": strings.TrimSuffix(v, "\n"),
		"no checksum": v[:strings.LastIndex(v, "\n=")] + v[strings.Index(v, "\n-----END"):],
	} {
		t.Run(name, func(t *testing.T) {
			sigs := []sign.Signature{good[0], good[1]}
			sigs[0].Value = bad
			because(t, refuses(t, Signature, pack(t, payload, sigs), f.options(nil)), sign.Malformed)
		})
	}
}

func TestOpen_TrustExpired(t *testing.T) {
	f := fixtures()
	tr := *f.trust
	tr.Expires = strictjson.At(day0)
	refuses(t, TrustExpired, f.bundle(t, nil), f.options(func(o *Options) { o.Trust = &tr }))
	if _, _, err := Open(f.bundle(t, nil), f.options(func(o *Options) { o.Trust, o.AnyAge = &tr, true })); err != nil {
		t.Errorf("any age: %v", err)
	}
}

func TestOpen_TrustTooOld(t *testing.T) {
	f := fixtures()
	refuses(t, TrustTooOld, f.bundle(t, func(m *manifest.Manifest) { m.TrustVersion = 4 }), f.options(nil))
	if _, _, err := Open(f.bundle(t, func(m *manifest.Manifest) { m.TrustVersion = 2 }), f.options(nil)); err != nil {
		t.Errorf("made before the newest trust: %v", err)
	}
}

func TestOpen_OtherComment(t *testing.T) {
	f := fixtures()
	m, other := f.document(t, nil), f.document(t, serial(9999))
	payload := encode(t, m)
	sigs := append(f.signed(t, payload, m, f.pgp), f.signed(t, payload, other, f.mini)...)
	r := refuses(t, Malformed, pack(t, payload, sigs), f.options(nil))
	if !strings.Contains(r.Error(), "trusted comment") {
		t.Error(r)
	}
}

func TestOpen_RevokedKey(t *testing.T) {
	f := fixtures()
	o := f.trusting(func(r *keys.ManifestRole) { r.Keys[1].Revoked = true })
	because(t, refuses(t, Signature, f.bundle(t, nil), o), sign.RevokedKey)
	o.AnyAge = true
	because(t, refuses(t, Signature, f.bundle(t, nil), o), sign.RevokedKey)
}
