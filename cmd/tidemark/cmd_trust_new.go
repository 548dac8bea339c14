package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"tidemark/internal/console"
	"tidemark/internal/strictjson"
	"tidemark/keys"
)

func trustNewCommand(e *console.Program) *cli.Command {
	return e.Command("new", "draft the next version of trust.json", "", []cli.Flag{
		&cli.StringFlag{Name: "o", Usage: "write the draft to `FILE` (default: trust-<N>.json in this directory); never overwrites"},
		trustFlag(),
		&cli.StringSliceFlag{Name: "add-key", Usage: "let a key sign manifests: `HOLDER=FILE`, a minisign .pub or an OpenPGP certificate; one that is in it already is renewed; may be repeated"},
		&cli.StringSliceFlag{Name: "drop-key", Usage: "take the key `ID` out; may be repeated"},
		&cli.StringSliceFlag{Name: "revoke-key", Usage: "mark the key `ID` as revoked: nothing it signs, or ever signed, counts; may be repeated"},
		&cli.StringSliceFlag{Name: "end-key", Usage: "let a key sign until a date only: `ID=DATE`; may be repeated"},
		&cli.StringSliceFlag{Name: "add-root", Usage: "give a holder a root key: `HOLDER=FILE.pub`; may be repeated"},
		&cli.StringSliceFlag{Name: "drop-root", Usage: "take a root key out, or all of a holder's: `ID|HOLDER`; may be repeated"},
		&cli.IntFlag{Name: "root-threshold", Usage: "how many root holders must sign: `N`"},
		&cli.IntFlag{Name: "threshold", Usage: "how many holders must sign a manifest: `N`"},
		&cli.StringSliceFlag{Name: "require", Usage: "which kinds must sign a manifest: `KIND[,KIND]` of openpgp, minisign"},
		&cli.StringFlag{Name: "life", Usage: "how long the new version lasts: `SPAN` like 365d (default: as long as the one before)"},
		&cli.StringFlag{Name: "expires", Usage: "when the new version ends: a `DATE` like 2027-11-22, or RFC 3339"},
		&cli.Int64Flag{Name: "min-serial", Usage: "the lowest serial that counts: `N`"},
		&cli.BoolFlag{Name: "reset-serial", Usage: "every mirror forgets, once, the serials that it has seen: against one that was run up by a thief; without --min-serial they begin above the last one that was released from here"},
		newChainFlag(), console.DryRun(),
	}, `Writes a draft: the installed trust.json, or OLD, with its version one higher, issued now, and the edits. Without edits
it is a renewal of the end. ID is a whole key id or fingerprint, or its last eight digits or more. With --trust no
configuration is read. The draft is a plain file that travels to the root holders; nobody trusts it until enough of them
have signed.

Exit codes: 0 written; 1 a file is there already; 2 edits that make no sense; 4 the version before is not to be trusted.

Examples:
  tidemark trust new                                                      another year
  tidemark trust new --add-key publisher=new.key.pub                      a new key, beside the old one
  tidemark trust new --revoke-key 5B3A91C00FE25B3A --add-key publisher=new.key.pub
  tidemark trust new --drop-root carol --add-root dave=dave.pub`, func(c *console.Call) error {
		d := &drafting{Call: c}
		return d.run()
	})
}

// drafting is the making of one draft.
type drafting struct {
	*console.Call
	old      *trustFile
	next     *keys.Trust
	newChain bool
	taken    map[string]string // key id, to the flag that speaks of it

	minSerial int64 // taken from the state, for a reset
}

// trustNewDocument is `trust new --json`.
type trustNewDocument struct {
	Schema string `json:"schema"`
	trustDescription
	From    int64         `json:"from"` // the version before
	Changes []keys.Change `json:"changes"`
	Cleared []string      `json:"cleared,omitempty"` // what the version before had and this one has not, since it is meant once
	Signers []neededRole  `json:"signers"`
	Written bool          `json:"written"` // not in a dry run
}

// neededRole is a root role whose holders must sign.
type neededRole struct {
	Version   int64    `json:"version"`
	Threshold int      `json:"threshold"`
	Holders   []string `json:"holders"`
}

func (d *drafting) run() error {
	d.newChain = d.Bool("new-chain")
	if err := d.findOld(); err != nil {
		return err
	}
	life, err := d.span()
	if err != nil {
		return err
	}
	d.next = d.old.trust.Successor(d.Now(), life)
	if err := d.edit(); err != nil {
		return console.Exit(console.Misuse, err, "no draft was written; see: tidemark trust show, tidemark trust new --help")
	}
	payload, err := d.next.Encode()
	if err != nil {
		return console.Exit(console.Misuse, err, "no draft was written: mend the edits")
	}
	name := d.String("o")
	if name == "" {
		name = fmt.Sprintf("trust-%d.json", d.next.Version)
	}
	f, err := parseTrustFile(name, payload)
	if err != nil {
		return err
	}
	if err := f.sound(d.old, d.newChain, d.Now()); err != nil {
		return err
	}
	if !d.Dry {
		if err := console.WriteNew(name, payload, 0o644); err != nil {
			return err
		}
	}
	return d.tell(f)
}

// findOld reads the version before. One that is behind what was published is no ground for another.
func (d *drafting) findOld() (err error) {
	if name := d.String("trust"); name != "" {
		if d.old, err = readSealed("--trust", name); err != nil {
			return err
		}
	} else {
		i, err := needInstalled(d.Call, "--trust OLD")
		if err != nil {
			return err
		}
		newest, err := i.newest(i.doc.trust)
		if err != nil {
			return err
		}
		if newest.Version > i.doc.trust.Version {
			return console.Exit(console.Refused, fmt.Errorf("version %d was published already, but version %d is installed (%s)", newest.Version, i.doc.trust.Version, i.file),
				"install it first: cp %s/trust/%d.json %s", shellWord(i.state), newest.Version, shellWord(i.file))
		}
		d.old = i.doc
	}
	if d.old.hidden {
		return console.Exit(console.Refused, fmt.Errorf("%s: %w; a draft made here would lose it", harmless(d.old.name), errHidden), "use a newer version of this program")
	}
	return nil
}

