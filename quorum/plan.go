package quorum

import (
	"cmp"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"tidemark/inventory"
	"tidemark/manifest"
)

// maxAsked is the most anchors that are asked of one server in one round.
const maxAsked = 200

// Plan says what to ask of every server. rnd chooses the sample.
//
// Servers in maintenance, and trees without an rsync URL, are not in it. Those that are not to be asked in this round, for they
// failed again and again, are, with Rest: a claim may wake them (Claims.Heed); then Rested and Awake part the plan.
// Sorted by server, tree.
func Plan(mem Memory, p Policy, now time.Time, rnd *rand.Rand) []Ask {
	choices, sizes, files := map[string]choice{}, map[string]map[string]int64{}, map[string]int64{}
	for name := range p.Trees {
		choices[name], sizes[name], files[name] = mem.Trees[name].choice(), mem.Trees[name].sizes(), mem.Trees[name].files()
	}
	asked := slices.DeleteFunc(carriers(p), func(e entry) bool { return e.server.Maintenance || e.url.IsZero() })
	backsOff, suspects := backsOff(mem, p, asked), suspected(asked, mem, nil)
	asks := make([]Ask, 0, len(asked))
	for _, e := range asked {
		a := Ask{
			Server: e.server.ID, Tree: e.tree, URL: e.url, TimeFile: p.Trees[e.tree].TimeFile, Files: files[e.tree],
			Exclude: slices.Concat(p.Trees[e.tree].Exclude, e.server.Exclude), Subset: e.server.Partial && len(e.server.Exclude) == 0, Group: e.server.Group,
			First: e.server.Kind == inventory.KindNode,
		}
		a.Rest = backsOff && mem.Servers[e.server.ID][e.tree].rests(e, p, now)
		a.Known, a.Addresses, a.Deep = mem.Servers[e.server.ID][e.tree].known(e, p, suspects[e.tree], now)
		a.Anchors = choices[e.tree].draw(p.Sample, rnd)
		for _, path := range a.Anchors {
			a.Largest, a.Bytes = max(a.Largest, sizes[e.tree][path]), a.Bytes+sizes[e.tree][path]
		}
		asks = append(asks, a)
	}
	p.lists(asks, asked, mem, now, rnd)
	return asks
}

// place is one tree at one server.
type place struct{ server, tree string }

// known is the timestamp that needs no deeper look, at which addresses, and whether one
// is due all the same: the timestamp at which the content was verified, or one that is
// too old whatever the content. Of another URL nothing is known.
func (sm ServerMemory) known(e entry, p Policy, suspects suspects, now time.Time) (timestamp int64, addresses []string, deep bool) {
	switch {
	case sm.URL != e.url:
	case (sm.State == Verified || sm.State == Ahead) && sm.Valid && sm.Depth != manifest.DepthTime && len(sm.Addresses) > 0:
		return sm.Timestamp, slices.Clone(sm.Addresses), sm.due(e.place(), p.Recheck, now)
	case sm.old():
		return sm.Seen, nil, false
	case sm.List.atFault() && sm.Seen == sm.List.Timestamp && sm.State == sm.List.State && !suspects.at(sm.Seen),
		sm.silentOnList() && slices.Contains(p.Lists[e.tree], sm.Seen):
		return sm.Seen, nil, false // until its time file moves, or its list is looked at again
	}
	return 0, nil, true
}

// old: at a timestamp that is too old, whatever the content.
func (sm ServerMemory) old() bool {
	return sm.State == Behind || sm.State == Wrong && sm.Last.Cause == CauseRegression
}

// due reports whether the content must be looked at again. Between three quarters
// of recheck and the whole of it, a share of the servers comes due in each round.
func (sm ServerMemory) due(pl place, recheck time.Duration, now time.Time) bool {
	age := now.Sub(sm.Deep.Time)
	return age < 0 || age >= recheck-share(recheck/4, pl, sm.Deep)
}

// choice is what to ask about a tree: all of must, and some of rest.
type choice struct{ must, rest []string }

// choice sorts the tree's anchors: those that changed with the last announcement
// or differ at any newer timestamp, and the others.
func (tm TreeMemory) choice() choice {
	base := tm.find(tm.Announced)
	must := map[string]bool{}
	if base == nil {
		for _, r := range tm.Recorded {
			addPaths(must, r.Anchors)
		}
		return choice{must: slices.Sorted(maps.Keys(must))}
	}
	for _, path := range tm.Changed {
		must[path] = true
	}
	for _, r := range tm.later() {
		addPaths(must, differing(base.Anchors, r.Anchors))
	}
	for _, look := range []*MasterReading{tm.Unsettled, tm.Master} {
		if look != nil && look.Timestamp >= tm.Announced {
			addPaths(must, differing(base.Anchors, look.Anchors))
		}
	}
	c := choice{must: slices.Sorted(maps.Keys(must))}
	for _, a := range base.Anchors {
		if !must[a.Path] {
			c.rest = append(c.rest, a.Path)
		}
	}
	return c
}

// sizes gives each anchor's size, the largest of all that is recorded or was seen on the master.
func (tm TreeMemory) sizes() map[string]int64 {
	largest := map[string]int64{}
	note := func(anchors []manifest.Anchor) {
		for _, a := range anchors {
			largest[a.Path] = max(largest[a.Path], a.Size)
		}
	}
	for _, r := range tm.Recorded {
		note(r.Anchors)
	}
	for _, look := range []*MasterReading{tm.Unsettled, tm.Master} {
		if look != nil {
			note(look.Anchors)
		}
	}
	return largest
}

func addPaths(set map[string]bool, anchors []manifest.Anchor) {
	for _, a := range anchors {
		set[a.Path] = true
	}
}

// draw takes all of must and n of the rest by chance, at least one and at most maxAsked in all. Sorted.
func (c choice) draw(n int, rnd *rand.Rand) []string {
	sample := some(c.rest, min(max(n, 1), maxAsked), rnd)
	asked := append(some(c.must, maxAsked-len(sample), rnd), sample...)
	slices.Sort(asked)
	return asked
}

// some draws n of all without repetition.
func some(all []string, n int, rnd *rand.Rand) []string {
	if len(all) <= n {
		return slices.Clone(all)
	}
	drawn := make([]string, 0, n)
	for _, i := range rnd.Perm(len(all))[:n] {
		drawn = append(drawn, all[i])
	}
	return drawn
}

// carriers lists every tree of the policy at every server that carries it, sorted by server, tree.
func carriers(p Policy) []entry {
	servers := slices.Clone(p.Servers)
	slices.SortFunc(servers, func(a, b inventory.Server) int { return cmp.Compare(a.ID, b.ID) })
	list := make([]entry, 0, len(servers))
	for _, s := range servers {
		for _, tree := range slices.Sorted(maps.Keys(s.Trees)) {
			if _, ours := p.Trees[tree]; ours {
				list = append(list, entry{server: s, tree: tree, url: s.Trees[tree]})
			}
		}
	}
	return list
}
