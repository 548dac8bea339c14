package sign

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"aead.dev/minisign"
	"golang.org/x/crypto/blake2b"
	"golang.org/x/crypto/ed25519"

	"tidemark/keys"
)

const (
	untrustedPrefix = "untrusted comment: "
	trustedPrefix   = "trusted comment: "
	maxComment      = 8 << 10 // minisign reads no longer one
)

// minisig is the content of a .minisig file.
type minisig struct {
	keyID   string
	sig     []byte // over BLAKE2b-512 of the file
	comment string
	global  []byte // over sig and comment
}

// parseMinisig reads the four lines of minisign's file, strictly, in the pre-hashed form "ED" only: text is the one
// text of what it returns and of the untrusted comment.
func parseMinisig(text string) (*minisig, error) {
	if strings.Contains(text, "\r") || !utf8.ValidString(text) { // base64 readers pass over a carriage return
		return nil, faultf(Malformed, "not a minisign signature: expected UTF-8 without carriage returns")
	}
	lines := strings.Split(text, "\n")
	if len(lines) != 5 || lines[4] != "" {
		return nil, faultf(Malformed, "not a minisign signature: expected four lines and a final line feed, found %d line feeds", len(lines)-1)
	}
	if !strings.HasPrefix(lines[0], untrustedPrefix) || !strings.HasPrefix(lines[2], trustedPrefix) {
		return nil, faultf(Malformed, "not a minisign signature: lines 1 and 3 must begin with %q and %q", untrustedPrefix, trustedPrefix)
	}
	m := &minisig{comment: strings.TrimPrefix(lines[2], trustedPrefix)}
	if !plainComment(lines[0]) || !plainComment(lines[2]) {
		return nil, faultf(Malformed, "a comment is too long or has control characters")
	}
	head, err := base64.StdEncoding.Strict().DecodeString(lines[1])
	if err != nil || len(head) != 2+8+ed25519.SignatureSize {
		return nil, faultf(Malformed, "line 2 is not base64 of %d bytes", 2+8+ed25519.SignatureSize)
	}
	m.global, err = base64.StdEncoding.Strict().DecodeString(lines[3])
	if err != nil || len(m.global) != ed25519.SignatureSize {
		return nil, faultf(Malformed, "line 4 is not base64 of %d bytes", ed25519.SignatureSize)
	}
	switch string(head[:2]) {
	case "ED":
	case "Ed":
		return nil, faultf(Algorithm, "minisign's legacy form \"Ed\", expected the pre-hashed \"ED\": sign with minisign -SH")
	default:
		return nil, faultf(Algorithm, "algorithm %.2q, expected \"ED\"", head[:2])
	}
	m.keyID = keys.MinisignID(binary.LittleEndian.Uint64(head[2:]))
	m.sig = head[10:]
	return m, nil
}

// plainComment allows the tab, which minisign's own comment has.
func plainComment(line string) bool {
	return len(line) <= maxComment && !strings.ContainsFunc(line, func(r rune) bool { return r < 0x20 && r != '\t' || r == 0x7f })
}

func (m *minisig) text(untrusted string) string {
	var id uint64
	fmt.Sscanf(m.keyID, "%X", &id)
	head := append(binary.LittleEndian.AppendUint64([]byte("ED"), id), m.sig...)
	b64 := base64.StdEncoding.EncodeToString
	return untrustedPrefix + untrusted + "\n" + b64(head) + "\n" + trustedPrefix + m.comment + "\n" + b64(m.global) + "\n"
}

// verifyMinisig returns the trusted comment.
func verifyMinisig(payload []byte, text string, k keys.ManifestKey) (string, error) {
	m, err := parseMinisig(text)
	if err != nil {
		return "", err
	}
	public, err := keys.ParseMinisign(k.Public)
	if err != nil {
		return "", err
	}
	if m.keyID != public.ID {
		return "", faultf(BadSignature, "made by key %s", m.keyID)
	}
	digest := blake2b.Sum512(payload)
	if !ed25519.Verify(public.Public, digest[:], m.sig) {
		return "", faultf(BadSignature, "the signature is not of this key over these bytes")
	}
	if !ed25519.Verify(public.Public, append(m.sig[:len(m.sig):len(m.sig)], m.comment...), m.global) {
		return "", faultf(BadSignature, "the trusted comment was changed")
	}
	return m.comment, nil
}

