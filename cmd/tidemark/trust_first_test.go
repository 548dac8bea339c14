package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"tidemark/config"
	"tidemark/internal/console"
	"tidemark/internal/lab"
	"tidemark/internal/strictjson"
	"tidemark/keys"
	"tidemark/manifest"
	"tidemark/quorum"
)

// A version by which nothing can be signed does not go up, unless somebody says so; a revocation always does.
func TestMayPutTrust(t *testing.T) {
	drop := func(t *keys.Trust, kind keys.Kind) {
		for i, k := range t.Manifest.Keys {
			if k.Kind == kind {
				t.Manifest.Keys = append(t.Manifest.Keys[:i:i], t.Manifest.Keys[i+1:]...)
				return
			}
		}
	}
	second := func(t *keys.Trust) {
		k := must2(lab.TestMinisign(2)).Key()
		k.Holder = "publisher"
		t.Manifest.Keys = append(t.Manifest.Keys, k)
	}
	for _, c := range []struct {
		name   string
		change func(*trustWorld, *keys.Trust)
		flags  []string
		up     bool
		says   string
	}{
		{"not configured", func(_ *trustWorld, t *keys.Trust) { drop(t, keys.Minisign); second(t) }, nil, false, "version 2 of the trust document is not put up yet"},
		{"force", func(_ *trustWorld, t *keys.Trust) { drop(t, keys.Minisign); second(t) }, []string{"--force"}, true, ""},
		{"revoked", func(_ *trustWorld, t *keys.Trust) {
			second(t)
			t.Manifest.Keys[0].Revoked = t.Manifest.Keys[0].Kind == keys.Minisign
			t.Manifest.Keys[1].Revoked = t.Manifest.Keys[1].Kind == keys.Minisign
		}, nil, true, ""},
		{"future", func(w *trustWorld, t *keys.Trust) {
			drop(t, keys.OpenPGP)
			private, cert, err := keys.GenerateOpenPGP("second", nil, w.now.Add(30*day), 365*day)
			if err != nil {
				w.Fatal(err)
			}
			w.write("second.asc", string(private))
			w.configureOpenPGP("second.asc", w.pub.OpenPGPKey)
			if _, err := t.PutKey("publisher", must(cert.Armored())); err != nil {
				w.Fatal(err)
			}
		}, nil, false, "can sign nothing before"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newTrustWorld(t)
			w.good(100)
			w.write("net/trust.json", string(w.version(2, "", w.pub.Roots, func(t *keys.Trust) { c.change(w, t) })))
			_, code, errs := w.release(101, c.flags...)
			if code != console.Refused || !strings.Contains(errs, c.says) || w.has("net/site/trust/2.json") != c.up {
				t.Errorf("exit code %d, put: %v: %s", code, w.has("net/site/trust/2.json"), errs)
			}
		})
	}
}

// configureOpenPGP lists these files as OpenPGP keys.
func (w *trustWorld) configureOpenPGP(files ...string) {
	w.Helper()
	w.settings("")
	w.write("tidemark.yaml", strings.Replace(string(must(os.ReadFile(filepath.Join(w.dir, "tidemark.yaml")))),
		"openpgp: {key: "+w.pub.OpenPGPKey+"}", "openpgp: [{key: "+strings.Join(files, "}, {key: ")+"}]", 1))
}

// A trust version that another host puts up while this one asks the servers is found before something is published, and worked
// with; one that begins the serials anew takes the ground from under what was decided.
func TestReleaseByNewest(t *testing.T) {
	for name, c := range map[string]struct {
		reset bool
		code  int
	}{"renewed": {false, console.Done}, "reset": {true, console.Locked}} {
		t.Run(name, func(t *testing.T) {
			w := newTrustWorld(t)
			w.good(100)
			two := w.version(2, "", w.pub.Roots, func(t *keys.Trust) { t.ResetSerial = c.reset })
			w.now = w.now.Add(time.Second)
			code, errs := w.at(func(ctx context.Context, p *publisher) error {
				s, prev, err := p.begin(ctx, false)
				if err != nil {
					return err
				}
				w.put("net/site", map[int64][]byte{2: two})
				s.S3, s.looked = new(config.S3), false // of a bucket, no look is taken for granted
				m := w.decided(p, 101)
				if _, err := p.releaseByNewest(ctx, m, &round{site: s, prev: prev}); err != nil {
					return err
				}
				if m.TrustVersion != 2 || m.Serial != 2 {
					t.Errorf("published %+v", m)
				}
				return nil
			})
			if code != c.code {
				t.Errorf("exit code %d: %s", code, errs)
			}
		})
	}
}

