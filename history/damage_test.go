package history

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// kept makes a history of some rounds, closes it, and returns its bytes.
func kept(t *testing.T, rounds int) (file string, content []byte) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "history.db")
	db := open(t, file)
	for minute := range rounds {
		add(t, db, killRound(minute+1))
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return file, content
}

func foreign(t *testing.T) []byte {
	t.Helper()
	file := filepath.Join(t.TempDir(), "other.db")
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("PRAGMA application_id = 42; PRAGMA user_version = 2; CREATE TABLE theirs (a)"); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestDamagedIsSetAside: a reader says so and changes nothing; a writer renames it, bytes and companions, and begins anew.
func TestDamagedIsSetAside(t *testing.T) {
	t.Parallel()
	const page = 4096
	for name, damage := range map[string]func([]byte) []byte{
		"garbage":         func(b []byte) []byte { return bytes.Repeat([]byte{0xa5, 0x5a, 0x17}, len(b)/3) },
		"text":            func([]byte) []byte { return []byte("# mirrors of centos\n") },
		"long text":       func([]byte) []byte { return []byte(strings.Repeat("# mirrors of centos\n", 1000)) },
		"half":            func(b []byte) []byte { return b[:len(b)/2/page*page] },
		"torn page":       func(b []byte) []byte { return b[:len(b)-page/2] },
		"header only":     func(b []byte) []byte { return b[:100] },
		"zeroed header":   func(b []byte) []byte { return append(make([]byte, page), b[page:]...) },
		"zeros":           func(b []byte) []byte { return make([]byte, len(b)) },
		"another program": func([]byte) []byte { return foreign(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file, content := kept(t, 6)
			wantSetAside(t, file, map[string][]byte{"": damage(content), "-wal": []byte("of the old one")})
		})
	}
}

// TestAnyZeroedPage: each page of the file in turn, in the short form every fourth.
func TestAnyZeroedPage(t *testing.T) {
	t.Parallel()
	anyZeroedPage(t, 4)
}

func TestSoakAnyZeroedPage(t *testing.T) {
	soak(t)
	anyZeroedPage(t, 1)
}

func anyZeroedPage(t *testing.T, every int) {
	_, content := kept(t, 3)
	const page = 4096
	for at := page; at < len(content); at += every * page {
		bad := bytes.Clone(content)
		clear(bad[at : at+page])
		wantSetAside(t, filepath.Join(t.TempDir(), "history.db"), map[string][]byte{"": bad})
	}
}

// wantSetAside writes what is there, by the suffix of its name.
func wantSetAside(t *testing.T, file string, there map[string][]byte) {
	t.Helper()
	ctx := context.Background()
	for suffix, b := range there {
		if err := os.WriteFile(file+suffix, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if db, _, err := Open(ctx, file, Options{ReadOnly: true, Now: start}); err == nil {
		db.Close() // a page that reading what it is does not touch
	} else if !errors.Is(err, ErrDamaged) {
		t.Errorf("a reader: %v", err)
	}
	if b, err := os.ReadFile(file); err != nil || !bytes.Equal(b, there[""]) {
		t.Fatalf("a reader changed it: %v", err)
	}
	db, aside, err := Open(ctx, file, Options{Now: start})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	moved := file + ".damaged-20261122T080000Z"
	if !strings.Contains(aside, moved) || !strings.Contains(aside, file) || strings.Contains(aside, "\n") {
		t.Errorf("it says %q, want both names", aside)
	}
	for suffix, want := range there {
		if b, err := os.ReadFile(moved + suffix); err != nil || !bytes.Equal(b, want) {
			t.Errorf("%s does not hold what was there: %d bytes, %v", filepath.Base(moved+suffix), len(b), err)
		}
	}
	add(t, db, killRound(1))
	if info, err := os.Stat(file); err != nil || info.Mode() != 0o600 {
		t.Errorf("the new one: %v, %v", info, err)
	}
}

// TestDamagedTwice: the second name is another one.
func TestDamagedTwice(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "history.db")
	for _, want := range []string{".damaged-20261122T080000Z", ".damaged-20261122T080000Z.1"} {
		if err := os.WriteFile(file, []byte("no database, but long enough to be one"), 0o600); err != nil {
			t.Fatal(err)
		}
		db, aside, err := Open(context.Background(), file, Options{Now: start})
		if err != nil || !strings.Contains(aside, file+want+",") {
			t.Fatalf("%q, %v", aside, err)
		}
		db.Close()
	}
}

// TestDamageWhileOpen: Add finds it, sets it aside and says so; the next Open begins a new one.
func TestDamageWhileOpen(t *testing.T) {
	t.Parallel()
	file, content := kept(t, 20)
	db := open(t, file)
	if _, err := db.sql.Exec("PRAGMA shrink_memory"); err != nil { // what was read at opening
		t.Fatal(err)
	}
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(make([]byte, len(content)-4096), 4096); err != nil {
		t.Fatal(err)
	}
	err = db.Add(context.Background(), killRound(21))
	if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "it was moved to "+file+".damaged-") {
		t.Fatalf("adding to a damaged one: %v", err)
	}
	add(t, open(t, file), killRound(21))
}

// TestNotDamage: what says nothing about the file's content is an error, and the file stays.
func TestNotDamage(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	file, _ := kept(t, 20)
	raw, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := raw.Exec("PRAGMA user_version = 3"); err != nil {
		t.Fatal(err)
	}
	raw.Close()
	for _, readOnly := range []bool{false, true} {
		_, aside, err := Open(ctx, file, Options{ReadOnly: readOnly, Now: start})
		if !errors.Is(err, ErrNewer) || aside != "" || !strings.Contains(err.Error(), "schema version 3, this program knows versions up to 2") {
			t.Errorf("a newer version: %q, %v", aside, err)
		}
	}
	directory := t.TempDir()
	for _, readOnly := range []bool{false, true} {
		if _, _, err := Open(ctx, directory, Options{ReadOnly: readOnly, Now: start}); err == nil || !strings.Contains(err.Error(), "is no regular file") {
			t.Errorf("a directory: %v", err)
		}
		_, _, err := Open(ctx, filepath.Join(directory, "none", "history.db"), Options{ReadOnly: readOnly, Now: start})
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("in a directory that is not there: %v", err)
		}
	}
	if names, err := filepath.Glob(file + ".*"); err != nil || len(names) != 0 {
		t.Errorf("set aside: %v, %v", names, err)
	}
}

