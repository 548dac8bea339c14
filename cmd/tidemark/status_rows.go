package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"tidemark/history"
	"tidemark/internal/console"
	"tidemark/internal/geo"
	"tidemark/internal/strictyaml"
	"tidemark/inventory"
	"tidemark/manifest"
	"tidemark/quorum"
)

// statusRow is one tree at one server, with all that is known of it beside the verdict.
type statusRow struct {
	verdict quorum.Verdict
	server  inventory.Server    // zero: it is in the inventory no more
	memory  quorum.ServerMemory // zero: nothing is remembered
	week    *history.Uptime     // nil: no history
	month   *history.Uptime
	split   string // where some of its addresses answer and others do not: how many do not
}

// place is what a row is of.
func (r statusRow) place() string { return r.verdict.Server + " " + r.verdict.Tree }

// rowFilter chooses and orders rows; zero fields choose all.
type rowFilter struct {
	tree, kind, source string
	states, countries  []string
	ids                []string
	sort               string
	reverse            bool
	limit              int
}

// rowFlags are the flags that make a rowFilter, the same for `status` and `probe`.
func rowFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "tree", Usage: "only this `TREE`"},
		&cli.StringSliceFlag{Name: "state", Usage: "only servers in this `STATE`, e.g. wrong; several with commas"},
		&cli.StringFlag{Name: "kind", Usage: "only `KIND`: node or mirror"},
		&cli.StringSliceFlag{Name: "country", Usage: "only servers in this `COUNTRY`, e.g. FI; several with commas"},
		&cli.StringFlag{Name: "source", Usage: "only sources (`yes`) or only others (no)"},
		&cli.StringFlag{Name: "sort", Usage: "`BY` state (the worst first), age, id, country, since, good or uptime", Value: "state"},
		&cli.BoolFlag{Name: "reverse", Usage: "the other way round"},
		&cli.IntFlag{Name: "limit", Usage: "the first `N` rows only"},
	}
}

// sorts are the orders of rows, each with the words of --sort.
func sorts() []string { return []string{"state", "age", "id", "country", "since", "good", "uptime"} }

// rowFilter reads the flags, and refuses what would choose nothing for ever.
func (p *publisher) rowFilter() (rowFilter, error) {
	f := rowFilter{tree: p.String("tree"), kind: p.String("kind"), source: p.String("source"), states: p.StringSlice("state"),
		sort: p.String("sort"), reverse: p.Bool("reverse"), limit: p.Int("limit")}
	for _, c := range p.StringSlice("country") {
		code := strings.ToUpper(c)
		if !geo.ValidCountry(code) {
			err := fmt.Errorf("--country %q: expected two capital letters of ISO 3166-1, e.g. FI", c)
			if meant := geo.CountryNames().Code(c); meant != "" {
				return f, console.Exit(console.Misuse, err, "did you mean %s?", meant)
			}
			return f, console.Exit(console.Misuse, err, "")
		}
		f.countries = append(f.countries, code)
	}
	var states []string
	for _, s := range quorum.States() {
		states = append(states, string(s))
	}
	for _, s := range f.states {
		if err := oneOf("--state", s, states); err != nil {
			return f, err
		}
	}
	if f.limit < 0 {
		return f, console.Usage("--limit %d: expected 1 or more", f.limit)
	}
	check := func(flag, value string, known []string) error {
		if value == "" {
			return nil
		}
		return oneOf(flag, value, known)
	}
	return f, cmp.Or(check("--tree", f.tree, sortedKeys(p.cfg.Trees)), check("--kind", f.kind, []string{inventory.KindNode, inventory.KindMirror}),
		check("--source", f.source, []string{"yes", "no"}), check("--sort", f.sort, sorts()))
}

// oneOf refuses a value that is none of known, and names the one that was probably meant.
func oneOf(flag, value string, known []string) error {
	if slices.Contains(known, value) {
		return nil
	}
	err := fmt.Errorf("%s %q: expected one of %s", flag, value, strings.Join(known, ", "))
	if near := strictyaml.Nearest(value, known); near != "" {
		return console.Exit(console.Misuse, err, "did you mean %s?", near)
	}
	return console.Exit(console.Misuse, err, "")
}

// chooses reports whether a row is wanted.
func (f rowFilter) chooses(r statusRow) bool {
	v := r.verdict
	among := func(list []string, value string) bool { return len(list) == 0 || slices.Contains(list, value) }
	return (f.tree == "" || f.tree == v.Tree) && (f.kind == "" || f.kind == v.Kind) && (f.source == "" || f.source == yesNo(v.Source)) &&
		among(f.states, string(v.State)) && among(f.countries, r.server.Country) && among(f.ids, v.Server)
}

// apply chooses and orders rows; of says how many were chosen before the limit.
func (f rowFilter) apply(all []statusRow) (rows []statusRow, of int) {
	for _, r := range all {
		if f.chooses(r) {
			rows = append(rows, r)
		}
	}
	slices.SortStableFunc(rows, func(a, b statusRow) int {
		by := f.compare(a, b)
		if f.reverse {
			by = -by
		}
		return cmp.Or(by, cmp.Compare(a.verdict.Server, b.verdict.Server), cmp.Compare(a.verdict.Tree, b.verdict.Tree))
	})
	of = len(rows)
	if f.limit > 0 {
		rows = rows[:min(f.limit, of)]
	}
	return rows, of
}

// compare puts first what a person should look at first.
func (f rowFilter) compare(a, b statusRow) int {
	switch f.sort {
	case "age":
		return cmp.Compare(a.verdict.Timestamp, b.verdict.Timestamp) // never read: the oldest
	case "id":
		return cmp.Compare(a.verdict.Server, b.verdict.Server)
	case "country":
		return cmp.Compare(a.server.Country, b.server.Country)
	case "since":
		return b.verdict.Since.Compare(a.verdict.Since.Time) // what changed last
	case "good":
		return a.verdict.Good.Compare(b.verdict.Good.Time)
	case "uptime":
		return cmp.Compare(share(a.month), share(b.month))
	}
	return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(kindRank(a), kindRank(b)), cmp.Compare(a.verdict.Timestamp, b.verdict.Timestamp))
}

// rank is how much a row wants to be looked at: 0 is the worst.
func rank(r statusRow) int {
	order := []quorum.State{quorum.Wrong, quorum.Incomplete, quorum.Mixed, quorum.Refused, quorum.Unreachable, quorum.Busy, quorum.Unknown,
		quorum.Behind, quorum.Moving, quorum.Maintenance, quorum.Ahead, quorum.Verified}
	at := 2 * slices.Index(order, r.verdict.State)
	if r.verdict.Source {
		at++
	}
	return at
}

func kindRank(r statusRow) int {
	if r.verdict.Kind == manifest.KindNode {
		return 0
	}
	return 1
}

// share is how often a server was good, in thousandths, -1 when that is not known.
func share(u *history.Uptime) int64 {
	if u == nil || u.Asked == 0 {
		return -1
	}
	return u.Good * 1000 / u.Asked
}
