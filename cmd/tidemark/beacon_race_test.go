package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"tidemark/internal/console"
	"tidemark/internal/dnstxt"
	"tidemark/publish"
)

// rivalPlace is a place where somebody else writes between Get and Swap, so many times.
type rivalPlace struct {
	has    publish.RRset
	rivals int
	swaps  int
}

func (r *rivalPlace) Get(context.Context, string) (publish.RRset, error) { return r.has, nil }

func (r *rivalPlace) Swap(_ context.Context, _ string, old, next publish.RRset) error {
	r.swaps++
	if r.rivals > 0 {
		r.rivals--
		r.has = publish.RRset{TTL: 60, Records: [][]string{{fmt.Sprint("v=tm1 rival ", r.rivals)}}}
	}
	if !r.has.Same(old) {
		return fmt.Errorf("it holds other records: %w", publish.ErrConflict)
	}
	r.has = next
	return nil
}

// Who loses a race looks and decides once more; who loses again leaves it to the next run.
func TestKeepBeacon_Race(t *testing.T) {
	t.Parallel()
	w := newBeaconWorld(t)
	w.keep(w.document(stamp1, stamp1))
	for rivals, want := range map[int]string{0: "", 1: "", 2: "somebody else writes this record"} {
		place := &rivalPlace{rivals: rivals}
		_, _, errs := w.program([]string{"part"}, func(c *console.Call) error {
			p, err := openPublisher(c, true)
			if err != nil {
				return err
			}
			own, err := p.ownCopy()
			if err != nil {
				return err
			}
			k := &beaconKeeper{publisher: p, m: own.manifest, place: place}
			_, _, err = k.replace(c.Context.Context, beaconName, k.stale, k.signed)
			if errors.Is(err, publish.ErrConflict) != (want != "") {
				t.Errorf("%d rivals: %v", rivals, err)
			}
			if why, _ := k.stale(c.Context.Context, place.has); err == nil && why != "" {
				t.Errorf("%d rivals: %v stands", rivals, place.has)
			}
			return err
		})
		if !strings.Contains(errs, want) || place.swaps != min(rivals, 1)+1 {
			t.Errorf("%d rivals, %d swaps: %s", rivals, place.swaps, errs)
		}
	}
}

// A machine without IPv6 does not report every server that has it.
func TestBeaconKeeper_NoRoute(t *testing.T) {
	t.Parallel()
	want := publish.RRset{Records: [][]string{{"x"}}}
	unreachable := fmt.Errorf("ask: %w", syscall.ENETUNREACH)
	v4, v6 := publish.NameServer{Name: "ns1", Address: "192.0.2.1:53"}, publish.NameServer{Name: "ns1", Address: "[2001:db8::1]:53"}
	good := publish.Said{NameServer: v4, Answer: &dnstxt.Answer{Records: want.Records}}
	k := &beaconKeeper{publisher: &publisher{}, o: &beaconOutcome{}}
	for name, tt := range map[string]struct {
		said []publish.Said
		want int
	}{
		"one family reached":  {[]publish.Said{good, {NameServer: v6, Err: unreachable}}, 0},
		"none reached":        {[]publish.Said{{NameServer: v4, Err: unreachable}, {NameServer: v6, Err: unreachable}}, 2},
		"refused":             {[]publish.Said{good, {NameServer: v6, Err: syscall.ECONNREFUSED}}, 1},
		"another one reached": {[]publish.Said{good, {NameServer: publish.NameServer{Name: "ns2", Address: v6.Address}, Err: unreachable}}, 1},
	} {
		if got := k.lags(record{name: "n", set: want}, tt.said); len(got) != tt.want {
			t.Errorf("%s: %+v, expected %d", name, got, tt.want)
		}
	}
}
