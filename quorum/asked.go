package quorum

import (
	"fmt"
	"maps"
	"slices"

	"tidemark/internal/strictjson"
	"tidemark/manifest"
)

// Claims are what mirrors say of themselves when they check in: by server id, then tree, what their time file says. A claim
// is a hint where to look, and proves nothing.
type Claims map[string]map[string]int64

// Servers lists the ids of those that claim something, sorted: a round's Readings.Asked.
func (c Claims) Servers() []string {
	return append([]string{}, slices.Sorted(maps.Keys(c))...) // never nil: nil stands for all
}

// Heed makes a plan look at the content wherever a claim names a timestamp at which the server is not verified. Who claims
// anything does not rest.
func (c Claims) Heed(asks []Ask, mem Memory) []Ask {
	asks = slices.Clone(asks)
	for i := range asks {
		a := &asks[i]
		if _, wakes := c[a.Server]; wakes {
			a.Rest = false
		}
		claimed, ok := c[a.Server][a.Tree]
		if ok && claimed != mem.Servers[a.Server][a.Tree].under(a.URL).standing() {
			a.Known, a.Addresses, a.Deep = 0, nil, true
		}
	}
	return asks
}

// Only is the part of a plan that concerns some servers.
func Only(asks []Ask, servers []string) []Ask {
	return slices.DeleteFunc(slices.Clone(asks), func(a Ask) bool { return !slices.Contains(servers, a.Server) })
}

// asks is the set of the servers that were asked in this round, nil for all.
func (r Readings) asks() map[string]bool {
	if r.Asked == nil {
		return nil
	}
	set := map[string]bool{}
	for _, id := range r.Asked {
		set[id] = true
	}
	return set
}

// notAsked takes what is known of a server that was not asked in this round: its memory as it is, and what was found last.
func (d *decision) notAsked(e *entry) {
	e.silent = true
	if d.before.Servers[e.server.ID][e.tree].URL != e.url {
		e.finding = finding{state: Unknown, soft: true, text: "nothing is known of it at this URL, and " + unasked}
		return
	}
	if st, ok := d.listed[e.place()]; ok && st.URL == e.url && d.overtaken(*e) {
		e.memory = e.memory.toldBy(st)
	}
	e.finding = e.memory.last()
}

// spared is the memory after a finding, without the soft error of a round that asks some: such a round comes at any moment,
// three within seconds even, and must not use up the grace that soft errors have.
func (d *decision) spared(before, after ServerMemory, f finding) ServerMemory {
	if d.asked != nil && f.soft {
		after.Soft, after.Valid = before.Soft, before.Valid
	}
	return after
}

const unasked = "it was not asked in this round"

// overtaken reports whether the manifest published last is younger than our own last look at the server: another publisher
// may have looked since, and a round that does not look again leaves standing what that one said.
func (d *decision) overtaken(e entry) bool {
	return d.previous != nil && d.previous.Issued.After(e.before.Last.At.Time)
}

// toldBy is the memory after what the manifest published last says of the server.
func (sm ServerMemory) toldBy(st manifest.SourceTree) ServerMemory {
	if sm.standing() != st.Timestamp { // as when memory was lost: the next round that asks looks at the content
		sm.Good, sm.Deep, sm.Addresses = strictjson.Time{}, strictjson.Time{}, nil
		sm.State, sm.Timestamp, sm.Valid, sm.Soft = Verified, st.Timestamp, true, 0
		sm.Highest, sm.Seen, sm.SeenSince = max(sm.Highest, st.Timestamp), st.Timestamp, st.Since
		sm.Last = LastReading{At: sm.Last.At}
	}
	sm.Since, sm.Depth, sm.Families = st.Since, st.Depth, slices.Clone(st.Families)
	return sm
}

// last is what was found when the server was asked last, as far as it does not depend on what is announced.
func (sm ServerMemory) last() finding {
	good := sm.Valid && (sm.State == Verified || sm.State == Ahead || sm.State == Behind)
	f := finding{
		state: sm.State, said: sm.Last.Timestamp, soft: sm.Soft > 0 || sm.Valid && !good,
		text:    fmt.Sprintf("%s, and was %s before", unasked, sm.State),
		cause:   sm.Last.Cause,
		reading: Reading{Address: sm.Last.Address, Raw: sm.Last.Raw},
	}
	switch {
	case good:
		f.state, f.said = Verified, sm.Timestamp
		f.text = unasked + "; its time file said " + stamp(sm.Timestamp) + " before, with the content that belongs to it"
	case sm.State == Behind && sm.Seen != 0:
		f.said = sm.Seen
		f.text = unasked + "; its time file said " + stamp(sm.Seen) + " before"
	case sm.State == "", sm.State == Maintenance, sm.State == Verified, sm.State == Ahead, sm.State == Behind:
		f.state, f.soft, f.cause, f.text = Unknown, true, "", unasked+", and nothing is known of it yet"
	}
	return f
}

// standsAsSaid reports whether the sentence that memory has of a server that was not asked is still true.
func (d *decision) standsAsSaid(e entry, tm TreeMemory) bool {
	_, listed := d.listed[e.place()]
	return e.silent && !e.rested && e.before.Reason != "" && e.state == e.before.State && e.memory.standing() == e.before.standing() &&
		tm.Announced == d.announced[e.tree] && (e.offer != 0) == listed
}
