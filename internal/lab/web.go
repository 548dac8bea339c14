package lab

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
)

// WebOptions say how a web server serves a site.
type WebOptions struct {
	Port  int    // of https; 0: a free one
	Extra string // more lines for the server block, e.g. "location = /manifest.bundle.json { return 302 http://127.0.0.1/; }"
}

// Web is an nginx that serves a directory as a site's web server does: over TLS with a certificate of an authority of its
// own, and over plain http; with ETag, Last-Modified and the Cache-Control of the site's names. It remembers what it was
// asked.
type Web struct {
	*Service
	URL   string         // https://127.0.0.1:port/
	Plain string         // http://127.0.0.1:port/
	TLS   netip.AddrPort // where https is; Addr is the same
	CA    string         // file of the authority's certificate (PEM)
	Root  string         // the directory

	asked atomic.Int64
}

// WebRequest is one line of its log.
type WebRequest struct {
	Scheme   string // "http" or "https"
	Method   string
	Path     string // as asked, with the query
	Status   int
	Sent     int64 // bytes of the answer, headers and body, before TLS
	Received int64 // bytes of the request
	Agent    string
}

// StartSite serves root. dir is where the server's own files go.
func StartSite(ctx context.Context, dir, root string, o WebOptions) (*Web, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, fmt.Errorf("starting nginx: %w", err)
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, fmt.Errorf("starting nginx: %w", err)
	}
	files, err := serverCertificate(filepath.Join(dir, "tls"))
	if err != nil {
		return nil, fmt.Errorf("starting nginx: making its certificate: %w", err)
	}
	w := &Web{Root: root, CA: files.ca}
	w.Service, err = serve(ctx, dir, launch{name: "nginx", hint: "apt-get install -y nginx-light", port: o.Port,
		command: func(at netip.AddrPort) ([]string, error) {
			program, err := sbin("nginx")
			if err != nil {
				return nil, err
			}
			port, err := portFor(0)
			if err != nil {
				return nil, err
			}
			plain := loopback(port)
			w.TLS, w.URL, w.Plain = at, "https://"+at.String()+"/", "http://"+plain.String()+"/"
			file := filepath.Join(dir, "nginx.conf")
			conf := strings.NewReplacer("@TLS", at.String(), "@PLAIN", plain.String(), "DIR", dir, "@ROOT", root, "@CERT", files.cert, "@KEY", files.key, "@EXTRA", o.Extra).
				Replace(nginxMain(webConfig))
			return []string{program, "-c", file, "-e", "stderr"}, os.WriteFile(file, []byte(conf), 0o644)
		}})
	if err != nil {
		return nil, err
	}
	return w, nil
}

// webConfig serves what is immutable for a year and all else for a minute (the site's layout). The log's fields are
// separated by tabs, and its escapes are JSON's: a path cannot forge a line.
const webConfig = `  log_format asked escape=json '$scheme	$request_method	$request_uri	$status	$bytes_sent	$request_length	$http_user_agent';
  map $uri $cached {
    default "max-age=60, must-revalidate, no-transform";
    ~^/m/ "max-age=31536000, immutable";
    ~^/trust/[0-9]+[.]json$ "max-age=31536000, immutable";
  }
  types { application/json json; text/html html; text/plain txt; application/xml xml; }
  server {
    listen @TLS ssl;
    listen @PLAIN;
    ssl_certificate @CERT;
    ssl_certificate_key @KEY;
    ssl_protocols TLSv1.2 TLSv1.3;
    root @ROOT;
    etag on;
    add_header Cache-Control $cached;
    access_log DIR/access.log asked;
    @EXTRA
  }`

// Requests are what it was asked since the start or the last Reset, in the order answered.
func (w *Web) Requests(ctx context.Context) ([]WebRequest, error) {
	lines, err := w.log(ctx)
	if err != nil {
		return nil, err
	}
	var all []WebRequest
	for _, line := range lines {
		r, err := webRequest(line)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

// Reset forgets what was asked.
func (w *Web) Reset(ctx context.Context) error {
	if _, err := w.log(ctx); err != nil {
		return err
	}
	return os.Truncate(w.file("access.log"), 0)
}

// log reads the log's lines. A request of its own comes first: the server, one process, has by then written a line for
// every answer that anybody has had in full.
func (w *Web) log(ctx context.Context) ([]string, error) {
	own := fmt.Sprintf("/.lab-log-%d", w.asked.Add(1))
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(w.Plain, "/")+own, nil)
	if err != nil {
		return nil, err
	}
	req.Close = true
	for range 2 { // the second answer comes after the first one's line
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return nil, fmt.Errorf("asking nginx for its log: %w", err)
		}
		_, err = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if err != nil {
			return nil, fmt.Errorf("asking nginx for its log: %w", err)
		}
	}
	b, err := os.ReadFile(w.file("access.log"))
	if err != nil {
		return nil, fmt.Errorf("reading nginx's log: %w", err)
	}
	var lines []string
	for s := bufio.NewScanner(bytes.NewReader(b)); s.Scan(); {
		if !strings.Contains(s.Text(), "\t/.lab-log-") {
			lines = append(lines, s.Text())
		}
	}
	return lines, nil
}

func webRequest(line string) (r WebRequest, err error) {
	f := strings.Split(line, "\t")
	if len(f) != 7 {
		return r, fmt.Errorf("reading nginx's log: %q has %d fields, expected 7", line, len(f))
	}
	r = WebRequest{Scheme: f[0], Method: f[1], Path: f[2], Agent: f[6]}
	if r.Status, err = strconv.Atoi(f[3]); err == nil {
		if r.Sent, err = strconv.ParseInt(f[4], 10, 64); err == nil {
			r.Received, err = strconv.ParseInt(f[5], 10, 64)
		}
	}
	if err != nil {
		return r, fmt.Errorf("reading nginx's log: %q: %w", line, err)
	}
	return r, nil
}

// Client is an HTTP client that trusts the site's authority, and no other.
func (w *Web) Client() (*http.Client, error) { return trusting(w.CA) }

// Certificate is the server's certificate with its key, for another server that this site's clients are to trust.
func (w *Web) Certificate() (tls.Certificate, error) {
	dir := filepath.Dir(w.CA)
	return tls.LoadX509KeyPair(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
}
