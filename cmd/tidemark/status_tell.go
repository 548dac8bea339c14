package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"tidemark/history"
	"tidemark/internal/console"
	"tidemark/internal/filelist"
	"tidemark/quorum"
)

// tellStory prints it.
func tellStory(c *console.Call, s *serverStory, now time.Time) {
	c.Say("%s", s.head())
	if s.Declared != nil && s.Declared.Exclude != nil {
		c.Say("  leaves out  %s", strings.Join(s.Declared.Exclude, " "))
	}
	for _, t := range s.Trees {
		c.Say("")
		t.tell(c, now)
	}
	if len(s.Trees) == 0 {
		c.Say("  it carries none of the trees of this network")
	}
}

// head is the server in one line.
func (s *serverStory) head() string {
	d := s.Declared
	if d == nil {
		return fmt.Sprintf("%s: it is in the inventory no more; this is what the last run knew", s.Server)
	}
	parts := []string{d.Kind}
	if where := strings.Join(slices.DeleteFunc([]string{d.City, d.Country}, func(s string) bool { return s == "" }), ", "); where != "" {
		parts = append(parts, where)
	}
	if d.ASN != 0 {
		parts = append(parts, fmt.Sprintf("AS%d", d.ASN))
	}
	parts = append(parts, fmt.Sprintf("%d slots", d.Slots))
	if d.Group != "" {
		parts = append(parts, "group "+d.Group)
	}
	if d.MaxConnections > 0 {
		parts = append(parts, fmt.Sprintf("at most %d connections", d.MaxConnections))
	}
	for _, flag := range []struct {
		on   bool
		text string
	}{{d.Maintenance, "in maintenance"}, {d.Private, "private"}, {d.Partial, "partial"}} {
		if flag.on {
			parts = append(parts, flag.text)
		}
	}
	return fmt.Sprintf("%s: %s (%s:%d)", s.Server, strings.Join(parts, ", "), d.File, d.Line)
}

// tell prints the tree's part.
func (t treeStory) tell(c *console.Call, now time.Time) {
	line := func(word, format string, args ...any) { c.Say("  %-10s %s", word, fmt.Sprintf(format, args...)) }
	switch v := t.Verdict; {
	case v == nil:
		c.Say("tree %s: no run has looked at it yet", t.Tree)
		line("url", "%s", t.URL)
	default:
		c.Say("tree %s: %s", t.Tree, v.State)
		line("reason", "%s", v.Reason)
		if t.Advice != "" {
			line("do", "%s", t.Advice)
		}
		line("url", "%s", v.URL)
		if t.probed == nil {
			line("source", "%s", yesNo(v.Source))
		} else {
			line("source", "%s", t.probed.source(*v))
		}
		line("since", "%s", whenAgo(v.Since.Time, now))
		good := whenAgo(v.Good.Time, now)
		if depth := cmp.Or(v.Depth, t.depth); depth != "" && !v.Good.IsZero() {
			good += ", depth " + depth
		}
		line("last good", "%s", good)
	}
	line("announced", "%s", console.Stamp(t.Announced))
	if t.Verdict != nil {
		t.tellMemory(line, now)
	}
	if t.Week != nil && t.Week.Asked > 0 {
		line("good in", "%s", t.uptime())
	}
	for _, r := range t.Readings {
		t.tellReading(c, r, now)
	}
	if len(t.Readings) == 0 && t.Verdict != nil {
		line("answers", "none was kept")
	}
	for i, s := range merged(t.Spans) {
		if i == 0 {
			c.Say("  lately")
		}
		c.Say("    %s to %s  %-11s %-7s  %s", console.Clock(s.From.Time), console.Clock(s.Until.Time), s.State, cmp.Or(s.Depth, "-"), s.Reason)
	}
	if t.probed != nil && t.Verdict != nil {
		for _, said := range t.probed.conclusion(*t.Verdict, now) {
			line("note", "%s", said)
		}
	}
}

