package history

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
)

// book reads and writes within one transaction; after the first error it does nothing more.
//
// Ten thousand rows go in as one statement with one JSON array: one by one, most of the time would go into calling.
type book struct {
	ctx context.Context
	tx  *sql.Tx
	err error
}

func (b *book) exec(what, query string, args ...any) {
	if b.err != nil {
		return
	}
	if _, err := b.tx.ExecContext(b.ctx, query, args...); err != nil {
		b.err = fmt.Errorf("%s: %w", what, err)
	}
}

// many runs a statement whose ?1 is a JSON array of the rows; for none it does nothing.
func many[T any](b *book, what, query string, rows []T, args ...any) {
	if b.err != nil || len(rows) == 0 {
		return
	}
	array, err := json.Marshal(rows)
	if err != nil {
		b.err = fmt.Errorf("%s: %w", what, err)
		return
	}
	b.exec(what, query, append([]any{string(array)}, args...)...)
}

// each hands every row to take, which scans it.
func (b *book) each(what, query string, take func(scan func(...any) error) error, args ...any) {
	if b.err != nil {
		return
	}
	if err := each(b.ctx, b.tx, query, take, args...); err != nil {
		b.err = fmt.Errorf("%s: %w", what, err)
	}
}

func each(ctx context.Context, q querier, query string, take func(scan func(...any) error) error, args ...any) error {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := take(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}
