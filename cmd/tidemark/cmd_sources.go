package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/urfave/cli/v2"

	"tidemark/client"
	"tidemark/config"
	"tidemark/internal/console"
	"tidemark/internal/geo"
	"tidemark/internal/strictyaml"
	"tidemark/inventory"
	"tidemark/manifest"
)

func sourcesCommand(e *console.Program) *cli.Command {
	return e.Group("sources", "what mirrors would be sent to which source",
		e.Command("simulate", "count the mirrors that each source would get first", "", []cli.Flag{
			&cli.StringFlag{Name: "tree", Usage: "only this `TREE`"},
			&cli.BoolFlag{Name: "published", Usage: "by the sources that are published now, not as if every server were verified"},
			&cli.StringSliceFlag{Name: "without", Usage: "as if the source `ID` had failed (may be repeated)"},
			&cli.BoolFlag{Name: "all", Usage: "list every source, not the busiest alone"},
		}, `Ranks the sources for each mirror of the inventory, as that mirror will do itself, and counts who comes first: at which
source how many mirrors would begin a sync, and how many that is for each of its slots, by which sources are listed and bars
are drawn: the busiest has the most mirrors a slot. Then it says how near that is, and what happens when the busiest source
fails. Nobody is asked.

Without --published, every node and mirror with an rsync URL counts as verified, over IPv4 and IPv6; those that are partial,
private, in maintenance or without slots are no source. Mirrors in maintenance are not counted. A source named by --without is
no source; as a mirror it still counts.

Examples:
  tidemark sources simulate
  tidemark sources simulate --tree centos --without eu-msync-1
  tidemark sources simulate --published --json`, simulateSources))
}

// simulateDocument is `sources simulate --json`.
type simulateDocument struct {
	Schema  string          `json:"schema"`
	Network string          `json:"network"`
	Serial  int64           `json:"serial,omitempty"` // with --published
	Without []string        `json:"without"`
	Trees   []simulatedTree `json:"trees"`
}

// simulatedTree counts mirrors by the source that comes first for them.
type simulatedTree struct {
	Tree          string            `json:"tree"`
	Mirrors       int               `json:"mirrors"`
	Unserved      []string          `json:"unserved"`   // mirrors without any source
	NoCountry     int               `json:"no_country"` // mirrors whose country is not known: nothing is near them
	OnNodes       int               `json:"on_nodes"`   // mirrors for which a node comes first
	SameCountry   int               `json:"same_country"`
	SameContinent int               `json:"same_continent"` // those of the same country included
	Sources       []simulatedSource `json:"sources"`        // the busiest first: the one with the most mirrors a slot
	Busiest       *simulatedSource  `json:"busiest,omitempty"`
	Failure       *simulatedFailure `json:"busiest_fails,omitempty"`
}

type simulatedSource struct {
	ID      string  `json:"id"`
	Kind    string  `json:"kind"`
	Country string  `json:"country,omitempty"`
	Slots   int     `json:"slots"`
	Mirrors int     `json:"mirrors"`
	PerSlot float64 `json:"per_slot"`
}

// simulatedFailure is where the busiest source's mirrors would go instead.
type simulatedFailure struct {
	ID       string            `json:"id"`
	Mirrors  int               `json:"mirrors"`
	Unserved int               `json:"unserved"` // those of them that have no other
	To       []simulatedSource `json:"to"`       // mirrors: of them alone; the most first
	Busiest  *simulatedSource  `json:"busiest,omitempty"`
}

