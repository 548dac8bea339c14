package main

import (
	"context"
	"fmt"

	"tidemark/history"
	"tidemark/internal/console"
	"tidemark/internal/strictjson"
	"tidemark/internal/strictyaml"
	"tidemark/inventory"
	"tidemark/quorum"
)

// serverStory is all that is known of one server: `status --why`, and what `probe ID` saw.
type serverStory struct {
	Server   string         `json:"server"`
	Declared *declaredStory `json:"declared,omitempty"` // nil: it is in the inventory no more
	Trees    []treeStory    `json:"trees"`              // sorted
}

// declaredStory is what the inventory says of it.
type declaredStory struct {
	File           string   `json:"file"`
	Line           int      `json:"line"`
	Kind           string   `json:"kind"`
	Country        string   `json:"country,omitempty"`
	City           string   `json:"city,omitempty"`
	ASN            int64    `json:"asn,omitempty"`
	Slots          int      `json:"slots"`
	Group          string   `json:"group,omitempty"`
	MaxConnections int      `json:"max_connections,omitempty"`
	Maintenance    bool     `json:"maintenance,omitempty"`
	Private        bool     `json:"private,omitempty"`
	Partial        bool     `json:"partial,omitempty"`
	Exclude        []string `json:"exclude,omitempty"`
}

// treeStory is one tree at that server.
type treeStory struct {
	Tree      string          `json:"tree"`
	URL       string          `json:"url,omitempty"`
	Verdict   *quorum.Verdict `json:"verdict,omitempty"` // nil: no run has judged it yet
	Announced int64           `json:"announced,omitempty"`
	Readings  []lastReading   `json:"readings,omitempty"`
	Week      *uptimeStory    `json:"week,omitempty"`
	Month     *uptimeStory    `json:"month,omitempty"`
	Spans     []spanStory     `json:"spans,omitempty"` // newest first
	Advice    string          `json:"advice,omitempty"`

	recorded map[int64]quorum.Recorded
	partial  bool
	depth    string       // of its last good check
	probed   *probedStory // nil: this is no probe's story
}

type uptimeStory struct {
	Asked    int64 `json:"asked"`
	Answered int64 `json:"answered"`
	Good     int64 `json:"good"`
}

// spanStory is a time in which the verdict stayed the same.
type spanStory struct {
	State     quorum.State    `json:"state"`
	Timestamp int64           `json:"timestamp,omitempty"`
	Depth     string          `json:"depth,omitempty"`
	From      strictjson.Time `json:"from"`
	Until     strictjson.Time `json:"until"`
	Rounds    int64           `json:"rounds"`
	Reason    string          `json:"reason"`
}

// spansShown is how far back a story goes.
const spansShown = 8

// why puts the story of one server together from what the state directory knows; an id that nothing is known of is refused.
func (p *publisher) why(ctx context.Context, id string, v *statusView) (*serverStory, error) {
	s := p.story(id, v, v.readings)
	if s == nil {
		return nil, p.unknownServer(id, v.doc.Verdicts)
	}
	for i := range s.Trees {
		p.recall(ctx, &s.Trees[i], id, v)
	}
	return s, nil
}

// unknownServer refuses an id, and names the one that was probably meant.
func (p *publisher) unknownServer(id string, verdicts []quorum.Verdict) error {
	known := map[string]bool{}
	for _, s := range p.cfg.Servers {
		known[s.ID] = true
	}
	for _, v := range verdicts {
		known[v.Server] = true
	}
	err := fmt.Errorf("no server %q in the inventory or in the last run", id)
	if near := strictyaml.Nearest(id, sortedKeys(known)); near != "" && len(id) > 2 { // of two letters every other id is near
		return console.Exit(console.Misuse, err, "did you mean %s?", near)
	}
	return console.Exit(console.Misuse, err, "see the ids: tidemark status --sort id")
}

// story is what the inventory, the verdicts and the readings say of a server, nil when none of them knows it.
func (p *publisher) story(id string, v *statusView, readings []lastReading) *serverStory {
	only := p.String("tree")
	s := &serverStory{Server: id, Trees: []treeStory{}}
	trees := map[string]*treeStory{}
	tree := func(name string) *treeStory {
		if trees[name] == nil {
			trees[name] = &treeStory{Tree: name}
		}
		return trees[name]
	}
	if d, ok := p.servers()[id]; ok {
		s.Declared = declaredAs(d)
		for name, url := range d.Trees {
			if p.cfg.Trees[name].Master != "" && (only == "" || only == name) {
				tree(name).URL = url.String()
			}
		}
	}
	for _, verdict := range v.doc.Verdicts {
		if verdict.Server == id && (only == "" || only == verdict.Tree) {
			tree(verdict.Tree).Verdict = &verdict
		}
	}
	if s.Declared == nil && len(trees) == 0 {
		return nil
	}
	for _, r := range readings {
		if t := trees[r.Tree]; r.Server == id && t != nil {
			t.Readings = append(t.Readings, r)
		}
	}
	for _, name := range sortedKeys(trees) {
		t := trees[name]
		t.remember(v.memory)
		t.partial = s.Declared != nil && s.Declared.Partial
		t.depth = v.memory.Servers[id][name].Depth
		if t.Verdict != nil {
			t.Advice = quorum.Advice(*t.Verdict)
		}
		s.Trees = append(s.Trees, *t)
	}
	return s
}

func declaredAs(d inventory.Server) *declaredStory {
	return &declaredStory{File: d.File, Line: d.Line, Kind: d.Kind, Country: d.Country, City: d.City, ASN: d.ASN, Slots: d.Slots, Group: d.Group,
		MaxConnections: d.MaxConnections, Maintenance: d.Maintenance, Private: d.Private, Partial: d.Partial, Exclude: d.Exclude}
}

// remember adds what the deciding remembers.
func (t *treeStory) remember(mem quorum.Memory) {
	t.Announced = mem.Trees[t.Tree].Announced
	t.recorded = map[int64]quorum.Recorded{}
	for _, r := range mem.Trees[t.Tree].Recorded {
		t.recorded[r.Timestamp] = r
	}
}

// recall adds what the history knows.
func (p *publisher) recall(ctx context.Context, t *treeStory, id string, v *statusView) {
	for _, r := range v.rows {
		if r.verdict.Server == id && r.verdict.Tree == t.Tree {
			t.Week, t.Month = uptimeOf(r.week), uptimeOf(r.month)
		}
	}
	if v.past == nil {
		return
	}
	spans, err := v.past.Spans(ctx, id, t.Tree, spansShown)
	if err != nil {
		v.gaps = append(v.gaps, err.Error())
	}
	for _, s := range spans {
		t.Spans = append(t.Spans, spanStory{State: s.State, Timestamp: s.Timestamp, Depth: s.Depth, From: strictjson.At(s.From), Until: strictjson.At(s.Until), Rounds: s.Rounds, Reason: s.Reason})
	}
}

func uptimeOf(u *history.Uptime) *uptimeStory {
	if u == nil {
		return nil
	}
	return &uptimeStory{Asked: u.Asked, Answered: u.Answered, Good: u.Good}
}
