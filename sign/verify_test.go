package sign

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"tidemark/keys"
)

const text = "{\n  \"serial\": 7\n}\n"

func TestVerify(t *testing.T) {
	f := fixtures()
	votes, err := Verify([]byte(text), f.both(t, text), f.role, f.now)
	if err != nil {
		t.Fatal(err)
	}
	if len(votes) != 2 || votes[0].Holder != "publisher" || votes[1].Comment != "tidemark test serial=1" || votes[0].Kind != keys.OpenPGP {
		t.Errorf("%+v", votes)
	}
	if _, err := Verify([]byte(text+" "), f.both(t, text), f.role, f.now); err == nil {
		t.Error("another payload was accepted")
	} else {
		refusal(t, err, BadSignature)
	}
}

func TestSign_Deterministic(t *testing.T) {
	f := fixtures()
	if a, b := f.both(t, text), f.both(t, text); a[0] != b[0] || a[1] != b[1] {
		t.Error("the same request gave other bytes")
	}
	if !strings.HasSuffix(f.sign(t, f.pgp, text).Value, "-----END PGP SIGNATURE-----\n") {
		t.Error("no final line feed")
	}
	s, err := dearmorSignature(f.sign(t, f.pgp, text).Value)
	if err != nil {
		t.Fatal(err)
	}
	if s.hash != pgpHash512 || len(s.Notations) != 0 || *s.SigLifetimeSecs != 86400 || !s.CreationTime.Equal(f.now) {
		t.Errorf("hash %d, notations %v, lifetime %d, made %s", s.hash, s.Notations, *s.SigLifetimeSecs, s.CreationTime)
	}
}

// The policy: holders, not signatures; kinds; each key once.
func TestVerify_Policy(t *testing.T) {
	f := fixtures()
	pgp, mini, mini2 := f.sign(t, f.pgp, text), f.sign(t, f.mini, text), f.sign(t, f.mini2, text)
	minisignOnly := []keys.Kind{keys.Minisign}
	cases := []struct {
		name   string
		sigs   []Signature
		change func(*keys.ManifestRole)
		want   string // "" accepted
	}{
		{"both", []Signature{pgp, mini}, func(*keys.ManifestRole) {}, ""},
		{"openpgp missing", []Signature{mini}, func(*keys.ManifestRole) {}, "no good openpgp"},
		{"minisign missing", []Signature{pgp}, func(*keys.ManifestRole) {}, "no good minisign"},
		{"none", nil, func(*keys.ManifestRole) {}, "0 of 1"},
		{"one holder, both kinds, is one vote", []Signature{pgp, mini}, func(r *keys.ManifestRole) { r.Threshold = 2 }, "1 of 2"},
		{"two holders", []Signature{pgp, mini, mini2}, func(r *keys.ManifestRole) { r.Threshold = 2 }, ""},
		{"the same signature twice", []Signature{mini, mini}, func(r *keys.ManifestRole) { r.Threshold, r.Required = 2, minisignOnly }, "1 of 2"},
		{"two keys of one holder", []Signature{mini, mini2}, func(r *keys.ManifestRole) {
			r.Threshold, r.Required, r.Keys[2].Holder = 2, minisignOnly, "publisher"
		}, "1 of 2"},
		{"a threshold of 0 is 1", nil, func(r *keys.ManifestRole) { r.Threshold, r.Required = 0, nil }, "0 of 1"},
		{"revoked", []Signature{pgp, mini}, func(r *keys.ManifestRole) { r.Keys[1].Revoked = true }, "revokes"},
		{"not_after", []Signature{pgp, mini}, func(r *keys.ManifestRole) { r.Keys[1].NotAfter = at(f.now.Add(-6 * time.Minute)) }, "until"},
		{"not_after, skew granted", []Signature{pgp, mini}, func(r *keys.ManifestRole) { r.Keys[1].NotAfter = at(f.now.Add(-4 * time.Minute)) }, ""},
		{"unknown beside good", []Signature{pgp, mini, mini2}, func(r *keys.ManifestRole) { r.Keys = r.Keys[:2] }, ""},
		{"unknown", []Signature{pgp, mini2}, func(r *keys.ManifestRole) { r.Keys = r.Keys[:2] }, "does not name this key"},
		{"too many", make([]Signature, MaxSigs+1), func(*keys.ManifestRole) {}, "at most 16"},
		{"signing pin of another key", []Signature{pgp, mini}, func(r *keys.ManifestRole) { r.Keys[0].Signing = []string{r.Keys[0].Key} }, "does not let sign"},
	}
	for _, c := range cases {
		_, err := Verify([]byte(text), c.sigs, f.with(c.change), f.now)
		if c.want == "" && err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, expected %q in it", c.name, err, c.want)
		}
	}
}

