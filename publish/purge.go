package publish

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Purging only shortens what Cache-Control: max-age=60 bounds anyway. So nothing is tried twice, and no failure stops a
// publication: the caller warns.
const (
	purgeWithin = 20 * time.Second
	purgeAtOnce = 8
)

// BanHeader carries what a BAN request bans: a regular expression for the path, anchored, e.g.
// "^/centos/(latest[.]json|manifest[.]json)$".
const BanHeader = "X-Ban-Url"

// Cache is an endpoint that forgets what it is told to: Varnish, nginx with ngx_cache_purge, Fastly and the like.
type Cache struct {
	URL    string      // where the site lies at the cache, e.g. http://127.0.0.1:6081/centos/
	Method string      // PURGE ("" too): one request for each name; BAN: one with BanHeader for all
	Host   string      // the Host that readers ask for, part of most caches' keys; "": that of URL
	Header http.Header // more headers, as read by PurgeHeader; nil: none
}

// PurgeOptions say where and how patiently. The zero value of a limit is a sensible one.
type PurgeOptions struct {
	Caches  []Cache
	Within  time.Duration // for everything together; 20 s
	AtOnce  int           // requests at the same time; 8
	Timeout time.Duration // for each request; Within / 4
}

// PurgeFailure is one request that did not do what it should.
type PurgeFailure struct {
	Method, URL string
	Err         error
}

// PurgeError lists the requests that failed. All others were answered well.
type PurgeError struct {
	Asked  int // requests in all
	Failed []PurgeFailure
}

func (e *PurgeError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d of %d purge requests failed", len(e.Failed), e.Asked)
	for i, f := range e.Failed {
		if i == 3 {
			fmt.Fprintf(&b, "; and %d more", len(e.Failed)-i)
			break
		}
		fmt.Fprintf(&b, "; %s %s: %v", f.Method, f.URL, f.Err)
	}
	return b.String()
}

// Unwrap gives all causes.
func (e *PurgeError) Unwrap() []error {
	var all []error
	for _, f := range e.Failed {
		all = append(all, f.Err)
	}
	return all
}

// Names are the names of which caches may hold an older version once r is published, in the order they were put.
func (r *Release) Names() []string {
	var names []string
	for _, o := range r.Ground {
		if o.Cache != CacheImmutable {
			names = append(names, o.Name)
		}
	}
	names = append(append(append(names, PointerName), r.fixed()...), MarkName)
	for _, o := range r.Status {
		names = append(names, o.Name)
	}
	return names
}

// Purge has caches forget names: after the swap, so that readers need not wait for their time to live. Every request is
// made whatever becomes of the others; what failed is a *PurgeError.
//
// An answer of 2xx is success, and for PURGE 404 and 412 are too: ngx_cache_purge says so of what it does not hold. No
// redirect is followed. Plain HTTP goes to loopback and private addresses only (RFC 1918, RFC 4193, link-local), looked
// at when the connection is made, and with a header of ours, which may be a secret, to loopback only.
func Purge(ctx context.Context, o PurgeOptions, names []string) error {
	if o.Within <= 0 {
		o.Within = purgeWithin
	}
	if o.AtOnce <= 0 {
		o.AtOnce = purgeAtOnce
	}
	if o.Timeout <= 0 {
		o.Timeout = o.Within / 4
	}
	for _, name := range names {
		if err := CheckName(name); err != nil {
			return fmt.Errorf("purge: %w", err)
		}
	}
	if len(names) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, o.Within)
	defer cancel()
	var all []purge
	for _, c := range o.Caches {
		asks := c.requests(names)
		if client := asks[0].client; client != nil {
			defer client.CloseIdleConnections()
		}
		all = append(all, asks...)
	}
	return purgeAll(ctx, o, all)
}

func purgeAll(ctx context.Context, o PurgeOptions, all []purge) error {
	errs := make([]error, len(all))
	slots := make(chan struct{}, o.AtOnce)
	var done sync.WaitGroup
	for i, p := range all {
		slots <- struct{}{} // a request that hangs gives its slot back when ctx ends
		done.Go(func() {
			defer func() { <-slots }()
			errs[i] = p.do(ctx, o.Timeout)
		})
	}
	done.Wait()
	failed := PurgeError{Asked: len(all)}
	for i, err := range errs {
		if err != nil {
			failed.Failed = append(failed.Failed, PurgeFailure{all[i].cache.Method, all[i].url, err})
		}
	}
	if failed.Failed != nil {
		return &failed
	}
	return nil
}

// PurgeHeader reads the text of a token file: one or more lines "Name: value", e.g. "Fastly-Key: 0123abcd", or a bare
// token, which is sent as "Authorization: Bearer TOKEN". No error repeats what is in it.
func PurgeHeader(text string) (http.Header, error) {
	h := http.Header{}
	for i, line := range strings.Split(strings.TrimSpace(text), "\n") {
		name, value, ok := strings.Cut(strings.TrimSpace(line), ":")
		if !ok && i == 0 {
			name, value = "Authorization", "Bearer "+name
		} else if !ok {
			return nil, fmt.Errorf("token: line %d is no header, expected \"Name: value\"", i+1)
		}
		value = strings.TrimSpace(value)
		if !headerName(name) || value == "" || value == "Bearer" || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' }) {
			return nil, fmt.Errorf("token: line %d is no header of printable ASCII, expected \"Name: value\" or a token alone", i+1)
		}
		h.Set(name, value)
	}
	return h, nil
}

// headerName: RFC 9110, 5.6.2 (the marks but few are left out: no header has them).
func headerName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
	})
}
