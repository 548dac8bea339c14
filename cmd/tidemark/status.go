package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"tidemark/internal/strictjson"
	"tidemark/publish"
	"tidemark/quorum"
)

// statusDocument is state/status.json and `status --json`; without private servers it is status.json at the site.
type statusDocument struct {
	Schema   string              `json:"schema"`
	Network  string              `json:"network"`
	At       strictjson.Time     `json:"at"`
	FullAt   strictjson.Time     `json:"full_at,omitzero"` // of the last one that asked all servers and came to its end
	Serial   int64               `json:"serial,omitempty"` // published by that run
	Why      string              `json:"why"`
	Trees    []quorum.TreeReport `json:"trees"`
	Guard    quorum.GuardReport  `json:"guard"`
	Verdicts []quorum.Verdict    `json:"verdicts"`
	Beacon   *beaconOutcome      `json:"beacon,omitempty"`
	Problems []string            `json:"problems,omitempty"`
	Warnings []string            `json:"warnings,omitempty"` // what is as it should be for a while: configured keys that may not sign

	// What the history adds when it is looked at; no run writes these.
	Curves  []curveDocument  `json:"curves,omitempty"`
	Uptimes []uptimeDocument `json:"uptimes,omitempty"`
	Story   *serverStory     `json:"story,omitempty"` // of --why
	Check   *checkDocument   `json:"check,omitempty"` // of --check
}

const statusSchema = "tidemark/status/v1"

// curveDocument is how the announced timestamp of a tree spreads over the mirrors.
type curveDocument struct {
	Tree      string          `json:"tree"`
	Timestamp int64           `json:"timestamp"`
	Announced strictjson.Time `json:"announced"`
	Of        int             `json:"of"`      // mirrors that could get it
	Reached   int             `json:"reached"` // of them so far
	Points    []pointDocument `json:"points"`  // those that were reached
}

type pointDocument struct {
	Percent int   `json:"percent"`
	After   int64 `json:"after"` // seconds since it was announced
}

// uptimeDocument is how often a server was good in the last 7 and 30 days.
type uptimeDocument struct {
	Server string       `json:"server"`
	Tree   string       `json:"tree"`
	Week   *uptimeStory `json:"week,omitempty"`
	Month  *uptimeStory `json:"month,omitempty"`
}

// statusEvery is how often the site's status files are rewritten at most (DESIGN 4.5).
const statusEvery = 10 * time.Minute

func (p *publisher) status(o *outcome) statusDocument {
	d := statusDocument{Schema: statusSchema, Network: p.cfg.Network, At: strictjson.At(p.Now()), Why: o.why,
		Trees: o.decision.Trees, Guard: o.decision.Guard, Verdicts: o.decision.Verdicts, Beacon: p.beaconTold, Warnings: p.skipped}
	if d.FullAt = d.At; !o.full {
		d.FullAt = p.lastFull()
	}
	if o.published != nil {
		d.Serial = o.published.Serial
	}
	for _, err := range o.trouble {
		d.Problems = append(d.Problems, err.Error())
	}
	return d
}

// public is what everybody may see, without what only the operator needs: how the servers are asked, and each odd file, the first of which the reason names.
func (d statusDocument) public(private map[string]bool) statusDocument {
	shown := make([]quorum.Verdict, 0, len(d.Verdicts))
	for _, v := range d.Verdicts {
		if private[v.Server] {
			continue
		}
		v.Soft, v.Rested, v.Next = 0, false, strictjson.Time{}
		if v.Timestamp != 0 {
			v.Raw = "" // the same in other letters
		}
		if v.List != nil {
			list := *v.List
			list.First, list.Address = nil, ""
			v.List = &list
		}
		shown = append(shown, v)
	}
	d.Verdicts, d.Problems, d.Warnings, d.Beacon, d.Trees = shown, nil, nil, nil, slices.Clone(d.Trees)
	for i := range d.Trees {
		d.Trees[i].Trouble = "" // hosts and paths of the masters
	}
	return d
}

// showStatus puts status.json on the site, the last step of a run; private servers and the operator's troubles, the beacon's among them, are left out.
func (p *publisher) showStatus(ctx context.Context, s *site, d statusDocument) error {
	st, _, err := p.state.site()
	if err != nil || d.At.Sub(st.StatusAt.Time) < statusEvery && !d.At.Before(st.StatusAt.Time) {
		return err
	}
	private := map[string]bool{}
	for _, s := range p.cfg.Servers {
		private[s.ID] = s.Private
	}
	b, err := json.Marshal(d.public(private)) // every byte counts ten thousand times
	if err != nil {
		return fmt.Errorf("encode status.json: %w", err)
	}
	if err := publish.PutStatus(ctx, s.store, []publish.Object{publish.NewObject("status.json", append(b, '\n'))}); err != nil {
		return fmt.Errorf("publish status.json: %w", err)
	}
	st.StatusAt = d.At
	return p.state.save("site.json", st)
}
