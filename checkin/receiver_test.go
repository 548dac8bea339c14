package checkin

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tidemark/inventory"
)

// desk is a receiver with a clock that tests set, and what it kept.
type desk struct {
	*Receiver
	now time.Time

	mu   sync.Mutex
	kept []string // mirrors, as they were written
	fail error    // of the spool
}

func newDesk(t testing.TB, s *Senders, change ...func(*ReceiverOptions)) *desk {
	t.Helper()
	d := &desk{now: noon}
	o := ReceiverOptions{Senders: s, Now: func() time.Time { return d.now }, Keep: d.keep}
	for _, c := range change {
		c(&o)
	}
	d.Receiver = NewReceiver(o)
	return d
}

func (d *desk) keep(mirror string, body []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fail != nil {
		return d.fail
	}
	d.kept = append(d.kept, mirror)
	return nil
}

func (d *desk) post(body []byte) *http.Response {
	w := httptest.NewRecorder()
	d.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/any/path", bytes.NewReader(body)))
	return w.Result()
}

func words(t testing.TB, res *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

func (d *desk) want(t testing.TB, body []byte, status int, part string) *http.Response {
	t.Helper()
	res := d.post(body)
	if got := words(t, res); res.StatusCode != status || !strings.Contains(got, part) {
		t.Errorf("%d %q, expected %d and %q", res.StatusCode, got, status, part)
	}
	return res
}

func (d *desk) wantKept(t testing.TB, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, d.kept); diff != "" {
		t.Errorf("kept: %s", diff)
	}
}

func TestReceiver_Accepts(t *testing.T) {
	a := newMirror(t, "a")
	d := newDesk(t, senders(t, a.server(t, "centos")))
	body := a.seal(t, a.message(noon))
	res := d.want(t, body, http.StatusAccepted, "accepted")
	if got := res.Header.Get("Content-Type"); got != "text/plain; charset=utf-8" {
		t.Error(got)
	}
	d.now = noon.Add(time.Minute)
	d.want(t, body, http.StatusAccepted, "accepted") // its sender had lost the answer
	again := bytes.Replace(body, []byte("untrusted comment: "), []byte("untrusted comment: x"), 1)
	d.want(t, again, http.StatusAccepted, "accepted") // nobody signed that part
	d.wantKept(t, "a")
	d.want(t, a.seal(t, a.message(d.now)), http.StatusAccepted, "")
	d.want(t, body, http.StatusAccepted, "") // still known
	d.wantKept(t, "a", "a")
	if diff := cmp.Diff(Stats{Accepted: 2, Repeated: 3, Refused: map[Reason]int64{}}, d.Stats()); diff != "" {
		t.Error(diff)
	}
}

func TestReceiver_Method(t *testing.T) {
	d := newDesk(t, senders(t))
	for _, method := range []string{"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", "X"} {
		w := httptest.NewRecorder()
		d.ServeHTTP(w, httptest.NewRequest(method, "/", nil))
		if w.Code != http.StatusMethodNotAllowed || w.Result().Header.Get("Allow") != "POST" {
			t.Errorf("%s: %d, Allow %q", method, w.Code, w.Result().Header.Get("Allow"))
		}
	}
	if got := d.Stats().Refused[WrongMethod]; got != 7 {
		t.Errorf("%d counted, expected 7", got)
	}
}

func TestReceiver_Refuses(t *testing.T) {
	a, b := newMirror(t, "a"), newMirror(t, "b")
	d := newDesk(t, senders(t, a.server(t, "centos")))
	other := a.message(noon)
	other.Network = "fedora"
	vault := a.message(noon)
	vault.Trees = map[string]int64{"vault": 1}
	d.want(t, make([]byte, MaxBody), http.StatusBadRequest, "not an envelope")
	d.want(t, make([]byte, MaxBody+1), http.StatusRequestEntityTooLarge, "at most 4096 bytes")
	d.want(t, []byte("{\x1b[2J"), http.StatusBadRequest, "not accepted")
	d.want(t, a.seal(t, other), http.StatusForbidden, "network fedora, expected centos")
	d.want(t, a.seal(t, vault), http.StatusForbidden, "the inventory gives a no tree vault")
	posing := b
	posing.id = "a"
	unknown, wrong := d.post(b.seal(t, b.message(noon))), d.post(posing.seal(t, posing.message(noon)))
	if u, w := words(t, unknown), words(t, wrong); unknown.StatusCode != http.StatusForbidden || wrong.StatusCode != unknown.StatusCode || u != w {
		t.Errorf("an unknown sender: %d %q, a wrong signature: %d %q, expected no difference", unknown.StatusCode, u, wrong.StatusCode, w)
	}
	if diff := cmp.Diff(unknown.Header, wrong.Header); diff != "" {
		t.Error(diff)
	}
	d.wantKept(t)
	want := map[Reason]int64{Malformed: 2, TooLarge: 1, WrongNetwork: 1, WrongTrees: 1, UnknownSender: 1, BadSignature: 1}
	if diff := cmp.Diff(want, d.Stats().Refused); diff != "" {
		t.Error(diff)
	}
}

