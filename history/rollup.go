package history

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

const (
	keepSpans = 30 * dayLength  // spans, events and rounds
	keepLong  = 400 * dayLength // days and curves
)

const (
	biteRows = 20_000          // removed in one transaction
	rollMost = 5 * time.Second // of rolling up in one round; a bite that was begun comes to its end
	jump     = 2 * dayLength   // a round that is so much later than the last is not believed until another one follows
	patience = 3 * dayLength   // so long may rolling up fail before anybody is told
)

// rollUp removes what is older than 30 days at midnight: of readings and verdicts the days stay, of announcements the curve. The
// newest announcement of a tree keeps its events however old it is, since mirrors may still be on their way.
//
// It goes in bites, each of which is committed, and goes on in the next round when its time is over. The rounds go last: while
// there is an old one, something may be left to do.
func (db *DB) rollUp(ctx context.Context, at, before int64) error {
	cut, long := dayOf(at)*dayLength-keepSpans, dayOf(at)*dayLength-keepLong
	if old, err := oldest(ctx, db.sql); err != nil || old >= cut || at-before > jump {
		return err
	}
	until, cancel := context.WithTimeout(ctx, db.most)
	defer cancel()
	over := func() bool { return until.Err() != nil }
	if done, err := db.foldCurves(ctx, cut, over); err != nil || !done {
		return err
	}
	for _, s := range []struct {
		what, query string
		arg         int64
	}{
		{"events", "DELETE FROM event WHERE id IN (SELECT id FROM event WHERE at < ?1 AND kind NOT IN ('announced', 'reached') LIMIT ?2)", cut},
		{"verdicts", "DELETE FROM verdict WHERE id IN (SELECT id FROM verdict WHERE until < ?1 LIMIT ?2)", cut},
		{"readings", "DELETE FROM reading WHERE id IN (SELECT id FROM reading WHERE until < ?1 LIMIT ?2)", cut},
		{"days", "DELETE FROM day WHERE (day, target) IN (SELECT day, target FROM day WHERE day < ?1 LIMIT ?2)", dayOf(long)},
		{"curves", "DELETE FROM curve WHERE (tree, timestamp) IN (SELECT tree, timestamp FROM curve WHERE announced < ?1 LIMIT ?2)", long},
		{"words", `DELETE FROM words WHERE id IN (SELECT id FROM words WHERE id NOT IN
			(SELECT words FROM verdict UNION SELECT words FROM reading UNION SELECT words FROM event) LIMIT ?2)`, 0},
		{"targets", `DELETE FROM target WHERE id IN (SELECT id FROM target WHERE id NOT IN (SELECT target FROM verdict UNION SELECT target FROM reading
			UNION SELECT target FROM event UNION SELECT target FROM day UNION SELECT target FROM awaited) LIMIT ?2)`, 0},
		{"rounds", "DELETE FROM round WHERE at IN (SELECT at FROM round WHERE at < ?1 LIMIT ?2)", cut},
	} {
		for more := true; more; {
			if over() {
				return nil
			}
			result, err := db.sql.ExecContext(ctx, s.query, s.arg, db.bite)
			if err != nil {
				return fmt.Errorf("rolling up %s: %w", s.what, err)
			}
			n, err := result.RowsAffected()
			if err != nil {
				return fmt.Errorf("rolling up %s: %w", s.what, err)
			}
			more = n >= int64(db.bite)
		}
	}
	return nil
}

// oldest is the time of the oldest round.
func oldest(ctx context.Context, q querier) (int64, error) {
	var at sql.NullInt64
	if err := q.QueryRowContext(ctx, "SELECT MIN(at) FROM round").Scan(&at); err != nil {
		return 0, fmt.Errorf("reading the oldest round: %w", err)
	}
	return at.Int64, nil
}

// overdue: rolling up has been due for days, from the first round that could have done it.
func (db *DB) overdue(ctx context.Context, at int64) bool {
	old, err := oldest(ctx, db.sql)
	if err != nil {
		return true
	}
	var first sql.NullInt64
	err = db.sql.QueryRowContext(ctx, "SELECT MIN(at) FROM round WHERE at >= ?", (dayOf(old)+1)*dayLength+keepSpans).Scan(&first)
	return err != nil || first.Valid && at-first.Int64 > patience
}

// foldCurves sums up old announcements, each in a transaction of its own, until none is left (done) or the time is over.
func (db *DB) foldCurves(ctx context.Context, cut int64, over func() bool) (done bool, err error) {
	var old []Curve
	err = each(ctx, db.sql, `SELECT t.tree, e.timestamp FROM event e JOIN target t ON t.id = e.target
		WHERE e.kind = 'announced' AND e.at < ?1 AND e.id <> (SELECT MAX(n.id) FROM event n WHERE n.kind = 'announced' AND n.target = e.target)`,
		func(scan func(...any) error) error {
			var c Curve
			err := scan(&c.Tree, &c.Timestamp)
			old = append(old, c)
			return err
		}, cut)
	if err != nil {
		return false, fmt.Errorf("reading old announcements: %w", err)
	}
	for _, c := range old {
		if over() {
			return false, nil
		}
		if err := db.foldCurve(ctx, c); err != nil {
			return false, err
		}
	}
	return true, nil
}

// foldCurve sums up one announcement and removes its events.
func (db *DB) foldCurve(ctx context.Context, a Curve) error {
	tx, err := db.sql.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("beginning: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it does nothing
	curves, err := liveCurves(ctx, tx, a.Tree, a.Timestamp, 1)
	if err != nil {
		return fmt.Errorf("summing up the curve of %s %d: %w", a.Tree, a.Timestamp, err)
	}
	if len(curves) == 0 { // another writer was faster
		return nil
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
	b := &book{ctx: ctx, tx: tx}
	b.exec("summing up a curve", "INSERT OR REPLACE INTO curve VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", args...)
	for _, kind := range []string{"kind = 'reached'", "kind = 'announced'"} { // one by one, each by its index
		b.exec("removing a curve's events", "DELETE FROM event WHERE "+kind+" AND timestamp = ?1 AND target IN (SELECT id FROM target WHERE tree = ?2)",
			c.Timestamp, c.Tree)
	}
	b.exec("ending a wait", "DELETE FROM awaited WHERE timestamp = ?1 AND target IN (SELECT id FROM target WHERE tree = ?2)", c.Timestamp, c.Tree)
	if b.err != nil {
		return b.err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("committing: %w", err)
	}
	return nil
}
