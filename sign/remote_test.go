package sign

import (
	"context"
	"crypto"
	"crypto/rsa"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ed25519"

	"tidemark/keys"
)

// token is a Remote with the secret in memory, and faults to switch on.
type token struct {
	secret crypto.Signer
	asked  int
	fail   int // at which request; 0: never
	answer func(sig []byte) ([]byte, error)
}

func (k *token) Public() crypto.PublicKey { return k.secret.Public() }

func (k *token) SignRemote(ctx context.Context, message []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(message) > 4096 {
		return nil, fmt.Errorf("%d bytes, as no service takes them", len(message))
	}
	k.asked++
	hash := crypto.Hash(0)
	if _, ok := k.secret.(*rsa.PrivateKey); ok {
		hash = crypto.SHA512
	}
	sig, err := k.secret.Sign(nil, message, hash)
	if err == nil && k.asked == k.fail {
		return k.answer(sig)
	}
	return sig, err
}

// faults are what a token, an agent or a service may do at any request.
var faults = map[string]func([]byte) ([]byte, error){
	"error":           func([]byte) ([]byte, error) { return nil, errors.New("the token was pulled out") },
	"error and bytes": func(sig []byte) ([]byte, error) { return sig, errors.New("the token was pulled out") },
	"nothing":         func([]byte) ([]byte, error) { return nil, nil },
	"wrong":           func(sig []byte) ([]byte, error) { sig[5] ^= 1; return sig, nil },
	"short":           func(sig []byte) ([]byte, error) { return sig[:len(sig)/2], nil },
	"one byte short":  func(sig []byte) ([]byte, error) { return sig[1:], nil },
	"long":            func(sig []byte) ([]byte, error) { return append(sig, 1, 2, 3), nil },
	"zeros":           func(sig []byte) ([]byte, error) { return make([]byte, len(sig)), nil },
	"panic":           func([]byte) ([]byte, error) { panic("hostile") },
}

func rsaToken() *token { return &token{secret: secretOf(checkedIn().pgp).PrivateKey.(*rsa.PrivateKey)} }

func edToken() *token {
	return &token{secret: ed25519.NewKeyFromSeed([]byte("test only, 32 bytes, no secrets!"))}
}

func remotePGP(t testing.TB, k *token) Signer {
	t.Helper()
	f := checkedIn()
	cert, err := CertifyRemote(t.Context(), "Test Only <test@example.org>", k, f.now.Add(-time.Hour), year)
	if err != nil {
		t.Fatal(err)
	}
	s, err := OpenPGPRemote(cert, k, nil, f.now)
	if err != nil {
		t.Fatal(err)
	}
	k.asked = 0
	return s
}

func remoteMini(t testing.TB, k *token) Signer {
	t.Helper()
	public, err := MinisignOf(k)
	if err != nil {
		t.Fatal(err)
	}
	s, err := MinisignRemote(public, k)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// At whatever request a remote fails, and however, there is an error and no signature.
func TestRemote_FailsHalfWay(t *testing.T) {
	r := checkedIn().request(strings.Repeat(text, 1000))
	for name, answer := range faults {
		for _, c := range []struct {
			kind  string
			token *token
			make  func(testing.TB, *token) Signer
			asked int // requests for one signature
		}{{"RSA OpenPGP", rsaToken(), remotePGP, 1}, {"Ed25519 OpenPGP", edToken(), remotePGP, 1}, {"minisign", edToken(), remoteMini, 2}} {
			if name == "panic" && c.kind == "minisign" { // no foreign bytes are read there
				continue
			}
			s := c.make(t, c.token)
			for at := 1; at <= c.asked; at++ {
				c.token.asked, c.token.fail, c.token.answer = 0, at, answer
				sig, err := s.Sign(t.Context(), r)
				if err == nil || sig != (Signature{}) || c.token.asked != at {
					t.Errorf("%s, %s at request %d: %v, %v after %d requests", c.kind, name, at, sig, err, c.token.asked)
				}
				if strings.HasPrefix(name, "error") && !strings.Contains(err.Error(), "the token was pulled out") {
					t.Errorf("%s, %s: the reason was lost: %v", c.kind, name, err)
				}
			}
			c.token.asked, c.token.fail = 0, 1
			if in, ok := s.(InlineSigner); ok {
				if msg, err := in.SignInline(t.Context(), r); err == nil || msg != nil {
					t.Errorf("%s, %s: inline %q, %v", c.kind, name, msg, err)
				}
				c.token.asked = 0
				if cert, err := CertifyRemote(t.Context(), "Test Only", c.token, checkedIn().now, year); err == nil || cert != nil {
					t.Errorf("%s, %s: certificate %q, %v", c.kind, name, cert, err)
				}
			}
			if in, ok := s.(RawSigner); ok {
				if raw, err := in.SignRaw(t.Context(), []byte("v=tm1")); err == nil || raw != nil {
					t.Errorf("%s, %s: raw %q, %v", c.kind, name, raw, err)
				}
			}
			c.token.fail = 0
			if _, err := s.Sign(t.Context(), r); err != nil {
				t.Errorf("%s after %s: %v", c.kind, name, err)
			}
		}
	}
}

func TestRemote_Cancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, s := range []Signer{remotePGP(t, rsaToken()), remotePGP(t, edToken()), remoteMini(t, edToken())} {
		if sig, err := s.Sign(ctx, checkedIn().request(text)); !errors.Is(err, context.Canceled) || sig != (Signature{}) {
			t.Errorf("%v, %v", sig, err)
		}
	}
}

