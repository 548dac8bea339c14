package history

import (
	"context"
	"fmt"
	"os"
	"testing"

	"tidemark/quorum"
)

// fleet is a round of many mirrors at one timestamp, every tenth of them unreachable.
func fleet(servers, minute int, state quorum.State, timestamp int64) Round {
	r := Round{At: after(minute)}
	for i := range servers {
		s := verdict(fmt.Sprintf("mirror-%05d", i), state, timestamp)
		if i%10 == 9 {
			s = verdict(s.Server, quorum.Unreachable, 0)
		}
		one := round(minute, s)
		r.Verdicts, r.Readings = append(r.Verdicts, one.Verdicts...), append(r.Readings, one.Readings...)
	}
	return r
}

// BenchmarkAdd: a round in which nothing changed, and one in which a tree is announced and all are behind, by servers.
func BenchmarkAdd(b *testing.B) {
	for _, servers := range []int{650, 10_000} {
		for _, change := range []bool{false, true} {
			b.Run(fmt.Sprintf("servers=%d/changed=%v", servers, change), func(b *testing.B) {
				db := fresh(b)
				add(b, db, fleet(servers, 0, quorum.Verified, 1))
				minute := 0
				states := []quorum.State{quorum.Behind, quorum.Verified}
				for b.Loop() {
					b.StopTimer()
					minute += 5
					r := fleet(servers, minute, quorum.Verified, 1)
					if change {
						r = announcing(fleet(servers, minute, states[minute/5%2], int64(minute)), int64(minute))
					}
					b.StartTimer()
					if err := db.Add(context.Background(), r); err != nil {
						b.Fatal(err)
					}
				}
				if info, err := os.Stat(db.file); err == nil {
					b.ReportMetric(float64(info.Size())/(1<<20), "MiB")
				}
			})
		}
	}
}
