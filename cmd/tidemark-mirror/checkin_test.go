package main

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"tidemark/checkin"
	"tidemark/internal/rsyncurl"
	"tidemark/inventory"
	"tidemark/keys"
)

// desk is a network's receiver of check-ins, the real one behind a real TLS server.
type desk struct {
	*httptest.Server
	receiver *checkin.Receiver
	senders  *checkin.Senders

	mu     sync.Mutex
	down   bool
	asked  int
	agents map[string]bool
	kept   []checkin.Message
	held   chan struct{} // when not nil: told of each request, which is then not answered
}

// newDesk starts one that knows the mirror, and configures the mirror for it.
func (s *scene) newDesk() *desk {
	s.Helper()
	secret, public, err := keys.GenerateMinisign(nil)
	s.must(err)
	s.must(os.WriteFile(s.path("mirror.key"), secret, 0o600))
	key, err := keys.ParseMinisignFile(public)
	s.must(err)
	u, err := rsyncurl.Parse("rsync://" + mirrorID + "/centos/")
	s.must(err)
	d := &desk{agents: map[string]bool{}}
	d.senders, err = checkin.NewSenders("centos", []inventory.Server{{ID: mirrorID, Kind: inventory.KindMirror, Key: key.String(), Trees: map[string]rsyncurl.URL{"centos": u}}})
	s.must(err)
	d.receiver = checkin.NewReceiver(checkin.ReceiverOptions{Senders: d.senders, Now: time.Now, PerMirror: time.Millisecond, Keep: d.keep})
	d.Server = httptest.NewTLSServer(http.HandlerFunc(d.serve))
	s.Cleanup(d.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: d.Certificate().Raw})
	s.must(os.WriteFile(s.path("ca.pem"), ca, 0o644))
	s.lines = append(s.lines, "ca: "+s.path("ca.pem"), fmt.Sprintf("checkin: {url: %q, key: mirror.key}", d.URL+"/checkin"))
	return d
}

func (d *desk) keep(_ string, body []byte) error {
	m, err := d.senders.Open(body, time.Now())
	if err == nil {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.kept = append(d.kept, *m)
	}
	return err
}

func (d *desk) serve(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	d.asked++
	d.agents[r.UserAgent()] = true
	down, held := d.down, d.held
	d.mu.Unlock()
	switch {
	case down:
		panic(http.ErrAbortHandler)
	case held != nil:
		io.Copy(io.Discard, r.Body) // a server looks for the client's end only after that
		held <- struct{}{}
		select {
		case <-r.Context().Done():
		case <-time.After(time.Minute):
		}
	default:
		d.receiver.ServeHTTP(w, r)
	}
}

func (d *desk) set(down bool, held chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.down, d.held = down, held
}

// since gives the requests and the check-ins accepted since it was called last.
func (d *desk) since() (asked int, kept []checkin.Message) {
	d.mu.Lock()
	defer d.mu.Unlock()
	asked, kept = d.asked, d.kept
	d.asked, d.kept = 0, nil
	return asked, kept
}

// A run that has synced something checks in, once; a run without news does not. Killed while it checks in, it leaves it to the
// next run, and no check-in is lost.
func TestCheckin_AfterASync(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	d := s.newDesk()
	s.good()
	s.announce(nil)
	held := make(chan struct{}, 10)
	d.set(false, held)
	c := s.command("run", "--now")
	s.must(c.Start())
	select {
	case <-held:
	case <-time.After(time.Minute):
		t.Fatal("no check-in")
	}
	s.must(c.Process.Signal(unix.SIGKILL))
	c.Wait()
	s.holds(s.t1)
	d.set(false, nil)
	d.since()
	stdout, _, _ := s.run("run", "--now", "--json")
	followsRunSchema(t, stdout)
	var ran runDocument
	s.must(json.Unmarshal([]byte(stdout), &ran))
	if ran.Exit != 0 || ran.Checkin == nil || !ran.Checkin.Accepted || !cmp.Equal(ran.Checkin.Trees, []string{"centos"}) {
		t.Errorf("found %+v", ran)
	}
	asked, kept := d.since()
	if asked != 1 || len(kept) != 1 || kept[0].Mirror != mirrorID || !cmp.Equal(kept[0].Trees, map[string]int64{"centos": s.t1}) {
		t.Errorf("%d requests, accepted %+v", asked, kept)
	}
	if !cmp.Equal(d.agents, map[string]bool{"tidemark-mirror/" + version: true}) {
		t.Errorf("asked as %v", d.agents)
	}
	s.silent(0, "run")
	if asked, _ := d.since(); asked != 0 {
		t.Errorf("%d check-ins about nothing", asked)
	}
	s.says(s.expect(0, "status"), "  check-in  accepted at ", "  key       RW")
	s.says(s.expect(0, "sync", "-v"), "checked in at "+d.URL)
	if _, kept := d.since(); len(kept) != 1 {
		t.Errorf("after a sync by hand: %+v", kept)
	}
}

