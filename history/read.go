package history

import (
	"context"
	"time"
)

// few is how many rows a reader gets that names no number.
const few = 100

// Events lists events, newest first; of one round in the reverse of: announced, reached, state, published, guard.
func (db *DB) Events(ctx context.Context, f EventFilter) ([]Event, error) {
	since := int64(-1 << 62)
	if !f.Since.IsZero() {
		since = f.Since.UnixMilli()
	}
	var list []Event
	err := each(ctx, db.sql, `SELECT at, kind, server, tree, was, became, timestamp, of, text FROM events
		WHERE at >= ?1 AND (?2 = '' OR server = ?2) AND (?3 = '' OR tree = ?3) AND (?4 = '' OR kind = ?4) ORDER BY id DESC LIMIT ?5`,
		func(scan func(...any) error) error {
			var e Event
			var at int64
			if err := scan(&at, (*string)(&e.Kind), &e.Server, &e.Tree, &e.From, &e.To, &e.Timestamp, &e.Of, &e.Text); err != nil {
				return err
			}
			e.At = when(at)
			list = append(list, e)
			return nil
		}, since, f.Server, f.Tree, string(f.Kind), orFew(f.Limit))
	if err != nil {
		return nil, db.explain("reading the events of", err)
	}
	return list, nil
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
