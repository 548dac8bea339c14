package history

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tidemark/internal/filelist"
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

// TestPartial: only those that were asked count; of the others only what changed is news.
func TestPartial(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	db := fresh(t)
	add(t, db, round(0, verdict("a", quorum.Verified, 1), verdict("b", quorum.Verified, 1), verdict("c", quorum.Verified, 1)))
	r := round(5, verdict("a", quorum.Verified, 1))
	r.Partial = true
	r.Verdicts = append(r.Verdicts, verdict("b", quorum.Verified, 1), verdict("c", quorum.Behind, 1)) // c: as the inventory or an announcement has it
	add(t, db, r)
	uptimes, err := db.Uptimes(ctx, start())
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "uptimes", uptimes, []Uptime{{"a", "centos", 2, 2, 2}, {"b", "centos", 1, 1, 1}, {"c", "centos", 1, 1, 1}})
	for server, want := range map[string]string{"a": "2 0-5", "b": "1 0-0", "c": "1 5-5"} {
		spans, err := db.Spans(ctx, server, "centos", 1)
		if err != nil {
			t.Fatal(err)
		}
		minutes := func(t time.Time) int { return int(t.Sub(start()) / time.Minute) }
		equal(t, server, fmt.Sprintf("%d %d-%d", spans[0].Rounds, minutes(spans[0].From), minutes(spans[0].Until)), want)
	}
	events, err := db.Events(ctx, EventFilter{})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "events", events, []Event{{At: after(5), Kind: KindState, Server: "c", Tree: "centos", From: "verified", To: "behind", Text: "c behind 1"}})
}

// TestUptimes: one server for each way to be asked, by hand.
func TestUptimes(t *testing.T) {
	t.Parallel()
	db := fresh(t)
	r := round(240, verdict("good", quorum.Verified, 1), verdict("ahead", quorum.Ahead, 2), since(verdict("just-behind", quorum.Behind, 1), 120),
		since(verdict("long-behind", quorum.Behind, 1), 119), verdict("wrong", quorum.Wrong, 1), verdict("busy", quorum.Busy, 0),
		verdict("silent", quorum.Unreachable, 0), verdict("refusing", quorum.Refused, 0), verdict("off", quorum.Maintenance, 0))
	void, none := reading("void", 1), failed("no-file", quorum.FailMissing)
	void.Void = true
	half := failed("half", quorum.FailUnreachable) // over IPv6; it answers over IPv4
	half.Address = "2001:db8::1"
	r.Readings = append(r.Readings, void, none, reading("half", 1), half)
	r.Verdicts = append(r.Verdicts, verdict("void", quorum.Moving, 1), verdict("no-file", quorum.Incomplete, 0), verdict("half", quorum.Verified, 1))
	add(t, db, r)
	early := r
	early.At, early.Hold = after(245), time.Hour // the next round, with a shorter hold
	add(t, db, early)
	tomorrow := round(240+24*60, verdict("good", quorum.Verified, 1))
	add(t, db, tomorrow)
	for name, tt := range map[string]struct {
		since time.Time
		want  []Uptime
	}{
		"both days": {after(300), []Uptime{ // the whole of the day
			{"ahead", "centos", 2, 2, 2}, {"busy", "centos", 2, 0, 0}, {"good", "centos", 3, 3, 3}, {"half", "centos", 2, 2, 2}, {"just-behind", "centos", 2, 2, 1},
			{"long-behind", "centos", 2, 2, 0}, {"no-file", "centos", 2, 2, 0}, {"refusing", "centos", 2, 0, 0}, {"silent", "centos", 2, 0, 0},
			{"void", "centos", 2, 2, 0}, {"wrong", "centos", 2, 2, 0},
		}},
		"the second":  {after(20 * 60), []Uptime{{"good", "centos", 1, 1, 1}}},
		"all of them": {time.Time{}, nil},
	} {
		got, err := db.Uptimes(context.Background(), tt.since)
		if err != nil {
			t.Fatal(err)
		}
		if tt.want == nil {
			equal(t, name, len(got), 11)
			continue
		}
		equal(t, name, got, tt.want)
	}
}

// TestSeen: a reading's span is one of an address; depth makes it no other one.
func TestSeen(t *testing.T) {
	t.Parallel()
	db := fresh(t)
	for i, depth := range []string{manifest.DepthTime, manifest.DepthAnchors, manifest.DepthListing} {
		r := round(i*5, verdict("a", quorum.Verified, 1))
		r.Readings[0].Depth = depth
		if depth == manifest.DepthListing {
			r.Readings[0].List = &filelist.Diff{}
		}
		six := failed("a", quorum.FailUnreachable)
		six.Address = "2001:db8::1"
		r.Readings = append(r.Readings, six)
		add(t, db, r)
	}
	add(t, db, round(15, verdict("a", quorum.Behind, 2)))
	got, err := db.Seen(context.Background(), "a", "centos", 0)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "seen", got, []Seen{
		{Address: "192.0.2.1", Timestamp: 2, From: after(15), Until: after(15), Rounds: 1},
		{Address: "2001:db8::1", Failure: "unreachable", From: after(0), Until: after(10), Rounds: 3, Text: "it failed: unreachable"},
		{Address: "192.0.2.1", Timestamp: 1, From: after(0), Until: after(10), Rounds: 3, Deep: 2, Listed: 1},
	})
}

