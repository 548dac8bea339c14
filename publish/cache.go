package publish

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"
)

const maxAnswer = 4 << 10 // what is read of a cache's answer, in bytes

// purge is one request to be made.
type purge struct {
	client *http.Client
	cache  Cache
	url    string
	ban    string // value of BanHeader
	err    error  // why there is no request to make
}

func (c Cache) requests(names []string) []purge {
	if c.Method == "" {
		c.Method = "PURGE"
	}
	base, err := url.Parse(c.URL)
	switch {
	case err != nil:
	case base.Scheme != "http" && base.Scheme != "https" || base.Host == "" || base.User != nil || base.RawQuery != "" || base.Fragment != "":
		err = errors.New("found a URL that is none of a cache, expected one like http://127.0.0.1:6081/centos/")
	case c.Method != "PURGE" && c.Method != "BAN":
		err = fmt.Errorf("found method %q, expected PURGE or BAN", c.Method)
	}
	if err != nil {
		return []purge{{cache: c, url: c.URL, err: err}}
	}
	client := cacheClient(base.Scheme, len(c.Header) > 0)
	if c.Method == "BAN" {
		return []purge{{client: client, cache: c, url: base.String(), ban: banned(base, names)}}
	}
	var out []purge
	for _, name := range names {
		out = append(out, purge{client: client, cache: c, url: base.JoinPath(name).String()})
	}
	return out
}

// banned is the expression for names below base. It needs no backslash: ban expressions take those for themselves.
func banned(base *url.URL, names []string) string {
	var quoted []string
	for _, name := range names {
		quoted = append(quoted, quoteClass(name))
	}
	return "^" + quoteClass(strings.TrimSuffix(base.EscapedPath(), "/")+"/") + "(" + strings.Join(quoted, "|") + ")$"
}

func quoteClass(s string) string {
	var b strings.Builder
	for _, r := range s {
		if strings.ContainsRune(`.+*?()|{}$`, r) {
			b.WriteString("[" + string(r) + "]")
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// cacheClient follows nothing; over plain HTTP it reaches near addresses only, and no proxy.
func cacheClient(scheme string, secret bool) *http.Client {
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: purgeAtOnce}
	if scheme == "http" {
		dialer := &net.Dialer{Control: func(_, address string, _ syscall.RawConn) error { return near(address, secret) }}
		transport.Proxy, transport.DialContext = nil, dialer.DialContext
	}
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// near refuses an address that plain HTTP must not go to.
func near(address string, secret bool) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	ip := at.Addr().Unmap()
	switch {
	case ip.IsLoopback():
		return nil
	case secret:
		return fmt.Errorf("a token would go to %s in the clear: use https, or have the cache allow this host's address instead", ip)
	case ip.IsPrivate(), ip.IsLinkLocalUnicast():
		return nil
	}
	return fmt.Errorf("plain http to the public address %s: use https", ip)
}

func (p purge) do(ctx context.Context, timeout time.Duration) error {
	if p.err != nil {
		return p.err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, p.cache.Method, p.url, nil)
	if err != nil {
		return err
	}
	req.Host = p.cache.Host
	if p.cache.Header != nil {
		req.Header = p.cache.Header.Clone()
	}
	if p.ban != "" {
		req.Header.Set(BanHeader, p.ban)
	}
	resp, err := p.client.Do(req)
	if u := (*url.Error)(nil); errors.As(err, &u) {
		return u.Err // the method and the address are said by who reports it
	} else if err != nil {
		return err
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer)) // so that the connection can be used again
	absent := resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusPreconditionFailed
	switch {
	case resp.StatusCode/100 == 2, absent && p.cache.Method == "PURGE":
		return nil
	case resp.StatusCode/100 == 3:
		return fmt.Errorf("found a redirect (status %d), expected 2xx: name the cache itself", resp.StatusCode)
	case resp.StatusCode == http.StatusMethodNotAllowed, resp.StatusCode == http.StatusNotImplemented:
		return fmt.Errorf("found status %d, expected 2xx: the cache does not do %s", resp.StatusCode, p.cache.Method)
	case resp.StatusCode == http.StatusUnauthorized, resp.StatusCode == http.StatusForbidden:
		return fmt.Errorf("found status %d, expected 2xx: the cache must allow this host's address, or the token is wrong", resp.StatusCode)
	}
	return fmt.Errorf("found status %d, expected 2xx", resp.StatusCode)
}
