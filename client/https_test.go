package client

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// drip sends an endless body: some bytes each time, with the whole rate below or above what is asked for.
func drip(n int, every time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, n)); err != nil {
				return
			}
			w.(http.Flusher).Flush()
			select {
			case <-r.Context().Done():
			case <-time.After(every):
			}
		}
	}
}

// stall sends the start of a body, and then nothing.
func stall(start string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		status(200, header...)(w, r)
		io.WriteString(w, start)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}
}

func (r *recorder) Flush() { r.ResponseWriter.(http.Flusher).Flush() }

func to(place string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, place, http.StatusFound) }
}

func status(code int, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
	}
}

// fault is an answer of a site, and what comes of it.
type fault struct {
	name    string
	answer  http.HandlerFunc
	reason  Reason // "": no refusal
	missing bool
	want    string // in the error
}

func (f fault) check(t *testing.T, s *site) {
	s.answer("f", f.answer)
	s.hasty = f.want == "less than"
	b, err := s.origin(t).Fetch(t.Context(), "f", 100)
	var r *Refused
	if b != nil || err == nil || !strings.Contains(err.Error(), f.want) {
		t.Fatalf("%q, %v, expected %q in it", b, err, f.want)
	}
	if got := errors.As(err, &r); got != (f.reason != "") || got && r.Reason != f.reason {
		t.Errorf("%v, expected the reason %q", err, f.reason)
	}
	if errors.Is(err, fs.ErrNotExist) != f.missing {
		t.Errorf("%v: not there: %v", err, !f.missing)
	}
	if strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "\x1b") {
		t.Errorf("%q", err)
	}
}

func TestHTTPS_Faults(t *testing.T) {
	s := newSite(t)
	host := strings.TrimPrefix(s.URL, "https://")
	for _, f := range []fault{
		{"redirect to http", to("http://" + host + "/centos/good"), Redirect, false, "leads to http://"},
		{"redirect to another host", to("https://evil.example.org/x"), Redirect, false, "leads to https://evil.example.org/x, expected the same"},
		{"redirect to another port", to("https://127.0.0.1:1/x"), Redirect, false, "a loopback address"},
		{"redirect to the metadata service", to("http://169.254.169.254/latest/"), Redirect, false, "a link-local address"},
		{"redirect to a private address", to("https://10.0.0.1/"), Redirect, false, "a private address"},
		{"redirect to a mapped address", to("https://[::ffff:192.168.0.1]/"), Redirect, false, "a private address"},
		{"redirect with a user", to("https://u:secret@" + host + "/centos/good"), Redirect, false, "u:xxxxx@"},
		{"redirect in a circle", to("/centos/f"), Redirect, false, "at most 3"},
		{"redirect to a file", to("file:///etc/passwd"), Redirect, false, "file:///etc/passwd"},
		{"endless body", drip(1<<20, 0), TooLarge, false, "larger than 100 bytes"},
		{"announced too large", status(200, "Content-Length", "101"), TooLarge, false, "101 bytes are announced"},
		{"a body that drips", drip(1, time.Millisecond*5), Slow, false, "less than"},
		{"a body that stalls", stall("1"), "", false, "less than"},
		{"an announced body that stalls", stall("1", "Content-Length", "5"), "", false, "less than"},
		{"gzip", status(200, "Content-Encoding", "gzip"), Encoded, false, `"gzip"`},
		{"not there", status(404), "", true, "404"},
		{"forbidden", status(403), "", true, "403"},
		{"for ever gone", status(410), "", true, "410"},
		{"broken", status(500), "", false, "expected 200"},
		{"not asked on condition", status(304), "", false, "304"},
		{"partial", status(206), "", false, "206"},
		{"busy", status(503, "Retry-After", "120"), "", false, "come again in 2m0s"},
		{"too many", status(429, "Retry-After", "Sun, 22 Nov 2026 08:00:00 GMT"), "", false, "after 2026-11-22T08:00:00Z"},
		{"busy without words", status(503, "Retry-After", "[31m"), "", false, "503 Service Unavailable, expected"},
		{"headers without end", status(200, "X", strings.Repeat("x", maxHeader)), "", false, "header"},
		{"short", status(200, "Content-Length", "5"), "", false, "EOF"},
	} {
		t.Run(f.name, func(t *testing.T) { f.check(t, s) })
	}
}

func TestHTTPS_RedirectOnTheSameHost(t *testing.T) {
	s := newSite(t)
	s.serve("good", []byte("12345"))
	s.answer("f", to("/centos/good"))
	if b, err := s.origin(t).Fetch(t.Context(), "f", 100); string(b) != "12345" || err != nil {
		t.Errorf("a redirect on the same host: %q, %v", b, err)
	}
}

