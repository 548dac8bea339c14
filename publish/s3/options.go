package s3

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/logging"

	"tidemark/publish"
)

// Options say which bucket and how to reach it.
type Options struct {
	Bucket      string
	Prefix      string                  // of all keys, without slashes at its ends; "" is the whole bucket
	Region      string                  // "": as the SDK's configuration says; with an Endpoint, us-east-1
	Endpoint    string                  // base URL of another server than Amazon's, e.g. "https://s3.example.org:9000"
	PathStyle   bool                    // https://host/bucket/key instead of https://bucket.host/key
	CA          string                  // PEM file; only these authorities are believed then
	Checksum    string                  // "" or "when_required"
	Timeout     time.Duration           // one deadline for a request with all its retries; 0: a minute
	Credentials aws.CredentialsProvider // nil: the SDK's usual chain
	HTTPClient  *http.Client            // nil: one of our own; then CA is not looked at
}

const (
	defaultTimeout = time.Minute
	defaultRegion  = "us-east-1"
	connectTimeout = 10 * time.Second
)

var bucketName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{1,254}$`)

// New reads the configuration; it makes no request.
func New(ctx context.Context, o Options) (*Store, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	cfg, err := config.LoadDefaultConfig(ctx, o.load()...)
	if err != nil {
		return nil, fmt.Errorf("s3://%s: read the AWS configuration: %w", o.Bucket, err)
	}
	if cfg.Region == "" {
		if o.Endpoint == "" {
			return nil, fmt.Errorf("s3://%s: no region is known: set region for this store, or AWS_REGION", o.Bucket)
		}
		cfg.Region = defaultRegion
	}
	if cfg.Credentials == nil {
		return nil, fmt.Errorf("s3://%s: no credentials: %s", o.Bucket, credentialsHint)
	}
	client, err := o.client()
	if err != nil {
		return nil, fmt.Errorf("s3://%s: %w", o.Bucket, err)
	}
	s := &Store{bucket: o.Bucket, prefix: prefixOf(o.Prefix), region: cfg.Region, endpoint: o.Endpoint, credentials: cfg.Credentials,
		timeout: o.Timeout, checksum: o.Checksum != whenRequired && cfg.RequestChecksumCalculation != aws.RequestChecksumCalculationWhenRequired}
	if s.timeout <= 0 {
		s.timeout = defaultTimeout
	}
	s.api = s3.NewFromConfig(cfg, func(so *s3.Options) {
		so.UsePathStyle = o.PathStyle
		so.Retryer = aws.NopRetryer{} // Store retries, with the body's reading inside
		so.HTTPClient = client
		so.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired // Put sends its own
		so.DisableLogOutputChecksumValidationSkipped = true
		so.Logger = logging.Nop{}
		if !s.checksum {
			so.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		}
		if o.Endpoint != "" {
			so.BaseEndpoint = aws.String(o.Endpoint)
		}
	})
	return s, nil
}

const whenRequired = "when_required"

func (o *Options) check() error {
	if !bucketName.MatchString(o.Bucket) {
		return fmt.Errorf("bucket name %q: expected letters, digits, dots and minus signs", o.Bucket)
	}
	if p := strings.Trim(o.Prefix, "/"); p != "" {
		if err := publish.CheckName(p); err != nil {
			return fmt.Errorf("s3://%s: prefix: %w", o.Bucket, err)
		}
	}
	if o.Checksum != "" && o.Checksum != whenRequired {
		return fmt.Errorf("s3://%s: checksum %q: expected %q or nothing", o.Bucket, o.Checksum, whenRequired)
	}
	if o.Endpoint == "" {
		return nil
	}
	u, err := url.Parse(o.Endpoint)
	switch {
	case err != nil:
		return fmt.Errorf("s3://%s: the endpoint is no URL", o.Bucket) // err would repeat it, with what may be a password
	case u.User != nil:
		return fmt.Errorf("s3://%s: the endpoint has a user name in it: credentials belong into the environment or ~/.aws/credentials", o.Bucket)
	case u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("s3://%s: endpoint %q: expected a URL like https://s3.example.org:9000", o.Bucket, o.Endpoint)
	}
	return nil
}

func (o *Options) load() []func(*config.LoadOptions) error {
	load := []func(*config.LoadOptions) error{config.WithLogger(logging.Nop{})}
	if o.Region != "" {
		load = append(load, config.WithRegion(o.Region))
	}
	if o.Credentials != nil {
		load = append(load, config.WithCredentialsProvider(o.Credentials))
	}
	return load
}

// client has the SDK's transport, our authorities and no time limit: contexts bring it.
func (o *Options) client() (aws.HTTPClient, error) {
	if o.HTTPClient != nil {
		return o.HTTPClient, nil
	}
	var pool *x509.CertPool
	if o.CA != "" {
		pem, err := os.ReadFile(o.CA)
		if err != nil {
			return nil, fmt.Errorf("read the ca: %w", err)
		}
		if pool = x509.NewCertPool(); !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("ca %s: no certificate in it: expected PEM", o.CA)
		}
	}
	return awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		if t.TLSClientConfig == nil {
			t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
		}
		t.TLSClientConfig.RootCAs = pool
		t.TLSHandshakeTimeout = connectTimeout
	}), nil
}

func prefixOf(p string) string {
	if p = strings.Trim(p, "/"); p != "" {
		p += "/"
	}
	return p
}

var errNoCredentials = errors.New("no credentials")
