package main

import (
	"fmt"
	"time"

	"tidemark/internal/console"
	"tidemark/internal/strictjson"
	"tidemark/manifest"
)

// half is when half of the validity of what is published is over, counted from when it was given its end.
func (p *publisher) half(m *manifest.Manifest) (time.Time, error) {
	st, _, err := p.state.site()
	if err != nil {
		return time.Time{}, err
	}
	l := st.Renewed
	if l == nil || !l.Expires.Equal(m.Expires.Time) || l.Issued.After(m.Issued.Time) {
		l = &life{Issued: m.Issued, Expires: m.Expires}
		if !p.readOnly() {
			st.Renewed = l
			err = p.state.save("site.json", st)
		}
	}
	return l.Issued.Add(l.Expires.Sub(l.Issued.Time) / 2), err
}

// renewed remembers that a full run has published m.
func (p *publisher) renewed(m *manifest.Manifest) error {
	st, _, err := p.state.site()
	if err != nil {
		return err
	}
	st.Renewed = &life{Issued: m.Issued, Expires: m.Expires}
	return p.state.save("site.json", st)
}

// curtail gives m, which a run for check-ins made, no longer life than its predecessor has, and refuses it when hardly any is
// left: the end of the manifest is what tells everybody that the full runs have ceased.
func (p *publisher) curtail(m, prev *manifest.Manifest) error {
	if prev.Expires.Before(m.Expires.Time) {
		m.Expires = prev.Expires
	}
	if m.Expires.Sub(m.Issued.Time) >= leastLife {
		return nil
	}
	since := "no full run is known to have succeeded"
	if at := p.lastFull(); !at.IsZero() {
		since = "no full run has succeeded since " + console.Clock(at.Time)
	}
	return console.Exit(console.Refused, fmt.Errorf("serial %d expires at %s: less than an hour is left to sign for, and a run for check-ins does not renew it", prev.Serial, console.Clock(prev.Expires.Time)),
		"%s: look at the timer or the cron line that starts it (systemctl list-timers), then: tidemark run", since)
}

// lastFull is the end of the last run that asked all servers and came to its end, zero when that is not known.
func (p *publisher) lastFull() strictjson.Time {
	d, err := p.lastStatus()
	if err != nil {
		return strictjson.Time{}
	}
	return d.FullAt
}

// checkinBudget is what one server may cost a run for check-ins (probe.Options.Budget). One that delays its answers delays all
// others that checked in by this much at most; the full run asks it as patiently as every other.
func checkinBudget(timeout time.Duration) time.Duration {
	const most = 15 * time.Second
	if timeout <= 0 {
		return most
	}
	return min(most, 2*timeout)
}
