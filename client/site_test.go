package client

import (
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"tidemark/internal/strictjson"
	"tidemark/keys"
	"tidemark/manifest"
	"tidemark/sign"
)

// site is a TLS server with a few files; each can be answered otherwise.
type site struct {
	*httptest.Server
	mu      sync.Mutex
	files   map[string][]byte
	handler map[string]http.HandlerFunc
	asked   []string // "<status> <path>"
	hasty   bool     // readers lose patience with a body after 200 ms; but a busy machine may take its time to shake hands
}

func newSite(t testing.TB) *site {
	s := &site{files: map[string][]byte{}, handler: map[string]http.HandlerFunc{}}
	s.Server = httptest.NewUnstartedServer(s)
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // of readers that hang up
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/centos/")
	s.mu.Lock()
	h, b := s.handler[name], s.files[name]
	s.mu.Unlock()
	rec := &recorder{ResponseWriter: w, status: 200}
	defer func() {
		s.mu.Lock()
		s.asked = append(s.asked, fmt.Sprintf("%d %s", rec.status, name))
		s.mu.Unlock()
	}()
	switch tag := `"` + manifest.SHA256(b) + `"`; {
	case h != nil:
		h(rec, r)
	case b == nil:
		http.NotFound(rec, r)
	case r.Header.Get("If-None-Match") == tag:
		rec.WriteHeader(http.StatusNotModified)
	default:
		rec.Header().Set("ETag", tag)
		rec.Write(b)
	}
}

type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) { r.status = status; r.ResponseWriter.WriteHeader(status) }

func (s *site) serve(name string, b []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[name] = b
	delete(s.handler, name)
}

func (s *site) answer(name string, h http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handler[name] = h
}

// log is what was asked since the last call.
func (s *site) log() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := s.asked
	s.asked = nil
	return asked
}

func (s *site) origin(t testing.TB) Origin {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	o, err := NewOriginWith(s.URL+"/centos/", OriginOptions{RootCAs: pool, Patience: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	if s.hasty {
		o.(*httpOrigin).options.Patience = 200 * time.Millisecond
	}
	return o
}

// reader is one mirror's view of a site, with its own clock and state.
type reader struct {
	LookOptions
	site *site
	now  time.Time
}

func newReader(t testing.TB, s *site) *reader {
	t.Helper()
	r := &reader{site: s, now: day0.Add(time.Hour)}
	r.LookOptions = LookOptions{Origin: s.origin(t), State: t.TempDir(), Network: "centos", Trust: sealed(t, fixtures().trust, 3), Now: func() time.Time { return r.now }}
	return r
}

func (r *reader) look(t testing.TB) (*View, error) {
	t.Helper()
	return Look(t.Context(), r.LookOptions)
}

// sealed is a trust document as trust.json, signed by the test keys of those numbers.
func sealed(t testing.TB, x *keys.Trust, by ...int) []byte {
	t.Helper()
	payload, err := x.Encode()
	if err != nil {
		t.Fatal(err)
	}
	e := &sign.Envelope{Payload: payload}
	for _, n := range by {
		s, err := testKey(n).Sign(context.Background(), sign.Request{Payload: payload, Comment: "trust"})
		if err != nil {
			t.Fatal(err)
		}
		e.Signatures = append(e.Signatures, s)
	}
	b, err := e.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// following is the fixture's trust document in another version, changed.
func following(version int64, change func(*keys.Trust)) *keys.Trust {
	x := *fixtures().trust
	x.Version = version
	x.Root.Keys = append([]keys.RootKey(nil), x.Root.Keys...)
	x.Manifest.Keys = append([]keys.ManifestKey(nil), x.Manifest.Keys...)
	if change != nil {
		change(&x)
	}
	return &x
}

// at is a change of a manifest: another serial, issued later.
func at(n int64, later time.Duration) func(*manifest.Manifest) {
	return func(m *manifest.Manifest) {
		m.Serial = n
		m.Issued, m.Expires = strictjson.At(day0.Add(later)), strictjson.At(day0.Add(later+24*time.Hour))
	}
}
