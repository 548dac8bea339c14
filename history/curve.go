package history

import (
	"context"
	"database/sql"
	"slices"
	"time"
)

// percents are the points of a curve.
func percents() [4]int { return [4]int{50, 80, 95, 99} }

// Curves gives the last n announcements of a tree (0: 100), newest first.
//
// It is computed from the events alone: p percent of the mirrors have a timestamp from the first moment at which the number of
// mirrors with a reached event for it is at least p/100 of the announcement's Of, rounded up. Where Of is 0, no point is reached.
func (db *DB) Curves(ctx context.Context, tree string, n int) ([]Curve, error) {
	n = orFew(n)
	tx, err := db.sql.BeginTx(ctx, &sql.TxOptions{ReadOnly: true}) // a roll-up between the two queries would hide a curve
	if err != nil {
		return nil, db.explain("reading the curves of", err)
	}
	defer tx.Rollback() //nolint:errcheck // it only reads
	list, err := liveCurves(ctx, tx, tree, 0, n)
	if err != nil {
		return nil, db.explain("reading the curves of", err)
	}
	old, err := foldedCurves(ctx, tx, tree, n)
	if err != nil {
		return nil, db.explain("reading the curves of", err)
	}
	list = append(list, old...)
	slices.SortStableFunc(list, func(a, b Curve) int { return b.Announced.Compare(a.Announced) })
	return list[:min(n, len(list))], nil
}

// liveCurves are those whose events are there; of one timestamp, when it is not 0.
func liveCurves(ctx context.Context, q querier, tree string, timestamp int64, n int) ([]Curve, error) {
	var list []Curve
	err := each(ctx, q, `SELECT e.timestamp, e.at, e.of FROM event e
		WHERE e.target = (SELECT id FROM target WHERE server = '' AND tree = ?1) AND e.kind = 'announced' AND (?2 = 0 OR e.timestamp = ?2)
		ORDER BY e.id DESC LIMIT ?3`,
		func(scan func(...any) error) error {
			c := Curve{Tree: tree}
			var at int64
			err := scan(&c.Timestamp, &at, &c.Of)
			c.Announced = when(at)
			list = append(list, c)
			return err
		}, tree, timestamp, n)
	if err != nil {
		return nil, err
	}
	for i := range list {
		c := &list[i]
		var arrivals []time.Duration
		err := each(ctx, q, `SELECT MIN(e.at) FROM event e JOIN target t ON t.id = e.target
			WHERE e.kind = 'reached' AND e.timestamp = ?1 AND t.tree = ?2 GROUP BY e.target ORDER BY 1`,
			func(scan func(...any) error) error {
				var at int64
				err := scan(&at)
				arrivals = append(arrivals, when(at).Sub(c.Announced))
				return err
			}, c.Timestamp, c.Tree)
		if err != nil {
			return nil, err
		}
		c.Reached, c.Points = len(arrivals), points(arrivals, c.Of)
	}
	return list, nil
}

// points reads the curve's points off the arrivals, which are sorted.
func points(arrivals []time.Duration, of int) []Point {
	var list []Point
	for _, percent := range percents() {
		p := Point{Percent: percent}
		need := (percent*of + 99) / 100
		if need > 0 && need <= len(arrivals) {
			p.After, p.Reached = arrivals[need-1], true
		}
		list = append(list, p)
	}
	return list
}

// foldedCurves are those that were summed up.
func foldedCurves(ctx context.Context, q querier, tree string, n int) ([]Curve, error) {
	var list []Curve
	err := each(ctx, q, `SELECT timestamp, announced, of, reached, p50, p80, p95, p99 FROM curve WHERE tree = ? ORDER BY announced DESC LIMIT ?`,
		func(scan func(...any) error) error {
			c := Curve{Tree: tree}
			var at int64
			var after [4]sql.NullInt64
			if err := scan(&c.Timestamp, &at, &c.Of, &c.Reached, &after[0], &after[1], &after[2], &after[3]); err != nil {
				return err
			}
			c.Announced = when(at)
			for i, percent := range percents() {
				c.Points = append(c.Points, Point{percent, time.Duration(after[i].Int64) * time.Millisecond, after[i].Valid})
			}
			list = append(list, c)
			return nil
		}, tree, n)
	return list, err
}
