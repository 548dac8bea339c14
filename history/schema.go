package history

import (
	"context"
	"database/sql"
	_ "embed" // the schema
	"fmt"
)

// applicationID stands in the file's header, so that no other program's database is taken for a history: "TMhy".
const applicationID = 0x544d6879

//go:embed schema/1.sql
var schema1 string

//go:embed schema/2.sql
var schema2 string

// steps lead from version i to i+1; what was released is never changed, only added to.
var steps = [...]string{schema1, schema2}

const current = len(steps)

// identity is what the file says of itself.
type identity struct {
	application, version int
	objects              int // tables, indexes and views of any name
}

func identify(ctx context.Context, q querier) (identity, error) {
	var id identity
	for query, to := range map[string]*int{
		"PRAGMA application_id":              &id.application,
		"PRAGMA user_version":                &id.version,
		"SELECT COUNT(*) FROM sqlite_schema": &id.objects,
	} {
		if err := q.QueryRowContext(ctx, query).Scan(to); err != nil {
			return id, fmt.Errorf("asking the history what it is: %w", err)
		}
	}
	return id, nil
}

// empty: nobody has written anything yet.
func (id identity) empty() bool { return id.application == 0 && id.version == 0 && id.objects == 0 }

// check says what is wrong with it.
func (id identity) check() error {
	switch {
	case id.empty():
		return nil
	case id.application != applicationID:
		return fmt.Errorf("%w: it is the database of another program: application id %#x, expected %#x", ErrDamaged, id.application, applicationID)
	case id.version > current:
		return fmt.Errorf("%w: schema version %d, this program knows versions up to %d: use the newer program, or move the file away and begin a new history",
			ErrNewer, id.version, current)
	case id.version < 1:
		return fmt.Errorf("%w: schema version %d", ErrDamaged, id.version)
	}
	return nil
}

// whole compares the tables, indexes and views of a history of the current version with those of a new one; more may be there.
func whole(ctx context.Context, q querier) error {
	model, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		return fmt.Errorf("making a model of the history: %w", err)
	}
	defer model.Close()
	model.SetMaxOpenConns(1) // each connection would have its own
	for _, step := range steps {
		if _, err := model.ExecContext(ctx, step); err != nil {
			return fmt.Errorf("making a model of the history: %w", err)
		}
	}
	found, err := objects(ctx, q)
	if err != nil {
		return err
	}
	want, err := objects(ctx, model)
	if err != nil {
		return err
	}
	for name, text := range want {
		if found[name] != text {
			return fmt.Errorf("%w: its %s is missing or another one", ErrDamaged, name)
		}
	}
	return nil
}

// objects gives the text of each table, index and view by its kind and name.
func objects(ctx context.Context, q querier) (map[string]string, error) {
	m := map[string]string{}
	err := each(ctx, q, "SELECT type || ' ' || name, COALESCE(sql, '') FROM sqlite_schema", func(scan func(...any) error) error {
		var name, text string
		err := scan(&name, &text)
		m[name] = text
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading the history's schema: %w", err)
	}
	return m, nil
}

// migrate brings the schema up to date, whole or not at all.
func migrate(ctx context.Context, db *sql.DB) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("beginning to bring the history's schema up to date: %w", err)
	}
	defer tx.Rollback()          //nolint:errcheck // after Commit it does nothing
	id, err := identify(ctx, tx) // again: another process may have done it meanwhile
	if err != nil {
		return err
	}
	if err := id.check(); err != nil || id.version == current {
		return err
	}
	for version := id.version; version < current; version++ {
		if _, err := tx.ExecContext(ctx, steps[version]); err != nil {
			return fmt.Errorf("bringing the history from schema version %d to %d: %w", version, version+1, err)
		}
	}
	if _, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d", applicationID, current)); err != nil {
		return fmt.Errorf("marking the history's schema version: %w", err)
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("bringing the history's schema up to date: %w", err)
	}
	return nil
}

// querier is a database or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}
