package checkin

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// answers is a receiver that gives one answer after the other, and what it was sent.
type answers struct {
	*httptest.Server
	list   []func(http.ResponseWriter)
	bodies []string
	at     []time.Time
}

func answering(t *testing.T, list ...func(http.ResponseWriter)) *answers {
	a := &answers{list: list}
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		a.bodies, a.at = append(a.bodies, r.Method+" "+string(b)), append(a.at, time.Now())
		if len(a.bodies) > len(a.list) {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		a.list[len(a.bodies)-1](w)
	}))
	t.Cleanup(a.Close)
	return a
}

func status(code int, words string, header ...string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
		io.WriteString(w, words)
	}
}

func hangUp(w http.ResponseWriter) {
	c, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		c.Close()
	}
}

func TestSend(t *testing.T) {
	for _, tt := range []struct {
		name  string
		list  []func(http.ResponseWriter)
		tries int // seen by the receiver
		want  *NotAccepted
	}{
		{"accepted", []func(http.ResponseWriter){status(202, "ok")}, 1, nil},
		{"the answer was lost", []func(http.ResponseWriter){hangUp, status(202, "ok")}, 2, nil},
		{"no time", []func(http.ResponseWriter){status(503, ""), status(429, ""), status(202, "")}, 3, nil},
		{"never any time", []func(http.ResponseWriter){status(503, "a"), status(503, "b"), status(503, "c"), status(202, "")}, 3, &NotAccepted{503, "c"}},
		{"refused", []func(http.ResponseWriter){status(403, "set the clock\n")}, 1, &NotAccepted{403, "set the clock"}},
		{"no such page", []func(http.ResponseWriter){status(404, "")}, 1, &NotAccepted{404, ""}},
		{"another success is none", []func(http.ResponseWriter){status(200, "<h1>Welcome</h1>")}, 1, &NotAccepted{200, ""}},
		{"sent elsewhere", []func(http.ResponseWriter){status(307, "", "Location", "/elsewhere"), status(202, "")}, 1, &NotAccepted{307, ""}},
		{"a page of the web server before it", slices.Repeat([]func(http.ResponseWriter){status(502, "<html>502 Bad Gateway</html>", "Content-Type", "text/html")}, 3), 3, &NotAccepted{502, ""}},
		{"words for a terminal", []func(http.ResponseWriter){status(403, "a\x1b[2J\r\nb\u202e\x00"+strings.Repeat("c", 1<<20), "Content-Type", "text/plain; charset=utf-8")}, 1, &NotAccepted{403, "a[2J b" + strings.Repeat("c", maxWordsShown-6)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := answering(t, tt.list...)
			err := Send(t.Context(), SendOptions{URL: a.URL, Pause: time.Millisecond}, []byte("body"))
			var refused *NotAccepted
			errors.As(err, &refused)
			if diff := cmp.Diff(tt.want, refused); diff != "" || (err == nil) != (tt.want == nil) {
				t.Errorf("%v\n%s", err, diff)
			}
			if len(a.bodies) != tt.tries {
				t.Errorf("asked %d times, expected %d", len(a.bodies), tt.tries)
			}
			for _, b := range a.bodies {
				if b != "POST body" {
					t.Errorf("sent %q", b)
				}
			}
		})
	}
}

func TestNotAccepted_Words(t *testing.T) {
	t.Parallel()
	for want, no := range map[string]NotAccepted{
		"the receiver is down: 502 Bad Gateway":                                               {502, ""},
		"the receiver has no time for the check-in: 503 Service Unavailable: try again later": {503, "not accepted now: try again later"},
		"the receiver refused the check-in: 403 Forbidden: the sender is unknown":             {403, "not accepted: the sender is unknown"},
		"the receiver refused the check-in: 404 Not Found":                                    {404, ""},
	} {
		if got := no.Error(); got != want {
			t.Errorf("found %q, expected %q", got, want)
		}
	}
}

func TestSend_RetryAfter(t *testing.T) {
	t.Parallel()
	a := answering(t, status(429, "", "Retry-After", "1"), status(202, ""))
	if err := Send(t.Context(), SendOptions{URL: a.URL, Pause: time.Millisecond}, nil); err != nil {
		t.Fatal(err)
	}
	if waited := a.at[1].Sub(a.at[0]); waited < time.Second {
		t.Errorf("asked again after %v, expected a second at least", waited)
	}
	for header, want := range map[string]time.Duration{
		"":                              0,
		"7":                             7 * time.Second,
		"-7":                            0,
		"99999999999":                   0,
		"soon":                          0,
		"Sun, 22 Nov 2026 12:00:30 GMT": 30 * time.Second,
		"Sun, 22 Nov 2026 11:00:00 GMT": 0,
	} {
		h := http.Header{"Retry-After": {header}, "Date": {"Sun, 22 Nov 2026 12:00:00 GMT"}}
		if got := retryAfter(h); got != want {
			t.Errorf("Retry-After %q: %v, expected %v", header, got, want)
		}
	}
}

// A receiver that asks for an hour gets no hour of a mirror's run, and is not asked before either.
func TestSend_LongRetryAfter(t *testing.T) {
	t.Parallel()
	a := answering(t, status(429, "later", "Retry-After", "61"), status(202, ""))
	var refused *NotAccepted
	if err := Send(t.Context(), SendOptions{URL: a.URL, Pause: time.Millisecond}, nil); !errors.As(err, &refused) || refused.Status != 429 || len(a.bodies) != 1 {
		t.Errorf("%v, asked %d times, expected the one answer", err, len(a.bodies))
	}
}

// The end of the context ends the waiting.
func TestSend_Context(t *testing.T) {
	t.Parallel()
	a := answering(t, status(503, "later", "Retry-After", "50"))
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	err := Send(ctx, SendOptions{URL: a.URL}, nil)
	var refused *NotAccepted
	if !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &refused) || refused.Status != 503 {
		t.Errorf("%v, expected the end of the context and the answer", err)
	}
}

func TestSend_Unreached(t *testing.T) {
	a := answering(t)
	a.Close()
	if err := Send(t.Context(), SendOptions{URL: a.URL, Pause: time.Millisecond}, nil); err == nil {
		t.Error("sent to nobody, expected an error")
	}
	if err := Send(t.Context(), SendOptions{URL: "gopher://x\x00"}, nil); err == nil {
		t.Error("sent to no URL, expected an error")
	}
}