// Behind a cache that keeps m/ for a year, the serials that readers know are stepped over.
func TestAnew_KnownToReaders(t *testing.T) {
	w := newTheft(t)
	edge := filepath.Join(w.dir, "edge")
	if err := os.MkdirAll(filepath.Join(edge, "m"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, n := range []string{"1", "2"} {
		if err := copyTree(filepath.Join(w.dir, "net/site/m/1"), filepath.Join(edge, "m", n)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.RemoveAll(filepath.Join(w.dir, "net/site/m/1")); err != nil { // cleaned: older than publish.keep
		t.Fatal(err)
	}
	w.recover(func(t *keys.Trust) { t.MinSerial = 0 })
	w.now = w.now.Add(time.Second)
	code, errs := w.at(func(ctx context.Context, p *publisher) error {
		s, prev, err := p.begin(ctx, false)
		if err != nil {
			return err
		}
		s.URL = edge
		_, err = p.release(ctx, w.decided(p, 101), round{site: s, prev: prev})
		return err
	})
	if code != 0 || strings.Count(errs, "stepped over") != 2 {
		t.Errorf("exit code %d: %s", code, errs)
	}
	w.published("net/site", 6) // 1, then 1+1, then 2+4
}

// A run for check-ins begins nothing.
func TestDue_PartialWithoutPredecessor(t *testing.T) {
	w := newTrustWorld(t)
	w.at(func(_ context.Context, p *publisher) error {
		m := &manifest.Manifest{Trees: map[string]manifest.Tree{"centos": {}}}
		due, why, err := p.due(round{site: &site{}, readings: quorum.Readings{Asked: []string{"a"}}}, quorum.Decision{Manifest: m})
		if due || err != nil || !strings.Contains(why, "next full run") {
			t.Errorf("due %v, %q, %v", due, why, err)
		}
		return nil
	})
}

// One of two keys is about to end: it is left out, and the manifest lives on the other.
func TestOpenSigners_Lasting(t *testing.T) {
	w := newTrustWorld(t)
	secret := must(os.ReadFile(filepath.Join("..", "..", "internal", "lab", "testdata", "test-only-minisign-2.key")))
	w.write("second.key", string(secret))
	w.write("tidemark.yaml", strings.Replace(string(must(os.ReadFile(filepath.Join(w.dir, "tidemark.yaml")))),
		"ed25519: {key: "+w.pub.MinisignKey+"}", "ed25519: [{key: "+w.pub.MinisignKey+"}, {key: second.key}]", 1))
	soon := strictjson.At(w.now.Add(30 * time.Minute))
	w.write("net/trust.json", string(w.version(2, "", w.pub.Roots, func(t *keys.Trust) {
		for i := range t.Manifest.Keys {
			if t.Manifest.Keys[i].Kind == keys.Minisign {
				t.Manifest.Keys[i].NotAfter = &soon
			}
		}
		k := must2(lab.TestMinisign(2)).Key()
		k.Holder = "publisher"
		t.Manifest.Keys = append(t.Manifest.Keys, k)
	})))
	m, code, errs := w.release(100)
	if code != 0 || !m.Expires.After(w.now.Add(2*time.Hour)) || !strings.Contains(errs, "less than an hour is left") {
		t.Errorf("exit code %d, %+v: %s", code, m, errs)
	}
}

// Two files of one primary, with the old subkey and with the new one: from the day the old one ends, its file is skipped.
func TestOpenSigners_OldSubkeyEnds(t *testing.T) {
	w := newTrustWorld(t)
	private, _, err := keys.GenerateOpenPGP("publisher", nil, w.now.Add(-2*time.Hour), 0)
	if err != nil {
		t.Fatal(err)
	}
	list, err := openpgp.ReadKeyRing(bytes.NewReader(must(keys.Dearmor(private, keys.ArmorPrivate))))
	if err != nil {
		t.Fatal(err)
	}
	e := list[0]
	e.Subkeys = nil
	for _, life := range []time.Duration{30 * day, 200 * day} {
		made, plain := w.now.Add(-time.Hour), false
		if err := e.AddSigningSubkey(&packet.Config{RSABits: 3072, KeyLifetimeSecs: uint32(life / time.Second), Time: func() time.Time { return made }, NonDeterministicSignaturesViaNotation: &plain}); err != nil {
			t.Fatal(err)
		}
	}
	both := e.Subkeys
	for i, name := range []string{"old.asc", "new.asc"} {
		var out bytes.Buffer
		e.Subkeys = both[i : i+1]
		if err := e.SerializePrivateWithoutSigning(&out, nil); err != nil {
			t.Fatal(err)
		}
		w.write(name, string(must(keys.Armor(keys.ArmorPrivate, out.Bytes()))))
	}
	e.Subkeys = both
	cert := must2(keys.CertificateOf(e))
	w.configureOpenPGP("old.asc", "new.asc")
	w.write("net/trust.json", string(w.version(2, "", w.pub.Roots, func(t *keys.Trust) {
		if _, err := t.PutKey("publisher", must(cert.Armored())); err != nil {
			w.Fatal(err)
		}
	})))
	w.signedLike(w.good(100), both[0])
	w.now = w.now.Add(30*day - time.Hour - 30*time.Minute) // half an hour before the old one ends
	w.signedLike(w.good(101), both[1])
	w.now = w.now.Add(10 * day)
	if _, code, errs := w.release(102); code != 0 || !strings.Contains(errs, "old.asc") || !strings.Contains(errs, "it is skipped") {
		t.Errorf("exit code %d: %s", code, errs)
	}
}

// signedLike says that manifest.json.asc is there alone, and made by this subkey.
func (w *trustWorld) signedLike(m *manifest.Manifest, sub openpgp.Subkey) {
	w.Helper()
	files := must2(filepath.Glob(filepath.Join(w.pub.Site, manifest.SerialPath(m.Serial), "*.asc")))
	if len(files) != 1 {
		w.Fatalf("serial %d: signatures %v, expected one", m.Serial, files)
	}
	p := must2(packet.Read(bytes.NewReader(must(keys.Dearmor(must(os.ReadFile(files[0])), "PGP SIGNATURE")))))
	if sig, ok := p.(*packet.Signature); !ok || !bytes.Equal(sig.IssuerFingerprint, sub.PublicKey.Fingerprint) {
		w.Errorf("serial %d was not signed by %X", m.Serial, sub.PublicKey.Fingerprint)
	}
}