func TestVerify_SwappedKeyNames(t *testing.T) {
	f := fixtures()
	mini, mini2 := f.sign(t, f.mini, text), f.sign(t, f.mini2, text)
	mini.Key, mini2.Key = mini2.Key, mini.Key
	_, err := Verify([]byte(text), []Signature{f.sign(t, f.pgp, text), mini, mini2}, f.role, f.now)
	refusal(t, err, BadSignature)
}

func onlyPGP(k keys.ManifestKey) keys.ManifestRole {
	return keys.ManifestRole{Threshold: 1, Required: []keys.Kind{keys.OpenPGP}, Keys: []keys.ManifestKey{k}}
}

// Signatures by the right key that are refused for what they are.
func TestVerify_OpenPGPRefused(t *testing.T) {
	f := fixtures()
	secret := secretOf(f.pgp)
	role := onlyPGP(f.role.Keys[0])
	good := f.sign(t, f.pgp, text)
	body, err := keys.Dearmor([]byte(good.Value), keys.ArmorSignature)
	if err != nil {
		t.Fatal(err)
	}
	list, err := keys.SplitPackets(body, 1)
	if err != nil {
		t.Fatal(err)
	}
	week := uint32(7 * 86400)
	other := func(b []byte) Signature { return armored(t, b) }
	respond := func(s string) Signature { x := good; x.Value = s; return x }
	critical := &packet.Notation{Name: "x@example.org", Value: []byte("y"), IsCritical: true, IsHumanReadable: true}
	cases := []struct {
		name  string
		cause Cause
		sig   Signature
	}{
		{"text mode", Algorithm, craft(t, secret, strings.ReplaceAll(text, "\n", "\r\n"), func(s *packet.Signature) { s.SigType = packet.SigTypeText })},
		{"SHA-1", Algorithm, craft(t, secret, text, func(s *packet.Signature) { s.Hash = crypto.SHA1 })},
		{"SHA-224", Algorithm, craft(t, secret, text, func(s *packet.Signature) { s.Hash = crypto.SHA224 })},
		{"SHA-384", Algorithm, craft(t, secret, text, func(s *packet.Signature) { s.Hash = crypto.SHA384 })},
		{"SHA3-512", Algorithm, craft(t, secret, text, func(s *packet.Signature) { s.Hash = crypto.SHA3_512 })},
		{"six minutes ahead", FutureDated, craft(t, secret, text, func(s *packet.Signature) { s.CreationTime = f.now.Add(6 * time.Minute) })},
		{"its life is over", Expired, craft(t, secret, text, func(s *packet.Signature) {
			s.CreationTime, s.SigLifetimeSecs = f.now.Add(-40*time.Minute), new(uint32)
			*s.SigLifetimeSecs = 30 * 60
		})},
		{"older than its key", BadSignature, craft(t, secret, text, func(s *packet.Signature) { s.CreationTime = f.now.Add(-2 * time.Hour) })},
		{"critical notation", BadSignature, craft(t, secret, text, func(s *packet.Signature) { s.Notations = []*packet.Notation{critical} })},
		{"two packets", Malformed, other(append(bytes.Clone(body), body...))},
		{"a bogus first packet", Malformed, other(append(keys.AppendPacket(nil, keys.TagUserID, []byte("x")), body...))},
		{"no signature packet", Malformed, other(keys.AppendPacket(nil, keys.TagUserID, []byte("x")))},
		{"bytes inside after its end", Malformed, other(keys.AppendPacket(nil, keys.TagSignature, append(bytes.Clone(list[0].Body), 0)))},
		{"a cut packet", Malformed, other(body[:len(body)-1])},
		{"version 3", Algorithm, other(keys.AppendPacket(nil, keys.TagSignature, append([]byte{3}, list[0].Body[1:]...)))},
		{"junk before", Malformed, respond("x\n" + good.Value)},
		{"junk after", Malformed, respond(good.Value + "x\n")},
		{"two blocks", Malformed, respond(good.Value + good.Value)},
		{"not armored", Malformed, respond(string(body))},
		{"cut short", Malformed, respond(good.Value[:len(good.Value)/2])},
		{"oversize", Malformed, respond(good.Value + strings.Repeat("x", MaxSignature))},
		{"empty", Malformed, respond("")},
		{"another text", BadSignature, f.sign(t, f.pgp, text+"\n")},
		{"flipped bit in the number", BadSignature, other(flip(body, len(body)-9))},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := Verify([]byte(text), []Signature{c.sig}, role, f.now)
			refusal(t, err, c.cause)
		})
	}
	for name, s := range map[string]Signature{
		"SHA-256":             craft(t, secret, text, func(s *packet.Signature) { s.Hash = crypto.SHA256 }),
		"four minutes ahead":  craft(t, secret, text, func(s *packet.Signature) { s.CreationTime = f.now.Add(4 * time.Minute) }),
		"a life of a week":    craft(t, secret, text, func(s *packet.Signature) { s.SigLifetimeSecs = &week }),
		"gpg 1's header line": respond(strings.Replace(good.Value, "-----\n\n", "-----\nVersion: GnuPG v1\n\n", 1)),
	} {
		if _, err := Verify([]byte(text), []Signature{s}, role, f.now); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func flip(b []byte, i int) []byte {
	b = bytes.Clone(b)
	b[i] ^= 1
	return b
}

// Keys that stand in a trust document that nobody checked.
func TestVerify_WeakKeys(t *testing.T) {
	f := fixtures()
	for name, c := range map[string]packet.Config{
		"RSA-1024":     {RSABits: 1024},
		"RSA-2048":     {RSABits: 2048},
		"algorithm 27": {Algorithm: packet.PubKeyAlgoEd25519},
		"version 6":    {Algorithm: packet.PubKeyAlgoEd25519, V6Keys: true},
		"ECDSA":        {Algorithm: packet.PubKeyAlgoECDSA, Curve: packet.CurveNistP256},
		"Ed448":        {Algorithm: packet.PubKeyAlgoEdDSA, Curve: packet.Curve448},
	} {
		e := newEntity(t, c)
		k := keyOf(t, e, "publisher")
		s := craft(t, e.PrivateKey, text, nil)
		s.Key = k.Key
		_, err := Verify([]byte(text), []Signature{s}, onlyPGP(k), f.now)
		t.Run(name, func(t *testing.T) { refusal(t, err, Algorithm) })
	}
	e := newEntity(t, packet.Config{Algorithm: packet.PubKeyAlgoEdDSA, Curve: packet.Curve25519})
	k := keyOf(t, e, "publisher")
	s := craft(t, e.PrivateKey, text, nil)
	s.Key = k.Key
	if _, err := Verify([]byte(text), []Signature{s}, onlyPGP(k), f.now); err != nil {
		t.Errorf("Ed25519 in its legacy form is ours: %v", err)
	}
}

// A key that was good when it signed and is not any more: the library and gpg accept it.
func TestVerify_KeyEndedSince(t *testing.T) {
	f := fixtures()
	e := newEntity(t, packet.Config{Algorithm: packet.PubKeyAlgoEdDSA, Curve: packet.Curve25519, KeyLifetimeSecs: 7200})
	k := keyOf(t, e, "publisher")
	s := craft(t, e.PrivateKey, text, nil)
	s.Key = k.Key
	role := onlyPGP(k)
	if _, err := Verify([]byte(text), []Signature{s}, role, f.now); err != nil {
		t.Fatal(err)
	}
	_, err := Verify([]byte(text), []Signature{s}, role, f.now.Add(2*time.Hour))
	refusal(t, err, EndedKey)
	if _, err := VerifyAnyAge([]byte(text), []Signature{s}, role, f.now.Add(2*time.Hour)); err != nil {
		t.Errorf("one's own predecessor: %v", err)
	}
}

func TestVerify_RevokedCertificate(t *testing.T) {
	f := fixtures()
	for _, reason := range []packet.ReasonForRevocation{packet.NoReason, packet.KeyCompromised, packet.KeySuperseded, packet.KeyRetired} {
		e := newEntity(t, packet.Config{Algorithm: packet.PubKeyAlgoEdDSA, Curve: packet.Curve25519})
		plain, now := false, f.now.Add(time.Minute)
		if err := e.Revoke(reason, "", &packet.Config{Time: func() time.Time { return now }, DefaultHash: crypto.SHA512, NonDeterministicSignaturesViaNotation: &plain}); err != nil {
			t.Fatal(err)
		}
		k := keyOf(t, e, "publisher")
		s := craft(t, e.PrivateKey, text, nil)
		s.Key = k.Key
		if _, err := Verify([]byte(text), []Signature{s}, onlyPGP(k), f.now.Add(time.Hour)); err == nil {
			t.Errorf("reason %d was accepted", reason)
		}
	}
}

func TestVerifyAnyAge_StillRefusesRevoked(t *testing.T) {
	f := fixtures()
	late := f.now.Add(3 * year)
	if _, err := Verify([]byte(text), f.both(t, text), f.role, late); err == nil {
		t.Error("accepted three years later")
	}
	if _, err := VerifyAnyAge([]byte(text), f.both(t, text), f.role, late); err != nil {
		t.Error(err)
	}
	_, err := VerifyAnyAge([]byte(text), f.both(t, text), f.with(func(r *keys.ManifestRole) { r.Keys[0].Revoked = true }), late)
	refusal(t, err, RevokedKey)
}

func TestVerify_MinisigRefused(t *testing.T) {
	f := fixtures()
	role := keys.ManifestRole{Threshold: 1, Required: []keys.Kind{keys.Minisign}, Keys: []keys.ManifestKey{f.role.Keys[1]}}
	good := f.sign(t, f.mini, text)
	lines := strings.SplitAfter(good.Value, "\n")
	cases := map[string]struct {
		cause Cause
		value string
	}{
		"another trusted comment": {BadSignature, strings.Replace(good.Value, "serial=1", "serial=2", 1)},
		"by another key":          {BadSignature, f.sign(t, f.mini2, text).Value},
		"of another text":         {BadSignature, f.sign(t, f.mini, text+" ").Value},
		"no final LF":             {Malformed, strings.TrimSuffix(good.Value, "\n")},
		"a fifth line":            {Malformed, good.Value + "x\n"},
		"two of them":             {Malformed, good.Value + good.Value},
		"three lines":             {Malformed, strings.Join(lines[1:], "")},
		"CRLF":                    {Malformed, strings.ReplaceAll(good.Value, "\n", "\r\n")},
		"no trusted comment":      {Malformed, strings.Replace(good.Value, "trusted comment: t", "t", 1)},
		"control character":       {Malformed, strings.Replace(good.Value, "serial=1", "serial=\x1b", 1)},
		"long comment":            {Malformed, strings.Replace(good.Value, "serial=1", strings.Repeat("x", maxComment), 1)},
		"not base64":              {Malformed, lines[0] + "!" + lines[1] + lines[2] + lines[3]},
		"short":                   {Malformed, lines[0] + "RUQ=\n" + lines[2] + lines[3]},
		"short second":            {Malformed, lines[0] + lines[1] + lines[2] + "RUQ=\n"},
		"unknown algorithm":       {Algorithm, lines[0] + "RX" + lines[1][2:] + lines[2] + lines[3]},
		"empty":                   {Malformed, ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if c.value == good.Value {
				t.Fatal("the case changes nothing")
			}
			_, err := Verify([]byte(text), []Signature{{Kind: keys.Minisign, Key: good.Key, Value: c.value}}, role, f.now)
			refusal(t, err, c.cause)
		})
	}
}

