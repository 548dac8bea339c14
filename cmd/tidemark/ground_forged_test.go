package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tidemark/internal/console"
	"tidemark/internal/lab"
	"tidemark/keys"
	"tidemark/sign"
)

// revocation is version n, which revokes a second key.
func (w *trustWorld) revocation(n int64) []byte {
	w.Helper()
	second := must2(lab.TestMinisign(2)).Key()
	second.Holder, second.Revoked = "second", true
	return w.version(n, "", w.pub.Roots, func(t *keys.Trust) { t.Manifest.Keys = append(t.Manifest.Keys, second) })
}

// follows says whether a client that holds version 1 takes the site's version 2.
func (w *trustWorld) follows(dir string) error {
	b, err := os.ReadFile(filepath.Join(w.dir, dir, "trust/2.json"))
	if err == nil {
		_, err = sign.NextTrust(&w.first, b)
	}
	return err
}

// unsigned is the same payload, signed by a key that nobody knows.
func unsigned(t *testing.T, envelope []byte) []byte {
	t.Helper()
	e := must2(sign.ParseEnvelope(envelope, sign.MaxTrustFile))
	sig := must2(must2(lab.TestMinisign(4)).Sign(context.Background(), sign.Request{Payload: e.Payload, Comment: "nobody's"}))
	return must((&sign.Envelope{Payload: e.Payload, Signatures: []sign.Signature{sig}}).Encode())
}

// Whoever can write to the site and has no key holds no revocation back, whatever he lays in the place of trust and keys: it is
// overwritten, by the first run.
func TestGround_NoKeyHoldsNothingBack(t *testing.T) {
	w := newTrustWorld(t)
	w.good(100)
	first := must(os.ReadFile(w.pub.TrustFile))
	revocation := w.revocation(2)
	huge := strings.Repeat("x", 8<<20+1)
	for _, name := range []string{"net/site", "state"} {
		if err := copyTree(filepath.Join(w.dir, name), filepath.Join(w.dir, "saved", name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ name, file, content string }{
		{"version 1 of another root", "trust/1.json", string(w.foreign(1))},
		{"another version as version 1", "trust/1.json", string(w.foreign(77))},
		{"version 1 with void signatures", "trust/1.json", string(unsigned(t, first))},
		{"version 2 with void signatures", "trust/2.json", string(unsigned(t, revocation))},
		{"trust.json with void signatures", "trust.json", string(unsigned(t, revocation))},
		{"trust.json of another chain, newer", "trust.json", string(w.foreign(9))},
		{"version 3 of another root", "trust/3.json", string(w.foreign(3))},
		{"huge version 1", "trust/1.json", huge},
		{"huge version 2", "trust/2.json", huge},
		{"huge version 3", "trust/3.json", huge},
		{"huge trust.json", "trust.json", huge},
		{"huge key", "keys/centos.asc", huge},
		{"huge signature", "manifest.json.asc", huge},
		{"huge signature of nobody", "manifest.json.0123456789ABCDEF.asc", huge},
		{"huge pointer", "latest.json", ""}, // longer than is ever read
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, name := range []string{"net/site", "state"} {
				os.RemoveAll(filepath.Join(w.dir, name))
				if err := copyTree(filepath.Join(w.dir, "saved", name), filepath.Join(w.dir, name)); err != nil {
					t.Fatal(err)
				}
			}
			w.write("net/trust.json", string(revocation))
			w.write("net/site/"+c.file, c.content)
			if c.content == "" {
				if err := os.Truncate(filepath.Join(w.dir, "net/site", c.file), 65<<20); err != nil {
					t.Fatal(err)
				}
			}
			m, code, errs := w.release(101)
			if code != 0 || m.TrustVersion != 2 {
				t.Errorf("exit code %d: %s", code, errs)
			}
			if err := w.follows("net/site"); err != nil {
				t.Errorf("a client of version 1: %v", err)
			}
			if b, _ := os.ReadFile(filepath.Join(w.dir, "net/site", c.file)); c.file != "trust/3.json" && string(b) == c.content {
				t.Errorf("%s is still the thief's", c.file)
			}
			if b := must(os.ReadFile(filepath.Join(w.dir, "net/site/trust.json"))); must2(sign.OpenTrust(b)).Version != 2 || sameRoots(b, first) != nil {
				t.Error("trust.json is not version 2 of this chain")
			}
		})
	}
}

