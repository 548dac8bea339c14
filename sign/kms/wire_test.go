package kms

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/smithy-go"
)

// account is an access key.
type account struct{ access, secret string }

func (a account) Retrieve(context.Context) (aws.Credentials, error) {
	return aws.Credentials{AccessKeyID: a.access, SecretAccessKey: a.secret}, nil
}

// What the server of these tests refuses is what Amazon documents: an adapter that sends it would not pass.
func TestFakeRefuses(t *testing.T) {
	_, options := at(t)
	client := open(t, options("alias/ed")).(*key).client
	for _, c := range []struct {
		key       string
		kind      types.MessageType
		algorithm types.SigningAlgorithmSpec
		size      int
		code      string // "": accepted
	}{
		{"alias/rsa", "DIGEST", "RSASSA_PKCS1_V1_5_SHA_512", 64, ""},
		{"alias/rsa", "RAW", "RSASSA_PKCS1_V1_5_SHA_512", 64, ""},
		{"alias/rsa", "DIGEST", "RSASSA_PKCS1_V1_5_SHA_512", 63, "ValidationException"},
		{"alias/rsa", "RAW", "RSASSA_PKCS1_V1_5_SHA_512", 4097, "ValidationException"},
		{"alias/rsa", "RAW", "ED25519_SHA_512", 64, "InvalidKeyUsageException"},
		{"alias/ed", "RAW", "ED25519_SHA_512", 4096, ""},
		{"alias/ed", "", "ED25519_SHA_512", 10, ""},
		{"alias/ed", "DIGEST", "ED25519_SHA_512", 64, "ValidationException"},
		{"alias/ed", "RAW", "ED25519_PH_SHA_512", 64, "ValidationException"},
		{"alias/ed", "DIGEST", "ED25519_PH_SHA_512", 64, ""},
		{"alias/ed", "RAW", "ED25519_SHA_512", 4097, "ValidationException"},
		{"alias/ed", "RAW", "RSASSA_PKCS1_V1_5_SHA_512", 10, "InvalidKeyUsageException"},
		{"alias/none", "RAW", "ED25519_SHA_512", 10, "NotFoundException"},
	} {
		_, err := client.Sign(t.Context(), &kms.SignInput{KeyId: &c.key, Message: make([]byte, c.size), MessageType: c.kind, SigningAlgorithm: c.algorithm})
		if got := codeOf(err); got != c.code {
			t.Errorf("%s %s %s %d bytes: %q (%v), expected %q", c.key, c.kind, c.algorithm, c.size, got, err, c.code)
		}
	}
}

func codeOf(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

// Sources of a public key that is none: everything that GetPublicKey may answer is foreign.
func FuzzReadPublic(f *testing.F) {
	k, err := newKMS(context.Background())
	if err != nil {
		f.Fatal(err)
	}
	defer k.Close()
	for _, alias := range []string{"alias/rsa", "alias/ed"} {
		o := options(k, alias)
		client, err := o.client(context.Background())
		if err != nil {
			f.Fatal(err)
		}
		out, err := client.GetPublicKey(context.Background(), &kms.GetPublicKeyInput{KeyId: &o.Key})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(out.KeySpec), string(out.SigningAlgorithms[0]), out.PublicKey)
		f.Add("RSA_4096", "RSASSA_PKCS1_V1_5_SHA_512", out.PublicKey[:len(out.PublicKey)/2])
	}
	f.Fuzz(func(t *testing.T, spec, algorithm string, der []byte) {
		out := &kms.GetPublicKeyOutput{KeyUsage: types.KeyUsageTypeSignVerify, KeySpec: types.KeySpec(spec), PublicKey: der,
			SigningAlgorithms: []types.SigningAlgorithmSpec{types.SigningAlgorithmSpec(algorithm)}}
		public, err := readPublic(out)
		if (err == nil) == (public == nil) {
			t.Fatalf("%v and %v", public, err)
		}
		if err == nil && !slices.Contains([]types.KeySpec{types.KeySpecRsa3072, types.KeySpecRsa4096, types.KeySpecEccNistEdwards25519}, out.KeySpec) {
			t.Fatalf("a key of spec %q was taken", spec)
		}
	})
}
