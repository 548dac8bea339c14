package main

import (
	"context"
	"errors"
	"slices"

	"tidemark/client"
	"tidemark/internal/console"
	"tidemark/internal/strictjson"
)

// checkinReport is the check-in in a run's JSON document.
type checkinReport struct {
	Trees     []string        `json:"trees"`    // whose last sync was to be told
	Accepted  bool            `json:"accepted"` // by the receiver
	Why       string          `json:"why,omitempty"`
	OwedSince strictjson.Time `json:"owed_since,omitzero"` // a later run sends it
}

// checkIn tells the network of what was synced and proven, by this run or by one before it whose check-in was not accepted.
// It fails nothing: what cannot be sent is owed.
func (j *journey) checkIn(ctx context.Context) {
	m := j.mirror
	if m == nil || j.cfg.Checkin == nil || j.opt.dry || ctx.Err() != nil {
		return
	}
	syncs, owed := m.syncs(), j.memory.checkins()
	trees := slices.Compact(slices.Sorted(slices.Values(append(owed.untold(syncs), j.fresh...))))
	if len(trees) == 0 || j.restsCheckin(owed) {
		return
	}
	synced := len(j.fresh) > 0
	j.checkin = &checkinReport{Trees: trees}
	cause := j.sendCheckin(ctx, !owed.OwedSince.IsZero())
	if cause == nil {
		j.checkin.Accepted, j.fresh = true, nil
		j.tellCheckin(synced, "checked in at "+j.cfg.Checkin.URL)
		if err := m.accepted(syncs); err != nil { // the next run checks in once more
			j.warnOnce("checkin memory", "%v", err)
		}
		return
	}
	if ctx.Err() != nil { // interrupted: owed all the same, and nobody's fault
		return
	}
	owed, err := m.notAccepted(owed, cause)
	j.checkin.Why, j.checkin.OwedSince = cause.Error(), owed.OwedSince
	if told := j.owedCheckin(owed, errors.Join(cause, err)); !told && synced {
		j.screen.call.Say("%-10s the check-in is owed, later runs send it: %s", "", owed.Why)
	}
}

// tellCheckin says it to a person, and beside the words about a sync to whoever reads those.
func (j *journey) tellCheckin(synced bool, text string) {
	if synced && !j.screen.terminal && !j.screen.verbose {
		j.screen.call.Say("%-10s %s", "", text)
		return
	}
	j.screen.person("%s", text)
}

// sendCheckin seals and sends one; what is owed already only once a run.
func (j *journey) sendCheckin(ctx context.Context, owed bool) error {
	tries := 0 // as many as are usual
	if owed {
		tries = 1
	}
	out, err := j.mirror.seal(ctx, j.held)
	if err != nil {
		return err
	}
	return j.mirror.send(ctx, out.body, tries)
}

// restsCheckin: the receiver has said no within the last hour, and nothing was synced since.
func (j *journey) restsCheckin(c checkinMemory) bool {
	left := c.Rest.Sub(j.now())
	return left > 0 && left <= restFor && !j.opt.now && !j.typed() && len(j.fresh) == 0
}

// owedCheckin tells of a check-in that was not accepted, and whether it did: what passes by itself to a person, or once it
// lasts; a key or an address that is not right once a day.
func (j *journey) owedCheckin(c checkinMemory, cause error) (told bool) {
	text := "the check-in is owed, later runs send it: " + cause.Error()
	if !c.Rest.IsZero() {
		text = cause.Error() + " (sent again after the next sync, or in an hour)"
	}
	words := words(client.Notice{Text: text, Hint: j.mirror.checkinAdvice(cause)})
	_, noKey := j.mirror.ownKey(j.cfg.Checkin.Key)
	switch {
	case j.typed():
	case !c.Rest.IsZero() || noKey != nil:
		told = j.due("checkin "+fingerprint(words), aDay)
	case j.now().Sub(c.OwedSince.Time) >= j.cfg.WarnAfter:
		words = "since " + console.Clock(c.OwedSince.Time) + " " + words
		told = j.due("checkin", j.cfg.WarnAfter)
	}
	if told = told || j.typed(); told {
		j.screen.warn("%s", words)
	}
	return told
}
