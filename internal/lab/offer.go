package lab

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"tidemark/internal/geo"
	"tidemark/internal/rsyncurl"
	"tidemark/internal/strictjson"
	"tidemark/internal/timefile"
	"tidemark/manifest"
	"tidemark/probe"
)

// TreeAt describes the tree in dir as a manifest announces it: timestamp, files, bytes and the anchors that Anchors finds;
// everybody is admitted.
func TreeAt(ctx context.Context, dir string, now time.Time) (manifest.Tree, error) {
	r := probe.Master(ctx, probe.MasterAsk{Tree: "lab", Dir: dir, TimeFile: TimeFile, Anchors: Anchors()}, probe.Options{Now: func() time.Time { return now }})
	if r.Failure != nil {
		return manifest.Tree{}, fmt.Errorf("describing tree %s: %s", dir, r.Failure.Text)
	}
	t := manifest.Tree{Timestamp: r.Timestamp, Announced: strictjson.At(now), TimeFile: TimeFile, Anchors: r.Anchors,
		Nodes: manifest.Nodes{Verified: 1, Counted: 1, Quorum: 1}, Admit: manifest.FullAdmission}
	if r.List != nil {
		t.Files, t.Bytes = r.List.Files, r.List.Bytes
	}
	return t, nil
}

// Offer is a source of one tree, verified to the depth of its listing over IPv4; change what should be otherwise.
func Offer(id, kind, country, tree, url string, timestamp int64, now time.Time) (manifest.Source, error) {
	u, err := rsyncurl.Parse(url)
	if err != nil {
		return manifest.Source{}, fmt.Errorf("offering %s: %w", id, err)
	}
	s := manifest.Source{ID: id, Kind: kind, Country: country, Continent: geo.Continent(country), Slots: 2, Trees: map[string]manifest.SourceTree{
		tree: {URL: u, Timestamp: timestamp, Since: strictjson.At(now), Depth: manifest.DepthListing, Families: []int{4}}}}
	if kind == manifest.KindNode {
		s.Slots = 4
	}
	return s, nil
}

// Policy is the one that publishers give by default.
func Policy() manifest.Policy {
	return manifest.Policy{CheckInterval: 300, MaxHold: 7200, Nearby: geo.Nearby()}
}

// Manifest describes the network as a publisher would who sees all of it at once: every tree as its master is, and as
// sources the servers that are up, follow, and are in date. Serial, times and trust version are left to [Publisher.Publish].
func (n *Network) Manifest(ctx context.Context, now time.Time) (*manifest.Manifest, error) {
	m := &manifest.Manifest{Trees: map[string]manifest.Tree{}, Policy: Policy()}
	for name, t := range n.Trees {
		tree, err := TreeAt(ctx, t.Dir, now)
		if err != nil {
			return nil, err
		}
		m.Trees[name] = tree
	}
	for _, s := range n.Servers {
		source, err := s.offer(m, now)
		if err != nil {
			return nil, err
		}
		if len(source.Trees) > 0 {
			m.Sources = append(m.Sources, source)
		}
	}
	slices.SortFunc(m.Sources, func(a, b manifest.Source) int { return strings.Compare(a.ID, b.ID) })
	return m, nil
}

func (s *Site) offer(m *manifest.Manifest, now time.Time) (manifest.Source, error) {
	var all manifest.Source
	if s.stop == nil || s.Role != Follow && s.Role != "" {
		return all, nil
	}
	for _, tree := range s.Trees {
		b, err := os.ReadFile(filepath.Join(s.Dir, tree, TimeFile))
		if err != nil {
			return all, fmt.Errorf("offering %s: %w", s.ID, err)
		}
		ts, err := timefile.Parse(b)
		if err != nil {
			return all, fmt.Errorf("offering %s: %w", s.ID, err)
		}
		if ts != m.Trees[tree].Timestamp {
			continue
		}
		one, err := Offer(s.ID, s.kind(), s.Country, tree, s.URL(tree), ts, now)
		if err != nil {
			return all, err
		}
		if all.Trees != nil {
			all.Trees[tree] = one.Trees[tree]
			continue
		}
		all = one
		all.ASN = s.ASN
	}
	return all, nil
}
