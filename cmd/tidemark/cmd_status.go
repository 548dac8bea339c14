package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/urfave/cli/v2"

	"tidemark/internal/console"
	"tidemark/quorum"
)

func statusCommand(e *console.Program) *cli.Command {
	return e.Command("status", "what the last run concluded, server by server", "", []cli.Flag{
		&cli.StringFlag{Name: "why", Usage: "tell the whole story of the server `ID`"},
		&cli.StringFlag{Name: "tree", Usage: "only this `TREE`"},
		&cli.StringFlag{Name: "state", Usage: "only servers in this `STATE`, e.g. wrong"},
	}, `Prints a table of all servers: state, since when, the age of their content, and the reason. Where the last run asked only those
that had checked in, it says when all were asked last; where beacon: is configured, what came of the record.

Examples:
  tidemark status
  tidemark status --state wrong
  tidemark status --why ftp.example.org`, func(c *console.Call) error {
		p, err := openPublisher(c, true)
		if err != nil {
			return err
		}
		if s := c.String("state"); s != "" && !slices.Contains(quorum.States(), quorum.State(s)) {
			return console.Usage("--state %q: expected one of %v", s, quorum.States())
		}
		if t := c.String("tree"); t != "" && p.cfg.Trees[t].Master == "" {
			return console.Usage("--tree %q: expected one of %v", t, sortedKeys(p.cfg.Trees))
		}
		d, err := p.lastStatus()
		if err != nil {
			return err
		}
		p.warnEnds()
		d.Verdicts = keep(d.Verdicts, c.String("why"), c.String("tree"), c.String("state"))
		if id := c.String("why"); id != "" && len(d.Verdicts) == 0 {
			return console.Exit(console.Misuse, fmt.Errorf("no server %q in the last run", id), "see the ids: tidemark status")
		}
		if c.JSON {
			return c.Document(d)
		}
		if c.String("why") != "" {
			story(c, d)
			return nil
		}
		statusTable(c, d)
		return nil
	})
}

func (p *publisher) lastStatus() (statusDocument, error) {
	var d statusDocument
	b, err := p.state.read("status.json")
	if err != nil {
		return d, err
	}
	if b == nil {
		return d, console.Hinted(fmt.Errorf("no run has finished yet: %s is not there", p.state.path("status.json")), "tidemark run --config %s", p.cfg.File)
	}
	if err := json.Unmarshal(b, &d); err != nil {
		return d, console.Hinted(fmt.Errorf("%s is damaged: %w", p.state.path("status.json"), err), "it is written anew by: tidemark run")
	}
	return d, nil
}

func keep(in []quorum.Verdict, id, tree, state string) []quorum.Verdict {
	out := []quorum.Verdict{}
	for _, v := range in {
		if (id == "" || v.Server == id) && (tree == "" || v.Tree == tree) && (state == "" || string(v.State) == state) {
			out = append(out, v)
		}
	}
	return out
}

func statusTable(c *console.Call, d statusDocument) {
	c.Say("network %s, run of %s: %s", d.Network, console.Clock(d.At.Time), d.Why)
	if !d.FullAt.IsZero() && d.FullAt.Before(d.At.Time) {
		c.Say("all servers were asked last by the run of %s, %s before", console.Clock(d.FullAt.Time), console.Ago(d.FullAt.Time, d.At.Time))
	}
	for _, t := range d.Trees {
		c.Say("%-10s %s", t.Tree, treeLine(t))
	}
	if d.Guard.Spoke {
		c.Say("guard: %s", d.Guard.Reason)
	}
	if d.Beacon != nil {
		c.Say("%s", d.Beacon)
		for _, l := range d.Beacon.Lagging {
			c.Say("  %s %s: %s", cmp.Or(l.Server, l.Address), l.Name, l.Says)
		}
	}
	w := console.Table("server", "tree", "state", "source", "since", "last good", "depth", "reason")
	w.SetColumnConfigs([]table.ColumnConfig{{Number: 8, WidthMax: 70, WidthMaxEnforcer: text.WrapSoft}})
	for _, v := range d.Verdicts {
		source := ""
		if v.Source {
			source = "yes"
		}
		w.AppendRow(table.Row{v.Server, v.Tree, v.State, source, console.Ago(v.Since.Time, d.At.Time), console.Ago(v.Good.Time, d.At.Time), v.Depth, v.Reason})
	}
	c.Say("\n%s", console.Render(w))
}

// story tells all that is known of one server.
func story(c *console.Call, d statusDocument) {
	for _, v := range d.Verdicts {
		c.Say("%s (%s), tree %s: %s", v.Server, v.Kind, v.Tree, v.State)
		c.Say("  %s", v.Reason)
		c.Say("  asked     %s", v.URL)
		if v.Address != "" {
			c.Say("  address   %s", v.Address)
		}
		c.Say("  time file %s", timeFile(v))
		for _, t := range d.Trees {
			if t.Tree == v.Tree {
				c.Say("  announced %s", console.Stamp(t.Announced))
			}
		}
		c.Say("  since     %s", console.When(v.Since.Time))
		c.Say("  last good %s, depth %s", console.When(v.Good.Time), cmp.Or(v.Depth, "none"))
		c.Say("  source    %s", yesNo(v.Source))
	}
}

// timeFile is what was read of it: the bytes, and what they mean.
func timeFile(v quorum.Verdict) string {
	switch {
	case v.Raw == "":
		return "not read"
	case v.Timestamp == 0:
		return v.Raw
	}
	return fmt.Sprintf("%s = %s", v.Raw, console.Clock(time.Unix(v.Timestamp, 0)))
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
