package history

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
	"modernc.org/sqlite"
)

// Result codes, https://www.sqlite.org/rescode.html; the low byte of an extended one.
const (
	codeOther      = 0 // not SQLite's
	codeError      = 1
	codeBusy       = 5
	codeReadOnly   = 8
	codeCorrupt    = 11
	codeCantOpen   = 14
	codeConstraint = 19
	codeMismatch   = 20
	codeNotADB     = 26
)

// checkable is the size up to which each opening by a writer looks at every page; a larger file only after a writer that did not end well.
const checkable = 16 << 20

// Open opens the history at file, makes it when there is none, and brings an older schema up to date. One that is damaged is
// renamed to FILE.damaged-<time> and a new one is begun: aside then says so, in a sentence for the operator, "" otherwise.
//
// A reader (ReadOnly) gets an error that wraps fs.ErrNotExist when there is none, ErrDamaged or ErrOlder, and changes nothing.
// A file that a newer program wrote is refused with ErrNewer, and left as it is; so is one that cannot be read.
func Open(ctx context.Context, file string, o Options) (db *DB, aside string, err error) {
	file, err = filepath.Abs(file)
	if err != nil {
		return nil, "", fmt.Errorf("opening the history: %w", err)
	}
	if o.ReadOnly {
		db, err = openReader(ctx, file, o)
		return db, "", err
	}
	db, err = openWriter(ctx, file, o)
	if !errors.Is(err, ErrDamaged) {
		return db, "", err
	}
	moved, moveErr := setAside(file, db.info, o.Now())
	db.sql.Close() // not before: SQLite would take what is beside the file for its own, and remove it
	if moveErr != nil {
		return nil, "", errors.Join(err, moveErr)
	}
	aside = fmt.Sprintf("%v; %s", err, moved)
	db, err = openWriter(ctx, file, o)
	if err != nil {
		return nil, aside, err
	}
	return db, aside, nil
}

// ready makes the file when there is none, for its owner alone, and looks whether it can be read and written.
//
// A file that is there is not opened for that: closing it again would end the locks that SQLite holds on it in this process.
func ready(file string) (fs.FileInfo, error) {
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	switch {
	case err == nil:
		f.Close()
	case !errors.Is(err, fs.ErrExist):
		return nil, fmt.Errorf("making the history: %w", err)
	}
	return accessible(file, unix.R_OK|unix.W_OK)
}

// accessible: it is a file, and may be opened so.
func accessible(file string, mode uint32) (fs.FileInfo, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, fmt.Errorf("opening the history: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("opening the history: %s is no regular file", file)
	}
	if err := unix.Faccessat(unix.AT_FDCWD, file, mode, unix.AT_EACCESS); err != nil {
		return nil, fmt.Errorf("opening the history: %w", &fs.PathError{Op: "access", Path: file, Err: err})
	}
	return info, nil
}

// openWriter gives, with ErrDamaged, a DB that tells which file is damaged.
func openWriter(ctx context.Context, file string, o Options) (*DB, error) {
	info, err := ready(file)
	if err != nil {
		return nil, err
	}
	unclean := exists(file+"-wal") || exists(file+"-journal")
	db, err := connect(file, o, "mode=rw&_txlock=immediate")
	if err != nil {
		return nil, err
	}
	db.info = info
	if err := db.prepare(ctx, unclean || info.Size() <= checkable); err != nil {
		if err = db.explain("opening", err); errors.Is(err, ErrDamaged) {
			return db, err
		}
		db.sql.Close()
		return nil, err
	}
	return db, nil
}

// prepare looks whether the file is a whole history, before anything is written to it, and makes it one of the current version.
func (db *DB) prepare(ctx context.Context, thorough bool) error {
	id, err := identify(ctx, db.sql)
	if err != nil {
		return err
	}
	if err := id.check(); err != nil {
		return err
	}
	if err := db.format(); err != nil {
		return err
	}
	if id.version == current {
		if err := whole(ctx, db.sql); err != nil {
			return err
		}
	}
	if thorough {
		if err := checkPages(ctx, db.sql, "quick_check"); err != nil {
			return err
		}
	}
	// Write-ahead: readers do not wait for the writer, and a reader needs no writer's right to read what a killed one left.
	for _, pragma := range []string{"journal_mode = WAL", "synchronous = FULL"} {
		if _, err := db.sql.ExecContext(ctx, "PRAGMA "+pragma); err != nil {
			return fmt.Errorf("setting %s: %w", pragma, err)
		}
	}
	if id.version == current {
		return nil
	}
	return migrate(ctx, db.sql)
}

