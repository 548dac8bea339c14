package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"tidemark/internal/console"
	"tidemark/internal/lab"
	"tidemark/internal/scripttest"
	"tidemark/keys"
)

// TestMain lets the scripts call this program by its name. The test's program takes its clock from TIDEMARK_TEST_CLOCK, an
// offset such as "-26h"; the shipped one has no such switch.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"tidemark": func() {
		os.Exit(run(os.Args, console.Env{Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv,
			Now: func() time.Time { return time.Now().Add(scripttest.Offset()) }}))
	}})
}

// TestScripts runs every command as typed: testdata/script/*.txtar is the manual.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Deadline:            time.Now().Add(10 * time.Minute),
		Setup: func(e *testscript.Env) error {
			e.Setenv("START", strconv.FormatInt(labStart(), 10))
			e.Setenv("MOVED", strconv.FormatInt(labStart()+3600, 10))
			e.Setenv("MOVED2", strconv.FormatInt(labStart()+5400, 10))
			e.Setenv("UNSHARE", "-m")
			if os.Geteuid() != 0 { // root needs no user namespace, and in a chroot there is none
				e.Setenv("UNSHARE", "-rm")
			}
			e.Setenv("TIDEMARK_CONFIG", "")
			e.Setenv("LC_ALL", "C")
			scripttest.NeedTool(t, "rsync", "gpg", "gpgv", "gpgv1", "sqv", "minisign", "flock", "unshare")
			return nil
		},
		Cmds: scripttest.Commands(map[string]func(*testscript.TestScript, bool, []string){
			"lab":         labCommand,
			"fingerprint": fingerprint,
			"online":      onlineKey,
		}),
	})
}

func labStart() int64 { return time.Now().Truncate(time.Hour).Add(-4 * time.Hour).Unix() }

// labCommand is the network of a script: `lab start`, `lab config FILE [LINE]...`, `lab move TREE TS`, `lab sync ID...`,
// `lab stop ID...`, `lab role ID ROLE`.
func labCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: lab start|config|move|sync|stop|role")
	}
	if args[0] == "start" {
		n, err := lab.New(context.Background(), ts.MkAbs("lab"), lab.Options{Seed: 1, Start: mustInt(ts, ts.Getenv("START"))})
		ts.Check(err)
		ts.Defer(func() { n.Close() })
		networks.Store(ts.MkAbs("."), n)
		return
	}
	found, ok := networks.Load(ts.MkAbs("."))
	if !ok {
		ts.Fatalf("no network: lab start comes first")
	}
	n := found.(*lab.Network)
	switch args[0] {
	case "config":
		ts.Check(n.WriteInventory(ts.MkAbs("servers.yaml")))
		ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(labConfig(args[2:])), 0o644))
	case "move":
		ts.Check(n.Move(args[1], mustInt(ts, args[2])))
	case "sync":
		ids := args[1:]
		if len(ids) == 1 && (ids[0] == "node" || ids[0] == "mirror") {
			ids = n.IDs(ids[0])
		}
		ts.Check(n.Sync(ids...))
	case "stop":
		for _, id := range args[1:] {
			ts.Check(n.Stop(id))
		}
	case "role":
		ts.Check(n.SetRole(context.Background(), args[1], lab.Role(args[2])))
	default:
		ts.Fatalf("unknown: lab %s", args[0])
	}
}

// networks has the network of each running script, by its directory; scripts run at the same time.
var networks sync.Map

func labConfig(more []string) string {
	var b strings.Builder
	b.WriteString("network: centos\nstate: net/state\ninventory: [servers.yaml]\ntrees:\n")
	for _, t := range lab.TreeNames() {
		fmt.Fprintf(&b, "  %s: {master: lab/master/%s, anchors: [%q], quorum: majority}\n", t, t, lab.Anchors()[0])
	}
	b.WriteString("sign:\n  openpgp: {key: net/keys/openpgp.asc}\n  ed25519: {key: net/keys/ed25519.key}\ntrust: net/trust.json\npublish: [{dir: site}]\nsettle: 1s\nprobe: {timeout: 5s, allow_private: true, list_share: 100, spot: 0}\n")
	for _, line := range more {
		b.WriteString(line + "\n")
	}
	return b.String()
}

func mustInt(ts *testscript.TestScript, s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	ts.Check(err)
	return n
}

// fingerprint puts the first fingerprint of `gpg --with-colons` into a variable.
func fingerprint(ts *testscript.TestScript, neg bool, args []string) {
	for _, line := range strings.Split(ts.ReadFile(args[0]), "\n") {
		if f := strings.Split(line, ":"); f[0] == "fpr" {
			ts.Setenv(args[1], f[9])
			return
		}
	}
	ts.Fatalf("no fingerprint there")
}

// onlineKey puts the first minisign key that signs manifests, of `keys list --json`, into a variable.
func onlineKey(ts *testscript.TestScript, neg bool, args []string) {
	var d keysDocument
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &d))
	for _, k := range d.Keys {
		if k.Role == "manifest" && k.Kind == keys.Minisign {
			ts.Setenv(args[1], k.Key)
			return
		}
	}
	ts.Fatalf("no minisign key there")
}
