package checkin

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tidemark/inventory"
	"tidemark/keys"
	"tidemark/sign"
)

func TestOpen_WhatSealMade(t *testing.T) {
	m := newMirror(t, "ftp.funet.fi")
	want := m.message(noon)
	want.Trees["vault"] = maxTimestamp
	got, err := senders(t, m.server(t, "centos", "vault", "altarch")).Open(m.seal(t, want), noon.Add(30*24*time.Hour)) // an old one may lie in the spool
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, *got); diff != "" {
		t.Error(diff)
	}
}

func TestSeal_SaysWhatItIs(t *testing.T) {
	m := newMirror(t, "ftp.funet.fi")
	e, err := sign.ParseEnvelope(m.seal(t, m.message(noon)), MaxBody)
	if err != nil {
		t.Fatal(err)
	}
	if want := "\ntrusted comment: tidemark checkin ftp.funet.fi centos\n"; len(e.Signatures) != 1 || !strings.Contains(e.Signatures[0].Value, want) {
		t.Errorf("signatures %q, expected one with %q", e.Signatures, want)
	}
}

func TestMessage_Claims(t *testing.T) {
	m := Message{Trees: map[string]int64{"epel": 2, "centos": 1488372781}}
	if got := m.Claims(); got != "centos=1488372781 epel=2" {
		t.Error(got)
	}
}

func TestSeal_Refuses(t *testing.T) {
	t.Parallel()
	m := newMirror(t, "ftp.funet.fi")
	for _, tt := range []struct {
		want   string
		change func(*Message)
	}{
		{"schema", func(m *Message) { m.Schema = "" }},
		{"network", func(m *Message) { m.Network = "Cent OS" }},
		{"mirror", func(m *Message) { m.Mirror = "../etc" }},
		{"nonce", func(m *Message) { m.Nonce = m.Nonce[1:] }},
		{"0 trees", func(m *Message) { m.Trees = nil }},
		{"timestamp", func(m *Message) { m.Trees["centos"] = 0 }},
		{"a receiver reads at most 4096", func(m *Message) {
			for i := range maxTrees - 1 {
				m.Trees[fmt.Sprintf("a-tree-with-a-name-that-is-long-%d", i)] = 1
			}
		}},
	} {
		msg := m.message(noon)
		tt.change(&msg)
		if b, err := Seal(t.Context(), msg, m.signer); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%d bytes, %v, expected an error about %q", len(b), err, tt.want)
		}
	}
	pgp, _, err := keys.GenerateOpenPGP("Mirror <m@example.org>", nil, noon, 0)
	if err != nil {
		t.Fatal(err)
	}
	s, err := sign.OpenPGPFile(pgp, nil, nil, noon)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Seal(t.Context(), m.message(noon), s); err == nil {
		t.Error("signed by OpenPGP, expected an error")
	}
}

func TestNewSenders(t *testing.T) {
	a, b := newMirror(t, "a"), newMirror(t, "b")
	s := senders(t, a.server(t, "centos"), inventory.Server{ID: "keyless"}, b.server(t, "centos"))
	if s.Len() != 2 || !s.Has("a") || !s.Has("b") || s.Has("keyless") {
		t.Errorf("%d may check in, expected a and b", s.Len())
	}
	twin := a.server(t, "centos")
	twin.ID = "twin"
	if _, err := NewSenders("centos", []inventory.Server{a.server(t, "centos"), twin}); err == nil || !strings.Contains(err.Error(), "mirrors.yaml:1: twin has the check-in key") {
		t.Errorf("a key of two mirrors: %v", err)
	}
	renamed, err := keys.ParseMinisign(a.public) // the same key under another id
	if err != nil {
		t.Fatal(err)
	}
	renamed.ID = "0000000000000001"
	twin.Key = renamed.String()
	if _, err := NewSenders("centos", []inventory.Server{a.server(t, "centos"), twin}); err == nil {
		t.Error("a key of two mirrors under two ids, expected an error")
	}
	twin.Key = "RWbroken"
	if _, err := NewSenders("centos", []inventory.Server{twin}); err == nil {
		t.Error("a key that cannot be read, expected an error")
	}
}

