package history

import "fmt"

const (
	keepSpans = 30 * dayLength  // spans, events and rounds
	keepLong  = 400 * dayLength // days and curves
)

// rollUp removes what is older than 30 days: of readings and verdicts the days stay, of announcements the curve. The newest
// announcement of a tree keeps its events however old it is, since mirrors may still be on their way.
func (b *book) rollUp(at int64) {
	cut, long := at-keepSpans, at-keepLong
	b.foldCurves(cut)
	for _, s := range []struct {
		query string
		arg   int64
	}{
		{"DELETE FROM event WHERE at < ? AND kind NOT IN ('announced', 'reached')", cut},
		{"DELETE FROM verdict WHERE until < ?", cut},
		{"DELETE FROM reading WHERE until < ?", cut},
		{"DELETE FROM round WHERE at < ?", cut},
		{"DELETE FROM day WHERE day < ?", dayOf(long)},
		{"DELETE FROM curve WHERE announced < ?", long},
	} {
		b.exec("rolling up", s.query, s.arg)
	}
	b.exec("rolling up words", `DELETE FROM words WHERE id NOT IN
		(SELECT words FROM verdict UNION SELECT words FROM reading UNION SELECT words FROM event)`)
	b.exec("rolling up targets", `DELETE FROM target WHERE id NOT IN (SELECT target FROM verdict UNION SELECT target FROM reading
		UNION SELECT target FROM event UNION SELECT target FROM day UNION SELECT target FROM awaited)`)
}

// foldCurves sums up old announcements and removes their events.
func (b *book) foldCurves(cut int64) {
	type announcement struct {
		Curve
		target int64
	}
	var old []announcement
	b.each("reading old announcements", `SELECT e.target, t.tree, e.timestamp FROM event e JOIN target t ON t.id = e.target
		WHERE e.kind = 'announced' AND e.at < ?1 AND e.id <> (SELECT MAX(n.id) FROM event n WHERE n.kind = 'announced' AND n.target = e.target)`,
		func(scan func(...any) error) error {
			var a announcement
			err := scan(&a.target, &a.Tree, &a.Timestamp)
			old = append(old, a)
			return err
		}, cut)
	for _, a := range old {
		if b.err != nil {
			return
		}
		curves, err := liveCurves(b.ctx, b.tx, a.Tree, a.Timestamp, 1)
		if err != nil || len(curves) != 1 {
			b.err = fmt.Errorf("summing up the curve of %s %d: %d found: %w", a.Tree, a.Timestamp, len(curves), err)
			return
		}
		c := curves[0]
		args := []any{c.Tree, c.Timestamp, c.Announced.UnixMilli(), c.Of, c.Reached}
		for _, p := range c.Points {
			if p.Reached {
				args = append(args, p.After.Milliseconds())
			} else {
				args = append(args, nil)
			}
		}
		b.exec("summing up a curve", "INSERT OR REPLACE INTO curve VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", args...)
		for _, kind := range []string{"kind = 'reached'", "kind = 'announced'"} { // one by one, each by its index
			b.exec("removing a curve's events", "DELETE FROM event WHERE "+kind+" AND timestamp = ?1 AND target IN (SELECT id FROM target WHERE tree = ?2)",
				c.Timestamp, c.Tree)
		}
		b.exec("ending a wait", "DELETE FROM awaited WHERE timestamp = ?1 AND target IN (SELECT id FROM target WHERE tree = ?2)", c.Timestamp, c.Tree)
	}
}
