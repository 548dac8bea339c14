package lab

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"tidemark/manifest"
)

// watch looks at the network a few times a second until every mirror is done and listed, and keeps a row of what changed.
func (l *loop) watch(ctx context.Context) error {
	l.say(loopHead(l.nodes))
	for {
		row, err := l.look()
		if err != nil {
			return err
		}
		if l.worthARow(row) {
			for _, n := range l.nodes {
				row.Peak = append(row.Peak, n.row())
			}
			l.result.Rows = append(l.result.Rows, row)
			l.say(row.String())
		}
		if row.Done == len(l.mirrors) && l.result.Wall == 0 {
			l.result.Wall = row.At
		}
		if row.Done == len(l.mirrors) && row.Sources == len(l.network.Servers) {
			return nil
		}
		if err := pause(ctx, loopSample); err != nil {
			return fmt.Errorf("after %s %d of %d mirrors were done, and %d of %d servers listed: %w", l.Within, row.Done, len(l.mirrors), row.Sources, len(l.network.Servers), err)
		}
	}
}

// look is one sample of everything. What mirrors do is looked at before what is published: a mirror that has begun has read
// this manifest or one before it, and from one to the next admission only rises.
func (l *loop) look() (LoopRow, error) {
	at := l.Now().Sub(l.began)
	var now []int
	for _, n := range l.nodes {
		serving, err := n.follow()
		if err != nil {
			return LoopRow{}, err
		}
		now = append(now, serving)
	}
	signs := make([]string, len(l.mirrors))
	for i, m := range l.mirrors {
		signs[i] = l.signOf(m)
	}
	r, err := l.publisher.published()
	if err != nil {
		return r, err
	}
	r.At, r.Now = at, now
	share := manifest.Admitted(r.Admit, l.began, l.Now(), r.hold) // nobody was behind before the master moved
	for i, m := range l.mirrors {
		if text, early := m.early(signs[i], share); early {
			l.result.Early = append(l.result.Early, text)
		}
		if m.listedAt == 0 && r.listed[m.site.ID] {
			m.listedAt = at
		}
		if m.doneAt == 0 && signs[i] == isDone {
			m.doneAt = at
		}
		if m.doneAt > 0 {
			r.Done++
		}
	}
	return r, nil
}

const isDone = "was done"

// signOf says how a mirror is seen to have begun; "": it has not.
func (l *loop) signOf(m *loopMirror) string {
	if m.doneAt > 0 || m.done() {
		return isDone
	}
	for _, n := range l.nodes {
		if n.came[m.address] {
			return "came to " + n.site.ID
		}
	}
	return ""
}

// worthARow reports whether anything has changed that the table shows, but for connections that come and go.
func (l *loop) worthARow(r LoopRow) bool {
	if len(l.result.Rows) == 0 {
		return true
	}
	last := l.result.Rows[len(l.result.Rows)-1]
	return r.Admit != last.Admit || r.Done != last.Done || r.Sources != last.Sources
}

func (l *loop) say(line string) {
	if l.Log != nil {
		l.Log(line)
	}
}

func loopHead(nodes []*nodeLog) string {
	var names []string
	for _, n := range nodes {
		names = append(names, fmt.Sprintf("%s (%d)", n.site.ID, n.site.Slots))
	}
	return fmt.Sprintf("%7s  %8s  %4s  %7s  %s", "time", "admitted", "done", "sources", "mirrors at "+strings.Join(names, ", ")+": now, peak")
}

// String is the row as the table has it.
func (r LoopRow) String() string {
	admit := "-"
	if r.Admit >= 0 {
		admit = fmt.Sprintf("%.1f %%", float64(r.Admit)*100/manifest.FullAdmission)
	}
	var at []string
	for i := range r.Now {
		at = append(at, fmt.Sprintf("%d %d", r.Now[i], r.Peak[i]))
	}
	return fmt.Sprintf("%5.1f s  %8s  %4d  %7d  %s", r.At.Seconds(), admit, r.Done, r.Sources, strings.Join(at, "   "))
}

// Summary says in a few lines what each node had to do, and where mirrors got the tree from.
func (r LoopResult) Summary() []string {
	var lines []string
	for _, n := range r.Nodes {
		lines = append(lines, fmt.Sprintf("%s: at most %d mirrors at a time (%d slots), %d connections; turned away %d of mirrors, %d of the publisher",
			n.ID, n.Peak, n.Slots, n.Served, n.Refused, n.Blind))
	}
	nodes := 0
	for _, from := range r.From {
		if slices.ContainsFunc(r.Nodes, func(n LoopNode) bool { return n.ID == from }) {
			nodes++
		}
	}
	lines = append(lines, fmt.Sprintf("%d mirrors synced from nodes, %d from other mirrors; all done after %.1f s; %d runs found no room anywhere", nodes, len(r.From)-nodes, r.Wall.Seconds(), r.Waited))
	if n := len(r.Listing); n > 0 {
		lines = append(lines, fmt.Sprintf("from done to listed: %.1f s in the middle, %.1f s at most; %d runs of the publisher because of check-ins",
			r.Listing[n/2].Seconds(), r.Listing[n-1].Seconds(), r.Runs))
	}
	return lines
}
