package main

import (
	"fmt"
	"time"

	"tidemark/internal/console"
	"tidemark/internal/strictjson"
	"tidemark/keys"
)

// listedKey is one row of `keys list --json`.
type listedKey struct {
	Role    string          `json:"role"` // root, manifest
	Holder  string          `json:"holder"`
	Kind    keys.Kind       `json:"kind"`
	Key     string          `json:"key"`
	Ends    strictjson.Time `json:"ends,omitzero"`
	Revoked bool            `json:"revoked,omitempty"`
	Here    bool            `json:"here,omitempty"` // the configuration has it
	Place   string          `json:"place,omitempty"`
	Where   string          `json:"where,omitempty"`
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
	t := p.trust
	here := p.keysHere()
	d := keysDocument{Schema: "tidemark/keys-list/v1", Network: t.Network, Version: t.Version, Expires: t.Expires}
	c.Say("network %s, trust version %d, expires %s", t.Network, t.Version, console.Clock(t.Expires.Time))
	c.Say("root: %d of %d holders must sign a new trust version", t.Root.Threshold, len(t.Root.Keys))
	for _, k := range t.Root.Keys {
		d.Keys = append(d.Keys, listedKey{Role: "root", Holder: k.Holder, Kind: keys.Minisign, Key: k.Key})
		c.Say("  %-9s %-12s %s", keys.Minisign, k.Holder, k.Key)
	}
	c.Say("manifest: %d holder(s) must sign, with every kind of %v", t.Manifest.Threshold, t.Manifest.Required)
	for _, k := range t.Manifest.Keys {
		row := listedKey{Role: "manifest", Holder: k.Holder, Kind: k.Kind, Key: k.Key, Revoked: k.Revoked}
		words := "never ends"
		if end := k.End(); end != nil {
			row.Ends, words = strictjson.At(*end), "ends "+console.Clock(*end)
		}
		if k.Revoked {
			words = "REVOKED"
		}
		if at, ok := here[k.Kind][k.Key]; ok {
			row.Here, row.Place, row.Where = true, at.place(), at.String()
			words += ", " + at.words()
		}
		d.Keys = append(d.Keys, row)
		c.Say("  %-9s %-12s %s  %s", k.Kind, k.Holder, k.Key, words)
	}
	p.warnEnds()
	return c.Document(d)
}

// keysHere finds the keys of the configuration among those of the trust, by kind and id. What the trust does not let sign, and
// what cannot be read, is warned about.
func (p *publisher) keysHere() map[keys.Kind]map[string]configuredKey {
	here := map[keys.Kind]map[string]configuredKey{keys.OpenPGP: {}, keys.Minisign: {}}
	for _, k := range p.configuredKeys() {
		id, err := k.identify()
		if err == nil && id == "" {
			id, err = p.idByOpening(k)
		}
		if err == nil {
			err = k.there()
		}
		if err != nil {
			p.Warn("%v", k.missing(err))
			if id == "" {
				continue
			}
		}
		if entry := entryOf(k.kind, id, p.trust); entry != nil {
			here[k.kind][entry.Key] = k
		}
		if err := allowed(k.kind, id, "", p.trust, p.Now()); err != nil {
			p.warnSkipped(err)
		}
	}
	return here
}

// idByOpening is for a file that tells its key's name only to who has the passphrase.
func (p *publisher) idByOpening(k configuredKey) (string, error) {
	s, err := k.open(p.Context.Context, mayNow(p.trust, p.Now()), p.Now())
	if err != nil {
		return "", fmt.Errorf("%s: %w", k, err)
	}
	return s.Key().Key, nil
}

// place is one word for where the key lives.
func (k configuredKey) place() string {
	switch {
	case k.GPG != nil:
		return "gpg"
	case k.SSHAgent != "":
		return "ssh-agent"
	case k.KMS != nil:
		return "kms"
	}
	return "file"
}

// words say where the key lives.
func (k configuredKey) words() string {
	switch k.place() {
	case "gpg":
		return "in gpg"
	case "ssh-agent":
		return "in an ssh-agent"
	case "kms":
		return "in KMS, " + k.KMS.Key
	}
	return "private key here, " + k.File
}

// day is what ends are counted in.
const day = 24 * time.Hour

// endings says what ends within 90 days, and louder within 30.
func endings(t *keys.Trust, now time.Time) (words []string) {
	for _, e := range t.Ends() {
		left := e.When.Sub(now)
		in := "in " + counted(int(left/day), "day")
		if left < day {
			in = "in less than a day"
		}
		switch {
		case left <= 0 && e.Outlasted: // another signing subkey has taken its place
		case left <= 0:
			words = append(words, fmt.Sprintf("%s ENDED at %s: renew it now", e.What, console.Clock(e.When)))
		case left <= 30*day:
			words = append(words, fmt.Sprintf("%s ends %s (%s): renew it now", e.What, in, console.Clock(e.When)))
		case left <= 90*day:
			words = append(words, fmt.Sprintf("%s ends %s (%s)", e.What, in, console.Clock(e.When)))
		}
	}
	return words
}