func TestNoPermission(t *testing.T) {
	t.Parallel()
	if !asNobody(t) {
		return
	}
	file, _ := kept(t, 20)
	if err := os.Chmod(file, 0); err != nil {
		t.Fatal(err)
	}
	for _, readOnly := range []bool{false, true} {
		if _, aside, err := Open(context.Background(), file, Options{ReadOnly: readOnly, Now: start}); !errors.Is(err, fs.ErrPermission) || aside != "" {
			t.Errorf("%q, %v", aside, err)
		}
	}
}

// TestDiskFull: the round is refused, what was there stays, and with space the same round is taken.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	file, _ := kept(t, 20)
	db := open(t, file)
	if _, err := db.sql.Exec("PRAGMA max_page_count = 1"); err != nil { // the present size is the least
		t.Fatal(err)
	}
	big := fleet(300, 21, "verified", 21)
	if err := db.Add(context.Background(), big); err == nil || errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "full") {
		t.Fatalf("on a full disk: %v", err)
	}
	soundAfter(t, file, 20)
	if _, err := db.sql.Exec("PRAGMA max_page_count = 1000000"); err != nil {
		t.Fatal(err)
	}
	add(t, db, big)
	if names, err := filepath.Glob(file + ".*"); err != nil || len(names) != 0 {
		t.Errorf("set aside: %v, %v", names, err)
	}
}