// TestOpen_Refuses has one body for each rule; all but the first group are signed well.
func TestOpen_Refuses(t *testing.T) {
	a, b := newMirror(t, "a"), newMirror(t, "b")
	stranger := newMirror(t, "a") // knows the name, has another key
	s := senders(t, a.server(t, "centos"), b.server(t, "centos"))
	good := a.message(noon)
	text := func(change ...string) string {
		e, err := sign.ParseEnvelope(a.seal(t, good), MaxBody)
		if err != nil {
			t.Fatal(err)
		}
		return strings.NewReplacer(change...).Replace(string(e.Payload))
	}
	sigOf := func(payload string) sign.Signature {
		sig, err := a.signer.Sign(context.Background(), sign.Request{Payload: []byte(payload)})
		if err != nil {
			t.Fatal(err)
		}
		return sig
	}
	renamed := func(sig sign.Signature) sign.Signature { sig.Key = b.signer.Key().Key; return sig }
	posing := stranger.signer.Key().Key
	for _, tt := range []struct {
		name string
		want Reason
		body []byte
	}{
		{"nothing", Malformed, nil},
		{"no JSON", Malformed, []byte("hello")},
		{"a bare message", Malformed, []byte(text())},
		{"an envelope of something", Malformed, a.sealed(t, "{}\n")},
		{"a body that is too long", TooLarge, append(a.seal(t, good), make([]byte, MaxBody)...)},
		{"text behind", Malformed, append(a.seal(t, good), "{}"...)},
		{"two signatures", Malformed, envelope(t, text(), sigOf(text()), sigOf(text()))},
		{"a signature of another kind", Malformed, envelope(t, text(), sign.Signature{Kind: keys.OpenPGP, Key: strings.Repeat("AB", 20), Value: "x"})},
		{"another schema", Malformed, a.sealed(t, text("checkin/v1", "checkin/v2"))},
		{"a member twice", Malformed, a.sealed(t, text(`"mirror": "a"`, `"mirror": "b", "mirror": "a"`))},
		{"a member's case", Malformed, a.sealed(t, text(`"mirror"`, `"Mirror"`))},
		{"no nonce", Malformed, a.sealed(t, text(`"nonce": "`+good.Nonce+`",`, ""))},
		{"a nonce in capitals", Malformed, a.sealed(t, text(good.Nonce, strings.Repeat("AB", 16)))},
		{"a nonce that is long", Malformed, a.sealed(t, text(good.Nonce, strings.Repeat("ab", 17)))},
		{"a mirror that is a path", Malformed, a.sealed(t, text(`"mirror": "a"`, `"mirror": "../a"`))},
		{"a time with fractions", Malformed, a.sealed(t, text(`12:00:00Z`, `12:00:00.5Z`))},
		{"no tree", Malformed, a.sealed(t, text("\"centos\": 1488372781\n", ""))},
		{"a tree that is a path", Malformed, a.sealed(t, text(`"centos": 1`, `"../etc": 1`))},
		{"a timestamp of zero", Malformed, a.sealed(t, text("1488372781", "0"))},
		{"a timestamp below zero", Malformed, a.sealed(t, text("1488372781", "-1"))},
		{"a timestamp beyond", Malformed, a.sealed(t, text("1488372781", "253402300800"))},
		{"a timestamp with a point", Malformed, a.sealed(t, text("1488372781", "1488372781.0"))},
		{"another network", WrongNetwork, a.sealed(t, text(`"network": "centos"`, `"network": "fedora"`))},
		{"a sender nobody knows", UnknownSender, a.sealed(t, text(`"mirror": "a"`, `"mirror": "c"`))},
		{"a sender without a key", UnknownSender, a.sealed(t, text(`"mirror": "a"`, `"mirror": "keyless"`))},
		{"a stranger", BadSignature, stranger.seal(t, good)},
		{"a stranger who names the key", BadSignature, envelope(t, text(), func() sign.Signature {
			sig, _ := stranger.signer.Sign(context.Background(), sign.Request{Payload: []byte(text())})
			sig.Key, sig.Value = a.signer.Key().Key, strings.ReplaceAll(sig.Value, posing, a.signer.Key().Key)
			return sig
		}())},
		{"another mirror's key", BadSignature, b.seal(t, good)},
		{"another mirror's key named", BadSignature, envelope(t, text(), renamed(sigOf(text())))},
		{"a payload that was changed", BadSignature, envelope(t, text("1488372781", "1488372782"), sigOf(text()))},
		{"a comment that was changed", BadSignature, []byte(strings.Replace(string(a.seal(t, good)), "tidemark checkin a", "tidemark checkin b", 1))},
		{"a signature of nothing", BadSignature, envelope(t, text(), sign.Signature{Kind: keys.Minisign, Key: a.signer.Key().Key, Value: "x"})},
		{"a tree it does not carry", WrongTrees, a.sealed(t, text(`"centos": 1`, `"vault": 1`))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, err := s.Open(tt.body, noon)
			var refused *Refused
			if !errors.As(err, &refused) || refused.Reason != tt.want || m != nil {
				t.Errorf("%v, %v, expected the reason %s", m, err, tt.want)
			}
		})
	}
	if _, err := s.Open(a.sealed(t, text(`  "schema"`, `  "later": [1], "schema"`)), noon); err != nil {
		t.Errorf("a member of a later minor version: %v", err)
	}
}

