package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"tidemark/internal/lab"
)

// expected is what a run must say of a server: the verdict, and whether it is offered as a source.
type expected struct {
	state  string
	source bool
}

// always is the same verdict in all five runs, of no source.
func always(state string) []expected { return slices.Repeat([]expected{{state, false}}, 5) }

// outcomes is the table of the fleet: which way to behave gives which verdict in each of the five runs, and what the reason
// of the last one must say. The stages are lab.Fleet's: 1 first look, 2 steady, 3 the master has moved, 4 steady and pending,
// 5 announced.
func outcomes() map[lab.Way]outcome {
	yes := func(states ...string) (all []expected) {
		for _, s := range states {
			all = append(all, expected{s, true})
		}
		return all
	}
	const verified, ahead = "verified", "ahead"
	still := yes(verified, verified, verified, verified)
	return map[lab.Way]outcome{
		lab.WayNode:     {yes(verified, verified, verified, verified, verified), "announced timestamp", "listing"},
		lab.WayNodeLate: {append(still[:4:4], expected{"behind", false}), "older than the announced", "listing"},
		lab.WayNodeDown: {always("unreachable"), "connection refused", ""},

		lab.WayFollows: {yes(verified, verified, verified, verified, verified), "announced timestamp", "listing"},
		lab.WayLags:    {append(still[:4:4], expected{"behind", false}), "older than the announced", "listing"},
		lab.WayFast:    {yes(verified, verified, ahead, ahead, verified), "announced timestamp", "any"}, // only so many lists are looked at again in a round

		lab.WayRefused:   {always("unreachable"), "connection refused", ""},
		lab.WayNoAddress: {always("unreachable"), "no address for", ""},
		lab.WaySilent:    {always("unreachable"), "no answer in time", ""},
		lab.WayStuck:     {always("unreachable"), "no answer in time", ""},
		lab.WayMotd:      {always("unreachable"), "no answer in time", ""},
		lab.WayGarbage:   {always("unreachable"), "does not speak the rsync protocol", ""},
		lab.WayWeb:       {always("unreachable"), "does not speak the rsync protocol", ""},
		lab.WayBusy:      {always("busy"), "max connections (-1) reached", ""},
		lab.WayDenied:    {always("refused"), "access denied", ""},
		lab.WayPassword:  {always("refused"), "password", ""},
		lab.WayModule:    {always("refused"), "Unknown module", ""},

		lab.WayLostTime: {always("incomplete"), "there is no file TIME", ""},
		lab.WayNoNumber: {always("wrong"), "holds no timestamp", ""},
		lab.WayStale:    {always("behind"), "older than the announced", ""},
		lab.WayFuture:   {always("wrong"), "lies in the future", ""},
		lab.WayHasty:    {always("moving"), "newer than our last look at the master", ""},
		lab.WayLiar:     {always("wrong"), "repomd.xml has", ""},
		lab.WayLostFile: {always("incomplete"), "6/os/x86_64/Packages/bash-1.0-1.el.x86_64.rpm", ""},
		lab.WayTouched:  {always("wrong"), "6/os/x86_64/Packages/bash-1.0-1.el.x86_64.rpm", ""},
		lab.WayResized:  {always("wrong"), "6/os/x86_64/Packages/bash-1.0-1.el.x86_64.rpm", ""},
		lab.WayLostISOs: {always("incomplete"), "isos", ""},
		lab.WayExtra:    {yes(verified, verified, verified, verified, verified), "lost+and+found.txt", "anchors"},
		lab.WayPartial:  {always(verified), "partial", "listing"},

		lab.WayRots:       {append(still[:4:4], expected{"incomplete", false}), "6/os/x86_64/Packages/bash-1.0-1.el.x86_64.rpm", ""},
		lab.WayTimeFirst:  {append(yes(verified, verified), expected{"mixed", false}, expected{"mixed", false}, expected{"incomplete", false}), "4 files are missing", ""},
		lab.WayWentBack:   {append(yes(verified, verified, ahead, ahead), expected{"wrong", false}), "regression", ""},
		lab.WayFlaps:      {append(yes(verified, "unreachable", "unreachable"), expected{"unreachable", false}, expected{verified, true}), "announced timestamp", "listing"},
		lab.WayTwoStale:   {always("mixed"), "at 127.", ""},
		lab.WayTwoLiar:    {always("mixed"), "at 127.", ""},
		lab.WayTwoLost:    {always("mixed"), "at 127.", ""},
		lab.WayTwoDown:    {always("unreachable"), "(at 127.", ""},
		lab.WaySixStale:   {always("mixed"), "at ::1 ", ""},
		lab.WayMaintained: {always("maintenance"), "maintenance", ""},
	}
}

