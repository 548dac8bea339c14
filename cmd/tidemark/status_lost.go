package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"tidemark/history"
	"tidemark/internal/console"
	"tidemark/quorum"
)

// pastForCheck is what --check wants of the history; all zero when there is none, or when it cannot be read, which the next run says.
type pastForCheck struct {
	rounds []time.Time     // ends of those that asked all servers, newest first
	sound  []history.Place // in order at some time within lostWithin
	guard  *history.Event  // the guard's last word within lostWithin
}

// soundStates are those of a server that answers, and of which nothing is known against it.
func soundStates() []quorum.State {
	return []quorum.State{quorum.Verified, quorum.Ahead, quorum.Behind, quorum.Moving}
}

func (p *publisher) pastForCheck() (past pastForCheck) {
	ctx, file := p.Context.Context, p.state.path(historyFile)
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return past
	}
	db, _, err := history.Open(ctx, file, history.Options{ReadOnly: true, Now: p.Now})
	if err != nil {
		return past
	}
	defer db.Close()
	past, err = readPast(ctx, db, p.Now().Add(-lostWithin))
	if err != nil {
		return pastForCheck{}
	}
	return past
}

func readPast(ctx context.Context, db *history.DB, since time.Time) (past pastForCheck, err error) {
	if past.rounds, err = db.Rounds(ctx, 50); err != nil {
		return past, err
	}
	if past.sound, err = db.Were(ctx, since, soundStates()...); err != nil {
		return past, err
	}
	spoke, err := db.Events(ctx, history.EventFilter{Kind: history.KindGuard, Since: since, Limit: 1})
	if len(spoke) > 0 {
		past.guard = &spoke[0]
	}
	return past, err
}

// stale is how old the last full run may be: three of the intervals at which they came. A few runs by hand between them change
// nothing: four of five intervals are not longer than the one that counts.
func (past pastForCheck) stale() time.Duration {
	var gaps []time.Duration
	for i := 1; i < len(past.rounds); i++ {
		gaps = append(gaps, past.rounds[i-1].Sub(past.rounds[i]))
	}
	if len(gaps) < 5 {
		return staleAfter
	}
	slices.Sort(gaps)
	return min(max(3*gaps[len(gaps)*4/5], staleLeast), staleAfter)
}

// checkLost misses what was in order within a day: more than half of it, or more than the guard's share where the guard has spoken
// since. The guard is silent after a few runs, and a monitor that looks now and then would never hear it.
func (p *publisher) checkLost(d *checkDocument, last statusDocument, past pastForCheck) {
	was := map[string]bool{}
	for _, s := range past.sound {
		was[s.Server+" "+s.Tree] = true
	}
	of, lost, now := 0, 0, map[quorum.State]int{}
	for _, v := range last.Verdicts {
		if !was[v.Server+" "+v.Tree] || v.State == quorum.Maintenance {
			continue
		}
		if of++; !slices.Contains(soundStates(), v.State) {
			lost++
			now[v.State]++
		}
	}
	d.Figures["lost"] = int64(lost)
	share := 50
	if past.guard != nil {
		share = min(share, p.cfg.Guard.Share)
	}
	if last.Guard.Spoke || lost < p.cfg.Guard.Least || lost*100 <= of*share {
		return
	}
	var states []string
	for _, s := range quorum.States() {
		if now[s] > 0 {
			states = append(states, fmt.Sprintf("%d %s", now[s], s))
		}
	}
	text := fmt.Sprintf("%d of %d trees at servers that were in order within the last day are so no more: %s", lost, of, strings.Join(states, ", "))
	if past.guard != nil {
		text += fmt.Sprintf("; the guard spoke at %s", console.Clock(past.guard.At))
	}
	d.add(aboutLost, console.Failed, "%s: see tidemark status", text)
}
