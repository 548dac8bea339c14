package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"tidemark/checkin"
	"tidemark/config"
	"tidemark/internal/console"
	"tidemark/internal/lab"
	"tidemark/internal/rsyncurl"
	"tidemark/internal/scripttest"
	"tidemark/internal/strictjson"
	"tidemark/inventory"
	"tidemark/manifest"
	"tidemark/quorum"
)

// later sets the clock of all programs so much ahead.
func (w *checkinWorld) later(d time.Duration) { w.env = []string{"TIDEMARK_TEST_CLOCK=" + d.String()} }

// checkInLater is checkIn at a clock that is so much ahead; the clock is set to it. The claim is not what is known, so the content is looked at.
func (w *checkinWorld) checkInLater(t *testing.T, d time.Duration, id string) {
	t.Helper()
	w.later(d)
	n := make([]byte, 16)
	rand.Read(n)
	b, err := checkin.Seal(t.Context(), checkin.Message{Schema: checkin.Schema, Network: "centos", Mirror: id, At: strictjson.At(time.Now().Add(d)),
		Nonce: hex.EncodeToString(n), Trees: map[string]int64{"centos": w.moved - 1}}, w.signers[id])
	if err != nil {
		t.Fatal(err)
	}
	w.put(t, id, b)
}

func (w *checkinWorld) manifest(t *testing.T) *manifest.Manifest {
	t.Helper()
	m, err := manifest.Parse(w.read("manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// told is `status --json` and `status`.
func (w *checkinWorld) told(t *testing.T) (d statusDocument, text string) {
	t.Helper()
	out, err := w.command(t, "status", "--config", "tidemark.yaml", "--json").Output()
	if err = errors.Join(err, json.Unmarshal(out, &d), scripttest.FollowsSchema(string(out))); err != nil {
		t.Fatal(err)
	}
	words, err := w.command(t, "status", "--config", "tidemark.yaml").Output()
	if err != nil {
		t.Fatal(err)
	}
	return d, string(words)
}

// The end of the manifest is the alarm of a publisher whose timer is dead: however often one mirror checks in, and whatever that
// changes, it comes when the last full run said. And where full runs do run, check-ins do not put off that they renew it.
func TestCheckinsDoNotRenew(t *testing.T) {
	t.Parallel()
	scripttest.NeedTool(t, "rsync")
	w := newCheckinWorld(t)
	w.mustRun(t)
	first := w.manifest(t)
	was, _ := w.told(t)
	if was.FullAt.IsZero() || !was.FullAt.Equal(was.At.Time) {
		t.Fatalf("the first run is of %s, and was full at %s", was.At, was.FullAt)
	}

	// Past half of its validity: nothing is new, and nothing is renewed.
	w.checkInLater(t, 13*time.Hour, "mirror.fi")
	if d := w.good(t, "--checkins"); d.Published || !strings.Contains(d.Why, "the next full run renews it") {
		t.Errorf("%+v", d)
	}

	// What changes is published, until the same end.
	w.lie(t, "mirror.fi")
	w.checkInLater(t, 14*time.Hour, "mirror.fi")
	d := w.good(t, "--checkins")
	m := w.manifest(t)
	if !d.Published || m.Serial != first.Serial+1 || len(m.Sources) != 6 || !m.Expires.Equal(first.Expires.Time) || !d.Expires.Equal(first.Expires.Time) {
		t.Errorf("%+v; serial %d, %d sources, expires %s, before: %s", d, m.Serial, len(m.Sources), m.Expires, first.Expires)
	}
	now, text := w.told(t)
	if !now.FullAt.Equal(was.FullAt.Time) || now.At.Sub(was.At.Time) < 13*time.Hour || !strings.Contains(text, "all servers were asked last by the run of "+console.Clock(was.FullAt.Time)+", 14h before") {
		t.Errorf("run of %s, full at %s (%s):\n%s", now.At, now.FullAt, was.FullAt, text)
	}

	// Within the last hour, and after the end, nothing is signed; the check-in is the next full run's.
	if err := w.network.Sync("mirror.fi"); err != nil {
		t.Fatal(err)
	}
	for _, at := range []time.Duration{23*time.Hour + 30*time.Minute, 26 * time.Hour} {
		w.checkInLater(t, at, "mirror.fi")
		_, errs, code := w.run(t, "--checkins")
		if code != 4 || !strings.Contains(errs, "less than an hour is left") || !strings.Contains(errs, "no full run has succeeded since "+console.Clock(was.FullAt.Time)) {
			t.Errorf("after %v: exit code %d\n%s", at, code, errs)
		}
		if w.manifest(t).Serial != m.Serial || len(w.left(t)) != 1 {
			t.Errorf("after %v: serial %d, left in the spool %v", at, w.manifest(t).Serial, w.left(t))
		}
	}
	if d, _ := w.told(t); !d.FullAt.Equal(was.FullAt.Time) || len(d.Problems) == 0 {
		t.Errorf("full at %s, problems %v", d.FullAt, d.Problems)
	}

	w.tellRenewed(t)
}

// tellRenewed goes on with a full run.
func (w *checkinWorld) tellRenewed(t *testing.T) {
	d := w.good(t)
	full := w.manifest(t)
	if !d.Published || len(full.Sources) != 7 || full.Expires.Sub(full.Issued.Time) != 24*time.Hour || w.left(t) != nil {
		t.Fatalf("%+v; expires %s, issued %s, left %v", d, full.Expires, full.Issued, w.left(t))
	}
	if d, _ := w.told(t); !d.FullAt.Equal(d.At.Time) {
		t.Errorf("run of %s, full at %s", d.At, d.FullAt)
	}
	// 11 hours on, a check-in changes something; half of the validity is over after 12 hours all the same.
	w.lie(t, "mirror.fi")
	w.checkInLater(t, 37*time.Hour, "mirror.fi")
	if d := w.good(t, "--checkins"); !d.Published || !d.Expires.Equal(full.Expires.Time) {
		t.Errorf("%+v", d)
	}
	if d := w.good(t); d.Published {
		t.Errorf("a full run right after it: %+v", d)
	}
	w.later(38*time.Hour + 10*time.Minute)
	if d := w.good(t); !d.Published || d.Why != "half of the validity is over" {
		t.Errorf("%+v", d)
	}
	if d := w.good(t); d.Published {
		t.Errorf("and once more: %+v", d)
	}
}

// A tarpit with many trees: a run for check-ins leaves it when its budget is used up, which the connections show; a full run
// goes on for three timeouts.
func TestCheckinsTarpitBudget(t *testing.T) {
	t.Parallel()
	trees := map[string]config.Tree{}
	tarpit := inventory.Server{ID: "tarpit", Kind: manifest.KindMirror, Country: "FI", Trees: map[string]rsyncurl.URL{}}
	f, err := lab.StartFake(t.Context(), lab.FakeChatter)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	for i := range 6 {
		name := fmt.Sprintf("tree%d", i)
		trees[name] = config.Tree{TimeFile: "TIME"}
		if tarpit.Trees[name], err = rsyncurl.Parse(f.URL(name)); err != nil {
			t.Fatal(err)
		}
	}
	cfg := &config.Publisher{Network: "centos", Trees: trees, Servers: []inventory.Server{tarpit}, Probe: config.Probe{Timeout: 250 * time.Millisecond, Concurrency: 4, AllowPrivate: true}}
	p := &publisher{Call: &console.Call{Program: &console.Program{Env: console.Env{Now: time.Now}}}, cfg: cfg, state: &state{dir: t.TempDir()}}
	for _, tt := range []struct {
		asked       []string
		least, most int // connections
	}{{[]string{"tarpit"}, 1, 2}, {nil, 3, 4}} {
		before := f.Asked()
		r := quorum.Readings{Asked: tt.asked}
		if err := p.askServers(context.Background(), &r, quorum.NewMemory(), quorum.Claims{}, false); err != nil {
			t.Fatal(err)
		}
		if n := f.Asked() - before; n < tt.least || n > tt.most || len(r.Servers) != 6 {
			t.Errorf("asked %v: %d connections, expected %d to %d; %d readings", tt.asked, n, tt.least, tt.most, len(r.Servers))
		}
		for _, reading := range r.Servers {
			if reading.Failure == nil || reading.Failure.Kind != quorum.FailUnreachable {
				t.Errorf("asked %v: %+v", tt.asked, reading)
			}
		}
	}
}

func TestCheckinBudget(t *testing.T) {
	for timeout, want := range map[time.Duration]time.Duration{0: 15 * time.Second, 30 * time.Second: 15 * time.Second, 5 * time.Second: 10 * time.Second, 10 * time.Minute: 15 * time.Second} {
		if got := checkinBudget(timeout); got != want {
			t.Errorf("timeout %v: %v, want %v", timeout, got, want)
		}
	}
}
