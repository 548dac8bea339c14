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
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"tidemark/checkin"
	"tidemark/internal/rsyncurl"
	"tidemark/internal/strictjson"
	"tidemark/inventory"
	"tidemark/keys"
	"tidemark/treesync"
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

// synced leaves what a sync that was proven does, and nobody was told of: by a version without check-ins, for instance.
func (p *paper) synced() {
	p.Helper()
	p.mkdir("state/trees")
	p.must((&memory{dir: p.path("state")}).saveTree("centos", treesync.Memory{Synced: strictjson.At(p.now.Add(-time.Hour))}))
}

// A run that has synced something checks in, once; a run without news does not. Killed while it checks in, it leaves it to the
// next run, and no check-in is lost.
func TestCheckin_AfterASync(t *testing.T) {
	t.Parallel()
	s := here(newScene(t))
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
	var ran runDocument
	s.document(0, &ran, "run", "--now")
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
	s.says(s.expect(0, "sync"), "synced to", "checked in at "+d.URL) // into a pipe, too
	s.silent(0, "sync", "-q")
	d.set(true, nil)
	s.says(s.expect(0, "sync"), "synced to", "the check-in is owed, later runs send it: ")
}

// A receiver that is down fails no run: the check-in is owed, and sent by the next run that finds it up, however quiet. Cron
// hears of it when it lasts.
func TestCheckin_ReceiverDown(t *testing.T) {
	t.Parallel()
	s := newPaperWithout(t)
	d := s.newDesk()
	s.synced()
	d.set(true, nil)
	s.silent(0, "run", "-q")
	if asked, _ := d.since(); asked != 3 {
		t.Errorf("tried %d times, expected 3", asked)
	}
	s.silent(0, "run")
	if asked, _ := d.since(); asked != 1 {
		t.Errorf("a later run tried %d times, expected once", asked)
	}
	s.says(s.expect(0, "run", "--dry-run"), "in date")
	if asked, _ := d.since(); asked != 0 {
		t.Error("a dry run has checked in")
	}
	s.says(s.expect(0, "status"), "  check-in  owed since ")
	var status statusDocument
	s.document(0, &status, "status")
	s.says(s.expect(0, "run", "-v"), "warning: the check-in is owed, later runs send it: check in: ", "checkin: in "+s.config+" names the receiver")
	var ran runDocument
	s.document(0, &ran, "run")
	if c := ran.Checkin; c == nil || c.Accepted || c.OwedSince.IsZero() {
		t.Errorf("found %+v", ran.Checkin)
	}
	s.ahead = 5 * time.Hour
	s.silent(0, "run")
	s.ahead = 6*time.Hour + time.Minute
	s.says(s.expect(0, "run", "-q"), "warning: since ", "the check-in is owed")
	s.ahead = 7 * time.Hour
	s.silent(0, "run", "-q")
	s.ahead = 0
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
	s := newPaperWithout(t)
	d := s.newDesk()
	s.synced()
	none, err := checkin.NewSenders("centos", nil)
	s.must(err)
	d.receiver.SetSenders(none)
	out := s.expect(0, "run", "-q")
	s.says(out, "warning: the receiver refused the check-in: 403 Forbidden: the sender is unknown", "(sent again after the next sync, or in an hour): the network's inventory does not have "+mirrorID, "- {id: "+mirrorID+", country: FI, trees: {centos: rsync://HOST/MODULE/}, key: RW")
	if strings.Contains(out, "next runs") || strings.Contains(out, "later runs") || strings.Contains(out, "clock") {
		t.Errorf("more than what is known of the refusal:\n%s", out)
	}
	s.says(s.expect(0, "status"), "the receiver refused the check-in: 403", "another key for it")
	s.silent(0, "run")
	if asked, _ := d.since(); asked != 1 {
		t.Errorf("asked %d times, expected once", asked)
	}
	s.ahead = 61 * time.Minute
	s.silent(0, "run")
	if asked, _ := d.since(); asked != 1 {
		t.Errorf("an hour later asked %d times, expected once", asked)
	}
	s.ahead = 25 * time.Hour
	s.says(s.expect(0, "run", "-q"), "the receiver refused the check-in")
	s.ahead = 0
	s.says(s.expect(4, "checkin"), "error: the receiver refused the check-in: 403", "hint: the network's inventory does not have ")
	d.since()

	d.receiver.SetSenders(d.senders)
	want := fmt.Sprintf("centos     holds %d (%s)\naccepted by %s/checkin: the network looks at this mirror soon\n", s.t0, time.Unix(s.t0, 0).UTC().Format("2006-01-02 15:04:05 UTC"), d.URL)
	if diff := cmp.Diff(want, s.expect(0, "checkin")); diff != "" {
		t.Error(diff)
	}
	d.since()
	s.silent(0, "run")
	if asked, _ := d.since(); asked != 0 {
		t.Error("what was told by hand was told again")
	}
}

// A receiver whose certificate is of an authority of its own: what to do is said, and status says it, too.
func TestCheckin_ForeignCertificate(t *testing.T) {
	t.Parallel()
	s := newPaperWithout(t)
	s.newDesk()
	s.lines = slices.DeleteFunc(s.lines, func(line string) bool { return strings.HasPrefix(line, "ca: ") })
	s.synced()
	hint := "ca: FILE in " + s.config + " if the receiver has an authority of its own"
	s.says(s.expect(0, "run", "-v"), "the check-in is owed, later runs send it: ", hint)
	s.says(s.expect(0, "status"), "owed since ", hint)
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
	if exit != 4 || !strings.Contains(said, "set the clock") || !strings.Contains(said, "hint: timedatectl") || strings.Contains(said, "inventory") {
		t.Errorf("exit code %d\n%s", exit, said)
	}
	s.must(os.WriteFile(filepath.Join(s.mirror(), "TIME"), []byte("rubbish\n"), 0o644))
	s.says(p.expect(1, "checkin"), "nothing to check in: no tree here has a usable time file")
	p.hold(s.t0)
	d.Close()
	out = p.expect(1, "checkin")
	s.says(out, "error: check in: ", "hint: is it down, or a proxy between? else checkin: in "+s.config+" names the receiver")
	if strings.Contains(out, "url: in") || strings.Contains(out, "curl") {
		t.Errorf("a hint about the site:\n%s", out)
	}
	s.must(os.Remove(s.path("mirror.key")))
	s.says(p.expect(2, "checkin"), "this mirror's own key", "mirror.key", "hint: make one, as the user that runs the mirror: minisign -G -W -s "+s.path("mirror.key")+" -p "+s.path("mirror.pub"))
	s.says(p.expect(0, "check"), "warning: checkin: there is no key", "minisign -G -W")
	p.synced()
	s.says(p.expect(0, "run", "-q"), "warning: the check-in is owed", "minisign -G -W")
	p.silent(0, "run", "-q")
}
