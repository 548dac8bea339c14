package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/urfave/cli/v2"

	"tidemark/quorum"
)

func statusCommand(e *env) *cli.Command {
	return command(e, "status", "what the last run concluded, server by server", "", []cli.Flag{
		&cli.StringFlag{Name: "why", Usage: "tell the whole story of the server `ID`"},
		&cli.StringFlag{Name: "tree", Usage: "only this `TREE`"},
		&cli.StringFlag{Name: "state", Usage: "only servers in this `STATE`, e.g. wrong"},
	}, `Prints a table of all servers: state, since when, the age of their content, and the reason.

Examples:
  tidemark status
  tidemark status --state wrong
  tidemark status --why ftp.example.org`, func(c *call) error {
		p, err := openPublisher(c, true)
		if err != nil {
			return err
		}
		if s := c.String("state"); s != "" && !slices.Contains(quorum.States(), quorum.State(s)) {
			return usage("--state %q: expected one of %v", s, quorum.States())
		}
		if t := c.String("tree"); t != "" && p.cfg.Trees[t].Master == "" {
			return usage("--tree %q: expected one of %v", t, sortedKeys(p.cfg.Trees))
		}
		d, err := p.lastStatus()
		if err != nil {
			return err
		}
		p.warnEnds()
		d.Verdicts = keep(d.Verdicts, c.String("why"), c.String("tree"), c.String("state"))
		if id := c.String("why"); id != "" && len(d.Verdicts) == 0 {
			return exit(exitUsage, fmt.Errorf("no server %q in the last run", id), "see the ids: tidemark status")
		}
		if c.json {
			return c.document(d)
		}
		if c.String("why") != "" {
			c.story(d)
			return nil
		}
		c.statusTable(d)
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
		return d, hinted(fmt.Errorf("no run has finished yet: %s is not there", p.state.path("status.json")), "tidemark run --config %s", p.cfg.File)
	}
	if err := json.Unmarshal(b, &d); err != nil {
		return d, hinted(fmt.Errorf("%s is damaged: %w", p.state.path("status.json"), err), "it is written anew by: tidemark run")
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

func (c *call) statusTable(d statusDocument) {
	c.say("network %s, run of %s: %s", d.Network, clock(d.At.Time), d.Why)
	for _, t := range d.Trees {
		c.say("%-10s %s", t.Tree, treeLine(t))
	}
	if d.Guard.Spoke {
		c.say("guard: %s", d.Guard.Reason)
	}
	w := table.NewWriter()
	w.SetStyle(table.StyleLight)
	w.Style().Options = table.OptionsNoBordersAndSeparators
	w.AppendHeader(table.Row{"server", "tree", "state", "source", "since", "last good", "depth", "reason"})
	w.SetColumnConfigs([]table.ColumnConfig{{Number: 8, WidthMax: 70, WidthMaxEnforcer: text.WrapSoft}})
	for _, v := range d.Verdicts {
		source := ""
		if v.Source {
			source = "yes"
		}
		w.AppendRow(table.Row{v.Server, v.Tree, v.State, source, ago(v.Since.Time, d.At.Time), ago(v.Good.Time, d.At.Time), v.Depth, v.Reason})
	}
	c.say("\n%s", w.Render())
}

// story tells all that is known of one server.
func (c *call) story(d statusDocument) {
	for _, v := range d.Verdicts {
		c.say("%s (%s), tree %s: %s", v.Server, v.Kind, v.Tree, v.State)
		c.say("  %s", v.Reason)
		c.say("  asked     %s", v.URL)
		if v.Address != "" {
			c.say("  address   %s", v.Address)
		}
		c.say("  time file %s", timeFile(v))
		for _, t := range d.Trees {
			if t.Tree == v.Tree {
				c.say("  announced %s", stamp(t.Announced))
			}
		}
		c.say("  since     %s", when(v.Since.Time))
		c.say("  last good %s, depth %s", when(v.Good.Time), or(v.Depth, "none"))
		c.say("  source    %s", yesNo(v.Source))
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
	return fmt.Sprintf("%s = %s", v.Raw, clock(time.Unix(v.Timestamp, 0)))
}

func or(s, instead string) string {
	if s == "" {
		return instead
	}
	return s
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func when(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return clock(t)
}

// ago is a duration as an operator reads it: 40s, 12m, 5h, 3d.
func ago(t, now time.Time) string {
	if t.IsZero() {
		return "never"
	}
	d := now.Sub(t)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}
