package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"tidemark/internal/console"
	"tidemark/internal/strictjson"
	"tidemark/manifest"
	"tidemark/quorum"
)

const probeSchema = "tidemark/probe/v1"

func runCommand(e *console.Program) *cli.Command {
	return e.Command("run", "probe, decide, sign and publish: what cron calls", "", []cli.Flag{
		&cli.BoolFlag{Name: "force", Usage: "publish what was verified now: even when the guard speaks, or nothing changed but who signs"},
		&cli.BoolFlag{Name: "bootstrap", Usage: "begin anew where neither the site nor the state knows a predecessor"},
		&cli.BoolFlag{Name: "checkins", Usage: "look only at the mirrors that checked in since the last run"},
		console.DryRun(),
	}, `Looks at the masters, asks every node and mirror, decides what can be announced, signs it and publishes it.
Nothing is published when nothing changed and less than half of the validity is over. Where checkin: is configured, it
takes what "tidemark checkin serve" has put into the spool, and looks more closely at those mirrors.

With --checkins it looks at those mirrors alone, at no master and at nobody else, and publishes when they became sources:
meant for a systemd path unit, which starts it at any moment. It waits up to ten minutes for a run that is under way. With
nothing in the spool it ends at once. A check-in makes nobody good: it is a hint to look now. What it publishes ends when its
predecessor does: only full runs renew a manifest. A server has 15 seconds, or twice probe.timeout where that is less, for
all that is asked of it; what it has not answered by then is left to the full run.

Exit codes: 0 done, 1 failed, 2 configuration, 3 the guard spoke, 4 refused (signature, trust, clock),
5 another run holds the lock or was faster, 7 published, but a tree waits longer than max_wait for its quorum.

Example for /etc/cron.d, every five minutes, as the owner of the state; cron mails what goes wrong, and nothing else:
  */5 * * * *  tidemark  /usr/local/bin/tidemark run -q --config /etc/tidemark/tidemark.yaml
Example, what a path unit starts when a mirror has checked in:
  /usr/local/bin/tidemark run --checkins -q --config /etc/tidemark/tidemark.yaml`, func(c *console.Call) error {
		if c.Bool("checkins") {
			for _, with := range []string{"dry-run", "bootstrap"} {
				if c.Bool(with) {
					return console.Usage("--checkins and --%s: only one of them", with)
				}
			}
			return runCheckins(c)
		}
		p, err := openPublisher(c, c.Dry)
		if err != nil {
			return err
		}
		defer p.close()
		forgot := p.forgot()
		o, err := p.publishRun(c.Context.Context, c.Bool("force"), c.Bool("bootstrap"))
		if err != nil {
			return err
		}
		if forgot {
			p.warnForgot(o)
		}
		return p.tell(o)
	})
}

// runDocument is `run --json`.
type runDocument struct {
	Schema    string              `json:"schema"`
	Network   string              `json:"network"`
	Published bool                `json:"published"`
	Serial    int64               `json:"serial,omitempty"`
	Expires   strictjson.Time     `json:"expires,omitzero"`
	Why       string              `json:"why"`
	DryRun    bool                `json:"dry_run,omitempty"`
	Trees     []quorum.TreeReport `json:"trees"`
	Guard     quorum.GuardReport  `json:"guard"`
	Sources   int                 `json:"sources"`
	Checkins  []checkinDocument   `json:"checkins,omitempty"`
	Refused   int                 `json:"checkins_refused,omitempty"` // what lay in the spool and is no check-in
	Beacon    *beaconOutcome      `json:"beacon,omitempty"`
	Problems  []string            `json:"problems,omitempty"`
}

