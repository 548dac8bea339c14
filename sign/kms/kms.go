package kms

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"golang.org/x/crypto/ed25519"

	"tidemark/sign"
)

// maxRaw is the longest message that kms:Sign takes with MessageType RAW (API reference, Sign).
const maxRaw = 4096

// Open asks for the public key (kms:GetPublicKey); signing is kms:Sign.
func Open(ctx context.Context, o Options) (sign.Remote, error) {
	client, err := o.client(ctx)
	if err != nil {
		return nil, err
	}
	k := &key{Options: o, client: client}
	if k.Timeout <= 0 {
		k.Timeout = patience
	}
	if err := k.getPublic(ctx); err != nil {
		return nil, err
	}
	return k, nil
}

// key is one key of KMS.
type key struct {
	Options
	client *kms.Client
	public crypto.PublicKey
}

// Public is the key's public half, as KMS gave it.
func (k *key) Public() crypto.PublicKey { return k.public }

func (k *key) getPublic(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, k.Timeout)
	defer cancel()
	out, err := k.client.GetPublicKey(ctx, &kms.GetPublicKeyInput{KeyId: &k.Key})
	if err != nil {
		return k.explain("GetPublicKey", err)
	}
	if k.public, err = readPublic(out); err != nil {
		return fmt.Errorf("KMS key %s: %w", k.Key, err)
	}
	return nil
}

// maxDER is far more than the public half of RSA_4096 has.
const maxDER = 8 << 10

// readPublic takes keys that we can sign with, and nothing that merely looks like one.
func readPublic(out *kms.GetPublicKeyOutput) (crypto.PublicKey, error) {
	if out.KeyUsage != types.KeyUsageTypeSignVerify {
		return nil, fmt.Errorf("its usage is %.40s, expected %s: make one with aws kms create-key --key-usage SIGN_VERIFY", out.KeyUsage, types.KeyUsageTypeSignVerify)
	}
	algorithm, bits, err := algorithmOf(out.KeySpec)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(out.SigningAlgorithms, algorithm) {
		return nil, fmt.Errorf("it signs with %v, expected %s among them", out.SigningAlgorithms, algorithm)
	}
	if len(out.PublicKey) > maxDER {
		return nil, fmt.Errorf("a public key of %d bytes, at most %d are read", len(out.PublicKey), maxDER)
	}
	public, err := x509.ParsePKIXPublicKey(out.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("its public key: %w", err)
	}
	switch p := public.(type) {
	case *rsa.PublicKey:
		if p.N.BitLen() == bits {
			return p, nil
		}
	case ed25519.PublicKey:
		if bits == 0 {
			return p, nil
		}
	}
	return nil, fmt.Errorf("its public key is a %T that does not fit its spec, %s", public, out.KeySpec)
}

// algorithmOf is how a key of the spec signs for us, and the bits of its modulus (0: it is no RSA key).
func algorithmOf(spec types.KeySpec) (types.SigningAlgorithmSpec, int, error) {
	switch spec {
	case types.KeySpecRsa3072:
		return types.SigningAlgorithmSpecRsassaPkcs1V15Sha512, 3072, nil
	case types.KeySpecRsa4096:
		return types.SigningAlgorithmSpecRsassaPkcs1V15Sha512, 4096, nil
	case types.KeySpecEccNistEdwards25519:
		return types.SigningAlgorithmSpecEd25519Sha512, 0, nil
	}
	return "", 0, fmt.Errorf("its spec is %.40s, expected %s or %s (OpenPGP), or %s (minisign)", spec, types.KeySpecRsa3072, types.KeySpecRsa4096, types.KeySpecEccNistEdwards25519)
}

// SignRemote signs: RSA the digest given, Ed25519 the message itself.
func (k *key) SignRemote(ctx context.Context, message []byte) ([]byte, error) {
	in := &kms.SignInput{KeyId: &k.Key, Message: message}
	if _, ok := k.public.(*rsa.PublicKey); ok {
		in.MessageType, in.SigningAlgorithm = types.MessageTypeDigest, types.SigningAlgorithmSpecRsassaPkcs1V15Sha512
		if len(message) != crypto.SHA512.Size() {
			return nil, fmt.Errorf("KMS key %s: a digest of %d bytes, expected SHA-512's %d", k.Key, len(message), crypto.SHA512.Size())
		}
	} else {
		in.MessageType, in.SigningAlgorithm = types.MessageTypeRaw, types.SigningAlgorithmSpecEd25519Sha512
		if len(message) > maxRaw {
			return nil, fmt.Errorf("KMS key %s: %d bytes to sign, at most %d", k.Key, len(message), maxRaw)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, k.Timeout)
	defer cancel()
	out, err := k.client.Sign(ctx, in)
	if err != nil {
		return nil, k.explain("Sign", err)
	}
	if out.SigningAlgorithm != in.SigningAlgorithm {
		return nil, fmt.Errorf("KMS key %s: it signed with %.40s, asked for %s", k.Key, out.SigningAlgorithm, in.SigningAlgorithm)
	}
	return out.Signature, nil
}
