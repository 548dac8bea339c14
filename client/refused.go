package client

import "fmt"

// Reason says in one word why a bundle was refused.
type Reason string

// The reasons.
const (
	TooLarge     Reason = "too-large"
	Malformed    Reason = "malformed" // envelope or document breaks a rule
	Signature    Reason = "signature" // the trust document's keys did not sign it; Err is a *sign.Refusal
	WrongNetwork Reason = "wrong-network"
	Rollback     Reason = "rollback" // older than one seen, or than the trust document's min_serial
	Fork         Reason = "fork"     // the serial seen, with other content
	Expired      Reason = "expired"
	FutureDated  Reason = "future-dated"
	TrustExpired Reason = "trust-expired"
	TrustTooOld  Reason = "trust-too-old" // genuine, but it names a newer trust document: fetch that first
	Redirect     Reason = "redirect"      // the site sends its readers elsewhere
	Encoded      Reason = "encoded"       // the body is not the file's own bytes
	Slow         Reason = "slow"          // the body goes on byte by byte, or has no end: none was announced, and none came in time
)

// Refused is a bundle, or another file of the site, that is not used.
type Refused struct {
	What    string // "": the manifest
	Reason  Reason
	Detail  string
	Err     error  // the cause, where there is one
	Payload []byte // Fork: the other document, verified; keep both and report them

	unsettled bool // Fork: it names a newer trust document than the one held, which may start the serials anew
}

// Error is the detail, with the reason in front.
func (r *Refused) Error() string {
	what := r.What
	if what == "" {
		what = "manifest"
	}
	if r.Err != nil && r.Detail != "" {
		return fmt.Sprintf("%s refused (%s): %s: %v", what, r.Reason, r.Detail, r.Err)
	}
	if r.Err != nil {
		return fmt.Sprintf("%s refused (%s): %v", what, r.Reason, r.Err)
	}
	return fmt.Sprintf("%s refused (%s): %s", what, r.Reason, r.Detail)
}

// Unwrap gives the cause.
func (r *Refused) Unwrap() error { return r.Err }

func refused(reason Reason, format string, args ...any) *Refused {
	return &Refused{Reason: reason, Detail: fmt.Sprintf(format, args...)}
}
