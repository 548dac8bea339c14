package main

import (
	"github.com/urfave/cli/v2"

	"tidemark/client"
	"tidemark/internal/console"
	"tidemark/keys"
)

func verifyCommand(e *console.Program) *cli.Command {
	return e.Verify("check every form of what is published", `Fetches the bundle, the one-object form, the pair with its signatures and the pointer, and verifies each. What this mirror
has seen before is left out of it: it judges what anybody would get there now. Where there is a configuration, the site is
asked as its ca: says. Exit code 4 when anything is refused.

Examples:
  tidemark-mirror verify https://mirrors.example.org/centos/
  tidemark-mirror verify /mnt/usb/centos --trust trust.json --at 2026-11-22T08:00:00Z --json`, verifyTrust)
}

// verifyTrust is the trust document that was typed, or the newest that this mirror holds; and how this mirror asks a site,
// where it is configured.
func verifyTrust(c *console.Call) (*keys.Trust, client.OriginOptions, error) {
	var o client.OriginOptions
	m, err := openMirror(c)
	file := c.String("trust")
	switch {
	case err == nil && c.String("ca") == "":
		if o, err = m.originOptions(); err != nil {
			return nil, o, err
		}
	case err != nil && file == "":
		return nil, o, console.Hinted(err, "or name what to judge by: tidemark-mirror verify %s --trust trust.json", c.Args().First())
	}
	if file != "" {
		t, _, err := client.OpenTrustFile(file, "")
		return t, o, err
	}
	t, err := m.trust()
	return t, o, err
}
