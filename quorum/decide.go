package quorum

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"tidemark/internal/rsyncurl"
	"tidemark/internal/strictjson"
	"tidemark/inventory"
	"tidemark/manifest"
)

// entry is one tree at one server on its way through a decision.
type entry struct {
	server  inventory.Server
	tree    string
	url     rsyncurl.URL
	silent  bool // not asked in this round: what was known stands
	rested  bool // not asked, for it failed again and again
	finding finding
	before  ServerMemory // the memory before this round
	memory  ServerMemory // after the finding
	state   State        // the finding seen from what is announced
	offer   int64        // the timestamp at which the manifest in force lists it, 0: not listed
	would   int64        // the one at which a new manifest would; differs from offer while the guard holds
}

func (e entry) place() place  { return place{e.server.ID, e.tree} }
func (e entry) counted() bool { return e.server.Kind == manifest.KindNode && !e.server.Maintenance }

// decision carries what Decide works on.
type decision struct {
	policy   Policy
	previous *manifest.Manifest
	before   Memory // recorded, but nothing judged
	memory   Memory
	now      time.Time
	entries  []entry // sorted by server, tree
	reports  []TreeReport
	listed   map[place]manifest.SourceTree // in previous, those with slots or without

	asked     map[string]bool     // the servers that were asked, nil for all
	rested    map[place]bool      // what was left out for back-off
	suspects  map[string]suspects // timestamps whose list, the master's, is not believed, by tree
	unread    map[string]bool     // trees of which lists can be read, so that who never gives one is told so
	announced map[string]int64    // in memory as it came, by tree
	held      bool                // by the guard: previous stays in force
	withheld  map[string]int64    // what the guard keeps from being announced, by tree
}

// Decide concludes. Pure: the same input gives the same output. previous may be nil (first run).
// It records r.Masters first; recording the same readings twice changes nothing. Of servers that are not in r.Asked, when
// that is not nil, all stands that is known.
//
// When the guard holds, Decision.Manifest is what would be published. Decision.Memory announces nothing: what was
// not published was not announced; verdicts and reports describe what is in force, and say what is held back.
func Decide(r Readings, p Policy, previous *manifest.Manifest, mem Memory, now time.Time) Decision {
	d := decision{policy: p, previous: previous, now: now, listed: listing(previous), asked: r.asks(), rested: r.rested(), announced: map[string]int64{}}
	for name, tm := range mem.Trees {
		d.announced[name] = tm.Announced
	}
	d.before = Record(mem, r.Masters, p, previous, now)
	d.memory = clone(d.before)
	d.judge(r.Servers)
	for _, name := range slices.Sorted(maps.Keys(p.Trees)) {
		d.reports = append(d.reports, d.announce(name))
	}
	d.conclude()
	m := d.manifest()
	guard := d.guard()
	if guard.Held {
		d.hold()
	}
	for i := range d.reports {
		d.explain(&d.reports[i], r.Masters)
	}
	return Decision{Manifest: m, Verdicts: d.verdicts(), Memory: d.memory, Trees: d.reports, Guard: guard}
}

// judge finds out what each server holds.
func (d *decision) judge(readings []Reading) {
	byPlace := map[place][]Reading{}
	for _, r := range readings {
		byPlace[place{r.Server, r.Tree}] = append(byPlace[place{r.Server, r.Tree}], r)
	}
	d.entries = carriers(d.policy)
	d.suspects, d.unread = suspected(d.entries, d.before, byPlace), d.policy.readable(d.entries, d.before, d.now)
	for i := range d.entries {
		e := &d.entries[i]
		e.before = d.before.Servers[e.server.ID][e.tree].under(e.url)
		e.memory = e.before
		switch {
		case e.server.Maintenance:
			e.finding = finding{state: Maintenance, text: "it is in maintenance, so it was not asked"}
			e.memory.Soft, e.memory.Valid = 0, false
		case e.url.IsZero():
			e.finding = finding{state: Unknown, cause: CauseNoURL, text: "it has no rsync URL for this tree, so it cannot be checked"}
			e.memory.Soft, e.memory.Valid = 0, false
		case d.asked != nil && !d.asked[e.server.ID]:
			d.notAsked(e)
		case d.rested[e.place()] && len(byPlace[e.place()]) == 0 && e.memory.Soft > softLimit && !e.memory.Valid:
			d.resting(e)
		default:
			tm := d.before.Trees[e.tree]
			j := judge{
				tree: tm, present: tm.unrecorded(), server: e.memory, maxHold: d.policy.MaxHold, now: d.now,
				excludes: len(e.server.Exclude) > 0, subset: e.server.Partial && len(e.server.Exclude) == 0, lists: d.policy.Lists[e.tree], suspects: d.suspects[e.tree],
			}
			if d.unread[e.tree] {
				j.unread = d.policy.unread
			}
			e.finding = j.judgeAll(byPlace[e.place()])
			e.memory = d.asPublished(d.spared(e.memory, e.memory.after(e.finding, d.now), e.finding), *e)
			e.memory = d.contest(e.memory, *e)
		}
	}
}

// ballot is where the nodes of a tree stand.
func (d *decision) ballot(tree string) ballot {
	var b ballot
	for _, e := range d.entries {
		if e.tree != tree || !e.counted() {
			continue
		}
		b.counted++
		if v := e.memory.standing(); v != 0 {
			b.verified = append(b.verified, v)
		}
	}
	return b
}

