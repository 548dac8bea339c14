package main

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tidemark/checkin"
	"tidemark/internal/lab"
	"tidemark/internal/rsyncurl"
	"tidemark/internal/scripttest"
	"tidemark/internal/strictjson"
	"tidemark/keys"
	"tidemark/manifest"
	"tidemark/quorum"
	"tidemark/sign"
)

// checkinWorld is a network whose mirrors check in: two nodes, and mirrors of which all but mirror.us have a key.
type checkinWorld struct {
	*killWorld
	spool   string
	signers map[string]sign.Signer
}

var checkinMirrors = []string{"mirror.de", "mirror.fi", "mirror.fr", "mirror.se"}

// newCheckinWorld has published nothing yet; all servers have the master's first timestamp.
func newCheckinWorld(t *testing.T) *checkinWorld {
	t.Helper()
	program, err := exec.LookPath("tidemark") // this program: see TestMain
	if err != nil {
		t.Fatal(err)
	}
	k := &killWorld{dir: t.TempDir(), moved: labStart(), program: program}
	k.site = filepath.Join(k.dir, "net", "site")
	w := &checkinWorld{killWorld: k, spool: filepath.Join(k.dir, "net", "spool"), signers: map[string]sign.Signer{}}
	servers := []lab.Server{{ID: "eu-msync-1", Kind: manifest.KindNode, Country: "DE"}, {ID: "eu-msync-2", Kind: manifest.KindNode, Country: "GB"},
		{ID: "mirror.us", Kind: manifest.KindMirror, Country: "US"}}
	for _, id := range checkinMirrors {
		secret, _, err := keys.GenerateMinisign(nil)
		if err == nil {
			w.signers[id], err = sign.MinisignFile(secret, nil)
		}
		if err != nil {
			t.Fatal(err)
		}
		servers = append(servers, lab.Server{ID: id, Kind: manifest.KindMirror, Country: "FI", Key: w.signers[id].Key().Public})
	}
	if w.network, err = lab.New(t.Context(), filepath.Join(w.dir, "lab"), lab.Options{Seed: 1, Start: w.moved, Trees: []string{"centos"}, Servers: servers}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.network.Close() })
	w.do(t, "init", "net", "--network", "centos")
	if err := w.network.WriteInventory(filepath.Join(w.dir, "servers.yaml")); err != nil {
		t.Fatal(err)
	}
	cfg := strings.NewReplacer("altarch: {", "#", "vault: {", "#", "{dir: site}", "{dir: net/site}", "settle: 1s", "settle: 0s").Replace(labConfig([]string{
		"checkin: {spool: net/spool, per_mirror: 1s}"}))
	if err := os.WriteFile(filepath.Join(w.dir, "tidemark.yaml"), []byte(cfg), 0o644); err != nil {
		t.Fatal(err)
	}
	return w
}

// moveOn lets the master move on with its nodes, which is published: the mirrors are behind.
func (w *checkinWorld) moveOn(t *testing.T) {
	t.Helper()
	w.moved += 60
	if err := errors.Join(w.network.Move("centos", w.moved), w.network.Sync(w.network.IDs(manifest.KindNode)...)); err != nil {
		t.Fatal(err)
	}
	w.mustRun(t)
	if got := w.sources(t); !slices.Equal(got, []string{"eu-msync-1", "eu-msync-2"}) {
		t.Fatalf("sources before anybody checked in: %v", got)
	}
}

