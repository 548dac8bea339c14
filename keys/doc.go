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
// holders' votes by one key. An entry that revokes a key counts even if its certificate cannot be read any more; of one that has packets
// of keys in it, each is known by what it is made of, under any date or name. Ed25519 keys of small order, with which everybody can sign,
// are refused.
//
// A certificate can begin later than its key was made: one that is renewed on a machine whose clock is ahead has a self-signature
// dated in the future, and no verifier accepts the key until then, whatever it could do before. [ManifestKey.Begin] is that instant;
// [Trust.NotYet] lists the keys that begin later than [Skew] from now: such a version should be neither signed nor published.
//
// signing names the keys of the certificate that may sign, the primary among them if it can: gpgv takes what any
// key of the exported ring signs. Subkeys that signing does not name may be weak or have ended; they are not exported.
//
// A threshold counts distinct holders. The rules are those of the root role of
// The Update Framework (https://theupdateframework.github.io/specification/);
// [Trust.Check] judges one document alone, sign.NextTrust a step from one
// version to the next.
//
// # The next version
//
// [Trust.Successor] begins a draft; PutKey, DropKey, RevokeKey, EndKey, PutRoot and DropRoot edit it; [Trust.Encode] checks it and writes the
// exact bytes that the root holders sign:
//
//	next := old.Successor(now, 365*24*time.Hour)
//	id, err := next.PutKey("publisher", certificate)
//	err = next.RevokeKey("9B627514EE")
//	draft, err := next.Encode()
//
// [Diff] tells a holder what a signature would agree to. Each [Change] has a code:
//
//	schema network version issued expires            the head
//	root-threshold root-added root-removed root-holder root-public root-order root-whole
//	threshold required key-added key-removed key-revoked key-unrevoked key-renewed
//	key-end key-signing key-holder key-kind key-order
//	root-majority  new root keys alone can sign every later version; majority: new holders alone can sign manifests
//	root-all       no root holder can be missed any more; threshold-all: no holder of the manifest role
//	look-alike     holders whose names pass for each other: alice, a1ice
//	overlap      the keys that stay cannot sign what mirrors accept: today's manifest is refused at once
//	alone        one holder alone can sign trust documents and manifests
//	min-serial reset-serial
//	other        a difference that this program cannot name (none is known)
//
// An alarm is for what helps a thief or stops mirrors: a threshold that falls, or that one holder can meet; no root holder or no root
// key in common; a root key that goes online, or an online key that becomes a root key; one key under another name or id; a
// revoked key that comes back; a key that may sign today and is refused at once; a certificate dated in the future, or renewed so that it
// ends within 90 days and before the old one; of the document, an end in the past, before the old one's, within 90 days, or more than
// three years ahead; reset_serial. An entry that revokes a key is best kept: without it the key stays refused, as an
// unknown one, but no alarm is raised when it comes back.
//
// [Words] spells a fingerprint by the PGP word list, to be compared by telephone: E582 94F2 is "topmost Istanbul Pluto vagabond".
//
// # Files for other tools
//
// [Export] writes the keys of the manifest role that may sign at an instant as <network>.asc (one armored
// block: gpg --import, sqv), <network>.gpg (binary: gpgv), <network>.pub
// (minisign) and <network>.pem (the same Ed25519 key for openssl); and <network>.txt, the [Sheet], for people.
//
// gpgv takes whatever a key of its keyring signed, even one that has ended, and some tools take what a retired key signed before.
// So a revoked or ended key is in neither ring. But a keyring that was made by gpg --import does not lose a
// key by importing others: when the certificate of a revoked entry carries its own revocation (PutKey takes such a certificate),
// <network>.revoked.asc hands that on, to be imported and for nothing else. So it does with a signing subkey that a certificate which goes on
// has revoked. Where nobody has the revocation certificate,
// the key must be deleted by hand; <network>.txt names it.
//
// [WKD] writes the OpenPGP keys as a Web Key Directory, by the mail addresses in their user ids:
//
//	.well-known/openpgpkey/example.org/hu/iy9q119eutrkn8s1mk4r39qejnbu3n5q    Joe.Doe@Example.ORG, at openpgpkey.example.org
//	.well-known/openpgpkey/hu/iy9q119eutrkn8s1mk4r39qejnbu3n5q                at example.org itself
//	.well-known/openpgpkey/example.org/policy, .well-known/openpgpkey/policy  empty, as the draft asks
package keys