func TestReceiver_Clock(t *testing.T) {
	a, b := newMirror(t, "a"), newMirror(t, "b")
	d := newDesk(t, senders(t, a.server(t, "centos")))
	for off, status := range map[time.Duration]int{
		-Window - time.Second: http.StatusForbidden,
		Window + time.Second:  http.StatusForbidden,
		-Window:               http.StatusAccepted,
	} {
		d.want(t, a.seal(t, a.message(noon.Add(off))), status, "")
	}
	d.want(t, a.seal(t, a.message(noon.Add(Window))), http.StatusAccepted, "")
	d.want(t, a.seal(t, a.message(noon.Add(-time.Hour))), http.StatusForbidden,
		"sent at 2026-11-22 11:00:00 UTC, and here it is 2026-11-22 12:00:00 UTC: more than 5m0s apart, set the clock")
	posing := b
	posing.id = "a"
	for _, m := range []mirror{b, posing} { // whoever is nobody learns nothing
		if res := d.post(m.seal(t, m.message(noon.Add(time.Hour)))); strings.Contains(words(t, res), "UTC") {
			t.Error("the clock was told before the signature was verified")
		}
	}
}

func TestReceiver_Replay(t *testing.T) {
	a := newMirror(t, "a")
	d := newDesk(t, senders(t, a.server(t, "centos")))
	old, fresh := a.seal(t, a.message(noon.Add(-time.Minute))), a.seal(t, a.message(noon))
	d.want(t, fresh, http.StatusAccepted, "")
	res := d.want(t, old, http.StatusTooManyRequests, "the last one accepted was sent at 2026-11-22 12:00:00 UTC: a new one is heard later")
	if got := res.Header.Get("Retry-After"); got != "60" {
		t.Errorf("Retry-After %q, expected 60", got)
	}
	d.now = noon.Add(Window + time.Second)
	d.want(t, fresh, http.StatusForbidden, "set the clock")
	d.wantKept(t, "a")
}

// A mirror whose clock was set back is refused for as long as its clock is behind, and not for ever; what was recorded of it
// on the wire stays refused.
func TestReceiver_ClockSetBack(t *testing.T) {
	a := newMirror(t, "a")
	d := newDesk(t, senders(t, a.server(t, "centos")))
	lost := a.seal(t, a.message(noon.Add(3*time.Minute))) // was never heard here, but recorded
	d.want(t, a.seal(t, a.message(noon.Add(4*time.Minute))), http.StatusAccepted, "")
	if got := d.want(t, a.seal(t, a.message(noon)), http.StatusTooManyRequests, "").Header.Get("Retry-After"); got != "240" {
		t.Errorf("Retry-After %q, expected 240", got)
	}
	d.now = noon.Add(4 * time.Minute)
	d.want(t, lost, http.StatusTooManyRequests, "")
	d.want(t, a.seal(t, a.message(d.now)), http.StatusAccepted, "")
	d.want(t, lost, http.StatusTooManyRequests, "")
	d.wantKept(t, "a", "a")
}

// A message is known again, and counts, only once it is in the spool.
func TestReceiver_SpoolFails(t *testing.T) {
	a := newMirror(t, "a")
	var log bytes.Buffer
	d := newDesk(t, senders(t, a.server(t, "centos")), func(o *ReceiverOptions) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	d.fail = errors.New("no space left on device")
	body := a.seal(t, a.message(noon))
	for range 2 * burst {
		if res := d.want(t, body, http.StatusServiceUnavailable, "try again later"); res.Header.Get("Retry-After") != "10" {
			t.Errorf("Retry-After %q", res.Header.Get("Retry-After"))
		}
	}
	if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), "no space left") {
		t.Errorf("%d lines of log, expected one a minute:\n%s", n, &log)
	}
	d.fail = nil
	d.want(t, body, http.StatusAccepted, "")
	d.wantKept(t, "a")
}

