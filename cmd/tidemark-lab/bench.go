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
	tables := []lab.BenchTable{t, p}
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
	w.AppendHeader(table.Row{"client", "wall", "cpu", "answers", "rounds"})
	for _, r := range t.Rows {
		w.AppendRow(table.Row{r.Client, seconds(r.Wall), seconds(r.CPU), r.Answers, r.Rounds})
	}
	fmt.Fprintln(out, w.Render())
	for _, g := range t.Targets {
		word := "met"
		if !g.Met {
			word = "MISSED"
		}
		fmt.Fprintf(out, "%-7s %s: %.3f (target: at most %.2f)\n", word, g.What, g.Ratio, g.Most)
	}
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }
