package kms

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"tidemark/internal/lab"
	"tidemark/sign"
	"tidemark/sign/signtest"
)

// theKMS is one server for the tests that break nothing in it: RSA keys take a second each.
var theKMS = sync.OnceValues(func() (*lab.KMS, error) { return newKMS(context.Background()) })

func newKMS(ctx context.Context) (*lab.KMS, error) {
	return lab.StartKMS(ctx, lab.KMSOptions{Keys: map[string]string{"alias/rsa": "RSA_3072", "alias/ed": "ECC_NIST_EDWARDS25519"}})
}

func at(t *testing.T) (*lab.KMS, func(alias string) Options) {
	t.Helper()
	k, err := theKMS()
	if err != nil {
		t.Fatal(err)
	}
	k.Break()
	t.Cleanup(func() { k.Break() })
	return k, func(alias string) Options { return options(k, alias) }
}

func options(k *lab.KMS, alias string) Options {
	return Options{Key: alias, Region: k.Region, Endpoint: k.Endpoint, CA: k.CA, Credentials: account{k.Access, k.Secret}}
}

func open(t *testing.T, o Options) sign.Remote {
	t.Helper()
	r, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func request() sign.Request { return signtest.Request(time.Now()) }

func openpgp(t *testing.T, r sign.Remote) sign.Signer {
	t.Helper()
	now := time.Now()
	cert, err := sign.CertifyRemote(t.Context(), "Test Only <test@example.org>", r, now.Add(-time.Hour), 365*24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	s, err := sign.OpenPGPRemote(cert, r, nil, now)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func minisign(t *testing.T, r sign.Remote) sign.Signer {
	t.Helper()
	public, err := sign.MinisignOf(r)
	if err != nil {
		t.Fatal(err)
	}
	s, err := sign.MinisignRemote(public, r)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestKMS_StockToolsAccept(t *testing.T) {
	_, key := at(t)
	t.Run("RSA OpenPGP", func(t *testing.T) { signtest.Accepted(t, openpgp(t, open(t, key("alias/rsa"))), request()) })
	t.Run("Ed25519 minisign", func(t *testing.T) { signtest.Accepted(t, minisign(t, open(t, key("alias/ed"))), request()) })
	t.Run("Ed25519 OpenPGP", func(t *testing.T) { signtest.Accepted(t, openpgp(t, open(t, key("alias/ed"))), request()) })
}

// An RSA signature made there twice is the same bytes.
func TestKMS_Repeats(t *testing.T) {
	_, key := at(t)
	s, r := openpgp(t, open(t, key("alias/rsa"))), request()
	a, err1 := s.Sign(t.Context(), r)
	b, err2 := s.Sign(t.Context(), r)
	if err := errors.Join(err1, err2); err != nil || a != b {
		t.Errorf("%v: %v, then %v", err, a, b)
	}
}

func TestKMS_FailingSigner(t *testing.T) {
	k, key := at(t)
	pgp, mini := openpgp(t, open(t, key("alias/rsa"))), minisign(t, open(t, key("alias/ed")))
	for _, c := range []struct {
		fault lab.KMSFault
		says  string
	}{
		{lab.KMSFault{Kind: lab.KMSDenied}, "allow kms:GetPublicKey and kms:Sign"},
		{lab.KMSFault{Kind: lab.KMSWrong}, ""},
		{lab.KMSFault{Kind: lab.KMSShort}, ""},
	} {
		for _, s := range []sign.Signer{pgp, mini} {
			t.Run(c.fault.Kind+" "+string(s.Key().Kind), func(t *testing.T) {
				k.Break(c.fault)
				signtest.Fails(t.Context(), t, s, request(), c.says)
			})
		}
	}
}

// A minisign signature is two calls: when the second one fails there is none.
func TestKMS_SecondCallFails(t *testing.T) {
	k, key := at(t)
	s := minisign(t, open(t, key("alias/ed")))
	for _, kind := range []string{lab.KMSDenied, lab.KMSWrong, lab.KMSShort} {
		k.Break(lab.KMSFault{Kind: kind, From: 2})
		sig, err := s.Sign(t.Context(), request())
		if err == nil || sig != (sign.Signature{}) || !strings.Contains(err.Error(), "trusted comment") || k.Asked("Sign") != 2 {
			t.Errorf("%s: %v, %v after %d requests", kind, sig, err, k.Asked("Sign"))
		}
	}
}

// The SDK tries again what may mend itself.
func TestKMS_TriesAgain(t *testing.T) {
	k, key := at(t)
	s := minisign(t, open(t, key("alias/ed")))
	for _, kind := range []string{lab.KMSThrottled, lab.KMSBroken} {
		k.Break(lab.KMSFault{Kind: kind, From: 2, Times: 1})
		if _, err := s.Sign(t.Context(), request()); err != nil || k.Asked("Sign") != 3 {
			t.Errorf("%s: %v after %d requests, expected success after 3", kind, err, k.Asked("Sign"))
		}
	}
}

func TestKMS_GivesUp(t *testing.T) {
	k, key := at(t)
	s := minisign(t, open(t, key("alias/ed")))
	k.Break(lab.KMSFault{Kind: lab.KMSThrottled})
	sig, err := s.Sign(t.Context(), request())
	var e *Error
	if !errors.As(err, &e) || sig != (sign.Signature{}) || e.Call != "Sign" || !strings.Contains(e.Hint, "the next run tries again") || k.Asked("Sign") != 3 {
		t.Errorf("%v after %d requests", err, k.Asked("Sign"))
	}
}

func TestKMS_Hangs(t *testing.T) {
	k, key := at(t)
	o := key("alias/ed")
	o.Timeout = 300 * time.Millisecond
	s := minisign(t, open(t, o))
	k.Break(lab.KMSFault{Kind: lab.KMSHang, From: 1})
	sig, err := s.Sign(t.Context(), request())
	if !errors.Is(err, context.DeadlineExceeded) || sig != (sign.Signature{}) || !strings.Contains(err.Error(), "no answer") {
		t.Error(err)
	}
	k.Break()
	pgp := openpgp(t, open(t, key("alias/rsa")))
	k.Break(lab.KMSFault{Kind: lab.KMSHang})
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond) // of the whole run
	defer cancel()
	signtest.Fails(ctx, t, pgp, request(), "")
}

func TestOpen_Refused(t *testing.T) {
	k, err := newKMS(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	key := func(alias string) Options { return options(k, alias) }
	with := func(change func(*Options)) Options {
		o := key("alias/ed")
		change(&o)
		return o
	}
	for name, c := range map[string]struct {
		o    Options
		says string
	}{
		"no such key":      {key("alias/none"), "aws kms list-aliases"},
		"no name":          {key(""), "expected a key's id"},
		"option as a name": {key("--region"), ""},
		"space":            {key("alias/a b"), "expected a key's id"},
		"no URL":           {with(func(o *Options) { o.Endpoint = "://" }), "no URL"},
		"scheme":           {with(func(o *Options) { o.Endpoint = "ftp://x" }), "expected a URL like"},
		"user":             {with(func(o *Options) { o.Endpoint = "https://a:b@x" }), "credentials belong into"},
		"no authority":     {with(func(o *Options) { o.CA = "/nonexistent" }), "read the ca"},
		"no certificate":   {with(func(o *Options) { o.CA = "kms_test.go" }), "expected PEM"},
		"another account":  {with(func(o *Options) { o.Credentials = account{"other", "x"} }), "access key is not known"},
		"another region":   {with(func(o *Options) { o.Region = "eu-north-1" }), "InvalidSignatureException"},
		"nobody there":     {with(func(o *Options) { o.Endpoint, o.Timeout = "http://127.0.0.1:1", 200*time.Millisecond }), "GetPublicKey"},
		"plain HTTP there": {with(func(o *Options) {
			o.Endpoint = strings.Replace(k.Endpoint, "http:", "https:", 1)
			o.Timeout = 200 * time.Millisecond
		}), "GetPublicKey"},
		"control character": {key("alias/\n"), "expected a key's id"},
	} {
		if r, err := Open(t.Context(), c.o); err == nil || r != nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, expected %q", name, err, c.says)
		}
	}
	k.Spoil("alias/rsa", "ENCRYPT_DECRYPT", "RSA_3072")
	if _, err := Open(t.Context(), key("alias/rsa")); err == nil || !strings.Contains(err.Error(), "expected SIGN_VERIFY") {
		t.Error(err)
	}
	for _, spec := range []string{"RSA_2048", "ECC_NIST_P256", "RSA_4096", "ECC_NIST_EDWARDS25519"} { // the last two are not what the public key is
		k.Spoil("alias/rsa", "SIGN_VERIFY", spec)
		if _, err := Open(t.Context(), key("alias/rsa")); err == nil || !strings.Contains(err.Error(), "spec") {
			t.Errorf("%s: %v", spec, err)
		}
	}
	k.Disable("alias/ed")
	if _, err := Open(t.Context(), key("alias/ed")); err == nil || !strings.Contains(err.Error(), "aws kms enable-key --key-id alias/ed") {
		t.Error(err)
	}
}

// TLS with an authority of one's own, and the environment's credentials.
func TestOpen_ByEnvironment(t *testing.T) {
	k, err := lab.StartKMS(t.Context(), lab.KMSOptions{Keys: map[string]string{"alias/ed": "ECC_NIST_EDWARDS25519"}, TLS: true, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	for _, e := range k.Env() {
		name, value, _ := strings.Cut(e, "=")
		if name != "AWS_CA_BUNDLE" {
			t.Setenv(name, value)
		}
	}
	r := open(t, Options{Key: "alias/ed", Endpoint: k.Endpoint, CA: k.CA})
	if _, err := minisign(t, r).Sign(t.Context(), request()); err != nil {
		t.Error(err)
	}
	o := Options{Key: "alias/ed", Endpoint: k.Endpoint}
	if _, err := Open(t.Context(), o); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("an authority that nobody named: %v", err)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	if _, err := Open(t.Context(), Options{Key: "alias/ed", Endpoint: k.Endpoint, CA: k.CA}); err == nil || !strings.Contains(err.Error(), "set AWS_ACCESS_KEY_ID") {
		t.Errorf("no credentials: %v", err)
	}
}

func TestSignRemote_Sizes(t *testing.T) {
	k, key := at(t)
	rsa, ed := open(t, key("alias/rsa")), open(t, key("alias/ed"))
	for name, c := range map[string]struct {
		r    sign.Remote
		size int
		ok   bool
	}{"digest": {rsa, 64, true}, "short digest": {rsa, 32, false}, "largest": {ed, 4096, true}, "too large": {ed, 4097, false}} {
		k.Break()
		if _, err := c.r.SignRemote(t.Context(), make([]byte, c.size)); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		} else if !c.ok && k.Asked("Sign") != 0 {
			t.Errorf("%s: KMS was asked all the same", name)
		}
	}
}
