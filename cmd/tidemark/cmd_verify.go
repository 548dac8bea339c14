package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"tidemark/client"
	"tidemark/internal/strictjson"
	"tidemark/keys"
	"tidemark/manifest"
	"tidemark/publish"
	"tidemark/sign"
)

func verifyCommand(e *env) *cli.Command {
	return command(e, "verify", "check every published form, as mirrors and cautious admins would", "DIR|URL", []cli.Flag{
		&cli.StringFlag{Name: "trust", Usage: "the trust.json to judge by (`FILE`; default: the configuration's)"},
		&cli.StringFlag{Name: "at", Usage: "judge as if it were `TIME` (RFC 3339), e.g. for an archived manifest"},
	}, `Fetches the bundle, the one-object form, the pair with its signatures and the pointer, and verifies each.
Exit code 4 when anything is refused.

Examples:
  tidemark verify /srv/www/centos --trust /etc/tidemark/trust.json
  tidemark verify https://mirrors.example.org/centos/ --trust trust.json --json`, func(c *call) error {
		t, err := verifyTrust(c)
		if err != nil {
			return err
		}
		now := c.now()
		if at := c.String("at"); at != "" {
			if now, err = time.Parse(time.RFC3339, at); err != nil {
				return usage("--at %q: expected RFC 3339, like 2026-11-22T08:00:00Z", at)
			}
		}
		origin, err := client.NewOrigin(c.Args().First())
		if err != nil {
			return err
		}
		x := &examination{call: c, origin: origin, trust: t, now: now}
		return x.tell(x.all())
	})
}

func verifyTrust(c *call) (*keys.Trust, error) {
	file, network := c.String("trust"), ""
	if file == "" {
		cfg, err := loadConfig(c)
		if err != nil {
			return nil, exit(exitUsage, errors.New("no trust to judge by"), "tidemark verify %s --trust trust.json", c.Args().First())
		}
		file, network = cfg.Trust, cfg.Network
	}
	t, _, err := loadTrust(file, network)
	return t, err
}

// examination is one verify: all forms of one site, judged at one instant.
type examination struct {
	*call
	origin client.Origin
	trust  *keys.Trust
	now    time.Time
	opened *client.Opened
}

// finding is what was found of one published form.
type finding struct {
	Form  string `json:"form"`
	OK    bool   `json:"ok"`
	Found string `json:"found"` // in words
	err   error
	gone  bool // it could not be fetched at all
}

// verifyDocument is `verify --json`.
type verifyDocument struct {
	Schema  string          `json:"schema"`
	Place   string          `json:"place"`
	Network string          `json:"network"`
	OK      bool            `json:"ok"`
	Serial  int64           `json:"serial,omitempty"`
	Issued  strictjson.Time `json:"issued,omitzero"`
	Expires strictjson.Time `json:"expires,omitzero"`
	SHA256  string          `json:"sha256,omitempty"`
	Forms   []finding       `json:"forms"`
}

func (x *examination) all() []finding {
	forms := []struct {
		name  string
		check func([]byte) (string, error)
	}{
		{"manifest.bundle.json", x.bundle},
		{"manifest.json.gpg", x.inline},
		{"manifest.json", x.pair},
		{"latest.json", x.pointer},
	}
	var out []finding
	for _, f := range forms {
		out = append(out, x.form(f.name, f.check))
	}
	return out
}

func (x *examination) form(name string, check func([]byte) (string, error)) finding {
	b, err := x.origin.Fetch(x.Context.Context, name, sign.MaxBundle)
	if errors.Is(err, fs.ErrNotExist) {
		return finding{Form: name, Found: "not there", err: fmt.Errorf("%s: not there: %w", name, err), gone: true}
	}
	if err != nil {
		return finding{Form: name, Found: err.Error(), err: fmt.Errorf("%s: %w", name, err), gone: true}
	}
	words, err := check(b)
	if err != nil {
		return finding{Form: name, Found: err.Error(), err: fmt.Errorf("%s: %w", name, err)}
	}
	return finding{Form: name, OK: true, Found: words}
}

