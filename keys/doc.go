// Package keys holds public keys, key files and the trust document that says
// who may sign. It verifies no signature over a payload; package sign does.
//
// # Keys
//
// Two kinds. A minisign key is an Ed25519 key with an eight-byte id, written as
// minisign writes it: base64 that begins with "RW" (https://jedisct1.github.io/minisign/).
// An OpenPGP key is a version 4 certificate (RFC 4880) with an RSA key of 3072
// bits or more, or Ed25519 in its first, "EdDSA legacy" form: what gpg 2.2 to
// 2.4, gpgv and sqv all read (RSA also gpg 1.4 and 2.0). Version 6 certificates,
// algorithm 27, DSA, ECDSA and self-signatures by SHA-1 are refused when they
// are read, because one of them in a keyring makes stock tools refuse all of it.
//
// # The trust document
//
// Schema tidemark/trust/v1, the payload of the envelope trust.json:
//
//	{
//	  "schema": "tidemark/trust/v1",
//	  "network": "centos",
//	  "version": 3,
//	  "issued": "2026-11-22T08:00:00Z",
//	  "expires": "2027-11-22T08:00:00Z",
//	  "root": {"threshold": 2, "keys": [
//	    {"holder": "alice", "key": "5B3A…", "public": "RW…"},
//	    {"holder": "bob", "key": "91C0…", "public": "RW…"},
//	    {"holder": "carol", "key": "0FE2…", "public": "RW…"}]},
//	  "manifest": {"threshold": 1, "required": ["openpgp", "minisign"], "keys": [
//	    {"holder": "publisher", "kind": "openpgp", "key": "<40 hex>", "public": "<armored certificate>", "signing": ["<40 hex>"]},
//	    {"holder": "publisher", "kind": "minisign", "key": "<16 hex>", "public": "RW…", "not_after": "2027-11-22T08:00:00Z"}]},
//	  "min_serial": 0
//	}
//
// A key stands in the document once, root and manifest together: by its id, and by what it is made of. An RSA modulus
// under two dates, or the 32 bytes of an Ed25519 key in an OpenPGP certificate and in a minisign key, would be two
// holders' votes by one key. An entry that revokes a key counts even if its certificate cannot be read any more.
//
// signing names the keys of the certificate that may sign, the primary among them if it can: gpgv takes what any
// key of the exported ring signs. Subkeys that signing does not name may be weak or have ended; they are not exported.
//
// A threshold counts distinct holders. The rules are those of the root role of
// The Update Framework (https://theupdateframework.github.io/specification/);
// [Trust.Check] judges one document alone, sign.NextTrust a step from one
// version to the next.
//
// # Files for other tools
//
// [Export] writes the keys of the manifest role that may sign at an instant as <network>.asc (one armored
// block: gpg --import, sqv), <network>.gpg (binary: gpgv), <network>.pub
// (minisign) and <network>.pem (the same Ed25519 key for openssl).
package keys
