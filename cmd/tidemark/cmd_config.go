package main

import (
	"path/filepath"

	"github.com/urfave/cli/v2"

	"tidemark/internal/console"
)

func configCommand(e *console.Program) *cli.Command {
	return e.Group("config", "check the configuration",
		e.Command("check", "say everything that is wrong with the configuration, at once", "", nil,
			`Reads the configuration, the inventory, the trust and the signing keys, as "run" would, and asks nobody.

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
	for _, w := range p.cfg.Warnings() {
		d.Warnings = append(d.Warnings, w.Text+": "+w.Hint)
	}
	d.Warnings = append(d.Warnings, endings(p.trust, c.Now())...)
	for _, w := range d.Warnings {
		c.Warn("%s", w)
	}
	c.Say("%s: in order. network %s, %d trees, %d nodes, %d mirrors, trust version %d, %d signing keys", p.cfg.File, p.cfg.Network,
		len(p.cfg.Trees), d.Nodes, d.Mirrors, p.trust.Version, len(p.signers))
	if len(p.cfg.Servers) == 0 {
		c.Say("next: write your nodes and mirrors into the inventory beside %s", filepath.Base(p.cfg.File))
	} else {
		c.Say("next: tidemark run --dry-run --config %s", p.cfg.File)
	}
	return c.Document(d)
}