// merged are spans with short reasons, neighbours that read the same made one.
func merged(spans []spanStory) []spanStory {
	var list []spanStory
	for _, s := range spans {
		s.Reason = brief(quorum.Verdict{State: s.State, Reason: s.Reason})
		if n := len(list); n > 0 && list[n-1].State == s.State && list[n-1].Depth == s.Depth && list[n-1].Reason == s.Reason {
			list[n-1].From, list[n-1].Rounds = s.From, list[n-1].Rounds+s.Rounds
			continue
		}
		list = append(list, s)
	}
	return list
}

// tellMemory prints what outlives a round: the last look at the list, errors, and the next turn.
func (t treeStory) tellMemory(line liner, now time.Time) {
	v := t.Verdict
	listed := v.Listed.Time
	if v.List != nil && v.List.At.After(listed) {
		listed = v.List.At.Time
	}
	if t.probed == nil && !listed.IsZero() { // a probe's is below
		line("whole list", "looked at last %s", whenAgo(listed, now))
	}
	if l := v.List; l != nil && t.probed == nil {
		said := diffText(filelist.Diff{Missing: l.Missing, Extra: l.Extra, Different: l.Different, Moved: l.Moved})
		line("", "at %s, of %s: %s", cmp.Or(l.Address, "one address"), console.Stamp(l.Timestamp), said)
		if l.State != "" {
			for _, f := range l.First {
				line("", "  %s", f)
			}
		}
	}
	if v.Soft > 0 {
		line("errors", "%s; two in a row are forgiven, the third ends its verification", inARow(v.Soft))
	}
	if !v.Next.IsZero() && t.probed == nil { // a probe is forgotten, and so is its forecast
		line("asked next", "at about %s, or when it checks in", console.Clock(v.Next.Time))
	}
}

// inARow counts failed rounds.
func inARow(n int) string {
	if n == 1 {
		return "1 round failed"
	}
	return fmt.Sprintf("%d rounds in a row failed", n)
}

func (t treeStory) uptime() string {
	of := func(u *uptimeStory) string {
		return fmt.Sprintf("%d of %d rounds (%s)", u.Good, u.Asked, goodShare(&history.Uptime{Asked: u.Asked, Good: u.Good}))
	}
	text := of(t.Week) + " of 7 days"
	if t.Month != nil && t.Month.Asked > t.Week.Asked {
		text += ", " + of(t.Month) + " of 30"
	}
	return text
}

func whenAgo(t, now time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return fmt.Sprintf("%s, %s ago", console.Clock(t), console.Ago(t, now))
}

// tellReading prints what was asked at one address, what was seen, and what was expected.
func (t treeStory) tellReading(c *console.Call, r lastReading, now time.Time) {
	where := "no address"
	if r.Address != "" {
		where = fmt.Sprintf("%s (IPv%d)", r.Address, r.Family)
	}
	c.Say("  asked      %s, %s", where, whenAgo(r.At.Time, now))
	line := func(word, format string, args ...any) { c.Say("    %-9s %s", word, fmt.Sprintf(format, args...)) }
	switch {
	case r.Raw == "" && r.Timestamp == 0:
		line("time file", "not read")
	case r.Timestamp == 0:
		line("time file", "%s, which is no timestamp", r.Raw)
	default:
		line("time file", "%s = %s", r.Raw, console.Clock(time.Unix(r.Timestamp, 0)))
	}
	if r.Void {
		line("", "it changed while we looked: what follows is void")
	}
	if r.Failure != nil {
		line("failed", "%s: %s", r.Failure.Kind, r.Failure.Text)
	}
	t.tellAnchors(r, line)
	if r.List != nil {
		t.tellList(*r.List, r.Timestamp, c.Bool("verbose"), line)
	}
}

type liner func(word, format string, args ...any)

