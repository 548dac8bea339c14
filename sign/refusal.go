package sign

import (
	"fmt"
	"strings"

	"tidemark/keys"
)

// Cause says in one word why a signature did not count.
type Cause string

// The causes.
const (
	UnknownKey   Cause = "unknown-key"   // not in the role
	RevokedKey   Cause = "revoked-key"   // revoked in the trust document or in its certificate
	EndedKey     Cause = "ended-key"     // past not_after, or the certificate's own end
	Malformed    Cause = "malformed"     // not one signature in its strict form
	Algorithm    Cause = "algorithm"     // a version, type, hash or key that we do not accept
	FutureDated  Cause = "future-dated"  // made more than Skew from now
	Expired      Cause = "expired"       // past the signature's own life
	BadSignature Cause = "bad-signature" // not made by that key over these bytes
	Repeated     Cause = "repeated"      // that key has its vote already
)

// Rejected is one signature that did not count.
type Rejected struct {
	Kind   keys.Kind
	Key    string
	Cause  Cause
	Detail string
}

// Refusal says why signatures did not reach what the role asks for. A program ends with exit code 4 on it.
type Refusal struct {
	Of        string      // whose say is missing, e.g. "manifest", "root of version 3"
	Threshold int         // distinct holders asked for
	Holders   int         // distinct holders whose signatures counted
	Missing   []keys.Kind // required kinds without a signature that counted
	Votes     []Vote
	Rejected  []Rejected
}

// Error lists what is missing, and each signature that did not count with its reason.
func (r *Refusal) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "signatures for the %s refused: ", r.Of)
	var lacks []string
	if r.Holders < r.Threshold {
		lacks = append(lacks, fmt.Sprintf("%d of %d needed holders signed", r.Holders, r.Threshold))
	}
	for _, k := range r.Missing {
		lacks = append(lacks, fmt.Sprintf("no good %s signature, which is required", k))
	}
	b.WriteString(strings.Join(lacks, ", "))
	for _, x := range r.Rejected {
		fmt.Fprintf(&b, "; %s %.40s: %s", x.Kind, x.Key, x.Detail)
	}
	return b.String()
}

// Has reports whether some signature was rejected for that cause.
func (r *Refusal) Has(c Cause) bool {
	for _, x := range r.Rejected {
		if x.Cause == c {
			return true
		}
	}
	return false
}

// fault is why one signature does not count.
type fault struct {
	cause  Cause
	detail string
}

func (f *fault) Error() string { return f.detail }

func faultf(c Cause, format string, args ...any) error {
	return &fault{c, fmt.Sprintf(format, args...)}
}
