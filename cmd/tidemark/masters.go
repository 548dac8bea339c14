package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"tidemark/internal/console"
	"tidemark/manifest"
	"tidemark/probe"
	"tidemark/quorum"
)

// lookAtMasters looks twice where something is new. What was recorded is saved at once.
func (p *publisher) lookAtMasters(ctx context.Context, prev *manifest.Manifest, force bool) (quorum.Readings, quorum.Memory, error) {
	r := quorum.Readings{Schema: probeSchema, Network: p.cfg.Network}
	mem, err := p.state.memory()
	if err != nil {
		return r, mem, err
	}
	pol := p.policy(force)
	o, err := p.probeOptions()
	if err != nil {
		return r, mem, err
	}
	var listTrouble error
	lookAt := func(asks []probe.MasterAsk) {
		var seen []quorum.MasterReading
		for _, a := range asks {
			p.Log.Info("look at the master", "tree", a.Tree)
			seen = append(seen, probe.Master(ctx, a, o))
		}
		r.Masters = append(r.Masters, seen...)
		mem = quorum.Record(mem, seen, pol, prev, p.Now())
		listTrouble = p.fileLists().adopt(mem)
	}
	lookAt(p.masters())
	if again := p.only(quorum.Unsettled(mem)); len(again) > 0 {
		p.Log.Info("something is new at the master: looking again when it has settled", "after", pol.Settle)
		if p.Terminal && !p.Quiet && !p.JSON {
			fmt.Fprintf(p.Stderr, "something is new at the master: looking again in %s (settle)\n", pol.Settle)
		}
		if err := sleep(ctx, pol.Settle); err != nil {
			return r, mem, err
		}
		lookAt(again)
	}
	if !p.Dry {
		if err := p.state.saveMemory(mem); err != nil {
			return r, mem, err
		}
	}
	if listTrouble != nil {
		p.Warn("%v", listTrouble) // servers are looked at without that list
	}
	return r, mem, ctx.Err()
}

func (p *publisher) only(trees []string) (asks []probe.MasterAsk) {
	for _, a := range p.masters() {
		for _, t := range trees {
			if a.Tree == t {
				asks = append(asks, a)
			}
		}
	}
	return asks
}

// masterTrouble lists the masters that could not be read at the last look.
func masterTrouble(r quorum.Readings) (trouble []error) {
	last := map[string]quorum.MasterReading{}
	for _, m := range r.Masters {
		last[m.Tree] = m
	}
	for _, tree := range sortedKeys(last) {
		if f := last[tree].Failure; f != nil && f.Kind != quorum.FailMoving { // being written is everyday life
			trouble = append(trouble, console.Hinted(fmt.Errorf("master of tree %s: %s", tree, f.Text), "check trees.%s.master in the configuration, and that this user may read it; what was recorded stays in force", tree))
		}
	}
	return trouble
}

// refusedMasters lists the masters whose time file is not believed: nothing new of such a tree is announced until it is mended.
func refusedMasters(r quorum.Readings, trees []quorum.TreeReport, now time.Time) (trouble []error) {
	announced := map[string]int64{}
	for _, t := range trees {
		announced[t.Tree] = t.Announced
	}
	seen := map[string]bool{}
	for _, m := range slices.Backward(r.Masters) {
		if seen[m.Tree] || m.Failure != nil {
			continue
		}
		seen[m.Tree] = true
		switch at := time.Unix(m.Timestamp, 0); {
		case at.Sub(now) > manifest.Skew:
			trouble = append(trouble, console.Hinted(fmt.Errorf("master of tree %s: its time file says %s, which is in the future", m.Tree, console.Stamp(m.Timestamp)),
				"write the present time into it (date +%%s), or set the clock right; nothing new of this tree is announced until then"))
		case m.Timestamp < announced[m.Tree]:
			trouble = append(trouble, console.Hinted(fmt.Errorf("master of tree %s: its time file says %s, older than the announced %s", m.Tree, console.Stamp(m.Timestamp), console.Stamp(announced[m.Tree])),
				"timestamps never go back: withdraw an update by giving the master a new, later time file"))
		}
	}
	return trouble
}