func TestRefusal_Error(t *testing.T) {
	f := fixtures()
	_, err := Verify([]byte(text), []Signature{f.sign(t, f.mini2, text)}, f.with(func(r *keys.ManifestRole) { r.Keys = r.Keys[:2] }), f.now)
	want := "signatures for the manifest refused: 0 of 1 needed holders signed, no good openpgp signature, which is required, no good minisign signature, which is required; minisign " +
		f.mini2.Key().Key + ": the trust document does not name this key"
	if err == nil || err.Error() != want {
		t.Errorf("%v\nexpected\n%s", err, want)
	}
	var r *Refusal
	if !errors.As(err, &r) || r.Threshold != 1 || r.Holders != 0 || len(r.Missing) != 2 || len(r.Rejected) != 1 {
		t.Errorf("%+v", r)
	}
}

func TestRaw(t *testing.T) {
	f := fixtures()
	msg := []byte("v=tm1 n=centos s=1")
	sig, err := f.mini.(RawSigner).SignRaw(context.Background(), msg)
	if err != nil {
		t.Fatal(err)
	}
	id := f.mini.Key().Key
	if err := VerifyRaw(msg, sig, id, f.role, f.now); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"other text":  VerifyRaw([]byte("v=tm1 n=centos s=2"), sig, id, f.role, f.now),
		"other key":   VerifyRaw(msg, sig, f.mini2.Key().Key, f.role, f.now),
		"unknown key": VerifyRaw(msg, sig, "0000000000000000", f.role, f.now),
		"openpgp key": VerifyRaw(msg, sig, f.pgp.Key().Key, f.role, f.now),
		"short":       VerifyRaw(msg, sig[:63], id, f.role, f.now),
		"none":        VerifyRaw(msg, nil, id, f.role, f.now),
		"revoked":     VerifyRaw(msg, sig, id, f.with(func(r *keys.ManifestRole) { r.Keys[1].Revoked = true }), f.now),
		"not_after":   VerifyRaw(msg, sig, id, f.with(func(r *keys.ManifestRole) { r.Keys[1].NotAfter = at(f.now.Add(-time.Hour)) }), f.now),
	} {
		if err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	// A hash is no text: the key signs nothing raw that could pass for a minisign signature.
	if _, err := f.mini.(RawSigner).SignRaw(context.Background(), bytes.Repeat([]byte{0x80}, 64)); err == nil {
		t.Error("binary was signed raw")
	}
}
