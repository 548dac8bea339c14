package publish_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"tidemark/manifest"
	"tidemark/publish"
)

// before lays what an interrupted publication finds: nothing, or serial 1.
func before(t *testing.T, s publish.Store, later bool) []publish.Release {
	t.Helper()
	if !later {
		return nil
	}
	r := release(1, "one")
	mustPush(t, s, r)
	return []publish.Release{r}
}

// everyRequest runs test with the number of each request that act makes on a healthy store.
func everyRequest(t *testing.T, act func(s publish.Store) error, test func(t *testing.T, at int, request string)) {
	t.Helper()
	f := &faulty{}
	f.Store = openDir(t, fastDir(t))
	if err := act(f); err != nil {
		t.Fatal(err)
	}
	if f.count < 20 {
		t.Fatalf("only %d requests were counted", f.count)
	}
	for i, request := range f.asked {
		t.Run(fmt.Sprintf("%02d %s", i+1, request), func(t *testing.T) { test(t, i+1, request) })
	}
}

// TestPush_KilledAnywhere: at every moment all single objects are whole and no fixed name is ahead of the pointer;
// the next run heals.
func TestPush_KilledAnywhere(t *testing.T) {
	for _, later := range []bool{false, true} {
		for _, lost := range []bool{false, true} {
			t.Run(fmt.Sprintf("later=%v,lost=%v", later, lost), func(t *testing.T) {
				act := func(s publish.Store) error {
					before(t, s.(*faulty).Store, later)
					return push(t.Context(), s, release(2, "two"))
				}
				everyRequest(t, act, func(t *testing.T, at int, request string) {
					if lost && strings.HasPrefix(request, "get ") {
						return // as good as not passed on
					}
					killedAt(t, at, later, lost)
				})
			})
		}
	}
}

func killedAt(t *testing.T, at int, later, lost bool) {
	dir := fastDir(t)
	w := newWorld(dir)
	s := openDir(t, dir)
	known := append(before(t, s, later), release(2, "two"))
	watch := func(request string) {
		if err := w.check(known...); err != nil {
			t.Errorf("after %s: %v", request, err)
		}
	}
	f := &faulty{Store: s, at: at, lost: lost, after: watch}
	err := push(t.Context(), f, known[len(known)-1])
	if f.dead && !errors.Is(err, errDead) {
		t.Errorf("a failed request is not in the error: %v", err)
	}
	watch("the kill")

	// Whether serial 2 was reserved or not, the next run has something new to say.
	known = append(known, release(1, "three"), release(2, "three"), release(3, "three"))
	r, err := next(t.Context(), &faulty{Store: openDir(t, dir), after: watch}, "three")
	if err != nil {
		t.Fatalf("the next run: %v", err)
	}
	if err := w.is(r); err != nil {
		t.Errorf("the next run did not heal: %v", err)
	}
}

// TestHeal_KilledAnywhere: a run that heals may be killed, too.
func TestHeal_KilledAnywhere(t *testing.T) {
	dir := fastDir(t)
	s := openDir(t, dir)
	w := newWorld(dir)
	known := append(before(t, s, true), release(2, "two"))
	f := &faulty{Store: s}
	f.after = func(request string) { f.dead = f.dead || request == "put latest.json" } // just swapped
	if err := push(t.Context(), f, known[1]); !errors.Is(err, errDead) {
		t.Fatal(err)
	}
	for at := 1; ; at++ {
		st, err := publish.Look(t.Context(), s)
		if err != nil || st.Complete() {
			t.Fatalf("expected an incomplete site: %v", err)
		}
		f := &faulty{Store: s, at: at, lost: at%2 == 0}
		if err = publish.Heal(t.Context(), f, st, genuine); err == nil {
			break
		}
		if err := w.check(known...); err != nil {
			t.Fatalf("killed at request %d of healing: %v", at, err)
		}
		if st, err := publish.Look(t.Context(), s); err != nil {
			t.Fatal(err)
		} else if st.Complete() { // the answer to the last write was lost
			break
		}
	}
	if err := w.is(known[1]); err != nil {
		t.Error(err)
	}
}

// TestPush_OwnAnswerLost: a conditional write that is sent twice, because its first answer was lost, is refused the
// second time; that is no conflict.
func TestPush_OwnAnswerLost(t *testing.T) {
	dir := fastDir(t)
	f := &faulty{Store: openDir(t, dir), repeat: true}
	mustPush(t, f, release(1, "one"))
	mustPush(t, f, release(2, "two"))
	if err := newWorld(dir).is(release(2, "two")); err != nil {
		t.Error(err)
	}
}

// TestPush_PausedAnywhere: a publisher is stopped before each request in turn, another one publishes meanwhile (twice:
// it finishes or heals what it finds), the first one goes on. It must overwrite nothing newer.
func TestPush_PausedAnywhere(t *testing.T) {
	for _, later := range []bool{false, true} {
		t.Run(fmt.Sprintf("later=%v", later), func(t *testing.T) {
			act := func(s publish.Store) error {
				before(t, s.(*faulty).Store, later)
				return push(t.Context(), s, release(2, "slow"))
			}
			everyRequest(t, act, func(t *testing.T, at int, _ string) {
				pausedAt(t, at, later, func(s publish.Store) error { return push(t.Context(), s, release(2, "slow")) })
			})
		})
	}
}

