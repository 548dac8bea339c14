// Package sshagent signs with an Ed25519 key of an ssh-agent: a key in the agent's memory, or on a token behind it.
//
//	r, err := sshagent.Open(ctx, sshagent.Options{Socket: os.Getenv("SSH_AUTH_SOCK"), Public: []byte("ssh-ed25519 AAAA… root")})
//	public, err := sign.MinisignOf(r)
//	signer, err := sign.MinisignRemote(public, r)
//
// An agent asked to sign with a key of type ssh-ed25519 gives a plain Ed25519 signature over exactly the bytes that it was
// given (draft-ietf-sshm-ssh-agent, RFC 8709), which is what minisign and OpenPGP's "EdDSA legacy" are made of. A key of type
// sk-ssh-ed25519 (FIDO) does not: it signs a hash together with a counter, so it is refused when it is read.
//
// The key should have no other use: who may log in with it somewhere could be made to sign a challenge that is a manifest's hash.
// For the same reason, do not forward an agent that holds it.
//
// The agent's protocol says no reasons. An agent that is locked (ssh-add -x) lists no keys; one whose user said no
// (ssh-add -c) lists the key and fails: the errors say which it was, and what to type.
//
// Only cmd/tidemark imports this package.
package sshagent
