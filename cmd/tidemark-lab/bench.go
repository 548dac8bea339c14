package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"tidemark/internal/lab"
)

// insideEnv marks the process that runs within the namespaces of lab.Isolate.
const insideEnv = "TIDEMARK_LAB_ISOLATED"

// bench measures what the design promises, side by side with other tools in one run, and fails when a target is missed.
func bench(ctx context.Context, out io.Writer, asJSON bool, only string, now func() time.Time) error {
	if done, err := lab.BenchJob(ctx, now); done {
		return err
	}
	if os.Getenv(insideEnv) == "" {
		return benchInside(ctx, out)
	}
	dir, err := os.MkdirTemp("", "tidemark-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := lab.EnterLoopback(); err != nil {
		return err
	}
	var tables []lab.BenchTable
	for _, p := range benchParts() {
		if only != "" && only != p.name {
			continue
		}
		t, err := p.measure(ctx, filepath.Join(dir, p.name), now)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		tables = append(tables, t...)
		for _, t := range t {
			if !asJSON {
				showBench(out, t)
			}
		}
	}
	if tables == nil {
		return fmt.Errorf("--only %s: expected one of %s", only, strings.Join(partNames(), ", "))
	}
	if asJSON {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		if err := e.Encode(tables); err != nil {
			return err
		}
	}
	if slices.ContainsFunc(tables, func(t lab.BenchTable) bool { return !t.Met() }) {
		return errors.New("a target was missed")
	}
	return nil
}

// benchPart is one measurement; it gives one table or more.
type benchPart struct {
	name    string
	measure func(ctx context.Context, dir string, now func() time.Time) ([]lab.BenchTable, error)
}

func benchParts() []benchPart {
	one := func(measure func(context.Context, string, func() time.Time) (lab.BenchTable, error)) func(context.Context, string, func() time.Time) ([]lab.BenchTable, error) {
		return func(ctx context.Context, dir string, now func() time.Time) ([]lab.BenchTable, error) {
			t, err := measure(ctx, dir, now)
			return []lab.BenchTable{t}, err
		}
	}
	return []benchPart{
		{"time-files", benchTimeFiles},
		{"many", one(benchMany)},
		{"list", benchList},
		{"publish", one(benchPublish)},
		{"mirror", benchMirror},
		{"read", one(benchRead)},
		{"checkin", one(benchCheckin)},
	}
}

func partNames() (names []string) {
	for _, p := range benchParts() {
		names = append(names, p.name)
	}
	return names
}

// benchOptions are what the measurements of package lab need.
func benchOptions(dir string, now func() time.Time) lab.BenchOptions {
	return lab.BenchOptions{Dir: dir, Now: now, Self: []string{"bench"}, Log: func(line string) { fmt.Fprintln(os.Stderr, line) }}
}

// benchTimeFiles measures a network in which every server answers, and one as it is.
func benchTimeFiles(ctx context.Context, dir string, now func() time.Time) (tables []lab.BenchTable, err error) {
	quiet, err := lab.BenchTimeFiles(ctx, benchOptions(filepath.Join(dir, "quiet"), now))
	if err != nil {
		return nil, err
	}
	mixed, err := lab.BenchMixed(ctx, benchOptions(filepath.Join(dir, "mixed"), now))
	return []lab.BenchTable{quiet, mixed}, err
}

func benchMany(ctx context.Context, dir string, now func() time.Time) (lab.BenchTable, error) {
	return lab.BenchMany(ctx, benchOptions(dir, now))
}

// benchList measures the list of a tree in memory.
func benchList(ctx context.Context, dir string, now func() time.Time) ([]lab.BenchTable, error) {
	if err := lab.InMemory(dir); err != nil {
		return nil, err
	}
	return lab.BenchList(ctx, benchOptions(dir, now), 0, 0)
}

// errSaid: the program that ran inside has said what is wrong.
var errSaid = errors.New("the benchmark failed")

// benchInside runs this program again in namespaces of its own: mirmon knows only port 873 and names from /etc/hosts.
func benchInside(ctx context.Context, out io.Writer) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	c := exec.CommandContext(ctx, self, os.Args[1:]...)
	c.Env = append(os.Environ(), insideEnv+"=1")
	c.Stdout, c.Stderr = out, os.Stderr
	lab.Isolate(c)
	err = c.Run()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return errSaid
	}
	if err != nil {
		return fmt.Errorf("bench in its own namespaces (they need root, or user namespaces): %w", err)
	}
	return nil
}

func showBench(out io.Writer, t lab.BenchTable) {
	fmt.Fprintln(out, t.Title)
	w := table.NewWriter()
	w.SetStyle(table.StyleLight)
	w.Style().Options = table.OptionsNoBordersAndSeparators
	columns := benchColumns(t)
	header := table.Row{}
	for _, c := range columns {
		header = append(header, c.name)
	}
	w.AppendHeader(header)
	for _, r := range t.Rows {
		row := table.Row{}
		for _, c := range columns {
			row = append(row, c.of(r))
		}
		w.AppendRow(row)
	}
	fmt.Fprintln(out, w.Render())
	for _, g := range t.Targets {
		word := "met"
		if !g.Met {
			word = "MISSED"
		}
		fmt.Fprintf(out, "%-7s %s: %.3g (target: at most %.4g)\n", word, g.What, g.Ratio, g.Most)
	}
}

type benchColumn struct {
	name string
	of   func(lab.BenchRow) string
}

// benchColumns leaves out what no row of the table has.
func benchColumns(t lab.BenchTable) []benchColumn {
	count := func(of func(lab.BenchRow) int64) func(lab.BenchRow) string {
		return func(r lab.BenchRow) string { return fmt.Sprint(of(r)) }
	}
	columns := []benchColumn{
		{"client", func(r lab.BenchRow) string { return r.Client }},
		{"wall", func(r lab.BenchRow) string { return seconds(r.Wall) }},
		{"cpu", func(r lab.BenchRow) string { return seconds(r.CPU) }},
		{"answers", count(func(r lab.BenchRow) int64 { return int64(r.Answers) })},
		{"bytes", count(func(r lab.BenchRow) int64 { return r.Bytes })},
		{"connections", count(func(r lab.BenchRow) int64 { return int64(r.Conns) })},
		{"full lists", count(func(r lab.BenchRow) int64 { return int64(r.Lists) })},
		{"per second", count(func(r lab.BenchRow) int64 { return int64(r.PerSecond) })},
		{"p50", func(r lab.BenchRow) string { return millis(r.P50) }},
		{"p99", func(r lab.BenchRow) string { return millis(r.P99) }},
		{"memory", func(r lab.BenchRow) string { return mebi(r.Memory) }},
		{"on disk", func(r lab.BenchRow) string { return mebi(r.Kept) }},
		{"rounds", count(func(r lab.BenchRow) int64 { return int64(r.Rounds) })},
	}
	return slices.DeleteFunc(columns, func(c benchColumn) bool {
		return !slices.ContainsFunc(t.Rows, func(r lab.BenchRow) bool { return c.of(r) != c.of(lab.BenchRow{}) })
	})
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f s", d.Seconds()) }

func millis(d time.Duration) string { return fmt.Sprintf("%.1f ms", d.Seconds()*1e3) }

// mebi is an amount of memory; none was measured: "".
func mebi(n int64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}
