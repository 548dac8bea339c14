package sign

import (
	"errors"
	"time"

	pgperrors "github.com/ProtonMail/go-crypto/openpgp/errors"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"tidemark/keys"
)

// ErrOver is wrapped when every key that is there and was made to sign has ended or is revoked: as after a rotation of subkeys.
var ErrOver = errors.New("its keys have expired, or are revoked")

// over reports whether the keys that are here and were made to sign, at least one, have all ended or are revoked.
func over(e *openpgp.Entity, here func(*packet.PublicKey) bool, now time.Time) bool {
	config := keys.PacketConfig(now)
	gone := func(err error) bool {
		return errors.Is(err, pgperrors.ErrKeyExpired) || errors.Is(err, pgperrors.ErrKeyRevoked)
	}
	_, err := e.VerifyPrimaryKey(now, config)
	whole, some := gone(err), false
	for i := range e.Subkeys {
		sub := &e.Subkeys[i]
		binding, err := sub.LatestValidBindingSignature(now, config)
		if err != nil || !here(sub.PublicKey) || !binding.FlagsValid || !binding.FlagSign {
			continue
		}
		if _, err := sub.Verify(now, config); !whole && !gone(err) {
			return false
		}
		some = true
	}
	if self, err := e.PrimarySelfSignature(now, config); err == nil && here(e.PrimaryKey) && self.FlagsValid && self.FlagSign {
		return whole
	}
	return some
}