// A body that keeps coming at the least rate still has to end. One that was announced is on a slow line; one without an
// announced end has none.
func TestHTTPS_WholeDeadline(t *testing.T) {
	s := newSite(t)
	s.serve("good", []byte("12345"))
	o := s.origin(t).(*httpOrigin)
	if _, err := o.Fetch(t.Context(), "good", 5); err != nil { // so the hands are shaken
		t.Fatal(err)
	}
	o.options.Timeout = time.Second
	body := drip(2000, time.Millisecond)
	for want, answer := range map[string]http.HandlerFunc{
		"no end of it came in 1s": body,
		"not all of its 99999999999 bytes came in 1s": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "99999999999")
			body(w, r)
		},
	} {
		s.answer("f", answer)
		_, err := o.Fetch(t.Context(), "f", 1<<40)
		var r *Refused
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, expected %q", err, want)
		}
		if endless := strings.HasPrefix(want, "no end"); errors.As(err, &r) != endless || endless && r.Reason != Slow {
			t.Errorf("%v, expected a refusal: %v", err, endless)
		}
	}
}

// A site that takes the request and says nothing cannot be reached; that is no refusal.
func TestHTTPS_Silent(t *testing.T) {
	s := newSite(t)
	s.answer("f", func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	for _, o := range []OriginOptions{{RootCAs: pool, Patience: 300 * time.Millisecond}, {RootCAs: pool, Timeout: 300 * time.Millisecond}} {
		origin, err := NewOriginWith(s.URL+"/centos/", o)
		if err != nil {
			t.Fatal(err)
		}
		_, err = origin.Fetch(t.Context(), "f", 5)
		var r *Refused
		if err == nil || errors.As(err, &r) || !strings.Contains(err.Error(), "time") {
			t.Errorf("%v", err)
		}
	}
}

func TestHTTPS_OnCondition(t *testing.T) {
	s := newSite(t)
	var asked http.Header
	var header []string
	s.answer("f", func(w http.ResponseWriter, r *http.Request) {
		asked = r.Header.Clone()
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		if r.Header.Get("If-None-Match")+r.Header.Get("If-Modified-Since") != "" {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		io.WriteString(w, "12345")
	})
	const date = "Sun, 22 Nov 2026 08:00:00 GMT"
	for _, tt := range []struct {
		name, match, since string
		header             []string
	}{
		{"an ETag", `"x"`, "", []string{"ETag", `"x"`, "Last-Modified", date}},
		{"a weak ETag", `W/"x"`, "", []string{"ETag", `W/"x"`}},
		{"a date alone", "", date, []string{"Last-Modified", date}},
		{"neither", "", "", nil},
		{"an endless ETag", "", "", []string{"ETag", strings.Repeat("x", maxValidator+1)}},
		{"bytes beyond ASCII", "", "", []string{"ETag", "\xff"}},
	} {
		o := s.origin(t).(Conditional)
		header = tt.header
		b, v, unchanged, err := o.FetchIf(t.Context(), "f", 100, Validator{})
		if string(b) != "12345" || unchanged || err != nil {
			t.Fatalf("%s: %q, %v, %v", tt.name, b, unchanged, err)
		}
		if asked.Get("Accept-Encoding") != "identity" {
			t.Error(asked)
		}
		b, again, unchanged, err := o.FetchIf(t.Context(), "f", 100, v)
		if asked.Get("If-None-Match") != tt.match || asked.Get("If-Modified-Since") != tt.since || err != nil {
			t.Errorf("%s: asked with %v, %v", tt.name, asked, err)
		}
		if want := tt.match+tt.since != ""; unchanged != want || (b == nil) != want || want && again != v {
			t.Errorf("%s: %q, unchanged %v, %+v", tt.name, b, unchanged, again)
		}
		if v.URL = "https://elsewhere.example.org/f"; tt.match != "" {
			if _, _, unchanged, _ = o.FetchIf(t.Context(), "f", 100, v); unchanged {
				t.Errorf("%s: asked by another file's validator", tt.name)
			}
		}
	}
}

func TestHTTPS_ProxyAndUserAgent(t *testing.T) {
	var seen string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = r.Method + " " + r.Host
		http.Error(w, "no", http.StatusForbidden)
	}))
	defer proxy.Close()
	at, _ := url.Parse(proxy.URL)
	o, err := NewOriginWith("https://mirrors.example.org/", OriginOptions{Proxy: http.ProxyURL(at)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.Fetch(t.Context(), "f", 5); err == nil || errors.Is(err, fs.ErrNotExist) || seen != "CONNECT mirrors.example.org:443" {
		t.Errorf("%v, the proxy saw %q", err, seen)
	}
	s := newSite(t)
	s.answer("f", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.UserAgent()) })
	h := s.origin(t).(*httpOrigin)
	h.options.UserAgent = "tidemark-mirror/1"
	if b, err := h.Fetch(t.Context(), "f", 100); string(b) != "tidemark-mirror/1" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
}

// A certificate that nobody vouches for is not talked past.
func TestHTTPS_UnknownAuthority(t *testing.T) {
	s := newSite(t)
	s.serve("f", []byte("x"))
	o, err := NewOriginWith(s.URL+"/centos/", OriginOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if b, err := o.Fetch(t.Context(), "f", 5); b != nil || err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("%q, %v", b, err)
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"", "120", "-1", "99999999999999999999", "1e9", "Sun, 22 Nov 2026 08:00:00 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if out := retryAfter(s); len(out) > 80 || strings.Trim(out, " (itaskocmegnfr0123456789h.TZ:-)") != "" {
			t.Fatalf("%q", out)
		}
	})
}
