package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"tidemark/internal/lab"
)

const (
	mostCheckCPU   = 30 * time.Millisecond
	mostCheckBytes = 0.001 // of what the no-op rsync takes
)

// noChange measures `tidemark-mirror check` when nothing is new beside what rsync does to find that out.
func (b *mirrorBench) noChange(ctx context.Context) (lab.BenchTable, error) {
	t := lab.BenchTable{Title: fmt.Sprintf("nothing is new: a check, and rsync over %d files (bytes with TLS's own)", noOpFiles)}
	var rows []lab.BenchRow
	for range checkRounds {
		if err := b.web.Reset(ctx); err != nil {
			return t, err
		}
		row, err := b.run(ctx, 0, b.tidemark, "check", "--config", b.path("mirror.yaml"))
		if err != nil {
			return t, err
		}
		if err := b.oneNotModified(ctx); err != nil {
			return t, err
		}
		rows = append(rows, row)
	}
	check := middle(rows)
	noOp, err := b.run(ctx, 0, "rsync", "-rltpH", "--safe-links", "--timeout=600", "--delete-delay", b.source.URL("many"), b.path("many")+"/")
	if err != nil {
		return t, err
	}
	check.Client, noOp.Client = "tidemark-mirror check", "rsync, nothing to do"
	t.Rows = []lab.BenchRow{check, noOp}
	ratio := float64(check.Bytes) / float64(noOp.Bytes)
	t.Targets = []lab.BenchTarget{
		{What: "CPU of a check, ms", Ratio: check.CPU.Seconds() * 1e3, Most: mostCheckCPU.Seconds() * 1e3, Met: check.CPU < mostCheckCPU},
		{What: "bytes, of rsync's", Ratio: ratio, Most: mostCheckBytes, Met: ratio <= mostCheckBytes},
	}
	return t, nil
}

// oneNotModified insists that the site was asked once, and said 304.
func (b *mirrorBench) oneNotModified(ctx context.Context) error {
	asked, err := b.web.Requests(ctx)
	if err != nil {
		return err
	}
	if len(asked) != 1 || asked[0].Status != http.StatusNotModified {
		return fmt.Errorf("a check with nothing new asked the site for %+v, expected one answer of 304", asked)
	}
	return nil
}

// middle takes wall, CPU and bytes each at its median.
func middle(rows []lab.BenchRow) lab.BenchRow {
	m := rows[0]
	m.Rounds = len(rows)
	m.Wall = time.Duration(medianOf(rows, func(r lab.BenchRow) int64 { return int64(r.Wall) }))
	m.CPU = time.Duration(medianOf(rows, func(r lab.BenchRow) int64 { return int64(r.CPU) }))
	m.Bytes = medianOf(rows, func(r lab.BenchRow) int64 { return r.Bytes })
	return m
}

func medianOf(rows []lab.BenchRow, of func(lab.BenchRow) int64) int64 {
	var all []int64
	for _, r := range rows {
		all = append(all, of(r))
	}
	slices.Sort(all)
	return all[len(all)/2]
}
