package lab

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"
)

// Static serves a directory over TLS from within this process, for where no web server is installed: [Web] is the real one.
type Static struct {
	URL string // https://127.0.0.1:port/
	CA  string // file of the authority's certificate (PEM)

	server *http.Server
	asked  atomic.Int64
	closed chan struct{}
}

// ServeStatic serves root until Close; dir is where its certificate goes.
func ServeStatic(ctx context.Context, dir, root string) (*Static, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("serving %s: %w", root, err)
	}
	files, err := serverCertificate(dir)
	if err != nil {
		return nil, fmt.Errorf("serving %s: making a certificate: %w", root, err)
	}
	cert, err := tls.LoadX509KeyPair(files.cert, files.key)
	if err != nil {
		return nil, fmt.Errorf("serving %s: %w", root, err)
	}
	within, err := os.OpenRoot(root)
	if err != nil {
		return nil, fmt.Errorf("serving %s: %w", root, err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(fmt.Errorf("serving %s: %w", root, err), within.Close())
	}
	s := &Static{URL: "https://" + l.Addr().String() + "/", CA: files.ca, closed: make(chan struct{})}
	s.server = &http.Server{Handler: s.counted(tagged(within)), ReadHeaderTimeout: readyWithin, ErrorLog: log.New(io.Discard, "", 0),
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}}, BaseContext: func(net.Listener) context.Context { return ctx }}
	go func() {
		defer close(s.closed)
		defer within.Close()
		s.server.ServeTLS(l, "", "")
	}()
	return s, nil
}

// Client is an HTTP client that trusts the site's authority, and no other.
func (s *Static) Client() (*http.Client, error) { return trusting(s.CA) }

// Requests is how many there were.
func (s *Static) Requests() int64 { return s.asked.Load() }

func (s *Static) counted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		next.ServeHTTP(w, r)
	})
}

// Close ends it.
func (s *Static) Close() error {
	err := s.server.Close()
	<-s.closed
	return err
}

// tagged serves files with an ETag of their content, so that a reader who has them gets a 304.
func tagged(root *os.Root) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f, err := root.Open("." + r.URL.Path)
		if err != nil {
			http.NotFound(w, r)
			return
		}
		defer f.Close()
		h := sha256.New()
		if _, err := io.Copy(h, f); err != nil { // a directory, too
			http.NotFound(w, r)
			return
		}
		w.Header().Set("ETag", fmt.Sprintf("%q", fmt.Sprintf("%x", h.Sum(nil)[:16])))
		w.Header().Set("Cache-Control", "max-age=60, must-revalidate, no-transform")
		http.ServeContent(w, r, r.URL.Path, time.Time{}, f)
	})
}