// byHand is what the package documentation shows: a check-in without any program of ours.
const byHand = `printf '%s\n' "$MESSAGE" > m.json
minisign -S -s mirror.key -m m.json
jq -n --arg p "$(base64 -w0 m.json)" --arg k "$(printf %016X 0x"$(sed -n 's/.* key //p' mirror.pub)")" --rawfile s m.json.minisig \
  '{payload: $p, signatures: [{kind: "minisign", key: $k, value: $s}]}'
`

// need ends the test when a program of the system is missing.
func need(t testing.TB, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := exec.LookPath(name); err == nil {
			continue
		}
		hint := name + " is missing: apt-get install -y " + name
		if os.Getenv("CI") == "true" {
			t.Fatal(hint)
		}
		t.Skip(hint)
	}
}

func TestOpen_MadeByHand(t *testing.T) {
	need(t, "minisign", "jq", "base64", "sed")
	dir := t.TempDir()
	do := func(name string, args ...string) []byte {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "LC_ALL=C",
			`MESSAGE={"schema":"tidemark/checkin/v1","network":"centos","mirror":"a","at":"2026-11-22T12:00:00Z","nonce":"00112233445566778899aabbccddeeff","trees":{"centos":1488372781}}`)
		var errs strings.Builder
		cmd.Stderr = &errs
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v\n%s%s", name, err, out, errs.String())
		}
		return out
	}
	do("minisign", "-G", "-W", "-f", "-s", "mirror.key", "-p", "mirror.pub")
	text, err := os.ReadFile(filepath.Join(dir, "mirror.pub"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := keys.ParseMinisignFile(text)
	if err != nil {
		t.Fatal(err)
	}
	m := mirror{id: "a", public: key.String()}
	got, err := senders(t, m.server(t, "centos")).Open(do("sh", "-euc", byHand), noon)
	if err != nil {
		t.Fatal(err)
	}
	if got.Mirror != "a" || got.Trees["centos"] != 1488372781 {
		t.Errorf("%+v", got)
	}
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(byHand) {
		if line = strings.TrimSpace(line); !strings.Contains(string(doc), line) {
			t.Errorf("doc.go does not show: %s", line)
		}
	}
}
