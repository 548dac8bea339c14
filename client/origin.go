package client

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	"tidemark/internal/rsyncurl"
)

// Origin is where a reader gets the forms of a manifest from. Names are those of the site, e.g. "manifest.bundle.json".
// What is not there wraps fs.ErrNotExist; more than max bytes is refused, not cut. What a site does to its readers that
// no sound one does (a redirect elsewhere, an encoded or endless body) is a *Refused; one that stalls cannot be reached.
type Origin interface {
	Fetch(ctx context.Context, name string, max int64) ([]byte, error)
}

// Validator is what an origin gave with a file, to ask for it again only when it has changed (RFC 9110, 8.8 and 13.1).
type Validator struct {
	URL          string `json:"url"` // the file it belongs to
	ETag         string `json:"etag,omitempty"`
	LastModified string `json:"last_modified,omitempty"`
}

// Conditional is an origin that can be asked whether a file has changed: with the validator of the copy held (the zero
// one: none), unchanged is true, and there is no body, when that copy is still the one.
type Conditional interface {
	Origin
	FetchIf(ctx context.Context, name string, max int64, v Validator) (body []byte, next Validator, unchanged bool, err error)
}

// OriginOptions say how to ask an https origin. The zero value asks directly, by the system's authorities.
type OriginOptions struct {
	Proxy     func(*http.Request) (*url.URL, error) // e.g. http.ProxyFromEnvironment; nil: none
	RootCAs   *x509.CertPool                        // nil: the system's
	UserAgent string                                // "": Go's
	Timeout   time.Duration                         // for a whole request with its body; 0: two minutes
	Patience  time.Duration                         // how long the start of an answer, and Rate x Patience of it, may take; 0: 20 s
	Rate      int64                                 // bytes a second that a body must come with at least; 0: 1024
}

// NewOrigin returns the origin for a directory or an https:// URL (http:// on loopback addresses only), by way of the
// proxy that the environment names.
func NewOrigin(place string) (Origin, error) {
	return NewOriginWith(place, OriginOptions{Proxy: http.ProxyFromEnvironment})
}

// NewOriginWith is NewOrigin with options; they mean nothing to a directory.
func NewOriginWith(place string, o OriginOptions) (Origin, error) {
	if !strings.Contains(place, "://") {
		root, err := os.OpenRoot(place)
		if err != nil {
			return nil, fmt.Errorf("open origin: %w", err)
		}
		return &dirOrigin{root}, nil
	}
	u, err := url.Parse(place)
	if err != nil {
		return nil, fmt.Errorf("origin: %w", err)
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" || !allowed(u) {
		return nil, fmt.Errorf("origin %q: expected https://host/path/ (http:// on loopback only)", u.Redacted())
	}
	if err := checkHost(u); err != nil {
		return nil, fmt.Errorf("origin %q: %w", place, err)
	}
	return newHTTPOrigin(u, o), nil
}

func allowed(u *url.URL) bool {
	if u.Scheme == "https" {
		return u.Host != ""
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return u.Scheme == "http" && (u.Hostname() == "localhost" || err == nil && ip.IsLoopback())
}

// checkHost holds the host to the rule that sources are held to: no number that a resolver would take for an address.
func checkHost(u *url.URL) error {
	_, err := rsyncurl.Parse("rsync://" + u.Host + "/x/")
	if inner := errors.Unwrap(err); inner != nil {
		return inner
	}
	return err
}

type dirOrigin struct{ root *os.Root }

// Fetch opens without waiting: a pipe without a writer would block for ever, and no context ends an open(2).
func (d *dirOrigin) Fetch(ctx context.Context, name string, max int64) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	f, err := d.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file (%s)", name, info.Mode())
	}
	return readAll(f, name, max)
}

func readAll(r io.Reader, name string, max int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, max+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if int64(len(b)) > max {
		return nil, &Refused{What: name, Reason: TooLarge, Detail: fmt.Sprintf("larger than %d bytes", max)}
	}
	return b, nil
}
