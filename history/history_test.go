package history

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tidemark/internal/rsyncurl"
	"tidemark/internal/strictjson"
	"tidemark/manifest"
	"tidemark/quorum"
)

// start is the beginning of all tests' time.
func start() time.Time { return time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC) }

func after(minutes int) time.Time { return start().Add(time.Duration(minutes) * time.Minute) }

func open(t testing.TB, file string) *DB {
	t.Helper()
	db, aside, err := Open(context.Background(), file, Options{Now: start})
	if err != nil || aside != "" {
		t.Fatalf("opening: aside %q, error %v", aside, err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func fresh(t testing.TB) *DB { return open(t, filepath.Join(t.TempDir(), "history.db")) }

func add(t testing.TB, db *DB, r Round) {
	t.Helper()
	if err := db.Add(context.Background(), r); err != nil {
		t.Fatal(err)
	}
}

// verdict of a mirror; its URL is one.
func verdict(server string, state quorum.State, timestamp int64) quorum.Verdict {
	url, err := rsyncurl.Parse("rsync://" + server + ".example.org/centos/")
	if err != nil {
		panic(err)
	}
	return quorum.Verdict{Server: server, Kind: manifest.KindMirror, Tree: "centos", State: state, Timestamp: timestamp, URL: url,
		Reason: fmt.Sprintf("%s %s %d", server, state, timestamp)}
}

func reading(server string, timestamp int64) quorum.Reading {
	return quorum.Reading{Server: server, Tree: "centos", Address: "192.0.2.1", Depth: manifest.DepthTime, Timestamp: timestamp}
}

func failed(server string, kind quorum.FailureKind) quorum.Reading {
	r := reading(server, 0)
	r.Failure = &quorum.Failure{Kind: kind, Text: "it failed: " + string(kind)}
	return r
}

// round in which every server of the verdicts was asked: it answered unless it is unreachable, busy or refused.
func round(minute int, verdicts ...quorum.Verdict) Round {
	r := Round{At: after(minute), Verdicts: verdicts}
	for _, v := range verdicts {
		switch v.State {
		case quorum.Unreachable, quorum.Busy, quorum.Refused:
			r.Readings = append(r.Readings, failed(v.Server, quorum.FailureKind(v.State)))
		case quorum.Maintenance:
		default:
			r.Readings = append(r.Readings, reading(v.Server, v.Timestamp))
		}
	}
	return r
}

func announcing(r Round, timestamp int64) Round {
	r.Trees = append(r.Trees, quorum.TreeReport{Tree: "centos", Announced: timestamp, New: true, Note: "announced"})
	return r
}

func since(v quorum.Verdict, minute int) quorum.Verdict {
	v.Since = strictjson.At(after(minute))
	return v
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

func TestSpans(t *testing.T) {
	t.Parallel()
	db := fresh(t)
	add(t, db, round(0, verdict("a", quorum.Verified, 1)))
	add(t, db, round(5, verdict("a", quorum.Verified, 1)))
	add(t, db, round(10, verdict("a", quorum.Unreachable, 0)))
	add(t, db, round(15, verdict("a", quorum.Verified, 1)))
	add(t, db, round(15+24*60, verdict("a", quorum.Verified, 1)))   // a day later to the minute: it lasted
	add(t, db, round(16+2*24*60, verdict("a", quorum.Verified, 1))) // not seen for longer than a day: a new one, and no event
	got, err := db.Spans(context.Background(), "a", "centos", 0)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "spans", got, []Span{
		{State: "verified", Timestamp: 1, From: after(16 + 2*24*60), Until: after(16 + 2*24*60), Rounds: 1, Reason: "a verified 1"},
		{State: "verified", Timestamp: 1, From: after(15), Until: after(15 + 24*60), Rounds: 2, Reason: "a verified 1"},
		{State: "unreachable", From: after(10), Until: after(10), Rounds: 1, Reason: "a unreachable 0"},
		{State: "verified", Timestamp: 1, From: after(0), Until: after(5), Rounds: 2, Reason: "a verified 1"},
	})
	events, err := db.Events(context.Background(), EventFilter{})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "events", events, []Event{
		{At: after(15), Kind: KindState, Server: "a", Tree: "centos", From: "unreachable", To: "verified", Text: "a verified 1"},
		{At: after(10), Kind: KindState, Server: "a", Tree: "centos", From: "verified", To: "unreachable", Text: "a unreachable 0"},
	})
}