// announce moves a tree forward when a quorum has reached something newer.
func (d *decision) announce(name string) TreeReport {
	tm, q, b := d.memory.Trees[name], d.policy.Trees[name].Quorum, d.ballot(name)
	report := TreeReport{Tree: name}
	if elected := tm.elect(q, b); elected != 0 {
		tm = tm.announce(elected)
		d.memory.Trees[name] = tm
		report.New = true
	}
	report.Announced = tm.Announced
	report.Nodes = b.nodes(q, max(tm.Announced, 1))
	if waiting := tm.waiting(q, b); len(waiting) > 0 {
		report.Pending = waiting[len(waiting)-1].Timestamp
		report.Waiting = waiting[0].At
		report.Overdue = d.now.Sub(report.Waiting.Time) > d.policy.Trees[name].MaxWait
		if tm.Announced == 0 {
			report.Nodes = b.nodes(q, report.Pending)
		}
	}
	return report
}

// conclude sees every finding from what is announced now, and remembers it.
func (d *decision) conclude() {
	later := map[string][]Recorded{}
	for name := range d.policy.Trees {
		later[name] = d.later(name)
	}
	for i := range d.entries {
		e := &d.entries[i]
		tm := d.memory.Trees[e.tree]
		e.state = e.finding.state
		if e.state == Verified {
			switch {
			case e.memory.Timestamp < tm.Announced:
				e.state = Behind
			case e.memory.Timestamp > tm.Announced:
				e.state = Ahead
			}
		}
		e.would = offered(*e, tm, later[e.tree])
		if _, listed := d.listed[e.place()]; e.silent && !listed && d.overtaken(*e) {
			e.would = 0 // another publisher saw something that we did not
		}
		if !e.memory.Contested.IsZero() {
			e.would = 0
		}
		if !e.silent {
			e.memory.Offered = e.would != 0
		}
		if e.offer = e.would; d.held {
			e.offer = d.listed[e.place()].Timestamp
		}
		e.memory.State, e.memory.StateSince = e.state, e.before.StateSince
		if e.before.State != e.state {
			e.memory.StateSince = strictjson.At(d.now)
		}
		if e.memory.Reason = e.before.Reason; !d.standsAsSaid(*e, tm) {
			e.memory.Reason = d.reason(*e, tm)
		}
		id := e.server.ID
		if d.memory.Servers[id] == nil {
			d.memory.Servers[id] = map[string]ServerMemory{}
		}
		d.memory.Servers[id][e.tree] = e.memory
	}
}

// asPublished takes from the manifest published last what it says of the same verification: another publisher may
// have come to it earlier, and two that keep their own word would publish against each other for ever.
func (d *decision) asPublished(sm ServerMemory, e entry) ServerMemory {
	st, ok := d.listed[e.place()]
	if !ok || !sm.Valid || st.URL != sm.URL || st.Timestamp != sm.Timestamp {
		return sm
	}
	sm.Since = st.Since
	// that manifest did not know of our last look at the list
	unheard := d.previous != nil && (sm.Listed.After(d.previous.Issued.Time) || sm.ListTried.After(d.previous.Issued.Time))
	if !unheard && (e.finding.kept && sm.Depth == e.before.Depth || e.finding.soft) {
		sm.Depth = st.Depth
	}
	if e.finding.soft {
		sm.Families = slices.Clone(st.Families)
	}
	return sm
}

func listing(m *manifest.Manifest) map[place]manifest.SourceTree {
	listed := map[place]manifest.SourceTree{}
	if m != nil {
		for _, source := range m.Sources {
			for tree, st := range source.Trees {
				listed[place{source.ID, tree}] = st
			}
		}
	}
	return listed
}

// hold sees everything from what stays in force: the manifest published last.
func (d *decision) hold() {
	d.held, d.withheld = true, map[string]int64{}
	for i := range d.reports {
		r := &d.reports[i]
		announced := d.before.Trees[r.Tree].Announced
		if r.New {
			d.withheld[r.Tree] = r.Announced
			r.Nodes = d.ballot(r.Tree).nodes(d.policy.Trees[r.Tree].Quorum, cmp.Or(announced, r.Announced))
		}
		r.Announced, r.New, r.Admit = announced, false, d.published(r.Tree).Admit
	}
	d.memory.Trees = d.before.Trees
	d.conclude()
}

// guard asks the guard.
func (d *decision) guard() GuardReport {
	states := map[place]State{}
	for _, e := range d.entries {
		if !e.silent && (e.state != Busy || !e.memory.Valid) { // busy is a sign of life, while an earlier check still holds
			states[e.place()] = e.state
		}
	}
	report, memory := watch(d.previous, states, d.policy, d.before.Guard, d.asked != nil, d.now)
	d.memory.Guard = memory
	return report
}

func (d *decision) verdicts() []Verdict {
	verdicts := make([]Verdict, 0, len(d.entries))
	for _, e := range d.entries {
		v := Verdict{
			Server: e.server.ID, Kind: e.server.Kind, Tree: e.tree, State: e.state, Counted: e.counted(),
			Source: e.offer != 0 && e.server.Slots > 0, Reason: e.memory.Reason, URL: e.url,
			Address: e.finding.reading.Address, Raw: e.finding.reading.Raw, Timestamp: e.finding.said,
			Since: e.memory.StateSince, Good: e.memory.Good,
			Cause: e.finding.cause, Listed: e.memory.Listed, List: e.memory.List, Soft: e.memory.Soft, Rested: e.rested, Unread: e.memory.ListFailed,
		}
		if e.memory.Valid {
			v.Depth = e.memory.Depth
		}
		if next := e.memory.nextAsk(e, d.policy); !next.IsZero() {
			v.Next = strictjson.At(next)
		}
		verdicts = append(verdicts, v)
	}
	return verdicts
}
