package rsync

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"testing"
)

// benchSize reads a size from the environment: the figures of the design take larger ones than a quick run.
func benchSize(b *testing.B, name string, fallback int) int {
	b.Helper()
	text := os.Getenv(name)
	if text == "" {
		return fallback
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		b.Fatalf("%s: %v", name, err)
	}
	return n
}

// BenchmarkFetchFile fetches the time file from RSYNC_BENCH_ADDRESSES addresses (64), 64 at a time.
func BenchmarkFetchFile(b *testing.B) {
	d := startDaemon(b, needTool(b, "rsync", "rsync"), "[m]\npath = %DIR%/tree\n")
	writeFile(b, d.dir+"/tree/TIME", "1488372781\n")
	addresses := make([]netip.Addr, benchSize(b, "RSYNC_BENCH_ADDRESSES", 64))
	for i := range addresses {
		addresses[i] = netip.AddrFrom4([4]byte{127, 0, byte(1 + i/200), byte(1 + i%200)})
	}
	u := d.url(b, "m/")
	for b.Loop() {
		var wg sync.WaitGroup
		slots := make(chan struct{}, 64)
		for _, a := range addresses {
			slots <- struct{}{}
			wg.Go(func() {
				defer func() { <-slots }()
				if _, err := new(Client).FetchFile(context.Background(), a, u, "TIME"); err != nil {
					b.Error(err)
				}
			})
		}
		wg.Wait()
	}
	b.ReportMetric(float64(len(addresses)), "addresses/op")
}

// BenchmarkList lists a tree of RSYNC_BENCH_FILES files (2,000), 200 a directory.
func BenchmarkList(b *testing.B) {
	d := startDaemon(b, needTool(b, "rsync", "rsync"), "[m]\npath = %DIR%/tree\n")
	files := benchSize(b, "RSYNC_BENCH_FILES", 2000)
	for i := range files {
		writeFile(b, fmt.Sprintf("%s/tree/%03d/Packages/package-%d-1.0.x86_64.rpm", d.dir, i/200, i), "")
	}
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		err := new(Client).List(context.Background(), d.addr, d.url(b, "m/"), nil, func(Entry) error { n++; return nil })
		if err != nil || n < files {
			b.Fatal(n, err)
		}
	}
	b.ReportMetric(float64(files), "files/op")
}

// BenchmarkListDecode reads a list of RSYNC_BENCH_ENTRIES entries (240,000) from memory: what the client itself costs.
func BenchmarkListDecode(b *testing.B) {
	n := benchSize(b, "RSYNC_BENCH_ENTRIES", 240_000)
	var said bytes.Buffer
	w := &wire{bufio.NewWriter(&said)}
	mirrorList(w, int64(n))
	w.Flush()
	c := &Client{Dial: scripted(said.Bytes())}
	u := anyURL(b)
	b.SetBytes(int64(said.Len()))
	b.ReportAllocs()
	for b.Loop() {
		count := 0
		if err := c.List(context.Background(), loopback, u, nil, func(Entry) error { count++; return nil }); err != nil || count != n {
			b.Fatal(count, err)
		}
	}
}
