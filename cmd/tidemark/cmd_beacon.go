package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"tidemark/internal/console"
	"tidemark/keys"
	"tidemark/manifest"
	"tidemark/sign"
)

// beaconTTL is the record's time to live in seconds.
const beaconTTL = 60

func beaconCommand(e *console.Program) *cli.Command {
	return e.Command("beacon", "print the DNS TXT record of what is published", "", nil,
		`Prints the signed record of the published manifest, and the plain positional one where it is configured, as lines of a
zone file when beacon: has a name.

Example:
  tidemark beacon >> db.example.org`, func(c *console.Call) error {
			p, err := openPublisher(c, true)
			if err != nil {
				return err
			}
			if err := p.openSigners(); err != nil {
				return err
			}
			s, err := look(c.Context.Context, p.cfg.Publish[0])
			if err != nil {
				return err
			}
			o, err := p.published(c.Context.Context, s, nil)
			if err != nil {
				return err
			}
			if o == nil {
				return console.Hinted(fmt.Errorf("nothing is published at %s", s), "tidemark run --config %s", p.cfg.File)
			}
			if err := o.manifest.CheckTime(p.Now()); err != nil {
				return console.Exit(console.Refused, fmt.Errorf("what is published has no beacon: %w", err), "tidemark run --config %s", p.cfg.File)
			}
			return p.printBeacon(o.manifest)
		})
}

// beaconDocument is `beacon --json`.
type beaconDocument struct {
	Schema string   `json:"schema"`
	Name   string   `json:"name,omitempty"`
	TTL    int      `json:"ttl"`
	Text   string   `json:"text"`
	Texts  []string `json:"strings"` // the record's character strings, at most 255 bytes each
	Plain  string   `json:"plain,omitempty"`
}

func (p *publisher) printBeacon(m *manifest.Manifest) error {
	b, err := p.beacon(m)
	if err != nil {
		return err
	}
	d := beaconDocument{Schema: "tidemark/beacon/v1", TTL: beaconTTL, Text: b.Text(), Texts: b.Strings()}
	if p.cfg.Beacon == nil || p.cfg.Beacon.Name == "" {
		p.Say("%s", b.Text())
		return p.Document(d)
	}
	d.Name = p.cfg.Beacon.Name
	p.Say("%s. %d IN TXT \"%s\"", d.Name, beaconTTL, strings.Join(d.Texts, `" "`))
	if p.cfg.Beacon.PlainName != "" {
		var stamps []string
		for _, t := range p.cfg.Beacon.PlainOrder {
			stamps = append(stamps, fmt.Sprint(m.Trees[t].Timestamp))
		}
		d.Plain = strings.Join(stamps, ":")
		p.Say("%s. %d IN TXT \"%s\"", p.cfg.Beacon.PlainName, beaconTTL, d.Plain)
	}
	return p.Document(d)
}

// beacon signs the record with the first Ed25519 key.
func (p *publisher) beacon(m *manifest.Manifest) (manifest.Beacon, error) {
	for _, s := range p.signers {
		raw, ok := s.(sign.RawSigner)
		if !ok || s.Key().Kind != keys.Minisign {
			continue
		}
		b := manifest.BeaconOf(m, s.Key().Key)
		sig, err := raw.SignRaw(p.Context.Context, []byte(b.Signed()))
		if err != nil {
			return b, fmt.Errorf("sign beacon: %w", err)
		}
		b.Signature = sig
		return b, nil
	}
	return manifest.Beacon{}, errors.New("no Ed25519 key to sign the beacon with")
}
