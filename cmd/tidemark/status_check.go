package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"tidemark/internal/console"
	"tidemark/inventory"
	"tidemark/manifest"
	"tidemark/quorum"
)

// staleAfter is how old the last full run may be at most, unless --stale says otherwise: a few intervals of every usual timer.
// Where the history shows that they come more often, three of their intervals are enough, but never less than staleLeast.
const (
	staleAfter = time.Hour
	staleLeast = 15 * time.Minute
)

// lostWithin is how long what was in order is missed.
const lostWithin = 24 * time.Hour

// softFor is how long a node may be silent before a person is asked: soft errors come and go.
const softFor = 15 * time.Minute

// checkDocument is what --check found.
type checkDocument struct {
	OK      bool             `json:"ok"`
	Code    int              `json:"code"`    // the exit code
	Reasons []checkReason    `json:"reasons"` // why a person is needed
	Figures map[string]int64 `json:"figures"`
}

type checkReason struct {
	Kind string `json:"kind"`
	Text string `json:"text"`
	code int
}

// The kinds of reasons.
const (
	aboutState     = "state"     // nothing is known: no run has finished, or its file is damaged
	aboutExpiry    = "expiry"    // what is published ends soon, or has
	aboutStale     = "stale"     // the runs have ceased
	aboutGuard     = "guard"     // the guard spoke
	aboutMaster    = "master"    // a master cannot be read
	aboutOverdue   = "overdue"   // a tree waits for its quorum for too long
	aboutNode      = "node"      // a node is bad
	aboutBeacon    = "beacon"    // the record is not as it should be
	aboutLost      = "lost"      // much of what was in order a day ago is so no more, or nothing is offered
	aboutOperation = "operation" // anything else that the last run met
)

// check is `status --check`.
func (p *publisher) check() error {
	d := &checkDocument{Reasons: []checkReason{}, Figures: map[string]int64{}}
	if _, err := p.state.memory(); err != nil {
		d.add(aboutState, console.Failed, "no run can begin: %v", err)
	}
	last, err := p.lastStatus()
	if err != nil {
		d.add(aboutState, console.Failed, "%v", err)
		last = statusDocument{Schema: statusSchema, Network: p.cfg.Network, Why: err.Error(), Trees: []quorum.TreeReport{}, Verdicts: []quorum.Verdict{}}
	} else {
		past := p.pastForCheck()
		p.checkRuns(d, last, past)
		checkTrees(d, last)
		p.checkNodes(d, last.Verdicts)
		p.checkLost(d, last, past)
		checkTold(d, last)
	}
	p.checkExpiry(d)
	d.judge()
	if last.Check = d; p.JSON {
		if err := p.Document(last); err != nil {
			return err
		}
	}
	d.tell(p.Call, p.cfg.Network)
	if d.OK {
		return nil
	}
	return console.Status(d.Code)
}

func (d *checkDocument) add(kind string, code int, format string, args ...any) {
	d.Reasons = append(d.Reasons, checkReason{Kind: kind, Text: fmt.Sprintf(format, args...), code: code})
}

// judge makes the exit code: that of the reason where all are of one kind, 1 otherwise.
func (d *checkDocument) judge() {
	if d.OK = len(d.Reasons) == 0; d.OK {
		return
	}
	d.Code = d.Reasons[0].code
	for _, r := range d.Reasons {
		if r.code != d.Code {
			d.Code = console.Failed
		}
	}
}

// checkRuns looks at when all servers were asked last.
func (p *publisher) checkRuns(d *checkDocument, last statusDocument, past pastForCheck) {
	full := last.FullAt.Time
	if full.IsZero() {
		d.add(aboutStale, console.Failed, "no run that asked all servers has come to its end yet")
		return
	}
	age := p.Now().Sub(full)
	d.Figures["full_run_age"] = int64(age.Seconds())
	stale := p.Duration("stale")
	if !p.IsSet("stale") {
		stale = past.stale()
	}
	if age <= stale {
		return
	}
	text := fmt.Sprintf("all servers were asked last %s ago (%s), expected within %s", console.Span(age), console.Clock(full), console.Span(stale))
	if h, alive := p.state.held(); !alive && h.For != forCheckins && h.Since.After(last.At.Time) {
		d.add(aboutStale, console.Failed, "%s: what was begun at %s failed before its end: look at its mail or journal, or type tidemark run", text, console.Clock(h.Since.Time))
		return
	}
	d.add(aboutStale, console.Failed, "%s: look at the timer or the cron line", text)
}

