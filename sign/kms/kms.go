// Package kms signs with a key of AWS KMS: RSA_3072 or RSA_4096, or ECC_NIST_EDWARDS25519.
package kms

import (
	"context"

	_ "github.com/aws/aws-sdk-go-v2/service/kms"

	"tidemark/sign"
)

// Options say which key where. Credentials come by the AWS SDK's usual chain.
type Options struct {
	Key      string // id, ARN or alias/NAME
	Region   string // "": as the environment says
	Endpoint string // "": AWS
	CA       string // PEM file; "": the system's
}

// Open asks for the public key (kms:GetPublicKey); signing is kms:Sign.
func Open(ctx context.Context, o Options) (sign.Remote, error) { panic("stub") }
