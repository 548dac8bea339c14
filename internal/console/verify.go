package console

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"tidemark/client"
	"tidemark/keys"
)

// Verify is the command of that name, which all who read a site have: it examines each published form. judge gives the trust
// document to judge by, and how the site is asked where the program's configuration says so.
func (p *Program) Verify(use, about string, judge func(*Call) (*keys.Trust, client.OriginOptions, error)) *cli.Command {
	return p.verify(use, "DIR|URL", about, func(c *Call) (*keys.Trust, client.OriginOptions, string, error) {
		t, o, err := judge(c)
		return t, o, c.Args().First(), err
	})
}

// VerifyOwn is Verify where the configuration names a site: judge gives that, too, for a call without an argument.
func (p *Program) VerifyOwn(use, about string, judge func(*Call) (*keys.Trust, client.OriginOptions, string, error)) *cli.Command {
	return p.verify(use, "[DIR|URL]", about, judge)
}

func (p *Program) verify(use, args, about string, judge func(*Call) (*keys.Trust, client.OriginOptions, string, error)) *cli.Command {
	return p.Command("verify", use, args, []cli.Flag{
		&cli.StringFlag{Name: "trust", Usage: "the trust.json to judge by (`FILE`; default: the configuration's)"},
		&cli.StringFlag{Name: "at", Usage: "judge as if it were `TIME` (RFC 3339), e.g. for an archived manifest"},
		&cli.StringFlag{Name: "ca", Usage: "the authority of the site's certificate, when it is none of the system's (`FILE`, PEM)"},
	}, about, func(c *Call) error {
		now := c.Now()
		if at := c.String("at"); at != "" {
			var err error
			if now, err = time.Parse(time.RFC3339, at); err != nil {
				return Usage("--at %q: expected RFC 3339, like 2026-11-22T08:00:00Z", at)
			}
		}
		t, o, place, err := judge(c)
		if err != nil {
			return err
		}
		return c.examine(t, o, place, now)
	})
}

func (c *Call) examine(t *keys.Trust, o client.OriginOptions, place string, now time.Time) (err error) {
	if o.Proxy == nil {
		o.Proxy = http.ProxyFromEnvironment
	}
	if file := c.String("ca"); file != "" {
		if o.RootCAs, err = Authorities("--ca", file); err != nil {
			return err
		}
	}
	origin, err := client.NewOriginWith(place, o)
	if err != nil {
		return err
	}
	x := client.Examine(c.Context.Context, origin, place, t, now)
	for _, f := range x.Forms {
		c.Say("%s", f)
	}
	return errors.Join(c.Document(x), c.older(x.Err(), place))
}

// older adds to a refusal what helps when the trust document to judge by is older than the manifest. Unknown keys may be of a
// newer one, too, or a thief's.
func (c *Call) older(err error, place string) error {
	var r *client.Refused
	if !errors.As(err, &r) || r.Reason != client.TrustTooOld && r.Reason != client.Signature {
		return err
	}
	unless := ""
	if r.Reason == client.Signature {
		unless = "do not use it, and tell the network's operators, unless this trust.json is not the newest: then "
	}
	newest := fmt.Sprintf("the newest trust.json (%s has it, and each version before it as trust/<N>.json); compare its root keys first: %s trust show FILE", strings.TrimSuffix(place, "/"), c.Name)
	switch {
	case c.Name == "tidemark-mirror" && c.String("trust") == "":
		return Hinted(err, "%stidemark-mirror trust update follows the chain; then again", unless)
	case c.Name == "tidemark-mirror":
		return Hinted(err, "%swithout --trust this mirror judges by what it follows: tidemark-mirror trust update; or name %s", unless, newest)
	}
	return Hinted(err, "%sjudge by --trust FILE with %s --trust OLD", unless, newest)
}

// Authorities reads certificates in PEM form; field is where the file is named, "--ca".
func Authorities(field, file string) (*x509.CertPool, error) {
	pem, err := ReadInput(file, 1<<20)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", field, err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, Usage("%s: %s holds no certificate in PEM form", field, file)
	}
	return pool, nil
}
