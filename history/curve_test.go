package history

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sort"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tidemark/internal/rsyncurl"
	"tidemark/manifest"
	"tidemark/quorum"
)

func allEvents(t testing.TB, db *DB) []Event {
	t.Helper()
	events, err := db.Events(context.Background(), EventFilter{Limit: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(events)
	return events
}

func curves(t testing.TB, db *DB) []Curve {
	t.Helper()
	list, err := db.Curves(context.Background(), "centos", 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestPoints: by hand. Of 5 mirrors, 50 % are 3 (2.5 rounded up), 80 % are 4, 95 % and 99 % are all 5. Of 100 they are 50, 80, 95, 99.
func TestPoints(t *testing.T) {
	t.Parallel()
	minutes := func(list ...int) []time.Duration {
		var d []time.Duration
		for _, m := range list {
			d = append(d, time.Duration(m)*time.Minute)
		}
		return d
	}
	hundred := make([]int, 99)
	for i := range hundred {
		hundred[i] = i + 1 // the first after one minute, the 99th after 99
	}
	for _, tt := range []struct {
		name     string
		arrivals []time.Duration
		of       int
		want     [4]int // minutes, -1: not yet
	}{
		{"nobody could get it", nil, 0, [4]int{-1, -1, -1, -1}},
		{"nobody has it", nil, 5, [4]int{-1, -1, -1, -1}},
		{"had it already", minutes(0), 1, [4]int{0, 0, 0, 0}},
		{"four of five", minutes(0, 5, 5, 20), 5, [4]int{5, 20, -1, -1}},
		{"five of five", minutes(0, 5, 5, 20, 1000), 5, [4]int{5, 20, 1000, 1000}},
		{"one of two", minutes(7), 2, [4]int{7, -1, -1, -1}},
		{"one of three", minutes(7), 3, [4]int{-1, -1, -1, -1}},
		{"99 of 100", minutes(hundred...), 100, [4]int{50, 80, 95, 99}},
		{"99 of 101", minutes(hundred...), 101, [4]int{51, 81, 96, -1}}, // 50.5, 80.8, 95.95, 99.99
	} {
		var got [4]int
		for i, p := range points(tt.arrivals, tt.of) {
			got[i] = -1
			if p.Reached {
				got[i] = int(p.After / time.Minute)
			}
		}
		equal(t, tt.name, got, tt.want)
	}
}

// TestCurve: rounds by hand, their events by hand, and the curve by hand from these.
func TestCurve(t *testing.T) {
	t.Parallel()
	db := fresh(t)
	node := verdict("node", quorum.Verified, 200)
	node.Kind = manifest.KindNode
	bare := verdict("web-only", quorum.Behind, 100)
	bare.URL = rsyncurl.URL{}
	add(t, db, round(-26*60, verdict("gone", quorum.Behind, 100))) // not heard of for a day and more
	add(t, db, round(-60, verdict("a", quorum.Verified, 100), verdict("b", quorum.Verified, 100), verdict("c", quorum.Verified, 100),
		verdict("d", quorum.Behind, 50), verdict("e", quorum.Busy, 0), verdict("gone", quorum.Unreachable, 0)))
	add(t, db, announcing(round(0, verdict("a", quorum.Verified, 200), verdict("b", quorum.Behind, 100), verdict("c", quorum.Behind, 100),
		verdict("d", quorum.Unreachable, 0), // counts: heard of an hour ago
		verdict("e", quorum.Busy, 0),        // counts: busy is an answer
		verdict("gone", quorum.Unreachable, 0), verdict("no", quorum.Refused, 0), verdict("off", quorum.Maintenance, 0), node, bare), 200))
	add(t, db, round(5, verdict("b", quorum.Verified, 200), verdict("c", quorum.Ahead, 201), verdict("gone", quorum.Verified, 200), verdict("late", quorum.Verified, 200)))
	add(t, db, round(10, verdict("b", quorum.Wrong, 200), verdict("d", quorum.Moving, 200)))
	add(t, db, round(15, verdict("b", quorum.Verified, 200), verdict("d", quorum.Incomplete, 200)))
	add(t, db, announcing(round(20, verdict("d", quorum.Verified, 200)), 200)) // announced again: no news

	var got []string
	for _, e := range allEvents(t, db) {
		if e.Kind == KindAnnounced || e.Kind == KindReached {
			got = append(got, fmt.Sprintf("%d %s %s %d of %d", int(e.At.Sub(start())/time.Minute), e.Kind, e.Server, e.Timestamp, e.Of))
		}
	}
	equal(t, "events", got, []string{
		"0 announced  200 of 5", "0 reached a 200 of 0", "5 reached b 200 of 0", "5 reached c 200 of 0", "20 reached d 200 of 0",
	})
	want := Curve{Tree: "centos", Timestamp: 200, Announced: start(), Of: 5, Reached: 4, Points: []Point{
		{50, 5 * time.Minute, true}, {80, 20 * time.Minute, true}, {Percent: 95}, {Percent: 99},
	}}
	equal(t, "curve", curves(t, db), []Curve{want})

	// The next one: a and e have it at once, and e has so reached 200, too; b is silent and never gets there.
	add(t, db, announcing(round(60, verdict("a", quorum.Verified, 300), verdict("e", quorum.Verified, 300), verdict("b", quorum.Unreachable, 0)), 300))
	want.Reached, want.Points[2], want.Points[3] = 5, Point{95, time.Hour, true}, Point{99, time.Hour, true}
	equal(t, "curves", curves(t, db), []Curve{{Tree: "centos", Timestamp: 300, Announced: after(60), Of: 3, Reached: 2, Points: []Point{
		{50, 0, true}, {Percent: 80}, {Percent: 95}, {Percent: 99},
	}}, want})
	if one, err := db.Curves(context.Background(), "centos", 1); err != nil || len(one) != 1 || one[0].Timestamp != 300 {
		t.Errorf("the newest one: %v, %v", one, err)
	}
}

// naive computes the curves from the events, as the package's doc says it, moment by moment.
func naive(events []Event) []Curve {
	var list []Curve
	for _, a := range events {
		if a.Kind != KindAnnounced {
			continue
		}
		c := Curve{Tree: a.Tree, Timestamp: a.Timestamp, Announced: a.At, Of: int(a.Of)}
		for _, percent := range []int{50, 80, 95, 99} {
			c.Points = append(c.Points, Point{Percent: percent})
		}
		mirrors := map[string]bool{}
		for _, e := range events {
			if e.Kind != KindReached || e.Tree != a.Tree || e.Timestamp != a.Timestamp {
				continue
			}
			mirrors[e.Server] = true
			for i, p := range c.Points {
				if !p.Reached && 100*len(mirrors) >= p.Percent*c.Of {
					c.Points[i].Reached, c.Points[i].After = true, e.At.Sub(a.At)
				}
			}
		}
		c.Reached = len(mirrors)
		list = append([]Curve{c}, list...)
	}
	return list
}

// TestCurve_Property: whatever the rounds, the curves equal what follows from the events, and the events what follows from the rounds.
func TestCurve_Property(t *testing.T) {
	t.Parallel()
	db := fresh(t) // one for all: opening takes longer than adding
	if _, err := db.sql.Exec("PRAGMA synchronous = OFF"); err != nil {
		t.Fatal(err)
	}
	most, passed := 15, 0 // a race detector makes each take half a second
	if os.Getenv("TIDEMARK_SOAK") != "" {
		most = 1 << 30
	}
	rapid.Check(t, func(rt *rapid.T) {
		if passed >= most {
			return
		}
		for _, table := range []string{"round", "target", "words", "verdict", "reading", "day", "event", "awaited", "curve"} {
			if _, err := db.sql.Exec("DELETE FROM " + table); err != nil {
				t.Fatal(err)
			}
		}
		states := []quorum.State{quorum.Verified, quorum.Ahead, quorum.Behind, quorum.Busy, quorum.Unreachable, quorum.Refused, quorum.Maintenance, quorum.Wrong}
		minute, newest := 0, int64(100)
		var want []string
		heardAt, awaited := map[string]int{}, map[string][]int64{}
		for range rapid.IntRange(1, 8).Draw(rt, "rounds") {
			minute += rapid.SampledFrom([]int{5, 5, 5, 60, 1500}).Draw(rt, "minutes")
			var verdicts []quorum.Verdict
			for _, server := range []string{"a", "b", "c", "d", "e"} {
				if rapid.IntRange(0, 9).Draw(rt, "asked") > 0 {
					verdicts = append(verdicts, verdict(server, rapid.SampledFrom(states).Draw(rt, "state"), newest+int64(rapid.IntRange(-2, 2).Draw(rt, "timestamp"))))
				}
			}
			r := round(minute, verdicts...)
			if rapid.IntRange(0, 2).Draw(rt, "announce") == 0 {
				newest += int64(rapid.IntRange(0, 2).Draw(rt, "more")) // 0: the same again
				r = announcing(r, newest)
			}
			if err := db.Add(context.Background(), r); err != nil {
				rt.Fatal(err)
			}
			want = append(want, follows(r, minute, heardAt, awaited)...)
		}
		events := allEvents(t, db)
		var got []string
		for _, e := range events {
			if e.Kind == KindAnnounced || e.Kind == KindReached {
				got = append(got, spreadLine(e.At, e.Server, e.Timestamp, e.Of))
			}
		}
		sort.Strings(got)
		sort.Strings(want)
		if !slices.Equal(got, want) {
			rt.Fatalf("events:\n%q\nwant:\n%q", got, want)
		}
		if d := fmt.Sprint(curves(t, db)); d != fmt.Sprint(withoutEmpty(naive(events))) {
			rt.Fatalf("curves:\n%s\nfrom the events:\n%v", d, naive(events))
		}
		passed++
	})
}

// withoutEmpty: where nobody could get it, no point is reached.
func withoutEmpty(list []Curve) []Curve {
	for _, c := range list {
		for i := range c.Points {
			if c.Of == 0 {
				c.Points[i] = Point{Percent: c.Points[i].Percent}
			}
		}
	}
	return list
}

func spreadLine(at time.Time, server string, timestamp, of int64) string {
	return fmt.Sprintf("%s %q %d of %d", at.Format("02T15:04"), server, timestamp, of)
}

// follows is what a round's announcements and arrivals are, by the words of the package's doc. An announcement of "all" is under the name "".
func follows(r Round, minute int, heardAt map[string]int, awaited map[string][]int64) []string {
	for _, v := range r.Verdicts {
		if v.State != quorum.Unreachable && v.State != quorum.Refused && v.State != quorum.Maintenance {
			heardAt[v.Server] = minute
		}
	}
	var lines []string
	for _, t := range r.Trees {
		if slices.Contains(awaited[""], t.Announced) {
			continue
		}
		awaited[""] = append(awaited[""], t.Announced)
		of := int64(0)
		for _, v := range r.Verdicts {
			last, heard := heardAt[v.Server]
			if v.State != quorum.Refused && v.State != quorum.Maintenance && heard && minute-last < 24*60 {
				of++
				awaited[v.Server] = append(awaited[v.Server], t.Announced)
			}
		}
		lines = append(lines, spreadLine(r.At, "", t.Announced, of))
	}
	for _, v := range r.Verdicts {
		awaited[v.Server] = slices.DeleteFunc(awaited[v.Server], func(timestamp int64) bool {
			has := (v.State == quorum.Verified || v.State == quorum.Ahead) && v.Timestamp >= timestamp
			if has {
				lines = append(lines, spreadLine(r.At, v.Server, timestamp, 0))
			}
			return has
		})
	}
	return lines
}

// TestMissedAnnouncement: the history did not see the run that announced; the next one that tells when it was makes the curve all
// the same, unless it is too late, or was before the history began.
func TestMissedAnnouncement(t *testing.T) {
	t.Parallel()
	told := func(r Round, timestamp int64, at int) Round {
		r.Trees = []quorum.TreeReport{{Tree: "centos", Announced: timestamp, Note: "announced"}}
		r.Announced = map[string]time.Time{"centos": after(at)}
		return r
	}
	both := func(minute int, a, b quorum.State) Round {
		return round(minute, verdict("a", a, 200), verdict("b", b, 200))
	}
	db := fresh(t)
	add(t, db, told(both(0, quorum.Verified, quorum.Verified), 200, -30)) // before it began
	equal(t, "curves of what was announced before", len(curves(t, db)), 0)
	// 300 was announced at minute 6, in a run that is not here.
	missed := told(round(10, verdict("a", quorum.Verified, 300), verdict("b", quorum.Behind, 200)), 300, 6)
	add(t, db, missed)
	add(t, db, told(round(15, verdict("a", quorum.Verified, 300), verdict("b", quorum.Verified, 300)), 300, 6)) // known now
	want := []Curve{{Tree: "centos", Timestamp: 300, Announced: after(6), Of: 2, Reached: 2, Points: []Point{
		{50, 4 * time.Minute, true}, {80, 9 * time.Minute, true}, {95, 9 * time.Minute, true}, {99, 9 * time.Minute, true},
	}}}
	equal(t, "curves", curves(t, db), want)
	add(t, db, told(both(100, quorum.Behind, quorum.Behind), 400, 20))  // more than an hour ago
	add(t, db, told(both(105, quorum.Behind, quorum.Behind), 250, 101)) // older than what is known
	equal(t, "curves", curves(t, db), want)
	add(t, db, announcing(round(110, verdict("a", quorum.Verified, 500)), 500))
	r := told(round(115, verdict("a", quorum.Verified, 500)), 500, 110) // seen at once: told again, it is no news
	add(t, db, r)
	equal(t, "number of curves", len(curves(t, db)), 2)
}
