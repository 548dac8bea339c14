package quorum

import (
	"cmp"
	"slices"

	"tidemark/internal/strictjson"
	"tidemark/inventory"
	"tidemark/manifest"
)

// forget drops what is remembered of servers and trees that the inventory no
// longer has. A tree's own memory stays: it must never go backwards.
func forget(mem Memory, p Policy) {
	carried := map[string]inventory.Server{}
	for _, s := range p.Servers {
		carried[s.ID] = s
	}
	for id, trees := range mem.Servers {
		for tree := range trees {
			if _, ok := carried[id].Trees[tree]; !ok {
				delete(trees, tree)
			}
		}
		if len(trees) == 0 {
			delete(mem.Servers, id)
		}
	}
}

// recall takes from the manifest published last what memory lacks.
func recall(mem Memory, p Policy, previous *manifest.Manifest) {
	if previous == nil {
		return
	}
	for name, tree := range previous.Trees {
		if _, ours := p.Trees[name]; ours {
			mem.Trees[name] = mem.Trees[name].recall(tree, previous.Issued)
		}
	}
	carried := map[string]inventory.Server{}
	for _, s := range p.Servers {
		carried[s.ID] = s
	}
	for _, source := range previous.Sources {
		for tree, st := range source.Trees {
			if _, ok := carried[source.ID].Trees[tree]; ok {
				recallServer(mem, source.ID, tree, st)
			}
		}
	}
}

// recall is the tree's memory, at least as far as a published tree.
func (tm TreeMemory) recall(tree manifest.Tree, issued strictjson.Time) TreeMemory {
	if tree.Timestamp < tm.Announced {
		return tm
	}
	r := Recorded{Timestamp: tree.Timestamp, Anchors: sortedAnchors(tree.Anchors), At: tree.Announced, Recalled: true}
	if tree.Files != 0 || tree.Bytes != 0 {
		r.List = &ListSum{Files: tree.Files, Bytes: tree.Bytes}
	}
	tm = tm.heed(r)
	if tree.Timestamp > tm.Announced {
		tm = tm.announce(tree.Timestamp)
	}
	for _, l := range tree.Later {
		tm = tm.heed(Recorded{Timestamp: l.Timestamp, Anchors: overlay(tree.Anchors, l.Anchors), At: issued, Recalled: true})
	}
	return tm.tidy()
}

// heed takes over a published set that is not recorded here, or that another publisher has recorded with other
// content: what is published is what clients hold.
func (tm TreeMemory) heed(published Recorded) TreeMemory {
	held := tm.find(published.Timestamp)
	switch {
	case held == nil:
		tm.Recorded = append(slices.Clone(tm.Recorded), published)
	case conflicting(held.Anchors, published.Anchors):
		tm.Recorded = slices.Clone(tm.Recorded)
		*tm.find(published.Timestamp) = published
	}
	return tm
}

// overlay is base with the anchors of diff put over it.
func overlay(base, diff []manifest.Anchor) []manifest.Anchor {
	set := byPath(base)
	for _, a := range diff {
		set[a.Path] = a
	}
	all := make([]manifest.Anchor, 0, len(set))
	for _, a := range set {
		all = append(all, a)
	}
	slices.SortFunc(all, func(a, b manifest.Anchor) int { return cmp.Compare(a.Path, b.Path) })
	return all
}

// recallServer remembers a listed source of which memory knows nothing. Deep
// stays zero, so that its content is looked at in the next round.
func recallServer(mem Memory, id, tree string, st manifest.SourceTree) {
	if _, known := mem.Servers[id][tree]; known {
		return
	}
	if mem.Servers[id] == nil {
		mem.Servers[id] = map[string]ServerMemory{}
	}
	mem.Servers[id][tree] = ServerMemory{
		URL: st.URL, State: Verified, StateSince: st.Since, Reason: "listed in the manifest published last",
		Timestamp: st.Timestamp, Since: st.Since, Depth: st.Depth, Families: slices.Clone(st.Families),
		Highest: st.Timestamp, Seen: st.Timestamp, Valid: true,
	}
}
