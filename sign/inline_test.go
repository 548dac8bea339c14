package sign

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"tidemark/keys"
)

func inlineOf(t testing.TB, f *fixture) []byte {
	t.Helper()
	msg, err := f.pgp.(InlineSigner).SignInline(context.Background(), f.request(text))
	if err != nil {
		t.Fatal(err)
	}
	return msg
}

func TestOpenInline(t *testing.T) {
	f := fixtures()
	got, err := OpenInline(inlineOf(t, f), f.role, f.now)
	if err != nil || string(got) != text {
		t.Fatalf("%q, %v", got, err)
	}
	_, err = OpenInline(inlineOf(t, f), f.with(func(r *keys.ManifestRole) { r.Keys[0].Revoked = true }), f.now)
	refusal(t, err, RevokedKey)
	_, err = OpenInline(inlineOf(t, f), f.role, f.now.Add(25*time.Hour))
	refusal(t, err, Expired)
}

func TestOpenInline_Refused(t *testing.T) {
	f := fixtures()
	msg := inlineOf(t, f)
	list, err := keys.SplitPackets(msg, 3)
	if err != nil {
		t.Fatal(err)
	}
	one, lit, sig := list[0], list[1], list[2]
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	var compressed bytes.Buffer
	w, err := packet.SerializeCompressed(nopCloser{&compressed}, packet.CompressionZLIB, nil)
	if err != nil {
		t.Fatal(err)
	}
	w.Write(msg)
	w.Close()
	for name, bad := range map[string][]byte{
		"compressed":           compressed.Bytes(),
		"flipped byte":         bytes.Replace(msg, []byte("7"), []byte("8"), 1),
		"no one-pass":          join(lit.Raw, sig.Raw),
		"no signature":         join(one.Raw, lit.Raw),
		"literal alone":        lit.Raw,
		"two signatures":       join(msg, sig.Raw),
		"bytes after":          append(bytes.Clone(msg), 0),
		"two literals":         join(one.Raw, lit.Raw, lit.Raw, sig.Raw),
		"other one-pass":       join(keys.AppendPacket(nil, keys.TagOnePass, flip(one.Body, 2)), lit.Raw, sig.Raw),
		"text literal":         join(one.Raw, keys.AppendPacket(nil, keys.TagLiteral, append([]byte{'t'}, lit.Body[1:]...)), sig.Raw),
		"literal cut":          join(one.Raw, keys.AppendPacket(nil, keys.TagLiteral, []byte{'b', 200, 0}), sig.Raw),
		"signature first":      join(sig.Raw, lit.Raw, one.Raw),
		"a detached signature": sig.Raw,
		"empty":                nil,
		"cut short":            msg[:len(msg)-1],
		"oversize":             make([]byte, MaxBundle+1),
	} {
		if got, err := OpenInline(bad, f.role, f.now); err == nil || got != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestInline_OnlyOpenPGP(t *testing.T) {
	f := fixtures()
	if _, err := Inline([]byte(text), f.sign(t, f.mini, text)); err == nil || !strings.Contains(err.Error(), "minisign") {
		t.Error(err)
	}
}

type nopCloser struct{ *bytes.Buffer }

func (nopCloser) Close() error { return nil }
