// Package kms signs with a key of AWS KMS that never leaves it.
//
//	r, err := kms.Open(ctx, kms.Options{Key: "alias/centos-openpgp", Region: "eu-north-1"})
//	signer, err := sign.OpenPGPRemote(certificate, r, nil, now)
//
// # Keys
//
// A key for signing (KeyUsage SIGN_VERIFY) of one of the specs
//
//	RSA_3072, RSA_4096           Sign with RSASSA_PKCS1_V1_5_SHA_512, MessageType DIGEST, over the 64 bytes of a SHA-512
//	ECC_NIST_EDWARDS25519        Sign with ED25519_SHA_512, MessageType RAW, over at most 4096 bytes
//
// RSA serves OpenPGP; Ed25519 serves minisign, and OpenPGP as "EdDSA legacy". A digest needs no more than one call, and the
// document never goes to AWS.
//
// # Patience
//
// A call may take [Options].Timeout with the SDK's standard retries (throttling, server errors, three tries). A key policy
// needs kms:GetPublicKey and kms:Sign; give the publisher no more, so that whoever breaks into it can sign while he is there,
// and takes no key along.
//
// The tests run against a server that speaks the documented JSON; Amazon's own was not available to them.
//
// Only cmd/tidemark imports this package.
package kms
