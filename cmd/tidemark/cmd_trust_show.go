package main

import (
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"tidemark/internal/console"
	"tidemark/internal/strictjson"
	"tidemark/keys"
	"tidemark/sign"
)

func trustShowCommand(e *console.Program) *cli.Command {
	return e.Command("show", "a draft or a trust.json in words, and what it changes", "[FILE]", []cli.Flag{
		trustFlag(), newChainFlag(),
		&cli.BoolFlag{Name: "words", Usage: "spell the keys in words, too, to be compared aloud"},
	}, `Says who may sign by FILE (default: the installed trust.json), and what changes from the version before: alarms first. Without
a configuration nothing but FILE and --trust is read. The SHA-256 is of the bytes that are signed: holders compare it with
each other by telephone before they sign. The words are those of the PGP word list.

Exit codes: 0 done; 2 usage; 4 the document is not to be trusted: it cannot follow OLD, or holds what this program cannot show.

Examples:
  tidemark trust show trust-4.json --trust trust.json
  tidemark trust show --words`, showTrust)
}

// trustDescription is a trust document in --json: what all commands say of one.
type trustDescription struct {
	File     string          `json:"file"`
	Draft    bool            `json:"draft"`
	Network  string          `json:"network"`
	Version  int64           `json:"version"`
	Issued   strictjson.Time `json:"issued"`
	Expires  strictjson.Time `json:"expires"`
	SHA256   string          `json:"sha256"`
	Words    []string        `json:"words"` // of the SHA-256
	Comment  string          `json:"trusted_comment"`
	Unshown  bool            `json:"unshown,omitempty"` // it holds what this program cannot show
	SignedBy []string        `json:"signed_by,omitempty"`
}

func described(f *trustFile) trustDescription {
	t := f.trust
	d := trustDescription{File: f.name, Draft: f.sealed == nil, Network: t.Network, Version: t.Version, Issued: t.Issued, Expires: t.Expires,
		SHA256: hex.EncodeToString(f.sum()), Words: keys.Words(f.sum()), Comment: f.comment(), Unshown: f.hidden}
	if f.sealed != nil {
		if b, err := sign.Count(nil, f.payload, f.sealed.Signatures); err == nil {
			d.SignedBy = b.New.Signed
		}
	}
	return d
}

// trustShowDocument is `trust show --json`.
type trustShowDocument struct {
	Schema string `json:"schema"`
	trustDescription
	Document *keys.Trust   `json:"document"`
	From     int64         `json:"from,omitempty"` // the version that it was compared with
	Changes  []keys.Change `json:"changes"`
}

func showTrust(c *console.Call) error {
	f, old, err := shown(c)
	if err != nil {
		return err
	}
	d, newChain := describe(c, c.Bool("words")), c.Bool("new-chain")
	d.document(f)
	doc := trustShowDocument{Schema: "tidemark/trust-show/v1", trustDescription: described(f), Document: f.trust, Changes: []keys.Change{}}
	if len(doc.SignedBy) > 0 {
		d.Say("Signed by %s.", strings.Join(doc.SignedBy, ", "))
	}
	if old != nil || f.trust.Version == 1 || newChain {
		doc.Changes = changesOf(old, f, newChain, c.Now())
		d.changes(old, doc.Changes)
	} else {
		d.Say("What it changes: name the version before it to see that: --trust OLD")
	}
	if old != nil {
		doc.From = old.trust.Version
		err = f.follows(old, newChain)
	}
	if err == nil && f.hidden {
		err = console.Exit(console.Refused, fmt.Errorf("%s: %w", harmless(f.name), errHidden), "do not sign it; have it made again: tidemark trust new")
	}
	d.signing(f)
	d.compared(old)
	d.again(doc.Changes)
	if documented := c.Document(doc); documented != nil {
		return documented
	}
	return err
}

// shown is the document asked for, and the version before it where one is at hand.
func shown(c *console.Call) (f, old *trustFile, err error) {
	name := c.Args().First()
	if name == "" {
		i, err := needInstalled(c, "a FILE")
		if err != nil {
			return nil, nil, err
		}
		f = i.doc
	} else if f, err = readTrustFile(name); err != nil {
		return nil, nil, err
	}
	if from := c.String("trust"); from != "" {
		old, err = readSealed("--trust", from)
		return f, old, err
	}
	i, err := findInstalled(c)
	if err != nil {
		if name == "" || c.IsSet("config") {
			return nil, nil, err
		}
		c.Warn("%v", err)
		return f, nil, nil
	}
	if i != nil && i.doc != nil && i.doc.trust.Network == f.trust.Network {
		switch i.doc.trust.Version {
		case f.trust.Version - 1:
			return f, i.doc, nil
		case f.trust.Version:
			if old, err := i.kept(f.trust.Version - 1); err == nil {
				return f, old, nil
			}
		}
	}
	return f, nil, nil
}
