package sign

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tidemark/internal/strictjson"
	"tidemark/keys"
)

type holder struct {
	name   string
	signer Signer
}

func newHolder(t testing.TB, name string) holder {
	t.Helper()
	secret, _, err := keys.GenerateMinisign(nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := MinisignFile(secret, nil)
	if err != nil {
		t.Fatal(err)
	}
	return holder{name, s}
}

func trustOf(version int64, threshold int, root ...holder) *keys.Trust {
	return trustIn(fixtures(), version, threshold, root...)
}

func trustIn(f *fixture, version int64, threshold int, root ...holder) *keys.Trust {
	x := &keys.Trust{Schema: keys.TrustSchema, Network: "centos", Version: version, Issued: strictjson.At(f.now), Expires: strictjson.At(f.now.Add(year)), Manifest: f.role}
	x.Root.Threshold = threshold
	for _, h := range root {
		x.Root.Keys = append(x.Root.Keys, keys.RootKey{Holder: h.name, Key: h.signer.Key().Key, Public: h.signer.Key().Public})
	}
	return x
}

// sealed is x signed by the holders, as trust.json.
func sealed(t testing.TB, x *keys.Trust, by ...holder) []byte {
	t.Helper()
	payload, err := x.Encode()
	if err != nil {
		t.Fatal(err)
	}
	e := &Envelope{Payload: payload}
	for _, h := range by {
		s, err := h.signer.Sign(context.Background(), Request{Payload: payload, Comment: "trust"})
		if err != nil {
			t.Fatal(err)
		}
		e.Signatures = append(e.Signatures, s)
	}
	b, err := e.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestOpenTrust(t *testing.T) {
	a, b, c := newHolder(t, "alice"), newHolder(t, "bob"), newHolder(t, "carol")
	x := trustOf(1, 2, a, b, c)
	got, err := OpenTrust(sealed(t, x, a, c))
	if err != nil || got.Version != 1 {
		t.Fatal(err)
	}
	stranger := newHolder(t, "mallory")
	for name, bad := range map[string][]byte{
		"one of two":       sealed(t, x, a),
		"one of two twice": sealed(t, x, a, a),
		"a stranger":       sealed(t, x, a, stranger),
		"changed":          changed(t, sealed(t, x, a, b)),
		"oversize":         append(sealed(t, x, a, b), bytes.Repeat([]byte(" "), MaxTrustFile)...),
		"not an envelope":  []byte("{}"),
	} {
		if got, err := OpenTrust(bad); err == nil || got != nil {
			t.Errorf("%s was accepted: %+v", name, got)
		}
	}
}

// What Encode lets through can be opened again: the largest document, and the longest comments that signers can write.
func TestOpenTrust_Largest(t *testing.T) {
	var root []holder
	for i := range MaxSigs {
		root = append(root, newHolder(t, fmt.Sprintf("root-%d", i)))
	}
	x := trustOf(1, 1, root...)
	long := strings.Repeat("x", 100)
	for i := range 4500 {
		b := append([]byte("Ed"), make([]byte, 40)...)
		copy(b[2:], fmt.Sprintf("%08d%08d", i, i))
		k, err := keys.ParseMinisign(base64.StdEncoding.EncodeToString(b))
		if err != nil {
			t.Fatal(err)
		}
		x.Manifest.Keys = append(x.Manifest.Keys, keys.ManifestKey{Holder: long, Kind: keys.Minisign, Key: k.ID, Public: k.String()})
	}
	payload, err := x.Encode()
	for ; err != nil; payload, err = x.Encode() {
		x.Manifest.Keys = x.Manifest.Keys[:len(x.Manifest.Keys)-20]
	}
	if len(payload) < keys.MaxTrust*99/100 {
		t.Fatalf("%d bytes: the case is too small", len(payload))
	}
	e := &Envelope{Payload: payload}
	comment := strings.Repeat("é", (maxComment-len(trustedPrefix))/2)
	for _, h := range root {
		s, err := h.signer.Sign(t.Context(), Request{Payload: payload, Comment: comment})
		if err != nil {
			t.Fatal(err)
		}
		e.Signatures = append(e.Signatures, s)
	}
	b, err := e.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenTrust(b); err != nil {
		t.Errorf("%d bytes: %v", len(b), err)
	}
}

// changed alters the payload below its signatures.
func changed(t *testing.T, b []byte) []byte {
	t.Helper()
	e, err := ParseEnvelope(b, MaxTrustFile)
	if err != nil {
		t.Fatal(err)
	}
	e.Payload = bytes.Replace(e.Payload, []byte(`"min_serial": 0`), []byte(`"min_serial": 9`), 1)
	out, err := e.Encode()
	if err != nil || bytes.Equal(out, b) {
		t.Fatal("nothing was changed", err)
	}
	return out
}

// The rules of TUF's root role, each broken in turn.
func TestNextTrust(t *testing.T) {
	a, b, c, d := newHolder(t, "alice"), newHolder(t, "bob"), newHolder(t, "carol"), newHolder(t, "dave")
	old := trustOf(3, 2, a, b, c)
	next := trustOf(4, 2, b, c, d) // alice goes, dave comes
	if _, err := NextTrust(old, sealed(t, next, b, c)); err != nil {
		t.Errorf("the holders who stay: %v", err)
	}
	if _, err := NextTrust(old, sealed(t, next, a, b, d)); err != nil {
		t.Errorf("two of the old, two of the new: %v", err)
	}
	renamed := trustOf(4, 2, b, c, d)
	renamed.Network = "other"
	aliceTwice := trustOf(4, 1, d)
	oldTwice := trustOf(3, 2, a, b)
	oldTwice.Root.Keys[1].Holder = "alice"
	for name, err := range map[string]error{
		"only new keys":            second(NextTrust(old, sealed(t, next, c, d))),
		"only old keys":            second(NextTrust(old, sealed(t, next, a, b))),
		"nobody known":             second(NextTrust(old, sealed(t, next, d))),
		"the same version again":   second(NextTrust(old, sealed(t, trustOf(3, 2, a, b, c), a, b))),
		"a version skipped":        second(NextTrust(old, sealed(t, trustOf(5, 2, b, c, d), b, c))),
		"a version back":           second(NextTrust(old, sealed(t, trustOf(2, 2, a, b, c), a, b))),
		"another network":          second(NextTrust(old, sealed(t, renamed, b, c))),
		"one old holder, two keys": second(NextTrust(oldTwice, sealed(t, aliceTwice, a, b, d))),
	} {
		if err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

// second is the error, unless a document came beside it.
func second(x *keys.Trust, err error) error {
	if x != nil {
		return nil
	}
	return err
}

// A root holder needs no program of ours.
func TestTrust_SignedByMinisign(t *testing.T) {
	minisign := tool(t, "minisign", "minisign")
	dir := t.TempDir()
	mustRun(t, minisign, "-G", "-W", "-p", filepath.Join(dir, "k.pub"), "-s", filepath.Join(dir, "k.key"))
	pub, err := os.ReadFile(filepath.Join(dir, "k.pub"))
	if err != nil {
		t.Fatal(err)
	}
	k, err := keys.ParseMinisignFile(pub)
	if err != nil {
		t.Fatal(err)
	}
	x := trustOf(1, 1)
	x.Root.Keys = []keys.RootKey{{Holder: "alice", Key: k.ID, Public: k.String()}}
	payload, err := x.Encode()
	if err != nil {
		t.Fatal(err)
	}
	mustRun(t, minisign, "-S", "-m", write(t, dir, "trust", payload), "-s", filepath.Join(dir, "k.key"))
	text, err := os.ReadFile(filepath.Join(dir, "trust.minisig"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := FromMinisig(text)
	if err != nil {
		t.Fatal(err)
	}
	b, err := (&Envelope{Payload: payload, Signatures: []Signature{s}}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenTrust(b); err != nil {
		t.Error(err)
	}
}

func TestEnvelope(t *testing.T) {
	f := fixtures()
	e := &Envelope{Payload: []byte(text), Signatures: f.both(t, text)}
	b, err := e.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseEnvelope(b, MaxBundle)
	if err != nil {
		t.Fatal(err)
	}
	again, err := got.Encode()
	if err != nil || !bytes.Equal(again, b) || !bytes.HasSuffix(b, []byte("}\n")) {
		t.Errorf("another text: %v", err)
	}
	s := string(b)
	for name, bad := range map[string]string{
		"duplicate member":      strings.Replace(s, `"payload"`, `"payload": "eA==", "payload"`, 1),
		"case-folded":           strings.Replace(s, `"payload"`, `"Payload"`, 1),
		"trailing":              s + "{}",
		"unknown kind":          strings.Replace(s, `"openpgp"`, `"x509"`, 1),
		"key":                   strings.Replace(s, f.pgp.Key().Key, strings.ToLower(f.pgp.Key().Key), 1),
		"bad base64":            strings.Replace(s, `"payload": "e`, `"payload": "!`, 1),
		"folded base64":         strings.Replace(s, `"payload": "e`, `"payload": "e\n`, 1),
		"no signatures":         `{"payload": "eA==", "signatures": []}`,
		"no payload":            `{"payload": "", "signatures": [{"kind":"minisign","key":"0000000000000000","value":"x"}]}`,
		"seventeen":             `{"payload": "eA==", "signatures": [` + strings.TrimSuffix(strings.Repeat(`{"kind":"minisign","key":"0000000000000000","value":"x"},`, 17), ",") + `]}`,
		"empty value":           `{"payload": "eA==", "signatures": [{"kind":"minisign","key":"0000000000000000","value":""}]}`,
		"key id, openpgp":       `{"payload": "eA==", "signatures": [{"kind":"openpgp","key":"0000000000000000","value":"x"}]}`,
		"fingerprint, minisign": `{"payload": "eA==", "signatures": [{"kind":"minisign","key":"` + strings.Repeat("0", 40) + `","value":"x"}]}`,
	} {
		if bad == s {
			t.Errorf("%s: the case changes nothing", name)
		}
		if _, err := ParseEnvelope([]byte(bad), MaxBundle); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if _, err := ParseEnvelope(b, len(b)-1); err == nil {
		t.Error("larger than its limit")
	}
}
