package kms

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Error is a call that failed. Its text says what was answered and, where a person can act, what to do; never a credential.
type Error struct {
	Key  string // as it was configured
	Call string // "GetPublicKey", "Sign"
	Hint string // "" when there is nothing to say
	Err  error

	text string
}

func (e *Error) Error() string {
	s := fmt.Sprintf("KMS key %.100s: %s: %s", e.Key, e.Call, e.text)
	if e.Hint != "" {
		s += ": " + e.Hint
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// explain makes an Error of what the SDK gave: its words without the chain of its parts, and a hint.
func (k *key) explain(call string, err error) *Error {
	e := &Error{Key: k.Key, Call: call, Err: err, text: printable(err.Error())}
	var api smithy.APIError
	var resp *smithyhttp.ResponseError
	var send *url.Error
	switch {
	case errors.As(err, &api):
		e.text = printable(strings.TrimSuffix(api.ErrorCode()+": "+api.ErrorMessage(), ": "))
		e.Hint = k.hint(api.ErrorCode())
	case errors.Is(err, context.DeadlineExceeded):
		e.text = fmt.Sprintf("no answer within %s, or the deadline of the whole run", k.Timeout)
	case errors.Is(err, context.Canceled):
		e.text = "cancelled"
	case errors.As(err, &send):
		e.text = printable(send.Err.Error())
		e.Hint = "is the endpoint " + k.where() + " right, and its authority (ca) known?"
	case errors.As(err, &resp):
		e.text = fmt.Sprintf("found status %d", resp.HTTPStatusCode())
	case strings.Contains(err.Error(), "credentials"):
		e.text = "found no AWS credentials"
		e.Hint = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or put them into ~/.aws/credentials"
	}
	return e
}

func (k *key) where() string {
	if k.Endpoint == "" {
		return "of AWS"
	}
	return k.Endpoint
}

func (k *key) hint(code string) string {
	switch code {
	case "NotFoundException":
		return "correct the key's id, or its region: aws kms list-aliases"
	case "AccessDeniedException", "AccessDenied":
		return "allow kms:GetPublicKey and kms:Sign on this key, in its key policy or for the role"
	case "DisabledException":
		return "the key is disabled: aws kms enable-key --key-id " + k.Key
	case "KMSInvalidStateException":
		return "the key waits for its deletion, or its store is not connected: aws kms describe-key --key-id " + k.Key
	case "InvalidKeyUsageException":
		return "the key is not for signing, or not in this way: it must be RSA_3072, RSA_4096 or ECC_NIST_EDWARDS25519 with SIGN_VERIFY"
	case "UnrecognizedClientException", "InvalidSignatureException", "InvalidClientTokenId", "IncompleteSignature":
		return "the access key is not known there, or its secret is another"
	case "ExpiredTokenException", "ExpiredToken":
		return "the session's credentials have ended: log in anew"
	case "ThrottlingException", "Throttling", "LimitExceededException":
		return "KMS was asked too often; the next run tries again"
	}
	return ""
}

// printable keeps control characters of a foreign answer off the screen.
func printable(s string) string {
	const most = 300
	if len(s) > most {
		s = s[:most] + "…"
	}
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}
