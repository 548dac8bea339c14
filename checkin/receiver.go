package checkin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

const (
	defaultPerMirror = time.Minute
	defaultPerSecond = 20
	burst            = 3               // check-ins of one mirror at once: more than one tree may be done at about the same time
	checkWait        = 2 * time.Second // for a free place among those being checked
	again            = 10 * time.Second
	defaultWrites    = 32 // a disk that hangs holds so many threads
)

// ReceiverOptions say what a receiver keeps, and how much of it.
type ReceiverOptions struct {
	Senders   *Senders
	Keep      func(mirror string, body []byte) error // Spool.Put: what it took is lasting
	Now       func() time.Time
	PerMirror time.Duration // a mirror's check-ins are accepted at this pace, three at once; 0: 1m
	PerSecond int           // of all mirrors; 0: 20
	Checks    int           // how many bodies are checked at once; 0: two a processor
	Writes    int           // how many calls of Keep there are at once; 0: 32
	Log       *slog.Logger  // of verified senders only, a refusal at most once a minute and mirror; nil: none
}

// Receiver is the http.Handler that accepts check-ins. What it answers is said in the package documentation. Its memory is
// bounded by the inventory, and by the server's connections.
type Receiver struct {
	o       ReceiverOptions
	senders atomic.Pointer[Senders]
	checks  chan struct{} // a place for each body that is being checked
	writes  chan struct{} // a place for each that is being kept
	all     *rate.Limiter

	mu      sync.Mutex
	mirrors map[string]*record
	stats   Stats
	recent  map[Reason]*refusals // since Refusals was called
}

// Stats are counters since the receiver was made.
type Stats struct {
	Accepted int64
	Repeated int64 // answered 202 once more: the sender had lost the answer
	Refused  map[Reason]int64
}

// NewReceiver makes a receiver.
func NewReceiver(o ReceiverOptions) *Receiver {
	if o.PerMirror <= 0 {
		o.PerMirror = defaultPerMirror
	}
	if o.PerSecond <= 0 {
		o.PerSecond = defaultPerSecond
	}
	if o.Checks <= 0 {
		o.Checks = 2 * runtime.GOMAXPROCS(0)
	}
	if o.Writes <= 0 {
		o.Writes = defaultWrites
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	r := &Receiver{o: o, checks: make(chan struct{}, o.Checks), writes: make(chan struct{}, o.Writes), all: rate.NewLimiter(rate.Limit(o.PerSecond), o.PerSecond),
		mirrors: map[string]*record{}, stats: Stats{Refused: map[Reason]int64{}},
		recent: map[Reason]*refusals{}}
	r.senders.Store(o.Senders)
	return r
}

// Senders are those that may check in now.
func (r *Receiver) Senders() *Senders { return r.senders.Load() }

// SetSenders replaces the senders: the inventory was read again. What is remembered of those who are gone is forgotten.
func (r *Receiver) SetSenders(s *Senders) {
	r.senders.Store(s)
	r.mu.Lock()
	defer r.mu.Unlock()
	for mirror := range r.mirrors {
		if !s.Has(mirror) {
			delete(r.mirrors, mirror)
		}
	}
}

// Stats gives the counters.
func (r *Receiver) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.stats
	out.Refused = make(map[Reason]int64, len(r.stats.Refused))
	for reason, n := range r.stats.Refused {
		out.Refused[reason] = n
	}
	return out
}

// ServeHTTP takes one check-in.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	now := r.o.Now()
	repeated, refused := r.receive(w, req, now)
	r.count(repeated, refused)
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	if refused == nil {
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprintln(w, "accepted: you will be looked at soon")
		return
	}
	r.log(req.Context(), refused, now)
	switch refused.Reason {
	case WrongMethod:
		h.Set("Allow", http.MethodPost)
		h.Set("Connection", "close") // whatever else was being sent is not read
	case TooLarge, Incomplete:
		h.Set("Connection", "close")
	}
	if refused.retry > 0 {
		h.Set("Retry-After", strconv.FormatInt(int64((refused.retry+time.Second-1)/time.Second), 10))
	}
	status, words := answer(refused)
	w.WriteHeader(status)
	fmt.Fprintln(w, words)
}

// answer is what the sender is told.
func answer(r *Refused) (status int, words string) {
	switch r.Reason {
	case UnknownSender, BadSignature:
		return http.StatusForbidden, "not accepted: the sender is unknown, or the signature is not of its key in the inventory"
	case Malformed:
		return http.StatusBadRequest, "not accepted: " + plain([]byte(r.whole()))
	case WrongMethod:
		return http.StatusMethodNotAllowed, "check-ins are sent by POST"
	case TooLarge:
		return http.StatusRequestEntityTooLarge, fmt.Sprintf("not accepted: a check-in has at most %d bytes", MaxBody)
	case Incomplete:
		return http.StatusRequestTimeout, "not accepted: the body did not come to its end in time"
	case TooOften:
		return http.StatusTooManyRequests, "not accepted now: this mirror checks in too often"
	case Replayed:
		return http.StatusTooManyRequests, "not accepted now: " + plain([]byte(r.whole())) + ": a new one is heard later than that"
	case TooMany:
		return http.StatusTooManyRequests, "not accepted now: too many mirrors check in at once"
	case NotKept, Busy:
		return http.StatusServiceUnavailable, "not accepted now: try again later"
	}
	return http.StatusForbidden, "not accepted: " + plain([]byte(r.whole()))
}

