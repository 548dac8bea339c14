package sshagent

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"

	"golang.org/x/crypto/ed25519"
	"golang.org/x/crypto/ssh"
)

// maxPublic is far more than a line with a long comment has.
const maxPublic = 8 << 10

// ParsePublic reads an Ed25519 key: its 32 bytes, or OpenSSH's public key line (sshd(8), AUTHORIZED_KEYS FILE FORMAT) without
// options.
func ParsePublic(b []byte) (ed25519.PublicKey, error) {
	if len(b) == ed25519.PublicKeySize && !bytes.HasPrefix(b, []byte("ssh-")) {
		return ed25519.PublicKey(bytes.Clone(b)), nil
	}
	if len(b) > maxPublic {
		return nil, fmt.Errorf("ssh public key: %d bytes, at most %d are read", len(b), maxPublic)
	}
	if bytes.HasPrefix(b, []byte("-----BEGIN")) {
		return nil, errors.New("ssh public key: this is a private key; name the .pub file beside it (ssh-keygen -y -f FILE writes it)")
	}
	k, _, options, rest, err := ssh.ParseAuthorizedKey(b)
	if err != nil {
		return nil, fmt.Errorf("ssh public key: %w: expected a line like \"ssh-ed25519 AAAA… comment\"", err)
	}
	if len(options) > 0 || len(bytes.TrimSpace(rest)) > 0 {
		return nil, errors.New("ssh public key: expected one line, which begins with ssh-ed25519, and no options")
	}
	return ed25519Of(k)
}

func ed25519Of(k ssh.PublicKey) (ed25519.PublicKey, error) {
	switch k.Type() {
	case ssh.KeyAlgoED25519:
	case ssh.KeyAlgoSKED25519:
		return nil, errors.New("ssh public key: sk-ssh-ed25519: a FIDO key signs a hash of the bytes with a counter and flags, never the bytes alone, so nobody's minisign or gpg can verify it: use a plain Ed25519 key (ssh-keygen -t ed25519), or a token whose PIV or OpenPGP application has one")
	default:
		return nil, fmt.Errorf("ssh public key: type %s, expected %s: ssh-keygen -t ed25519", k.Type(), ssh.KeyAlgoED25519)
	}
	raw, ok := k.(ssh.CryptoPublicKey)
	if !ok {
		return nil, errors.New("ssh public key: cannot be read")
	}
	public, ok := crypto.PublicKey(raw.CryptoPublicKey()).(ed25519.PublicKey)
	if !ok || len(public) != ed25519.PublicKeySize {
		return nil, errors.New("ssh public key: cannot be read")
	}
	return public, nil
}
