package lab_test

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"tidemark/internal/lab"
)

// TestBenchTimeFiles runs the benchmark small, in namespaces of its own: what is tested is that every client gets every
// answer, not how fast. LAB_BENCH_ADDRESSES makes it as large as wanted.
func TestBenchTimeFiles(t *testing.T) {
	if os.Getenv("LAB_ISOLATED") == "" {
		isolated(t)
		return
	}
	addresses, err := strconv.Atoi(os.Getenv("LAB_BENCH_ADDRESSES"))
	if err != nil {
		t.Fatal(err)
	}
	table, err := lab.BenchTimeFiles(t.Context(), lab.BenchOptions{
		Dir: t.TempDir(), Now: time.Now, Addresses: addresses, Log: func(line string) { t.Log(line) },
	})
	if errors.Is(err, os.ErrPermission) && os.Getenv("CI") != "true" {
		t.Skipf("namespaces are not ours to use here: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.MarshalIndent(table, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s", text)
	if len(table.Rows) != 3 || len(table.Targets) != 3 {
		t.Errorf("%d rows and %d targets, expected 3 and 3", len(table.Rows), len(table.Targets))
	}
	for _, row := range table.Rows {
		if row.Answers != addresses || row.Wall <= 0 || row.CPU <= 0 {
			t.Errorf("row %+v", row)
		}
	}
}

// TestBenchMixed runs the two other measurements small, in the same way: that every client gets every answer there is from
// addresses that refuse, hang and answer, and that lists are as long as they are, and the same as the master's.
func TestBenchMixed(t *testing.T) {
	if os.Getenv("LAB_ISOLATED") == "" {
		isolated(t)
		return
	}
	o := lab.BenchOptions{Dir: t.TempDir(), Now: time.Now, Addresses: 11, Timeout: 4 * time.Second, Rounds: 1,
		Self: []string{"-test.run=^TestBenchJob$"}, Log: func(line string) { t.Log(line) }}
	table, err := lab.BenchMixed(t.Context(), o)
	if errors.Is(err, os.ErrPermission) && os.Getenv("CI") != "true" {
		t.Skipf("namespaces are not ours to use here: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range table.Rows {
		if row.Answers >= o.Addresses || row.Answers < o.Addresses/2 || row.CPU <= 0 {
			t.Errorf("row %+v, expected answers of most addresses, not of all", row)
		}
	}
	o.Dir = t.TempDir()
	lists, err := lab.BenchList(t.Context(), o, 700, 3000)
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range lists {
		for _, row := range table.Rows {
			if row.Answers != 700 && row.Answers != 3000 {
				t.Errorf("%s: row %+v", table.Title, row)
			}
		}
	}
}

// TestBenchJob is what the measurements start again.
func TestBenchJob(t *testing.T) {
	done, err := lab.BenchJob(t.Context(), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if !done {
		t.Skip("nothing is measured")
	}
}

// isolated runs the same test again within lab.Isolate.
func isolated(t *testing.T) {
	t.Helper()
	t.Parallel() // mirmon sleeps for most of it
	needRsync(t)
	if _, err := exec.LookPath("mirmon"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("mirmon is missing: apt-get install -y mirmon")
		}
		t.Skip("mirmon is missing: apt-get install -y mirmon")
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	addresses := os.Getenv("LAB_BENCH_ADDRESSES")
	if addresses == "" {
		addresses = "9"
	}
	cmd.Env = append(os.Environ(), "LAB_ISOLATED=1", "LAB_BENCH_ADDRESSES="+addresses)
	lab.Isolate(cmd)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil && os.Getenv("CI") == "true" {
		t.Fatalf("no namespaces here: %v; run as root, or allow user namespaces", err)
	}
	if cmd.ProcessState == nil {
		t.Skipf("no namespaces here: %v", err)
	}
	t.Logf("%s", out)
	if err != nil {
		t.Error(err)
	}
}
