package history

import (
	"maps"
	"slices"

	"tidemark/manifest"
	"tidemark/quorum"
)

// announce takes what was announced in the round, with those that could get it, and those that have what they could get.
func (k *known) announce(p *plan, list []judged) {
	for _, tree := range slices.Sorted(maps.Keys(k.announced)) {
		a := k.announced[tree]
		of := int64(0)
		for _, j := range list {
			if clean(j.verdict.Tree, maxName) != tree || !k.able(j) {
				continue
			}
			of++
			k.awaited[j.target] = append(k.awaited[j.target], a.timestamp)
			p.await = append(p.await, [2]int64{j.target, a.timestamp})
		}
		p.events = append(p.events, []any{KindAnnounced, k.targets[name("", tree)], "", "", a.timestamp, of, p.word(a.note), a.at})
	}
	for _, j := range list {
		if !has(j.verdict) {
			continue
		}
		for _, timestamp := range k.awaited[j.target] {
			if j.verdict.Timestamp >= timestamp {
				p.event(KindReached, j.target, "", "", timestamp, 0, "")
				p.arrived = append(p.arrived, [2]int64{j.target, timestamp})
			}
		}
	}
}

// able: a mirror that could get what is announced in this round: it has an rsync URL, is not in maintenance, does not refuse,
// and has it already or answered within the last day.
func (k *known) able(j judged) bool {
	v := j.verdict
	if v.Kind == manifest.KindNode || v.URL.IsZero() || v.State == quorum.Maintenance || v.State == quorum.Refused {
		return false
	}
	return has(v) || k.answered[j.target]
}

// has: its content is known to be that of its time file.
func has(v quorum.Verdict) bool { return v.State == quorum.Verified || v.State == quorum.Ahead }
