package quorum

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"tidemark/internal/strictjson"
	"tidemark/manifest"
)

// keepOlder is how many recorded timestamps older than the announced one are
// kept: enough to recognise a server that is half-way from one of them.
const keepOlder = 4

const (
	keepNews   = 32 // candidates: the newest, and the oldest one, which tells how long the tree has waited
	keepNoNews = 8  // timestamps without news: the newest
)

// Record takes the master's readings into memory: a timestamp is recorded when two looks Settle apart agree. Pure.
//
// Trees and sources that memory has lost are first taken from previous (nil:
// nothing was published), so that nothing ever goes backwards.
// Recording the same readings twice changes nothing.
func Record(mem Memory, masters []MasterReading, p Policy, previous *manifest.Manifest, now time.Time) Memory {
	mem = clone(mem)
	forget(mem, p)
	recall(mem, p, previous)
	for name, tp := range p.Trees {
		if tm, known := mem.Trees[name]; known || len(tp.Patterns) > 0 || len(tp.Exclude) > 0 {
			mem.Trees[name] = tm.chosenBy(tp.Patterns).without(tp.Exclude)
		}
	}
	for _, m := range masters {
		if _, ours := p.Trees[m.Tree]; ours && m.Failure == nil && m.Timestamp > 0 {
			mem.Trees[m.Tree] = mem.Trees[m.Tree].look(m, p.Settle, now)
		} else if tm, known := mem.Trees[m.Tree]; ours && known {
			tm.Failed = FailNotNumber
			if m.Failure != nil {
				tm.Failed = m.Failure.Kind
			}
			mem.Trees[m.Tree] = tm
		}
	}
	for name, tm := range mem.Trees {
		if mem.Trees[name] = tm.tidy(); len(masters) > 0 { // when nobody looked, nothing came to make room for
			mem.Trees[name] = mem.Trees[name].prune(mem.stands(name))
		}
	}
	return mem
}

// chosenBy is the tree's memory under the operator's patterns. When they are not those of the last looks, what
// is recorded holds anchors that are none any more, and lacks others: the master may complete it.
func (tm TreeMemory) chosenBy(patterns []string) TreeMemory {
	set := cleanSet(patterns)
	if slices.Equal(set, tm.Patterns) {
		return tm
	}
	tm.Patterns, tm.Recorded = set, slices.Clone(tm.Recorded)
	for i := range tm.Recorded {
		tm.Recorded[i].Recalled = true
	}
	return tm
}

// without is the tree's memory when the operator leaves something out of the master's list. When that is not what the last looks
// left out, no recorded list is comparable with what is seen from now on: they are recorded anew.
func (tm TreeMemory) without(exclude []string) TreeMemory {
	set := cleanSet(exclude)
	if slices.Equal(set, tm.Exclude) {
		return tm
	}
	tm.Exclude, tm.Recorded = set, slices.Clone(tm.Recorded)
	for i := range tm.Recorded {
		tm.Recorded[i].List = nil
	}
	if tm.Master != nil {
		tm.Master = tm.Master.withoutList()
	}
	if tm.Unsettled != nil {
		tm.Unsettled = tm.Unsettled.withoutList()
	}
	return tm
}

func (m MasterReading) withoutList() *MasterReading {
	m.List = nil
	return &m
}

// cleanSet sorts, each once, what is kept of an operator's patterns.
func cleanSet(patterns []string) []string {
	var set []string
	for _, p := range patterns {
		set = append(set, clean(p))
	}
	slices.Sort(set)
	return slices.Compact(set)
}

// Unsettled lists the trees whose master shows a new timestamp that was read only once: look again after p.Settle.
func Unsettled(mem Memory) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(mem.Trees)) {
		if mem.Trees[name].Unsettled != nil {
			names = append(names, name)
		}
	}
	return names
}

