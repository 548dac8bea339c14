package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tidemark/history"
	"tidemark/internal/console"
)

// historyFile is the history in the state directory. It decides nothing, and losing it loses nothing else.
const historyFile = "history.db"

// historyPatience bounds what the history may cost a run.
const historyPatience = 30 * time.Second

// keepSeen keeps what the run saw, for people: the last readings and the history. What goes wrong is trouble, never an end.
func (p *publisher) keepSeen(ctx context.Context, o *outcome, r round) []error {
	trouble := p.fileLists().told()
	if err := p.keepReadings(r.readings, o.decision.Memory); err != nil {
		trouble = append(trouble, err)
	}
	return append(trouble, p.keepHistory(ctx, o, r)...)
}

// keepHistory takes the run into the history. What goes wrong is trouble, never an end: the history decides nothing. While what is
// published is from the future, nobody knows which clock was right, and the history is left alone: run says so.
func (p *publisher) keepHistory(ctx context.Context, o *outcome, r round) (trouble []error) {
	if o.published == nil && p.ahead(r.prev) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, historyPatience)
	defer cancel()
	db, aside, err := history.Open(ctx, p.state.path(historyFile), history.Options{Now: p.Now})
	if err != nil {
		return []error{p.historyTrouble(err)}
	}
	if aside != "" {
		trouble = append(trouble, console.Hinted(errors.New(aside), "nothing is decided by it; when you do not need it any more: rm %s.damaged-*", p.state.path(historyFile)))
	}
	switch err := errors.Join(db.Add(ctx, p.historyRound(o, r)), db.Close()); {
	case errors.Is(err, history.ErrNotLater): // the clock was set back by minutes
		p.Log.Info("not taken into the history", "why", err)
	case errors.Is(err, history.ErrAhead): // once; nothing is to be done about it
		p.Warn("history: %v; see that the clock is kept right: timedatectl", err)
	case err != nil:
		trouble = append(trouble, p.historyTrouble(err))
	}
	return trouble
}

// historyRound is the run as the history takes it. What could not be published counts as announced by nobody.
func (p *publisher) historyRound(o *outcome, r round) history.Round {
	h := history.Round{At: p.Now(), Readings: r.readings.Servers, Verdicts: o.decision.Verdicts, Trees: o.decision.Trees,
		Guard: o.decision.Guard, Partial: r.partial(), Hold: p.cfg.Policy.MaxHold}
	standing := r.prev.previous()
	switch {
	case o.failed:
		h.Trees, standing = nil, nil
	case o.published != nil:
		h.Published, standing = o.published.Serial, o.decision.Manifest
	}
	if standing == nil {
		return h
	}
	h.Announced = map[string]time.Time{}
	for _, t := range h.Trees {
		if m, ok := standing.Trees[t.Tree]; ok && t.Announced == m.Timestamp {
			h.Announced[t.Tree] = m.Announced.Time
		}
	}
	return h
}

func (p *publisher) historyTrouble(err error) error {
	hint := "it decides nothing, and what was published stands; look at the disk. To begin it anew: mv %[1]s %[1]s.old"
	if errors.Is(err, history.ErrBusy) {
		hint = "it decides nothing, and what was published stands; see who holds it: fuser %[1]s"
	}
	return console.Hinted(fmt.Errorf("history: %w", err), hint, p.state.path(historyFile))
}
