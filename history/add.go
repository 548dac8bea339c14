package history

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Add takes a round into the history, whole or not at all, and then rolls up what is older than 30 days, as far as it comes in
// five seconds; rounds for check-ins leave that to the others. Rounds must come in the order of their time. One that is not later
// than the last is refused with ErrNotLater where that is a matter of minutes. Where it is more, the clock was ahead: what it left
// in the future is given the present time, the round is taken, and the error (ErrAhead) says so, once.
//
// A history that turns out to be damaged is set aside, which the error (ErrDamaged) says; the next Open begins a new one.
func (db *DB) Add(ctx context.Context, r Round) error {
	if db.readOnly {
		return fmt.Errorf("adding to the history %s: it was opened for reading", db.file)
	}
	before, err := db.add(ctx, r)
	if err != nil && !errors.Is(err, ErrAhead) {
		return db.failed(ctx, "adding to", err)
	}
	if r.Partial || err != nil {
		return err
	}
	err = db.rollUp(ctx, r.At.UnixMilli(), before)
	if err == nil {
		return nil
	}
	if ctx.Err() == nil {
		err = db.failed(ctx, "rolling up", err)
	}
	if errors.Is(err, ErrDamaged) || db.overdue(context.WithoutCancel(ctx), r.At.UnixMilli()) {
		return err
	}
	return nil // the next round tries again
}

// failed explains err, and sets the history aside when it is damaged.
func (db *DB) failed(ctx context.Context, doing string, err error) error {
	if errors.Is(err, ErrNotLater) || ctx.Err() != nil {
		return err
	}
	err = db.explain(doing, db.suspect(ctx, err))
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

// add commits the round, and gives the time of the one before.
func (db *DB) add(ctx context.Context, r Round) (before int64, err error) {
	tx, err := db.sql.BeginTx(ctx, nil)
	if err != nil {
		return 0, fmt.Errorf("beginning: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it does nothing
	at := r.At.UnixMilli()
	last, err := lastRound(ctx, tx)
	if err != nil {
		return 0, err
	}
	b := &book{ctx: ctx, tx: tx}
	var ahead error
	switch {
	case last.at-at > skew:
		ahead = fmt.Errorf("%w: it is %s, and the last was at %s; what was seen then is kept as of now", ErrAhead, stamp(at), stamp(last.at))
		b.pullBack(at)
		last.at = at - 1
	case at <= last.at:
		return 0, fmt.Errorf("%w: %s, the last was at %s: check the clock", ErrNotLater, stamp(at), stamp(last.at))
	}
	k := b.load(r, at)
	b.write(k.plan(r, at, last))
	if b.err != nil {
		return 0, b.err
	}
	if err := tx.Commit(); err != nil {
		return 0, fmt.Errorf("committing: %w", err)
	}
	return last.at, ahead
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
