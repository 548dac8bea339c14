package client

import (
	"fmt"
	"time"

	"tidemark/internal/strictjson"
	"tidemark/manifest"
)

const (
	httpsAtLeast = 24 * time.Hour // HTTPS is asked so often, whatever the beacon says,
	httpsNever   = 12 * time.Hour // and need not be more often than that
	beforeEnd    = time.Hour      // at most so long before the manifest's end
	answersApart = time.Hour      // answers over HTTPS that follow sooner are not written down
	failsApart   = time.Hour      // nor are beacons that come back sooner
)

// nextDue draws when HTTPS is asked next: half a day to a day after it answered, at a random hour so that mirrors do not all
// come at once, and before the manifest ends.
func nextDue(now, expires time.Time, random func(time.Duration) time.Duration) time.Time {
	due := now.Add(httpsNever + random(httpsAtLeast-httpsNever))
	limit := expires.Add(-random(beforeEnd))
	if limit.Before(now) {
		limit = expires
	}
	if limit.Before(due) {
		due = limit
	}
	if due.Before(now) {
		due = now
	}
	return due
}

// dueAt is when HTTPS is asked at the latest: now, unless what is remembered makes sense and says a later time. A clock that
// went back, and a time that nobody here has drawn, make no sense.
func (m beaconMemory) dueAt(now time.Time) time.Time {
	answered, due := m.Answered.Time, m.Due.Time
	switch {
	case m.Answered.IsZero(), m.Due.IsZero():
		return now
	case now.Before(answered), due.Before(answered), due.Sub(answered) > httpsAtLeast, !now.Before(due):
		return now
	}
	return due
}

// drawAgain reports whether this answer over HTTPS moves on when it is asked next. One that comes soon after the one
// remembered does not, where the time drawn for that one still does: HTTPS is then asked earlier than it need be, and a mirror
// whose beacon is of no use writes nothing at each look.
func (m beaconMemory) drawAgain(now, expires time.Time) bool {
	due := m.dueAt(now)
	return !due.After(now) || due.After(expires) || now.Sub(m.Answered.Time) >= answersApart
}

// failing is since when no beacon was to be had. A good one ends it only an hour or more after it began, so that servers that
// disagree, or fail now and then, cost two writes an hour at most.
func failing(on bool, old strictjson.Time, now time.Time) strictjson.Time {
	if !on && !old.IsZero() && !over(old, failsApart, now) {
		return old
	}
	return lasting(on, old, now)
}

// quiet reports whether a check may end with this beacon, and why or why not.
func (a *beaconAsk) quiet(b *manifest.Beacon, trees []string) (bool, string) {
	if a.broken != "" {
		return false, a.broken + ": HTTPS decides"
	}
	if a.memory.Answered.IsZero() {
		return false, "the site has not answered over HTTPS yet: HTTPS decides"
	}
	for _, tree := range trees {
		if news := a.news(b, tree); news != "" {
			return false, news + ": HTTPS decides"
		}
	}
	due := a.memory.dueAt(a.now)
	switch {
	case len(trees) == 0:
		return false, "no tree is asked for: HTTPS decides"
	case a.now.Before(a.memory.Answered.Time):
		return false, fmt.Sprintf("this machine's clock went back: HTTPS answered at %s: HTTPS decides", stamp(a.memory.Answered.Time))
	case !a.now.Before(due):
		return false, "HTTPS is asked at least once a day, and it is time to: HTTPS decides"
	}
	return true, fmt.Sprintf("the beacon of serial %d has nothing new; HTTPS is asked at %s at the latest", b.Serial, stamp(due))
}

// news says what about a tree is not as the beacon and the last answer over HTTPS have it; "": nothing.
func (a *beaconAsk) news(b *manifest.Beacon, tree string) string {
	known, wasThere := a.memory.Trees[tree]
	timestamp, isThere := b.Trees[tree]
	switch {
	case !wasThere && !isThere:
		return "" // the network had no such tree, and has none
	case !wasThere:
		return fmt.Sprintf("the beacon has the tree %s, which was not announced", tree)
	case !isThere:
		return fmt.Sprintf("the beacon has no tree %s, which was announced", tree)
	}
	held, err := a.Held(tree, known.TimeFile)
	switch {
	case err != nil:
		return fmt.Sprintf("what this mirror holds of %s cannot be said (%v)", tree, err)
	case held <= 0:
		return fmt.Sprintf("this mirror has no time file of %s", tree)
	case held < timestamp:
		return fmt.Sprintf("the beacon has %s at %d, and this mirror holds %d", tree, timestamp, held)
	case held < known.Announced:
		return fmt.Sprintf("%s is announced at %d, and this mirror holds %d", tree, known.Announced, held)
	}
	return ""
}