// TestNext_PausedAnywhere is the same for a run that finds a publication to heal or to finish.
func TestNext_PausedAnywhere(t *testing.T) {
	for _, kill := range []string{"put latest.json", "put m/2/manifest.json.gpg"} {
		t.Run(kill, func(t *testing.T) {
			prepare := func(s publish.Store) {
				before(t, s, true)
				f := &faulty{Store: s}
				f.after = func(request string) { f.dead = f.dead || request == kill }
				if err := push(t.Context(), f, release(2, "killed")); !errors.Is(err, errDead) {
					t.Fatal(err)
				}
			}
			act := func(s publish.Store) error {
				prepare(s.(*faulty).Store)
				_, err := next(t.Context(), s, "slow")
				return err
			}
			everyRequest(t, act, func(t *testing.T, at int, _ string) {
				pausedAt(t, at, true, func(s publish.Store) error {
					if f := s.(*faulty); f.at > 0 {
						prepare(f.Store)
					}
					_, err := next(t.Context(), s, "slow")
					return err
				})
			})
		})
	}
}

func pausedAt(t *testing.T, at int, later bool, run func(publish.Store) error) {
	dir := fastDir(t)
	w := newWorld(dir)
	s := openDir(t, dir)
	before(t, s, later)
	var fast publish.Release
	f := &faulty{Store: s, at: at}
	f.pause = func() {
		for _, content := range []string{"fast", "faster"} {
			r, err := next(t.Context(), openDir(t, dir), content)
			if err != nil {
				t.Fatalf("the fast publisher: %v", err)
			}
			fast = r
		}
	}
	err := run(f)
	if fast.Serial == 0 {
		return // this run needs fewer requests
	}
	if errors.Is(err, publish.ErrConflict) {
		err = nil
	} else if err == nil && w.is(fast) != nil {
		// It began after the fast one had finished, and published on top of that.
		st, lookErr := publish.Look(t.Context(), s)
		if lookErr != nil || st.Serial() <= fast.Serial || !st.Complete() {
			t.Fatalf("no conflict, but the site is neither's: %v", w.is(fast))
		}
		return
	}
	if err != nil {
		t.Fatalf("resumed: %v, expected a conflict", err)
	}
	if err := w.is(fast); err != nil {
		t.Errorf("resumed, it changed what is newer: %v", err)
	}
	if string(w.read("status.json")) == "status 2" && fast.Serial != 2 {
		t.Log("status files are the slow one's; the next run writes them anyway")
	}
}

// TestPush_Race: 32 publishers that all saw the same site; exactly one wins.
func TestPush_Race(t *testing.T) {
	for _, c := range []struct {
		name   string
		serial func(i int) int64
	}{
		{"SameSerial", func(int) int64 { return 2 }},
		{"OwnSerials", func(i int) int64 { return int64(2 + i) }},
	} {
		for _, later := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s,later=%v", c.name, later), func(t *testing.T) { race(t, later, c.serial) })
		}
	}
}

func race(t *testing.T, later bool, serial func(i int) int64) {
	const n = 32
	dir := fastDir(t)
	before(t, openDir(t, dir), later)
	var wg sync.WaitGroup
	errs := make([]error, n)
	start := make(chan struct{})
	for i := range n {
		s := openDir(t, dir)
		st, err := publish.Look(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			<-start
			errs[i] = publish.Push(t.Context(), s, st, release(serial(i), fmt.Sprint("racer ", i)), genuine)
		})
	}
	close(start)
	wg.Wait()
	winner := -1
	for i, err := range errs {
		switch {
		case err == nil && winner >= 0:
			t.Errorf("both %d and %d won", winner, i)
		case err == nil:
			winner = i
		case !errors.Is(err, publish.ErrConflict):
			t.Errorf("racer %d: %v, expected a conflict", i, err)
		}
	}
	if winner < 0 {
		t.Fatal("nobody won")
	}
	if err := newWorld(dir).is(release(serial(winner), fmt.Sprint("racer ", winner))); err != nil {
		t.Error(err)
	}
}

// TestPush_ConcurrentReaders: during 200 publications readers see only whole single objects.
func TestPush_ConcurrentReaders(t *testing.T) {
	dir := fastDir(t)
	s := openDir(t, dir)
	mustPush(t, s, release(1, "content"))
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for ctx.Err() == nil {
				if err := readSingles(s); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for i := int64(2); i <= 201; i++ {
		if err := push(t.Context(), s, release(i, "content")); err != nil {
			t.Error(err)
			break
		}
	}
	stop()
	wg.Wait()
}

func readSingles(s publish.Store) error {
	ctx := context.Background()
	o, err := s.Get(ctx, "manifest.bundle.json", 1<<20)
	if err == nil {
		err = genuine(o.Data)
	}
	if err != nil {
		return fmt.Errorf("bundle: %w", err)
	}
	if o, err = s.Get(ctx, "latest.json", 1<<10); err != nil {
		return err
	}
	p, err := manifest.ParsePointer(o.Data)
	if err != nil {
		return err
	}
	for _, name := range []string{"manifest.json.gpg", p.Path + "manifest.json.gpg"} {
		o, err = s.Get(ctx, name, 1<<20)
		if err != nil {
			return err
		}
		var serial int64
		if _, err := fmt.Sscanf(string(o.Data[len("inline ")+65:]), `{"serial": %d`, &serial); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if string(o.Data) != string(release(serial, "content").Files["manifest.json.gpg"]) {
			return fmt.Errorf("%s is not whole", name)
		}
	}
	return nil
}
