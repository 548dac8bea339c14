package quorum

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"tidemark/manifest"
)

// Rested lists what of a plan is not to be asked in this round, as "server/tree", sorted: a round's Readings.Rested.
func Rested(asks []Ask) []string {
	var rested []string
	for _, a := range asks {
		if a.Rest {
			rested = append(rested, a.Server+"/"+a.Tree)
		}
	}
	slices.Sort(rested)
	return rested
}

// Awake is the rest of the plan: what is to be asked.
func Awake(asks []Ask) []Ask {
	return slices.DeleteFunc(slices.Clone(asks), func(a Ask) bool { return a.Rest })
}

// rested is the set of what was left out in this round.
func (r Readings) rested() map[place]bool {
	set := map[place]bool{}
	for _, name := range r.Rested {
		if id, tree, ok := strings.Cut(name, "/"); ok {
			set[place{id, tree}] = true
		}
	}
	return set
}

// failing: a mirror that did not answer, or refused, more often in a row than a verification outlives.
func (sm ServerMemory) failing(e entry) bool {
	silent := sm.State == Busy || sm.State == Unreachable || sm.State == Refused
	return silent && sm.URL == e.url && sm.Soft > softLimit && !sm.Valid && e.server.Kind != manifest.KindNode
}

// nextAsk is when a failing mirror is asked again: 2, 4, 8 ... check intervals after it was asked last, and at least every
// Policy.Backoff; up to a quarter sooner, so that those that failed together do not come back together. Zero: in the next round.
func (sm ServerMemory) nextAsk(e entry, p Policy) time.Time {
	if !sm.failing(e) || p.CheckInterval <= 0 || p.Backoff <= p.CheckInterval {
		return time.Time{}
	}
	wait := p.CheckInterval
	for range sm.Soft - softLimit {
		if wait *= 2; wait >= p.Backoff {
			wait = p.Backoff
			break
		}
	}
	return sm.Last.At.Add(wait - share(wait/4, e.place(), sm.Last.At))
}

// rests reports whether it is too early to ask. Rounds do not come to the second: half an interval early is in time.
func (sm ServerMemory) rests(e entry, p Policy, now time.Time) bool {
	next := sm.nextAsk(e, p)
	return !now.Before(sm.Last.At.Time) && now.Add(p.CheckInterval/2).Before(next)
}

// backsOff reports whether anybody rests at all. Not while the guard holds, and not when more than half of all
// fail: then the trouble is here, and nobody is to be missed when it is over.
func backsOff(mem Memory, p Policy, list []entry) bool {
	if p.Backoff <= 0 || mem.Guard.Runs > 0 {
		return false
	}
	failing, of := 0, 0
	for _, e := range list {
		if e.server.Maintenance || e.url.IsZero() {
			continue
		}
		of++
		if mem.Servers[e.server.ID][e.tree].failing(e) {
			failing++
		}
	}
	return failing*2 <= of
}

// resting takes what is known of a server that was left out of this round: its memory as it is.
func (d *decision) resting(e *entry) {
	e.silent, e.rested = true, true
	if st, ok := d.listed[e.place()]; ok && st.URL == e.url && d.overtaken(*e) { // another publisher has reached it
		e.memory = e.memory.toldBy(st)
		e.finding = e.memory.last()
		return
	}
	sm := e.memory
	e.finding = finding{
		state: sm.State, said: sm.Last.Timestamp, soft: true, cause: sm.Last.Cause,
		text:    fmt.Sprintf("it was not asked in this round: it failed %s in a row", plural(sm.Soft, "round")),
		reading: Reading{Address: sm.Last.Address, Raw: sm.Last.Raw},
	}
	if next := sm.nextAsk(*e, d.policy); !next.IsZero() {
		e.finding.text += fmt.Sprintf(", asked again at about %s UTC", next.UTC().Format("15:04"))
	}
	if sm.Last.Text != "" {
		e.finding.text += "; last: " + sm.Last.Text
	}
}
