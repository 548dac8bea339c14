package client

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"tidemark/internal/strictjson"
	"tidemark/sign"
)

// fallBack gives what is kept, where that is in force; cause is why what the origin served is not.
func (l *look) fallBack(ctx context.Context, cause error) (*View, error) {
	var served *Refused
	errors.As(cause, &served)
	if ctx.Err() != nil || served != nil && served.Reason == Fork {
		return nil, cause
	}
	kept, err := l.inForce(ctx)
	rollback := served != nil && served.Reason == Rollback
	if rollback && kept != nil && err == nil && l.overtaken() {
		return &View{Opened: kept, Trust: l.chain.trust, Fresh: true}, nil
	}
	lagging := false
	if rollback {
		var err error
		if lagging, err = l.lags(ctx); err != nil {
			return nil, err
		}
	}
	if kept == nil || err != nil {
		return nil, nothing(cause, served, lagging, err)
	}
	v := &View{Opened: kept, Trust: l.chain.trust}
	switch {
	case lagging:
		l.passing(NoteStaleEdge, "the site served an older manifest (%s); the kept one, serial %d, stays in force", served.Detail, kept.Manifest.Serial)
	case served != nil:
		v.Refused = served
	default:
		l.passing(NoteUnreachable, "no newer manifest was to be had since %s (%v); the kept one, serial %d, stays in force until %s",
			stamp(since(l.memory.FailingSince, l.now).Time), cause, kept.Manifest.Serial, stamp(kept.Manifest.Expires.Time))
	}
	return v, nil
}

// overtaken reports whether another process kept a newer one while this one was fetching.
func (l *look) overtaken() bool {
	return l.seen != nil && (l.started == nil || l.seen.Serial > l.started.Serial)
}

// edgesLag is for how long the edges of a CDN may serve what is older than what they served before.
const edgesLag = time.Hour

// lags reports whether nothing but older serials have come for less than edgesLag.
func (l *look) lags(ctx context.Context) (bool, error) {
	var start strictjson.Time
	err := l.remember(ctx, func(m *memory) {
		m.OlderSince = since(m.OlderSince, l.now)
		start = m.OlderSince
	})
	return l.now.Before(start.Add(edgesLag)), err
}

// nothing is the error when nothing is in force.
func nothing(cause error, served *Refused, lagging bool, keptErr error) error {
	switch kept := (*Refused)(nil); {
	case keptErr == nil:
		return cause
	case lagging && errors.As(keptErr, &kept):
		return fmt.Errorf("%w; the site served an older one still", keptErr)
	case served != nil:
		return cause
	}
	return fmt.Errorf("no manifest is to be had: %w; %v", cause, keptErr)
}

// inForce opens the kept bundle, by the newest trust and what was seen. Without one the error is nil, too. A damaged one
// is set aside.
func (l *look) inForce(ctx context.Context) (*Opened, error) {
	unlock, err := l.store.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := l.reload(); err != nil {
		return nil, err
	}
	b, err := l.store.read(BundleFile, sign.MaxBundle)
	if b == nil || err != nil {
		return nil, err
	}
	opened, next, err := Open(b, l.options())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the kept bundle: %w", err), l.discard(err))
	}
	return opened, l.saw(next)
}

// discard sets the kept bundle aside when it cannot have been kept like this. (One by keys that were revoked since goes
// as well: it is of no use.)
func (l *look) discard(err error) error {
	var r *Refused
	if !errors.As(err, &r) || r.Reason != Malformed && r.Reason != TooLarge && r.Reason != Signature {
		return nil
	}
	l.notef(NoteDamaged, "", "%s is of no use any more (%v); it was set aside", filepath.Join(l.store.dir, BundleFile), r)
	return l.store.setAside(BundleFile)
}
