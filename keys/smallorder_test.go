package keys

import (
	"crypto/ed25519"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
)

// Each point of small order is a public key that everybody can sign with, without any secret: none is read.
func TestParseMinisign_SmallOrder(t *testing.T) {
	forged := func(public []byte) bool {
		sig := make([]byte, ed25519.SignatureSize)
		sig[0] = 1 // R is the identity, S is 0: good whenever the hash is a multiple of the order
		for i := range 200 {
			if ed25519.Verify(public, fmt.Append(nil, i), sig) {
				return true
			}
		}
		return false
	}
	if forged(minisignKey(t).Public) {
		t.Fatal("a good key was forged")
	}
	for _, h := range []string{
		"0100000000000000000000000000000000000000000000000000000000000000",
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0000000000000000000000000000000000000000000000000000000000000080",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
		"0100000000000000000000000000000000000000000000000000000000000080", // the same, by encodings that are not canonical
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	} {
		public, err := hex.DecodeString(h)
		if err != nil {
			t.Fatal(err)
		}
		if !forged(public) {
			t.Errorf("%s: the case is no such point", h)
		}
		if _, err := ParseMinisign(MinisignKey{ID: "1111111111111111", Public: public}.String()); err == nil || !strings.Contains(err.Error(), "small order") && !strings.Contains(err.Error(), "canonical") {
			t.Errorf("%s: %v", h, err)
		}
	}
	if checkPoint(nil) == nil {
		t.Error("no bytes are a key")
	}
}
