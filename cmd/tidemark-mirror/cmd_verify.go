package main

import (
	"errors"

	"github.com/urfave/cli/v2"

	"tidemark/client"
	"tidemark/internal/console"
	"tidemark/keys"
)

func verifyCommand(e *console.Program) *cli.Command {
	return e.Command("verify", "check every form of what is published", "DIR|URL", []cli.Flag{
		&cli.StringFlag{Name: "trust", Usage: "the trust.json to judge by (`FILE`; default: the configuration's)"},
	}, `Fetches the bundle, the one-object form, the pair with its signatures and the pointer, and verifies each. What this mirror
has seen before is left out of it: it judges what anybody would get there now. Exit code 4 when anything is refused.

Examples:
  tidemark-mirror verify https://mirrors.example.org/centos/
  tidemark-mirror verify /mnt/usb/centos --trust trust.json --json`, func(c *console.Call) error {
		t, err := verifyTrust(c)
		if err != nil {
			return err
		}
		place := c.Args().First()
		origin, err := client.NewOrigin(place)
		if err != nil {
			return err
		}
		x := client.Examine(c.Context.Context, origin, place, t, c.Now())
		for _, f := range x.Forms {
			c.Say("%s", f)
		}
		return errors.Join(c.Document(x), x.Err())
	})
}

// verifyTrust is the trust document that was typed, or the newest that this mirror holds.
func verifyTrust(c *console.Call) (*keys.Trust, error) {
	if file := c.String("trust"); file != "" {
		t, _, err := client.OpenTrustFile(file, "")
		return t, err
	}
	m, err := openMirror(c)
	if err != nil {
		return nil, console.Hinted(err, "or name what to judge by: tidemark-mirror verify %s --trust trust.json", c.Args().First())
	}
	return m.trust()
}
