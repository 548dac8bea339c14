package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"tidemark/internal/console"
	"tidemark/keys"
	"tidemark/sign"
)

func trustCommand(e *console.Program, person keyboard) *cli.Command {
	return e.Group("trust", "who may sign: draft, show, sign and install trust.json",
		trustNewCommand(e), trustShowCommand(e), trustSignCommand(e, person), trustCheckCommand(e))
}

// trustFlag names the version before.
func trustFlag() cli.Flag {
	return &cli.StringFlag{Name: "trust", Usage: "the trust.json before, signed, as mirrors have it (`OLD`; default: the configuration's)"}
}

func newChainFlag() cli.Flag {
	return &cli.BoolFlag{Name: "new-chain", Usage: "the root holders of the version before are lost: it need not sign, and every mirror must pin the new one by hand"}
}

// trustFile is a trust document as it lies in a file: a draft, or a trust.json.
type trustFile struct {
	name    string
	trust   *keys.Trust
	payload []byte         // the bytes that are signed
	sealed  *sign.Envelope // nil: a draft
	hidden  bool           // it holds something that this program cannot show
}

// readTrustFile reads a draft, or a trust.json, which must be signed by its own root keys.
func readTrustFile(name string) (*trustFile, error) {
	b, err := console.ReadInput(name, sign.MaxTrustFile)
	if err != nil {
		return nil, err
	}
	return parseTrustFile(name, b)
}

func parseTrustFile(name string, b []byte) (*trustFile, error) {
	f := &trustFile{name: name, payload: b}
	refuse := func(err error) (*trustFile, error) {
		return nil, console.Exit(console.Refused, fmt.Errorf("%s: %w", harmless(name), err), "do not sign or install it; ask who made it for the file again")
	}
	var err error
	if enveloped(b) {
		if f.trust, err = sign.OpenTrust(b); err != nil {
			return refuse(err)
		}
		if f.sealed, err = sign.ParseEnvelope(b, sign.MaxTrustFile); err != nil {
			return refuse(err)
		}
		f.payload = f.sealed.Payload
	} else if f.trust, err = keys.ParseTrust(b); err != nil {
		return refuse(err)
	}
	again, err := f.trust.Encode()
	f.hidden = err != nil || !bytes.Equal(again, f.payload)
	return f, nil
}

// enveloped tells a trust.json from a draft.
func enveloped(b []byte) bool {
	var peek struct {
		Payload *json.RawMessage `json:"payload"`
	}
	return json.Unmarshal(b, &peek) == nil && peek.Payload != nil
}

// readSealed reads a trust.json; role says what for, in errors.
func readSealed(role, name string) (*trustFile, error) {
	f, err := readTrustFile(name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", role, err)
	}
	if f.sealed == nil {
		return nil, console.Exit(console.Misuse, fmt.Errorf("%s: %s is a draft, which nobody has signed yet", role, harmless(name)), "name the trust.json of the version before, as mirrors have it")
	}
	return f, nil
}

// sum is the SHA-256 of what is signed.
func (f *trustFile) sum() []byte {
	s := sha256.Sum256(f.payload)
	return s[:]
}

// comment is what root holders give to minisign as the trusted comment.
func (f *trustFile) comment() string {
	return fmt.Sprintf("trust %s version=%d", f.trust.Network, f.trust.Version)
}

// errHidden is about a document that says more than this program knows.
var errHidden = errors.New("it is not written as this program would write it, so it may hold something that this program cannot show")

// follows refuses a draft that cannot come after old, whoever signs it. old is nil where none is at hand.
func (f *trustFile) follows(old *trustFile, newChain bool) error {
	refuse := func(format string, args ...any) error {
		return console.Exit(console.Refused, fmt.Errorf("%s: %w", harmless(f.name), fmt.Errorf(format, args...)), "do not sign it; ask who made it")
	}
	t := f.trust
	switch {
	case old == nil && t.Version > 1 && !newChain:
		return console.Exit(console.Misuse, fmt.Errorf("%s is version %d: version %d is needed to judge it", harmless(f.name), t.Version, t.Version-1),
			"name it: --trust trust.json, the one that mirrors have; only if its root holders are lost: --new-chain")
	case old == nil:
		return nil
	case t.Network != old.trust.Network:
		return refuse("it is of network %q, but %s of network %q", t.Network, harmless(old.name), old.trust.Network)
	case newChain && t.Version <= old.trust.Version:
		return refuse("a new chain begins above the old one: it is version %d, and %s is version %d", t.Version, harmless(old.name), old.trust.Version)
	case !newChain && t.Version != old.trust.Version+1:
		return refuse("version %d cannot follow version %d (%s), only %d can", t.Version, old.trust.Version, harmless(old.name), old.trust.Version+1)
	}
	return nil
}

// sound refuses what nobody should sign or install: signed already, with hidden parts, ended, or out of turn.
func (f *trustFile) sound(old *trustFile, newChain bool, now time.Time) error {
	switch {
	case f.sealed != nil:
		return console.Exit(console.Misuse, fmt.Errorf("%s is a signed trust.json, expected a draft", harmless(f.name)),
			"holders sign the draft that it was made of: trust-%d.json, from who made it; its signatures are counted with: tidemark trust check; the version after it begins with: tidemark trust new", f.trust.Version)
	case f.hidden:
		return console.Exit(console.Refused, fmt.Errorf("%s: %w", harmless(f.name), errHidden), "do not sign it; have it made again: tidemark trust new")
	case !now.Before(f.trust.Expires.Time):
		return console.Exit(console.Refused, fmt.Errorf("%s ended at %s", harmless(f.name), console.Clock(f.trust.Expires.Time)), "check this machine's clock (it is %s); or make a draft that lasts: tidemark trust new", console.Clock(now))
	}
	return f.follows(old, newChain)
}

// before is the version whose root keys must sign, nil where none must.
func before(old *trustFile, newChain bool) *keys.Trust {
	if old == nil || newChain {
		return nil
	}
	return old.trust
}
