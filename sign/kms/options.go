package kms

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/smithy-go/logging"
)

// Options say which key where. Credentials come by the AWS SDK's usual chain.
type Options struct {
	Key      string        // id, ARN or alias/NAME
	Region   string        // "": as the environment says
	Endpoint string        // "": AWS
	CA       string        // PEM file; "": the system's
	Timeout  time.Duration // of a call with its retries; 0: 30 s

	Credentials aws.CredentialsProvider // nil: the SDK's usual chain
}

const (
	patience       = 30 * time.Second
	connectTimeout = 10 * time.Second
	defaultRegion  = "us-east-1"
)

// keyName is a key id, an alias, or the ARN of either (API reference, GetPublicKey, KeyId).
var keyName = regexp.MustCompile(`^(arn:[a-z0-9-]+:kms:[a-z0-9-]+:[0-9]{12}:)?(key/[A-Za-z0-9-]+|alias/[A-Za-z0-9/_-]+|[A-Za-z0-9-]+)$`)

func (o *Options) check() error {
	if len(o.Key) > 2048 || !keyName.MatchString(o.Key) {
		return fmt.Errorf("KMS key %.100q: expected a key's id, its ARN, or alias/NAME: aws kms list-aliases", o.Key)
	}
	if o.Endpoint == "" {
		return nil
	}
	u, err := url.Parse(o.Endpoint)
	switch {
	case err != nil:
		return fmt.Errorf("KMS key %s: the endpoint is no URL", o.Key) // err would repeat it, with what may be a password
	case u.User != nil:
		return fmt.Errorf("KMS key %s: the endpoint has a user name in it: credentials belong into the environment or ~/.aws/credentials", o.Key)
	case u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("KMS key %s: endpoint %q: expected a URL like https://kms.eu-north-1.amazonaws.com", o.Key, o.Endpoint)
	}
	return nil
}

// client reads the configuration; it makes no request.
func (o *Options) client(ctx context.Context) (*kms.Client, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	load := []func(*config.LoadOptions) error{config.WithLogger(logging.Nop{})}
	if o.Region != "" {
		load = append(load, config.WithRegion(o.Region))
	}
	if o.Credentials != nil {
		load = append(load, config.WithCredentialsProvider(o.Credentials))
	}
	cfg, err := config.LoadDefaultConfig(ctx, load...)
	if err != nil {
		return nil, fmt.Errorf("KMS key %s: read the AWS configuration: %w", o.Key, err)
	}
	if cfg.Region == "" {
		if o.Endpoint == "" {
			return nil, fmt.Errorf("KMS key %s: no region is known: set region for this key, or AWS_REGION", o.Key)
		}
		cfg.Region = defaultRegion
	}
	transport, err := o.transport()
	if err != nil {
		return nil, fmt.Errorf("KMS key %s: %w", o.Key, err)
	}
	return kms.NewFromConfig(cfg, func(ko *kms.Options) {
		ko.HTTPClient = transport
		ko.Retryer = onlyHopeful{retry.NewStandard()}
		if o.Endpoint != "" {
			ko.BaseEndpoint = aws.String(o.Endpoint)
		}
	}), nil
}

// transport is the SDK's with our authorities, when there are such; contexts bring the time limit.
func (o *Options) transport() (aws.HTTPClient, error) {
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

// onlyHopeful is the SDK's standard (throttling, server errors, resets: three tries) without failures to connect that stay: a
// false name, a certificate that is not believed.
type onlyHopeful struct{ aws.RetryerV2 }

// IsErrorRetryable tells what another try may mend.
func (o onlyHopeful) IsErrorRetryable(err error) bool {
	var dns *net.DNSError
	var cert *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	if errors.As(err, &dns) && dns.IsNotFound || errors.As(err, &cert) || errors.As(err, &record) || errors.Is(err, http.ErrSchemeMismatch) {
		return false
	}
	return o.RetryerV2.IsErrorRetryable(err)
}
