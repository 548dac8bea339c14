package s3_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tidemark/internal/lab"
	"tidemark/publish"
	"tidemark/publish/storetest"
)

// harm is a kind of fault; where it heals, a run that meets it once does not even notice.
type harm struct {
	name  string
	fault lab.Fault
	heals bool
}

func harms() []harm {
	status := func(n int, after string) lab.Fault {
		return lab.Fault{Kind: lab.FaultStatus, Status: n, RetryAfter: after}
	}
	return []harm{
		{"403", status(403, ""), false},
		{"404", status(404, ""), false},
		{"409", status(409, ""), false}, // heals a put, but no get
		{"412", status(412, ""), false},
		{"429", status(429, "1"), true},
		{"500", status(500, ""), true},
		{"503", status(503, ""), true},
		{"reset before", lab.Fault{Kind: lab.FaultResetBefore}, true},
		{"reset after", lab.Fault{Kind: lab.FaultResetAfter}, true},
		{"truncated", lab.Fault{Kind: lab.FaultTruncated}, true},
		{"hang", lab.Fault{Kind: lab.FaultHang}, true},
		{"answer lost", lab.Fault{Kind: lab.FaultAnswerLost}, true},
	}
}

// TestPush_FaultAtEachRequest: whatever happens to whichever request of a publication, once or from there on, every single
// object is whole at every moment, no fixed name is ahead of the pointer, no serial has two manifests, and the next run heals.
// Every request meets a share of the faults here, and all of them in the soak test.
func TestPush_FaultAtEachRequest(t *testing.T) { faultTable(t, 12) }

func TestPush_FaultAtEachRequest_Soak(t *testing.T) {
	soak(t)
	faultTable(t, 1)
}

func soak(t *testing.T) {
	t.Helper()
	if os.Getenv("TIDEMARK_SOAK") == "" {
		t.Skip("set TIDEMARK_SOAK=1: it takes minutes")
	}
}

func faultTable(t *testing.T, share int) {
	s := versitygw(t, false)
	for _, c := range []struct {
		name  string
		later bool // not the first publication
		times int
		limit time.Duration
	}{
		{"first, once", false, 1, 6 * time.Second},
		{"later, once", true, 1, 6 * time.Second},
		{"later, for ever", true, -1, 1500 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			requests := asked(t, s, c.name, c.later)
			if !c.later { // what follows is the same as later
				requests = requests[:slices.IndexFunc(requests, func(r string) bool { return strings.HasPrefix(r, "PUT /m/") })+1]
			}
			if c.later && len(requests) < 20 {
				t.Fatalf("only %d requests: %v", len(requests), requests)
			}
			for k, h := range harms() {
				t.Run(h.name, func(t *testing.T) {
					atOnce(len(requests), func(i int) {
						if (i+k)%share != 0 {
							return
						}
						h := h
						h.fault.At, h.fault.Times = i+1, c.times
						if err := harmed(t, s, h, c.later, c.limit); err != nil {
							t.Errorf("at %02d %s: %v", i+1, requests[i], err)
						}
					})
				})
			}
		})
	}
}

// atOnce does n things that mostly wait.
func atOnce(n int, do func(i int)) {
	var wg sync.WaitGroup
	free := make(chan struct{}, 16)
	for i := range n {
		wg.Go(func() {
			free <- struct{}{}
			defer func() { <-free }()
			do(i)
		})
	}
	wg.Wait()
}

// asked gives the requests of a healthy publication.
func asked(t *testing.T, s *server, name string, later bool) []string {
	t.Helper()
	prefix := fmt.Sprintf("healthy/%x", hash(t.Name()+name))
	if later {
		mustPush(t, open(t, s.options(prefix)), release(1, "one"))
	}
	p := s.proxied(t, lab.FaultProxyOptions{})
	o := s.options(prefix)
	o.Endpoint = p.URL
	mustPush(t, open(t, o), release(2, "two"))
	var all []string
	for _, r := range p.Requests() {
		all = append(all, r.Method+" "+strings.TrimPrefix(r.Path, "/"+bucket+"/"+prefix))
	}
	return all
}

