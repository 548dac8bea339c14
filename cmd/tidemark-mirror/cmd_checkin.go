package main

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"tidemark/checkin"
	"tidemark/internal/console"
	"tidemark/internal/strictjson"
)

func checkinCommand(e *console.Program) *cli.Command {
	return e.Command("checkin", "tell the network what is held here, so that it looks now", "", []cli.Flag{console.DryRun()}, checkinAbout, func(c *console.Call) error {
		m, err := openMirror(c)
		if err != nil {
			return err
		}
		return m.checkIn()
	})
}

const checkinAbout = `Reads the time file of every tree, signs what they say with this mirror's own key, and sends it to the receiver that
checkin: in the configuration names. The network then looks at this mirror at once, and lists it within a minute if all is
there: a check-in by itself makes no mirror good. A run that has synced something checks in by itself; this is for trying
it, and for who syncs with other programs. With --dry-run it prints what would be signed, and sends nothing.

Exit codes: 0 accepted; 1 failed: it could not be sent; 2 configuration; 4 the receiver does not know this mirror or its key.

Examples:
  tidemark-mirror checkin --dry-run
  tidemark-mirror checkin`

// checkinDocument is `checkin --json`.
type checkinDocument struct {
	Schema   string           `json:"schema"`
	Network  string           `json:"network"`
	Mirror   string           `json:"mirror"`
	URL      string           `json:"url"`
	Key      string           `json:"key,omitempty"` // this mirror's public key
	At       strictjson.Time  `json:"at,omitzero"`
	Trees    map[string]int64 `json:"trees"` // what the time files say
	DryRun   bool             `json:"dry_run,omitempty"`
	Accepted bool             `json:"accepted"`
	Exit     int              `json:"exit"`
	Error    string           `json:"error,omitempty"`
}

// checkIn is the command.
func (m *mirror) checkIn() error {
	if m.cfg.Checkin == nil {
		return console.Exit(console.Misuse, fmt.Errorf("%s names no receiver of check-ins", m.cfg.File), "ask the network's operators for its address, and add it: checkin: https://…")
	}
	d := checkinDocument{Schema: "tidemark/mirror-checkin/v1", Network: m.cfg.Network, Mirror: m.cfg.ID, URL: m.cfg.Checkin.URL, Trees: map[string]int64{}, DryRun: m.Dry}
	err := m.checkInNow(&d)
	d.Accepted, d.Exit, d.Error = err == nil && !m.Dry, m.Code(err), inDocument(err)
	return errors.Join(m.Document(d), err)
}

func (m *mirror) checkInNow(d *checkinDocument) error {
	look, err := m.lookOptions()
	if err != nil {
		return err
	}
	syncs := m.syncs() // before the time files are read: what is synced meanwhile is owed
	out, err := m.seal(m.Context.Context, look)
	d.Key, d.At = out.key, out.message.At
	if out.message.Trees != nil {
		d.Trees = out.message.Trees
	}
	if err != nil {
		return err
	}
	if m.Dry {
		return m.payload(out.message)
	}
	if err := m.send(m.Context.Context, out.body, 0); err != nil {
		return m.notSent(err)
	}
	for _, name := range slices.Sorted(maps.Keys(d.Trees)) {
		m.Say("%-10s holds %s", name, console.Stamp(d.Trees[name]))
	}
	m.Say("accepted by %s: the network looks at this mirror soon", m.cfg.Checkin.URL)
	return m.accepted(syncs)
}

// payload prints what would be signed.
func (m *mirror) payload(message checkin.Message) error {
	b, err := strictjson.Marshal(message)
	if err != nil {
		return fmt.Errorf("write the check-in: %w", err)
	}
	m.Say("%s", strings.TrimSuffix(string(b), "\n"))
	return nil
}

// notSent gives the receiver's refusal its exit code, and what to do about it.
func (m *mirror) notSent(err error) error {
	code := console.Failed
	if no := refusal(err); no != nil && no.Status == http.StatusForbidden {
		code = console.Refused
	}
	if advice := m.checkinAdvice(err); advice != "" {
		return console.Exit(code, err, "%s", advice)
	}
	return err
}