func simulateSources(c *console.Call) error {
	cfg, err := loadConfig(c)
	if err != nil {
		return err
	}
	if t := c.String("tree"); t != "" && cfg.Trees[t].Master == "" {
		return console.Usage("--tree %q: expected one of %v", t, sortedKeys(cfg.Trees))
	}
	m := supposed(cfg)
	if c.Bool("published") {
		if m, err = publishedManifest(c); err != nil {
			return err
		}
	}
	if err := leaveOut(m, c.StringSlice("without")); err != nil {
		return err
	}
	d := simulateDocument{Schema: "tidemark/sources-simulate/v1", Network: cfg.Network, Serial: m.Serial,
		Without: append([]string{}, c.StringSlice("without")...), Trees: []simulatedTree{}}
	for _, tree := range sortedKeys(cfg.Trees) {
		if t := c.String("tree"); t != "" && t != tree {
			continue
		}
		if _, announced := m.Trees[tree]; !announced {
			c.Warn("the tree %s is not published: nobody would sync it", tree)
			continue
		}
		t, err := simulate(c.Context.Context, m, tree, cfg.Servers)
		if err != nil {
			return err
		}
		if len(d.Trees) > 0 {
			c.Say("")
		}
		sayTree(c, t, d.Serial)
		d.Trees = append(d.Trees, t)
	}
	return c.Document(d)
}

// supposed is the manifest of a good day: every server that may be a source is verified for all that it carries.
func supposed(cfg *config.Publisher) *manifest.Manifest {
	m := &manifest.Manifest{Network: cfg.Network, Trees: map[string]manifest.Tree{}, Policy: manifest.Policy{Nearby: cfg.Policy.Nearby}}
	if m.Policy.Nearby == nil {
		m.Policy.Nearby = nearby()
	}
	for name := range cfg.Trees {
		m.Trees[name] = manifest.Tree{}
	}
	for _, s := range cfg.Servers {
		if s.Maintenance || s.Private || s.Partial || s.Slots == 0 {
			continue
		}
		source := manifest.Source{ID: s.ID, Kind: s.Kind, Country: s.Country, Continent: geo.Continent(s.Country), ASN: s.ASN, Slots: s.Slots,
			Trees: map[string]manifest.SourceTree{}}
		for tree, url := range s.Trees {
			source.Trees[tree] = manifest.SourceTree{URL: url, Families: []int{4, 6}}
		}
		m.Sources = append(m.Sources, source)
	}
	return m
}

// publishedManifest reads what is published now; nothing is changed.
func publishedManifest(c *console.Call) (*manifest.Manifest, error) {
	p, err := openPublisher(c, true)
	if err != nil {
		return nil, err
	}
	s, err := look(c.Context.Context, p.cfg.Publish[0])
	if err != nil {
		return nil, err
	}
	o, err := p.published(c.Context.Context, s, nil)
	if err != nil {
		return nil, err
	}
	if o == nil {
		return nil, console.Hinted(fmt.Errorf("nothing is published at %s", s), "tidemark run --config %s", p.cfg.File)
	}
	return o.manifest, nil
}

// leaveOut removes sources; a misspelt one would make the answer wrong.
func leaveOut(m *manifest.Manifest, without []string) error {
	var ids []string
	for _, s := range m.Sources {
		ids = append(ids, s.ID)
	}
	for _, id := range without {
		if slices.Contains(ids, id) {
			continue
		}
		hint := "tidemark sources simulate --all lists them"
		if near := strictyaml.Nearest(id, ids); near != "" {
			hint = "did you mean " + near + "?"
		}
		return console.Exit(console.Misuse, fmt.Errorf("--without %q: there is no such source", id), "%s", hint)
	}
	m.Sources = slices.DeleteFunc(slices.Clone(m.Sources), func(s manifest.Source) bool { return slices.Contains(without, s.ID) })
	return nil
}

// choice is where one mirror would go, and where next; nil: nowhere.
type choice struct {
	first, next *manifest.Source
}

