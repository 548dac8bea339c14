package keys

import (
	"bytes"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// edited is the certificate of all tests, changed by its owner.
func edited(t testing.TB, edit func(*openpgp.Entity)) *Certificate {
	t.Helper()
	private, _ := generated()
	list, err := openpgp.ReadArmoredKeyRing(bytes.NewReader(private))
	if err != nil {
		t.Fatal(err)
	}
	edit(list[0])
	c, err := CertificateOf(list[0])
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func text(t testing.TB, c *Certificate) string {
	t.Helper()
	armored, err := c.Armored()
	if err != nil {
		t.Fatal(err)
	}
	return string(armored)
}

// extend gives every key of the certificate another life.
func extend(t testing.TB, e *openpgp.Entity, life time.Duration) {
	t.Helper()
	config, seconds := plainConfig(day0, packet.Config{}), uint32(life/time.Second)
	for name, id := range e.Identities {
		self := id.SelfCertifications[0].Packet
		self.KeyLifetimeSecs = &seconds
		if err := self.SignUserId(name, e.PrimaryKey, e.PrivateKey, config); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range e.Subkeys {
		binding := s.Bindings[0].Packet
		binding.KeyLifetimeSecs = &seconds
		if err := binding.SignKey(s.PublicKey, e.PrivateKey, config); err != nil {
			t.Fatal(err)
		}
	}
}

// addSubkey adds a subkey that signs, made at day0, ending after life (zero: never).
func addSubkey(t testing.TB, e *openpgp.Entity, life time.Duration) {
	t.Helper()
	config := plainConfig(day0, packet.Config{Algorithm: packet.PubKeyAlgoEdDSA, Curve: packet.Curve25519, KeyLifetimeSecs: uint32(life / time.Second)})
	if err := e.AddSigningSubkey(config); err != nil {
		t.Fatal(err)
	}
}

// addUser adds a user id, whatever its text, which certifies only.
func addUser(t testing.TB, e *openpgp.Entity, text string) *openpgp.Identity {
	t.Helper()
	config := plainConfig(day0, packet.Config{})
	var first *openpgp.Identity
	for _, id := range e.Identities {
		first = id
		break
	}
	self := *first.SelfCertifications[0].Packet
	primary := false
	self.IsPrimaryId = &primary
	if err := self.SignUserId(text, e.PrimaryKey, e.PrivateKey, config); err != nil {
		t.Fatal(err)
	}
	id := &openpgp.Identity{Primary: e, Name: text, UserId: &packet.UserId{Id: text}, SelfCertifications: []*packet.VerifiableSignature{packet.NewVerifiableSig(&self)}}
	e.Identities[text] = id
	return id
}

// extended is the armored certificate with another life.
func extended(t testing.TB, life time.Duration) string {
	t.Helper()
	return text(t, edited(t, func(e *openpgp.Entity) { extend(t, e, life) }))
}
