package sign

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rsa"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/ProtonMail/go-crypto/openpgp/eddsa"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"golang.org/x/crypto/ed25519"

	"tidemark/keys"
)

// OpenPGPRemote signs with the key of the certificate that the remote holds, if allowed (see OpenPGPFile) and able to at now.
// The signer is an InlineSigner, too.
func OpenPGPRemote(certificate []byte, r Remote, allowed []string, now time.Time) (signer Signer, err error) {
	defer recovered(&err)
	cert, err := keys.ReadCertificate(certificate)
	if err != nil {
		return nil, fmt.Errorf("openpgp remote key: %w", err)
	}
	e, err := cert.Entity()
	if err != nil {
		return nil, fmt.Errorf("openpgp remote key: %w", err)
	}
	held := map[string]*packet.PublicKey{}
	for _, k := range publicKeys(e) {
		if sameMaterial(k, r.Public()) {
			held[keys.Fingerprint(k.Fingerprint)] = k
		}
	}
	if len(held) == 0 {
		return nil, fmt.Errorf("openpgp remote key: certificate %s does not hold the key that would sign: give the one that belongs to it, or make one with tidemark keys adopt", cert.Primary.Fingerprint)
	}
	s, err := chooseKey(e, cert, func(k *packet.PublicKey) bool { return held[keys.Fingerprint(k.Fingerprint)] != nil }, allowed, now)
	if err != nil {
		return nil, fmt.Errorf("openpgp remote key, certificate %s: %w", cert.Primary.Fingerprint, err)
	}
	s.hand = &remoteHand{held[s.key.Signing[0]], r}
	return s, nil
}

func publicKeys(e *openpgp.Entity) []*packet.PublicKey {
	list := []*packet.PublicKey{e.PrimaryKey}
	for i := range e.Subkeys {
		list = append(list, e.Subkeys[i].PublicKey)
	}
	return list
}

// sameMaterial compares the numbers, not the fingerprints: those have a date in them that only the certificate knows.
func sameMaterial(k *packet.PublicKey, public crypto.PublicKey) bool {
	switch x := k.PublicKey.(type) {
	case *rsa.PublicKey:
		return x.Equal(public)
	case *eddsa.PublicKey:
		theirs, ok := public.(ed25519.PublicKey)
		return ok && x.GetCurve().GetCurveName() == "ed25519" && bytes.Equal(x.X, theirs)
	}
	return false
}

// remoteHand lets the library build the packet, and the remote sign its digest.
type remoteHand struct {
	public *packet.PublicKey
	remote Remote
}

func (h *remoteHand) packet(ctx context.Context, payload []byte, made time.Time, lifetime uint32) ([]byte, error) {
	call := &remoteCall{ctx: ctx, remote: h.remote}
	secret, err := call.secret(h.public)
	if err != nil {
		return nil, err
	}
	raw, err := librarySignature(payload, secret, made, lifetime)
	return raw, cmpErr(call.err, err)
}

// cmpErr is the first error that there is: a remote's own says more than what the library makes of it.
func cmpErr(first, second error) error {
	if first != nil {
		return first
	}
	return second
}

// remoteCall is a private key to the library, for one signature. The library loses the error of a key that fails, so it is
// kept here.
type remoteCall struct {
	ctx    context.Context
	remote Remote
	err    error
}

// secret dresses the remote up as the library wants it: RSA keys may be any crypto.Signer; an Ed25519 key is asked of a
// curve.
func (c *remoteCall) secret(public *packet.PublicKey) (*packet.PrivateKey, error) {
	k := &packet.PrivateKey{PublicKey: *public}
	switch x := public.PublicKey.(type) {
	case *rsa.PublicKey:
		k.PrivateKey = c
	case *eddsa.PublicKey:
		p := eddsa.NewPublicKey(&remoteCurve{x.GetCurve(), c})
		p.X = x.X
		k.PrivateKey = eddsa.NewPrivateKey(*p)
	default:
		return nil, fmt.Errorf("a key of algorithm %d, expected RSA or Ed25519", public.PubKeyAlgo)
	}
	return k, nil
}

// Public is a crypto.Signer's.
func (c *remoteCall) Public() crypto.PublicKey { return c.remote.Public() }

// Sign is a crypto.Signer's, over the SHA-512 digest given.
func (c *remoteCall) Sign(_ io.Reader, digest []byte, o crypto.SignerOpts) ([]byte, error) {
	if o.HashFunc() != crypto.SHA512 || len(digest) != crypto.SHA512.Size() {
		c.err = fmt.Errorf("a digest by %s of %d bytes, expected SHA-512", o.HashFunc(), len(digest))
		return nil, c.err
	}
	sig, err := c.remote.SignRemote(c.ctx, digest)
	c.err = err
	return sig, err
}

// edCurve has the methods of the library's own curve, whose type has no name outside.
type edCurve interface {
	GetCurveName() string
	MarshalBytePoint(x []byte) []byte
	UnmarshalBytePoint([]byte) (x []byte)
	MarshalByteSecret(d []byte) []byte
	UnmarshalByteSecret(d []byte) []byte
	MarshalSignature(sig []byte) (r, s []byte)
	UnmarshalSignature(r, s []byte) (sig []byte)
	GenerateEdDSA(rand io.Reader) (pub, priv []byte, err error)
	Sign(publicKey, privateKey, message []byte) (sig []byte, err error)
	Verify(publicKey, message, sig []byte) bool
	ValidateEdDSA(publicKey, privateKey []byte) (err error)
}

