package main

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"slices"
	"time"

	"tidemark/client"
	"tidemark/internal/lab"
	"tidemark/internal/strictjson"
	"tidemark/manifest"
)

const readRounds = 25

// benchRead measures what a mirror does with a bundle once it has it: verify both signatures, parse, rank its sources.
func benchRead(ctx context.Context, dir string, now func() time.Time) (lab.BenchTable, error) {
	t := lab.BenchTable{Title: "verify, parse and rank a bundle (the quickest round; bytes: of the manifest; memory: all that was asked for, freed or not)"}
	p, err := lab.NewPublisher(dir, "centos", now())
	if err != nil {
		return t, err
	}
	for _, size := range []struct {
		sources int
		most    time.Duration
	}{{650, 5 * time.Millisecond}, {20_000, 100 * time.Millisecond}} {
		b := &readBench{publisher: p, now: now, sources: size.sources}
		row, err := b.measure()
		if err != nil {
			return t, fmt.Errorf("%d sources: %w", size.sources, err)
		}
		t.Rows = append(t.Rows, row)
		times := float64(row.Memory) / float64(row.Bytes)
		t.Targets = append(t.Targets,
			lab.BenchTarget{What: row.Client + ", ms", Ratio: row.Wall.Seconds() * 1e3, Most: size.most.Seconds() * 1e3, Met: row.Wall <= size.most},
			lab.BenchTarget{What: row.Client + ", memory, times the document", Ratio: times, Most: 10, Met: times <= 10})
	}
	return t, ctx.Err()
}

type readBench struct {
	publisher *lab.Publisher
	now       func() time.Time
	sources   int
}

// measure takes the quickest of some rounds: within one process they differ only by what else runs on the machine, and by
// when memory is collected.
func (b *readBench) measure() (lab.BenchRow, error) {
	bundle, size, err := b.bundle()
	if err != nil {
		return lab.BenchRow{}, err
	}
	var rows []lab.BenchRow
	for range readRounds {
		runtime.GC()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := b.now()
		opened, _, err := client.Open(bundle, client.Options{Network: "centos", Trust: b.publisher.Trust, Now: start})
		if err != nil {
			return lab.BenchRow{}, err
		}
		ranked := manifest.Rank(opened.Manifest, "centos", manifest.Client{ID: "me", Country: "FI", Continent: "EU"})
		wall := b.now().Sub(start)
		runtime.ReadMemStats(&after)
		if len(ranked) != b.sources {
			return lab.BenchRow{}, fmt.Errorf("%d sources were ranked", len(ranked))
		}
		rows = append(rows, lab.BenchRow{Wall: wall, Bytes: int64(size), Memory: int64(after.TotalAlloc - before.TotalAlloc)})
	}
	row := slices.MinFunc(rows, func(a, b lab.BenchRow) int { return cmp.Compare(a.Wall, b.Wall) })
	row.Rounds = len(rows)
	row.Client = fmt.Sprintf("%d sources", b.sources)
	return row, nil
}

// bundle is a document like a real network's, signed with both kinds.
func (b *readBench) bundle() (bundle []byte, size int, err error) {
	now := b.now()
	m := &manifest.Manifest{Schema: manifest.Schema, Network: "centos", Serial: 1, Issued: strictjson.At(now), Expires: strictjson.At(now.Add(12 * time.Hour)), TrustVersion: 1,
		Policy: lab.Policy(), Trees: map[string]manifest.Tree{"centos": {Timestamp: now.Unix() - 1000, Announced: strictjson.At(now), TimeFile: "TIME", Files: 240201, Bytes: 118111600640,
			Nodes: manifest.Nodes{Verified: 11, Counted: 13, Quorum: 11}, Admit: manifest.FullAdmission,
			Anchors: []manifest.Anchor{{Path: "7/os/x86_64/repodata/repomd.xml", Size: 3735, SHA256: manifest.SHA256(nil)}}}}}
	countries := []string{"FI", "SE", "DE", "US", "JP", "BR", "ZA"}
	for i := range b.sources {
		id := fmt.Sprintf("mirror-%05d.example.org", i)
		s, err := lab.Offer(id, manifest.KindMirror, countries[i%len(countries)], "centos", "rsync://"+id+"/centos/", m.Trees["centos"].Timestamp, now)
		if err != nil {
			return nil, 0, err
		}
		m.Sources = append(m.Sources, s)
	}
	payload, err := manifest.Encode(m)
	if err != nil {
		return nil, 0, err
	}
	bundle, err = b.publisher.Sign(payload, m)
	return bundle, len(payload), err
}
