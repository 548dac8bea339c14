// Package sign makes and judges signatures over bytes. It knows no manifest:
// what is signed are the exact bytes of a file, verified before they are parsed.
//
// # Two kinds, one signature a file
//
// manifest.json.asc is an OpenPGP detached signature (RFC 4880): version 4, type
// 0x00 (binary), RSA of 3072 bits or more (or Ed25519 in its "EdDSA legacy"
// form), SHA-512, no notation; it expires with the document, which is the only
// protection against a frozen site that plain gpg gives. It is armored with the
// CRC24 line, without which gpg fails on a third of all signatures, and ends in
// a line feed. One signature a file: gpg fails when it knows one of two signers only.
//
//	gpgv --keyring ./centos.gpg manifest.json.asc manifest.json
//	sqv --keyring centos.asc manifest.json.asc manifest.json
//
// manifest.json.minisig is Ed25519 in minisign's pre-hashed form "ED": over the
// BLAKE2b-512 of the file, and once more over that signature and the trusted comment.
//
//	minisign -V -m manifest.json -p centos.pub
//
// manifest.json.gpg is payload and OpenPGP signature in one message, not
// compressed, so that the two can never be of different versions:
//
//	gpg --no-default-keyring --keyring ./centos.gpg -o manifest.json --decrypt manifest.json.gpg
//
// # The envelope
//
// manifest.bundle.json and trust.json carry a payload with all its signatures.
// A true one, with 23 bytes of payload and one signature:
//
//	{
//	  "payload": "ewogICJoZWxsbyI6ICJ3b3JsZCIKfQo=",
//	  "signatures": [
//	    {
//	      "kind": "minisign",
//	      "key": "036A7625A2DE9B8E",
//	      "value": "untrusted comment: signature from minisign key 036A7625A2DE9B8E\nRUSOm96iJXZqAwR85TO5/42sG/jRLgEj8ank1VCk3viNP+ypXu8Ws3xY+PasXQ6XwExZrCxtunJ+YArRk5e+52TIpj3jpQE0nws=\ntrusted comment: an example\noc2yA7IEy6GvACvDYEiQdnelUUFtFuQYe+1htGSBTo1abKSm3zDgpMKJL/5c/oDlO7l+3u1j2kxpHFC22y1HCQ==\n"
//	    }
//	  ]
//	}
//
// Its public key, of no other use, is
// RWSOm96iJXZqA04zYL3VXAvCkU6YVflnnp319KnocvPo4M8PsHlYH5zO.
// The payload is base64; value is the text of the .minisig (or .asc), and key the
// key's id: for OpenPGP the primary key's full fingerprint. To check it by hand:
//
//	jq -r .payload bundle.json | base64 -d > hello.json
//	jq -j '.signatures[0].value' bundle.json > hello.json.minisig
//	minisign -V -m hello.json -P RWSOm96iJXZqA04zYL3VXAvCkU6YVflnnp319KnocvPo4M8PsHlYH5zO
//
// # Signers
//
// A [Signer] makes one signature. The secret may be in a file ([OpenPGPFile], [MinisignFile]), with gpg-agent or a smartcard
// ([GPG]), or anywhere that signs a few bytes: [Remote], which packages sign/sshagent and sign/kms implement.
//
//	file       RSA, Ed25519   OpenPGP, minisign
//	gpg        RSA, Ed25519   OpenPGP
//	ssh-agent  Ed25519        minisign (root keys, manifests, beacons); OpenPGP as "EdDSA legacy", not for gpg 1.4 and 2.0
//	AWS KMS    RSA            OpenPGP
//	           Ed25519        as ssh-agent
//
// A remote signs an OpenPGP digest once ([OpenPGPRemote]), or what minisign is made of twice ([MinisignRemote]): the
// document's hash, then that signature with the trusted comment. It needs a public half that others can read: [MinisignOf],
// [CertifyRemote].
//
//	public, err := sign.MinisignOf(remote)             // public.File() is the .pub
//	signer, err := sign.MinisignRemote(public, remote)
//	sig, err := signer.Sign(ctx, sign.Request{Payload: manifest, Comment: "tidemark centos serial=4127 …", Issued: now})
//
// Wherever the secret is, the same is true of the result: the signature's time is that of the request (or of the key, if that
// is younger), its life ends when the request says, an RSA key gives the same bytes again, and no signature is returned
// that this package has not read back and verified. gpg is run for that with its clock standing at the request's time, without its
// configuration file, and, where a passphrase is given, with that in a pipe. An error comes with the zero [Signature],
// whatever was signed before it: half of a minisign signature is none.
//
// The context bounds all that a signer waits for: a person at a pinentry, a token, a service.
//
// # What is accepted
//
// [Verify] counts distinct holders against the role's threshold, and asks for
// every required kind; a missing kind is a failure, never a fallback to the
// other. A holder has one vote, with however many keys and kinds. A signature
// counts when its key is in the role, neither revoked nor past not_after, and
//
//   - OpenPGP: the file is exactly one armored block with one packet and
//     nothing around it; in the area that nobody signed only its issuer's id and
//     fingerprint; version 4, type 0x00; SHA-256 or SHA-512; RSA from 3072
//     bits or Ed25519; made by one of the fingerprints that the trust document
//     names, whatever issuer the signature claims; certificate, subkey and
//     their bindings good when it was made and good now; its own life not over;
//   - minisign: four lines and nothing after, in UTF-8 and without a carriage
//     return, "ED", both signatures good.
//
// An entry of the trust document that revokes a key outweighs every other entry of that key.
//
// Clocks may differ by [Skew] both ways. Every refusal is a [*Refusal] that lists each
// signature with its [Cause].
//
// # The trust chain
//
// [OpenTrust] reads a pinned trust.json; [NextTrust] the one after it, by the rules of TUF's root role
// (https://theupdateframework.github.io/specification/, 5.3): of the same network, its version higher by exactly one, signed by the root
// thresholds of both. What the old root did not sign is not parsed. Within a version a holder has one vote, however
// many keys sign; a key that stands in both versions, if only under another holder's name, votes once in each.
// Two keys of one id, one in each version, do not stand for each other. When a version ended is not asked here: who walks a chain enforces the end
// of its last version only.
//
// Root holders sign with this package's minisign signer or with minisign itself, over the payload's file. [Count] says
// how far a draft is, by the same votes, and takes any number of signatures; [Seal] makes the trust.json of those
// that count: one a key, and when they are more than an envelope has, the smallest set that meets both thresholds.
package sign
