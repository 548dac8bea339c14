package checkin

import (
	"crypto/sha256"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// remembered is how many messages of a mirror are known again: its burst, and some that came at its pace. One that was
// dropped is refused as older than the last.
const remembered = 8

// digest is a payload's SHA-256, by which a message is known again: an envelope has parts that nobody signed.
type digest [sha256.Size]byte

// record is what a receiver remembers of one mirror. Its lock is held while a message of that mirror is written.
type record struct {
	sync.Mutex
	limit  *rate.Limiter
	last   time.Time // when the last accepted message was sent, by its sender
	recent []accepted

	telling sync.Mutex
	told    time.Time // when a refusal of it was logged last
}

type accepted struct {
	digest digest
	at     time.Time
}

// record finds or makes that of a mirror whose signature was verified.
func (r *Receiver) record(mirror string) *record {
	r.mu.Lock()
	defer r.mu.Unlock()
	rec := r.mirrors[mirror]
	if rec == nil {
		rec = &record{limit: rate.NewLimiter(rate.Every(r.o.PerMirror), burst)}
		r.mirrors[mirror] = rec
	}
	return rec
}

// knows reports whether that message was accepted. What the clock refuses anyway is dropped.
func (rec *record) knows(d digest, now time.Time) bool {
	rec.recent = slices.DeleteFunc(rec.recent, func(a accepted) bool { return a.at.Before(now.Add(-Window)) })
	return slices.ContainsFunc(rec.recent, func(a accepted) bool { return a.digest == d })
}

func (rec *record) remember(d digest, at time.Time) {
	if len(rec.recent) == remembered {
		rec.recent = slices.Delete(rec.recent, 0, 1)
	}
	rec.recent = append(rec.recent, accepted{digest: d, at: at})
	rec.last = at
}

// tell reports whether a refusal may be logged: once a minute.
func (rec *record) tell(now time.Time) bool {
	rec.telling.Lock()
	defer rec.telling.Unlock()
	if age := now.Sub(rec.told); age >= 0 && age < time.Minute {
		return false
	}
	rec.told = now
	return true
}
