package main

import (
	"errors"
	"time"

	"github.com/urfave/cli/v2"

	"tidemark/client"
	"tidemark/internal/console"
	"tidemark/keys"
)

func verifyCommand(e *console.Program) *cli.Command {
	return e.Command("verify", "check every published form, as mirrors and cautious admins would", "DIR|URL", []cli.Flag{
		&cli.StringFlag{Name: "trust", Usage: "the trust.json to judge by (`FILE`; default: the configuration's)"},
		&cli.StringFlag{Name: "at", Usage: "judge as if it were `TIME` (RFC 3339), e.g. for an archived manifest"},
	}, `Fetches the bundle, the one-object form, the pair with its signatures and the pointer, and verifies each.
Exit code 4 when anything is refused.

Examples:
  tidemark verify /srv/www/centos --trust /etc/tidemark/trust.json
  tidemark verify https://mirrors.example.org/centos/ --trust trust.json --json`, func(c *console.Call) error {
		t, err := verifyTrust(c)
		if err != nil {
			return err
		}
		now := c.Now()
		if at := c.String("at"); at != "" {
			if now, err = time.Parse(time.RFC3339, at); err != nil {
				return console.Usage("--at %q: expected RFC 3339, like 2026-11-22T08:00:00Z", at)
			}
		}
		place := c.Args().First()
		origin, err := client.NewOrigin(place)
		if err != nil {
			return err
		}
		x := client.Examine(c.Context.Context, origin, place, t, now)
		for _, f := range x.Forms {
			c.Say("%s", f)
		}
		return errors.Join(c.Document(x), x.Err())
	})
}

func verifyTrust(c *console.Call) (*keys.Trust, error) {
	file, network := c.String("trust"), ""
	if file == "" {
		cfg, err := loadConfig(c)
		if err != nil {
			return nil, console.Exit(console.Misuse, errors.New("no trust to judge by"), "tidemark verify %s --trust trust.json", c.Args().First())
		}
		file, network = cfg.Trust, cfg.Network
	}
	t, _, err := loadTrust(file, network)
	return t, err
}
