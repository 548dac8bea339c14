package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tidemark/internal/strictjson"
	"tidemark/keys"
	"tidemark/manifest"
)

var errKilled = errors.New("killed")

// kill lets a look live until its nth step of writing, and ends it there: nothing is written from then on.
func kill(o LookOptions, n int) (LookOptions, *int) {
	steps := new(int)
	o.written = func(string) error {
		if *steps++; *steps > n {
			return errKilled
		}
		return nil
	}
	return o, steps
}

// Killed before or after any write, a look leaves a state that is right: what was kept is in force, old or new; nothing
// is called damaged; and the next look ends where the killed one would have.
func TestLook_KilledAnywhere(t *testing.T) {
	f := fixtures()
	one, two := f.bundle(t, nil), f.bundle(t, at(4128, time.Minute))
	reset := sealed(t, following(4, func(x *keys.Trust) { x.ResetSerial, x.MinSerial = true, 4100 }), 3)
	five := sealed(t, following(5, func(x *keys.Trust) { x.MinSerial = 4100 }), 3)
	for name, tt := range map[string]struct {
		first, then []byte
		walk        bool
		atLeast     int // steps, so that the test tests
	}{
		"the first bundle":     {nil, one, false, 6},
		"a newer one":          {one, two, false, 6},
		"a newer one, a reset": {one, two, true, 12},
	} {
		t.Run(name, func(t *testing.T) {
			for n, done := 0, false; !done; n++ {
				s := newSite(t)
				r := newReader(t, s)
				if tt.first != nil {
					s.serve(BundleFile, tt.first)
					if _, err := r.look(t); err != nil {
						t.Fatal(err)
					}
				}
				s.serve(BundleFile, tt.then)
				if tt.walk {
					steps(s, 4, reset, five)
					r.now = r.now.Add(20 * time.Hour)
					if err := (&store{dir: r.State}).change(func(m *memory) { m.TrustChecked.Time = day0.Add(-day) }); err != nil {
						t.Fatal(err)
					}
				}
				o, steps := kill(r.LookOptions, n)
				v, err := Look(t.Context(), o)
				if done = err == nil && v != nil && !told(v.All, NoteUnsaved); done && *steps < tt.atLeast {
					t.Fatalf("%d steps only, expected %d or more", *steps, tt.atLeast)
				}
				if err == nil && v.Refused == nil {
					if seen, err := LoadSeen(r.State); err != nil || seen.SHA256 != manifest.SHA256(v.Opened.Payload) {
						t.Errorf("step %d: acted on what is not remembered: %+v, %v", n, seen, err)
					}
				}
				aftermath(t, fmt.Sprintf("step %d of %s", n, name), s, r, tt.first != nil && !tt.walk, tt.then)
			}
		})
	}
}

// aftermath looks at a state that a killed look left: first offline, then with the site.
func aftermath(t *testing.T, when string, s *site, r *reader, kept bool, served []byte) {
	t.Helper()
	k, err := Kept(r.LookOptions)
	if err != nil || k == nil && kept {
		t.Fatalf("%s: %+v, %v: expected a kept one in force", when, k, err)
	}
	if k != nil {
		if seen, err := LoadSeen(r.State); err != nil || seen.SHA256 != manifest.SHA256(k.Opened.Payload) {
			t.Errorf("%s: what is kept is not what is remembered: %+v, %v", when, seen, err)
		}
	}
	v, err := r.look(t)
	if err != nil || !v.Fresh || v.Refused != nil || string(v.Opened.Bundle) != string(served) || told(v.All, NoteDamaged) {
		t.Fatalf("%s: the next look: %+v, %v", when, v, err)
	}
	if v, err = r.look(t); err != nil || !v.Unchanged {
		t.Errorf("%s: the one after: %+v, %v", when, v, err)
	}
	if seen, err := LoadSeen(r.State); err != nil || seen.SHA256 != manifest.SHA256(v.Opened.Payload) || seen.Reset == 0 && v.Trust.Version > 3 {
		t.Errorf("%s: %+v, %v", when, seen, err)
	}
}

// A disk that is full stops a look before anything is acted on, and leaves what was there.
func TestLook_CannotWrite(t *testing.T) {
	s, r := settled(t)
	s.serve(BundleFile, fixtures().bundle(t, at(4128, time.Minute)))
	o := r.LookOptions
	o.written = func(name string) error { return syscall.ENOSPC }
	if v, err := Look(t.Context(), o); v != nil || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("%+v, %v", v, err)
	}
	if k, err := Kept(r.LookOptions); err != nil || k.Opened.Manifest.Serial != 4127 {
		t.Errorf("%+v, %v", k, err)
	}
	// What cannot be remembered but does no harm is told, no more.
	s.serve(BundleFile, fixtures().bundle(t, nil))
	s.answer(BundleFile, status(500))
	if v, err := Look(t.Context(), o); err != nil || v.Opened.Manifest.Serial != 4127 || !told(v.Noted, NoteUnsaved) {
		t.Errorf("%+v, %v", v, err)
	}
}

