package sign

import (
	"bytes"
	"crypto"
	"encoding/binary"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"tidemark/keys"
)

func FuzzParseEnvelope(f *testing.F) {
	x := checkedIn()
	b, err := (&Envelope{Payload: []byte(text), Signatures: x.both(f, text)}).Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	small, err := (&Envelope{Payload: []byte(text), Signatures: []Signature{x.sign(f, remotePGP(f, edToken()), text), x.sign(f, remoteMini(f, edToken()), text)}}).Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(small)
	f.Add([]byte(`{"payload": "eA==", "signatures": [{"kind":"minisign","key":"0000000000000000","value":"x"}]}`))
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

// sameSignature insists that an accepted text is the good one but for what nobody signed: armor headers and line lengths,
// the packet's header, the unhashed area, and leading zeros of a number.
func sameSignature(t *testing.T, value, good string) {
	t.Helper()
	before, _, after := areas(t, value)
	wantBefore, _, wantAfter := areas(t, good)
	if !bytes.Equal(before, wantBefore) {
		t.Fatalf("accepted with other signed fields: %x, made were %x", before, wantBefore)
	}
	if got, want := numbers(t, after), numbers(t, wantAfter); !slices.EqualFunc(got, want, bytes.Equal) {
		t.Fatalf("accepted with other numbers: %x, made were %x", got, want)
	}
}

// numbers reads the hash's first bytes and the integers of a signature.
func numbers(t *testing.T, b []byte) [][]byte {
	t.Helper()
	list := [][]byte{b[:2]}
	for b = b[2:]; len(b) > 0; {
		n := 2 + (int(binary.BigEndian.Uint16(b))+7)/8
		list = append(list, bytes.TrimLeft(b[2:n], "\x00"))
		b = b[n:]
	}
	return list
}

// A text that was signed is accepted with its own signature only; one that was not, never.
func FuzzOpenPGPSignature(f *testing.F) {
	x := checkedIn()
	good := x.sign(f, x.pgp, text)
	f.Add(good.Value)
	f.Add(strings.Replace(good.Value, "\n\n", "\nComment: x\n\n", 1))
	f.Add(claiming(f, good, x.role.Keys[0].Signing[0]).Value)
	f.Add(x.sign(f, x.pgp, text+" ").Value)
	f.Add(x.sign(f, remotePGP(f, edToken()), text).Value)
	made, err := os.ReadFile("testdata/sq-made-signature.asc")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(made))
	f.Fuzz(func(t *testing.T, value string) {
		s := Signature{Kind: keys.OpenPGP, Key: good.Key, Value: value}
		role := onlyPGP(x.role.Keys[0])
		if _, err := Verify([]byte("never signed"), []Signature{s}, role, x.now); err == nil {
			t.Fatal("a text that nobody signed was accepted")
		}
		if _, err := Verify([]byte(text), []Signature{s}, role, x.now); err == nil {
			sameSignature(t, value, good.Value)
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
	good := x.sign(f, x.pgp, text).Value
	f.Add(body)
	small, err := keys.Dearmor([]byte(x.sign(f, remotePGP(f, edToken()), text).Value), keys.ArmorSignature)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(small)
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
		if _, err := Verify([]byte(text), []Signature{s}, onlyPGP(x.role.Keys[0]), x.now); err == nil {
			sameSignature(t, s.Value, good)
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
	good := x.sign(f, x.mini, text).Value
	f.Add(good)
	f.Add(x.sign(f, remoteMini(f, edToken()), text).Value)
	f.Add(strings.Replace(good, "\n", "\r\n", 1))
	f.Fuzz(func(t *testing.T, value string) {
		m, err := parseMinisig(value)
		if err != nil {
			return
		}
		first, _, _ := strings.Cut(value, "\n")
		if again := m.text(strings.TrimPrefix(first, untrustedPrefix)); again != value {
			t.Fatalf("%q was read, it would be written as %q", value, again)
		}
		if _, err := verifyMinisig([]byte("never signed"), value, x.role.Keys[1]); err == nil {
			t.Fatal("a text that nobody signed was accepted")
		}
		_, signed, _ := strings.Cut(value, "\n")
		_, want, _ := strings.Cut(good, "\n")
		if _, err := verifyMinisig([]byte(text), value, x.role.Keys[1]); err == nil && signed != want {
			t.Fatalf("%q was accepted, %q was signed", signed, want)
		}
	})
}

// What FromASC takes, Check takes, and it is not changed; a key of the role is named by its fingerprint.
func FuzzFromASC(f *testing.F) {
	x := checkedIn()
	f.Add([]byte(x.sign(f, x.pgp, text).Value))
	other, err := os.ReadFile("testdata/sq-made-signature.asc")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(other)
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := FromASC(b, x.role)
		if err != nil {
			if s != (Signature{}) {
				t.Fatal("a signature beside an error")
			}
			return
		}
		if err := s.Check(); err != nil || s.Value != string(b) {
			t.Fatalf("%v: %q became %q", err, b, s.Value)
		}
		if strings.Trim(s.Key, "0123456789ABCDEF") != "" || len(s.Key) != 40 && len(s.Key) != 16 {
			t.Fatalf("key %q", s.Key)
		}
	})
}

// edEntity is a key of Ed25519, small and quick.
func edEntity(t testing.TB, made time.Time) (*openpgp.Entity, error) {
	t.Helper()
	plain := false
	return openpgp.NewEntity("Test Only", "", "", &packet.Config{Algorithm: packet.PubKeyAlgoEdDSA, Curve: packet.Curve25519, DefaultHash: crypto.SHA512,
		Time: func() time.Time { return made }, NonDeterministicSignaturesViaNotation: &plain})
}

// A file that is read as a private key has a description that verifies what it signs.
func FuzzOpenPGPFile(f *testing.F) {
	x := checkedIn()
	e, err := edEntity(f, x.now.Add(-time.Hour))
	if err != nil {
		f.Fatal(err)
	}
	body, err := keys.Dearmor(privateOf(f, e), keys.ArmorPrivate)
	if err != nil {
		f.Fatal(err)
	}
	if _, err := OpenPGPFile(privateOf(f, e), nil, nil, x.now); err != nil {
		f.Fatal(err)
	}
	f.Add(body)
	f.Add(body[:len(body)/2])
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) == 0 {
			return
		}
		armored, err := keys.Armor(keys.ArmorPrivate, body)
		if err != nil {
			t.Fatal(err)
		}
		s, err := OpenPGPFile(armored, nil, nil, x.now)
		if err != nil {
			if s != nil {
				t.Fatal("a signer beside an error")
			}
			return
		}
		sig, err := s.Sign(t.Context(), x.request(text))
		if err != nil {
			return
		}
		if _, err := Verify([]byte(text), []Signature{sig}, onlyPGP(held(s, "one")), x.now); err != nil {
			t.Fatal(err)
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