// TestReadOnly: a missing one is said to be missing and not made; one that is there is not changed.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	none := filepath.Join(t.TempDir(), "history.db")
	if _, _, err := Open(ctx, none, Options{ReadOnly: true, Now: start}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing one: %v", err)
	}
	if _, err := os.Stat(none); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it was made: %v", err)
	}
	if err := os.WriteFile(none, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Open(ctx, none, Options{ReadOnly: true, Now: start}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an empty one: %v", err)
	}

	file, content := kept(t, 20)
	old := time.Unix(1488372781, 0)
	if err := os.Chtimes(file, old, old); err != nil {
		t.Fatal(err)
	}
	db, _, err := Open(ctx, file, Options{ReadOnly: true, Now: start})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Curves(ctx, "centos", 0); err != nil {
		t.Error(err)
	}
	if err := db.Add(ctx, killRound(100)); err == nil || !strings.Contains(err.Error(), "opened for reading") {
		t.Errorf("adding: %v", err)
	}
	db.Close()
	info, err := os.Stat(file)
	b, readErr := os.ReadFile(file)
	if err != nil || readErr != nil || !info.ModTime().Equal(old) || !bytes.Equal(b, content) {
		t.Errorf("the reader changed it: %v, %v, %v", info, err, readErr)
	}
	add(t, open(t, file), killRound(100)) // nor is it in the way
}

// TestReadOnlyDirectory: where SQLite may not make its two files, a history that was closed well is read all the same.
func TestReadOnlyDirectory(t *testing.T) {
	t.Parallel()
	if !asNobody(t) {
		return
	}
	file, _ := kept(t, 1)
	if err := os.Chmod(filepath.Dir(file), 0o500); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Chmod(filepath.Dir(file), 0o700) }) //nolint:errcheck // so that it can be removed
	db, _, err := Open(context.Background(), file, Options{ReadOnly: true, Now: start})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if list, err := db.Uptimes(context.Background(), start()); err != nil || len(list) != killServers {
		t.Errorf("%d servers, %v", len(list), err)
	}
}

// TestSchemaThatLies: one letter of a column's name is another one; SQLite finds nothing wrong with that.
func TestSchemaThatLies(t *testing.T) {
	t.Parallel()
	file, content := kept(t, 1)
	bad := bytes.Replace(content, []byte("rounds    INTEGER"), []byte("rounbs    INTEGER"), -1)
	if bytes.Equal(bad, content) {
		t.Fatal("the schema is not in the file as it was written")
	}
	wantSetAside(t, file, map[string][]byte{"": bad})
}

// TestOnesOwnIndex: what somebody adds for their own questions is no damage.
func TestOnesOwnIndex(t *testing.T) {
	t.Parallel()
	file, _ := kept(t, 1)
	db := open(t, file)
	if _, err := db.sql.Exec("CREATE INDEX mine ON event (kind)"); err != nil {
		t.Fatal(err)
	}
	db.Close()
	add(t, open(t, file), killRound(2))
}

// TestIndexThatLies: an index that does not fit its table, as damage may make it after opening; the round that stumbles over it says so.
func TestIndexThatLies(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "history.db")
	db := open(t, file)
	add(t, db, fleet(20, 1, "verified", 1))
	db.Close()
	raw, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	raw.SetMaxOpenConns(1)
	for _, query := range []string{
		"PRAGMA writable_schema = ON",
		"UPDATE sqlite_schema SET sql = 'CREATE UNIQUE INDEX reading_open ON reading (target) WHERE open = 1' WHERE name = 'reading_open'",
	} {
		if _, err := raw.Exec(query); err != nil {
			t.Fatal(err)
		}
	}
	raw.Close()
	db = unchecked(t, file)
	r := fleet(20, 2, "verified", 1)
	second := reading("mirror-00003", 1)
	second.Address = "192.0.2.2" // the index says that there is one already
	r.Readings = append(r.Readings, second)
	if err := db.Add(context.Background(), r); !errors.Is(err, ErrDamaged) || code(err) != codeConstraint || !strings.Contains(err.Error(), "it was moved to") {
		t.Fatal(err)
	}
	add(t, open(t, file), r)
}

// unchecked opens without a look at the file.
func unchecked(t *testing.T, file string) *DB {
	t.Helper()
	db, err := connect(file, Options{Now: start}, "mode=rw&_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	if db.info, err = os.Stat(file); err != nil {
		t.Fatal(err)
	}
	return db
}

// TestInterrupted: a round whose time has run out is not in the history, and is no damage.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	db := fresh(t)
	add(t, db, killRound(1))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := db.Add(ctx, killRound(2)); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	soundAfter(t, db.file, 1)
	add(t, db, killRound(2))
}