// tell says what the run did, and makes its exit code.
func (p *publisher) tell(o *outcome) error {
	sources := 0
	if m := o.decision.Manifest; m != nil {
		sources = len(m.Sources)
	}
	doc := runDocument{Schema: "tidemark/run/v1", Network: p.cfg.Network, Published: o.published != nil, Why: o.why, DryRun: p.Dry,
		Trees: o.decision.Trees, Guard: o.decision.Guard, Sources: sources,
		Checkins: o.checkedIn(), Refused: o.checkins.refused, Beacon: p.beaconTold}
	for _, d := range doc.Checkins {
		p.Say("%s", d.line())
	}
	for _, t := range o.decision.Trees {
		p.Say("%-10s %s", t.Tree, treeLine(t))
	}
	switch {
	case o.published != nil:
		doc.Serial, doc.Expires = o.published.Serial, strictjson.At(o.expires)
		p.Say("published serial %d (%s), %d sources, expires %s -> %s", o.published.Serial, o.why, sources, console.Clock(o.expires), p.cfg.Publish[0])
	case p.Dry:
		p.Say("dry run, nothing was written: %s, %d sources", o.why, sources)
	case o.decision.Guard.Held:
		p.Say("not published: held back by the guard") // which speaks at the end
	default:
		p.Say("not published: %s", o.why)
	}
	p.sayBeacon()
	for _, err := range o.trouble {
		doc.Problems = append(doc.Problems, err.Error())
	}
	if err := p.Document(doc); err != nil {
		return err
	}
	return p.verdict(o)
}

// forgot: there is no memory in the state directory.
func (p *publisher) forgot() bool {
	b, err := p.state.read("memory.json")
	return err == nil && b == nil
}

// warnForgot tells of a memory that was lost where something had been published: a disk may have been lost unseen.
func (p *publisher) warnForgot(o *outcome) {
	st, _, err := p.state.site()
	if err != nil || p.Dry || st.Published == 0 || o.published != nil && o.why == "first publication" {
		return
	}
	p.Warn("%s was not there: what is announced was read back from what is published, and all servers are looked at anew", p.state.path("memory.json"))
}

// treeLine is a tree's state in one line.
func treeLine(t quorum.TreeReport) string {
	if t.Announced == 0 || t.Admit >= manifest.FullAdmission {
		return t.Note
	}
	return fmt.Sprintf("%s; %d %% of the mirrors are admitted", t.Note, t.Admit/(manifest.FullAdmission/100))
}

// verdict turns an outcome into the run's exit code: the gravest thing last said.
func (p *publisher) verdict(o *outcome) error {
	p.warnEnds()
	var last error
	for _, err := range slices.SortedStableFunc(slices.Values(o.trouble), func(a, b error) int { return p.gravity(a) - p.gravity(b) }) {
		if last != nil {
			p.Report(last)
		}
		last = err
	}
	if o.decision.Guard.Spoke {
		if last != nil {
			p.Report(last)
		}
		hint := "look at: tidemark status; what was verified is published now"
		if o.decision.Guard.Held {
			hint = "look at: tidemark status; if these errors are real, publish at once with: tidemark run --force"
		}
		return console.Exit(console.Guard, fmt.Errorf("guard: %s", o.decision.Guard.Reason), "%s", hint)
	}
	if last != nil {
		return last
	}
	for _, t := range o.decision.Trees {
		if t.Overdue {
			return console.Exit(console.Overdue, fmt.Errorf("tree %s: timestamp %s waits for its quorum since %s", t.Tree, console.Stamp(t.Pending), console.Clock(t.Waiting.Time)),
				"see which nodes lag: tidemark status --tree %s", t.Tree)
		}
	}
	return nil
}

// gravity orders troubles: what readers refuse comes last, and makes the exit code.
func (p *publisher) gravity(err error) int {
	if p.Code(err) == console.Refused {
		return 1
	}
	return 0
}

// warnEnds warns 90 and 30 days before any key, certificate or trust version ends (DESIGN 4.5); under --quiet, where cron mails
// every word, once a day.
func (p *publisher) warnEnds() {
	words := endings(p.trust, p.Now())
	if len(words) == 0 {
		return
	}
	st, _, err := p.state.site()
	if age := p.Now().Sub(st.WarnedAt.Time); p.Quiet && err == nil && age >= 0 && age < 24*time.Hour {
		return
	}
	for _, w := range words {
		p.Warn("%s", w)
	}
	if err != nil || p.readOnly() {
		return
	}
	st.WarnedAt = strictjson.At(p.Now())
	if err := p.state.save("site.json", st); err != nil {
		p.Warn("%v", err)
	}
}
