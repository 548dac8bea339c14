package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"tidemark/checkin"
	"tidemark/internal/console"
	"tidemark/quorum"
)

// checkins are what a run took from the spool. They say where to look, and make nobody good.
type checkins struct {
	spool   *checkin.Spool // nil: there is none, or nothing is taken from it
	claims  quorum.Claims
	refused int // bodies that are no check-in under today's inventory
}

// takeCheckins takes the spool. A dry run takes nothing, and a network without check-ins has nothing to take.
func (p *publisher) takeCheckins() (in checkins, err error) {
	in.claims = quorum.Claims{}
	if p.cfg.Checkin == nil || p.readOnly() {
		return in, nil
	}
	senders, err := checkin.NewSenders(p.cfg.Network, p.cfg.Servers)
	if err != nil {
		return in, console.Hinted(fmt.Errorf("check-ins: %w", err), "mend the inventory; nobody can check in until then")
	}
	spool, err := checkin.OpenSpool(p.cfg.Checkin.Spool)
	if err != nil {
		return in, spoolTrouble(err)
	}
	entries, err := spool.Take(senders.Has)
	if err != nil {
		return in, spoolTrouble(err)
	}
	in.spool = spool
	for _, e := range entries {
		m, err := senders.Open(e.Body, p.Now())
		if err == nil && m.Mirror != e.Mirror {
			err = fmt.Errorf("it is one of %s", m.Mirror)
		}
		if err != nil {
			in.refused++
			p.Log.Info("a check-in in the spool is dropped", "mirror", e.Mirror, "reason", err)
			continue
		}
		p.Log.Info("checked in", "mirror", m.Mirror, "at", m.At, "trees", m.Claims())
		in.claims[m.Mirror] = m.Trees
	}
	return in, nil
}

func spoolTrouble(err error) error {
	return console.Hinted(fmt.Errorf("check-ins: %w", err), "%s", spoolAdvice(err))
}

// done forgets what was taken: what it led to is in the memory now.
func (in checkins) done() error {
	if in.spool == nil {
		return nil
	}
	if err := in.spool.Done(); err != nil {
		return spoolTrouble(err) // taken again by the next run, which does no harm
	}
	return nil
}

// runCheckins is `run --checkins`: it looks at those that checked in, alone, and publishes what came of it.
func runCheckins(c *console.Call) error {
	cfg, err := loadConfig(c)
	if err != nil {
		return err
	}
	if cfg.Checkin == nil {
		return console.Exit(console.Misuse, fmt.Errorf("%s: no checkin: is configured, so nobody can check in", cfg.File), "add checkin: to the configuration, or use: tidemark run")
	}
	spool, err := checkin.OpenSpool(cfg.Checkin.Spool)
	if err != nil {
		return spoolTrouble(err)
	}
	if waiting, err := spool.Waiting(); err != nil || !waiting {
		if err == nil && (c.Terminal || c.Bool("verbose")) { // a path unit's journal need not say so
			c.Say("nobody has checked in since the last run")
		}
		return err
	}
	p, err := openPublisher(c, true)
	if err != nil {
		return err
	}
	if p.state, err = lockState(c, cfg.State, forCheckins, lockPatience); err != nil {
		return err
	}
	defer p.close()
	if err := p.newestTrust(); err != nil { // again: another run may have gone further while this one waited
		return err
	}
	o, err := p.checkinRun(c.Context.Context, c.Bool("force"))
	if err != nil || o == nil {
		return err
	}
	return p.tell(o)
}

// checkinRun is publishRun for those that checked in: no look at the masters, nothing recorded, nobody else asked. The outcome
// is nil when there was nothing to look at.
func (p *publisher) checkinRun(ctx context.Context, force bool) (*outcome, error) {
	in, err := p.takeCheckins()
	if err != nil {
		return nil, err
	}
	if begun, err := p.hasBegun(); err != nil || !begun {
		if err == nil { // they lie with what was taken, and the first run takes that
			p.Say("nothing was published yet: %d that checked in wait for the first: tidemark run", len(in.claims))
			err = in.stuck()
		}
		return nil, err
	}
	if len(in.claims) == 0 {
		return nil, in.done()
	}
	s, prev, err := p.begin(ctx, false)
	if err != nil {
		return nil, err
	}
	mem, err := p.state.memory()
	if err != nil {
		return nil, err
	}
	r := round{site: s, prev: prev, memory: mem, force: force, checkins: in}
	r.readings = quorum.Readings{Schema: probeSchema, Network: p.cfg.Network, Masters: []quorum.MasterReading{}, Asked: in.claims.Servers()}
	if err := p.askServers(ctx, &r.readings, mem, in.claims, force); err != nil {
		return nil, err
	}
	return p.conclude(ctx, r)
}

// hasBegun reports whether a full run has published from here and remembers what it saw.
func (p *publisher) hasBegun() (bool, error) {
	st, _, err := p.state.site()
	if err != nil || st.Published == 0 {
		return false, err
	}
	b, err := p.state.read("memory.json")
	return b != nil, err
}

// keepMasterTrouble says again what the last run that looked at the masters said of those that it could not read.
func (p *publisher) keepMasterTrouble(trees []quorum.TreeReport) {
	last, err := p.lastStatus()
	if err != nil {
		return
	}
	for i := range trees {
		at := slices.IndexFunc(last.Trees, func(t quorum.TreeReport) bool { return t.Tree == trees[i].Tree })
		if at >= 0 && last.Trees[at].Trouble != "" {
			trees[i].Trouble = last.Trees[at].Trouble
			trees[i].Note += "; the master could not be read at the last look, what was recorded before stays in force"
		}
	}
}

// checkinDocument is one check-in in `run --json`.
type checkinDocument struct {
	Mirror string        `json:"mirror"`
	Trees  []checkinTree `json:"trees"`
}

type checkinTree struct {
	Tree    string       `json:"tree"`
	Claimed int64        `json:"claimed"` // what the mirror said that its time file says
	Found   int64        `json:"found,omitempty"`
	Verdict quorum.State `json:"verdict"`
	Source  bool         `json:"source"`
	Reason  string       `json:"reason"`
}

// checkedIn tells what came of each check-in, sorted by mirror and tree.
func (o *outcome) checkedIn() (list []checkinDocument) {
	for _, id := range o.checkins.claims.Servers() {
		d := checkinDocument{Mirror: id}
		for _, tree := range sortedKeys(o.checkins.claims[id]) {
			t := checkinTree{Tree: tree, Claimed: o.checkins.claims[id][tree], Verdict: quorum.Unknown, Reason: "the configuration has no such tree"}
			for _, v := range o.decision.Verdicts {
				if v.Server == id && v.Tree == tree {
					t.Found, t.Verdict, t.Source, t.Reason = v.Timestamp, v.State, v.Source, v.Reason
				}
			}
			d.Trees = append(d.Trees, t)
		}
		list = append(list, d)
	}
	return list
}

// line is a check-in in one line, for people.
func (d checkinDocument) line() string {
	var parts []string
	for _, t := range d.Trees {
		text := fmt.Sprintf("%s: %s", t.Verdict, t.Reason)
		if t.Verdict == quorum.Verified || t.Verdict == quorum.Ahead {
			text = fmt.Sprintf("%s at %s", t.Verdict, console.Stamp(t.Found))
		}
		if len(d.Trees) > 1 {
			text = t.Tree + " " + text
		}
		parts = append(parts, text)
	}
	return d.Mirror + " checked in: " + strings.Join(parts, "; ")
}