// A remote key signs as the same key in a file does, to the byte.
func TestOpenPGPRemote_AsTheFile(t *testing.T) {
	f := checkedIn()
	s, err := OpenPGPRemote([]byte(f.pgp.Key().Public), rsaToken(), nil, f.now)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := f.sign(t, s, text), f.sign(t, f.pgp, text); got != want {
		t.Errorf("%v\nby the file %v", got, want)
	}
	if got, want := s.Key(), f.pgp.Key(); got.Key != want.Key || got.Public != want.Public || got.Signing[0] != want.Signing[0] {
		t.Errorf("%+v, the file's %+v", got, want)
	}
}

func TestOpenPGPRemote_Refused(t *testing.T) {
	f := checkedIn()
	own := remotePGP(t, edToken()).Key()
	for name, c := range map[string]struct {
		cert    string
		allowed []string
		now     time.Time
		says    string
	}{
		"another key's certificate": {f.pgp.Key().Public, nil, f.now, "does not hold the key"},
		"not allowed":               {own.Public, []string{f.pgp.Key().Key}, f.now, "is allowed to sign"},
		"ended":                     {own.Public, nil, f.now.Add(2 * year), "expired"},
		"no certificate":            {"x", nil, f.now, "certificate"},
	} {
		s, err := OpenPGPRemote([]byte(c.cert), edToken(), c.allowed, c.now)
		if err == nil || s != nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, expected %q", name, err, c.says)
		}
	}
}

func TestCertifyRemote(t *testing.T) {
	f := checkedIn()
	for name, k := range map[string]*token{"RSA": rsaToken(), "Ed25519": edToken()} {
		armored, err := CertifyRemote(t.Context(), "Test Only <test@example.org>", k, f.now, 30*24*time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		again, err := CertifyRemote(t.Context(), "Test Only <test@example.org>", k, f.now, 30*24*time.Hour)
		if err != nil || string(again) != string(armored) {
			t.Errorf("%s: not the same again: %v", name, err)
		}
		cert, err := keys.ReadCertificate(armored)
		if err != nil {
			t.Fatal(err)
		}
		if cert.UserID != "Test Only <test@example.org>" || len(cert.Signing) != 1 || !cert.Primary.Created.Equal(f.now) || cert.Signing[0].End == nil || !cert.Signing[0].End.Equal(f.now.Add(30*24*time.Hour)) {
			t.Errorf("%s: %+v", name, cert)
		}
		forever, err := CertifyRemote(t.Context(), "Test Only", k, f.now, 0)
		if err != nil {
			t.Fatal(err)
		}
		if cert, err := keys.ReadCertificate(forever); err != nil || cert.Signing[0].End != nil {
			t.Errorf("%s: %+v, %v", name, cert, err)
		}
	}
	for name, c := range map[string]struct {
		uid  string
		life time.Duration
	}{"empty": {"", year}, "line feed": {"a\nb", year}, "no text": {"\xff", year}, "long": {strings.Repeat("x", 300), year}, "negative": {"x", -year}, "too long a life": {"x", 137 * year}} {
		if b, err := CertifyRemote(t.Context(), c.uid, edToken(), f.now, c.life); err == nil || b != nil {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
}

func TestMinisignRemote(t *testing.T) {
	k := edToken()
	public, err := MinisignOf(k)
	if err != nil || public.ID != "1912F07699D8F3ED" {
		t.Errorf("%s, %v: the id of a key must never change", public.ID, err)
	}
	named := keys.MinisignKey{ID: "0123456789ABCDEF", Public: public.Public} // made by minisign, then moved
	s, err := MinisignRemote(named, k)
	if err != nil {
		t.Fatal(err)
	}
	sig := checkedIn().sign(t, s, text)
	role := keys.ManifestRole{Threshold: 1, Required: []keys.Kind{keys.Minisign}, Keys: []keys.ManifestKey{held(s, "one")}}
	if _, err := Verify([]byte(text), []Signature{sig}, role, checkedIn().now); err != nil || sig.Key != named.ID {
		t.Errorf("%+v: %v", sig, err)
	}
	other, err := keys.ParseMinisign(checkedIn().mini.Key().Public)
	if err != nil {
		t.Fatal(err)
	}
	if s, err := MinisignRemote(other, k); err == nil || s != nil {
		t.Errorf("another key's public half: %v", err)
	}
	if s, err := MinisignRemote(public, rsaToken()); err == nil || s != nil || !strings.Contains(err.Error(), "expected an Ed25519 key") {
		t.Error(err)
	}
	if _, err := MinisignOf(rsaToken()); err == nil {
		t.Error("a minisign key of RSA")
	}
	r := checkedIn().request(text)
	r.Comment = strings.Repeat("x", 4096) // with the signature before it, more than a service takes
	k.asked = 0
	if _, err := s.Sign(t.Context(), r); err == nil || !strings.Contains(err.Error(), "at most 4096") {
		t.Error(err)
	}
}
