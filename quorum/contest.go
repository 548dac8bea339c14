package quorum

import (
	"slices"
	"time"

	"tidemark/internal/strictjson"
	"tidemark/manifest"
)

// contest heeds a manifest of another publisher that leaves out a server that our last decision listed: that one may have read its
// list. Until we have, which the next round does, it is not listed; two that keep their own word would publish against each other
// for ever. It ends when a list that is younger is in order, or in doubt, when the server is listed again, and after
// Policy.Recheck at the latest.
func (d *decision) contest(sm ServerMemory, e entry) ServerMemory {
	_, listed := d.listed[e.place()]
	at := sm.standing()
	if at == 0 || listed || d.policy.settled(sm, d.now) || !slices.Contains(d.policy.Lists[e.tree], at) {
		sm.Contested = strictjson.Time{}
	}
	known := d.published(e.tree)
	theirs := known.Timestamp == at || slices.ContainsFunc(known.Later, func(l manifest.Later) bool { return l.Timestamp == at })
	if at == 0 || listed || !theirs || !e.before.Offered || e.before.standing() != at || !e.offerable() || !d.overtaken(e) ||
		sm.Listed.After(d.previous.Issued.Time) || !slices.Contains(d.policy.Lists[e.tree], at) {
		return sm
	}
	sm.Contested = d.previous.Issued
	return sm
}

// settled reports whether a contest, if there is one, is over.
func (p Policy) settled(sm ServerMemory, now time.Time) bool {
	age := now.Sub(sm.Contested.Time)
	doubted := sm.List != nil && sm.List.Doubt != "" && sm.List.At.After(sm.Contested.Time)
	return sm.Listed.After(sm.Contested.Time) || doubted || age < 0 || age >= p.relist()
}

// contested reports whether the list is to be looked at because another publisher has left the server out.
func (p Policy) contested(sm ServerMemory, e entry, now time.Time) bool {
	return !sm.Contested.IsZero() && slices.Contains(p.Lists[e.tree], sm.standing()) &&
		(!sm.ListTried.After(sm.Contested.Time) || p.retry(sm, now))
}
