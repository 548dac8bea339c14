package client

import (
	"context"
	"time"
)

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

// NoManifestSince is since when no valid manifest has been in force, as the last Look in the state directory found: when
// the last one ended, or when one was first looked for in vain. Zero: one was in force.
func NoManifestSince(state string) (time.Time, error) {
	m, _, err := (&store{dir: state, readOnly: true}).load()
	return m.NothingSince.Time, err
}

// Due reports whether something of that kind is to be told now, and remembers that it was: once a day. It is for what
// Look's caller has to tell itself, like an error that repeats.
func Due(ctx context.Context, state, kind string, now time.Time) (due bool, err error) {
	s := &store{dir: state}
	if err := s.prepare(); err != nil {
		return true, err
	}
	unlock, err := s.lock(ctx)
	if err != nil {
		return true, err
	}
	defer unlock()
	err = s.change(func(m *memory) { due = m.say(kind, now) })
	return due || err != nil, err
}
