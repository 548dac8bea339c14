package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v2"

	"tidemark/internal/console"
	"tidemark/internal/strictjson"
	"tidemark/keys"
	"tidemark/sign"
)

// lifetime of a generated OpenPGP key.
const lifetime = 2 * 365 * 24 * time.Hour

func keysCommand(e *console.Program) *cli.Command {
	return e.Group("keys", "generate, list and export the signing keys",
		e.Command("generate", "make a new signing key", "openpgp|ed25519 FILE", []cli.Flag{
			&cli.StringFlag{Name: "uid", Usage: "the OpenPGP key's `NAME <ADDRESS>`", Value: "Tidemark manifest signing"},
			&cli.StringFlag{Name: "passphrase-file", Usage: "encrypt the key with the passphrase in `FILE`"},
		}, `Writes the private key to FILE (mode 0600) and the public key to FILE.pub. A new key signs nothing that mirrors accept
until the root holders have put it into a new trust version.

Example:
  tidemark keys generate ed25519 keys/ed25519-2027.key`, generateKey),
		e.Command("list", "who may sign, and when each key ends", "", nil,
			`Lists the keys of trust.json, the private keys of the configuration, and their ends.`, listKeys),
		e.Command("export", "write the public keys for other tools", "DIR", nil,
			`Writes NETWORK.asc and NETWORK.gpg (for sqv, gpg and gpgv), NETWORK.pub (minisign) and NETWORK.pem (openssl).`, exportKeys),
	)
}

func generateKey(c *console.Call) error {
	kind, file := c.Args().Get(0), c.Args().Get(1)
	var pass []byte
	if f := c.String("passphrase-file"); f != "" {
		var err error
		if pass, err = sign.PassphraseFromFile(f)(); err != nil {
			return err
		}
	}
	private, public, id, err := newKey(kind, c.String("uid"), pass, c.Now())
	if err != nil {
		return err
	}
	if err := console.WriteNew(file, private, 0o600); err != nil {
		return err
	}
	if err := console.WriteNew(file+".pub", public, 0o644); err != nil {
		return err
	}
	c.Say("%s key %s\nprivate %s\npublic  %s", kind, id, file, file+".pub")
	return c.Document(map[string]string{"schema": "tidemark/keys-generate/v1", "kind": kind, "key": id, "private": file, "public": file + ".pub"})
}

func newKey(kind, uid string, pass []byte, now time.Time) (private, public []byte, id string, err error) {
	switch kind {
	case "openpgp":
		private, cert, err := keys.GenerateOpenPGP(uid, pass, now, lifetime)
		if err != nil {
			return nil, nil, "", err
		}
		public, err := cert.Armored()
		return private, public, cert.Primary.Fingerprint, err
	case "ed25519":
		private, public, err := keys.GenerateMinisign(pass)
		if err != nil {
			return nil, nil, "", err
		}
		k, err := keys.ParseMinisignFile(public)
		return private, public, k.ID, err
	}
	return nil, nil, "", console.Usage("key kind %q: expected openpgp or ed25519", kind)
}

// listedKey is one row of `keys list --json`.
type listedKey struct {
	Role    string          `json:"role"` // root, manifest
	Holder  string          `json:"holder"`
	Kind    keys.Kind       `json:"kind"`
	Key     string          `json:"key"`
	Ends    strictjson.Time `json:"ends,omitzero"`
	Revoked bool            `json:"revoked,omitempty"`
	Here    bool            `json:"here,omitempty"` // the configuration holds its private part
}

type keysDocument struct {
	Schema  string          `json:"schema"`
	Network string          `json:"network"`
	Version int64           `json:"trust_version"`
	Expires strictjson.Time `json:"expires"`
	Keys    []listedKey     `json:"keys"`
}

func listKeys(c *console.Call) error {
	p, err := openPublisher(c, true)
	if err != nil {
		return err
	}
	here := map[string]bool{}
	if err := p.openSigners(); err != nil {
		c.Warn("%v", err)
	}
	for _, s := range p.signers {
		here[s.Key().Key] = true
	}
	t := p.trust
	d := keysDocument{Schema: "tidemark/keys-list/v1", Network: t.Network, Version: t.Version, Expires: t.Expires}
	c.Say("network %s, trust version %d, expires %s", t.Network, t.Version, console.Clock(t.Expires.Time))
	c.Say("root: %d of %d holders must sign a new trust version", t.Root.Threshold, len(t.Root.Keys))
	for _, k := range t.Root.Keys {
		d.Keys = append(d.Keys, listedKey{Role: "root", Holder: k.Holder, Kind: keys.Minisign, Key: k.Key})
		c.Say("  %-9s %-12s %s", keys.Minisign, k.Holder, k.Key)
	}
	c.Say("manifest: %d holder(s) must sign, with every kind of %v", t.Manifest.Threshold, t.Manifest.Required)
	for _, k := range t.Manifest.Keys {
		row := listedKey{Role: "manifest", Holder: k.Holder, Kind: k.Kind, Key: k.Key, Revoked: k.Revoked, Here: here[k.Key]}
		words := "never ends"
		if end := k.End(); end != nil {
			row.Ends, words = strictjson.At(*end), "ends "+console.Clock(*end)
		}
		if k.Revoked {
			words = "REVOKED"
		}
		if row.Here {
			words += ", private key here"
		}
		d.Keys = append(d.Keys, row)
		c.Say("  %-9s %-12s %s  %s", k.Kind, k.Holder, k.Key, words)
	}
	p.warnEnds()
	return c.Document(d)
}

func exportKeys(c *console.Call) error {
	p, err := openPublisher(c, true)
	if err != nil {
		return err
	}
	files, err := keys.Export(p.trust, p.Now())
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	dir := c.Args().First()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	for _, name := range sortedKeys(files) {
		if err := console.WriteFile(filepath.Join(dir, name), files[name], 0o644); err != nil {
			return fmt.Errorf("export: %w", err)
		}
		c.Say("%s", filepath.Join(dir, name))
	}
	return c.Document(map[string]any{"schema": "tidemark/keys-export/v1", "network": p.cfg.Network, "dir": dir, "files": sortedKeys(files)})
}

// endings says what ends within 90 days, and louder within 30.
func endings(t *keys.Trust, now time.Time) (words []string) {
	for _, e := range t.Ends() {
		left := e.When.Sub(now)
		switch {
		case left <= 0:
			words = append(words, fmt.Sprintf("%s ENDED at %s: renew it now", e.What, console.Clock(e.When)))
		case left <= 30*24*time.Hour:
			words = append(words, fmt.Sprintf("%s ends in %d days (%s): renew it now", e.What, int(left.Hours()/24), console.Clock(e.When)))
		case left <= 90*24*time.Hour:
			words = append(words, fmt.Sprintf("%s ends in %d days (%s)", e.What, int(left.Hours()/24), console.Clock(e.When)))
		}
	}
	return words
}
