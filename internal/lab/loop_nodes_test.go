package lab

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestNodeLog_RealDaemon: one mirror holds the node's only slot, another one and the publisher are turned away.
func TestNodeLog_RealDaemon(t *testing.T) {
	if _, err := exec.LookPath("rsync"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("rsync is missing: apt-get install -y rsync")
		}
		t.Skip("rsync is missing: apt-get install -y rsync")
	}
	dir := t.TempDir()
	if err := writeFile(filepath.Join(dir, "tree", "large"), strings.Repeat("x", 8<<20)); err != nil {
		t.Fatal(err)
	}
	d, err := StartDaemon(t.Context(), Daemon{Dir: filepath.Join(dir, "daemon"), Address: "127.0.1.1", MaxConnections: 1, Modules: map[string]string{"centos": filepath.Join(dir, "tree")}})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Stop()
	n := newNodeLog(&Site{Server: Server{ID: "node", Slots: 1}}, filepath.Join(dir, "daemon", "log"))
	now := func() int {
		t.Helper()
		serving, err := n.follow()
		if err != nil {
			t.Fatal(err)
		}
		return serving
	}
	holds := exec.CommandContext(t.Context(), "rsync", "-r", "--address="+loopFrom+"1", "--bwlimit=200", d.URL("centos"), filepath.Join(dir, "copy"))
	holds.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a client is two processes
	if err := holds.Start(); err != nil {
		t.Fatal(err)
	}
	for tries := 0; now() != 1; tries++ {
		if tries > 500 {
			t.Fatal("the first mirror is not seen after 10 s")
		}
		time.Sleep(20 * time.Millisecond)
	}
	for _, from := range []string{loopFrom + "2", "127.0.0.1"} {
		if out, err := exec.CommandContext(t.Context(), "rsync", "--address="+from, d.URL("centos")).CombinedOutput(); err == nil || !strings.Contains(string(out), "max connections") {
			t.Fatalf("from %s: %v\n%s", from, err, out)
		}
	}
	if serving, peak := now(), n.row(); serving != 1 || peak != 1 {
		t.Errorf("found %d served, %d at most, expected 1 and 1", serving, peak)
	}
	if err := syscall.Kill(-holds.Process.Pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	holds.Wait()
	for tries := 0; now() != 0; tries++ {
		if tries > 500 {
			log, _ := os.ReadFile(n.file)
			t.Fatalf("the mirror that hung up is still counted after 10 s; the daemon's log:\n%s", log)
		}
		time.Sleep(20 * time.Millisecond)
	}
	if want := (LoopNode{ID: "node", Slots: 1, Peak: 1, Served: 1, Refused: 1, Blind: 1}); n.total != want {
		t.Errorf("found %+v, expected %+v", n.total, want)
	}
	if n.row(); n.row() != 0 {
		t.Error("a new row has the peak of the last one")
	}
}

func TestWrkFigures(t *testing.T) {
	l, err := wrkFigures("Running 6s test\nfigures 30000 29990 10 6000000 1500 90000\n")
	if want := (Load{Requests: 30000, Refused: 29990, Broken: 10, Within: 6 * time.Second, P50: 1500 * time.Microsecond, P99: 90 * time.Millisecond}); err != nil || l != want {
		t.Errorf("found %+v, %v, expected %+v", l, err, want)
	}
	if l.PerSecond() != 5000 {
		t.Errorf("found %v a second", l.PerSecond())
	}
	for _, out := range []string{"", "unable to connect to 127.0.0.1:1 Connection refused", "figures 1 2 3"} {
		if _, err := wrkFigures(out); err == nil {
			t.Errorf("%q: expected an error", out)
		}
	}
}
