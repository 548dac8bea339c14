package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"tidemark/client"
	"tidemark/config"
	"tidemark/internal/console"
	"tidemark/internal/rsyncurl"
	"tidemark/manifest"
	"tidemark/rsync"
	"tidemark/treesync"
)

// plan is what is to be done with one tree, and why.
type plan struct {
	name     string
	tree     config.MirrorTree
	announce manifest.Tree
	held     treesync.Held
	decision client.Decision
	memory   treesync.Memory
	issued   time.Time // when the newest manifest was: it cannot be earlier by now
}

// names are the trees that this run looks at, in their order.
func (j *journey) names() []string {
	if len(j.opt.trees) == 0 {
		return slices.Sorted(maps.Keys(j.cfg.Trees))
	}
	return slices.Compact(slices.Sorted(slices.Values(j.opt.trees)))
}

// decide says for each tree that was not tried yet whether it is to be synced, or held until it is admitted, and remembers
// since when a tree is behind. A tree that cannot be looked at is no reason to leave the others.
func (j *journey) decide() (due, held []plan, err error) {
	behind, err := j.memory.behind()
	if err != nil {
		return nil, nil, err
	}
	now := j.view.Opened.Manifest
	if !j.opt.dry {
		j.memory.noteAnnounced(j.cfg, now)
	}
	for _, name := range j.names() {
		if j.reports[name].tried() {
			continue
		}
		if err := j.memory.mistyped(j.cfg, now, name, behind[name]); err != nil {
			j.failed(name, err)
			continue
		}
		p, err := j.planFor(name, behind[name])
		if err != nil {
			j.failed(name, err)
			continue
		}
		if p.decision.Behind == nil {
			delete(behind, name)
		} else {
			behind[name] = p.decision.Behind
		}
		action := j.action(p)
		if action == client.Gone && len(j.opt.trees) > 0 {
			j.failed(name, j.notAnnounced(p))
			continue
		}
		j.planned(p)
		switch action {
		case client.Sync:
			if until, why := j.restsUntil(name); why != "" {
				j.failed(name, &resting{name, until, why})
				continue
			}
			due = append(due, p)
		case client.Hold:
			held = append(held, p)
		}
	}
	if j.opt.dry {
		return due, held, nil
	}
	return due, held, j.memory.saveBehind(behind)
}

// notAnnounced is the error of a tree that was asked for and that the manifest does not have.
func (j *journey) notAnnounced(p plan) error {
	trees := strings.Join(slices.Sorted(maps.Keys(j.view.Opened.Manifest.Trees)), ", ")
	return console.Hinted(fmt.Errorf("%s: %s", p.name, p.decision.Reason), "the network's trees are %s: name it so in %s", trees, j.cfg.File)
}

// latest is now, or when the newest manifest was issued, which proves a clock wrong that is behind that.
func latest(now, issued time.Time) time.Time {
	if issued.After(now) {
		return issued
	}
	return now
}

// planFor reads a tree's own time file, and decides.
func (j *journey) planFor(name string, behind *client.Behind) (plan, error) {
	m, now := j.view.Opened.Manifest, j.now()
	p := plan{name: name, tree: j.cfg.Trees[name], announce: m.Trees[name], issued: m.Issued.Time}
	var err error
	if p.memory, err = j.memory.tree(name); err != nil {
		return p, err
	}
	if p.announce.TimeFile != "" {
		if p.held, err = treesync.Read(p.tree.Path, p.announce.TimeFile, latest(now, p.issued)); err != nil {
			return p, err
		}
	}
	p.decision = client.Decide(m, name, j.cfg.ID, p.held.Timestamp, behind, now)
	if p.decision.Action == client.InDate && p.memory.Unproven {
		p.decision.Reason += "; it came without a manifest, and is to be proven"
	}
	return p, nil
}

