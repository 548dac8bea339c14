package client

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"tidemark/internal/strictjson"
	"tidemark/keys"
)

// Notice is something that people should know. Kind is stable, so that a caller can tell it once a day.
type Notice struct {
	Kind string // one of the kinds below
	Text string
	Hint string
	// Since is when it began, of what may pass by itself (unreachable, stale-edge): nothing new has been had from the site
	// since. Zero: to be told at once.
	Since time.Time

	once bool // to be told once for each version of the trust document, not once a day
}

// The kinds of notices.
const (
	NoteStaleEdge    = "stale-edge"        // an older manifest was served, for less than an hour
	NoteUnreachable  = "unreachable"       // the kept one is in force
	NoteOld          = "old"               // issued longer ago than half its validity and an hour: the publisher stands still
	NoteTrustEnds    = "trust-ends"        // within 90 days, and no newer version is there
	NoteTrustWalked  = "trust-walked"      // a newer version was accepted
	NoteTrustRefused = "trust-refused"     // a newer version does not follow
	NoteTrustMissing = "trust-unreachable" // the chain's end could not be seen
	NoteFork         = "fork"              // documents of a fork are kept
	NoteDamaged      = "damaged"           // a state file was set aside
	NoteBeacon       = "beacon"            // the beacon is not used
	NoteUnsaved      = "unsaved"           // when things were told, and for how long they go on, could not be remembered
)

const (
	tellTrustEnd  = 90 * day // once,
	nagOfTrustEnd = 30 * day // and from here on once a day
	tellOperator  = "tell the operator of the network"
)

func (l *look) stamp() strictjson.Time { return strictjson.At(l.now) }

func (l *look) note(n *Notice) {
	if n != nil {
		l.notices = append(l.notices, *n)
	}
}

func (l *look) notef(kind, hint, format string, args ...any) {
	l.notices = append(l.notices, Notice{Kind: kind, Text: fmt.Sprintf(format, args...), Hint: hint})
}

// age notes what grows old, and what lies about.
func (l *look) age(v *View) {
	m := v.Opened.Manifest
	if l.now.After(m.Issued.Add(m.Expires.Sub(m.Issued.Time)/2 + time.Hour)) {
		l.notef(NoteOld, tellOperator, "the newest manifest, serial %d, was issued at %s and ends at %s: by now there should be a newer one",
			m.Serial, stamp(m.Issued.Time), stamp(m.Expires.Time))
	}
	l.note(TrustEnds(v.Trust, l.now))
	if forks, _ := filepath.Glob(filepath.Join(l.store.dir, forkGlob)); len(forks) > 0 {
		l.notef(NoteFork, "send the files to the operator of the network, then remove them", "two documents of one serial were served once; %d files are kept: %s", len(forks), forks[0])
	}
}

// TrustEnds is the notice of a trust document, the newest held, that ends within 90 days, or has ended; else nil. Look tells it
// once for each version, and in the last 30 days once a day: it is the operator of the network who has to act.
func TrustEnds(t *keys.Trust, now time.Time) *Notice {
	left := t.Expires.Sub(now)
	switch {
	case left > tellTrustEnd:
		return nil
	case left < 0:
		return &Notice{Kind: NoteTrustEnds, Text: fmt.Sprintf("version %d of the trust document, the newest held, ended at %s: no manifest is accepted by it", t.Version, stamp(t.Expires.Time)), Hint: tellOperator}
	}
	return &Notice{Kind: NoteTrustEnds, Hint: tellOperator, once: left > nagOfTrustEnd,
		Text: fmt.Sprintf("version %d of the trust document, the newest held, ends at %s: after that no manifest is accepted, unless the network has published the next version", t.Version, stamp(t.Expires.Time))}
}

// passing notes what may pass by itself.
func (l *look) passing(kind, format string, args ...any) {
	l.notices = append(l.notices, Notice{Kind: kind, Text: fmt.Sprintf(format, args...), Since: since(l.memory.FailingSince, l.now).Time})
}

// early is a notice to be held back yet.
func (l *look) early(n Notice) bool {
	return !n.Since.IsZero() && l.now.Before(n.Since.Add(l.WarnAfter))
}

// end remembers how the look ended, and sorts out which notices are due. v is nil when nothing is in force, or by a fork.
func (l *look) end(ctx context.Context, v *View) error {
	nothing := v == nil && !l.keepsOn(ctx)
	if v != nil {
		l.age(v)
		v.All, v.Noted = l.notices, nil
	}
	return l.remember(ctx, func(m *memory) {
		if l.walked && l.walkErr == nil {
			m.TrustChecked = l.stamp()
		}
		m.FailingSince = since(m.FailingSince, l.now)
		if v != nil && v.Fresh {
			m.FailingSince = strictjson.Time{}
		}
		m.NothingSince = lasting(nothing, m.NothingSince, l.now)
		m.OutOfTimeSince = lasting(l.outOfTime, m.OutOfTimeSince, l.now)
		if v == nil {
			return
		}
		due := make(map[string]bool)
		for _, n := range v.All {
			if !l.EveryNotice && l.early(n) {
				continue
			}
			if _, judged := due[n.Kind]; !judged {
				due[n.Kind] = l.EveryNotice || n.once && m.sayOnce(v.Trust.Version) || !n.once && m.say(n.Kind, l.now)
			}
			if due[n.Kind] {
				v.Noted = append(v.Noted, n)
			}
		}
	})
}

// keepsOn reports whether the kept bundle is in force beside an error: a fork, or another look that kept it meanwhile.
func (l *look) keepsOn(ctx context.Context) bool {
	kept, err := l.inForce(ctx)
	return kept != nil && err == nil
}
