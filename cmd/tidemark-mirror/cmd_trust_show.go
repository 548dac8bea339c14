package main

import (
	"encoding/hex"
	"strings"

	"tidemark/client"
	"tidemark/internal/console"
	"tidemark/internal/strictjson"
	"tidemark/keys"
)

const aboutTrustShow = `Prints who may sign, by the newest trust document that this mirror holds, or by FILE: each key with its fingerprint in hex and in
words, as keys/<network>.txt at the network's site has it. Compare the root keys with what the network tells you elsewhere (by
telephone, in person, on another site) before you pin a FILE: whoever can put it before you can make keys. A FILE needs no
configuration.

Exit codes: 0 done; 1 there is no such file; 4 it is no trust document that its own root keys signed.

Examples:
  tidemark-mirror trust show
  tidemark-mirror trust show trust.json`

// trustShown is `trust show --json`.
type trustShown struct {
	Schema   string          `json:"schema"`
	Network  string          `json:"network"`
	File     string          `json:"file,omitempty"` // "": the newest one held
	Version  int64           `json:"version"`
	Issued   strictjson.Time `json:"issued"`
	Expires  strictjson.Time `json:"expires"`
	Root     shownRoot       `json:"root"`
	Manifest shownManifest   `json:"manifest"`
}

type shownRoot struct {
	Threshold int        `json:"threshold"`
	Keys      []shownKey `json:"keys"`
}

type shownManifest struct {
	Threshold int         `json:"threshold"`
	Required  []keys.Kind `json:"required"`
	Keys      []shownKey  `json:"keys"`
}

type shownKey struct {
	Holder  string          `json:"holder"`
	Kind    keys.Kind       `json:"kind"`
	Key     string          `json:"key"`
	Until   strictjson.Time `json:"until,omitzero"`
	Revoked bool            `json:"revoked,omitempty"`
	Words   []string        `json:"words"`
}

func showTrust(c *console.Call) error {
	file := c.Args().First()
	t, err := trustToShow(c, file)
	if err != nil {
		return err
	}
	c.Say("%s", strings.TrimSuffix(string(keys.Sheet(t, c.Now())), "\n"))
	d := trustShown{Schema: "tidemark/mirror-trust-show/v1", Network: t.Network, File: file, Version: t.Version, Issued: t.Issued, Expires: t.Expires,
		Root:     shownRoot{Threshold: t.Root.Threshold, Keys: []shownKey{}},
		Manifest: shownManifest{Threshold: t.Manifest.Threshold, Required: t.Manifest.Required, Keys: []shownKey{}}}
	for _, k := range t.Root.Keys {
		d.Root.Keys = append(d.Root.Keys, shownKey{Holder: k.Holder, Kind: keys.Minisign, Key: k.Key, Words: fingerprintWords(keys.Minisign, k.Key, k.Public)})
	}
	for _, k := range t.Manifest.Keys {
		shown := shownKey{Holder: k.Holder, Kind: k.Kind, Key: k.Key, Revoked: k.Revoked, Words: fingerprintWords(k.Kind, k.Key, k.Public)}
		if k.NotAfter != nil {
			shown.Until = *k.NotAfter
		}
		d.Manifest.Keys = append(d.Manifest.Keys, shown)
	}
	return c.Document(d)
}

// trustToShow is that of the file, or the newest held.
func trustToShow(c *console.Call, file string) (*keys.Trust, error) {
	if file != "" {
		t, _, err := client.OpenTrustFile(file, "")
		return t, err
	}
	m, err := openMirror(c)
	if err != nil {
		return nil, err
	}
	return m.trust()
}

// fingerprintWords are the words of a key as keys.Sheet has them: of an OpenPGP fingerprint, of a minisign key's own bytes.
func fingerprintWords(kind keys.Kind, id, public string) []string {
	if kind == keys.OpenPGP {
		b, err := hex.DecodeString(id)
		if err != nil {
			return []string{}
		}
		return keys.Words(b)
	}
	k, err := keys.ParseMinisign(public)
	if err != nil {
		return []string{}
	}
	return keys.Words(k.Public)
}
