package main

import (
	"cmp"
	"fmt"
	"time"

	"tidemark/quorum"
)

// seenRow is one reading, with the verdict on its server.
type seenRow struct {
	statusRow
	reading quorum.Reading
}

// tellReadings prints the readings as a table: those of the servers that the flags choose, in their order.
func (p *publisher) tellReadings(r quorum.Readings, d quorum.Decision, f rowFilter) {
	now, servers := p.Now(), p.servers()
	at := map[string][]quorum.Reading{}
	for _, one := range r.Servers {
		at[one.Server+" "+one.Tree] = append(at[one.Server+" "+one.Tree], one)
	}
	var all []statusRow
	for _, v := range d.Verdicts {
		all = append(all, statusRow{verdict: v, server: servers[v.Server], memory: d.Memory.Servers[v.Server][v.Tree]})
	}
	rows, of := f.apply(all)
	var shown []seenRow
	for _, row := range rows {
		for _, one := range at[row.place()] {
			shown = append(shown, seenRow{row, one})
		}
		if len(at[row.place()]) == 0 {
			shown = append(shown, seenRow{statusRow: row})
		}
	}
	for _, t := range d.Trees {
		if f.tree == "" || f.tree == t.Tree {
			p.Say("%-10s %s", t.Tree, t.Note)
		}
	}
	if len(shown) > 0 {
		p.Say("\n%s", draw(seenColumns(now), shown, screenOf(p.Call)))
	}
	p.Say("\n%s", countRows(all, rows, of, f))
}

func seenColumns(now time.Time) []column[seenRow] {
	return []column[seenRow]{
		{name: "server", cell: func(r seenRow) string { return r.verdict.Server }},
		{name: "address", cell: func(r seenRow) string { return cmp.Or(r.reading.Address, "-") }, drop: 1},
		{name: "tree", cell: func(r seenRow) string { return r.verdict.Tree }},
		{name: "state", cell: func(r seenRow) string { return string(r.verdict.State) }, paint: paintState},
		{name: "time file", cell: func(r seenRow) string { return seenTime(r.reading) }, drop: 2},
		{name: "age", cell: func(r seenRow) string { return contentAge(quorum.Verdict{Timestamp: r.reading.Timestamp}, now) }, num: true},
		{name: "depth", cell: func(r seenRow) string { return cmp.Or(r.reading.Depth, "-") }},
		{name: "list", cell: func(r seenRow) string { return seenList(r.reading) }, drop: 3},
		{name: "found", cell: func(r seenRow) string { return found(r) }},
	}
}

func seenTime(r quorum.Reading) string {
	if r.Timestamp > 0 {
		return fmt.Sprint(r.Timestamp)
	}
	return cmp.Or(r.Raw, "-")
}

func seenList(r quorum.Reading) string {
	switch {
	case r.List == nil:
		return "-"
	case r.List.Equal():
		return "equal"
	}
	return diffText(*r.List)
}

// found is what went wrong at that address, in words.
func found(r seenRow) string {
	one := r.reading
	switch missing := missingAnchors(one); {
	case one.Server == "" && r.verdict.State == quorum.Maintenance:
		return "not asked: in maintenance"
	case one.Server == "" && r.verdict.Rested:
		return heldBack(r.verdict)
	case one.Server == "":
		return "not asked"
	case one.Failure != nil:
		return fmt.Sprintf("%s: %s", one.Failure.Kind, one.Failure.Text)
	case one.Void:
		return "its time file changed while we looked"
	case missing > 0:
		return fmt.Sprintf("%d of %d anchors are missing", missing, len(one.Anchors))
	}
	return brief(r.verdict) // what was concluded: of what is known of it besides, too
}

func missingAnchors(r quorum.Reading) (n int) {
	for _, a := range r.Anchors {
		if a.Missing {
			n++
		}
	}
	return n
}