// minisignSigner signs with a key in memory or elsewhere.
type minisignSigner struct {
	key  keys.MinisignKey
	hand edHand
}

// MinisignFile reads a minisign secret key file, plain or encrypted. The signer is a RawSigner, too.
func MinisignFile(text []byte, pass Passphrase) (Signer, error) {
	k, err := openMinisignSecret(text, pass)
	if err != nil {
		return nil, fmt.Errorf("minisign secret key: %w", err)
	}
	plain, err := k.MarshalText()
	if err != nil {
		return nil, fmt.Errorf("minisign secret key: %w", err)
	}
	b, err := base64.StdEncoding.DecodeString(string(plain[strings.IndexByte(string(plain), '\n')+1:]))
	const secretAt = 62 // kinds, salt, limits, key id come before it
	if err != nil || len(b) < secretAt+ed25519.PrivateKeySize {
		return nil, errors.New("minisign secret key: cannot be read")
	}
	secret := ed25519.PrivateKey(b[secretAt : secretAt+ed25519.PrivateKeySize])
	if !secret.Equal(ed25519.NewKeyFromSeed(secret.Seed())) {
		return nil, errors.New("minisign secret key: damaged: its secret and public halves do not belong together")
	}
	public := secret.Public().(ed25519.PublicKey)
	return &minisignSigner{key: keys.MinisignKey{ID: keys.MinisignID(k.ID()), Public: public}, hand: localEdHand{secret}}, nil
}

func openMinisignSecret(text []byte, pass Passphrase) (k minisign.PrivateKey, err error) {
	if !minisign.IsEncrypted(text) {
		err = k.UnmarshalText(text)
		return k, err
	}
	p, err := askPassphrase(pass)
	if err != nil {
		return k, err
	}
	if k, err = minisign.DecryptKey(string(p), text); err != nil {
		return k, errors.New("the passphrase is wrong, or the file is damaged")
	}
	return k, nil
}

func (s *minisignSigner) Key() keys.ManifestKey {
	return keys.ManifestKey{Kind: keys.Minisign, Key: s.key.ID, Public: s.key.String()}
}

func (s *minisignSigner) Sign(ctx context.Context, r Request) (Signature, error) {
	if err := ctx.Err(); err != nil {
		return Signature{}, err
	}
	if !plainComment(trustedPrefix + r.Comment) {
		return Signature{}, errors.New("minisign: the trusted comment is too long or has control characters")
	}
	digest := blake2b.Sum512(r.Payload)
	m := &minisig{keyID: s.key.ID, comment: r.Comment}
	var err error
	if m.sig, err = s.hand.sign(ctx, digest[:]); err != nil {
		return Signature{}, fmt.Errorf("minisign signature by %s: %w", s.key.ID, err)
	}
	if m.global, err = s.hand.sign(ctx, append(m.sig[:len(m.sig):len(m.sig)], r.Comment...)); err != nil {
		return Signature{}, fmt.Errorf("minisign signature by %s: its trusted comment: %w", s.key.ID, err)
	}
	sig := Signature{Kind: keys.Minisign, Key: s.key.ID, Value: m.text("signature from minisign key " + s.key.ID)}
	if _, err := verifyMinisig(r.Payload, sig.Value, s.Key()); err != nil {
		return Signature{}, fmt.Errorf("minisign signature by %s does not verify: %w", s.key.ID, err)
	}
	return sig, nil
}

// SignRaw signs printable ASCII (a beacon) as it is.
func (s *minisignSigner) SignRaw(ctx context.Context, message []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := checkRaw(message); err != nil {
		return nil, err
	}
	sig, err := s.hand.sign(ctx, message)
	if err != nil {
		return nil, fmt.Errorf("raw signature by minisign key %s: %w", s.key.ID, err)
	}
	return sig, nil
}
