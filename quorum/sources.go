package quorum

import (
	"slices"
	"time"

	"tidemark/internal/geo"
	"tidemark/internal/strictjson"
	"tidemark/manifest"
)

// answeredWithin: a mirror that was silent for longer is not one that can be verified.
const answeredWithin = 24 * time.Hour

// offerable: it may be listed at all. Mirrors cannot sync from an rsync+tls URL.
func (e entry) offerable() bool {
	return !e.url.TLS() && !e.server.Maintenance && !e.server.Partial && !e.server.Private
}

// offered is the timestamp at which the manifest lists a server for a tree, 0 for not at all: while its
// verification stands at the announced timestamp or at one of the later ones that the manifest carries.
func offered(e entry, tm TreeMemory, later []Recorded) int64 {
	standing := e.memory.standing()
	listed := standing == tm.Announced || slices.ContainsFunc(later, func(r Recorded) bool { return r.Timestamp == standing })
	if !e.offerable() || tm.Announced == 0 || standing == 0 || !listed {
		return 0
	}
	return standing
}

// later lists the later sets of a tree that the manifest carries: those that bring news, and those at which a
// source stands, so that it does not look malicious. One that brings no news and has no source is not worth a
// publication. One that was recalled stays as published until the master has said what it is.
func (d *decision) later(tree string) []Recorded {
	tm := d.memory.Trees[tree]
	stands := map[int64]bool{}
	for _, e := range d.entries {
		if e.tree == tree && e.offerable() {
			stands[e.memory.standing()] = true
		}
	}
	for _, l := range d.published(tree).Later {
		if r := tm.find(l.Timestamp); r != nil && r.Recalled {
			stands[l.Timestamp] = true
		}
	}
	later := slices.DeleteFunc(slices.Clone(tm.later()), func(r Recorded) bool { return r.NoNews && !stands[r.Timestamp] })
	return later[max(0, len(later)-manifest.MaxLater):]
}

// manifest is the document, without what publishing adds.
func (d *decision) manifest() *manifest.Manifest {
	m := &manifest.Manifest{
		Schema: manifest.Schema, Network: d.policy.Network, Trees: map[string]manifest.Tree{}, Sources: d.sources(),
		Policy: manifest.Policy{
			CheckInterval: int64(d.policy.CheckInterval / time.Second), MaxHold: int64(d.policy.MaxHold / time.Second), Nearby: map[string][]string{},
		},
	}
	for country, near := range d.policy.Nearby {
		m.Policy.Nearby[country] = slices.Clone(near)
	}
	for i := range d.reports {
		if r := &d.reports[i]; r.Announced != 0 {
			m.Trees[r.Tree] = d.tree(r)
		}
	}
	d.share(m)
	return m
}

// sources lists every server that is offered for a tree, sorted by id.
func (d *decision) sources() []manifest.Source {
	var list []manifest.Source
	for _, e := range d.entries {
		if e.offer == 0 {
			continue
		}
		if len(list) == 0 || list[len(list)-1].ID != e.server.ID {
			list = append(list, manifest.Source{
				ID: e.server.ID, Kind: e.server.Kind, Country: e.server.Country, Continent: geo.Continent(e.server.Country),
				ASN: e.server.ASN, Slots: e.server.Slots, Trees: map[string]manifest.SourceTree{},
			})
		}
		list[len(list)-1].Trees[e.tree] = manifest.SourceTree{
			URL: e.url, Timestamp: e.offer, Since: e.memory.Since, Depth: e.memory.Depth, Families: slices.Clone(e.memory.Families),
		}
	}
	return list
}

// tree is what the manifest says of an announced tree.
func (d *decision) tree(r *TreeReport) manifest.Tree {
	tm := d.memory.Trees[r.Tree]
	set := *tm.find(tm.Announced)
	before := d.published(r.Tree)
	t := manifest.Tree{
		Timestamp: tm.Announced, Announced: strictjson.At(d.now), TimeFile: d.policy.Trees[r.Tree].TimeFile,
		Nodes: r.Nodes, Anchors: slices.Clone(set.Anchors),
	}
	if before.Timestamp == tm.Announced {
		t.Announced, t.Files, t.Bytes = before.Announced, before.Files, before.Bytes
	}
	if set.List != nil && t.Files == 0 && t.Bytes == 0 {
		t.Files, t.Bytes = set.List.Files, set.List.Bytes
	}
	for _, l := range d.later(r.Tree) {
		t.Later = append(t.Later, manifest.Later{Timestamp: l.Timestamp, Anchors: differing(set.Anchors, l.Anchors)})
	}
	r.Admit = admit(d.fleet(r.Tree), tm.Announced, before)
	t.Admit = r.Admit
	return t
}

// published is the tree in the manifest published last, the zero Tree when it was not there.
func (d *decision) published(name string) manifest.Tree {
	if d.previous == nil {
		return manifest.Tree{}
	}
	return d.previous.Trees[name]
}

// fleet counts the mirrors of a tree for its admission.
func (d *decision) fleet(tree string) fleet {
	var f fleet
	announced := d.memory.Trees[tree].Announced
	for _, e := range d.entries {
		if e.tree != tree {
			continue
		}
		if e.offer != 0 {
			f.slots += int64(e.server.Slots)
		}
		if e.server.Kind == manifest.KindNode || e.server.Maintenance {
			continue
		}
		f.mirrors++
		if standing := e.memory.standing(); standing != 0 && standing >= announced {
			f.verified++
			f.able++
		} else if d.able(e) {
			f.able++
		}
	}
	return f
}

// able: the mirror can be verified, since it has an rsync URL and answered lately.
func (d *decision) able(e entry) bool {
	answered := e.memory.Answered
	return !e.url.IsZero() && e.state != Refused && !answered.IsZero() && d.now.Sub(answered.Time) < answeredWithin
}