// action is the decision, with what was typed.
func (j *journey) action(p plan) client.Action {
	owed := j.opt.maxDelete > 0 && (p.memory.Owed > 0 || !p.memory.OwedSince.IsZero()) // allowed once: so make them now
	switch a := p.decision.Action; {
	case a == client.Gone:
		return a
	case a == client.Hold && (j.opt.ignoreAdmission || j.opt.repair || j.opt.dry):
		return client.Sync
	case a == client.InDate && (j.opt.repair && !j.again || owed || p.memory.Unproven):
		return client.Sync
	default:
		return a
	}
}

// sources are the places to sync a tree from, in the order to try.
func (j *journey) sources(p plan) []treesync.Source {
	if j.view == nil {
		return j.fallbackSources()
	}
	if j.opt.source != nil {
		return []treesync.Source{j.typedSource(p.name)}
	}
	var sources []treesync.Source
	for _, r := range client.Choose(j.view.Opened.Manifest, p.name, self(j.cfg)) {
		s := treesync.Source{ID: r.Source.ID, URL: r.Tree.URL, Timestamp: r.Tree.Timestamp, Family: j.cfg.Family,
			MayDelete: mayDelete(r.Source.Kind, r.Tree.Depth)}
		if s.Family == 0 && len(r.Tree.Families) == 1 {
			s.Family = r.Tree.Families[0]
		}
		sources = append(sources, s)
	}
	return sources
}

// typedSource is the one of --source. Deletions are taken from it only where the manifest lists that very URL and would
// have them taken.
func (j *journey) typedSource(tree string) treesync.Source {
	s := treesync.Source{URL: *j.opt.source, Family: j.cfg.Family}
	for _, listed := range j.view.Opened.Manifest.Sources {
		if t, ok := listed.Trees[tree]; ok && sameDirectory(t.URL, s.URL) {
			s.ID, s.Timestamp, s.MayDelete = listed.ID, t.Timestamp, mayDelete(listed.Kind, t.Depth)
		}
	}
	return s
}

// sameDirectory compares canonical texts; a final slash says nothing (rsyncurl, DESIGN 4.1).
func sameDirectory(a, b rsyncurl.URL) bool {
	return strings.TrimSuffix(a.String(), "/") == strings.TrimSuffix(b.String(), "/")
}

// mayDelete: a node is the project's own; of others only those that were compared file by file [DESIGN 6].
func mayDelete(kind, depth string) bool {
	return kind == manifest.KindNode || depth == manifest.DepthListing
}

// reason is why a source stands where it does, in the ranking's words.
func (j *journey) reason(tree string, s treesync.Source) string {
	if j.view == nil || s.ID == "" {
		return ""
	}
	for _, r := range client.Choose(j.view.Opened.Manifest, tree, self(j.cfg)) {
		if r.Source.ID == s.ID {
			return r.Reason
		}
	}
	return ""
}

// spec is a tree of the configuration, as the engine has it.
func (j *journey) spec(p plan) (treesync.Spec, error) {
	s := treesync.Spec{Name: p.name, Path: p.tree.Path, MaxDelete: p.tree.MaxDelete, Bandwidth: p.tree.Bandwidth,
		Timeout: j.cfg.Timeout, ConnectTimeout: j.cfg.ConnectTimeout, Bind: j.cfg.Address, Options: p.tree.Options}
	for _, list := range []struct {
		what string
		from []string
		to   *[]rsync.Pattern
	}{{"exclude", p.tree.Exclude, &s.Exclude}, {"keep", p.tree.Keep, &s.Keep}, {"late", p.tree.Late, &s.Late}} {
		for _, text := range list.from {
			pattern, err := rsync.ParsePattern(text)
			if err != nil {
				return s, fmt.Errorf("trees.%s.%s: %w", p.name, list.what, err)
			}
			*list.to = append(*list.to, pattern)
		}
	}
	if p.tree.Late != nil && s.Late == nil {
		s.Late = []rsync.Pattern{} // "late: []" means none, not the built-in ones
	}
	return s, nil
}
