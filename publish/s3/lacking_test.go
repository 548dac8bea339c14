package s3_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"tidemark/internal/lab"
	"tidemark/publish"
	"tidemark/publish/s3"
	"tidemark/publish/storetest"
)

// pushWarned is Push with what a person would be told.
func pushWarned(t *testing.T, s *s3.Store, r publish.Release) string {
	t.Helper()
	st, err := publish.Look(t.Context(), s)
	if err == nil {
		err = publish.Push(t.Context(), s, st, r, storetest.Genuine)
	}
	if err != nil {
		t.Fatal(err)
	}
	return st.Warning()
}

func leaseAt(t *testing.T, s *s3.Store) (lease struct {
	Holder, Nonce string
	Seconds       int
}) {
	t.Helper()
	o, err := s.Get(t.Context(), publish.LeaseName, 4096)
	if err == nil {
		err = json.Unmarshal(o.Data, &lease)
	}
	if err != nil {
		t.Error(err)
	}
	return lease
}

// TestLacking: a store that ignores conditions is found out at the first publication, said once, and used with a lease.
func TestLacking(t *testing.T) {
	s := oldServer(t)
	store := open(t, s.options("site"))
	put := func(c publish.Condition) error {
		_, err := store.Put(t.Context(), publish.NewObject("keys/probe", []byte("x")), c)
		return err
	}
	if put(publish.Condition{}) != nil || put(publish.Condition{Absent: true}) != nil || put(publish.Condition{Match: `"0"`}) != nil {
		t.Fatal("this server heeds conditions: the test needs one that does not")
	}
	if w := pushWarned(t, store, release(1, "one")); !strings.Contains(w, "does not heed If-None-Match and If-Match") {
		t.Errorf("the first publication says %q", w)
	}
	for serial := int64(2); serial <= 3; serial++ {
		r := release(serial, "more")
		if w := pushWarned(t, open(t, s.options("site")), r); w != "" {
			t.Errorf("said again: %q", w)
		}
		if err := overStore(t, store).Is(r); err != nil {
			t.Error(err)
		}
	}
	if l := leaseAt(t, store); l.Seconds != 0 || l.Nonce == "" {
		t.Errorf("the lease was not given back: %+v", l)
	}
}

// TestHeeding: a server that heeds conditions gets no lease.
func TestHeeding(t *testing.T) {
	s := versitygw(t, false)
	store := open(t, s.options("site"))
	if w := pushWarned(t, store, release(1, "one")); w != "" {
		t.Errorf("warned of %q", w)
	}
	if _, err := store.Get(t.Context(), publish.LeaseName, 4096); !errors.Is(err, publish.ErrNotFound) {
		t.Errorf("a lease: %v", err)
	}
}

// TestRefusing: so does a server that answers conditions with 501, as some do.
func TestRefusing(t *testing.T) {
	s := oldServer(t)
	p := s.proxied(t, lab.FaultProxyOptions{})
	p.Reset(lab.Fault{At: 1, Times: -1, Kind: lab.FaultStatus, Status: 501,
		Only: func(r *http.Request) bool {
			return r.Method == "PUT" && (r.Header.Get("If-Match")+r.Header.Get("If-None-Match")) != ""
		}})
	o := s.options("refusing")
	o.Endpoint = p.URL
	store := open(t, o)
	if w := pushWarned(t, store, release(1, "one")); w == "" {
		t.Error("nothing was said")
	}
	mustPush(t, store, release(2, "two"))
	if err := overStore(t, store).Is(release(2, "two")); err != nil {
		t.Error(err)
	}
}

