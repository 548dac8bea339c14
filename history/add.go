package history

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Add takes a round into the history, whole or not at all. Rounds must come in the order of their time; one that is not later
// than the last is refused with ErrNotLater. Once in a UTC day it also rolls up what is older than 30 days.
//
// A history that turns out to be damaged is set aside, which the error (ErrDamaged) says; the next Open begins a new one.
func (db *DB) Add(ctx context.Context, r Round) error {
	if db.readOnly {
		return fmt.Errorf("adding to the history %s: it was opened for reading", db.file)
	}
	err := db.add(ctx, r)
	if err == nil || errors.Is(err, ErrNotLater) || ctx.Err() != nil {
		return err
	}
	err = db.explain("adding to", db.suspect(ctx, err))
	if !errors.Is(err, ErrDamaged) {
		return err
	}
	aside, moveErr := setAside(db.file, db.info, db.now())
	db.sql.Close()
	if moveErr != nil {
		return fmt.Errorf("%w; %w", err, moveErr)
	}
	return fmt.Errorf("%w; %s", err, aside)
}

// suspect looks into the whole file when an error may come of damage that opening does not see: an index that lacks a row, or has
// one too many, refuses what is sound, and would do so for ever.
func (db *DB) suspect(ctx context.Context, err error) error {
	switch code(err) {
	case codeOther, codeError, codeConstraint, codeMismatch:
	default:
		return err
	}
	if bad := checkPages(ctx, db.sql, "integrity_check"); errors.Is(db.explain("checking", bad), ErrDamaged) {
		return fmt.Errorf("%w: %w", bad, err)
	}
	return err
}

func (db *DB) add(ctx context.Context, r Round) error {
	tx, err := db.sql.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("beginning: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it does nothing
	at := r.At.UnixMilli()
	last, err := lastRound(ctx, tx)
	if err != nil {
		return err
	}
	if at <= last.at {
		return fmt.Errorf("%w: %s, the last was at %s: check the clock, and if the last one's was wrong, move the file away",
			ErrNotLater, stamp(at), stamp(last.at))
	}
	b := &book{ctx: ctx, tx: tx}
	k := b.load(r, at)
	p := k.plan(r, at, last)
	b.write(p)
	if dayOf(at) != dayOf(last.at) {
		b.rollUp(at)
	}
	if b.err != nil {
		return b.err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("committing: %w", err)
	}
	return nil
}

// last is the last round.
type last struct {
	at        int64
	guard     string
	published int64
}

func lastRound(ctx context.Context, q querier) (last, error) {
	var l last
	err := q.QueryRowContext(ctx, "SELECT at, guard, (SELECT COALESCE(MAX(published), 0) FROM round) FROM round ORDER BY at DESC LIMIT 1").
		Scan(&l.at, &l.guard, &l.published)
	if err == sql.ErrNoRows {
		return last{at: -1 << 62}, nil
	}
	if err != nil {
		return l, fmt.Errorf("reading the last round: %w", err)
	}
	return l, nil
}

const dayLength = int64(24 * time.Hour / time.Millisecond)

// dayOf is the UTC day of a time in milliseconds, in days since 1970.
func dayOf(ms int64) int64 {
	if ms < 0 {
		return (ms - dayLength + 1) / dayLength
	}
	return ms / dayLength
}

func stamp(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02 15:04:05.000 UTC") }
