package client

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

const (
	maxRedirects = 3
	maxHeader    = 64 << 10
	maxValidator = 1 << 10 // bytes of an ETag or a date
)

var (
	errTimeout = errors.New("no end of it within the time for a request")
	errDrips   = errors.New("next to nothing came")
	errStalls  = errors.New("nothing came any more")
)

type httpOrigin struct {
	base    *url.URL
	client  *http.Client
	options OriginOptions
}

func newHTTPOrigin(base *url.URL, o OriginOptions) *httpOrigin {
	o.Timeout = cmp.Or(o.Timeout, 2*time.Minute)
	o.Patience = cmp.Or(o.Patience, 20*time.Second)
	o.Rate = cmp.Or(o.Rate, 1024)
	dialer := &net.Dialer{Timeout: o.Patience}
	return &httpOrigin{base: base, options: o, client: &http.Client{CheckRedirect: stay, Transport: &http.Transport{
		Proxy:                  o.Proxy,
		DialContext:            dialer.DialContext,
		TLSClientConfig:        &tls.Config{RootCAs: o.RootCAs, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    o.Patience,
		ResponseHeaderTimeout:  o.Patience,
		MaxResponseHeaderBytes: maxHeader,
		DisableCompression:     true,
		IdleConnTimeout:        30 * time.Second,
	}}}
}

// stay follows at most three redirects, and none to another host, port or scheme: what is signed would verify from
// anywhere, but a site must not choose which machines its readers talk to.
func stay(req *http.Request, via []*http.Request) error {
	first, to := via[0].URL, req.URL
	if len(via) <= maxRedirects && to.Scheme == first.Scheme && authority(to) == authority(first) && to.User == nil {
		return nil
	}
	return &Refused{Reason: Redirect, Detail: fmt.Sprintf("%s leads to %.300s%s, expected the same scheme, host and port, and at most %d redirects",
		first, to.Redacted(), quality(to.Hostname()), maxRedirects)}
}

// authority is host and port in one spelling.
func authority(u *url.URL) string {
	port := u.Port()
	switch {
	case port == "" && u.Scheme == "https":
		port = "443"
	case port == "":
		port = "80"
	}
	return net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}

// quality says in words what an address is that no public site has.
func quality(host string) string {
	a, err := netip.ParseAddr(host)
	a = a.Unmap()
	switch {
	case err != nil:
		return ""
	case a.IsLoopback():
		return " (a loopback address)"
	case a.IsLinkLocalUnicast():
		return " (a link-local address)"
	case a.IsPrivate():
		return " (a private address)"
	}
	return ""
}

// Fetch gets the file whole.
func (h *httpOrigin) Fetch(ctx context.Context, name string, max int64) ([]byte, error) {
	b, _, _, err := h.FetchIf(ctx, name, max, Validator{})
	return b, err
}

// FetchIf asks by If-None-Match, or by If-Modified-Since where no ETag was given.
func (h *httpOrigin) FetchIf(ctx context.Context, name string, max int64, v Validator) ([]byte, Validator, bool, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	end := time.AfterFunc(h.options.Timeout, func() { cancel(errTimeout) })
	defer end.Stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.base.JoinPath(name).String(), nil)
	if err != nil {
		return nil, Validator{}, false, err
	}
	asked := h.ask(req, v)
	resp, err := h.client.Do(req)
	if err != nil {
		return nil, Validator{}, false, failed(ctx, name, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNotModified && asked {
		return nil, v, true, nil
	}
	if err := judgeStatus(req.URL, resp); err != nil {
		return nil, Validator{}, false, failed(ctx, name, err)
	}
	if resp.ContentLength > max {
		return nil, Validator{}, false, &Refused{What: name, Reason: TooLarge, Detail: fmt.Sprintf("%d bytes are announced, larger than %d bytes", resp.ContentLength, max)}
	}
	body, err := h.read(ctx, cancel, resp, name, max)
	if err != nil {
		return nil, Validator{}, false, err
	}
	return body, validatorOf(req.URL, resp.Header), false, nil
}

// ask sets the headers, and tells whether the request has a condition.
func (h *httpOrigin) ask(req *http.Request, v Validator) bool {
	req.Header.Set("Accept-Encoding", "identity") // signed bytes travel as they are
	if h.options.UserAgent != "" {
		req.Header.Set("User-Agent", h.options.UserAgent)
	}
	if v.URL != req.URL.String() || v.check() != nil {
		return false
	}
	switch {
	case v.ETag != "":
		req.Header.Set("If-None-Match", v.ETag)
	case v.LastModified != "":
		req.Header.Set("If-Modified-Since", v.LastModified)
	}
	return v.ETag != "" || v.LastModified != ""
}

func validatorOf(u *url.URL, h http.Header) Validator {
	v := Validator{URL: u.String(), ETag: h.Get("ETag"), LastModified: h.Get("Last-Modified")}
	if v.check() != nil {
		return Validator{URL: v.URL}
	}
	return v
}

// check refuses what must not go into a header again, or into a file of ours.
func (v Validator) check() error {
	for _, s := range []string{v.URL, v.ETag, v.LastModified} {
		for i := range len(s) {
			if s[i] < 0x20 || s[i] > 0x7e {
				return fmt.Errorf("validator %.100q: expected printable ASCII", s)
			}
		}
	}
	if len(v.URL) > 8*maxValidator || len(v.ETag) > maxValidator || len(v.LastModified) > maxValidator {
		return fmt.Errorf("validator of %d, %d and %d bytes", len(v.URL), len(v.ETag), len(v.LastModified))
	}
	return nil
}

func judgeStatus(u *url.URL, resp *http.Response) error {
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound, http.StatusForbidden, http.StatusGone: // bare object stores say 403
		return &NotThere{URL: u.String(), Status: resp.Status}
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return fmt.Errorf("GET %s: found status %s%s, expected 200", u, resp.Status, retryAfter(resp.Header.Get("Retry-After")))
	default:
		return fmt.Errorf("GET %s: found status %s, expected 200", u, resp.Status)
	}
	if e := resp.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return &Refused{Reason: Encoded, Detail: fmt.Sprintf("GET %s: the body is encoded (%.40q), expected the file's own bytes", u, e)}
	}
	return nil
}

