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
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"tidemark/internal/lab"
)

// insideEnv marks the process that runs within the namespaces of lab.Isolate.
const insideEnv = "TIDEMARK_LAB_ISOLATED"

// bench measures what the design promises, side by side with other tools in one run, and fails when a target is missed.
func bench(ctx context.Context, out io.Writer, asJSON bool, now func() time.Time) error {
	if os.Getenv(insideEnv) == "" {
		return benchInside(ctx, out)
	}
	dir, err := os.MkdirTemp("", "tidemark-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	t, err := lab.BenchTimeFiles(ctx, lab.BenchOptions{Dir: dir, Now: now, Log: func(line string) { fmt.Fprintln(os.Stderr, line) }})
	if err != nil {
		return err
	}
	p, err := benchPublish(ctx, filepath.Join(dir, "publish"), now)
	if err != nil {
		return fmt.Errorf("publishing: %w", err)
	}
	m, err := benchMirror(ctx, filepath.Join(dir, "mirror"), now)
	if err != nil {
		return fmt.Errorf("a mirror: %w", err)
	}
	tables := append([]lab.BenchTable{t, p}, m...)
	if asJSON {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		err = e.Encode(tables)
	}
	for _, t := range tables {
		if !asJSON {
			showBench(out, t)
		}
		if err == nil && !t.Met() {
			err = errors.New("a target was missed")
		}
	}
	return err
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
		{"rounds", count(func(r lab.BenchRow) int64 { return int64(r.Rounds) })},
	}
	return slices.DeleteFunc(columns, func(c benchColumn) bool {
		return !slices.ContainsFunc(t.Rows, func(r lab.BenchRow) bool { return c.of(r) != "0" })
	})
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f s", d.Seconds()) }
