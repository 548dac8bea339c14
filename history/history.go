package history

import (
	"context"
	"errors"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"tidemark/quorum"
)

// DB is an open history. One process writes at a time; readers do not wait for it.
type DB struct{}

// Options of Open.
type Options struct {
	ReadOnly bool             // for status: never creates, migrates or mends
	Now      func() time.Time // required
	Wait     time.Duration    // for another writer; 0: 10 s
}

// ErrBusy: another process has been writing for longer than Options.Wait.
var ErrBusy = errors.New("another process is writing the history")

// Open opens the history at file, makes it when there is none, and brings an older schema up to date. One that is damaged is
// renamed to FILE.damaged-<time> and a new one is begun: aside then says so, in a sentence for the operator, "" otherwise.
func Open(ctx context.Context, file string, o Options) (db *DB, aside string, err error) {
	panic("stub")
}

// Close closes it.
func (db *DB) Close() error { panic("stub") }

// Round is what one run saw and concluded.
type Round struct {
	At        time.Time // of the run's end
	Readings  []quorum.Reading
	Verdicts  []quorum.Verdict
	Trees     []quorum.TreeReport
	Guard     quorum.GuardReport
	Published int64 // the serial that was published, 0: none
	Partial   bool  // only those that had checked in were asked
}

// Add takes a round into the history, whole or not at all. Rounds must come in the order of their time; one that is not later
// than the last is refused. Now and then it also rolls up what is older than 30 days.
func (db *DB) Add(ctx context.Context, r Round) error { panic("stub") }

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
	KindReached   EventKind = "reached"   // a server was verified at that timestamp, or a newer one, for the first time
	KindPublished EventKind = "published"
	KindGuard     EventKind = "guard"
)

// EventFilter chooses events; zero fields choose all.
type EventFilter struct {
	Server, Tree string
	Kind         EventKind
	Since        time.Time
	Limit        int // the newest so many; 0: 100
}

// Events lists events, newest first.
func (db *DB) Events(ctx context.Context, f EventFilter) ([]Event, error) { panic("stub") }

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

// Curves gives the last n announcements of a tree, newest first.
func (db *DB) Curves(ctx context.Context, tree string, n int) ([]Curve, error) { panic("stub") }

// Uptime is how often a server was good, of the rounds in which it was asked.
type Uptime struct {
	Server, Tree string
	Asked        int64 // rounds
	Answered     int64 // it said something that could be judged
	Good         int64 // verified, ahead, or behind within what admission allows
}

// Uptimes gives one for each server and tree since a time; days are whole ones in UTC.
func (db *DB) Uptimes(ctx context.Context, since time.Time) ([]Uptime, error) { panic("stub") }

// Span is a time in which a server's verdict stayed the same.
type Span struct {
	State       quorum.State
	Timestamp   int64
	Depth       string
	From, Until time.Time // of the first and the last round that saw it
	Rounds      int64
	Reason      string // of the first
}

// Spans lists the verdicts of a tree at a server, newest first, at most n.
func (db *DB) Spans(ctx context.Context, server, tree string, n int) ([]Span, error) { panic("stub") }
