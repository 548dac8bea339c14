package main

import (
	"cmp"

	"github.com/urfave/cli/v2"

	"tidemark/client"
	"tidemark/internal/console"
	"tidemark/keys"
)

func verifyCommand(e *console.Program) *cli.Command {
	return e.VerifyOwn("check every form of what is published", `Fetches the bundle, the one-object form, the pair with its signatures and the pointer, and verifies each. What this mirror
has seen before is left out of it: it judges what anybody would get there now. Where there is a configuration, the site is
asked as its ca: says, and its url: is the site where none is named. Exit code 4 when anything is refused.

Examples:
  tidemark-mirror verify
  tidemark-mirror verify https://mirrors.example.org/centos/
  tidemark-mirror verify /mnt/usb/centos --trust trust.json --at 2026-11-22T08:00:00Z --json`, verifyTrust)
}

// verifyTrust is the trust document that was typed, or the newest that this mirror holds; how this mirror asks a site, where
// it is configured; and the site.
func verifyTrust(c *console.Call) (t *keys.Trust, o client.OriginOptions, place string, err error) {
	place = c.Args().First()
	m, err := openMirror(c)
	if err == nil {
		place = cmp.Or(place, m.cfg.URL)
	}
	file := c.String("trust")
	switch {
	case err == nil && c.String("ca") == "":
		if o, err = m.originOptions(); err != nil {
			return nil, o, place, err
		}
	case err != nil && (file == "" || place == ""):
		return nil, o, place, console.Hinted(err, "or name what to judge by: tidemark-mirror verify %s --trust trust.json", cmp.Or(place, "DIR|URL"))
	}
	if file != "" {
		t, _, err = client.OpenTrustFile(file, "")
		return t, o, place, err
	}
	t, err = m.trust()
	return t, o, place, err
}