// body is what a mirror sends; by is whose key signs.
func (w *checkinWorld) body(t *testing.T, id, by string, timestamp int64) []byte {
	t.Helper()
	n := make([]byte, 16)
	rand.Read(n)
	b, err := checkin.Seal(t.Context(), checkin.Message{Schema: checkin.Schema, Network: "centos", Mirror: id, At: strictjson.At(time.Now()),
		Nonce: hex.EncodeToString(n), Trees: map[string]int64{"centos": timestamp}}, w.signers[by])
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// put lays a body into the spool as the receiver does.
func (w *checkinWorld) put(t *testing.T, id string, body []byte) {
	t.Helper()
	s, err := checkin.OpenSpool(w.spool)
	if err == nil {
		err = s.Put(id, body)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (w *checkinWorld) checkIn(t *testing.T, ids ...string) {
	t.Helper()
	for _, id := range ids {
		w.put(t, id, w.body(t, id, id, w.moved))
	}
}

// run gives stdout, stderr and the exit code.
func (w *checkinWorld) run(t *testing.T, args ...string) (out, errs string, code int) {
	t.Helper()
	c := w.command(t, append([]string{"run", "--config", "tidemark.yaml"}, args...)...)
	var o, e bytes.Buffer
	c.Stdout, c.Stderr = &o, &e
	err := c.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return o.String(), e.String(), c.ProcessState.ExitCode()
}

// good is run, which must end well, with its document.
func (w *checkinWorld) good(t *testing.T, args ...string) runDocument {
	t.Helper()
	out, errs, code := w.run(t, append(args, "--json")...)
	var d runDocument
	if code != 0 {
		t.Fatalf("run %v: exit code %d\n%s%s", args, code, out, errs)
	}
	if err := errors.Join(json.Unmarshal([]byte(out), &d), scripttest.FollowsSchema(out)); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return d
}

func (w *checkinWorld) sources(t *testing.T) (ids []string) {
	t.Helper()
	m, err := manifest.Parse(w.read("manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range m.Sources {
		ids = append(ids, s.ID)
	}
	return ids
}

func (w *checkinWorld) status(t *testing.T) map[string]quorum.Verdict {
	t.Helper()
	out, err := w.command(t, "status", "--config", "tidemark.yaml", "--json").Output()
	var d statusDocument
	if err = errors.Join(err, json.Unmarshal(out, &d)); err != nil {
		t.Fatal(err)
	}
	verdicts := map[string]quorum.Verdict{}
	for _, v := range d.Verdicts {
		verdicts[v.Server] = v
	}
	return verdicts
}

// connections counts, by server, what the daemons' logs say of connections.
func (w *checkinWorld) connections(t *testing.T) map[string]int {
	t.Helper()
	n := map[string]int{}
	for _, s := range w.network.Servers {
		b, err := os.ReadFile(filepath.Join(w.network.Dir, "daemons", s.ID, "log"))
		if err != nil {
			t.Fatal(err)
		}
		n[s.ID] = bytes.Count(b, []byte("connect from"))
	}
	return n
}

// asked lists the servers with connections since before.
func (w *checkinWorld) asked(t *testing.T, before map[string]int) (ids []string) {
	t.Helper()
	for id, n := range w.connections(t) {
		if n > before[id] {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

func sameURL() cmp.Option {
	return cmp.Comparer(func(a, b rsyncurl.URL) bool { return a == b })
}

// left lists the files in the spool.
func (w *checkinWorld) left(t *testing.T) (files []string) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(w.spool, "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		files = append(files, strings.TrimPrefix(f, w.spool+"/"))
	}
	return files
}

// lie gives a mirror the fresh time file over altered content.
func (w *checkinWorld) lie(t *testing.T, id string) {
	t.Helper()
	s, err := w.network.Site(id)
	if err == nil {
		err = lab.Lie(filepath.Join(s.Dir, "centos"), w.moved)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestCheckins is one network's story, with the real programs.
func TestCheckins(t *testing.T) {
	t.Parallel()
	scripttest.NeedTool(t, "rsync", "flock", "strace", "cp")
	w := newCheckinWorld(t)
	t.Run("first publication", w.tellFirst)
	w.moveOn(t)
	t.Run("listed", w.tellListed)
	t.Run("junk", w.tellJunk)
	w.moveOn(t)
	t.Run("lock", w.tellLock)
	t.Run("killed", w.tellKilled)
	w.moveOn(t)
	t.Run("load", w.tellLoad)
	t.Run("master trouble", w.tellMasterTrouble)
	t.Run("unreadable", w.tellUnreadable)
}

// A full run takes the spool as well; a dry one does not. Before anything was published, the spool is the full run's.
func (w *checkinWorld) tellFirst(t *testing.T) {
	w.checkIn(t, "mirror.fi")
	for range 2 {
		if out, errs, code := w.run(t, "--checkins"); code != 0 || errs != "" || !strings.Contains(out, "nothing was published yet") {
			t.Errorf("exit code %d\n%s%s", code, out, errs)
		}
		if left := w.left(t); !slices.Equal(left, []string{"taken/mirror.fi.json"}) {
			t.Errorf("in the spool: %v", left)
		}
	}
	if d := w.good(t, "--dry-run"); d.Checkins != nil || len(w.left(t)) != 1 {
		t.Errorf("a dry run took %+v", d.Checkins)
	}
	d := w.good(t)
	if len(d.Checkins) != 1 || d.Checkins[0].Mirror != "mirror.fi" || d.Sources != 7 || w.left(t) != nil {
		t.Errorf("%+v, left %v", d, w.left(t))
	}
	for _, with := range []string{"--dry-run", "--bootstrap"} {
		if _, errs, code := w.run(t, "--checkins", with); code != 2 {
			t.Errorf("with %s: exit code %d\n%s", with, code, errs)
		}
	}
}

// One that checked in and has it stands in the manifest; one that lies does not; nobody else is asked, and what was known of
// the others is said as before.
func (w *checkinWorld) tellListed(t *testing.T) {
	before, connections := w.status(t), w.connections(t)
	if out, errs, code := w.run(t, "--checkins"); out+errs != "" || code != 0 || w.asked(t, connections) != nil {
		t.Fatalf("with nothing in the spool: exit code %d, asked %v\n%s%s", code, w.asked(t, connections), out, errs)
	}
	if err := w.network.Sync("mirror.fi", "mirror.de"); err != nil { // mirror.de has it as well, and does not say so
		t.Fatal(err)
	}
	w.lie(t, "mirror.se")
	begun := time.Now()
	w.checkIn(t, "mirror.fi", "mirror.se")
	d := w.good(t, "--checkins")
	listed := w.sources(t)
	t.Logf("from the check-in to the published manifest: %v", time.Since(begun).Round(time.Millisecond))

	if !slices.Equal(listed, []string{"eu-msync-1", "eu-msync-2", "mirror.fi"}) || !d.Published {
		t.Errorf("sources: %v, published: %v", listed, d.Published)
	}
	if got := w.asked(t, connections); !slices.Equal(got, []string{"mirror.fi", "mirror.se"}) {
		t.Errorf("asked: %v", got)
	}
	if len(d.Checkins) != 2 || d.Checkins[0].Trees[0].Verdict != quorum.Verified || !d.Checkins[0].Trees[0].Source || d.Checkins[1].Trees[0].Verdict != quorum.Wrong {
		t.Errorf("check-ins: %+v", d.Checkins)
	}
	if left := w.left(t); left != nil {
		t.Errorf("left in the spool: %v", left)
	}
	w.healed(t)
	after := w.status(t)
	for id, was := range before {
		if now := after[id]; id != "mirror.fi" && id != "mirror.se" && (now.Address == "" || !cmp.Equal(was, now, sameURL())) {
			t.Errorf("%s was not asked, and its status changed (-before +after):\n%s", id, cmp.Diff(was, now, sameURL()))
		}
	}

	w.checkIn(t, "mirror.de", "mirror.se")
	out, errs, code := w.run(t, "--checkins")
	if code != 0 || errs != "" {
		t.Errorf("exit code %d\n%s", code, errs)
	}
	for _, want := range []string{"mirror.de checked in: verified at " + fmt.Sprint(w.moved), "mirror.se checked in: wrong: its time file says", "published serial"} {
		if !strings.Contains(out, want) {
			t.Errorf("not said: %q in\n%s", want, out)
		}
	}
}

// What lies in the spool is opened again: it may have been written by somebody else, or under another inventory.
func (w *checkinWorld) tellJunk(t *testing.T) {
	if err := w.network.Sync(checkinMirrors...); err != nil {
		t.Fatal(err)
	}
	connections, published := w.connections(t), w.read("latest.json")
	w.put(t, "mirror.de", []byte("{}"))
	w.put(t, "mirror.fi", w.body(t, "mirror.fi", "mirror.se", w.moved)) // signed by another
	w.put(t, "mirror.se", w.body(t, "mirror.fr", "mirror.fr", w.moved)) // in another's name
	w.put(t, "mirror.us", w.body(t, "mirror.us", "mirror.fr", w.moved)) // has no key: removed unread
	out, errs, code := w.run(t, "--checkins", "-v")
	if code != 0 || out != "" || strings.Count(errs, "a check-in in the spool is dropped") != 3 { // that of mirror.us is removed unread
		t.Errorf("exit code %d\n%s%s", code, out, errs)
	}
	if got := w.asked(t, connections); got != nil || !bytes.Equal(published, w.read("latest.json")) || w.left(t) != nil {
		t.Errorf("asked %v, left %v", got, w.left(t))
	}
	w.put(t, "mirror.de", []byte("{}"))
	w.checkIn(t, "mirror.fr")
	if d := w.good(t, "--checkins"); d.Refused != 1 || len(d.Checkins) != 1 || !slices.Contains(w.sources(t), "mirror.fr") {
		t.Errorf("%+v", d)
	}
}

// A run for check-ins waits for a full run that has the lock, and a full run for one for check-ins.
func (w *checkinWorld) tellLock(t *testing.T) {
	if err := w.network.Sync("mirror.fi"); err != nil {
		t.Fatal(err)
	}
	w.checkIn(t, "mirror.fi")
	w.whileLocked(t, forAnything, "--checkins")
	if !slices.Contains(w.sources(t), "mirror.fi") || w.left(t) != nil {
		t.Errorf("sources %v, left %v", w.sources(t), w.left(t))
	}
	w.whileLocked(t, forCheckins)
}

// whileLocked starts a run while another process holds the lock, sees it wait, and lets it go on.
func (w *checkinWorld) whileLocked(t *testing.T, why purpose, args ...string) {
	t.Helper()
	state := filepath.Join(w.dir, "net", "state")
	other := exec.CommandContext(t.Context(), "flock", state, "cat")
	in, err := other.StdinPipe()
	if err == nil {
		other.Stdout = new(bytes.Buffer)
		err = other.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; exec.Command("flock", "-n", state, "true").Run() == nil; i++ {
		if i == 100 {
			t.Fatal("flock does not hold the lock")
		}
		time.Sleep(20 * time.Millisecond)
	}
	b, err := json.Marshal(holder{PID: other.Process.Pid, Since: strictjson.At(time.Now()), For: why})
	if err = errors.Join(err, os.WriteFile(filepath.Join(state, "lock.json"), b, 0o600)); err != nil {
		t.Fatal(err)
	}
	c := w.command(t, append([]string{"run", "--config", "tidemark.yaml"}, args...)...)
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	select {
	case err := <-ended:
		t.Fatalf("run %v did not wait: %v\n%s", args, err, out.String())
	case <-time.After(1500 * time.Millisecond): // longer than it waits for a holder that it does not know
	}
	in.Close()
	if err := errors.Join(other.Wait(), <-ended); err != nil {
		t.Fatalf("run %v: %v\n%s", args, err, out.String())
	}
}

// Killed (SIGKILL, by strace) before it takes, between taking and being done, and before it is done: the next run takes the
// check-in again.
func (w *checkinWorld) tellKilled(t *testing.T) {
	if err := w.network.Sync("mirror.de"); err != nil {
		t.Fatal(err)
	}
	w.checkIn(t, "mirror.de")
	w.save(t)
	for _, at := range []struct{ call, name string }{
		{"renameat", "mirror.de.json"}, // into taken
		{"renameat", "latest.json"}, {"renameat", "memory.json"}, {"renameat", "status.json"},
		{"unlinkat", "mirror.de.json"}, // done
	} {
		t.Run(at.call+" "+at.name, func(t *testing.T) {
			defer w.restore(t)
			c := exec.CommandContext(t.Context(), "strace", "-f", "-qq", "-o", os.DevNull, "-e", "trace="+calls(at.call),
				"-P", at.name, "-P", filepath.Join(w.dir, "net", "state", at.name), "-P", "new/"+at.name, "-P", "taken/"+at.name,
				"-e", "inject="+calls(at.call)+":signal=KILL:when=1", w.program, "run", "--checkins", "--config", "tidemark.yaml")
			c.Dir = w.dir
			out, err := c.CombinedOutput()
			if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
				t.Fatalf("the run was not killed: %v\n%s", err, out)
			}
			if left := w.left(t); len(left) != 1 {
				t.Fatalf("the check-in is lost: %v", left)
			}
			d := w.good(t, "--checkins")
			if len(d.Checkins) != 1 || !slices.Contains(w.sources(t), "mirror.de") || w.left(t) != nil {
				t.Errorf("%+v, sources %v, left %v", d, w.sources(t), w.left(t))
			}
			w.healed(t)
		})
	}
}

func calls(name string) string {
	if name == "renameat" {
		return "rename,renameat,renameat2,linkat"
	}
	return name
}

// A master that cannot be read is still said to be, though a run for check-ins does not look.
func (w *checkinWorld) tellMasterTrouble(t *testing.T) {
	if err := os.Rename(w.network.Master("centos"), w.network.Master("gone")); err != nil {
		t.Fatal(err)
	}
	if _, errs, code := w.run(t); code != 1 || !strings.Contains(errs, "master of tree centos") {
		t.Fatalf("exit code %d\n%s", code, errs)
	}
	for range 2 {
		w.checkIn(t, "mirror.fi")
		d := w.good(t, "--checkins")
		if d.Trees[0].Trouble == "" || strings.Count(d.Trees[0].Note, "the master could not be read") != 1 {
			t.Errorf("%+v", d.Trees[0])
		}
	}
	if err := os.Rename(w.network.Master("gone"), w.network.Master("centos")); err != nil {
		t.Fatal(err)
	}
}

// A spool that cannot be read is trouble, and stops no full run.
func (w *checkinWorld) tellUnreadable(t *testing.T) {
	if err := errors.Join(os.RemoveAll(w.spool), os.WriteFile(w.spool, nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	w.moveMaster(t)
	if _, errs, code := w.run(t); code != 1 || !strings.Contains(errs, "check-ins: ") || !strings.Contains(string(w.read("manifest.json")), fmt.Sprint(w.moved)) {
		t.Errorf("exit code %d\n%s", code, errs)
	}
	if _, errs, code := w.run(t, "--checkins"); code != 1 || !strings.Contains(errs, "check-ins: ") {
		t.Errorf("exit code %d\n%s", code, errs)
	}
}
