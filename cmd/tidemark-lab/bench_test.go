package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tidemark/internal/lab"
)

func TestShowBench_ColumnsThatARowHas(t *testing.T) {
	var out strings.Builder
	showBench(&out, lab.BenchTable{Title: "a title", Rows: []lab.BenchRow{
		{Client: "ours", Wall: 1500 * time.Millisecond, CPU: 20 * time.Millisecond, Bytes: 3000, Rounds: 9},
		{Client: "rsync", Wall: 2 * time.Second, CPU: time.Second, Bytes: 9_000_000, Lists: 1, Rounds: 1},
	}, Targets: []lab.BenchTarget{{What: "bytes, of rsync's", Ratio: 3000.0 / 9_000_000, Most: 0.001, Met: true}, {What: "lists", Ratio: 2, Most: 1}}})
	want := `a title
 CLIENT  WALL     CPU      BYTES    FULL LISTS  ROUNDS 
 ours    1.500 s  0.020 s  3000     0           9      
 rsync   2.000 s  1.000 s  9000000  1           1      
met     bytes, of rsync's: 0.000333 (target: at most 0.001)
MISSED  lists: 2 (target: at most 1)
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-expected +found)\n%s", diff)
	}
}

func TestMiddle_TakesEachMedian(t *testing.T) {
	got := middle([]lab.BenchRow{{Wall: 3, CPU: 10, Bytes: 7}, {Wall: 1, CPU: 30, Bytes: 7}, {Wall: 2, CPU: 20, Bytes: 9}})
	if diff := cmp.Diff(lab.BenchRow{Wall: 2, CPU: 20, Bytes: 7, Rounds: 3}, got); diff != "" {
		t.Errorf("(-expected +found)\n%s", diff)
	}
}
