package keys

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"

	"aead.dev/minisign"
	"golang.org/x/crypto/ed25519"
)

const (
	minisignPublicSize  = 2 + 8 + ed25519.PublicKeySize
	minisignFileComment = "untrusted comment: "
)

// MinisignKey is a minisign public key.
type MinisignKey struct {
	ID     string // 16 hex digits in capitals, as minisign prints it
	Public ed25519.PublicKey
}

// ParseMinisign reads the base64 form, "RW…": "Ed", the id, the Ed25519 key.
func ParseMinisign(s string) (MinisignKey, error) {
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil || strings.ContainsAny(s, "\r\n") {
		return MinisignKey{}, fmt.Errorf("minisign public key %.70q: expected 56 characters of base64 that begin with RW", s)
	}
	if len(b) != minisignPublicSize || string(b[:2]) != "Ed" {
		return MinisignKey{}, fmt.Errorf("minisign public key %.70q: %d bytes, expected %d that begin with \"Ed\"", s, len(b), minisignPublicSize)
	}
	if err := checkPoint(ed25519.PublicKey(b[10:])); err != nil {
		return MinisignKey{}, fmt.Errorf("minisign public key %.70q: %w", s, err)
	}
	return MinisignKey{ID: MinisignID(binary.LittleEndian.Uint64(b[2:])), Public: ed25519.PublicKey(b[10:])}, nil
}

// ParseMinisignFile reads a .pub file: an untrusted comment, then the key.
func ParseMinisignFile(text []byte) (MinisignKey, error) {
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	if len(lines) != 2 || !strings.HasPrefix(lines[0], minisignFileComment) {
		return MinisignKey{}, fmt.Errorf("minisign public key file: expected two lines, the first of them %q and a comment", minisignFileComment)
	}
	return ParseMinisign(lines[1])
}

// MinisignID writes a 64-bit key id as minisign prints it: 16 hex digits in capitals.
func MinisignID(id uint64) string { return fmt.Sprintf("%016X", id) }

// String is the inverse of ParseMinisign.
func (k MinisignKey) String() string {
	var id uint64
	fmt.Sscanf(k.ID, "%X", &id)
	b := binary.LittleEndian.AppendUint64([]byte("Ed"), id)
	return base64.StdEncoding.EncodeToString(append(b, k.Public...))
}

// File is the .pub file, as minisign writes it.
func (k MinisignKey) File() []byte {
	id := cmp.Or(strings.TrimLeft(k.ID, "0"), "0") // minisign prints a number there
	return fmt.Appendf(nil, "%sminisign public key %s\n%s\n", minisignFileComment, id, k)
}

// GenerateMinisign makes a key pair in minisign's own two files. An empty
// password gives a secret file that is not encrypted (minisign -W); encrypting
// takes a second and 1 GiB of memory, minisign's own cost.
func GenerateMinisign(password []byte) (secretFile, publicFile []byte, err error) {
	public, secret, err := minisign.GenerateKey(nil)
	if err != nil {
		return nil, nil, fmt.Errorf("generate a minisign key: %w", err)
	}
	if len(password) == 0 {
		secretFile, err = secret.MarshalText()
	} else {
		secretFile, err = minisign.EncryptKey(string(password), secret)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("write the minisign secret key: %w", err)
	}
	k, err := ParseMinisign(public.String())
	if err != nil {
		return nil, nil, err
	}
	return append(bytes.TrimRight(secretFile, "\n"), '\n'), k.File(), nil
}
