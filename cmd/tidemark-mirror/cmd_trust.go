package main

import (
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"tidemark/client"
	"tidemark/internal/console"
	"tidemark/internal/strictjson"
	"tidemark/keys"
)

func trustCommand(e *console.Program) *cli.Command {
	return e.Group("trust", "who may sign, by the newest trust document",
		e.Command("update", "fetch the trust documents that follow the one held", "", nil,
			`Fetches trust/<N>.json from the origin, one version at a time, and accepts each that the root keys of the version before it
have signed. "run" and "check" do the same when they need to; this is for people. The pinned file of the configuration
is left as it is.

Exit codes: 0 done; 1 the origin cannot be reached; 4 a step was refused, or the newest version has expired.

Example:
  tidemark-mirror trust update`, updateTrust),
		e.Command("show", "who may sign, with fingerprints in words, to be compared", "[FILE]", nil, aboutTrustShow, showTrust))
}

// trustDocument is `trust update --json`.
type trustDocument struct {
	Schema   string          `json:"schema"`
	Network  string          `json:"network"`
	Accepted []trustVersion  `json:"accepted"` // by this call, oldest first
	Version  int64           `json:"version"`  // the newest one held
	Expires  strictjson.Time `json:"expires"`
}

type trustVersion struct {
	Version int64           `json:"version"`
	Issued  strictjson.Time `json:"issued"`
	Expires strictjson.Time `json:"expires"`
}

func updateTrust(c *console.Call) error {
	m, err := openMirror(c)
	if err != nil {
		return err
	}
	look, err := m.lookOptions()
	if err != nil {
		return err
	}
	accepted, failed := client.UpdateTrust(c.Context.Context, look)
	doc := trustDocument{Schema: "tidemark/mirror-trust-update/v1", Network: m.cfg.Network, Accepted: []trustVersion{}}
	for _, t := range accepted {
		c.Say("accepted version %d, issued %s, ends %s", t.Version, console.Clock(t.Issued.Time), console.Clock(t.Expires.Time))
		doc.Accepted = append(doc.Accepted, trustVersion{Version: t.Version, Issued: t.Issued, Expires: t.Expires})
	}
	newest, err := m.trust()
	if err != nil {
		return errors.Join(failed, err)
	}
	doc.Version, doc.Expires = newest.Version, newest.Expires
	if failed == nil && len(accepted) == 0 {
		c.Say("version %d is the newest, ends %s", newest.Version, console.Clock(newest.Expires.Time))
	}
	if failed != nil {
		failed = fmt.Errorf("trust update: %w", failed)
	}
	return errors.Join(c.Document(doc), failed)
}

// trust is the newest trust document that this mirror holds; nobody is asked.
func (m *mirror) trust() (*keys.Trust, error) {
	look, err := m.lookOptions()
	if err != nil {
		return nil, err
	}
	return client.HeldTrust(look)
}
