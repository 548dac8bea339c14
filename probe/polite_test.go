package probe_test

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tidemark/probe"
	"tidemark/quorum"
)

// many makes asks of servers at addresses of their own, in groups of ten.
func many(t testing.TB, n int) []quorum.Ask {
	t.Helper()
	var asks []quorum.Ask
	for i := range n {
		host := netip.AddrFrom4([4]byte{198, 51, byte(i >> 8), byte(i)}).String()
		asks = append(asks, quorum.Ask{Server: fmt.Sprintf("s%05d", i), Tree: "centos", URL: mustURL(t, "rsync://"+host+"/centos/"), Group: fmt.Sprint("g", i/10), List: true, Deep: true})
	}
	return asks
}

// TestAll_PerGroup counts how many hosts of an organisation are asked at a time.
func TestAll_PerGroup(t *testing.T) {
	var mu sync.Mutex
	now, most := map[string]int{}, map[string]int{}
	full := make(chan struct{})
	begun := 0
	probe.All(t.Context(), many(t, 30), probe.Options{Now: time.Now, PerGroup: 2, Concurrency: 6, Timeout: 10 * time.Second, Probe: func(ctx context.Context, ask quorum.Ask, _ netip.Addr) quorum.Reading {
		mu.Lock()
		now[ask.Group]++
		most[ask.Group] = max(most[ask.Group], now[ask.Group])
		if begun++; begun == 6 { // two of each: nobody goes on before
			close(full)
		}
		mu.Unlock()
		select {
		case <-full:
		case <-ctx.Done():
			t.Error("fewer than six are asked at a time")
		}
		mu.Lock()
		defer mu.Unlock()
		now[ask.Group]--
		return quorum.Reading{}
	}})
	if fmt.Sprint(most) != "map[g0:2 g1:2 g2:2]" {
		t.Errorf("at a time %v, expected 2 of each", most)
	}
}

// TestAll_ListsAtOnce has all of the hosts wait for two lists at a time: the time files are read meanwhile, and waiting costs
// no list its time.
func TestAll_ListsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		now, most, early := 0, 0, 0
		begin := time.Now()
		done := 0
		got := probe.All(t.Context(), many(t, 20), probe.Options{
			Now: time.Now, Concurrency: 4, ListsAtOnce: 2, Timeout: time.Second, ListTimeout: 10 * time.Minute,
			Progress: func(n, of int) { done = n },
			Probe: func(context.Context, quorum.Ask, netip.Addr) quorum.Reading {
				time.Sleep(time.Second / 2)
				mu.Lock()
				defer mu.Unlock()
				if time.Since(begin) < 5*time.Second {
					early++
				}
				return quorum.Reading{Timestamp: 7, Depth: "anchors"}
			},
			List: func(ctx context.Context, _ quorum.Ask, _ netip.Addr, seen quorum.Reading) quorum.Reading {
				mu.Lock()
				now++
				most = max(most, now)
				mu.Unlock()
				time.Sleep(50 * time.Second)
				mu.Lock()
				defer mu.Unlock()
				now--
				if ctx.Err() == nil {
					seen.Depth = "listing"
				}
				return seen
			},
		})
		if most != 2 || early != 20 || done != 20 {
			t.Errorf("%d lists at a time, expected 2; %d of 20 time files at once; progress %d", most, early, done)
		}
		for _, r := range got {
			if r.Depth != "listing" || r.Timestamp != 7 || r.Server == "" || r.At.Sub(begin) > 5*time.Second {
				t.Errorf("reading %+v", r)
			}
		}
	})
}

