package sign

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"tidemark/keys"
)

// A file whose subkeys are all over is told from one that lacks a secret, or is broken.
func TestOpenPGPFile_Over(t *testing.T) {
	f := fixtures()
	made, _, err := keys.GenerateOpenPGP("publisher", nil, f.now.Add(-time.Hour), 0)
	if err != nil {
		t.Fatal(err)
	}
	body, err := keys.Dearmor(made, keys.ArmorPrivate)
	if err != nil {
		t.Fatal(err)
	}
	at := func(when time.Time, life time.Duration) *packet.Config {
		plain := false
		return &packet.Config{RSABits: 3072, KeyLifetimeSecs: uint32(life / time.Second), Time: func() time.Time { return when }, NonDeterministicSignaturesViaNotation: &plain}
	}
	ended := func(t *testing.T, e *openpgp.Entity) {
		e.Subkeys = nil
		if err := e.AddSigningSubkey(at(f.now.Add(-30*time.Minute), 10*time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		change func(*testing.T, *openpgp.Entity)
		good   bool
		over   bool
	}{
		"live":  {func(*testing.T, *openpgp.Entity) {}, true, false},
		"ended": {ended, false, true},
		"revoked": {func(t *testing.T, e *openpgp.Entity) {
			if err := e.Subkeys[0].Revoke(packet.KeyCompromised, "", at(f.now.Add(-time.Minute), 0)); err != nil {
				t.Fatal(err)
			}
		}, false, true},
		"ended, and a live one": {func(t *testing.T, e *openpgp.Entity) {
			live := e.Subkeys
			ended(t, e)
			e.Subkeys = append(e.Subkeys, live...)
		}, true, false},
		"no subkey": {func(_ *testing.T, e *openpgp.Entity) { e.Subkeys = nil }, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			list, err := openpgp.ReadKeyRing(bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			c.change(t, list[0])
			_, err = OpenPGPFile(privateOf(t, list[0]), nil, nil, f.now)
			if (err == nil) != c.good || errors.Is(err, ErrOver) != c.over {
				t.Errorf("%v", err)
			}
		})
	}
}
