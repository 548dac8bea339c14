package history_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"tidemark/history"
	"tidemark/internal/rsyncurl"
	"tidemark/manifest"
	"tidemark/quorum"
)

// A timestamp is announced at 08:00 to five mirrors; the first has it already, three more get it within 20 minutes.
func Example() {
	dir, err := os.MkdirTemp("", "history")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	eight := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	ctx := context.Background()
	db, aside, err := history.Open(ctx, filepath.Join(dir, "history.db"), history.Options{Now: func() time.Time { return eight }})
	if err != nil || aside != "" {
		fmt.Println(aside, err)
		return
	}
	defer db.Close()
	for i, have := range []int{1, 3, 3, 3, 4} { // so many of the five have it, every five minutes
		r := history.Round{At: eight.Add(time.Duration(i) * 5 * time.Minute)}
		r.Trees = []quorum.TreeReport{{Tree: "centos", Announced: 1488372781, New: i == 0}}
		for m := range 5 {
			url, _ := rsyncurl.Parse(fmt.Sprintf("rsync://mirror-%d.example.org/centos/", m))
			v := quorum.Verdict{Server: fmt.Sprint("mirror-", m), Kind: manifest.KindMirror, Tree: "centos", URL: url, State: quorum.Behind, Timestamp: 1488369181}
			if m < have {
				v.State, v.Timestamp = quorum.Verified, 1488372781
			}
			r.Verdicts = append(r.Verdicts, v)
			r.Readings = append(r.Readings, quorum.Reading{Server: v.Server, Tree: v.Tree, URL: url, Timestamp: v.Timestamp})
		}
		if err := db.Add(ctx, r); err != nil {
			fmt.Println(err)
			return
		}
	}
	curves, err := db.Curves(ctx, "centos", 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(curves[0].Reached, "of", curves[0].Of)
	for _, p := range curves[0].Points {
		fmt.Println(p.Percent, p.Reached, p.After)
	}
	// Output:
	// 4 of 5
	// 50 true 5m0s
	// 80 true 20m0s
	// 95 false 0s
	// 99 false 0s
}
