package main

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"tidemark/internal/console"
	"tidemark/internal/strictjson"
	"tidemark/quorum"
)

func statusCommand(e *console.Program) *cli.Command {
	flags := append([]cli.Flag{
		&cli.StringFlag{Name: "why", Usage: "tell the whole story of the server `ID`"},
		&cli.BoolFlag{Name: "check", Usage: "for monitoring: one line, and an exit code that says whether a person is needed"},
		&cli.DurationFlag{Name: "stale", Usage: "with --check: all servers must have been asked within this `TIME`", Value: staleAfter},
	}, rowFlags()...)
	return e.Command("status", "what the last run concluded, server by server", "", flags, `Prints what the last run concluded: of each tree what is announced and how it spreads, of each server a row, the worst
first. Where the last run asked only those that had checked in, it says when all were asked last; where beacon: is
configured, what came of the record.

  age      of the content, by its time file       7d 30d  rounds in which it was good, of those that asked it
  since    in this state                          ip      address families over which it was verified
  good     last good check                        depth   how deep that was: time, anchors, or listing

anchors: the SHA-256 of the metadata files looked at is the master's. listing: besides, names, sizes and times of last change of
all files are. The bytes of other files are read by nobody here: packages are proven by the package manager's own signatures.

On a terminal the table fits its width: the reason is cut, and columns are left out. Elsewhere every row is one line, whole.

--why tells of one server what was asked at every address, what was seen, what was expected, since when, and what to do.

--check prints one line, "TIDEMARK OK …" or "TIDEMARK PROBLEM …", with figures behind a "|", and each reason on a line of its
own. It looks at what is published, at the last runs, the guard, the masters, the nodes, the beacon, and whether much of what
was in order within the last day is so no more. Without --stale, runs are missed after three of their usual intervals, between
15m and an hour. Exit codes: 0 in order; 3 the guard spoke, 4 what is published has expired, 7 a tree is overdue, where that is
all; 1 for anything else, or more than one of these; 2 usage or configuration.

Examples:
  tidemark status
  tidemark status --state wrong,incomplete --kind mirror
  tidemark status --tree centos --source no --sort good --limit 20
  tidemark status --why ftp.example.org
  tidemark status --check || mail -s "tidemark" root`, func(c *console.Call) error {
		switch {
		case c.Bool("check") && c.IsSet("why"):
			return console.Usage("--check and --why: only one of them")
		case c.IsSet("stale") && !c.Bool("check"):
			return console.Usage("--stale is for --check")
		}
		p, err := openPublisher(c, true)
		if err != nil {
			return err
		}
		if c.Bool("check") {
			return p.check()
		}
		return p.showRows()
	})
}

// showRows is `status` without --check.
func (p *publisher) showRows() error {
	f, err := p.rowFilter()
	if err != nil {
		return err
	}
	id, d := p.String("why"), statusDocument{}
	if d, err = p.lastStatus(); err != nil && id == "" {
		return err
	}
	if noRun := err; noRun != nil {
		d = statusDocument{Schema: statusSchema, Network: p.cfg.Network, Why: noRun.Error(), Trees: []quorum.TreeReport{}, Verdicts: []quorum.Verdict{}}
	}
	ctx := p.Context.Context
	v := p.view(ctx, d)
	defer v.close()
	p.warnEnds()
	if id == "" {
		if p.JSON {
			return p.Document(v.document(f))
		}
		statusTable(p.Call, v, f)
		return nil
	}
	s, err := p.why(ctx, id, v)
	if err != nil {
		return err
	}
	f.ids = []string{id}
	doc := v.document(f)
	doc.Story = s
	if p.JSON {
		return p.Document(doc)
	}
	tellStory(p.Call, s, v.now)
	if v.doc.At.IsZero() {
		p.Say("\nno run has finished yet: tidemark run, or look at it alone: tidemark probe %s --deep", id)
	}
	for _, gap := range v.gaps {
		p.Warn("%s", gap)
	}
	return nil
}

// document is the view for --json: the chosen verdicts in their order, and what the history adds.
func (v *statusView) document(f rowFilter) statusDocument {
	d := v.doc
	rows, _ := f.apply(v.rows)
	d.Verdicts = make([]quorum.Verdict, 0, len(rows))
	for _, r := range rows {
		d.Verdicts = append(d.Verdicts, r.verdict)
		if r.month != nil {
			d.Uptimes = append(d.Uptimes, uptimeDocument{Server: r.verdict.Server, Tree: r.verdict.Tree, Week: uptimeOf(r.week), Month: uptimeOf(r.month)})
		}
	}
	for _, tree := range sortedKeys(v.curves) {
		c := v.curves[tree]
		doc := curveDocument{Tree: tree, Timestamp: c.Timestamp, Announced: strictjson.At(c.Announced), Of: c.Of, Reached: c.Reached, Points: []pointDocument{}}
		for _, p := range c.Points {
			if p.Reached {
				doc.Points = append(doc.Points, pointDocument{Percent: p.Percent, After: int64(p.After / time.Second)})
			}
		}
		d.Curves = append(d.Curves, doc)
	}
	return d
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

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