// TestLease: one that was left behind keeps others out until it ends, by the store's clock.
func TestLease(t *testing.T) {
	s := oldServer(t)
	store := open(t, s.options("site"))
	mustPush(t, store, release(1, "one"))
	leave := func(seconds int) {
		b := fmt.Appendf(nil, `{"schema": "tidemark/lease/v1", "holder": "other.example, process 7", "nonce": "n", "seconds": %d}`, seconds)
		if _, err := store.Put(t.Context(), publish.NewObject(publish.LeaseName, b), publish.Condition{}); err != nil {
			t.Fatal(err)
		}
	}
	leave(300)
	err := storetest.Push(t.Context(), store, release(2, "two"))
	if !errors.Is(err, publish.ErrConflict) || !strings.Contains(err.Error(), "other.example, process 7") {
		t.Errorf("error %v, expected a conflict that names the holder", err)
	}
	if err := overStore(t, store).Is(release(1, "one")); err != nil {
		t.Error(err)
	}
	leave(2)
	time.Sleep(3100 * time.Millisecond) // its clock has whole seconds
	mustPush(t, store, release(2, "two"))
}

// TestLacking_Race: publishers at once; each round at least one gives way, serials rise, nothing is torn.
func TestLacking_Race(t *testing.T) {
	s := oldServer(t)
	w := overStore(t, open(t, s.options("site")))
	var mu sync.Mutex
	var known []publish.Release
	for round := range 3 {
		var wg sync.WaitGroup
		for host := range 3 {
			wg.Go(func() {
				r, err := next(t.Context(), open(t, s.options("site")), fmt.Sprintf("host %d, round %d", host, round))
				mu.Lock()
				defer mu.Unlock()
				if r.Serial > 0 {
					known = append(known, r)
				}
				if err != nil && !errors.Is(err, publish.ErrConflict) {
					t.Errorf("host %d: %v, expected a conflict", host, err)
				}
			})
		}
		wg.Wait()
		if err := w.Check(known...); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
	}
	r, err := next(t.Context(), open(t, s.options("site")), "last")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Is(r); err != nil {
		t.Error(err)
	}
}

// TestLacking_PausedAtEachLook: somebody breaks the lease of a publisher that is paused before a request that reads, and
// publishes; the first one goes on and overwrites nothing newer. (Paused within a write it would: nothing can help there.)
func TestLacking_PausedAtEachLook(t *testing.T) { leaseTable(t, 4) }

func TestLacking_PausedAtEachLook_Soak(t *testing.T) {
	soak(t)
	leaseTable(t, 1)
}

func leaseTable(t *testing.T, share int) {
	s := oldServer(t)
	requests := asked(t, s, "", true)
	looks := 0
	each := make([]bool, len(requests))
	for i, r := range requests {
		if strings.HasPrefix(r, "GET ") {
			looks++
			each[i] = (looks+looks/share)%share == 0 // lease, pointer and object in turn
		}
	}
	atOnce(len(requests), func(i int) {
		if !each[i] {
			return
		}
		if err := pausedWithLease(t, s, i+1); err != nil {
			t.Errorf("at %02d %s: %v", i+1, requests[i], err)
		}
	})
}

func pausedWithLease(t *testing.T, s *server, at int) error {
	prefix := fmt.Sprintf("paused/%d", at)
	direct := open(t, s.options(prefix))
	w := overStore(t, direct)
	mustPush(t, direct, release(1, "one"))
	var fast publish.Release
	var fastErr error
	p := s.proxied(t, lab.FaultProxyOptions{Before: func(n int, _ *http.Request) bool {
		if n == at {
			_, err := s.sdk().DeleteObject(t.Context(), &awss3.DeleteObjectInput{Bucket: aws.String(bucket), Key: aws.String(prefix + "/" + publish.LeaseName)})
			if fast, fastErr = next(t.Context(), direct, "fast"); fastErr == nil {
				fastErr = err
			}
		}
		return true
	}})
	defer p.Close()
	o := s.options(prefix)
	o.Endpoint, o.Timeout = p.URL, time.Minute
	err := storetest.Push(t.Context(), open(t, o), release(2, "slow"))
	switch {
	case fastErr != nil:
		return fmt.Errorf("the fast publisher: %w", fastErr)
	case err != nil && !errors.Is(err, publish.ErrConflict):
		return fmt.Errorf("resumed: %w, expected a conflict", err)
	}
	if err := w.Is(fast); err != nil {
		return fmt.Errorf("resumed, it changed what is newer: %w", err)
	}
	return nil
}
