package inventory

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// Merged is an inventory after a list was imported into it again.
type Merged struct {
	Servers              []Server // sorted by id
	Added, Changed, Gone []string // ids, sorted
}

// Merge puts list, as [Import] gives it, into the servers that are declared now. Of a server that both have, the list says where it is:
// the tree's URL, country, city and asn; the rest stays as declared, and who is private or partial by either is. A server that the
// list has no more goes, but for nodes and those that carry other trees: these were never the list's alone.
func Merge(now, list []Server, tree string) Merged {
	var m Merged
	listed := map[string]Server{}
	for _, s := range list {
		listed[s.ID] = s
	}
	for _, s := range now {
		l, ok := listed[s.ID]
		delete(listed, s.ID)
		_, had := s.Trees[tree]
		switch {
		case ok:
			s, l = merge(s, l, tree), s
			if !slices.Equal(fields(s), fields(l)) {
				m.Changed = append(m.Changed, s.ID)
			}
		case had && s.Kind != KindNode && len(s.Trees) > 1:
			s.Trees = maps.Clone(s.Trees)
			delete(s.Trees, tree)
			m.Changed = append(m.Changed, s.ID)
		case had && s.Kind != KindNode:
			m.Gone = append(m.Gone, s.ID)
			continue
		}
		m.Servers = append(m.Servers, s)
	}
	for _, id := range sortedKeys(listed) {
		m.Added = append(m.Added, id)
		m.Servers = append(m.Servers, listed[id])
	}
	slices.SortFunc(m.Servers, func(a, b Server) int { return cmp.Compare(a.ID, b.ID) })
	slices.Sort(m.Changed)
	slices.Sort(m.Gone)
	return m
}

func merge(s, l Server, tree string) Server {
	s.Trees = maps.Clone(s.Trees)
	s.Trees[tree] = l.Trees[tree]
	s.Country, s.City, s.ASN = cmp.Or(l.Country, s.Country), cmp.Or(l.City, s.City), cmp.Or(l.ASN, s.ASN)
	s.Group = cmp.Or(s.Group, l.Group)
	s.Private = s.Private || l.Private
	s.Partial = s.Partial || l.Partial && s.Kind != KindNode // a node counts for the quorum
	return s
}

// Lost names what is declared now and would be lost if list took the place of it: "ftp.example.org (key, slots)". What no list has is
// meant: servers of other trees, nodes, keys, and so on; not servers that the list has no more, which [Merged] counts.
func Lost(now, list []Server, tree string) (out []string) {
	listed := map[string]Server{}
	for _, s := range list {
		listed[s.ID] = s
	}
	for _, s := range now {
		l, ok := listed[s.ID]
		var own []string
		add := func(given bool, key string) {
			if given {
				own = append(own, key)
			}
		}
		add(s.Kind == KindNode, "kind")
		add(s.Key != "", "key")
		add(s.Maintenance, "maintenance")
		add(s.Private && !l.Private, "private")
		add(s.Partial && len(s.Exclude) == 0 && !l.Partial, "partial")
		add(len(s.Exclude) > 0, "exclude")
		add(s.MaxConnections > 0, "max_connections")
		add(s.Kind == KindMirror && s.MaxConnections == 0 && s.Slots != defaultMirrorSlots, "slots")
		add(s.Group != "" && s.Group != l.Group, "group")
		for _, name := range sortedKeys(s.Trees) {
			add(name != tree, "trees."+name)
		}
		if !ok && s.Kind == KindMirror && len(s.Trees) == 1 && s.Trees[tree].String() != "" {
			continue // it is gone
		}
		if len(own) > 0 {
			out = append(out, s.ID+" ("+strings.Join(own, ", ")+")")
		}
	}
	return out
}