// TestEvents: what was published, the guard, and every filter.
func TestEvents(t *testing.T) {
	t.Parallel()
	db := fresh(t)
	guard := func(r Round, held, spoke bool, published int64) Round {
		r.Guard = quorum.GuardReport{Held: held, Spoke: spoke, Reason: fmt.Sprintf("held %v", held)}
		r.Published = published
		return r
	}
	add(t, db, guard(round(0, verdict("a", quorum.Verified, 1)), false, false, 7))
	add(t, db, guard(round(5, verdict("a", quorum.Behind, 1)), true, true, 0))
	add(t, db, guard(round(10, verdict("a", quorum.Behind, 1)), true, true, 0))
	add(t, db, guard(announcing(round(15, verdict("a", quorum.Verified, 2)), 2), false, true, 8))
	add(t, db, guard(round(20, verdict("a", quorum.Verified, 2)), false, false, 8)) // the same serial is no news
	add(t, db, guard(round(25, verdict("a", quorum.Verified, 2)), true, true, 0))
	announced := Event{At: after(15), Kind: KindAnnounced, Tree: "centos", Timestamp: 2, Of: 1, Text: "announced"}
	reached := Event{At: after(15), Kind: KindReached, Server: "a", Tree: "centos", Timestamp: 2}
	better := Event{At: after(15), Kind: KindState, Server: "a", Tree: "centos", From: "behind", To: "verified", Text: "a verified 2"}
	worse := Event{At: after(5), Kind: KindState, Server: "a", Tree: "centos", From: "verified", To: "behind", Text: "a behind 1"}
	published, before := Event{At: after(15), Kind: KindPublished, Of: 8}, Event{At: after(0), Kind: KindPublished, Of: 7}
	held, spoke, again := Event{At: after(5), Kind: KindGuard, Text: "held true"}, Event{At: after(15), Kind: KindGuard, Text: "held false"}, Event{At: after(25), Kind: KindGuard, Text: "held true"}
	for name, tt := range map[string]struct {
		filter EventFilter
		want   []Event
	}{
		"all":               {EventFilter{}, []Event{again, spoke, published, better, reached, announced, held, worse, before}},
		"three":             {EventFilter{Limit: 3}, []Event{again, spoke, published}},
		"one kind":          {EventFilter{Kind: KindPublished}, []Event{published, before}},
		"one server":        {EventFilter{Server: "a"}, []Event{better, reached, worse}},
		"one tree":          {EventFilter{Tree: "centos", Limit: 3}, []Event{better, reached, announced}},
		"another tree":      {EventFilter{Tree: "vault"}, nil},
		"since":             {EventFilter{Since: after(15)}, []Event{again, spoke, published, better, reached, announced}},
		"of a server since": {EventFilter{Server: "a", Kind: KindState, Since: after(6)}, []Event{better}},
	} {
		got, err := db.Events(context.Background(), tt.filter)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, name, got, tt.want)
	}
}

// TestOrder: a round that is not later is refused, whole, and says what to do.
func TestOrder(t *testing.T) {
	t.Parallel()
	db := fresh(t)
	add(t, db, round(5, verdict("a", quorum.Verified, 1)))
	for _, minute := range []int{5, 0} {
		err := db.Add(context.Background(), round(minute, verdict("b", quorum.Verified, 1)))
		if !errors.Is(err, ErrNotLater) || !strings.Contains(err.Error(), "check the clock") {
			t.Errorf("minute %d: %v", minute, err)
		}
	}
	if list, err := db.Uptimes(context.Background(), start()); err != nil || len(list) != 1 {
		t.Errorf("something of a refused round was kept: %v, %v", list, err)
	}
	next := round(5, verdict("a", quorum.Verified, 1))
	next.At = next.At.Add(time.Millisecond)
	add(t, db, next)
}

// TestForeignWords: what a server said goes in as it is but bounded and printable, whatever it holds.
func TestForeignWords(t *testing.T) {
	t.Parallel()
	db := fresh(t)
	for i, tt := range []struct{ text, want string }{
		{"'); DROP TABLE verdict; --", "'); DROP TABLE verdict; --"},
		{`{"a": [1, "\u0000"]}`, `{"a": [1, "\u0000"]}`},
		{"<b>&amp;</b> äöü 中", "<b>&amp;</b> äöü 中"},
		{"nul \x00 escape \x1b[31m line\nfeed \xff\xfe", "nul \uFFFD escape \uFFFD[31m line\uFFFDfeed \uFFFD\uFFFD"},
		{strings.Repeat("ä", 10_000), strings.Repeat("ä", 500)},
		{"", ""},
	} {
		r := round(i, verdict("a", quorum.State(fmt.Sprint("state-", i)), 1))
		r.Verdicts[0].Reason = tt.text
		r.Readings = []quorum.Reading{failed("a", "odd")}
		r.Readings[0].Timestamp = int64(i) // a new span
		r.Readings[0].Failure.Text = tt.text
		add(t, db, r)
		spans, err := db.Spans(context.Background(), "a", "centos", 1)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "reason", spans[0].Reason, tt.want)
		seen, err := db.Seen(context.Background(), "a", "centos", 1)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "failure", seen[0].Text, tt.want)
	}
}
