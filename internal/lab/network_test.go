package lab_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tidemark/internal/lab"
	"tidemark/inventory"
	"tidemark/manifest"
	"tidemark/probe"
	"tidemark/quorum"
)

const start = 1488372781

func needRsync(t testing.TB) {
	t.Helper()
	need(t, "rsync", "rsync")
}

// need skips, or under CI fails, where there is no such program.
func need(t testing.TB, program, pkg string) {
	t.Helper()
	if _, err := exec.LookPath(program); err == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is missing: apt-get install -y %s", program, pkg)
	}
	t.Skipf("%s is missing: apt-get install -y %s", program, pkg)
}

func newNetwork(t testing.TB, o lab.Options) *lab.Network {
	t.Helper()
	needRsync(t)
	o.Start = start
	n, err := lab.New(t.Context(), t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

// load reads the network's inventory as a publisher would.
func load(t testing.TB, n *lab.Network) []inventory.Server {
	t.Helper()
	file := filepath.Join(t.TempDir(), "inventory.yaml")
	if err := n.WriteInventory(file); err != nil {
		t.Fatal(err)
	}
	servers, problems := inventory.Load([]string{file})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return servers
}

func TestInventory_Golden(t *testing.T) {
	n := newNetwork(t, lab.Options{Trees: []string{"centos", "vault"}})
	got := regexp.MustCompile(`(127\.[0-9.]+):[0-9]+`).ReplaceAllString(n.Inventory(), "$1:PORT")
	file := filepath.Join("testdata", "inventory.golden")
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("inventory (-want +got; UPDATE=1 writes it anew):\n%s", diff)
	}
	var nodes, mirrors, down, partial int
	for _, s := range load(t, n) {
		if s.Kind == manifest.KindNode {
			nodes++
		} else {
			mirrors++
		}
		if s.Maintenance {
			down++
		}
		if s.Partial {
			partial++
		}
	}
	if nodes != 5 || mirrors != 12 || down != 1 || partial != 1 {
		t.Errorf("%d nodes, %d mirrors, %d in maintenance, %d partial", nodes, mirrors, down, partial)
	}
}

// TestRoles probes one server of each role after the master moved and everybody synced as their roles have it.
func TestRoles(t *testing.T) {
	var servers []lab.Server
	for _, role := range []lab.Role{"", lab.Behind, lab.Maintenance, lab.DeadRole, lab.Liar, lab.Busy, lab.Partial, lab.Incomplete} {
		servers = append(servers, lab.Server{ID: "m-" + string(role), Role: role})
	}
	servers[0].ID = "m-follow"
	n := newNetwork(t, lab.Options{Trees: []string{"centos"}, Servers: servers})
	if err := n.Move("centos", start+3600); err != nil {
		t.Fatal(err)
	}
	if err := n.Sync(n.IDs("")...); err != nil {
		t.Fatal(err)
	}
	master := probe.Master(t.Context(), probe.MasterAsk{Tree: "centos", Dir: n.Master("centos"), TimeFile: lab.TimeFile, Anchors: lab.Anchors()}, probe.Options{Now: time.Now})
	if master.Failure != nil || len(master.Anchors) != 4 || master.Timestamp != start+3600 {
		t.Fatalf("master %+v, failure %+v", master, master.Failure)
	}
	got := map[string]string{}
	for _, r := range probe.All(t.Context(), asks(load(t, n), master), probe.Options{Now: time.Now, AllowPrivate: true, Timeout: 20 * time.Second}) {
		got[r.Server] = describe(r, master)
	}
	want := map[string]string{
		"m-follow":      "1488376381 right right right right",
		"m-behind":      "1488372781 right right right wrong",
		"m-maintenance": "unreachable: connection refused",
		"m-dead":        "unreachable: connection refused",
		"m-liar":        "1488376381 wrong right right wrong",
		"m-busy":        "busy: max connections (1) reached -- try again later",
		"m-partial":     "1488376381 right right right right",
		"m-incomplete":  "1488376381 missing right right right",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what the servers show (-want +got):\n%s", diff)
	}
	if files, err := filepath.Glob(filepath.Join(n.Dir, "servers/m-partial/centos/7/isos/x86_64/*")); err != nil || len(files) != 0 {
		t.Errorf("the partial mirror has ISOs: %v %v", files, err)
	}
}

func asks(servers []inventory.Server, master quorum.MasterReading) []quorum.Ask {
	var out []quorum.Ask
	for _, s := range servers {
		ask := quorum.Ask{Server: s.ID, Tree: "centos", URL: s.Trees["centos"], TimeFile: lab.TimeFile}
		for _, a := range master.Anchors {
			ask.Anchors = append(ask.Anchors, a.Path)
		}
		out = append(out, ask)
	}
	return out
}

// describe compares a reading with the master's.
func describe(r quorum.Reading, master quorum.MasterReading) string {
	if r.Failure != nil {
		return fmt.Sprintf("%s: %s", r.Failure.Kind, r.Failure.Text)
	}
	words := []string{r.Raw}
	for i, a := range r.Anchors {
		switch {
		case a.Missing:
			words = append(words, "missing")
		case a.SHA256 == master.Anchors[i].SHA256:
			words = append(words, "right")
		default:
			words = append(words, "wrong")
		}
	}
	return strings.Join(words, " ")
}

func TestNetwork_ServersComeAndGo(t *testing.T) {
	n := newNetwork(t, lab.Options{Trees: []string{"centos"}, Servers: []lab.Server{{ID: "a"}}})
	see := func() string {
		s := load(t, n)
		r := probe.All(t.Context(), []quorum.Ask{{Server: "a", Tree: "centos", URL: s[0].Trees["centos"], TimeFile: lab.TimeFile}}, probe.Options{Now: time.Now, AllowPrivate: true})[0]
		return describe(r, quorum.MasterReading{})
	}
	was := n.Servers[0].Addr
	steps := []struct {
		do   func() error
		want string
	}{
		{func() error { return nil }, "1488372781"},
		{func() error { return n.Stop("a") }, "unreachable: connection refused"},
		{func() error { return n.Start(t.Context(), "a") }, "1488372781"},
		{func() error { return n.SetRole(t.Context(), "a", lab.Busy) }, "busy: max connections (1) reached -- try again later"},
		{func() error { return n.SetRole(t.Context(), "a", lab.Follow) }, "1488372781"},
		{func() error { return n.Move("centos", start+60) }, "1488372781"},
		{func() error { return n.Sync("a") }, "1488372841"},
		{func() error { return n.SetRole(t.Context(), "a", lab.Maintenance) }, "unreachable: connection refused"},
	}
	for i, step := range steps {
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		if got := see(); got != step.want {
			t.Errorf("step %d: %s, expected %s", i, got, step.want)
		}
		if n.Servers[0].Addr != was {
			t.Errorf("step %d: the address changed from %s to %s", i, was, n.Servers[0].Addr)
		}
	}
	if err := n.Sync("nobody"); err == nil {
		t.Error("a server that is not there was synced")
	}
}