// look is the tree's memory after one successful look at its master.
func (tm TreeMemory) look(m MasterReading, settle time.Duration, now time.Time) TreeMemory {
	m.Anchors, m.Raw = sortedAnchors(m.Anchors), clean(m.Raw)
	tm = tm.completed(m, settle)
	tm.Master, tm.Failed = &m, ""
	if m.Timestamp <= tm.newest() && !tm.completes(m) || inFuture(m.Timestamp, now) {
		tm.Unsettled = nil
		return tm
	}
	list := m.List
	if settle > 0 {
		first := tm.Unsettled
		// A first look from the future was made before the clock was set back: it would wait for years.
		if first == nil || !agree(*first, m) || first.At.After(now) {
			tm.Unsettled = &m
			return tm
		}
		if m.At.Sub(first.At.Time) < settle {
			return tm
		}
		if !sameList(first.List, m.List) {
			list = nil // packages may still come in: nobody is judged by a list that was seen once
		}
	}
	tm.Unsettled = nil
	record := Recorded{Timestamp: m.Timestamp, Anchors: m.Anchors, List: list, At: m.At}
	tm.Recorded = slices.Clone(tm.Recorded)
	if recalled := tm.find(m.Timestamp); recalled != nil {
		record.At = recalled.At
		if recalled.List.known() || list == nil {
			record.List = recalled.List // made here, and frozen; only the anchors were chosen by other patterns
		}
		*recalled = record
	} else {
		tm.Recorded = append(tm.Recorded, record)
	}
	return tm
}

// completed is the tree's memory with the list of what the master shows, when it was recorded without one, and this look, Settle
// after the one before, agrees with that.
func (tm TreeMemory) completed(m MasterReading, settle time.Duration) TreeMemory {
	before, r := tm.Master, tm.find(m.Timestamp)
	if before == nil || r == nil || r.List.known() || tm.Failed != "" || !agree(*before, m) || !sameList(before.List, m.List) ||
		!m.At.After(before.At.Time) || m.At.Sub(before.At.Time) < settle || !tm.isRecorded(m) {
		return tm
	}
	tm.Recorded = slices.Clone(tm.Recorded)
	tm.find(m.Timestamp).List = m.List
	return tm
}

// sameList: two lists that were made, and are the same.
func sameList(a, b *ListSum) bool { return a.known() && b.known() && *a == *b }

// completes reports whether a look at the master can stand for what was recalled
// from a manifest, or recorded with other patterns, at the same timestamp: where both
// hold an anchor it is the same. A manifest may have left some out, and cannot tell
// which were deleted.
func (tm TreeMemory) completes(m MasterReading) bool {
	r := tm.find(m.Timestamp)
	if r == nil || !r.Recalled {
		return false
	}
	return !conflicting(r.Anchors, m.Anchors)
}

// conflicting: an anchor that both sets hold differs.
func conflicting(held, set []manifest.Anchor) bool {
	return slices.ContainsFunc(set, func(a manifest.Anchor) bool {
		b, ok := lookup(held, a.Path)
		return ok && a != b
	})
}

func sortedAnchors(anchors []manifest.Anchor) []manifest.Anchor {
	sorted := slices.Clone(anchors)
	slices.SortFunc(sorted, func(a, b manifest.Anchor) int { return cmp.Compare(a.Path, b.Path) })
	return sorted
}

// agree reports whether two looks saw the same time file and anchors.
func agree(a, b MasterReading) bool {
	return a.Timestamp == b.Timestamp && slices.Equal(a.Anchors, b.Anchors)
}

// inFuture: more than the allowed clock difference ahead of now.
func inFuture(timestamp int64, now time.Time) bool {
	return timestamp > now.Add(manifest.Skew).Unix()
}

// newest is the highest timestamp that was ever recorded or announced, 0 when none was.
func (tm TreeMemory) newest() int64 {
	newest := tm.Announced
	for _, r := range tm.Recorded {
		newest = max(newest, r.Timestamp)
	}
	return newest
}

// find returns what was recorded at a timestamp, nil when nothing was.
func (tm TreeMemory) find(timestamp int64) *Recorded {
	for i := range tm.Recorded {
		if tm.Recorded[i].Timestamp == timestamp {
			return &tm.Recorded[i]
		}
	}
	return nil
}