// receive judges one request; repeated is that it had been accepted before.
func (r *Receiver) receive(w http.ResponseWriter, req *http.Request, now time.Time) (repeated bool, _ *Refused) {
	if req.Method != http.MethodPost {
		return false, refuse(WrongMethod, "%.20q, expected POST", req.Method)
	}
	if req.ContentLength > MaxBody {
		return false, refuse(TooLarge, "%d bytes announced, at most %d are read", req.ContentLength, MaxBody)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, MaxBody))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return false, refuse(TooLarge, "more than %d bytes", MaxBody)
	}
	if err != nil {
		return false, &Refused{Reason: Incomplete, Detail: "read the body", err: err}
	}
	m, digest, refused := r.verified(req, body, now)
	if refused != nil {
		return false, refused
	}
	if early, late := now.Add(-Window), now.Add(Window); m.At.Before(early) || m.At.After(late) {
		return false, refuse(WrongClock, "sent at %s, and here it is %s: more than %s apart, set the clock", clock(m.At.Time), clock(now), Window).by(m.Mirror)
	}
	return r.accept(m, digest, body, now)
}

func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// verified opens a body when there is a place for it. Slow bodies hold none: they were read before.
func (r *Receiver) verified(req *http.Request, body []byte, now time.Time) (*Message, digest, *Refused) {
	wait := time.NewTimer(checkWait)
	defer wait.Stop()
	select {
	case r.checks <- struct{}{}:
		defer func() { <-r.checks }()
	case <-wait.C:
		return nil, digest{}, refuse(Busy, "%d are being checked", cap(r.checks)).after(again)
	case <-req.Context().Done():
		return nil, digest{}, refuse(Incomplete, "the sender is gone")
	}
	m, d, err := r.senders.Load().open(body, now)
	if err == nil {
		return m, d, nil
	}
	var refused *Refused
	if !errors.As(err, &refused) {
		refused = &Refused{Reason: Malformed, Detail: "not a check-in", err: err}
	}
	return nil, d, refused
}

// accept puts a verified message into the spool, within the limits. A message counts, and is known again, only once it is
// there: an answer of 503 costs the sender nothing.
func (r *Receiver) accept(m *Message, d digest, body []byte, now time.Time) (repeated bool, _ *Refused) {
	rec := r.record(m.Mirror)
	if !rec.TryLock() { // not waited for: a spool that hangs, or a mirror that sends without end, would take every connection
		return false, refuse(Busy, "another check-in of %s is being written", m.Mirror).by(m.Mirror).after(time.Second)
	}
	defer rec.Unlock()
	if rec.knows(d, now) {
		return true, nil
	}
	if m.At.Before(rec.last) { // replayed, or its clock was set back: then a new one is welcome once that clock is there again
		return false, refuse(Replayed, "sent at %s, the last one accepted was sent at %s", clock(m.At.Time), clock(rec.last)).by(m.Mirror).after(rec.last.Sub(m.At.Time))
	}
	select {
	case r.writes <- struct{}{}:
		defer func() { <-r.writes }()
	default: // not waited for, as above
		return false, refuse(Busy, "%d are being written", cap(r.writes)).by(m.Mirror).after(again)
	}
	own := rec.limit.ReserveN(now, 1)
	if wait := own.DelayFrom(now); wait > 0 {
		own.CancelAt(now)
		return false, refuse(TooOften, "more than one in %s", r.o.PerMirror).by(m.Mirror).after(wait)
	}
	all := r.all.ReserveN(now, 1)
	if wait := all.DelayFrom(now); wait > 0 {
		all.CancelAt(now)
		own.CancelAt(now)
		return false, refuse(TooMany, "more than %d a second", r.o.PerSecond).by(m.Mirror).after(wait)
	}
	if err := r.o.Keep(m.Mirror, body); err != nil {
		all.CancelAt(now)
		own.CancelAt(now)
		return false, (&Refused{Reason: NotKept, Detail: "keep it", err: err}).by(m.Mirror).after(again)
	}
	rec.remember(d, m.At.Time)
	r.o.Log.Info("check-in accepted", "mirror", m.Mirror, "trees", m.Claims())
	return false, nil
}

func (r *Receiver) count(repeated bool, refused *Refused) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case refused != nil:
		r.stats.Refused[refused.Reason]++
		r.note(refused)
	case repeated:
		r.stats.Repeated++
	default:
		r.stats.Accepted++
	}
}

// log names verified senders alone: whoever has no key writes no line.
func (r *Receiver) log(ctx context.Context, refused *Refused, now time.Time) {
	if refused.Mirror == "" || !r.record(refused.Mirror).tell(now) {
		return
	}
	level := slog.LevelInfo
	if refused.Reason == NotKept {
		level = slog.LevelError
	}
	r.o.Log.Log(ctx, level, "check-in refused", "mirror", refused.Mirror, "reason", refused.Reason, "detail", refused.whole())
}
