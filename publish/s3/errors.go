package s3

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"tidemark/publish"
)

// Error is a request that failed. Its text names bucket and key, what was answered and, where a person can act, what to
// do; never a credential.
type Error struct {
	Op   string // "put s3://bucket/key"
	Hint string // "" when there is nothing to say
	Err  error

	answerLost bool
}

func (e *Error) Error() string {
	if e.Hint == "" {
		return e.Op + ": " + e.Err.Error()
	}
	return e.Op + ": " + e.Err.Error() + ": " + e.Hint
}

func (e *Error) Unwrap() error { return e.Err }

const credentialsHint = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or put them into ~/.aws/credentials"

// explain makes an Error of what the SDK gave: its class, its words, a hint.
func (s *Store) explain(r request, err error, lost bool) error {
	e := &Error{Op: fmt.Sprintf("%s s3://%s/%s", r.verb, s.bucket, r.key), answerLost: lost, Hint: s.hint(r, err)}
	e.Err = &answer{text: words(err), class: classOf(r, err), err: err}
	return e
}

// answer has short words for an SDK error, and what publish knows it by.
type answer struct {
	text       string
	class, err error
}

func (a *answer) Error() string {
	if a.class == nil || strings.Contains(a.text, a.class.Error()) {
		return a.text
	}
	return a.class.Error() + " (" + a.text + ")"
}

func (a *answer) Unwrap() []error {
	if a.class == nil {
		return []error{a.err}
	}
	return []error{a.class, a.err}
}

func classOf(r request, err error) error {
	c := code(err)
	if c == "NoSuchBucket" {
		return nil
	}
	conditional := r.absent || r.match
	switch status(err) {
	case 404:
		if r.verb == "put" && !r.match {
			return nil // only a bucket can be missing
		}
		if r.verb == "put" {
			return publish.ErrConflict
		}
		return publish.ErrNotFound
	case 412:
		return publish.ErrConflict
	case 409: // to the end of the deadline: somebody writes there
		return publish.ErrConflict
	case 501:
		if conditional {
			return publish.ErrUnconditional
		}
	case 400:
		if conditional && r.verb == "put" && c == "NotImplemented" {
			return publish.ErrUnconditional
		}
	}
	return nil
}

// words are "403 AccessDenied: Access Denied" instead of the SDK's whole chain.
func words(err error) string {
	var resp *smithyhttp.ResponseError
	if n := status(err); n != 0 && errors.As(err, &resp) {
		text := fmt.Sprintf("%d", n)
		var api smithy.APIError
		if errors.As(err, &api) && api.ErrorCode() != "" {
			text += " " + publish.Printable(api.ErrorCode())
			if m := publish.Printable(api.ErrorMessage()); m != "" && m != api.ErrorCode() {
				text += ": " + m
			}
		} else {
			text += " " + http.StatusText(n)
		}
		if before, _, ok := strings.Cut(err.Error(), "operation error "); ok {
			text = before + text // what try says of its patience
		}
		return text
	}
	var u *url.Error // it names the whole URL; the bucket and key are known
	if errors.As(err, &u) {
		before, _, _ := strings.Cut(err.Error(), "operation error ")
		return before + u.Err.Error()
	}
	return err.Error()
}

// hint is what a person can do.
func (s *Store) hint(r request, err error) string {
	if errors.Is(err, errNoCredentials) {
		return credentialsHint
	}
	var unknown x509.UnknownAuthorityError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &unknown):
		return "set ca to the PEM file of the authority that signed this server's certificate"
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return "the endpoint speaks plain http: correct its scheme"
	}
	switch code(err) {
	case "NoSuchBucket":
		return fmt.Sprintf("make bucket %s first (aws s3 mb s3://%s), or correct its name, the endpoint or path_style", s.bucket, s.bucket)
	case "RequestTimeTooSkewed", "RequestExpired":
		return "this machine's clock and the server's differ: set the clock (timedatectl, chronyc makestep)"
	case "SignatureDoesNotMatch", "InvalidAccessKeyId", "InvalidSecurity":
		return "the access key is not known there, or its secret is another: " + credentialsHint
	case "ExpiredToken", "InvalidToken", "TokenRefreshRequired":
		return "the session's credentials have ended: log in anew"
	case "AuthorizationHeaderMalformed", "PermanentRedirect", "TemporaryRedirect", "IllegalLocationConstraintException":
		return s.elsewhere(err)
	case "InvalidRequest", "NotImplemented", "MissingContentLength":
		if s.checksum && r.verb == "put" && !r.absent && !r.match {
			return "if this server knows no checksums, set checksum: when_required"
		}
	}
	switch status(err) {
	case 301, 302, 307, 308:
		return s.elsewhere(err)
	case 403:
		return s.permission(r)
	case 404:
		if r.verb == "put" && !r.match {
			return fmt.Sprintf("make bucket %s first (aws s3 mb s3://%s), or correct its name, the endpoint or path_style", s.bucket, s.bucket)
		}
	}
	return ""
}

// elsewhere is the hint for a bucket of another region: the server names it, mostly.
func (s *Store) elsewhere(err error) string {
	var resp *smithyhttp.ResponseError
	if errors.As(err, &resp) && resp.Response != nil {
		if region := publish.Printable(resp.Response.Header.Get("X-Amz-Bucket-Region")); region != "" {
			return fmt.Sprintf("the bucket is in region %s, not %s: correct region", region, s.region)
		}
	}
	return fmt.Sprintf("the bucket is not in region %s, or not at this endpoint: correct region and endpoint", s.region)
}

func (s *Store) permission(r request) string {
	objects := fmt.Sprintf("arn:aws:s3:::%s/%s*", s.bucket, s.prefix)
	switch r.verb {
	case "put":
		return "allow s3:PutObject on " + objects
	case "delete":
		return "allow s3:GetObject and s3:DeleteObject on " + objects
	case "list":
		return "allow s3:ListBucket on arn:aws:s3:::" + s.bucket
	}
	return fmt.Sprintf("allow s3:GetObject on %s, and s3:ListBucket on arn:aws:s3:::%s (without it, what is missing is answered 403, too)", objects, s.bucket)
}
