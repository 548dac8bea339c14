package history

import (
	"context"
	"time"
)

// few is how many rows a reader gets that names no number.
const few = 100

// Events lists events, newest first; of one round in the reverse of: announced, reached, state, published, guard.
func (db *DB) Events(ctx context.Context, f EventFilter) ([]Event, error) {
	query, args := f.query()
	var list []Event
	err := each(ctx, db.sql, query,
		func(scan func(...any) error) error {
			var e Event
			var at int64
			if err := scan(&at, (*string)(&e.Kind), &e.Server, &e.Tree, &e.From, &e.To, &e.Timestamp, &e.Of, &e.Text); err != nil {
				return err
			}
			e.At = when(at)
			list = append(list, e)
			return nil
		}, args...)
	if err != nil {
		return nil, db.explain("reading the events of", err)
	}
	return list, nil
}

// query asks for what the filter names alone, so that SQLite finds a server's few events by their index.
func (f EventFilter) query() (string, []any) {
	query := `SELECT e.at, e.kind, t.server, t.tree, e.was, e.became, e.timestamp, e.of, COALESCE(w.text, '')
		FROM event e JOIN target t ON t.id = e.target LEFT JOIN words w ON w.id = e.words WHERE true`
	var args []any
	also := func(condition string, arg any) { query, args = query+" AND "+condition, append(args, arg) }
	if f.Server != "" {
		also("e.target IN (SELECT id FROM target WHERE server = ?)", f.Server)
	}
	if f.Tree != "" {
		also("t.tree = ?", f.Tree)
	}
	if f.Kind != "" {
		also("e.kind = ?", string(f.Kind))
	}
	if !f.Since.IsZero() {
		also("e.at >= ?", f.Since.UnixMilli())
	}
	return query + " ORDER BY e.id DESC LIMIT ?", append(args, orFew(f.Limit))
}

// Uptimes gives one for each server and tree since a time; days are whole ones in UTC. They are sorted by server and tree.
func (db *DB) Uptimes(ctx context.Context, since time.Time) ([]Uptime, error) {
	var list []Uptime
	err := each(ctx, db.sql, `SELECT t.server, t.tree, SUM(d.asked), SUM(d.answered), SUM(d.good) FROM day d JOIN target t ON t.id = d.target
		WHERE d.day >= ? GROUP BY d.target ORDER BY t.server, t.tree`,
		func(scan func(...any) error) error {
			var u Uptime
			if err := scan(&u.Server, &u.Tree, &u.Asked, &u.Answered, &u.Good); err != nil {
				return err
			}
			list = append(list, u)
			return nil
		}, dayOf(since.UnixMilli()))
	if err != nil {
		return nil, db.explain("reading the days of", err)
	}
	return list, nil
}

// Spans lists the verdicts of a tree at a server, newest first, at most n (0: 100).
func (db *DB) Spans(ctx context.Context, server, tree string, n int) ([]Span, error) {
	var list []Span
	err := each(ctx, db.sql, `SELECT state, timestamp, depth, since, until, rounds, COALESCE(w.text, '') FROM verdict v LEFT JOIN words w ON w.id = v.words
		WHERE v.target = (SELECT id FROM target WHERE server = ? AND tree = ?) ORDER BY v.id DESC LIMIT ?`,
		func(scan func(...any) error) error {
			var s Span
			var from, until int64
			if err := scan((*string)(&s.State), &s.Timestamp, &s.Depth, &from, &until, &s.Rounds, &s.Reason); err != nil {
				return err
			}
			s.From, s.Until = when(from), when(until)
			list = append(list, s)
			return nil
		}, server, tree, orFew(n))
	if err != nil {
		return nil, db.explain("reading the verdicts of", err)
	}
	return list, nil
}

// Seen lists what a server said of a tree at each of its addresses, newest first, at most n (0: 100).
func (db *DB) Seen(ctx context.Context, server, tree string, n int) ([]Seen, error) {
	var list []Seen
	err := each(ctx, db.sql, `SELECT address, failure, timestamp, since, until, rounds, deep, listed, COALESCE(w.text, '')
		FROM reading r LEFT JOIN words w ON w.id = r.words
		WHERE r.target = (SELECT id FROM target WHERE server = ? AND tree = ?) ORDER BY until DESC, r.id DESC LIMIT ?`,
		func(scan func(...any) error) error {
			var s Seen
			var from, until int64
			if err := scan(&s.Address, &s.Failure, &s.Timestamp, &from, &until, &s.Rounds, &s.Deep, &s.Listed, &s.Text); err != nil {
				return err
			}
			s.From, s.Until = when(from), when(until)
			list = append(list, s)
			return nil
		}, server, tree, orFew(n))
	if err != nil {
		return nil, db.explain("reading the readings of", err)
	}
	return list, nil
}

func orFew(n int) int {
	if n <= 0 {
		return few
	}
	return n
}

func when(ms int64) time.Time { return time.UnixMilli(ms).UTC() }
