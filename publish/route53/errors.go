package route53

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/route53/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"tidemark/publish"
)

// Error is a call that failed. Its text says what was answered and, where a person can act, what to do.
type Error struct {
	Zone string
	Hint string // "" when there is nothing to say
	Err  error

	text string
}

func (e *Error) Error() string {
	s := fmt.Sprintf("Route 53 hosted zone %.40s: %s", e.Zone, e.text)
	if e.Hint != "" {
		s += ": " + e.Hint
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// explain makes an Error of what the SDK gave: its words without the chain of its parts, and a hint.
func (o Options) explain(err error) *Error {
	e := &Error{Zone: o.Zone, Err: err, text: publish.Printable(err.Error())}
	var invalid *types.InvalidChangeBatch
	var api smithy.APIError
	var resp *smithyhttp.ResponseError
	switch {
	case errors.As(err, &invalid) && len(invalid.Messages) > 0:
		e.text = publish.Printable("InvalidChangeBatch: " + strings.Join(invalid.Messages, ", "))
	case errors.As(err, &api):
		e.text = publish.Printable(api.ErrorCode() + ": " + api.ErrorMessage())
		e.Hint = o.hint(api.ErrorCode())
	case errors.Is(err, context.DeadlineExceeded):
		e.text = fmt.Sprintf("no answer within %s", o.Timeout)
	case errors.As(err, &resp):
		e.text = fmt.Sprintf("found status %d", resp.HTTPStatusCode())
	case strings.Contains(err.Error(), "credentials"):
		e.text = "found no AWS credentials"
		e.Hint = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or put them into ~/.aws/credentials"
	}
	return e
}

func (o Options) hint(code string) string {
	switch code {
	case "NoSuchHostedZone":
		return "correct the id: aws route53 list-hosted-zones"
	case "AccessDenied", "AccessDeniedException":
		return "allow route53:ListResourceRecordSets and route53:ChangeResourceRecordSets on arn:aws:route53:::hostedzone/" + o.Zone
	case "InvalidClientTokenId", "SignatureDoesNotMatch", "UnrecognizedClientException":
		return "the access key is not known there, or its secret is another"
	case "ExpiredToken", "ExpiredTokenException":
		return "the session's credentials have ended: log in anew"
	case "RequestExpired", "RequestTimeTooSkewed":
		return "this machine's clock and Amazon's differ: set the clock (timedatectl, chronyc makestep)"
	case "Throttling", "PriorRequestNotComplete":
		return "Route 53 takes five requests a second of an account; the next run tries again"
	}
	return ""
}
