package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"tidemark/internal/lab"
	"tidemark/internal/scripttest"
)

// newBeaconNetwork is a world with masters and nodes, so that whole runs can be made.
func newBeaconNetwork(t *testing.T) (*beaconWorld, *lab.Network) {
	t.Helper()
	scripttest.NeedTool(t, "rsync")
	w := newBeaconWorld(t)
	w.now = time.Time{}
	n, err := lab.New(t.Context(), filepath.Join(w.dir, "lab"), lab.Options{Seed: 1, Start: labStart(), Trees: []string{"centos", "vault"}, Servers: lab.DefaultServers()[:2]})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	if err := n.WriteInventory(filepath.Join(w.dir, "inventory.yaml")); err != nil {
		t.Fatal(err)
	}
	return w, n
}

// says runs the program and wants an exit code, and these words on the screen.
func (w *beaconWorld) says(code int, args []string, words ...string) string {
	w.Helper()
	got, out, errs := w.program(args, nil)
	w.Logf("tidemark %s\n%s%s", strings.Join(args, " "), out, errs)
	if got != code {
		w.Fatalf("exit code %d, expected %d", got, code)
	}
	for _, want := range words {
		if !strings.Contains(out+errs, want) {
			w.Errorf("no %q", want)
		}
	}
	return out
}

func (w *beaconWorld) move(n *lab.Network, to int64) {
	w.Helper()
	if err := errors.Join(n.Move("centos", to), n.Sync(n.IDs("")...)); err != nil {
		w.Fatal(err)
	}
}

// The last step of a run: what is published stands at the server; a server that is down or refuses stops no publication, and
// no record speaks for what could not be published.
func TestRun_Beacon(t *testing.T) {
	t.Parallel()
	w, n := newBeaconNetwork(t)
	w.says(0, []string{"run", "--bootstrap"}, "published serial 1", "beacon "+beaconName+": wrote serial 1 (there was none), seen at 1 of 1 servers\n")
	if b := w.stands(); b.Serial != 1 || b.Trees["centos"] != labStart() || b.Trees["vault"] != labStart() {
		t.Errorf("%+v", b)
	}
	zone := w.zone()
	w.says(0, []string{"run"}, "not published: nothing changed", "kept serial 1: same timestamps, seen at 1 of 1 servers\n")
	if got := w.zone(); got != zone {
		t.Errorf("a run that changed nothing changed the zone: %d, was %d", got, zone)
	}
	w.says(0, []string{"beacon", "--check", "--server", w.named.Addr.String()}, "published: serial 1", "yes")

	w.move(n, labStart()+60)
	w.write("wrong.key", "hmac-sha256:tidemark-lab:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n")
	right := w.place
	w.place = strings.Replace(right, w.named.KeyFile, filepath.Join(w.dir, "wrong.key"), 1)
	w.configure()
	w.says(1, []string{"run"}, "published serial 2", "beacon "+beaconName+": not written\n", "error: beacon "+beaconName+": ", "is not the one the server has (BADSIG)")
	if got := w.zone(); got != zone {
		t.Errorf("an update with the wrong key changed the zone: %d, was %d", got, zone)
	}
	w.place = right
	w.configure()
	w.says(0, []string{"run"}, "not published: nothing changed since serial 2", "wrote serial 2 (timestamps changed), seen at 1 of 1 servers")

	w.move(n, labStart()+120)
	reserve := filepath.Join(w.pub.Site, "m", "3") // where the next serial is reserved lies a file
	if err := os.WriteFile(reserve, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	zone = w.zone()
	if code, out, errs := w.program([]string{"run"}, nil); code == 0 || strings.Contains(out, "beacon") || w.zone() != zone {
		t.Errorf("nothing was published: exit code %d, zone %d, was %d\n%s%s", code, w.zone(), zone, out, errs)
	}
	if err := os.Remove(reserve); err != nil {
		t.Fatal(err)
	}
	if err := scripttest.FollowsSchema(w.says(0, []string{"run", "--json"}, `"state": "written"`)); err != nil {
		t.Error(err)
	}
	if err := scripttest.FollowsSchema(w.says(0, []string{"status", "--json"}, `"state": "written"`)); err != nil {
		t.Error(err)
	}
	w.says(0, []string{"status"}, "beacon "+beaconName+": wrote serial 3 (timestamps changed), seen at 1 of 1 servers")
	if b := must(os.ReadFile(filepath.Join(w.pub.Site, "status.json"))); strings.Contains(string(b), "beacon") {
		t.Errorf("the site tells of the publisher's servers: %s", b)
	}
	if b := w.stands(); b.Trees["centos"] != labStart()+120 {
		t.Errorf("%+v", b)
	}
	w.inOrder(n)
}

// inOrder: what is not DNS does not wait for DNS. When the records are written, the copies have what these say, and the
// memory is saved.
func (w *beaconWorld) inOrder(n *lab.Network) {
	w.Helper()
	w.copies = ", {dir: copy}"
	w.place = fmt.Sprintf(`zone_file: {path: beacon.zone, reload: [/bin/sh, -c, "cd %s && cp state/memory.json copy/latest.json seen; exit 1"]}`, w.dir) // and no server is asked
	for _, dir := range []string{"copy", "seen"} {
		if err := os.Mkdir(filepath.Join(w.dir, dir), 0o755); err != nil {
			w.Fatal(err)
		}
	}
	w.configure()
	w.move(n, labStart()+180)
	w.says(1, []string{"run"}, "published serial 4", "beacon "+beaconName+": not written")
	for was, is := range map[string]string{"seen/latest.json": "net/site/latest.json", "seen/memory.json": "state/memory.json"} {
		b, err := os.ReadFile(filepath.Join(w.dir, was))
		if err != nil || string(b) != string(must(os.ReadFile(filepath.Join(w.dir, is)))) {
			w.Errorf("%s: %v; when the beacon was written it was\n%s", is, err, b)
		}
	}
}

// A run that is killed between manifest and beacon leaves the old record, which is true of the manifest before; the next run
// heals.
func TestRun_BeaconKilled(t *testing.T) {
	t.Parallel()
	w, n := newBeaconNetwork(t)
	w.says(0, []string{"run", "--bootstrap"})
	w.move(n, labStart()+60)
	pid, err := strconv.Atoi(strings.TrimSpace(string(must(os.ReadFile(filepath.Join(w.named.Dir, "pid"))))))
	if err == nil {
		err = syscall.Kill(pid, syscall.SIGSTOP)
	}
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command("tidemark", "run", "--config", filepath.Join(w.dir, "tidemark.yaml"))
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if b, _ := os.ReadFile(filepath.Join(w.pub.Site, "latest.txt")); string(b) == "m/2/\n" {
			break
		}
		if time.Now().After(end) {
			t.Error("serial 2 was never published")
			break
		}
	}
	killed := errors.Join(c.Process.Kill(), syscall.Kill(pid, syscall.SIGCONT))
	if err := c.Wait(); err == nil || killed != nil {
		t.Fatalf("the run was not killed: %v, %v", err, killed)
	}
	if b := w.stands(); b.Serial != 1 {
		t.Errorf("%+v", b)
	}
	w.says(0, []string{"run"}, "not published: nothing changed since serial 2", "wrote serial 2 (timestamps changed), seen at 1 of 1 servers")
}