// TestAll_BudgetIncludesLists: what was seen before stands where the time was up before the list's turn came.
func TestAll_BudgetIncludesLists(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		asked := 0
		got := probe.All(t.Context(), many(t, 5), probe.Options{
			Now: time.Now, ListsAtOnce: 1, Budget: 15 * time.Second,
			Probe: func(context.Context, quorum.Ask, netip.Addr) quorum.Reading {
				return quorum.Reading{Timestamp: 7, Depth: "anchors"}
			},
			List: func(ctx context.Context, _ quorum.Ask, _ netip.Addr, seen quorum.Reading) quorum.Reading {
				asked++
				<-ctx.Done()
				time.Sleep(time.Second) // the others' time is up in the same moment: by now it was
				return seen
			},
		})
		if d := time.Since(begin); d != 11*time.Second || asked != 1 {
			t.Errorf("the round took %v of synthetic time, expected 11 s; %d lists", d, asked)
		}
		for _, r := range got {
			if r.Depth != "anchors" || r.Failure != nil {
				t.Errorf("reading %+v, failure %+v", r, r.Failure)
			}
		}
	})
}

// TestAttack_SlowListsEndWithTheRound: however many lists are slow, all have ended as long after the first as one may take; those
// whose turn comes later are left to a later round.
func TestAttack_SlowListsEndWithTheRound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		got := probe.All(t.Context(), many(t, 100), probe.Options{
			Now: time.Now, ListsAtOnce: 2, ListTimeout: time.Minute,
			Probe: func(context.Context, quorum.Ask, netip.Addr) quorum.Reading {
				return quorum.Reading{Timestamp: 7, Depth: "anchors"}
			},
			List: func(ctx context.Context, _ quorum.Ask, _ netip.Addr, seen quorum.Reading) quorum.Reading {
				select {
				case <-time.After(50 * time.Second):
					seen.Depth = "listing"
				case <-ctx.Done():
					seen.Failure = &quorum.Failure{Kind: quorum.FailUnreachable}
				}
				return seen
			},
		})
		read, cut, left := 0, 0, 0
		for _, r := range got {
			switch {
			case r.Depth == "listing":
				read++
			case r.Failure != nil:
				cut++
			default:
				left++
			}
		}
		if d := time.Since(begin); d != time.Minute || read != 2 || cut != 2 || left != 96 {
			t.Errorf("the round took %v of synthetic time, expected 1 min; %d lists read, %d cut, %d left, expected 2, 2, 96", d, read, cut, left)
		}
	})
}

// TestAll_ListOnlyOfWhatIsSound: no list is looked at where the rest failed, is void, or gives no reason.
func TestAll_ListOnlyOfWhatIsSound(t *testing.T) {
	asks := many(t, 5)
	asks[3].Deep, asks[3].Known = false, 7
	asks[4].List = false
	var listed []string
	probe.All(t.Context(), asks, probe.Options{
		Now: time.Now,
		Probe: func(_ context.Context, ask quorum.Ask, _ netip.Addr) quorum.Reading {
			r := quorum.Reading{Timestamp: 7, Depth: "anchors"}
			switch ask.Server {
			case "s00000":
				r.Void = true
			case "s00001":
				r.Failure = &quorum.Failure{Kind: quorum.FailBusy}
			}
			return r
		},
		List: func(_ context.Context, ask quorum.Ask, _ netip.Addr, seen quorum.Reading) quorum.Reading {
			listed = append(listed, ask.Server)
			return seen
		},
	})
	if strings.Join(listed, " ") != "s00002" {
		t.Errorf("lists of %v", listed)
	}
}

// BenchmarkAll is what 10,000 addresses cost beside asking them; for ten times as many it must not be more than ten times.
func BenchmarkAll(b *testing.B) {
	for _, n := range []int{1000, 10_000, 40_000} {
		for _, perGroup := range []int{0, 2} {
			b.Run(fmt.Sprint(n, " hosts, per group ", perGroup), func(b *testing.B) {
				asks := many(b, n)
				for i := range asks {
					asks[i].Group = fmt.Sprint("g", i%7) // a few large ones: nearly all wait
				}
				b.ReportAllocs()
				for b.Loop() {
					got := probe.All(b.Context(), asks, probe.Options{Now: time.Now, PerGroup: perGroup, Probe: func(context.Context, quorum.Ask, netip.Addr) quorum.Reading {
						return quorum.Reading{Timestamp: 7}
					}})
					if len(got) != n {
						b.Fatal(len(got))
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/host")
			})
		}
	}
}