func TestReceiver_LimitOfOne(t *testing.T) {
	a, b := newMirror(t, "a"), newMirror(t, "b")
	d := newDesk(t, senders(t, a.server(t, "centos"), b.server(t, "centos")), func(o *ReceiverOptions) { o.PerMirror = time.Minute })
	for range burst {
		d.want(t, a.seal(t, a.message(d.now)), http.StatusAccepted, "")
	}
	if res := d.want(t, a.seal(t, a.message(d.now)), http.StatusTooManyRequests, "too often"); res.Header.Get("Retry-After") != "60" {
		t.Errorf("Retry-After %q, expected 60", res.Header.Get("Retry-After"))
	}
	d.want(t, b.seal(t, b.message(d.now)), http.StatusAccepted, "")
	d.now = d.now.Add(time.Minute)
	d.want(t, a.seal(t, a.message(d.now)), http.StatusAccepted, "")
	d.want(t, a.seal(t, a.message(d.now)), http.StatusTooManyRequests, "")
	d.wantKept(t, "a", "a", "a", "b", "a")
}

func TestReceiver_LimitOfAll(t *testing.T) {
	var all []mirror
	s := []mirror{newMirror(t, "a"), newMirror(t, "b"), newMirror(t, "c")}
	all = append(all, s...)
	d := newDesk(t, senders(t, s[0].server(t, "centos"), s[1].server(t, "centos"), s[2].server(t, "centos")), func(o *ReceiverOptions) { o.PerSecond = 2 })
	d.want(t, all[0].seal(t, all[0].message(d.now)), http.StatusAccepted, "")
	d.want(t, all[1].seal(t, all[1].message(d.now)), http.StatusAccepted, "")
	for range 2 * burst { // refused for others' sake: that costs it nothing of its own
		if res := d.want(t, all[2].seal(t, all[2].message(d.now)), http.StatusTooManyRequests, "too many mirrors"); res.Header.Get("Retry-After") != "1" {
			t.Errorf("Retry-After %q, expected 1", res.Header.Get("Retry-After"))
		}
	}
	d.now = d.now.Add(time.Second)
	d.want(t, all[2].seal(t, all[2].message(d.now)), http.StatusAccepted, "")
}

// Who is refused is named: by its signature, or as claimed when the inventory has that name, and then a few at most.
func TestReceiver_Refusals(t *testing.T) {
	a, b, keyless := newMirror(t, "a"), newMirror(t, "b"), newMirror(t, "keyless")
	servers := []inventory.Server{a.server(t, "centos"), b.server(t, "centos"), {ID: "keyless"}}
	for i := range 2 * mostClaimed {
		servers = append(servers, newMirror(t, fmt.Sprint("m", i)).server(t, "centos"))
	}
	d := newDesk(t, senders(t, servers...))
	post := func(m mirror, msg Message) { d.post(m.seal(t, msg)) }
	post(b, b.message(noon.Add(time.Hour)))
	post(a, a.message(noon.Add(time.Hour)))
	post(a, a.message(noon.Add(time.Hour)))
	post(keyless, keyless.message(noon))
	stranger := newMirror(t, "x")
	post(stranger, stranger.message(noon))
	posing := stranger
	for i := range 2 * mostClaimed {
		posing.id = fmt.Sprint("m", i)
		post(posing, posing.message(noon))
	}
	want := map[Reason]Refusals{
		WrongClock:    {Count: 3, Mirrors: []string{"a", "b"}},
		UnknownSender: {Count: 2, Claimed: []string{"keyless"}},
		BadSignature:  {Count: 6, Claimed: []string{"m0", "m1", "m2"}},
	}
	if diff := cmp.Diff(want, d.Refusals()); diff != "" {
		t.Error(diff)
	}
	if again := d.Refusals(); len(again) > 0 {
		t.Errorf("once more: %v", again)
	}
}

