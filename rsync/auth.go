package rsync

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"hash"
	"slices"

	"golang.org/x/crypto/md4" //lint:ignore SA1019 the protocol below version 30 has no other digest
)

// authDigests are the digests for passwords, best first, by rsync's names.
func authDigests() []string { return []string{"sha512", "sha256", "sha1", "md5", "md4"} }

// authHash gives the digest that both sides settle on: the first of ours that the server listed (protocol 31 on), else
// MD5, and below protocol 30 MD4 with four zero bytes before the password.
func authHash(g greeting) (hash.Hash, error) {
	switch {
	case g.protocol < 30:
		h := md4.New()
		h.Write(make([]byte, 4))
		return h, nil
	case g.protocol == 30 || !g.listed:
		return md5.New(), nil
	}
	for _, name := range authDigests() {
		if slices.Contains(g.digests, name) {
			return newDigest(name), nil
		}
	}
	return nil, errors.New("no digest in common for the password")
}

func newDigest(name string) hash.Hash {
	switch name {
	case "sha512":
		return sha512.New()
	case "sha256":
		return sha256.New()
	case "sha1":
		return sha1.New()
	case "md5":
		return md5.New()
	}
	return md4.New()
}

// authReply gives the line that answers a challenge: the user and base64 of digest(password, challenge), unpadded.
func authReply(g greeting, user, password, challenge string) (string, error) {
	h, err := authHash(g)
	if err != nil {
		return "", &Error{Code: CodeAuth, Err: err}
	}
	h.Write([]byte(password))
	h.Write([]byte(challenge))
	return user + " " + base64.RawStdEncoding.EncodeToString(h.Sum(nil)) + "\n", nil
}
