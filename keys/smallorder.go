package keys

import (
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"slices"
)

// checkPoint refuses the public keys that everybody can sign with: the points of small order (RFC 8032, 5.1.7, leaves them
// to the application), and encodings of which no key generator makes one (y of 2^255-19 or above), among which are more of them.
func checkPoint(public ed25519.PublicKey) error {
	if len(public) != ed25519.PublicKeySize {
		return errors.New("it is no Ed25519 key: expected 32 bytes")
	}
	y := slices.Clone(public)
	y[31] &= 0x7f // the sign of x: both points of this y are as bad
	slices.Reverse(y)
	switch h := hex.EncodeToString(y); {
	case h >= "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffed":
		return errors.New("it is no canonical encoding of an Ed25519 key")
	case slices.Contains([]string{
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0000000000000000000000000000000000000000000000000000000000000001",
		"05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826",
		"7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7",
		"7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffec",
	}, h):
		return errors.New("it is a point of small order: everybody can sign with it")
	}
	return nil
}