// format refuses a file whose header (https://www.sqlite.org/fileformat.html, 1.3) lets a program only read it: SQLite says so at the
// first write alone, and none of ours has ever been like that.
func (db *DB) format() error {
	const writeVersion, writeAhead = 18, 2
	var head [writeVersion + 1]byte
	f, err := os.Open(db.file)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := io.ReadFull(f, head[:]); errors.Is(err, io.EOF) { // nothing was written yet
		return nil
	} else if err != nil {
		return err
	}
	if v := head[writeVersion]; v > writeAhead {
		return fmt.Errorf("%w: its format is %d, expected at most %d", ErrDamaged, v, writeAhead)
	}
	return nil
}

// checkPages reads every page; check is quick_check, or integrity_check, which sets the indexes against the tables as well.
func checkPages(ctx context.Context, q querier, check string) error {
	var found string
	if err := q.QueryRowContext(ctx, "PRAGMA "+check+"(1)").Scan(&found); err != nil {
		return fmt.Errorf("checking the history: %w", err)
	}
	if found != "ok" {
		return fmt.Errorf("%w: %s", ErrDamaged, clean(found, 200))
	}
	return nil
}

// openReader opens for reading alone. SQLite then wants to keep two small files beside it, for the locks; where it may not,
// and no writer has left anything in them, the file alone is read.
func openReader(ctx context.Context, file string, o Options) (*DB, error) {
	if _, err := accessible(file, unix.R_OK); err != nil {
		return nil, err
	}
	db, err := tryReader(ctx, file, o, "mode=ro")
	if c := code(err); (c == codeCantOpen || c == codeReadOnly) && !exists(file+"-wal") && !exists(file+"-journal") {
		db, err = tryReader(ctx, file, o, "mode=ro&immutable=1")
	}
	return db, err
}

func tryReader(ctx context.Context, file string, o Options, param string) (*DB, error) {
	db, err := connect(file, o, param+"&_pragma=query_only(1)")
	if err != nil {
		return nil, err
	}
	id, err := identify(ctx, db.sql)
	if err == nil {
		err = id.check()
	}
	switch {
	case err != nil:
	case id.empty():
		err = fmt.Errorf("it is empty: %w", fs.ErrNotExist)
	case id.version < current:
		err = fmt.Errorf("%w: schema version %d, expected %d", ErrOlder, id.version, current)
	default:
		err = whole(ctx, db.sql)
	}
	if err != nil {
		db.sql.Close()
		return nil, db.explain("opening", err)
	}
	return db, nil
}

// connect hands out one connection, and opens nothing yet.
func connect(file string, o Options, params string) (*DB, error) {
	wait := o.Wait
	if wait <= 0 {
		wait = 10 * time.Second
	}
	dsn := url.URL{Scheme: "file", OmitHost: true, Path: file, RawQuery: fmt.Sprintf(
		"%s&_dqs=0&_pragma=busy_timeout(%d)&_pragma=trusted_schema(0)&_pragma=cell_size_check(1)", params, wait.Milliseconds())}
	pool, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, fmt.Errorf("opening the history: %w", err)
	}
	pool.SetMaxOpenConns(1)
	return &DB{sql: pool, file: file, now: o.Now, readOnly: o.ReadOnly, bite: biteRows, most: rollMost}, nil
}

// Close closes it.
func (db *DB) Close() error {
	if err := db.sql.Close(); err != nil {
		return fmt.Errorf("closing the history: %w", err)
	}
	return nil
}

// explain gives SQLite's errors our names.
func (db *DB) explain(doing string, err error) error {
	switch code(err) {
	case codeBusy:
		return fmt.Errorf("%s the history %s: %w (%w)", doing, db.file, ErrBusy, err)
	case codeCorrupt, codeNotADB:
		return fmt.Errorf("%s the history %s: %w: %w", doing, db.file, ErrDamaged, err)
	case codeReadOnly:
		if db.readOnly { // a journal must be played back first
			return fmt.Errorf("%s the history %s: its writer was interrupted while it began, and the next run mends it: %w", doing, db.file, err)
		}
	}
	return fmt.Errorf("%s the history %s: %w", doing, db.file, err)
}

// code is SQLite's primary result code.
func code(err error) int {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code() & 0xff
	}
	return codeOther
}

func exists(file string) bool {
	info, err := os.Stat(file)
	return err == nil && info.Size() > 0
}
