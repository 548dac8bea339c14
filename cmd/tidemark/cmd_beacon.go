package main

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"tidemark/internal/console"
	"tidemark/manifest"
)

func beaconCommand(e *console.Program) *cli.Command {
	return e.Command("beacon", "print the DNS TXT record of what is published, or ask who gives it", "[NAME]", []cli.Flag{
		&cli.BoolFlag{Name: "check", Usage: "ask every authoritative server, and the system's resolvers, for the record"},
		&cli.StringSliceFlag{Name: "server", Usage: "with --check: ask `ADDRESS[:PORT]` instead (may be repeated)"},
	}, `Prints the signed record of the published manifest, and the plain positional one where it is configured, as lines of a
zone file when beacon: has a name.

With --check nothing is written and no private key is needed: it asks every address of every authoritative server of NAME
(default: beacon.name of the configuration) and the system's resolvers, and tells what each says, whether it verifies under
the trust document, and whether it is what is published. The plain record is asked for beside it. Where the configuration
names the servers that readers ask (beacon.servers), the system's resolvers are shown and do not count.

Exit codes of --check: 0 all verify and agree with what is published (or, when the site cannot be asked, with each other),
1 some server lags, has no record or cannot be asked, 4 something does not verify.

Examples:
  tidemark beacon >> db.example.org
  tidemark beacon --check
  tidemark beacon --check _tidemark.centos.example.org --server 192.0.2.53 --server [2001:db8::53]:5353 --json`, func(c *console.Call) error {
		if c.Bool("check") {
			return checkBeacon(c)
		}
		if c.NArg() > 0 || len(c.StringSlice("server")) > 0 {
			return console.Exit(console.Misuse, fmt.Errorf("NAME and --server go with --check"), "%s", checkLine(c))
		}
		return printBeacon(c)
	})
}

// checkLine is what was meant.
func checkLine(c *console.Call) string {
	words := append([]string{"tidemark", "beacon", "--check"}, c.Args().Slice()...)
	for _, s := range c.StringSlice("server") {
		words = append(words, "--server", s)
	}
	return strings.Join(words, " ")
}

func printBeacon(c *console.Call) error {
	p, err := openPublisher(c, true)
	if err != nil {
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

// defaultTTL is that of a record without a configured name, in seconds.
const defaultTTL = 60

func (p *publisher) printBeacon(m *manifest.Manifest) error {
	b, err := p.beacon(p.Context.Context, m)
	if err != nil {
		return err
	}
	d := beaconDocument{Schema: "tidemark/beacon/v1", TTL: defaultTTL, Text: b.Text(), Texts: b.Strings()}
	if p.cfg.Beacon == nil || p.cfg.Beacon.Name == "" {
		p.Say("%s", b.Text())
		return p.Document(d)
	}
	d.Name, d.TTL = p.cfg.Beacon.Name, p.ttl()
	p.Say("%s", zoneLine(d.Name, d.TTL, d.Texts))
	if plain := p.cfg.Beacon.PlainName; plain != "" {
		d.Plain = plainText(timestamps(m), p.cfg.Beacon.PlainOrder)
		p.Say("%s", zoneLine(plain, d.TTL, chunks(d.Plain)))
	}
	return p.Document(d)
}

// zoneLine is a record as a zone file has it (RFC 1035, 5.1): nothing in our texts needs a backslash.
func zoneLine(name string, ttl int, texts []string) string {
	return fmt.Sprintf(`%s. %d IN TXT "%s"`, name, ttl, strings.Join(texts, `" "`))
}
