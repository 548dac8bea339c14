package s3

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"tidemark/publish"
)

// request is one call of a Store, for retries and for words.
type request struct {
	verb, key     string
	absent, match bool
}

const (
	firstPause   = 200 * time.Millisecond // mean; doubled after each try
	longestPause = 10 * time.Second
	tryShare     = 3 // of the deadline one try may take the third part
)

// try calls do until it succeeds, fails for good, or the deadline ends.
func (s *Store) try(parent context.Context, r request, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(parent, s.timeout)
	defer cancel()
	var lost bool // some try may have done its work although no answer came
	var last error
	for n := 0; ; n++ {
		err := s.once(ctx, do)
		if err == nil {
			return nil
		}
		if parent.Err() != nil {
			return s.explain(r, errors.Join(parent.Err(), last), lost)
		}
		if ctx.Err() == nil || last == nil {
			last = err
		}
		if ctx.Err() != nil {
			return s.explain(r, fmt.Errorf("no answer to be had in %s, %d tries: %w", s.timeout, n+1, last), lost)
		}
		if !retryable(r, err) {
			return s.explain(r, err, lost)
		}
		lost = lost || status(err) == 0 || status(err) >= 500
		if err := pause(ctx, s.timeout, n, err); err != nil {
			if parent.Err() != nil {
				err = parent.Err()
			}
			return s.explain(r, err, lost)
		}
	}
}

func (s *Store) once(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout/tryShare)
	defer cancel()
	if _, err := s.credentials.Retrieve(ctx); err != nil {
		return fmt.Errorf("%w: %w", errNoCredentials, err)
	}
	return do(ctx)
}

// pause waits before the next try: as long as Retry-After says, or exponentially longer with full jitter.
func pause(ctx context.Context, timeout time.Duration, n int, cause error) error {
	mean := min(firstPause<<min(n, 10), longestPause)
	wait := time.Duration(rand.Int64N(int64(2 * mean)))
	if after := retryAfter(cause); after > 0 {
		if after >= timeout {
			return fmt.Errorf("the server asks to come back in %s, the deadline is %s: %w", after, timeout, cause)
		}
		wait = after + wait/10
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("no answer to be had in %s, %d tries: %w", timeout, n+1, cause)
	}
}

// retryAfter reads the header of RFC 9110, 10.2.3: seconds or a date, which the answer's own date makes a duration.
func retryAfter(err error) time.Duration {
	var resp *smithyhttp.ResponseError
	if !errors.As(err, &resp) || resp.Response == nil {
		return 0
	}
	h := resp.Response.Header
	v := h.Get("Retry-After")
	if n, err := strconv.Atoi(v); err == nil && n >= 0 {
		return time.Duration(min(n, 1<<20)) * time.Second
	}
	at, err1 := http.ParseTime(v)
	now, err2 := http.ParseTime(h.Get("Date"))
	if err1 != nil || err2 != nil {
		return 0
	}
	return max(0, at.Sub(now))
}

// status of an answer that was no success; 0: there was no answer, or not to the end.
func status(err error) int {
	var resp *smithyhttp.ResponseError
	if errors.As(err, &resp) && resp.Response != nil && resp.Response.StatusCode >= 300 {
		return resp.Response.StatusCode
	}
	return 0
}

func code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

// retryable tells what another try may mend.
func retryable(r request, err error) bool {
	for _, final := range []error{errNoCredentials, publish.ErrTooLarge, publish.ErrNotFound, publish.ErrConflict} {
		if errors.Is(err, final) {
			return false
		}
	}
	switch status(err) {
	case 0:
		return !hopeless(err)
	case 400:
		c := code(err)
		return c == "RequestTimeout" || c == "BadDigest" || c == "IncompleteBody" || c == "XAmzContentChecksumMismatch"
	case 408, 429, 500, 502, 503, 504:
		return true
	case 409:
		return r.verb == "put" || r.verb == "delete" // ConditionalRequestConflict, OperationAborted
	}
	return false
}

// hopeless tells failures to connect that stay: a false name, a certificate that is not believed.
func hopeless(err error) bool {
	var dns *net.DNSError
	var cert *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError
	var record tls.RecordHeaderError
	return errors.As(err, &dns) && dns.IsNotFound || errors.As(err, &cert) || errors.As(err, &unknown) || errors.As(err, &record) ||
		errors.Is(err, http.ErrSchemeMismatch)
}

// ageOf compares two times of the server's clock: when it answered and when the object was written.
func ageOf(m middleware.Metadata, modified time.Time) time.Duration {
	now, ok := awsmiddleware.GetServerTime(m)
	if !ok || modified.IsZero() {
		return 0
	}
	return max(time.Second, now.Sub(modified))
}
