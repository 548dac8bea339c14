package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"slices"
	"time"

	"tidemark/internal/lab"
)

const (
	mostCheckCPU   = 30 * time.Millisecond
	mostCheckBytes = 0.001 // of what the no-op rsync takes
	beaconName     = "_tidemark.centos.example.org"
)

// noChange measures `tidemark-mirror check` when nothing is new, by the beacon and over HTTPS, beside what rsync does to find
// that out.
func (b *mirrorBench) noChange(ctx context.Context) (lab.BenchTable, error) {
	t := lab.BenchTable{Title: fmt.Sprintf("nothing is new: a check, and rsync over %d files (bytes of DNS messages, and with TLS's own)", noOpFiles)}
	https, err := b.rounds(ctx, "mirror.yaml", b.oneNotModified)
	if err != nil {
		return t, err
	}
	beacon, err := b.byBeacon(ctx)
	if err != nil {
		return t, err
	}
	noOp, err := b.run(ctx, 0, "rsync", "-rltpH", "--safe-links", "--timeout=600", "--delete-delay", b.source.URL("many"), b.path("many")+"/")
	if err != nil {
		return t, err
	}
	beacon.Client, https.Client, noOp.Client = "tidemark-mirror check, by beacon", "tidemark-mirror check, by HTTPS", "rsync, nothing to do"
	t.Rows = []lab.BenchRow{beacon, https, noOp}
	for _, check := range []struct {
		how string
		lab.BenchRow
	}{{"by beacon", beacon}, {"by HTTPS", https}} {
		ratio := float64(check.Bytes) / float64(noOp.Bytes)
		t.Targets = append(t.Targets,
			lab.BenchTarget{What: "CPU of a check " + check.how + ", ms", Ratio: check.CPU.Seconds() * 1e3, Most: mostCheckCPU.Seconds() * 1e3, Met: check.CPU < mostCheckCPU},
			lab.BenchTarget{What: "bytes " + check.how + ", of rsync's", Ratio: ratio, Most: mostCheckBytes, Met: ratio <= mostCheckBytes})
	}
	t.Targets = append(t.Targets, lab.BenchTarget{What: "TCP connections of a check by beacon", Ratio: float64(beacon.Conns), Most: 0, Met: beacon.Conns == 0})
	return t, nil
}

// rounds checks some times in the same way; right looks at what each has asked.
func (b *mirrorBench) rounds(ctx context.Context, config string, right func(context.Context) error) (lab.BenchRow, error) {
	var rows []lab.BenchRow
	for range checkRounds {
		if err := b.web.Reset(ctx); err != nil {
			return lab.BenchRow{}, err
		}
		row, err := b.run(ctx, 0, b.tidemark, "check", "--config", b.path(config))
		if err != nil {
			return row, err
		}
		if err := right(ctx); err != nil {
			return row, err
		}
		rows = append(rows, row)
	}
	return middle(rows), nil
}

// byBeacon checks as the same mirror with a beacon in its configuration. The first check asks HTTPS: nothing is known yet.
func (b *mirrorBench) byBeacon(ctx context.Context) (row lab.BenchRow, err error) {
	d, err := lab.StartDNS(ctx)
	if err != nil {
		return row, err
	}
	defer d.Close()
	record, err := b.publisher.Beacon(ctx)
	if err != nil {
		return row, err
	}
	d.SetText(beaconName, record)
	cfg, err := os.ReadFile(b.path("mirror.yaml"))
	if err != nil {
		return row, err
	}
	cfg = fmt.Appendf(cfg, "beacon: {name: %s, servers: [%q]}\n", beaconName, d.Addr)
	if err := os.WriteFile(b.path("beacon.yaml"), cfg, 0o644); err != nil {
		return row, err
	}
	if _, err := b.run(ctx, 0, b.tidemark, "check", "--config", b.path("beacon.yaml")); err != nil {
		return row, err
	}
	d.Reset()
	var bytes int
	row, err = b.rounds(ctx, "beacon.yaml", func(context.Context) error {
		c := d.Counts()
		d.Reset()
		bytes = c.Received + c.Sent
		if c.Questions != 1 || c.Connections != 0 {
			return fmt.Errorf("a check with nothing new asked DNS %d times, and %d times over TCP, expected one question over UDP", c.Questions, c.Connections)
		}
		return nil
	})
	row.Answers = 1
	row.Bytes += int64(bytes)
	return row, err
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
