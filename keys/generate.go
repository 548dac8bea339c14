package keys

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"math"
	"regexp"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

const rsaBits = 3072

var userIDPattern = regexp.MustCompile(`^([^<>()\x00-\x1f]+?)(?: <([^<>()\x00-\x20]+)>)?$`)

// GenerateOpenPGP makes a version 4 key: an RSA-3072 primary that certifies and
// an RSA-3072 subkey that signs, both ending lifetime after now (zero: never),
// and nothing that encrypts. uid is "Name" or "Name <address>". With a passphrase the
// secret parts are encrypted. For production, better import a key whose
// primary is kept offline (gpg --export-secret-subkeys).
func GenerateOpenPGP(uid string, passphrase []byte, now time.Time, lifetime time.Duration) (armoredPrivate []byte, cert *Certificate, err error) {
	config, err := generateConfig(now, lifetime)
	if err != nil {
		return nil, nil, err
	}
	e, err := newEntity(uid, config)
	if err != nil {
		return nil, nil, fmt.Errorf("generate an OpenPGP key for %q: %w", uid, err)
	}
	if len(passphrase) > 0 {
		if err := e.EncryptPrivateKeys(passphrase, config); err != nil {
			return nil, nil, fmt.Errorf("encrypt the OpenPGP key: %w", err)
		}
	}
	private, err := serializePrivate(e)
	if err != nil {
		return nil, nil, err
	}
	if armoredPrivate, err = Armor(ArmorPrivate, private); err != nil {
		return nil, nil, err
	}
	cert, err = CertificateOf(e)
	return armoredPrivate, cert, err
}

func generateConfig(now time.Time, lifetime time.Duration) (*packet.Config, error) {
	seconds := int64(lifetime / time.Second)
	if lifetime < 0 || seconds > math.MaxUint32 {
		return nil, fmt.Errorf("lifetime %s of an OpenPGP key: expected 0 to 136 years", lifetime)
	}
	now = now.UTC().Truncate(time.Second)
	plain := false
	return &packet.Config{
		DefaultHash:                           crypto.SHA512,
		DefaultCipher:                         packet.CipherAES256,
		RSABits:                               rsaBits,
		KeyLifetimeSecs:                       uint32(seconds),
		Time:                                  func() time.Time { return now },
		NonDeterministicSignaturesViaNotation: &plain,
	}, nil
}

// newEntity is built by hand, because the library's adds a key that encrypts
// and a primary that signs.
func newEntity(uid string, config *packet.Config) (*openpgp.Entity, error) {
	m := userIDPattern.FindStringSubmatch(uid)
	if m == nil {
		return nil, errors.New(`expected "Name" or "Name <address>", without brackets in them`)
	}
	raw, err := rsa.GenerateKey(rand.Reader, rsaBits)
	if err != nil {
		return nil, err
	}
	primary := packet.NewRSAPrivateKey(config.Now(), raw)
	e := &openpgp.Entity{PrimaryKey: &primary.PublicKey, PrivateKey: primary, Identities: map[string]*openpgp.Identity{}}
	if err := e.AddUserId(m[1], "", m[2], config); err != nil {
		return nil, err
	}
	for _, id := range e.Identities {
		self := id.SelfCertifications[0].Packet
		self.FlagSign = false
		if err := self.SignUserId(id.UserId.Id, e.PrimaryKey, primary, config); err != nil {
			return nil, err
		}
	}
	return e, e.AddSigningSubkey(config)
}
