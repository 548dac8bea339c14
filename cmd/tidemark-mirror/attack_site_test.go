package main

import (
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tidemark/sign"
)

// hostileSite is what a web server does to its readers, with the genuine manifest at hand; trap is an address that is not its own.
type hostileSite struct {
	name  string
	serve func(v *victim, site *site) http.HandlerFunc
	exit  int
	said  []string
}

// site is the server; sent counts the bytes it got rid of.
type site struct {
	*httptest.Server
	sent atomic.Int64
}

func (v *victim) serve(h hostileSite) *site {
	v.Helper()
	w := &site{}
	w.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "manifest.bundle.json") && !strings.HasPrefix(r.URL.Path, "/lead") {
			http.NotFound(rw, r)
			return
		}
		h.serve(v, w)(rw, r)
	}))
	w.Config.ErrorLog = log.New(io.Discard, "", 0)
	w.StartTLS()
	v.Cleanup(func() {
		w.CloseClientConnections()
		w.Close()
	})
	ca := filepath.Join(v.dir, "ca.pem")
	v.must(os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: w.Certificate().Raw}), 0o644))
	v.url, v.lines = w.URL+"/centos/", []string{"ca: " + ca}
	return w
}

func leadTo(where func(v *victim, w *site) string) func(*victim, *site) http.HandlerFunc {
	return func(v *victim, w *site) http.HandlerFunc {
		return func(rw http.ResponseWriter, r *http.Request) {
			rw.Header().Set("Location", where(v, w)+"manifest.bundle.json")
			rw.WriteHeader(http.StatusFound)
		}
	}
}

func to(place string) func(*victim, *site) string {
	return func(v *victim, w *site) string {
		return strings.NewReplacer("TRAP", v.trap.Addr().String(), "SITE", w.Listener.Addr().String()).Replace(place)
	}
}

func hostileSites() []hostileSite {
	redirect := []string{"refused (redirect)", "expected the same scheme, host and port"}
	return []hostileSite{
		{"RedirectToHTTP", leadTo(to("http://SITE/centos/")), 4, redirect},
		{"RedirectToHTTPElsewhere", leadTo(to("http://TRAP/")), 4, redirect},
		{"RedirectToAnotherPort", leadTo(to("https://TRAP/")), 4, redirect},
		{"RedirectToPrivateAddress", leadTo(to("https://10.0.0.1/")), 4, append(redirect, "10.0.0.1")},
		{"RedirectToCloudMetadata", leadTo(to("http://169.254.169.254/latest/meta-data/")), 4, append(redirect, "169.254.169.254")},
		{"RedirectToDecimalHost", leadTo(to("https://2130706433/")), 4, redirect},
		{"RedirectToUser", leadTo(to("https://root:geheim@SITE/centos/")), 4, redirect},
		{"RedirectToFile", leadTo(to("file:///etc/passwd?")), 4, redirect},
		{"RedirectsWithoutEnd", leadTo(to("https://SITE/lead/")), 4, redirect},
		{"EndlessBody", endless(func(http.ResponseWriter) {}), 4, []string{"manifest.bundle.json", fmt.Sprint(sign.MaxBundle)}},
		{"EndlessBodyAnnounced", endless(func(rw http.ResponseWriter) { rw.Header().Set("Content-Length", "999999999999") }), 4, []string{"999999999999", fmt.Sprint(sign.MaxBundle)}},
		{"EncodedBody", func(v *victim, _ *site) http.HandlerFunc {
			return func(rw http.ResponseWriter, _ *http.Request) {
				rw.Header().Set("Content-Encoding", "gzip")
				rw.Write(v.bundle(v.next))
			}
		}, 4, []string{"refused (encoded)", "gzip"}},
		{"SlowBody", drip, 4, []string{"refused (slow)", "bytes came in"}},
		{"ShortBody", func(v *victim, _ *site) http.HandlerFunc {
			return func(rw http.ResponseWriter, _ *http.Request) {
				b := v.bundle(v.next)
				rw.Header().Set("Content-Length", fmt.Sprint(len(b)))
				rw.Write(b[:len(b)-1])
			}
		}, 0, []string{"unexpected EOF"}},
		{"LargeHeader", func(v *victim, _ *site) http.HandlerFunc {
			return func(rw http.ResponseWriter, _ *http.Request) {
				rw.Header().Set("ETag", `"`+strings.Repeat("x", 1<<20)+`"`)
				rw.Write(v.bundle(v.next))
			}
		}, 0, []string{"no newer manifest"}},
		{"ErrorWithABundle", func(v *victim, _ *site) http.HandlerFunc {
			return func(rw http.ResponseWriter, _ *http.Request) {
				rw.WriteHeader(http.StatusInternalServerError)
				rw.Write(v.bundle(v.next))
			}
		}, 0, []string{"500"}},
		{"UnaskedNotModified", func(*victim, *site) http.HandlerFunc {
			return func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusNotModified) }
		}, 0, []string{"304"}},
		{"PartOfABundle", func(v *victim, _ *site) http.HandlerFunc {
			return func(rw http.ResponseWriter, _ *http.Request) {
				rw.WriteHeader(http.StatusPartialContent)
				rw.Write(v.bundle(v.next))
			}
		}, 0, []string{"206"}},
	}
}

// endless sends until nobody takes it any more.
func endless(head func(http.ResponseWriter)) func(*victim, *site) http.HandlerFunc {
	return func(_ *victim, w *site) http.HandlerFunc {
		return func(rw http.ResponseWriter, _ *http.Request) {
			head(rw)
			for chunk := make([]byte, 64<<10); ; {
				n, err := rw.Write(chunk)
				w.sent.Add(int64(n))
				if err != nil {
					return
				}
			}
		}
	}
}

// drip sends a byte now and then, for as long as anybody waits.
func drip(_ *victim, w *site) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		for tick := time.NewTicker(100 * time.Millisecond); ; {
			select {
			case <-r.Context().Done():
				return
			case <-tick.C:
				rw.Write([]byte(" "))
				rw.(http.Flusher).Flush()
			}
		}
	}
}

// attackSite: what is served decides the exit code in the case's name; 0 is for what may pass by itself, while the kept
// manifest is in force. Redirects are not followed, and no more is read than a bundle may have.
func attackSite(t *testing.T, s *siege) {
	for _, h := range hostileSites() {
		t.Run(fmt.Sprintf("%s_Exit%d", h.name, h.exit), func(t *testing.T) {
			t.Parallel()
			v := s.victim(t)
			w := v.serve(h)
			v.repels(h.exit, h.said...)
			v.recovers()
			const buffers = 16 << 20 // of sockets on both sides, at most
			if n := w.sent.Load(); n > sign.MaxBundle+buffers {
				t.Errorf("%d bytes were read, expected at most %d and what buffers hold", n, sign.MaxBundle)
			}
		})
	}
}

// An authority that the configuration does not name proves nothing: what it certifies is not asked for the manifest.
func attackOtherAuthority(t *testing.T, s *siege) {
	v := s.victim(t)
	var asked atomic.Int64
	v.serve(hostileSite{serve: func(v *victim, _ *site) http.HandlerFunc {
		return func(rw http.ResponseWriter, _ *http.Request) {
			asked.Add(1)
			rw.Write(v.bundle(v.next))
		}
	}})
	v.lines = nil
	v.repels(0, "certificate")
	if n := asked.Load(); n > 0 {
		t.Errorf("the site was asked %d times", n)
	}
}
