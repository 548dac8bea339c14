package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tidemark/internal/lab"
)

// TestClosedLoop: one timestamp, three nodes and forty mirrors, all with the real programs and real rsync daemons. Its log
// draws what happened.
func TestClosedLoop(t *testing.T) {
	r := closedLoop(t, programs(t, "tidemark", "tidemark-mirror"), false)
	t.Run("admission rises", func(t *testing.T) { risesAsMirrorsFinish(t, r.Rows) })
	t.Run("admission is heeded", func(t *testing.T) { everybodyWaits(t, r) })
	for _, trouble := range r.Trouble {
		t.Error(trouble)
	}
	nodes := []string{}
	for _, n := range r.Nodes {
		nodes = append(nodes, n.ID)
		if n.Served == 0 {
			t.Errorf("node %s served no mirror, expected some", n.ID)
		}
	}
	fromMirrors := 0
	for _, from := range r.From {
		if !slices.Contains(nodes, from) {
			fromMirrors++
		}
	}
	if fromMirrors == 0 || fromMirrors == len(r.From) {
		t.Errorf("%d of %d mirrors synced from other mirrors: expected the first from nodes, later ones from mirrors", fromMirrors, len(r.From))
	}
	if r.Runs == 0 {
		t.Error("no run of the publisher was called by a check-in")
	}
	for id, dir := range r.Mirrors {
		diffs, err := lab.DiffTrees(r.Master, dir, lab.DiffOptions{})
		// What the master has deleted may lie about until a source comes along that may say what to delete.
		diffs = slices.DeleteFunc(diffs, func(s string) bool { return strings.HasSuffix(s, ": only in the second") })
		if err != nil || len(diffs) > 0 {
			t.Errorf("%s is not as the master is: %v %q", id, err, diffs)
		}
	}
}

// TestSoakClosedLoop_WithoutAdmission: the same network when nobody waits for his turn, to see what admission is good for.
func TestSoakClosedLoop_WithoutAdmission(t *testing.T) {
	if os.Getenv("TIDEMARK_SOAK") == "" {
		t.Skip("a long test: TIDEMARK_SOAK=1 (make soak)")
	}
	bin := programs(t, "tidemark", "tidemark-mirror")
	with, without := closedLoop(t, bin, false), closedLoop(t, bin, true)
	t.Logf("the nodes turned away %d connections with admission, %d without", turnedAway(with), turnedAway(without))
	if turnedAway(without) <= turnedAway(with) {
		t.Error("expected more without")
	}
	if len(without.Early) == 0 {
		t.Error("nobody was seen to begin before its turn, expected many: the table is blind")
	}
}

// everybodyWaits: no mirror begins before its turn, and so few find the doors of the nodes closed. Some do: as many may start
// as there are places, but they do not spread over the nodes evenly.
func everybodyWaits(t *testing.T, r lab.LoopResult) {
	for _, early := range r.Early {
		t.Error(early)
	}
	if n, most := turnedAway(r), len(r.Mirrors)/2; n > most {
		t.Errorf("the nodes turned away %d connections of mirrors, expected at most %d", n, most)
	}
}

// turnedAway counts connections of mirrors, at all nodes.
func turnedAway(r lab.LoopResult) (n int) {
	for _, node := range r.Nodes {
		n += node.Refused
	}
	return n
}

// closedLoop runs it and logs its table.
func closedLoop(t *testing.T, bin string, herd bool) lab.LoopResult {
	t.Helper()
	needTool(t, "rsync", "rsync")
	r, err := lab.RunLoop(t.Context(), lab.LoopOptions{Dir: t.TempDir(), Now: time.Now, Log: func(s string) { t.Log(s) }, Herd: herd,
		Publisher: filepath.Join(bin, "tidemark"), Mirror: filepath.Join(bin, "tidemark-mirror")})
	for _, line := range slices.Concat(r.Summary(), r.Early, r.Trouble) {
		t.Log(line)
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// risesAsMirrorsFinish holds what is published to the design: the first wave is as many as the nodes have places, and each
// mirror that is done and listed admits more. Whether mirrors heed it is for everybodyWaits.
func risesAsMirrorsFinish(t *testing.T, rows []lab.LoopRow) {
	rows = slices.DeleteFunc(slices.Clone(rows), func(r lab.LoopRow) bool { return r.Admit < 0 })
	if len(rows) == 0 {
		t.Fatal("the timestamp was never announced")
	}
	if first := rows[0]; first.Admit != 300_000 || first.Listed != 0 {
		t.Errorf("it began at %d with %d mirrors listed, expected 300000 (12 slots, 40 mirrors) with none", first.Admit, first.Listed)
	}
	steps, before := 0, int64(0)
	for _, r := range rows {
		want := max(before, min(1_000_000, int64(r.Listed)*1_000_000/40+int64(r.Slots)*1_000_000/40))
		if r.Admit != want {
			t.Errorf("serial %d admits %d with %d of 40 mirrors done and %d slots, expected %d", r.Serial, r.Admit, r.Listed, r.Slots, want)
		}
		if r.Admit > before {
			steps++
		}
		before = r.Admit
	}
	if steps < 2 || before != 1_000_000 { // the slower the machine, the more are done between two runs of the publisher
		t.Errorf("it rose %d times, to %d: expected first some, and everybody in the end", steps, before)
	}
}

// programs builds the real programs, without the race detector: they are many processes on few cores.
func programs(t *testing.T, names ...string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	args := []string{"build", "-ldflags=-s -w", "-o", dir + "/"}
	for _, name := range names {
		args = append(args, "../"+name)
	}
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return dir
}

func needTool(t *testing.T, program, pkg string) {
	t.Helper()
	if _, err := exec.LookPath(program); err == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is missing: apt-get install -y %s", program, pkg)
	}
	t.Skipf("%s is missing: apt-get install -y %s", program, pkg)
}