func (t treeStory) tellAnchors(r lastReading, line liner) {
	if r.Asked == 0 {
		return
	}
	expected := anchorsOf(quorum.TreeMemory{Recorded: []quorum.Recorded{t.recorded[r.Timestamp]}}, r.Timestamp)
	switch {
	case expected == nil:
		line("anchors", "%d looked at; nothing is recorded of that timestamp to compare them with", r.Asked)
	case r.Odd == 0:
		line("anchors", "%d looked at, all as recorded of that timestamp", r.Asked)
	default:
		line("anchors", "%d looked at, %d not as recorded of that timestamp", r.Asked, r.Odd)
	}
	for _, a := range r.Anchors {
		e, known := expected[a.Path]
		seen, want := anchorText(a.Size, a.SHA256, a.Missing), anchorText(e.Size, e.SHA256, !known)
		if seen == want || expected == nil {
			line("", "  %s: %s", a.Path, seen)
			continue
		}
		line("", "  %s", a.Path)
		line("", "    found    %s", seen)
		line("", "    expected %s", want)
	}
	if hidden := r.Asked - len(r.Anchors); hidden > 0 {
		line("", "  and %d more", hidden)
	}
}

func anchorText(size int64, sha256 string, missing bool) string {
	if missing {
		return "no such file"
	}
	return fmt.Sprintf("%d bytes, sha256 %s", size, sha256)
}

// oddShown is how many files of each kind a story names without --verbose.
const oddShown = 5

func (t treeStory) tellList(d filelist.Diff, timestamp int64, all bool, line liner) {
	text := fmt.Sprintf("%s, %s, and the time file", files(d.Files), size(d.Bytes))
	part := ""
	if t.partial {
		part = ", in what it carries"
	}
	if want := t.recorded[timestamp].List; want != nil {
		text += fmt.Sprintf(" (the master has %d)", max(0, want.Files-1)) // its sum counts the time file
	}
	if d.Equal() {
		line("list", "%s: names, sizes and times as on the master%s", text, part)
		line("", "  (the bytes of files that are no anchors are not read: package signatures prove them)")
		return
	}
	line("list", "%s: %s%s", text, diffText(d), part)
	show := func(word string, n int64, odd []filelist.Odd, say func(filelist.Odd) string) {
		if !all {
			odd = odd[:min(len(odd), oddShown)]
		}
		for _, o := range odd {
			line("", "  %-9s %s", word, say(o))
		}
		if more := n - int64(len(odd)); len(odd) > 0 && more > 0 {
			line("", "  %-9s and %d more", word, more)
		}
	}
	show("missing", d.Missing, d.MissingFirst, func(o filelist.Odd) string { return o.Path + ": " + fileText(o.MasterSize, o.MasterMTime) })
	show("different", d.Different, d.DifferentFirst, func(o filelist.Odd) string {
		return fmt.Sprintf("%s: %s, on the master %s", o.Path, fileText(o.Size, o.MTime), fileText(o.MasterSize, o.MasterMTime))
	})
	show("moved", d.Moved, d.MovedFirst, func(o filelist.Odd) string { return o.Path + ": as at another recorded timestamp" })
	show("early", d.Early, d.EarlyFirst, func(o filelist.Odd) string { return o.Path + ": as at a newer recorded timestamp" })
	show("extra", d.Extra, d.ExtraFirst, func(o filelist.Odd) string { return o.Path + ": " + fileText(o.Size, o.MTime) })
}

// diffText counts what differs.
func diffText(d filelist.Diff) string {
	var parts []string
	for _, c := range []struct {
		n    int64
		what string
	}{{d.Missing, "missing"}, {d.Different, "different"}, {d.Moved, "as at another timestamp"}, {d.Extra, "extra"}, {d.Early, "there before their time"}} {
		if c.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", c.n, c.what))
		}
	}
	return cmp.Or(strings.Join(parts, ", "), "equal")
}

func fileText(bytes, mtime int64) string {
	return fmt.Sprintf("%d bytes of %s", bytes, console.Clock(time.Unix(mtime, 0)))
}

// size is a number of bytes as people read it.
func size(n int64) string {
	units := []string{"bytes", "kB", "MB", "GB", "TB", "PB"}
	x, i := float64(n), 0
	for ; x >= 1000 && i < len(units)-1; i++ {
		x /= 1000
	}
	if i == 0 {
		return fmt.Sprintf("%d bytes", n)
	}
	return fmt.Sprintf("%.1f %s", x, units[i])
}
