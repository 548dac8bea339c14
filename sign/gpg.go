package sign

import (
	"context"
	"time"
)

// GPGOptions say which key of which gpg signs.
type GPGOptions struct {
	Fingerprint string     // 40 hex digits: of the primary key, or of the signing subkey itself
	Home        string     // gpg's --homedir; "": the user's
	Program     string     // "": gpg
	Passphrase  Passphrase // nil: gpg-agent has it, or asks for the card's PIN
	Allowed     []string   // see OpenPGPFile; nil allows any
	Now         time.Time
}

// GPG signs by gpg with a key that gpg-agent holds, or a smartcard behind it.
func GPG(ctx context.Context, o GPGOptions) (Signer, error) { panic("stub") }