type outcome struct {
	runs  []expected
	says  string // part of the last reason
	depth string // of the last verification; "any"
}

// verdict is what the test reads of `tidemark status --json`.
type verdict struct {
	Server, State, Reason, Depth, Address string
	Source                                bool
}

// TestFleet: hundreds of servers, each at an address of its own, a third of them wrong in one of many ways. The real program
// looks at them in five runs; every verdict must be the one of the table.
func TestFleet(t *testing.T) {
	t.Parallel()
	if within(t) {
		sail(t, lab.FleetOptions{Servers: 205, Each: 2, Slow: 1})
	}
}

// TestSoakFleet is the same with 650: the 263 real ones, and clones of them.
func TestSoakFleet(t *testing.T) {
	if os.Getenv("TIDEMARK_SOAK") == "" {
		t.Skip("a long test: TIDEMARK_SOAK=1 (make soak)")
	}
	if within(t) {
		sail(t, lab.FleetOptions{Servers: 650, Each: 7, Slow: 2})
	}
}

// sail lets a fleet live through its five stages.
func sail(t *testing.T, o lab.FleetOptions) {
	dir := t.TempDir()
	o.Start, o.Now = time.Now().Add(-3*time.Hour).Unix(), time.Now
	f, err := lab.NewFleet(t.Context(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	// Few at a time: each is quick then, also on a machine that has other things to do.
	const settings = "concurrency: 20, timeout: 4s, list_share: 100"
	p := newRunner(t, dir, f.Master(), f.Inventory(), settings)
	want := outcomes()
	for run := 1; run <= 5; run++ {
		if run > 1 {
			if err := f.Next(); err != nil {
				t.Fatal(err)
			}
		}
		if run == 5 { // the lists that were looked at in the first run may be looked at again
			p.configure(settings + ", recheck: 12s")
		}
		began := time.Now()
		p.run(run == 1)
		t.Logf("run %d took %.1f s", run, time.Since(began).Seconds())
		found := p.verdicts()
		if len(found) != o.Servers {
			t.Fatalf("run %d: %d verdicts, expected %d", run, len(found), o.Servers)
		}
		for _, s := range f.Servers {
			v, o := found[s.ID], want[s.Way]
			if e := o.runs[run-1]; v.State != e.state || v.Source != e.source {
				t.Errorf("run %d, %s (%s): %s, source %t; expected %s, source %t\n\t%s", run, s.ID, s.Way, v.State, v.Source, e.state, e.source, v.Reason)
			}
			if run == 5 && (!strings.Contains(v.Reason, o.says) || o.depth != "any" && v.Depth != o.depth) {
				t.Errorf("%s (%s): the reason must say %q and the depth be %q, found %q:\n\t%s", s.ID, s.Way, o.says, o.depth, v.Depth, v.Reason)
			}
		}
	}
	t.Logf("\n%s", outcomeTable(f))
}

// outcomeTable prints the table, with the number of servers of each way.
func outcomeTable(f *lab.Fleet) string {
	count := map[lab.Way]int{}
	faulty := 0
	for _, s := range f.Servers {
		count[s.Way]++
	}
	w := table.NewWriter()
	w.AppendHeader(table.Row{"way", "servers", "run 1", "run 2", "run 3", "run 4", "run 5"})
	want := outcomes()
	for _, way := range slices.Sorted(keysOf(want)) {
		row := table.Row{way, count[way]}
		for _, e := range want[way].runs {
			row = append(row, e.state+map[bool]string{true: " *"}[e.source])
		}
		w.AppendRow(row)
		if !slices.Contains([]lab.Way{lab.WayNode, lab.WayNodeLate, lab.WayFollows, lab.WayLags, lab.WayFast}, way) {
			faulty += count[way]
		}
	}
	return w.Render() + fmt.Sprintf("\n*: a source. %d of %d servers are wrong in some way.", faulty, len(f.Servers))
}

func keysOf[K comparable, V any](m map[K]V) func(yield func(K) bool) {
	return func(yield func(K) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// runner is the publisher's program with a configuration of its own.
type runner struct {
	t       *testing.T
	program string
	config  string
	text    string // the configuration; %s are settings of probe:
}

// newRunner configures the publisher of one tree below dir. settings go into probe:.
func newRunner(t *testing.T, dir, master, inventory, settings string) runner {
	t.Helper()
	bin := os.Getenv(programsEnv)
	dir = filepath.Join(dir, "publisher")
	p, err := lab.NewPublisher(dir, "centos", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf(`network: centos
state: state
inventory: [inventory.yaml]
trees: {centos: {master: %s, anchors: [%q], quorum: majority}}
sign: {openpgp: {key: %s}, ed25519: {key: %s}}
trust: trust.json
publish: [{dir: www}]
settle: 1s
policy: {check_interval: 1s}
probe: {allow_private: true, per_second: 0, spot: 0, backoff: 0s, %%s}
`, master, lab.Anchors()[0], p.OpenPGPKey, p.MinisignKey)
	r := runner{t: t, program: filepath.Join(bin, "tidemark"), config: filepath.Join(dir, "tidemark.yaml"), text: text}
	r.write("inventory.yaml", inventory)
	r.configure(settings)
	return r
}

// configure changes the settings of probe:.
func (r runner) configure(settings string) { r.write("tidemark.yaml", fmt.Sprintf(r.text, settings)) }

func (r runner) write(name, text string) {
	r.t.Helper()
	if err := os.WriteFile(filepath.Join(filepath.Dir(r.config), name), []byte(text), 0o644); err != nil {
		r.t.Fatal(err)
	}
}

// run is `tidemark run`: of an empty state, a new beginning.
func (r runner) run(first bool) {
	r.t.Helper()
	args := []string{"run"}
	if first {
		args = append(args, "--bootstrap")
	}
	r.tidemark(args...)
}

// tidemark runs the program, and gives what it printed.
func (r runner) tidemark(args ...string) string {
	r.t.Helper()
	c := exec.CommandContext(r.t.Context(), r.program, append(args, "--config", r.config)...)
	var failed strings.Builder
	c.Stderr = &failed
	out, err := c.Output()
	if err != nil {
		r.t.Fatalf("tidemark %q: %v\n%s%s", args, err, out, &failed)
	}
	return string(out)
}

// verdicts are those of the last run, by the servers' ids.
func (r runner) verdicts() map[string]verdict {
	r.t.Helper()
	var d struct{ Verdicts []verdict }
	if err := json.Unmarshal([]byte(r.tidemark("status", "--json")), &d); err != nil {
		r.t.Fatal(err)
	}
	found := map[string]verdict{}
	for _, v := range d.Verdicts {
		found[v.Server] = v
	}
	return found
}

const programsEnv = "LAB_PROGRAMS"

// within is true in the process that runs within namespaces of its own; otherwise it runs the test there.
func within(t *testing.T) bool {
	t.Helper()
	if os.Getenv(programsEnv) != "" {
		if err := lab.EnterLoopback(); errors.Is(err, os.ErrPermission) && os.Getenv("CI") != "true" {
			t.Skipf("namespaces are not ours to use here: %v", err)
		} else if err != nil {
			t.Fatal(err)
		}
		return true
	}
	needTool(t, "rsync", "rsync")
	c := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	c.Env = append(os.Environ(), programsEnv+"="+programs(t, "tidemark"))
	lab.Isolate(c)
	out, err := c.CombinedOutput()
	switch {
	case c.ProcessState == nil && os.Getenv("CI") == "true":
		t.Fatalf("no namespaces here: %v; run as root, or allow user namespaces", err)
	case c.ProcessState == nil:
		t.Skipf("no namespaces here: %v", err)
	}
	t.Logf("%s", out)
	if err != nil {
		t.Error(err)
	}
	return false
}