// tidy sorts what is recorded, drops what is too old, and marks what holds nothing new.
func (tm TreeMemory) tidy() TreeMemory {
	recorded := slices.Clone(tm.Recorded)
	slices.SortFunc(recorded, func(a, b Recorded) int { return cmp.Compare(a.Timestamp, b.Timestamp) })
	older := 0
	for older < len(recorded) && recorded[older].Timestamp < tm.Announced {
		older++
	}
	tm.Recorded = recorded[max(0, older-keepOlder):]
	base := tm.find(tm.Announced)
	for i := range tm.Recorded {
		r := &tm.Recorded[i]
		r.NoNews = base != nil && r.Timestamp > tm.Announced && sameContent(*base, *r)
	}
	return tm
}

// prune bounds what is recorded after the announced timestamp. It keeps what a server stands at, whatever comes: so
// the newest timestamp that a quorum has reached is always among it.
func (tm TreeMemory) prune(stands map[int64]bool) TreeMemory {
	var news, quiet []int64
	for _, r := range tm.later() {
		if r.NoNews {
			quiet = append(quiet, r.Timestamp)
		} else {
			news = append(news, r.Timestamp)
		}
	}
	drop := map[int64]bool{}
	for i, t := range news {
		drop[t] = i > 0 && i < len(news)-keepNews
	}
	for i, t := range quiet {
		drop[t] = i < len(quiet)-keepNoNews
	}
	tm.Recorded = slices.DeleteFunc(slices.Clone(tm.Recorded), func(r Recorded) bool { return drop[r.Timestamp] && !stands[r.Timestamp] })
	return tm
}

// stands is the set of timestamps at which servers are verified, or which they showed last.
func (mem Memory) stands(tree string) map[int64]bool {
	set := map[int64]bool{}
	for _, trees := range mem.Servers {
		if sm, ok := trees[tree]; ok {
			set[sm.standing()], set[sm.Seen] = true, true
		}
	}
	return set
}

// sameContent compares the file lists where both exist, and the anchors. Without
// lists and anchors nothing is known, so nothing is the same.
func sameContent(a, b Recorded) bool {
	if (a.Recalled || b.Recalled) && a.List.known() && b.List.known() { // anchors chosen by different patterns
		return *a.List == *b.List && !conflicting(a.Anchors, b.Anchors)
	}
	if !slices.Equal(a.Anchors, b.Anchors) {
		return false
	}
	if a.List.known() && b.List.known() {
		return *a.List == *b.List
	}
	return len(a.Anchors) > 0
}

// known: a list that was made here. One remembered from a manifest has only counts.
func (l *ListSum) known() bool { return l != nil && l.Digest != "" }

// isRecorded reports whether a look at the master shows a recorded timestamp with its recorded anchors.
func (tm TreeMemory) isRecorded(m MasterReading) bool {
	r := tm.find(m.Timestamp)
	return r != nil && slices.Equal(r.Anchors, m.Anchors)
}

// later lists what is recorded above the announced timestamp, oldest first.
func (tm TreeMemory) later() []Recorded {
	for i, r := range tm.Recorded {
		if r.Timestamp > tm.Announced {
			return tm.Recorded[i:]
		}
	}
	return nil
}

// differing lists the anchors of set that base does not hold the same.
func differing(base, set []manifest.Anchor) []manifest.Anchor {
	held := byPath(base)
	var diff []manifest.Anchor
	for _, a := range set {
		if held[a.Path] != a {
			diff = append(diff, a)
		}
	}
	return diff
}

func byPath(anchors []manifest.Anchor) map[string]manifest.Anchor {
	m := make(map[string]manifest.Anchor, len(anchors))
	for _, a := range anchors {
		m[a.Path] = a
	}
	return m
}

// at is the second of a look, or now when the look claims to be later than that.
func at(t strictjson.Time, now time.Time) strictjson.Time {
	if t.IsZero() || t.After(now) {
		return strictjson.At(now)
	}
	return t
}
