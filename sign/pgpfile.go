package sign

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"tidemark/keys"
)

// fileHand signs with a secret that was read from a file.
type fileHand struct{ secret *packet.PrivateKey }

func (h *fileHand) packet(_ context.Context, payload []byte, made time.Time, lifetime uint32) ([]byte, error) {
	return librarySignature(payload, h.secret, made, lifetime)
}

// OpenPGPFile reads an armored private key (an offline primary with a signing subkey will do). It signs
// with the newest subkey that may sign at now and whose secret is there, or else with the primary. allowed are the
// fingerprints to choose from, 40 hex digits in capitals: what the trust document lists as signing, so that a subkey
// made since is not taken before the trust document knows it; nil allows any. The signer is an InlineSigner, too.
func OpenPGPFile(armored []byte, pass Passphrase, allowed []string, now time.Time) (signer Signer, err error) {
	defer recovered(&err)
	e, err := readPrivate(armored)
	if err != nil {
		return nil, fmt.Errorf("openpgp private key: %w", err)
	}
	secrets := secretsOf(e)
	here := func(k *packet.PublicKey) bool { return secrets[keys.Fingerprint(k.Fingerprint)] != nil }
	cert, err := keys.CertificateOf(e)
	if err != nil && over(e, here, now) {
		return nil, fmt.Errorf("openpgp private key: %w: %w", ErrOver, err)
	}
	if err != nil {
		return nil, fmt.Errorf("openpgp private key: %w", err)
	}
	s, err := chooseKey(e, cert, here, allowed, now)
	if err != nil {
		return nil, fmt.Errorf("openpgp private key %s: %w", cert.Primary.Fingerprint, err)
	}
	secret := secrets[s.key.Signing[0]]
	if secret.Encrypted {
		p, err := askPassphrase(pass)
		if err != nil {
			return nil, fmt.Errorf("openpgp private key: %w", err)
		}
		if err := secret.Decrypt(p); err != nil {
			return nil, errors.New("openpgp private key: the passphrase is wrong, or the file is damaged")
		}
	}
	s.hand = &fileHand{secret}
	return s, nil
}

// secretsOf lists the secret keys that are in the file, encrypted or not, by fingerprint.
func secretsOf(e *openpgp.Entity) map[string]*packet.PrivateKey {
	secrets := map[string]*packet.PrivateKey{}
	add := func(k *packet.PrivateKey) {
		if k != nil && !k.Dummy() {
			secrets[keys.Fingerprint(k.Fingerprint)] = k
		}
	}
	add(e.PrivateKey)
	for i := range e.Subkeys {
		add(e.Subkeys[i].PrivateKey)
	}
	return secrets
}

func readPrivate(armored []byte) (*openpgp.Entity, error) {
	if len(armored) > 2*keys.MaxCertificate {
		return nil, fmt.Errorf("%d bytes, at most %d are read", len(armored), 2*keys.MaxCertificate)
	}
	if bytes.HasPrefix(armored, []byte("-----BEGIN "+keys.ArmorPublic)) {
		return nil, errors.New("this is only the public part; export the secret one with gpg --armor --export-secret-subkeys")
	}
	body, err := keys.Dearmor(armored, keys.ArmorPrivate)
	if err != nil {
		return nil, err
	}
	list, err := openpgp.ReadKeyRing(bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if len(list) != 1 || list[0].PrivateKey == nil {
		return nil, fmt.Errorf("found %d private keys, expected 1", len(list))
	}
	return list[0], nil
}