// Bogus messages use up nothing: not the limits, not the memory, not the log.
func TestReceiver_BogusCostsNothing(t *testing.T) {
	t.Parallel()
	a, stranger := newMirror(t, "a"), newMirror(t, "a")
	var log bytes.Buffer
	d := newDesk(t, senders(t, a.server(t, "centos")), func(o *ReceiverOptions) {
		o.PerSecond = 1
		o.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	for i := range 500 {
		m := stranger
		if i%2 == 0 {
			m.id = fmt.Sprint("x", i)
		}
		d.want(t, m.seal(t, m.message(noon)), http.StatusForbidden, "")
	}
	if log.Len() > 0 || len(d.mirrors) > 0 {
		t.Errorf("%d records, and a log:\n%s", len(d.mirrors), &log)
	}
	d.want(t, a.seal(t, a.message(noon)), http.StatusAccepted, "")
}

func TestReceiver_SetSenders(t *testing.T) {
	a, b := newMirror(t, "a"), newMirror(t, "b")
	d := newDesk(t, senders(t, a.server(t, "centos")))
	d.want(t, a.seal(t, a.message(noon)), http.StatusAccepted, "")
	d.want(t, b.seal(t, b.message(noon)), http.StatusForbidden, "")
	d.SetSenders(senders(t, b.server(t, "centos")))
	d.want(t, a.seal(t, a.message(noon)), http.StatusForbidden, "")
	d.want(t, b.seal(t, b.message(noon)), http.StatusAccepted, "")
	if len(d.mirrors) != 1 {
		t.Errorf("%d records, expected the one of b", len(d.mirrors))
	}
}

// The memory of a mirror is bounded, and what falls out of it is refused as old.
func TestReceiver_RememberedIsBounded(t *testing.T) {
	a := newMirror(t, "a")
	d := newDesk(t, senders(t, a.server(t, "centos")), func(o *ReceiverOptions) { o.PerMirror = time.Second })
	var bodies [][]byte
	for range 3 * remembered {
		d.now = d.now.Add(time.Second)
		bodies = append(bodies, a.seal(t, a.message(d.now)))
		d.want(t, bodies[len(bodies)-1], http.StatusAccepted, "")
	}
	if n := len(d.mirrors["a"].recent); n != remembered {
		t.Errorf("%d remembered, expected %d", n, remembered)
	}
	d.want(t, bodies[0], http.StatusTooManyRequests, "the last one accepted")
	d.want(t, bodies[len(bodies)-1], http.StatusAccepted, "")
	d.now = d.now.Add(2 * Window)
	d.want(t, a.seal(t, a.message(d.now)), http.StatusAccepted, "")
	if n := len(d.mirrors["a"].recent); n != 1 {
		t.Errorf("%d remembered, expected the last one", n)
	}
}

// One message that is sent many times at once is written once; a spool that hangs holds one request of a mirror, not all.
func TestReceiver_AtOnce(t *testing.T) {
	a := newMirror(t, "a")
	writing, release := make(chan bool), make(chan bool)
	d := newDesk(t, senders(t, a.server(t, "centos")), func(o *ReceiverOptions) {
		o.Keep = func(string, []byte) error {
			writing <- true
			<-release
			return nil
		}
	})
	body := a.seal(t, a.message(noon))
	first := make(chan int)
	go func() { first <- d.post(body).StatusCode }()
	<-writing
	for range 20 {
		if res := d.want(t, body, http.StatusServiceUnavailable, ""); res.Header.Get("Retry-After") != "1" {
			t.Errorf("Retry-After %q", res.Header.Get("Retry-After"))
		}
	}
	close(release)
	if got := <-first; got != http.StatusAccepted {
		t.Errorf("the first: %d", got)
	}
	d.want(t, body, http.StatusAccepted, "")
	if s := d.Stats(); s.Accepted != 1 || s.Repeated != 1 || s.Refused[Busy] != 20 {
		t.Errorf("%+v", s)
	}
}

// A disk that hangs holds a bounded number of requests, of however many mirrors.
func TestReceiver_DiskHangs(t *testing.T) {
	var list []mirror
	servers := senders(t)
	for i := range 4 {
		m := newMirror(t, fmt.Sprint("m", i))
		list = append(list, m)
		servers.mirrors[m.id] = senders(t, m.server(t, "centos")).mirrors[m.id]
	}
	writing, release := make(chan bool), make(chan bool)
	d := newDesk(t, servers, func(o *ReceiverOptions) {
		o.Writes = 2
		o.Keep = func(string, []byte) error {
			writing <- true
			<-release
			return nil
		}
	})
	held := make(chan int)
	for _, m := range list[:2] {
		body := m.seal(t, m.message(noon))
		go func() { held <- d.post(body).StatusCode }()
		<-writing
	}
	late := list[2].seal(t, list[2].message(noon))
	answer := make(chan *http.Response)
	go func() { answer <- d.post(late) }()
	select {
	case res := <-answer:
		if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") != "10" {
			t.Errorf("%s, Retry-After %q", res.Status, res.Header.Get("Retry-After"))
		}
	case <-writing:
		t.Fatal("a third one is written")
	}
	close(release)
	for range 2 {
		if got := <-held; got != http.StatusAccepted {
			t.Errorf("one that was being written: %d", got)
		}
	}
	go func() { <-writing }()
	d.want(t, late, http.StatusAccepted, "")
}

// No more bodies are checked at once than there are places.
func TestReceiver_Places(t *testing.T) {
	t.Parallel()
	a := newMirror(t, "a")
	d := newDesk(t, senders(t, a.server(t, "centos")), func(o *ReceiverOptions) { o.Checks = 1 })
	d.checks <- struct{}{} // somebody holds it
	if res := d.want(t, a.seal(t, a.message(noon)), http.StatusServiceUnavailable, ""); res.Header.Get("Retry-After") != "10" {
		t.Errorf("Retry-After %q", res.Header.Get("Retry-After"))
	}
	<-d.checks
	d.want(t, a.seal(t, a.message(noon)), http.StatusAccepted, "")
	if len(d.checks) != 0 {
		t.Error("the place was not given back")
	}
}
