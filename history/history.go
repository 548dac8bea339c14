package history

import (
	"database/sql"
	"errors"
	"io/fs"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"tidemark/quorum"
)

// DB is an open history. One process writes at a time; readers do not wait for it.
type DB struct {
	sql      *sql.DB
	file     string
	info     fs.FileInfo // of the file that was opened, of a writer
	now      func() time.Time
	readOnly bool
	bite     int           // rows that are removed at once
	most     time.Duration // of rolling up in one round
}

// Options of Open.
type Options struct {
	ReadOnly bool             // for status: never creates, migrates or mends
	Now      func() time.Time // required
	Wait     time.Duration    // for another writer; 0: 10 s
}

// Errors of Open and Add. Whatever is not one of these and not an error of the file system is one of SQLite's.
var (
	// ErrBusy: another process has been writing for longer than Options.Wait.
	ErrBusy = errors.New("another process is writing the history")
	// ErrNewer: the file was written by a later version of this program. It is left as it is.
	ErrNewer = errors.New("the history was written by a newer version")
	// ErrDamaged: the file is not a history, or no longer a whole one.
	ErrDamaged = errors.New("the history is damaged")
	// ErrNotLater: the round is not later than the last one that is kept, by minutes: it is left out.
	ErrNotLater = errors.New("the round is not later than the last one in the history")
	// ErrAhead: rounds were added with a clock that was ahead. They were given the present time, and the round was added.
	ErrAhead = errors.New("the clock was ahead when the last round was added to the history")
	// ErrOlder: a reader found a schema that the next writer will bring up to date.
	ErrOlder = errors.New("the history was written by an older version, and the next run brings it up to date")
)

// Round is what one run saw and concluded.
type Round struct {
	At       time.Time // of the run's end; kept in whole milliseconds
	Readings []quorum.Reading
	Verdicts []quorum.Verdict
	Trees    []quorum.TreeReport
	Guard    quorum.GuardReport
	// Announced says by tree when what its report calls announced was announced, as the manifest tells. One that the history
	// has missed is taken up with it, when that was within the last hour. Trees may be missing.
	Announced map[string]time.Time
	Published int64         // the serial that was published, 0: none
	Partial   bool          // only those that had checked in were asked
	Hold      time.Duration // Policy.MaxHold: so long a server may be behind and is good; 0: 2 h
}

// Event is something that happened: a verdict changed, a tree was announced, a server reached a timestamp, a serial was published.
type Event struct {
	At        time.Time
	Kind      EventKind
	Server    string // "" for trees and the whole
	Tree      string // "" for the whole
	From, To  string // states, of KindState
	Timestamp int64  // of KindAnnounced, KindReached
	Of        int64  // of KindAnnounced: mirrors that could get it; of KindPublished: the serial
	Text      string // the verdict's reason, the guard's words
}

// EventKind is what happened.
type EventKind string

// The kinds.
const (
	KindState     EventKind = "state"     // a server's verdict became another one
	KindAnnounced EventKind = "announced" // a tree's timestamp was announced
	KindReached   EventKind = "reached"   // a mirror that could get it was verified at that timestamp, or a newer one, for the first time
	KindPublished EventKind = "published"
	KindGuard     EventKind = "guard" // it spoke, and had not in the round before, or held back and had not
)

// EventFilter chooses events; zero fields choose all.
type EventFilter struct {
	Server, Tree string
	Kind         EventKind
	Since        time.Time
	Limit        int // the newest so many; 0: 100
}

// Curve is how a timestamp of a tree spread over the mirrors.
type Curve struct {
	Tree      string
	Timestamp int64
	Announced time.Time
	Of        int // mirrors that could get it when it was announced
	Reached   int // of them so far
	Points    []Point
}

// Point says when so many percent of the mirrors had the timestamp.
type Point struct {
	Percent int           // 50, 80, 95, 99
	After   time.Duration // since it was announced
	Reached bool          // false: not yet
}

// Uptime is how often a server was good, of the rounds in which it was asked.
type Uptime struct {
	Server, Tree string
	Asked        int64 // rounds
	Answered     int64 // it said something that could be judged
	Good         int64 // verified, ahead, or behind within what admission allows
}

// Span is a time in which a server's verdict stayed the same.
type Span struct {
	State       quorum.State
	Timestamp   int64
	Depth       string
	From, Until time.Time // of the first and the last round that saw it
	Rounds      int64
	Reason      string // of the first
}

// Seen is a time in which a server said the same at one address.
type Seen struct {
	Address     string // "": none was found
	Failure     string // "": the time file was read; "void": it changed meanwhile; otherwise a quorum.FailureKind
	Timestamp   int64  // of the time file
	From, Until time.Time
	Rounds      int64
	Deep        int64 // of the rounds, in which anchors or the file list were looked at
	Listed      int64 // of the rounds, in which the file list was looked at
	Text        string
}
