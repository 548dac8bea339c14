package main

import (
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"tidemark/client"
	"tidemark/internal/console"
	"tidemark/internal/geo"
	"tidemark/internal/ident"
	"tidemark/internal/rsyncurl"
	"tidemark/internal/strictjson"
	"tidemark/manifest"
)

func sourcesCommand(e *console.Program) *cli.Command {
	return e.Command("sources", "where a sync would go, best first, and why", "[TREE]", []cli.Flag{
		&cli.StringFlag{Name: "country", Usage: "as a mirror in `CC` would see it (an ISO code; \"none\": one that says no country)"},
		&cli.StringFlag{Name: "id", Usage: "as the mirror `ID` would see it: inside a place the order depends on the id"},
	}, `Ranks the sources of each tree for this mirror: those of its own network first, then its country, the nearby countries in
the operator's order, its continent, and the project's own nodes after that, so that the herd stays off them. Where the
origin cannot be reached, the kept manifest is used, and that is said.

Examples:
  tidemark-mirror sources
  tidemark-mirror sources centos --country BR
  tidemark-mirror sources --country none --json`, func(c *console.Call) error {
		m, err := openMirror(c)
		if err != nil {
			return err
		}
		return m.sources()
	})
}

// sourcesDocument is `sources --json`.
type sourcesDocument struct {
	Schema  string          `json:"schema"`
	Network string          `json:"network"`
	Mirror  string          `json:"mirror"`
	Country string          `json:"country,omitempty"`
	ASN     int64           `json:"asn,omitempty"`
	Serial  int64           `json:"serial,omitempty"` // absent, as issued: there is no manifest to go by
	Issued  strictjson.Time `json:"issued,omitzero"`
	Fresh   bool            `json:"fresh"` // the origin answered; false: by the kept bundle
	Exit    int             `json:"exit"`
	Error   string          `json:"error,omitempty"` // what went wrong, in words
	Trees   []rankedTree    `json:"trees"`
}

type rankedTree struct {
	Tree      string         `json:"tree"`
	Announced int64          `json:"announced"`
	Sources   []rankedSource `json:"sources"` // best first
}

type rankedSource struct {
	ID        string       `json:"id"`
	Kind      string       `json:"kind"`
	Country   string       `json:"country,omitempty"`
	Reason    string       `json:"reason"` // for its place
	Score     string       `json:"score"`  // inside the place, larger first
	Slots     int          `json:"slots"`
	Depth     string       `json:"depth"`
	Timestamp int64        `json:"timestamp"`
	URL       rsyncurl.URL `json:"url"`
	Families  []int        `json:"families"`
}

func (m *mirror) sources() error {
	who, err := m.asked()
	if err != nil {
		return err
	}
	look, err := m.lookOptions()
	if err != nil {
		return err
	}
	look.EveryNotice = true // marks none as told: cron's run still has to
	doc := sourcesDocument{Schema: "tidemark/mirror-sources/v1", Network: m.cfg.Network, Mirror: who.ID, Country: who.Country, ASN: who.ASN, Trees: []rankedTree{}}
	view, refused := m.look(m.Context.Context, look)
	if refused == nil {
		m.heed(view)
		if refused = m.rank(&doc, view, who); view.Refused != nil {
			refused = view.Refused
		}
	}
	doc.Exit, doc.Error = m.Code(refused), inDocument(refused)
	return errors.Join(m.Document(doc), refused)
}

// rank tells the sources of each tree that is wanted.
func (m *mirror) rank(doc *sourcesDocument, view *client.View, who manifest.Client) error {
	now := view.Opened.Manifest
	names, failed := m.wanted(now)
	if len(names) == 0 && failed != nil {
		return failed
	}
	doc.Serial, doc.Issued, doc.Fresh = now.Serial, now.Issued, view.Fresh
	m.Say("for %s, %s, by manifest serial %d of %s%s", who.ID, place(who), now.Serial, console.Clock(now.Issued.Time), keptWord(view))
	for _, name := range names {
		t := rankedTree{Tree: name, Announced: now.Trees[name].Timestamp, Sources: rankedSources(client.Choose(now, name, who))}
		m.sourceTable(t)
		doc.Trees = append(doc.Trees, t)
	}
	return failed
}

// asked is who the ranking is for: this mirror, unless the flags name another.
func (m *mirror) asked() (manifest.Client, error) {
	who := self(m.cfg)
	if id := m.String("id"); id != "" {
		if err := ident.Check(id); err != nil {
			return who, console.Usage("--id: %w", err)
		}
		who.ID, who.ASN, who.Avoid = id, 0, nil
	}
	switch country := m.String("country"); {
	case country == "":
		return who, nil
	case country == "none":
		who.Country, who.ASN = "", 0
	case !geo.ValidCountry(country):
		return who, console.Usage("--country %q: expected an ISO 3166-1 code in capitals, like FI, or none", country)
	default:
		who.Country, who.ASN = country, 0
	}
	return who, nil
}

// wanted are the trees to show: the one named, or those of the configuration that are announced; and the error of those that
// never were.
func (m *mirror) wanted(now *manifest.Manifest) (names []string, failed error) {
	if name := m.Args().First(); name != "" {
		if _, ok := now.Trees[name]; !ok {
			return nil, console.Exit(console.Misuse, unknownTree(now, name), "")
		}
		return []string{name}, nil
	}
	behind, err := m.memory.behind()
	if err != nil {
		return nil, err
	}
	for _, name := range sortedNames(m.cfg) {
		if _, ok := now.Trees[name]; ok {
			names = append(names, name)
			continue
		}
		failed = errors.Join(failed, m.memory.mistyped(m.cfg, now, name, behind[name]))
	}
	return names, failed
}

func rankedSources(ranked []manifest.Ranked) []rankedSource {
	out := []rankedSource{}
	for _, r := range ranked {
		out = append(out, rankedSource{ID: r.Source.ID, Kind: r.Source.Kind, Country: r.Source.Country, Reason: r.Reason, Score: r.Score,
			Slots: r.Source.Slots, Depth: r.Tree.Depth, Timestamp: r.Tree.Timestamp, URL: r.Tree.URL, Families: r.Tree.Families})
	}
	return out
}

func (m *mirror) sourceTable(t rankedTree) {
	m.Say("\n%s, announced %s:", t.Tree, console.Stamp(t.Announced))
	if len(t.Sources) == 0 {
		m.Say("no source is offered to this mirror")
		return
	}
	w := console.Table("", "source", "kind", "why here", "slots", "depth", "holds", "url")
	for i, s := range t.Sources {
		w.AppendRow([]any{i + 1, s.ID, s.Kind, s.Reason, s.Slots, s.Depth, s.Timestamp, s.URL})
	}
	m.Say("%s", console.Render(w))
}

// place is where a mirror is, in words.
func place(c manifest.Client) string {
	words := "no country"
	if c.Country != "" {
		words = "country " + c.Country
	}
	if c.ASN != 0 {
		words += fmt.Sprintf(", AS %d", c.ASN)
	}
	return words
}

func keptWord(v *client.View) string {
	if v.Fresh {
		return ""
	}
	return " (the kept one: the origin gave no newer one)"
}
