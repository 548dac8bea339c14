package checkin

import (
	"fmt"
	"time"
)

// Reason says in one word why a check-in was refused; the words are stable.
type Reason string

// The reasons. Open gives the first group, a receiver all.
const (
	TooLarge      Reason = "too-large" // more than MaxBody bytes
	Malformed     Reason = "malformed" // no envelope with one minisign signature over a message, each in its strict form
	WrongNetwork  Reason = "network"   // of another network
	UnknownSender Reason = "unknown"   // no such mirror in the inventory, or one without a key
	BadSignature  Reason = "signature" // not signed by the mirror's key
	WrongTrees    Reason = "trees"     // a tree that the inventory does not give that mirror

	WrongClock  Reason = "clock"      // its time is outside of Window
	Replayed    Reason = "replay"     // older than the last one accepted of that mirror
	TooOften    Reason = "too-often"  // over that mirror's limit
	TooMany     Reason = "too-many"   // over the limit of all
	NotKept     Reason = "not-kept"   // the spool could not be written
	Busy        Reason = "busy"       // too many were being checked or written at once
	WrongMethod Reason = "method"     // not a POST
	Incomplete  Reason = "incomplete" // the body did not come to its end
)

// Refused says why a check-in does not count. It is for the receiver's operator: what is answered to the sender does not
// tell an unknown sender from a wrong signature.
type Refused struct {
	Reason Reason
	Mirror string // who sent it, once the signature was verified; "" before: what was not proven names nobody
	Detail string

	claimed string // one of the inventory, when it only says so
	err     error
	retry   time.Duration // when to try again; 0: never
}

func (r *Refused) Error() string {
	return "check-in refused (" + string(r.Reason) + "): " + r.whole()
}

// Unwrap gives the cause, where there is one beneath.
func (r *Refused) Unwrap() error { return r.err }

func refuse(reason Reason, format string, args ...any) *Refused {
	return &Refused{Reason: reason, Detail: fmt.Sprintf(format, args...)}
}

// by names the sender, whose signature was verified.
func (r *Refused) by(mirror string) *Refused {
	r.Mirror = mirror
	return r
}

// claiming keeps whom an unproven one of the inventory says it is.
func (r *Refused) claiming(mirror string) *Refused {
	r.claimed = mirror
	return r
}

// after says when to try again.
func (r *Refused) after(d time.Duration) *Refused {
	r.retry = d
	return r
}

// whole is the refusal's text without its reason: what was found, what was expected.
func (r *Refused) whole() string {
	if r.err == nil {
		return r.Detail
	}
	return r.Detail + ": " + r.err.Error()
}
