package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"
)

// Origin is where a reader gets the forms of a manifest from. Names are those of the site, e.g. "manifest.bundle.json".
// What is not there wraps fs.ErrNotExist; more than max bytes is refused, not cut.
type Origin interface {
	Fetch(ctx context.Context, name string, max int64) ([]byte, error)
}

// NewOrigin returns the origin for a directory or an https:// URL (http:// on loopback addresses only).
func NewOrigin(place string) (Origin, error) {
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
		return nil, fmt.Errorf("origin %q: expected https://host/path/ (http:// on loopback only)", place)
	}
	return &httpOrigin{base: u, client: &http.Client{Timeout: time.Minute, CheckRedirect: stay}}, nil
}

func allowed(u *url.URL) bool {
	if u.Scheme == "https" {
		return u.Host != ""
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return u.Scheme == "http" && (u.Hostname() == "localhost" || err == nil && ip.IsLoopback())
}

// stay follows at most three redirects, and none to another host or to a weaker scheme.
func stay(req *http.Request, via []*http.Request) error {
	first := via[0].URL
	if len(via) > 3 || req.URL.Host != first.Host || req.URL.Scheme != first.Scheme {
		return fmt.Errorf("redirect from %s to %s refused: expected the same host and scheme, at most 3 times", first, req.URL)
	}
	return nil
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

type httpOrigin struct {
	base   *url.URL
	client *http.Client
}

func (h *httpOrigin) Fetch(ctx context.Context, name string, max int64) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.base.JoinPath(name).String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept-Encoding", "identity") // signed bytes travel as they are
	resp, err := h.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusForbidden: // bare object stores say 403
		return nil, fmt.Errorf("GET %s: %s: %w", req.URL, resp.Status, fs.ErrNotExist)
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("GET %s: found status %s, expected 200", req.URL, resp.Status)
	case resp.Header.Get("Content-Encoding") != "":
		return nil, errors.New("GET " + req.URL.String() + ": the body is encoded, expected the file's own bytes")
	}
	return readAll(resp.Body, name, max)
}

func readAll(r io.Reader, name string, max int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, max+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if int64(len(b)) > max {
		return nil, fmt.Errorf("%s: larger than %d bytes", name, max)
	}
	return b, nil
}