// harmed publishes through a proxy that does h, watches, and lets the next run heal.
func harmed(t *testing.T, s *server, h harm, later bool, limit time.Duration) error {
	prefix := fmt.Sprintf("faults/%x", hash(fmt.Sprint(t.Name(), h.fault.At)))
	w := s.onDisk(prefix)
	o := s.options(prefix)
	known := []publish.Release{release(2, "two"), release(1, "three"), release(2, "three"), release(3, "three")}
	if later {
		known = append(known, release(1, "one"))
		mustPush(t, open(t, o), release(1, "one"))
	}
	var mu sync.Mutex
	p := s.proxied(t, lab.FaultProxyOptions{After: func(n int, r *http.Request, _ int) {
		mu.Lock()
		defer mu.Unlock()
		if r.Method != http.MethodPut {
			return
		}
		if err := w.Check(known...); err != nil {
			t.Errorf("fault at %d, after request %d, PUT %s: %v", h.fault.At, n, r.URL.Path, err)
		}
	}})
	defer p.Close()
	p.Reset(h.fault)
	o.Endpoint, o.Timeout = p.URL, limit
	err := storetest.Push(t.Context(), open(t, o), release(2, "two"))
	switch {
	case err == nil:
		if err := w.Is(release(2, "two")); err != nil {
			return fmt.Errorf("the run says it succeeded: %w", err)
		}
	case h.heals && h.fault.Times == 1:
		return fmt.Errorf("one such fault stopped the run: %w", err)
	case strings.Contains(err.Error(), secretKey) || strings.Contains(err.Error(), accessKey):
		return fmt.Errorf("a credential is in the error: %w", err)
	}
	p.Reset()
	o.Timeout = 20 * time.Second
	r, err := next(t.Context(), open(t, o), "three")
	if err != nil {
		return fmt.Errorf("the next run: %w", err)
	}
	if err := errors.Join(w.Check(known...), w.Is(r)); err != nil {
		return fmt.Errorf("the next run did not heal: %w", err)
	}
	return nil
}

// TestPush_PausedAtEachRequest: a publisher is stopped before each request in turn, another publishes twice meanwhile, the
// first goes on. It overwrites nothing newer.
func TestPush_PausedAtEachRequest(t *testing.T) { pauseTable(t, 2) }

func TestPush_PausedAtEachRequest_Soak(t *testing.T) {
	soak(t)
	pauseTable(t, 1)
}

func pauseTable(t *testing.T, share int) {
	s := versitygw(t, false)
	for k, later := range []bool{false, true} {
		t.Run(fmt.Sprintf("later=%v", later), func(t *testing.T) {
			requests := asked(t, s, "", later)
			atOnce(len(requests), func(i int) {
				if (i+k)%share != 0 && !strings.Contains(requests[i], "latest") {
					return
				}
				if err := paused(t, s, later, i+1); err != nil {
					t.Errorf("at %02d %s: %v", i+1, requests[i], err)
				}
			})
		})
	}
}

func paused(t *testing.T, s *server, later bool, at int) error {
	prefix := fmt.Sprintf("paused/%v-%d", later, at)
	w := s.onDisk(prefix)
	direct := s.options(prefix)
	if later {
		mustPush(t, open(t, direct), release(1, "one"))
	}
	var fast publish.Release
	var fastErr error
	p := s.proxied(t, lab.FaultProxyOptions{Before: func(n int, _ *http.Request) bool {
		if n != at {
			return true
		}
		for _, content := range []string{"fast", "faster"} {
			if fast, fastErr = next(t.Context(), open(t, direct), content); fastErr != nil {
				break
			}
		}
		return true
	}})
	defer p.Close()
	o := direct
	o.Endpoint, o.Timeout = p.URL, time.Minute
	err := storetest.Push(t.Context(), open(t, o), release(2, "slow"))
	switch {
	case fastErr != nil:
		return fmt.Errorf("the fast publisher: %w", fastErr)
	case fast.Serial == 0:
		return errors.New("the fast publisher did not run")
	case err != nil && !errors.Is(err, publish.ErrConflict):
		return fmt.Errorf("resumed: %w, expected a conflict", err)
	}
	if err := w.Is(fast); err != nil {
		return fmt.Errorf("resumed, it changed what is newer: %w", err)
	}
	return nil
}
