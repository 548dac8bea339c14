package history

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tidemark/quorum"
)

// Rounds are those that asked everybody; Were knows what was in order at some time, not before.
func TestRounds_Were(t *testing.T) {
	t.Parallel()
	db := fresh(t)
	round := func(minutes int, partial bool, a, b quorum.State) {
		t.Helper()
		add(t, db, Round{At: after(minutes), Partial: partial, Verdicts: []quorum.Verdict{verdict("a", a, 7), verdict("b", b, 7)},
			Readings: []quorum.Reading{reading("a", 7), reading("b", 7)}})
	}
	round(0, false, quorum.Verified, quorum.Behind)
	round(5, false, quorum.Wrong, quorum.Verified)
	round(6, true, quorum.Wrong, quorum.Verified)
	round(10, false, quorum.Wrong, quorum.Unreachable)
	ctx := context.Background()
	got, err := db.Rounds(ctx, 2)
	if diff := cmp.Diff([]time.Time{after(10), after(5)}, got); diff != "" || err != nil {
		t.Errorf("the last two rounds: error %v, -want +got\n%s", err, diff)
	}
	for name, c := range map[string]struct {
		since  int
		states []quorum.State
		want   []Place
	}{
		"both at the beginning": {0, []quorum.State{quorum.Verified}, []Place{{"a", "centos"}, {"b", "centos"}}},
		"one later":             {3, []quorum.State{quorum.Verified, quorum.Behind}, []Place{{"b", "centos"}}},
		"none at the end":       {8, []quorum.State{quorum.Verified}, nil},
		"of no state":           {0, nil, nil},
	} {
		got, err := db.Were(ctx, after(c.since), c.states...)
		if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
			t.Errorf("%s: error %v, -want +got\n%s", name, err, diff)
		}
	}
}