// NotThere is a file that a site does not have.
type NotThere struct {
	URL    string
	Status string // of the answer: "404 Not Found"
}

// Error has the answer's own words.
func (n *NotThere) Error() string { return fmt.Sprintf("GET %s: %s", n.URL, n.Status) }

// Unwrap is fs.ErrNotExist.
func (n *NotThere) Unwrap() error { return fs.ErrNotExist }

// retryAfter puts the header of RFC 9110, 10.2.3, into words: seconds, or a date. What is neither is left out.
func retryAfter(s string) string {
	if d, err := time.ParseDuration(s + "s"); err == nil && s != "" && strings.Trim(s, "0123456789") == "" {
		return fmt.Sprintf(" (it asks to come again in %s)", d)
	}
	if t, err := http.ParseTime(s); err == nil {
		return fmt.Sprintf(" (it asks to come again after %s)", stamp(t))
	}
	return ""
}

// read takes the body while it comes at the least rate; a site that answers and then drips would hold a run for ever. One
// that stops coming may be the line's fault: that is a site out of reach. One that goes on dripping, or has no end, is refused.
func (h *httpOrigin) read(ctx context.Context, cancel context.CancelCauseFunc, resp *http.Response, name string, max int64) ([]byte, error) {
	counted := &counter{r: resp.Body}
	need := int64(float64(h.options.Rate) * h.options.Patience.Seconds())
	done := make(chan struct{})
	defer close(done)
	go func() {
		t := time.NewTicker(h.options.Patience / 2)
		defer t.Stop()
		for before := need; ; { // the half of Patience before the first one is not held against it
			select {
			case <-done:
				return
			case <-t.C:
				n := counted.n.Swap(0)
				switch {
				case before+n >= need:
				case n == 0:
					cancel(errStalls)
					return
				default:
					cancel(errDrips)
					return
				}
				before = n
			}
		}
	}()
	b, err := readAll(counted, name, max)
	switch cause := context.Cause(ctx); { // looked at without an error, too: a server may end the body when we hang up
	case errors.Is(cause, errStalls):
		return nil, fmt.Errorf("read %s: less than %d bytes came in %s, and then none", name, need, h.options.Patience)
	case errors.Is(cause, errDrips):
		return nil, &Refused{What: name, Reason: Slow, Detail: fmt.Sprintf("less than %d bytes came in %s, one by one", need, h.options.Patience)}
	case errors.Is(cause, errTimeout) && resp.ContentLength >= 0:
		return nil, fmt.Errorf("read %s: not all of its %d bytes came in %s", name, resp.ContentLength, h.options.Timeout)
	case errors.Is(cause, errTimeout):
		return nil, &Refused{What: name, Reason: Slow, Detail: fmt.Sprintf("no end of it came in %s", h.options.Timeout)}
	}
	return b, err
}

type counter struct {
	r io.Reader
	n atomic.Int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// failed gives a refused redirect by itself, since the error around it spells out where that leads, password and all; and
// our own reason for the end of a request in place of "context canceled".
func failed(ctx context.Context, name string, err error) error {
	if r := (*Refused)(nil); errors.As(err, &r) {
		told := *r
		told.What = name
		return &told
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
		return fmt.Errorf("%w: %w", cause, err)
	}
	return err
}
