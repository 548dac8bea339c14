package cloudfront

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/cloudfront"
	"github.com/aws/aws-sdk-go-v2/service/cloudfront/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"tidemark/publish"
)

// Options say which distribution, and for which publication.
type Options struct {
	Distribution string // e.g. "E2EXAMPLE"
	Serial       int64
	SHA256       string        // of manifest.json, hex
	Timeout      time.Duration // for the call with its retries; 0: 30 s

	Endpoint    string                  // "": Amazon's
	Credentials aws.CredentialsProvider // nil: the SDK's usual chain
	HTTPClient  *http.Client            // nil: the SDK's own
}

const (
	patience  = 30 * time.Second
	region    = "us-east-1" // a global service: its signatures name this one
	mostPaths = 3000        // in progress at once, by Amazon's quota for a distribution
)

var (
	distribution = regexp.MustCompile(`^[A-Z0-9]{6,32}$`)
	digest       = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// Error is a call that failed. Its text says what was answered and, where a person can act, what to do.
type Error struct {
	Distribution string
	Hint         string // "" when there is nothing to say
	Err          error

	text string
}

func (e *Error) Error() string {
	s := "invalidate in CloudFront distribution " + e.Distribution + ": " + e.text
	if e.Hint != "" {
		s += ": " + e.Hint
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// Invalidate asks for an invalidation of paths, each beginning with a slash. No paths: no call.
func Invalidate(ctx context.Context, o Options, paths []string) error {
	if len(paths) == 0 {
		return nil
	}
	paths, err := o.check(paths)
	if err != nil {
		return &Error{Distribution: o.Distribution, Err: err, text: err.Error()}
	}
	if o.Timeout <= 0 {
		o.Timeout = patience
	}
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	client, err := o.client(ctx)
	if err != nil {
		return o.explain(err)
	}
	_, err = client.CreateInvalidation(ctx, &cloudfront.CreateInvalidationInput{DistributionId: &o.Distribution,
		InvalidationBatch: &types.InvalidationBatch{CallerReference: aws.String(o.reference(paths)),
			Paths: &types.Paths{Quantity: aws.Int32(int32(len(paths))), Items: paths}}})
	if err != nil {
		return o.explain(err)
	}
	return nil
}

// check returns the paths sorted, each once.
func (o Options) check(paths []string) ([]string, error) {
	switch {
	case !distribution.MatchString(o.Distribution):
		return nil, errors.New("expected a distribution's id of capitals and digits, e.g. E2EXAMPLE (not its domain or ARN)")
	case o.Serial < 1, !digest.MatchString(o.SHA256):
		return nil, fmt.Errorf("serial %d with sha256 %q is no publication", o.Serial, o.SHA256)
	}
	paths = slices.Clone(paths)
	slices.Sort(paths)
	paths = slices.Compact(paths)
	if len(paths) > mostPaths {
		return nil, fmt.Errorf("found %d paths, expected at most %d", len(paths), mostPaths)
	}
	for _, p := range paths {
		// CloudFront takes an asterisk for a wildcard and knows no tilde.
		if !strings.HasPrefix(p, "/") || strings.ContainsFunc(p, func(r rune) bool { return r <= ' ' || r > '}' || r == '*' }) {
			return nil, fmt.Errorf("path %q: expected a slash and then printable ASCII without *, ~ and blanks", p)
		}
	}
	return paths, nil
}

// reference is the same for the same publication and paths, and different for all others: CloudFront refuses one that
// it has seen with other paths.
func (o Options) reference(paths []string) string {
	sum := sha256.Sum256([]byte(strings.Join(paths, "\n")))
	return fmt.Sprintf("tidemark-%d-%s-%x", o.Serial, o.SHA256[:16], sum[:4])
}

func (o Options) client(ctx context.Context) (*cloudfront.Client, error) {
	load := []func(*config.LoadOptions) error{config.WithRegion(region)}
	if o.Credentials != nil {
		load = append(load, config.WithCredentialsProvider(o.Credentials))
	}
	if o.HTTPClient != nil {
		load = append(load, config.WithHTTPClient(o.HTTPClient))
	}
	cfg, err := config.LoadDefaultConfig(ctx, load...)
	if err != nil {
		return nil, err
	}
	return cloudfront.NewFromConfig(cfg, func(c *cloudfront.Options) {
		if o.Endpoint != "" {
			c.BaseEndpoint = &o.Endpoint
		}
	}), nil
}

// explain makes an Error of what the SDK gave: its words without the chain of its parts, and a hint.
func (o Options) explain(err error) *Error {
	e := &Error{Distribution: o.Distribution, Err: err, text: publish.Printable(err.Error())}
	var api smithy.APIError
	var resp *smithyhttp.ResponseError
	switch {
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
	case "NoSuchDistribution", "NoSuchResource":
		return "correct the id: aws cloudfront list-distributions"
	case "AccessDenied":
		return "allow cloudfront:CreateInvalidation on arn:aws:cloudfront::ACCOUNT:distribution/" + o.Distribution
	case "TooManyInvalidationsInProgress":
		return "earlier ones are still under way; readers see the change within a minute all the same"
	case "InvalidClientTokenId", "SignatureDoesNotMatch", "UnrecognizedClientException":
		return "the access key is not known there, or its secret is another"
	case "ExpiredToken", "ExpiredTokenException":
		return "the session's credentials have ended: log in anew"
	case "RequestExpired", "RequestTimeTooSkewed":
		return "this machine's clock and Amazon's differ: set the clock (timedatectl, chronyc makestep)"
	}
	return ""
}
