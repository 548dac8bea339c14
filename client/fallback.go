package client

import "time"

// fallbackEvery is how often a mirror may sync without a manifest, at most.
const fallbackEvery = 6 * time.Hour

// FallbackDue reports whether a mirror may sync from its fallback sources: no valid manifest was to be had since
// nothingSince ([NoManifestSince]; zero: there is one), longer than after, and the last such sync, lastFallback (zero:
// none), was six hours ago or more. One in the future, by a clock that moved back, holds nothing up.
func FallbackDue(nothingSince, lastFallback, now time.Time, after time.Duration) bool {
	if nothingSince.IsZero() || now.Before(nothingSince.Add(after)) {
		return false
	}
	return lastFallback.IsZero() || lastFallback.After(now) || !now.Before(lastFallback.Add(fallbackEvery))
}

// NoManifestSince is since when no valid manifest has been in force: when a Look in the state directory first found none.
// The end of the last one is not asked for, since a clock that jumps ahead would put that long ago. Zero: one was in force.
func NoManifestSince(state string) (time.Time, error) {
	m, _, err := (&store{dir: state, readOnly: true}).load()
	return m.NothingSince.Time, err
}

// OutOfTime is since when the origin has answered with documents that are genuine, and refused as expired or future-dated,
// as the last Look in the state directory found. Zero: it did not. While it does, the site is there: either this machine's
// clock is wrong, or its publisher stands still, and a sync without a manifest would be the wrong answer to the former.
func OutOfTime(state string) (time.Time, error) {
	m, _, err := (&store{dir: state, readOnly: true}).load()
	return m.OutOfTimeSince.Time, err
}