// sameRoots says whether the root keys of first signed b.
func sameRoots(b, first []byte) error {
	t := *must2(sign.OpenTrust(first))
	t.Version = must2(sign.OpenTrust(b)).Version - 1
	_, err := sign.NextTrust(&t, b)
	return err
}

// A fork of a version that is over, by holders of root keys, is an error of every run, and keeps no later version from going up, at
// copies, too.
func TestGround_OldForkHoldsNothingBack(t *testing.T) {
	w := newTrustWorld(t)
	w.settings(", {dir: copy}")
	w.good(100)
	theirs := w.version(1, "", w.pub.Roots, func(t *keys.Trust) { t.MinSerial = 7 })
	w.put("net/site", map[int64][]byte{1: theirs})
	w.write("net/trust.json", string(w.revocation(2)))
	if _, code, errs := w.release(101); code != console.Refused || !strings.Contains(errs, "trust/1.json at the site has other content") {
		t.Errorf("exit code %d: %s", code, errs)
	}
	for _, dir := range []string{"net/site", "copy"} {
		if err := w.follows(dir); err != nil {
			t.Errorf("%s: %v", dir, err)
		}
	}
	if b := must(os.ReadFile(filepath.Join(w.dir, "net/site/trust/1.json"))); string(b) != string(theirs) {
		t.Error("the fork was overwritten")
	}
}

// The authority being away, copies get the revocation all the same.
func TestGround_AuthorityAway(t *testing.T) {
	w := newTrustWorld(t)
	w.settings(", {dir: copy}")
	w.good(100)
	w.write("net/trust.json", string(w.revocation(2)))
	site := filepath.Join(w.dir, "net/site")
	if err := os.Rename(site, site+".away"); err != nil {
		t.Fatal(err)
	}
	w.write("net/site", "no directory\n")
	if _, code, errs := w.release(101); code != console.Failed {
		t.Errorf("exit code %d: %s", code, errs)
	}
	if err := w.follows("copy"); err != nil {
		t.Error(err)
	}
}

// A newer version that the root holders made is not replaced by an old one, also where it lies as trust.json alone.
func TestGround_NewerStays(t *testing.T) {
	for _, file := range []string{"trust/2.json", "trust.json"} {
		t.Run(file, func(t *testing.T) {
			w := newTrustWorld(t)
			w.good(100)
			newer := w.revocation(2)
			w.put("net/site", nil)
			w.write("net/site/"+file, string(newer))
			_, code, errs := w.release(101)
			if b := must(os.ReadFile(filepath.Join(w.dir, "net/site", file))); string(b) != string(newer) {
				t.Errorf("exit code %d, it was replaced: %s", code, errs)
			}
			if code != 0 && code != console.Refused {
				t.Errorf("exit code %d: %s", code, errs)
			}
		})
	}
}

// A state that was lost, and a thief's trust.json of an earlier version: the refusal names both roots, and removing it comes first.
func TestGround_LostStateForged(t *testing.T) {
	w := newTrustWorld(t)
	w.good(100)
	w.write("net/trust.json", string(w.version(2, "", w.pub.Roots, nil)))
	w.good(101)
	if err := os.RemoveAll(filepath.Join(w.dir, "state")); err != nil {
		t.Fatal(err)
	}
	w.settings("")
	forged := w.foreign(1)
	w.write("net/site/trust.json", string(forged))
	_, code, errs := w.release(102)
	hint := errs[max(strings.Index(errs, "hint:"), 0):]
	if code != console.Refused || !strings.Contains(errs, rootIDs(must2(sign.OpenTrust(forged)))) || !strings.Contains(errs, rootIDs(&w.first)) ||
		!strings.Contains(hint, "remove it") || strings.Index(hint, "remove it") > strings.Index(hint, "--bootstrap") {
		t.Errorf("exit code %d: %s", code, errs)
	}
}