// simulate lets every mirror of a tree choose.
func simulate(ctx context.Context, m *manifest.Manifest, tree string, servers []inventory.Server) (simulatedTree, error) {
	t := simulatedTree{Tree: tree, Unserved: []string{}, Sources: []simulatedSource{}}
	var choices []choice
	for _, s := range servers {
		if _, carries := s.Trees[tree]; !carries || s.Kind == inventory.KindNode || s.Maintenance {
			continue
		}
		if err := ctx.Err(); err != nil {
			return t, err
		}
		one := choice{}
		if s.Country == "" {
			t.NoCountry++
		}
		if ranked := client.Choose(m, tree, manifest.Client{ID: s.ID, Country: s.Country, ASN: s.ASN}); len(ranked) > 0 {
			one.first = ranked[0].Source
			if len(ranked) > 1 {
				one.next = ranked[1].Source
			}
			t.place(s, one.first)
		} else {
			t.Unserved = append(t.Unserved, s.ID)
		}
		choices = append(choices, one)
	}
	t.Mirrors = len(choices)
	offered := func(s *manifest.Source) bool { _, ok := s.Trees[tree]; return ok && s.Slots > 0 }
	t.Sources = count(m, offered, choices, func(c choice) *manifest.Source { return c.first })
	t.Busiest = first(t.Sources)
	t.fail(m, offered, choices)
	return t, nil
}

// place counts how near a mirror's first source is.
func (t *simulatedTree) place(s inventory.Server, first *manifest.Source) {
	if first.Kind == manifest.KindNode {
		t.OnNodes++
	}
	if s.Country != "" && s.Country == first.Country {
		t.SameCountry++
	}
	if continent := geo.Continent(s.Country); continent != "" && continent == first.Continent {
		t.SameContinent++
	}
}

// count lists the offered sources, the one that gets most mirrors for its slots first.
func count(m *manifest.Manifest, offered func(*manifest.Source) bool, choices []choice, goes func(choice) *manifest.Source) []simulatedSource {
	mirrors := map[string]int{}
	for _, c := range choices {
		if s := goes(c); s != nil {
			mirrors[s.ID]++
		}
	}
	out := []simulatedSource{}
	for i := range m.Sources {
		if s := &m.Sources[i]; offered(s) {
			n := mirrors[s.ID]
			out = append(out, simulatedSource{ID: s.ID, Kind: s.Kind, Country: s.Country, Slots: s.Slots, Mirrors: n, PerSlot: float64(n*100/s.Slots) / 100})
		}
	}
	slices.SortFunc(out, func(a, b simulatedSource) int {
		return cmp.Or(b.Mirrors*a.Slots-a.Mirrors*b.Slots, b.Mirrors-a.Mirrors, cmp.Compare(a.ID, b.ID))
	})
	return out
}

// first is the busiest of what count has listed; nil when no source has any mirror.
func first(sources []simulatedSource) *simulatedSource {
	if len(sources) == 0 || sources[0].Mirrors == 0 {
		return nil
	}
	return &sources[0]
}

// fail lets the busiest source go: each of its mirrors turns to the source that is next for it.
func (t *simulatedTree) fail(m *manifest.Manifest, offered func(*manifest.Source) bool, choices []choice) {
	if t.Busiest == nil {
		return
	}
	gone := t.Busiest.ID
	f := &simulatedFailure{ID: gone, Mirrors: t.Busiest.Mirrors}
	left := func(s *manifest.Source) bool { return offered(s) && s.ID != gone }
	moved := count(m, left, choices, func(c choice) *manifest.Source {
		if c.first == nil || c.first.ID != gone {
			return nil
		}
		if c.next == nil {
			f.Unserved++
		}
		return c.next
	})
	f.To = slices.DeleteFunc(moved, func(s simulatedSource) bool { return s.Mirrors == 0 })
	slices.SortStableFunc(f.To, func(a, b simulatedSource) int { return b.Mirrors - a.Mirrors })
	f.Busiest = first(count(m, left, choices, func(c choice) *manifest.Source {
		if c.first != nil && c.first.ID == gone {
			return c.next
		}
		return c.first
	}))
	t.Failure = f
}