func (x *examination) bundle(b []byte) (string, error) {
	o, _, err := client.Open(b, client.Options{Network: x.trust.Network, Trust: x.trust, Now: x.now})
	if err != nil {
		return "", err
	}
	x.opened = o
	words := fmt.Sprintf("serial %d, issued %s, expires %s, signed by", o.Manifest.Serial, clock(o.Manifest.Issued.Time), clock(o.Manifest.Expires.Time))
	for _, v := range o.Votes {
		words += fmt.Sprintf(" %s (%s %s)", v.Holder, v.Kind, v.Key)
	}
	return words, nil
}

// same says in words how payload goes with the bundle.
func (x *examination) same(payload []byte) (string, error) {
	switch {
	case x.opened == nil:
		return "no bundle to compare it with", nil
	case bytes.Equal(payload, x.opened.Payload):
		return "the same document as the bundle", nil
	}
	return "", fmt.Errorf("holds another document (sha256 %s) than the bundle (%s)", manifest.SHA256(payload), manifest.SHA256(x.opened.Payload))
}

func (x *examination) inline(b []byte) (string, error) {
	payload, err := sign.OpenInline(b, x.trust.Manifest, x.now)
	if err != nil {
		return "", err
	}
	m, err := manifest.Parse(payload)
	if err != nil {
		return "", err
	}
	if m.Network != x.trust.Network {
		return "", fmt.Errorf("it is of network %q, expected %q", m.Network, x.trust.Network)
	}
	if err := m.CheckTime(x.now); err != nil {
		return "", err
	}
	words, err := x.same(payload)
	return "one OpenPGP message, " + words, err
}

// pair opens manifest.json by the signature files beside it.
func (x *examination) pair(b []byte) (string, error) {
	names := []string{"manifest.json.asc", "manifest.json.minisig"}
	for _, k := range x.trust.Manifest.Keys {
		names = append(names, "manifest.json."+k.Key+".asc", "manifest.json."+k.Key+".minisig")
	}
	var sigs []sign.Signature
	for _, n := range names {
		text, err := x.origin.Fetch(x.Context.Context, n, sign.MaxSignature)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", err
		}
		s, err := sign.FromMinisig(text)
		if strings.HasSuffix(n, ".asc") {
			s, err = sign.FromASC(text, x.trust.Manifest)
		}
		if err != nil {
			return "", fmt.Errorf("%s: %w", n, err)
		}
		sigs = append(sigs, s)
	}
	bundle, err := client.Pack(b, sigs)
	if err != nil {
		return "", err
	}
	if _, _, err := client.Open(bundle, client.Options{Network: x.trust.Network, Trust: x.trust, Now: x.now}); err != nil {
		return "", err
	}
	words, err := x.same(b)
	return fmt.Sprintf("with %d signature files beside it, %s", len(sigs), words), err
}

func (x *examination) pointer(b []byte) (string, error) {
	var p publish.Pointer
	if err := strictjson.Unmarshal(b, &p); err != nil {
		return "", err
	}
	if x.opened != nil && (p.Serial != x.opened.Manifest.Serial || p.SHA256 != manifest.SHA256(x.opened.Payload)) {
		return "", fmt.Errorf("points to serial %d (sha256 %s), the bundle is serial %d", p.Serial, p.SHA256, x.opened.Manifest.Serial)
	}
	return fmt.Sprintf("points to %s", p.Path), nil
}

func (x *examination) tell(forms []finding) error {
	doc := verifyDocument{Schema: "tidemark/verify/v1", Place: x.Args().First(), Network: x.trust.Network, OK: true, Forms: forms}
	if x.opened != nil {
		m := x.opened.Manifest
		doc.Serial, doc.Issued, doc.Expires, doc.SHA256 = m.Serial, m.Issued, m.Expires, manifest.SHA256(x.opened.Payload)
	}
	var last error
	reached := false
	for _, f := range forms {
		word := "ok     "
		if !f.OK {
			word, doc.OK, last = "REFUSED", false, f.err
		}
		if f.gone {
			word = "MISSING"
		}
		reached = reached || !f.gone
		x.say("%s %-21s %s", word, f.Form, f.Found)
	}
	if err := x.document(doc); err != nil {
		return err
	}
	if last == nil {
		return nil
	}
	if !reached {
		return hinted(fmt.Errorf("nothing of %s could be fetched: %w", x.Args().First(), last), "check the address, and that it serves the site")
	}
	return exit(exitRefused, fmt.Errorf("%s does not verify: %w", x.Args().First(), last), "keep what you have, and tell the network's operators; do not sync by this manifest")
}