// span is how long the draft lasts.
func (d *drafting) span() (time.Duration, error) {
	old := d.old.trust
	life, expires := d.String("life"), d.String("expires")
	switch {
	case life != "" && expires != "":
		return 0, console.Usage("--life and --expires: give one of them")
	case life != "":
		return parseSpan(life)
	case expires != "":
		at, err := parseDate(expires)
		if err != nil {
			return 0, console.Usage("--expires: %w", err)
		}
		if now := d.Now(); !at.After(now) {
			return 0, console.Usage("--expires: %s is over", console.Clock(at))
		}
		return at.Sub(strictjson.At(d.Now()).Time), nil
	}
	return old.Expires.Sub(old.Issued.Time), nil
}

// parseSpan reads days, "365d", or Go's hours and minutes.
func parseSpan(s string) (time.Duration, error) {
	var span time.Duration
	var err error
	if days, ok := strings.CutSuffix(s, "d"); ok {
		var n int
		n, err = strconv.Atoi(days)
		if n > maxLife {
			err = errors.New("too long")
		}
		span = time.Duration(n) * 24 * time.Hour
	} else {
		span, err = time.ParseDuration(s)
	}
	if err != nil || span < time.Hour || span > maxLife*24*time.Hour {
		return 0, console.Usage("--life %q: expected days, like 365d, at least an hour and at most %dd", s, maxLife)
	}
	return span.Truncate(time.Second), nil
}

// maxLife is the longest life of a version, in days: longer than people hold an office.
const maxLife = 3660

// parseDate reads 2027-11-22, the first moment of that day in UTC, or RFC 3339.
func parseDate(s string) (time.Time, error) {
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("date %q: expected 2027-11-22, or RFC 3339 like 2027-11-22T08:00:00Z", s)
}

// tell says what changes, and what to do next.
func (d *drafting) tell(f *trustFile) error {
	doc := trustNewDocument{Schema: "tidemark/trust-new/v1", trustDescription: described(f), From: d.old.trust.Version,
		Changes: changesOf(d.old, f, d.newChain, d.Now()), Written: !d.Dry}
	if b := before(d.old, d.newChain); b != nil {
		doc.Signers = append(doc.Signers, needed(b))
	}
	doc.Signers = append(doc.Signers, needed(f.trust))
	written := "written"
	if d.Dry {
		written = "not written (dry run)"
	}
	d.Say("%s: draft of version %d of network %s, %s", harmless(f.name), f.trust.Version, f.trust.Network, written)
	if d.old.trust.ResetSerial && !f.trust.ResetSerial {
		doc.Cleared = []string{"reset_serial"}
		d.Say("cleared: reset_serial, which version %d had: it is meant once", d.old.trust.Version)
	}
	if d.minSerial > 0 {
		d.Say("min_serial: %d, above the last serial that was released from here; another with --min-serial", d.minSerial)
	}
	w := describe(d.Call, false)
	w.changes(d.old, doc.Changes)
	w.signing(f)
	for _, r := range doc.Signers {
		d.Say("Needed: %d of %s, by version %d", r.Threshold, strings.Join(r.Holders, ", "), r.Version)
	}
	warnEarly(d.Call, early(d.old, f, d.Now()))
	if len(d.StringSlice("revoke-key")) > 0 && !f.trust.ResetSerial {
		d.Say("Was the key stolen? Then add --reset-serial: the thief may have published a serial that no genuine manifest ever reaches")
	}
	if !d.Dry {
		d.steps(f)
	}
	return d.Document(doc)
}

// steps prints the ceremony's next steps.
func (d *drafting) steps(f *trustFile) {
	if d.newChain {
		d.Say("next: send %s to the new root holders; each of them reads and signs, offline:", harmless(f.name))
	} else {
		d.Say("next: send %s, and nothing else, to the root holders; each takes the own copy of version %d, kept from the last time, reads and signs, offline:", harmless(f.name), d.old.trust.Version)
	}
	d.Say("  %s", signLine(f, "YOUR.key", d.newChain))
	d.Say("then put their .minisig files beside the draft, and count:")
	d.Say("  %s", countLine(d.Call, f, d.newChain))
}

// signLine is what a holder types, at the own machine.
func signLine(f *trustFile, key string, newChain bool) string {
	line := "tidemark trust sign " + shellWord(filepath.Base(f.name)) + " --key " + key
	switch {
	case newChain:
		return line + " --new-chain"
	case f.trust.Version > 1:
		return line + " --trust trust.json"
	}
	return line
}

// countLine is what counts, here: with the version before where it was typed, too.
func countLine(c *console.Call, f *trustFile, newChain bool) string {
	line := "tidemark trust check " + shellWord(f.name)
	if old := c.String("trust"); old != "" {
		line += " --trust " + shellWord(old)
	}
	if newChain {
		line += " --new-chain"
	}
	return withConfig(c, line)
}

func needed(t *keys.Trust) neededRole {
	r := neededRole{Version: t.Version, Threshold: t.Root.Threshold}
	for _, k := range t.Root.Keys {
		r.Holders = append(r.Holders, k.Holder)
	}
	r.Holders = distinct(r.Holders)
	return r
}
