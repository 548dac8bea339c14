package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"tidemark/history"
	"tidemark/inventory"
	"tidemark/quorum"
)

// statusView is all that the state directory knows, put together for people. What cannot be read beside status.json is left
// out: whoever looks for a cause must not be stopped by another one.
type statusView struct {
	doc    statusDocument
	memory quorum.Memory
	rows   []statusRow
	curves map[string]history.Curve // by tree: of the announced timestamp
	past   *history.DB              // nil: there is none, or it cannot be read; close it
	gaps   []string                 // what could not be read, and why
	now    time.Time

	readings []lastReading // what was seen last
}

// look puts it together around a status document.
func (p *publisher) view(ctx context.Context, d statusDocument) *statusView {
	v := &statusView{doc: d, curves: map[string]history.Curve{}, now: p.Now()}
	var err error
	if v.memory, err = p.state.memory(); err != nil {
		v.gaps = append(v.gaps, err.Error())
	}
	week, month := v.openPast(ctx, p.state.path(historyFile))
	last, err := p.lastReadings()
	if err != nil {
		v.gaps = append(v.gaps, err.Error())
	}
	v.readings = last.Servers
	servers, split := p.servers(), splitOf(v.readings)
	for _, verdict := range d.Verdicts {
		r := statusRow{verdict: verdict, server: servers[verdict.Server], memory: v.memory.Servers[verdict.Server][verdict.Tree]}
		r.week, r.month = week[r.place()], month[r.place()]
		if silent(verdict.State) {
			r.split = split[r.place()]
		}
		v.rows = append(v.rows, r)
	}
	return v
}

// splitOf says of which places some addresses answered last, and how many did not. Of each address the last reading counts.
func splitOf(readings []lastReading) map[string]string {
	newest := map[string]lastReading{}
	for _, r := range readings {
		if had, ok := newest[r.key()]; !ok || !r.At.Before(had.At.Time) {
			newest[r.key()] = r
		}
	}
	type count struct{ failed, of int }
	counts := map[string]count{}
	for _, r := range newest {
		c := counts[r.Server+" "+r.Tree]
		if c.of++; r.Failure != nil && r.Timestamp == 0 {
			c.failed++
		}
		counts[r.Server+" "+r.Tree] = c
	}
	split := map[string]string{}
	for place, c := range counts {
		if c.failed > 0 && c.failed < c.of {
			split[place] = fmt.Sprintf("%d of its %d addresses: ", c.failed, c.of)
		}
	}
	return split
}

// silent: what was said of it is that it said nothing to judge.
func silent(s quorum.State) bool {
	return s == quorum.Unreachable || s == quorum.Busy || s == quorum.Refused
}

// openPast opens the history, where there is one, and reads what every table has of it.
func (v *statusView) openPast(ctx context.Context, file string) (week, month map[string]*history.Uptime) {
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	db, _, err := history.Open(ctx, file, history.Options{ReadOnly: true, Now: func() time.Time { return v.now }})
	if err != nil {
		v.gaps = append(v.gaps, err.Error())
		return nil, nil
	}
	v.past = db
	since := func(days int) map[string]*history.Uptime {
		list, err := db.Uptimes(ctx, v.now.AddDate(0, 0, -days))
		if err != nil {
			v.gaps = append(v.gaps, err.Error())
		}
		byPlace := map[string]*history.Uptime{}
		for _, u := range list {
			byPlace[u.Server+" "+u.Tree] = &u
		}
		return byPlace
	}
	for _, t := range v.doc.Trees {
		curves, err := db.Curves(ctx, t.Tree, 1)
		if err != nil {
			v.gaps = append(v.gaps, err.Error())
		}
		if len(curves) > 0 && curves[0].Timestamp == t.Announced {
			v.curves[t.Tree] = curves[0]
		}
	}
	return since(7), since(30)
}

func (v *statusView) close() {
	if v.past != nil {
		v.past.Close()
	}
}

// servers are those of the inventory, by id.
func (p *publisher) servers() map[string]inventory.Server {
	byID := map[string]inventory.Server{}
	for _, s := range p.cfg.Servers {
		byID[s.ID] = s
	}
	return byID
}
