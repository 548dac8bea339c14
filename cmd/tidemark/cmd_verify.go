package main

import (
	"errors"

	"github.com/urfave/cli/v2"

	"tidemark/client"
	"tidemark/internal/console"
	"tidemark/keys"
)

func verifyCommand(e *console.Program) *cli.Command {
	return e.Verify("check every published form, as mirrors and cautious admins would", `Fetches the bundle, the one-object form, the pair with its signatures and the pointer, and verifies each.
Exit code 4 when anything is refused.

Examples:
  tidemark verify /srv/www/centos --trust /etc/tidemark/trust.json
  tidemark verify https://mirrors.example.org/centos/ --trust trust.json --json`, verifyTrust)
}

func verifyTrust(c *console.Call) (*keys.Trust, client.OriginOptions, error) {
	var o client.OriginOptions
	file, network := c.String("trust"), ""
	if file == "" {
		cfg, err := loadConfig(c)
		if err != nil {
			return nil, o, console.Exit(console.Misuse, errors.New("no trust to judge by"), "tidemark verify %s --trust trust.json", c.Args().First())
		}
		file, network = cfg.Trust, cfg.Network
	}
	t, _, err := loadTrust(file, network)
	return t, o, err
}
