package contrib_test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"testing"
)

// httpServer serves over TLS with that certificate, and returns its URL.
func httpServer(t *testing.T, cert tls.Certificate, handle http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewUnstartedServer(handle)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.URL + "/"
}
