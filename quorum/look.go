package quorum

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"tidemark/internal/strictjson"
	"tidemark/manifest"
)

const (
	fewLists  = 8  // as many re-checks of lists may come in any round
	retryPart = 12 // a mirror's list is not looked at again within this part of Policy.Recheck, unless its time file moves
)

// lists chooses whose file list is looked at, and whose content besides: see the package's words on depth. asks belong to list,
// one to one.
func (p Policy) lists(asks []Ask, list []entry, mem Memory, now time.Time, rnd *rand.Rand) {
	var due []int
	mirrors := 0
	for i := range asks {
		a, e := &asks[i], list[i]
		sm := mem.Servers[e.server.ID][e.tree].under(e.url)
		if p.Spot > 0 && rnd.IntN(1000) < p.Spot && sm.Valid && !sm.old() {
			a.Deep, a.List = true, len(p.Lists[e.tree]) > 0
		}
		if len(p.Lists[e.tree]) == 0 {
			continue
		}
		node := e.server.Kind == manifest.KindNode
		if !node {
			mirrors++
		}
		switch {
		case sm.old(): // whenever its time file moves
			a.List = node || sm.List.atFault()
		case sm.List.atFault() || sm.silentOnList() || p.contested(sm, e, now): // so too, and in good time where it stays
			again := p.retry(sm, now) || p.contested(sm, e, now)
			a.List = again || !a.Deep
			a.Deep = a.Deep || again && slices.Contains(p.Lists[e.tree], sm.Seen)
		case node:
			due := p.listDue(sm, e, now)
			a.List = due || !a.Deep || p.Recheck > 0 && (!sm.faulty() || p.retry(sm, now))
			a.Deep = a.Deep || due
		case p.listDue(sm, e, now):
			due = append(due, i)
		case !p.retry(sm, now):
		case len(e.server.Exclude) > 0 && !sm.Valid: // its anchors may all be hidden
			a.List = true
		}
		if p.ListShare > 0 && rnd.IntN(100) < p.ListShare && p.retry(sm, now) {
			a.List = true
		}
	}
	for _, i := range p.inTurn(due, list, mem, mirrors) {
		asks[i].Deep, asks[i].List = true, true
	}
}

// listDue reports whether the list is to be looked at again: of one that is verified at a timestamp whose list is at hand, and
// of one that was never asked. Between half of Policy.Recheck and seven eighths of it, a share of the servers comes due in each
// round; the rest is for those that must wait for their turn.
func (p Policy) listDue(sm ServerMemory, e entry, now time.Time) bool {
	if sm.State == "" && sm.Last.At.IsZero() && !sm.Valid {
		return true
	}
	if sm.standing() == 0 || sm.Soft > 0 || sm.old() || !slices.Contains(p.Lists[e.tree], sm.Timestamp) || !p.retry(sm, now) {
		return false
	}
	age := now.Sub(sm.Listed.Time)
	return sm.Listed.IsZero() || age < 0 || age >= p.relist()/2+share(p.relist()*3/8, e.place(), sm.Listed)
}

// relist is Policy.Recheck for lists: never are they all looked at in every round.
func (p Policy) relist() time.Duration {
	if p.Recheck <= 0 {
		return time.Hour
	}
	return p.Recheck
}

// faulty: something else than its list is wrong with it, so that its content is looked at in every round.
func (sm ServerMemory) faulty() bool {
	return sm.State == Wrong || sm.State == Incomplete || sm.State == Mixed
}

// retry reports whether enough time has passed since the list was looked at, or asked for in vain.
func (p Policy) retry(sm ServerMemory, now time.Time) bool {
	last := sm.Listed.Time
	if sm.ListTried.After(last) {
		last = sm.ListTried.Time
	}
	age := now.Sub(last)
	return last.IsZero() || age < 0 || age+p.CheckInterval/2 >= p.pause(sm)
}

// pause is how long a list is left alone: a part of Policy.Recheck. One at fault is looked at again after one check interval, 2, 4,
// 8 ... up to that: a sync that was under way is soon done, and what is broken is not worth a list in every round.
func (p Policy) pause(sm ServerMemory) time.Duration {
	most := max(p.relist()/retryPart, p.CheckInterval)
	if !sm.List.atFault() || sm.ListFaults == 0 {
		return most
	}
	wait := p.CheckInterval
	for range sm.ListFaults - 1 {
		if wait *= 2; wait >= most {
			return most
		}
	}
	return wait
}

// relistAt is when a list at fault is looked at again.
func (p Policy) relistAt(sm ServerMemory, now time.Time) time.Time {
	last := sm.Listed.Time
	if sm.ListTried.After(last) {
		last = sm.ListTried.Time
	}
	if at := last.Add(p.pause(sm)); at.After(now) {
		return at
	}
	return now.Add(p.CheckInterval)
}

// inTurn bounds the re-checks of one round, so that those of a whole network never come at once: twice what is needed in the
// long run. Those that have waited longest go first.
func (p Policy) inTurn(due []int, list []entry, mem Memory, mirrors int) []int {
	most := max(fewLists, int(2*int64(mirrors)*int64(p.CheckInterval/time.Second)/max(1, int64(p.relist()/time.Second)))+1)
	if len(due) <= most {
		return due
	}
	type waiting struct {
		at     int
		listed time.Time
		lot    uint16
	}
	line := make([]waiting, len(due))
	for i, at := range due {
		e := list[at]
		line[i] = waiting{at, mem.Servers[e.server.ID][e.tree].under(e.url).Listed.Time, hash(e.place(), strictjson.Time{})}
	}
	slices.SortStableFunc(line, func(a, b waiting) int { return cmp.Or(a.listed.Compare(b.listed), cmp.Compare(a.lot, b.lot)) })
	for i := range due[:most] {
		due[i] = line[i].at
	}
	return due[:most]
}

// share is a part of d that one place has, the same whenever it is computed: what keeps servers apart in time.
func share(d time.Duration, pl place, at strictjson.Time) time.Duration {
	return d / 1024 * time.Duration(hash(pl, at)%1024)
}

func hash(pl place, at strictjson.Time) uint16 {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %s %d", pl.server, pl.tree, at.Unix()))
	return binary.BigEndian.Uint16(sum[:])
}

// files is the number of files of the longest list that is recorded or was seen on the master.
func (tm TreeMemory) files() int64 {
	most := int64(0)
	note := func(list *ListSum) {
		if list != nil {
			most = max(most, list.Files)
		}
	}
	for _, r := range tm.Recorded {
		note(r.List)
	}
	for _, look := range []*MasterReading{tm.Unsettled, tm.Master} {
		if look != nil {
			note(look.List)
		}
	}
	return most
}
