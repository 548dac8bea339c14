package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"tidemark/checkin"
	"tidemark/internal/console"
	"tidemark/publish"
)

func configCommand(e *console.Program) *cli.Command {
	return e.Group("config", "check the configuration",
		e.Command("check", "say everything that is wrong with the configuration, at once", "", nil,
			`Reads the configuration, the inventory, the trust and the signing keys, as "run" would, the key for DNS updates or
the zone file's directory and the command that reloads it, the keys of check-ins, and the certificate of "checkin serve", and asks nobody.

Example:
  tidemark config check --config /etc/tidemark/tidemark.yaml`, checkConfig))
}

// configDocument is `config check --json`.
type configDocument struct {
	Schema   string   `json:"schema"`
	File     string   `json:"file"`
	OK       bool     `json:"ok"`
	Nodes    int      `json:"nodes"`
	Mirrors  int      `json:"mirrors"`
	Trees    []string `json:"trees"`
	Warnings []string `json:"warnings"`
}

func checkConfig(c *console.Call) error {
	p, err := openPublisher(c, true)
	if err != nil {
		return err
	}
	if err := p.openSigners(); err != nil {
		return err
	}
	d := configDocument{Schema: "tidemark/config-check/v1", File: p.cfg.File, OK: true, Trees: sortedKeys(p.cfg.Trees), Warnings: []string{}}
	for _, s := range p.cfg.Servers {
		if s.Kind == "node" {
			d.Nodes++
		} else {
			d.Mirrors++
		}
	}
	if err := p.checkFiles(); err != nil {
		return err
	}
	for _, w := range p.cfg.Warnings() {
		d.Warnings = append(d.Warnings, w.Text+": "+w.Hint)
	}
	if b := p.cfg.Beacon; b != nil && b.RFC2136 == nil && b.Route53 == nil && b.ZoneFile == nil {
		d.Warnings = append(d.Warnings, "beacon: no rfc2136, route53 or zone_file is given, so nobody keeps the record: put what \"tidemark beacon\" prints into the zone after every run that publishes")
	}
	d.Warnings = append(d.Warnings, endings(p.trust, c.Now())...)
	for _, w := range d.Warnings {
		c.Warn("%s", w)
	}
	c.Say("%s: in order. network %s, %s, %s, %s, trust version %d, %s", p.cfg.File, p.cfg.Network, counted(len(p.cfg.Trees), "tree"),
		counted(d.Nodes, "node"), counted(d.Mirrors, "mirror"), p.trust.Version, counted(len(p.signers), "signing key"))
	if len(p.cfg.Servers) == 0 {
		c.Say("next: write your nodes and mirrors into the inventory beside %s", filepath.Base(p.cfg.File))
	} else {
		c.Say("next: tidemark run --dry-run --config %s", p.cfg.File)
	}
	return c.Document(d)
}

// checkFiles reads what a run, or the receiver of check-ins, would first miss when it is needed.
func (p *publisher) checkFiles() error {
	var problems []error
	if b := p.cfg.Beacon; b != nil && b.RFC2136 != nil {
		data, err := console.ReadFile(b.RFC2136.TSIGFile, maxTSIG)
		if err == nil {
			_, err = publish.ParseTSIG(data)
		}
		if err != nil {
			problems = append(problems, console.Exit(console.Misuse, fmt.Errorf("beacon.rfc2136.tsig_file %s: %w", b.RFC2136.TSIGFile, err),
				"tsig-keygen -a hmac-sha256 NAME makes a key: the same goes into the server's configuration; this user must be able to read it"))
		}
	}
	if b := p.cfg.Beacon; b != nil && b.ZoneFile != nil {
		if dir := filepath.Dir(b.ZoneFile.Path); !directory(dir) {
			problems = append(problems, console.Exit(console.Misuse, fmt.Errorf("beacon.zone_file.path %s: %s is no directory", b.ZoneFile.Path, dir),
				"make it, and let this user write there: mkdir -p %s", dir))
		}
		if err := publish.ReloadProgram(b.ZoneFile.Reload); err != nil {
			problems = append(problems, console.Exit(console.Misuse, fmt.Errorf("beacon.zone_file.reload: %w", err), "run the command by hand, as this user; name its program as it lies there"))
		}
	}
	if p.cfg.Checkin != nil {
		if _, err := checkin.NewSenders(p.cfg.Network, p.cfg.Servers); err != nil {
			problems = append(problems, console.Exit(console.Misuse, fmt.Errorf("check-ins: %w", err), "mend the inventory; nobody can check in until then"))
		}
	}
	if in := p.cfg.Checkin; in != nil && in.Cert != "" {
		if _, err := tls.LoadX509KeyPair(in.Cert, in.Key); errors.Is(err, fs.ErrPermission) {
			p.Warn("checkin.cert, checkin.key: %v; the user of `tidemark checkin serve` must be able to read them", err) // who is another than this one
		} else if err != nil {
			problems = append(problems, console.Exit(console.Misuse, fmt.Errorf("checkin.cert %s, checkin.key %s: %w", in.Cert, in.Key, err),
				"expected PEM files, the certificate before those above it, and its own key; this user must be able to read them"))
		}
	}
	return errors.Join(problems...)
}

// directory reports whether there is one; what this user may not look at counts.
func directory(dir string) bool {
	info, err := os.Stat(dir)
	if err != nil {
		return errors.Is(err, fs.ErrPermission)
	}
	return info.IsDir()
}

// maxTSIG bounds the key file, in bytes.
const maxTSIG = 64 << 10