func TestStore_Sweep(t *testing.T) {
	_, r := settled(t)
	for name, gone := range map[string]bool{".seen.json123": true, ".manifest.bundle.json9": true, ".origin.json": true, ".trust-4.json77": true, ".fork-1-aa.bundle.json5": true,
		".seen.jsonx": false, "seen.json1": false, ".other123": false, "mirror.json": false} {
		path := filepath.Join(r.State, name)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := r.look(t); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(path); (err != nil) != gone {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The lock file may be removed, or be a link: the one who holds it is alone all the same, and nothing outside is touched.
func TestStore_Lock(t *testing.T) {
	dir := t.TempDir()
	s := &store{dir: dir}
	path := filepath.Join(dir, lockFile)
	unlock, err := s.lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.lock(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "fuser") {
		t.Errorf("locked twice: %v", err)
	}
	got := make(chan error, 1)
	go func() { // waits for a file that is gone by the time it has it, and must take the one that is there
		unlock, err := s.lock(t.Context())
		if err == nil {
			unlock()
		}
		got <- err
	}()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	unlock()
	if err := <-got; err != nil {
		t.Error(err)
	}
	outside := filepath.Join(t.TempDir(), "outside")
	os.Remove(path)
	if err := os.Symlink(outside, path); err != nil {
		t.Fatal(err)
	}
	if _, err := s.lock(t.Context()); err == nil {
		t.Error("a link was followed")
	}
	if _, err := os.Lstat(outside); err == nil {
		t.Error("a file was made outside")
	}
}

// scripted is an origin that serves one of many bundles at each call.
type scripted func() []byte

func (f scripted) Fetch(_ context.Context, name string, _ int64) ([]byte, error) {
	if name != BundleFile {
		return nil, os.ErrNotExist
	}
	return f(), nil
}

// However many look at once, and whatever each is served: what was seen never goes back, and no view is older than what
// was seen before it began.
func TestLook_ManyAtOnce(t *testing.T) {
	f := fixtures()
	bundles := make([][]byte, 12)
	for i := range bundles {
		bundles[i] = f.bundle(t, at(4127+int64(i), time.Duration(i)*time.Second))
	}
	r := newReader(t, newSite(t))
	var mu sync.Mutex
	served := 0
	r.Origin = scripted(func() []byte { // mostly newer ones, as edges of a CDN would
		mu.Lock()
		defer mu.Unlock()
		served++
		return bundles[min(max(served/6+rand.IntN(6)-3, 0), len(bundles)-1)]
	})
	newest := func() int64 {
		seen, err := LoadSeen(r.State)
		if err != nil {
			t.Error(err)
		}
		if seen == nil {
			return 0
		}
		return seen.Serial
	}
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			last := int64(0)
			for range 12 {
				before := newest()
				if before < last {
					t.Errorf("seen went back from %d to %d", last, before)
				}
				last = before
				v, err := Look(t.Context(), r.LookOptions)
				if err != nil || v.Refused != nil {
					t.Errorf("%+v, %v", v, err)
					return
				}
				if got := v.Opened.Manifest.Serial; got < before {
					t.Errorf("a view of %d, after %d was seen", got, before)
				}
			}
		})
	}
	wg.Wait()
	if v, err := Kept(r.LookOptions); err != nil || v.Opened.Manifest.Serial != newest() {
		t.Errorf("%+v, %v: kept and seen differ", v, err)
	}
}

// One that is overtaken while it fetches goes on with what the other one kept, and has nothing to complain about.
func TestLook_Overtaken(t *testing.T) {
	f := fixtures()
	r := newReader(t, newSite(t))
	other := r.LookOptions
	other.Origin = scripted(func() []byte { return f.bundle(t, at(4128, time.Minute)) })
	r.Origin = scripted(func() []byte {
		if _, err := Look(t.Context(), other); err != nil {
			t.Error(err)
		}
		return f.bundle(t, nil)
	})
	v, err := r.look(t)
	if err != nil || !v.Fresh || v.Opened.Manifest.Serial != 4128 || len(v.All) != 0 {
		t.Errorf("%+v, %v", v, err)
	}
}

func TestSinceAndOver(t *testing.T) {
	before, after := strictjson.At(day0.Add(-time.Hour)), strictjson.At(day0.Add(time.Hour))
	if since(before, day0) != before || !since(after, day0).Equal(day0) || !since(strictjson.Time{}, day0).Equal(day0) {
		t.Error("since")
	}
	if over(before, time.Hour+1, day0) || !over(before, time.Hour, day0) || !over(after, time.Hour, day0) || !over(strictjson.Time{}, time.Hour, day0) {
		t.Error("over")
	}
}

func BenchmarkLook_Unchanged(b *testing.B) {
	s := newSite(b)
	s.serve(BundleFile, fixtures().bundle(b, nil))
	r := newReader(b, s)
	for b.Loop() {
		if _, err := r.look(b); err != nil {
			b.Fatal(err)
		}
	}
}