// checkExpiry looks at the life of what is published.
func (p *publisher) checkExpiry(d *checkDocument) {
	own, err := p.ownCopy()
	switch {
	case err != nil:
		d.add(aboutState, console.Failed, "%v", err)
		return
	case own == nil:
		d.add(aboutExpiry, console.Failed, "nothing is known to have been published from here")
		return
	}
	m := own.manifest
	left, whole := m.Expires.Sub(p.Now()), p.cfg.Validity
	d.Figures["serial"], d.Figures["expires_in"], d.Figures["sources"] = m.Serial, int64(left.Seconds()), int64(len(m.Sources))
	switch {
	case m.Issued.After(p.Now().Add(manifest.Skew)):
		d.add(aboutExpiry, console.Refused, "serial %d was issued at %s, which is in the future: no mirror takes it until then", m.Serial, console.Clock(m.Issued.Time))
	case left <= 0:
		d.add(aboutExpiry, console.Refused, "serial %d expired at %s: no mirror takes it any more", m.Serial, console.Clock(m.Expires.Time))
	case left < whole/4:
		d.add(aboutExpiry, console.Failed, "serial %d expires in %s, less than a quarter of its validity (%s): no run has renewed it", m.Serial, console.Span(left), console.Span(whole))
	}
}

// checkTrees looks at the trees and the guard.
func checkTrees(d *checkDocument, last statusDocument) {
	if last.Guard.Spoke {
		d.add(aboutGuard, console.Guard, "guard: %s", last.Guard.Reason)
	}
	for _, t := range last.Trees {
		if t.Trouble != "" {
			d.add(aboutMaster, console.Failed, "master of tree %s: %s", t.Tree, t.Trouble)
		}
		if t.Overdue {
			d.add(aboutOverdue, console.Overdue, "tree %s: timestamp %s waits for its quorum since %s", t.Tree, console.Stamp(t.Pending), console.Clock(t.Waiting.Time))
		}
	}
}

// checkNodes counts the verdicts, and looks for nodes that a person should look at.
func (p *publisher) checkNodes(d *checkDocument, verdicts []quorum.Verdict) {
	for _, s := range quorum.States() {
		d.Figures[string(s)] = 0
	}
	for _, v := range verdicts {
		d.Figures[string(v.State)]++
		if v.Kind != inventory.KindNode {
			continue
		}
		switch v.State {
		case quorum.Wrong, quorum.Incomplete, quorum.Mixed, quorum.Refused:
		case quorum.Unreachable, quorum.Busy, quorum.Unknown:
			if p.Now().Sub(v.Since.Time) < softFor {
				continue
			}
		default:
			continue
		}
		d.add(aboutNode, console.Failed, "node %s, tree %s: %s since %s: %s", v.Server, v.Tree, v.State, console.When(v.Since.Time), v.Reason)
	}
}

// checkTold takes over what the last run said itself, once.
func checkTold(d *checkDocument, last statusDocument) {
	if b := last.Beacon; b != nil {
		switch {
		case b.State == beaconFailed || b.State == beaconWithheld:
			d.add(aboutBeacon, console.Failed, "%s", b)
		case len(b.Lagging) > 0:
			d.add(aboutBeacon, console.Failed, "beacon %s: %d of its servers lag", b.Name, b.Servers-b.Agree)
		}
	}
	beaconTold := slices.ContainsFunc(d.Reasons, func(r checkReason) bool { return r.Kind == aboutBeacon })
	for _, problem := range last.Problems {
		told := slices.ContainsFunc(d.Reasons, func(r checkReason) bool { return r.Text == problem })
		if told || beaconTold && strings.HasPrefix(problem, "beacon ") {
			continue
		}
		d.add(aboutOperation, console.Failed, "%s", problem)
	}
}

// tell prints the line, its figures, and the reasons.
func (d *checkDocument) tell(c *console.Call, network string) {
	head := fmt.Sprintf("TIDEMARK OK - %s: serial %d, %d sources, %d verified", network, d.Figures["serial"], d.Figures["sources"], d.Figures[string(quorum.Verified)])
	if !d.OK {
		head = fmt.Sprintf("TIDEMARK PROBLEM - %s: %s", network, atMost(d.Reasons[0].Text, headMost))
		if more := len(d.Reasons) - 1; more > 0 {
			head += fmt.Sprintf(" (and %d more)", more)
		}
	}
	head = plain(head)
	var figures []string
	for _, name := range sortedKeys(d.Figures) {
		figures = append(figures, fmt.Sprintf("%s=%d", name, d.Figures[name]))
	}
	if len(figures) > 0 {
		head += " | " + strings.Join(figures, " ")
	}
	c.Say("%s", head)
	for _, r := range d.Reasons {
		c.Say("%s: %s", r.Kind, plain(r.Text))
	}
}

// headMost is how much of a reason the one line has, in letters; the reason's own line has it all.
const headMost = 240

// plain is a text in one line, without the sign that ends a monitor's text and without what cannot be printed.
func plain(s string) string {
	s = strings.NewReplacer("|", "/", "\n", "; ", "?\uFFFD", "; ", "\uFFFD", " ").Replace(s)
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, s)
}
