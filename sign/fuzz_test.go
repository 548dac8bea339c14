package sign

import (
	"bytes"
	"testing"

	"tidemark/keys"
)

func FuzzParseEnvelope(f *testing.F) {
	x := checkedIn()
	b, err := (&Envelope{Payload: []byte(text), Signatures: x.both(f, text)}).Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"payload": "eA==", "signatures": [{"kind":"minisign","key":"0000000000000000","value":""}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := ParseEnvelope(b, 1<<20)
		if err != nil {
			if e != nil {
				t.Fatal("an envelope beside an error")
			}
			return
		}
		out, err := e.Encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseEnvelope(out, MaxBundle)
		if err != nil || !bytes.Equal(again.Payload, e.Payload) || len(again.Signatures) != len(e.Signatures) {
			t.Fatalf("not the same again: %v", err)
		}
	})
}

// One signature over text, another over something else: only texts that were signed may verify.
func FuzzOpenPGPSignature(f *testing.F) {
	x := checkedIn()
	good := x.sign(f, x.pgp, text)
	f.Add(good.Value)
	f.Add(x.sign(f, x.pgp, text+" ").Value)
	f.Fuzz(func(t *testing.T, value string) {
		other := []byte("never signed")
		s := Signature{Kind: keys.OpenPGP, Key: good.Key, Value: value}
		if _, err := Verify(other, []Signature{s}, onlyPGP(x.role.Keys[0]), x.now); err == nil {
			t.Fatal("a text that nobody signed was accepted")
		}
	})
}

// The packet's bytes without armor, so that the fuzzer gets past the checksum.
func FuzzOpenPGPPacket(f *testing.F) {
	x := checkedIn()
	body, err := keys.Dearmor([]byte(x.sign(f, x.pgp, text).Value), keys.ArmorSignature)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(body)
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) == 0 {
			return
		}
		value, err := keys.Armor(keys.ArmorSignature, body)
		if err != nil {
			t.Fatal(err)
		}
		s := Signature{Kind: keys.OpenPGP, Key: x.pgp.Key().Key, Value: string(value)}
		_, err = Verify([]byte("never signed"), []Signature{s}, onlyPGP(x.role.Keys[0]), x.now)
		if err == nil {
			t.Fatal("a text that nobody signed was accepted")
		}
	})
}

func FuzzOpenInline(f *testing.F) {
	x := checkedIn()
	f.Add(inlineOf(f, x))
	f.Fuzz(func(t *testing.T, msg []byte) {
		payload, err := OpenInline(msg, x.role, x.now)
		if err == nil && string(payload) != text {
			t.Fatalf("%q was accepted", payload)
		}
		if err != nil && payload != nil {
			t.Fatal("a payload beside an error")
		}
	})
}

func FuzzMinisig(f *testing.F) {
	x := checkedIn()
	f.Add(x.sign(f, x.mini, text).Value)
	f.Fuzz(func(t *testing.T, value string) {
		m, err := parseMinisig(value)
		if err != nil {
			return
		}
		again, err := parseMinisig(m.text("x"))
		if err != nil || again.comment != m.comment || again.keyID != m.keyID || !bytes.Equal(again.sig, m.sig) || !bytes.Equal(again.global, m.global) {
			t.Fatalf("not the same again: %v", err)
		}
		if _, err := verifyMinisig([]byte("never signed"), value, x.role.Keys[1]); err == nil {
			t.Fatal("a text that nobody signed was accepted")
		}
	})
}

func FuzzOpenTrust(f *testing.F) {
	a, b := holder{"alice", testKey(3)}, holder{"bob", testKey(4)}
	x := trustIn(checkedIn(), 1, 2, a, b)
	good := sealed(f, x, a, b)
	f.Add(good)
	f.Fuzz(func(t *testing.T, b []byte) {
		if next, err := NextTrust(x, b); err == nil {
			t.Fatalf("version %d was never signed", next.Version)
		}
		if got, err := OpenTrust(b); err != nil && got != nil {
			t.Fatal("a trust document beside an error")
		}
	})
}
