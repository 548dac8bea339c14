package main

import (
	"cmp"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"tidemark/history"
	"tidemark/internal/console"
	"tidemark/manifest"
	"tidemark/quorum"
)

// statusTable prints the run, the trees and the rows.
func statusTable(c *console.Call, v *statusView, f rowFilter) {
	d, on := v.doc, screenOf(c)
	c.Say("network %s, run of %s, %s ago: %s", d.Network, console.Clock(d.At.Time), console.Ago(d.At.Time, v.now), d.Why)
	if !d.FullAt.IsZero() && d.FullAt.Before(d.At.Time) {
		c.Say("all servers were asked last by the run of %s, %s before", console.Clock(d.FullAt.Time), console.Ago(d.FullAt.Time, d.At.Time))
	}
	for _, t := range d.Trees {
		if f.tree != "" && f.tree != t.Tree {
			continue
		}
		c.Say("%-10s %s", t.Tree, treeLine(t))
		if curve, known := v.curves[t.Tree]; known {
			c.Say("%-10s %s", "", curveLine(curve, v.now))
		}
	}
	if d.Guard.Spoke && !strings.Contains(d.Why, d.Guard.Reason) {
		c.Say("guard: %s", d.Guard.Reason)
	}
	if d.Beacon != nil {
		c.Say("%s", d.Beacon)
		for _, l := range d.Beacon.Lagging {
			c.Say("  %s %s: %s", cmp.Or(l.Server, l.Address), l.Name, l.Says)
		}
	}
	for _, problem := range d.Problems {
		c.Say("problem: %s", problem)
	}
	for _, warning := range d.Warnings {
		c.Say("warning: %s", warning)
	}
	rows, of := f.apply(v.rows)
	if len(rows) > 0 {
		c.Say("\n%s", draw(columns(v.now), rows, on))
	}
	c.Say("\n%s", countRows(v.rows, rows, of, f))
	for _, gap := range v.gaps {
		c.Warn("%s", gap)
	}
}

// curveLine says how a timestamp spread.
func curveLine(c history.Curve, now time.Time) string {
	parts := []string{}
	for _, p := range c.Points {
		if p.Reached {
			parts = append(parts, fmt.Sprintf("%d %% after %s", p.Percent, console.Span(p.After)))
		}
	}
	said := fmt.Sprintf("announced %s ago", console.Ago(c.Announced, now))
	if len(parts) > 0 {
		said += "; reached " + strings.Join(parts, ", ")
	}
	return fmt.Sprintf("%s; %d of the %d mirrors that could get it then have had it", said, c.Reached, c.Of)
}

// countRows counts: what is shown, of what, and by state.
func countRows(all, rows []statusRow, of int, f rowFilter) string {
	counts, sources := map[quorum.State]int{}, 0
	for _, r := range all {
		if f.chooses(r) {
			counts[r.verdict.State]++
			if r.verdict.Source {
				sources++
			}
		}
	}
	var parts []string
	for _, s := range quorum.States() {
		if counts[s] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[s], s))
		}
	}
	text := fmt.Sprintf("%d of %d", of, len(all))
	if of == len(all) {
		text = strconv.Itoa(of)
	}
	if len(rows) < of {
		text = fmt.Sprintf("the first %d of %d", len(rows), of)
	}
	if of == 0 {
		return fmt.Sprintf("none of %d rows is chosen by these flags", len(all))
	}
	return fmt.Sprintf("%s rows (a tree at a server each): %s; %d are sources", text, strings.Join(parts, ", "), sources)
}

func columns(now time.Time) []column[statusRow] {
	return []column[statusRow]{
		{name: "server", cell: func(r statusRow) string { return r.verdict.Server }},
		{name: "tree", cell: func(r statusRow) string { return r.verdict.Tree }},
		{name: "state", cell: func(r statusRow) string { return string(r.verdict.State) }, paint: paintState},
		{name: "kind", cell: func(r statusRow) string { return r.verdict.Kind }, drop: 6},
		{name: "cc", cell: func(r statusRow) string { return cmp.Or(r.server.Country, "-") }, drop: 7},
		{name: "source", cell: func(r statusRow) string { return yesNo(r.verdict.Source) }, drop: 1},
		{name: "age", cell: func(r statusRow) string { return contentAge(r.verdict, now) }, num: true},
		{name: "since", cell: func(r statusRow) string { return console.Ago(r.verdict.Since.Time, now) }, num: true, drop: 2},
		{name: "good", cell: func(r statusRow) string { return console.Ago(r.verdict.Good.Time, now) }, num: true, drop: 3},
		{name: "depth", cell: func(r statusRow) string { return cmp.Or(r.verdict.Depth, "-") }, drop: 4},
		{name: "ip", cell: func(r statusRow) string { return families(r.memory) }, drop: 8},
		{name: "7d", cell: func(r statusRow) string { return goodShare(r.week) }, num: true, drop: 9},
		{name: "30d", cell: func(r statusRow) string { return goodShare(r.month) }, num: true, drop: 5},
		{name: "reason", cell: func(r statusRow) string { return r.split + brief(r.verdict) }},
	}
}

// contentAge is how old the content is by its time file.
func contentAge(v quorum.Verdict, now time.Time) string {
	if v.Timestamp <= 0 {
		return "-"
	}
	if at := time.Unix(v.Timestamp, 0); at.After(now) {
		return "in " + console.Span(at.Sub(now)) // from the future
	}
	return console.Ago(time.Unix(v.Timestamp, 0), now)
}

// families are the ones over which it was verified.
func families(m quorum.ServerMemory) string {
	var parts []string
	for _, f := range m.Families {
		parts = append(parts, strconv.Itoa(f))
	}
	return cmp.Or(strings.Join(parts, "+"), "-")
}

// goodShare is how often it was good of the rounds that asked it.
func goodShare(u *history.Uptime) string {
	if share(u) < 0 {
		return "-"
	}
	if u.Good == u.Asked {
		return "100%"
	}
	return fmt.Sprintf("%.1f%%", float64(share(u))/10)
}

var (
	clockInReason = regexp.MustCompile(` \(\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)? UTC\)`)
	headOfReason  = regexp.MustCompile(`^(its time file says \d+, but |it was not asked in this round: )`)
	behindReason  = regexp.MustCompile(`^its time file says \d+, (.* older than )`)
	listOfReason  = regexp.MustCompile(`^its file list was not the master's( when it was looked at)?( \([^)]*\))?:`)
	endOfReason   = regexp.MustCompile(`, so it is no source$`)
	butOfReason   = regexp.MustCompile(`^.*, (but|so) (it (is|counts|waits)\b.*)$`)
)

// brief is the reason without what the other columns say; nothing of a source that is as it should be.
func brief(v quorum.Verdict) string {
	text := endOfReason.ReplaceAllString(clockInReason.ReplaceAllString(v.Reason, ""), "")
	if v.State != quorum.Verified && (v.State != quorum.Ahead || !v.Source) {
		text = behindReason.ReplaceAllString(headOfReason.ReplaceAllString(text, ""), "$1")
		return listOfReason.ReplaceAllString(text, "its list:")
	}
	var parts []string
	if v.List != nil && v.List.Extra > 0 {
		parts = append(parts, fmt.Sprintf("%s that the master does not have", files(v.List.Extra)))
	}
	if v.Depth == manifest.DepthTime || !v.Source {
		parts = append(parts, butOfReason.ReplaceAllString(text, "$2"))
	}
	return strings.Join(parts, "; ")
}

// files counts them.
func files(n int64) string {
	if n == 1 {
		return "1 file"
	}
	return fmt.Sprintf("%d files", n)
}
