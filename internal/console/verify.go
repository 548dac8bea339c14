package console

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
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
	return errors.Join(c.Document(x), x.Err())
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