// A receiver that is down fails no sync: the check-in is owed, and sent by the next run that finds it up, however quiet. Cron
// hears of it when it lasts.
func TestCheckin_ReceiverDown(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	d := s.newDesk()
	d.set(true, nil)
	s.good()
	s.announce(nil)
	s.silent(0, "run", "-q")
	if asked, _ := d.since(); asked != 3 {
		t.Errorf("tried %d times, expected 3", asked)
	}
	s.holds(s.t1)
	s.silent(0, "run")
	if asked, _ := d.since(); asked != 1 {
		t.Errorf("a later run tried %d times, expected once", asked)
	}
	s.says(s.expect(0, "run", "--dry-run"), "in date")
	if asked, _ := d.since(); asked != 0 {
		t.Error("a dry run has checked in")
	}
	s.says(s.expect(0, "status"), "  check-in  owed since ")
	stdout, _, _ := s.run("status", "--json")
	followsSchema(t, stdout)
	s.says(s.expect(0, "run", "-v"), "warning: the check-in was not accepted, the next runs send it again: check in: ")
	stdout, _, exit := s.run("run", "--json")
	followsRunSchema(t, stdout)
	s.says(stdout, `"accepted": false`, `"owed_since": "`)
	if exit != 0 {
		t.Errorf("exit code %d", exit)
	}
	s.at("5h").silent(0, "run")
	s.says(s.at("6h1m").expect(0, "run", "-q"), "warning: since ", "the check-in was not accepted")
	s.at("7h").silent(0, "run", "-q")
	s.env = nil
	d.since()
	d.set(false, nil)
	s.silent(0, "run")
	if _, kept := d.since(); len(kept) != 1 {
		t.Errorf("accepted %+v", kept)
	}
	s.silent(0, "run")
	if asked, _ := d.since(); asked != 0 {
		t.Error("it was sent again")
	}
}

// A receiver that does not know the key is a matter for people: told once a day with what to do, and left in peace for an hour.
func TestCheckin_Refused(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	d := s.newDesk()
	none, err := checkin.NewSenders("centos", nil)
	s.must(err)
	d.receiver.SetSenders(none)
	s.good()
	s.announce(nil)
	out := s.expect(0, "run", "-q")
	s.says(out, "warning: the check-in was not accepted", "403 Forbidden: not accepted: the sender is unknown", "public key: tidemark-mirror status")
	s.silent(0, "run")
	if asked, _ := d.since(); asked != 1 {
		t.Errorf("asked %d times, expected once", asked)
	}
	s.at("61m").silent(0, "run")
	if asked, _ := d.since(); asked != 1 {
		t.Errorf("an hour later asked %d times, expected once", asked)
	}
	s.says(s.at("25h").expect(4, "run", "-q"), "the check-in was not accepted")
	s.env = nil
	s.says(s.expect(4, "checkin"), "error: check-in not accepted: 403", "hint: look at this machine's clock (timedatectl), then tell")
	d.since()

	d.receiver.SetSenders(d.senders)
	want := fmt.Sprintf("centos     holds %d (%s)\naccepted by %s/checkin: the network looks at this mirror soon\n", s.t1, time.Unix(s.t1, 0).UTC().Format("2006-01-02 15:04:05 UTC"), d.URL)
	if diff := cmp.Diff(want, s.expect(0, "checkin")); diff != "" {
		t.Error(diff)
	}
	d.since()
	s.silent(0, "run")
	if asked, _ := d.since(); asked != 0 {
		t.Error("what was told by hand was told again")
	}
}

// By hand: what is said, and what stands in the way.
func TestCheckin_ByHand(t *testing.T) {
	t.Parallel()
	p := newPaperWithout(t)
	s := p.scene
	s.says(p.expect(2, "checkin"), "mirror.yaml names no receiver of check-ins", "hint: ask the network's operators")
	d := s.newDesk()
	var m checkin.Message
	out := p.expect(0, "checkin", "--dry-run")
	s.must(json.Unmarshal([]byte(out), &m))
	if m.Schema != checkin.Schema || m.Mirror != mirrorID || !cmp.Equal(m.Trees, map[string]int64{"centos": s.t0}) || len(m.Nonce) != 32 {
		t.Errorf("found %+v", m)
	}
	if asked, _ := d.since(); asked != 0 {
		t.Error("a dry run was sent")
	}
	var doc checkinDocument
	p.document(0, &doc, "checkin")
	if !doc.Accepted || doc.Exit != 0 || !strings.HasPrefix(doc.Key, "RW") || doc.Trees["centos"] != s.t0 {
		t.Errorf("found %+v", doc)
	}
	p.document(0, &doc, "checkin", "--dry-run")
	if doc.Accepted || !doc.DryRun {
		t.Errorf("found %+v", doc)
	}

	_, said, exit := p.inProcess(time.Now().Add(10*time.Minute), "checkin")
	if exit != 4 || !strings.Contains(said, "set the clock") {
		t.Errorf("exit code %d\n%s", exit, said)
	}
	s.must(os.WriteFile(filepath.Join(s.mirror(), "TIME"), []byte("rubbish\n"), 0o644))
	s.says(p.expect(1, "checkin"), "nothing to check in: no tree here has a usable time file")
	p.hold(s.t0)
	d.Close()
	s.says(p.expect(1, "checkin"), "error: check in: ")
	s.must(os.Remove(s.path("mirror.key")))
	s.says(p.expect(1, "checkin"), "this mirror's own key", "mirror.key")
}
