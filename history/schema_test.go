package history

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// version1 makes a history as schema version 1 wrote it.
func version1(t *testing.T, more string) string {
	t.Helper()
	dump, err := os.ReadFile("testdata/version1.sql")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "history.db")
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("PRAGMA journal_mode = WAL;" + string(dump) + more); err != nil {
		t.Fatal(err)
	}
	return file
}

// shape is the schema of a file, in SQLite's own words.
func shape(t *testing.T, db *DB) map[string]string {
	t.Helper()
	m := map[string]string{}
	for _, table := range []string{"round", "target", "words", "verdict", "reading", "day", "event", "awaited", "curve", "verdicts", "readings", "events"} {
		err := each(context.Background(), db.sql, "SELECT name, type FROM pragma_table_info(?)", func(scan func(...any) error) error {
			var name, kind string
			err := scan(&name, &kind)
			m[table] += name + " " + kind + ", "
			return err
		}, table)
		if err != nil || m[table] == "" {
			t.Fatal(table, err)
		}
	}
	return m
}

// TestMigrate: everything of the old version is there afterwards, the schema is a new one's, and rounds are added to it.
func TestMigrate(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	file := version1(t, "")
	if _, _, err := Open(ctx, file, Options{ReadOnly: true, Now: start}); !errors.Is(err, ErrOlder) {
		t.Errorf("a reader of the old one: %v", err)
	}
	db := open(t, file)
	equal(t, "schema", shape(t, db), shape(t, fresh(t)))
	at := func(minute int) time.Time {
		return time.Date(2026, 11, 22, 3, minute, 0, 0, time.UTC).Add(4 * time.Hour)
	}
	spans, err := db.Spans(ctx, "a", "centos", 0)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "spans", spans, []Span{
		{State: "verified", Timestamp: 1488376381, Depth: "anchors", From: at(5), Until: at(5), Rounds: 1, Reason: "it is a source"},
		{State: "behind", Timestamp: 1488372781, Depth: "anchors", From: at(0), Until: at(0), Rounds: 1, Reason: "it is behind"},
	})
	seen, err := db.Seen(ctx, "b", "centos", 0)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "seen", seen, []Seen{{Address: "192.0.2.2", Failure: "unreachable", From: at(0), Until: at(0), Rounds: 1, Text: "connection refused"}})
	uptimes, err := db.Uptimes(ctx, at(0))
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "uptimes", uptimes, []Uptime{{"a", "centos", 2, 2, 1}, {"b", "centos", 1, 0, 0}})
	five := 5 * time.Minute
	equal(t, "curves", curves(t, db), []Curve{{Tree: "centos", Timestamp: 1488376381, Announced: at(0), Of: 1, Reached: 1,
		Points: []Point{{50, five, true}, {80, five, true}, {95, five, true}, {99, five, true}}}})
	add(t, db, round(0, verdict("a", "verified", 1488376381)))
	if got := allEvents(t, db); len(got) != 3 {
		t.Errorf("the same verdict again is an event: %v", got)
	}
	db.Close()
	again := open(t, file)
	equal(t, "curves, opened again", len(curves(t, again)), 1)
}

// TestMigrate_Fails: half a migration is none, and no damage is seen where there is none.
func TestMigrate_Fails(t *testing.T) {
	t.Parallel()
	file := version1(t, "CREATE VIEW readings AS SELECT 1") // in the way of the step's last statement
	for range 2 {
		if db, aside, err := Open(context.Background(), file, Options{Now: start}); err == nil || aside != "" || errors.Is(err, ErrDamaged) {
			t.Fatal(db, aside, err)
		}
		raw, err := sql.Open("sqlite", file)
		if err != nil {
			t.Fatal(err)
		}
		var version, curve int
		if err := raw.QueryRow("SELECT user_version, (SELECT COUNT(*) FROM sqlite_schema WHERE name = 'curve') FROM pragma_user_version").Scan(&version, &curve); err != nil {
			t.Fatal(err)
		}
		raw.Close()
		if version != 1 || curve != 0 {
			t.Errorf("version %d, %d curve tables", version, curve)
		}
	}
}