// remoteCurve is Ed25519 with signatures made elsewhere.
type remoteCurve struct {
	edCurve
	call *remoteCall
}

// Sign asks the remote; the library cuts the answer in two without looking at its length.
func (c *remoteCurve) Sign(_, _, message []byte) ([]byte, error) {
	sig, err := c.call.remote.SignRemote(c.call.ctx, message)
	if err == nil && len(sig) != ed25519.SignatureSize {
		err = fmt.Errorf("a signature of %d bytes came back, expected %d", len(sig), ed25519.SignatureSize)
	}
	c.call.err = err
	return sig, err
}

// CertifyRemote makes the armored certificate of a remote key: version 4, one user id, primary key that certifies and signs,
// created at now, ending after life (0: never). The remote signs once.
func CertifyRemote(ctx context.Context, uid string, r Remote, now time.Time, life time.Duration) (armored []byte, err error) {
	defer recovered(&err)
	if err := checkUserID(uid); err != nil {
		return nil, fmt.Errorf("certificate for %.60q: %w", uid, err)
	}
	seconds := int64(life / time.Second)
	if life < 0 || seconds > math.MaxUint32 {
		return nil, fmt.Errorf("certificate for %q: a life of %s, expected 0 to 136 years", uid, life)
	}
	public, err := remotePublic(r, now.UTC().Truncate(time.Second))
	if err != nil {
		return nil, fmt.Errorf("certificate for %q: %w", uid, err)
	}
	var out bytes.Buffer
	if err := errors.Join(public.Serialize(&out), (&packet.UserId{Id: uid}).Serialize(&out)); err != nil {
		return nil, fmt.Errorf("certificate for %q: %w", uid, err)
	}
	self, err := selfSignature(ctx, uid, public, r, uint32(seconds))
	if err != nil {
		return nil, fmt.Errorf("certificate for %q: %w", uid, err)
	}
	cert, err := keys.ReadCertificate(append(out.Bytes(), self...))
	if err != nil {
		return nil, fmt.Errorf("certificate for %q, as made: %w", uid, err)
	}
	return cert.Armored()
}

func checkUserID(uid string) error {
	const most = 255
	if uid == "" || len(uid) > most || !utf8.ValidString(uid) || slices.ContainsFunc([]rune(uid), unicode.IsControl) {
		return fmt.Errorf("expected a user id such as 'Name <address>', of 1 to %d bytes and without control characters", most)
	}
	return nil
}

// remotePublic is the remote's key as an OpenPGP key made at a time.
func remotePublic(r Remote, made time.Time) (*packet.PublicKey, error) {
	switch k := r.Public().(type) {
	case *rsa.PublicKey:
		return packet.NewRSAPublicKey(made, k), nil
	case ed25519.PublicKey:
		return edPublic(k, made)
	default:
		return nil, fmt.Errorf("the key is a %T, expected RSA or Ed25519", k)
	}
}

// edPublic writes the packet of an Ed25519 key in its "EdDSA legacy" form (draft-koch-eddsa-for-openpgp-04) and has it read,
// since the library has no other door to its curve.
func edPublic(k ed25519.PublicKey, made time.Time) (*packet.PublicKey, error) {
	body := binary.BigEndian.AppendUint32([]byte{pgpVersion}, uint32(made.Unix()))
	oid := []byte{0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x0f, 0x01} // 1.3.6.1.4.1.11591.15.1
	body = append(append(body, pgpEdDSA, byte(len(oid))), oid...)
	body = append(binary.BigEndian.AppendUint16(body, 8*ed25519.PublicKeySize+7), 0x40) // a number of 263 bits
	parsed, err := packet.Read(bytes.NewReader(keys.AppendPacket(nil, keys.TagPublicKey, append(body, k...))))
	if err != nil {
		return nil, err
	}
	public, ok := parsed.(*packet.PublicKey)
	if !ok {
		return nil, errors.New("the key cannot be read")
	}
	return public, nil
}

// selfSignature binds the user id to the key (type 0x13), by the key.
func selfSignature(ctx context.Context, uid string, public *packet.PublicKey, r Remote, life uint32) ([]byte, error) {
	primary := true
	sig := &packet.Signature{
		Version:         pgpVersion,
		SigType:         packet.SigTypePositiveCert,
		PubKeyAlgo:      public.PubKeyAlgo,
		Hash:            crypto.SHA512,
		CreationTime:    public.CreationTime,
		IssuerKeyId:     &public.KeyId,
		IsPrimaryId:     &primary,
		FlagsValid:      true,
		FlagCertify:     true,
		FlagSign:        true,
		KeyLifetimeSecs: &life,
		PreferredHash:   []uint8{pgpHash512, pgpHash256},
	}
	if life == 0 {
		sig.KeyLifetimeSecs = nil
	}
	call := &remoteCall{ctx: ctx, remote: r}
	secret, err := call.secret(public)
	if err != nil {
		return nil, err
	}
	if err := cmpErr(sig.SignUserId(uid, public, secret, withoutSalt()), call.err); err != nil {
		return nil, cmpErr(call.err, err)
	}
	var out bytes.Buffer
	err = sig.Serialize(&out)
	return out.Bytes(), err
}
