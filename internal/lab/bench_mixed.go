package lab

import (
	"context"
	"fmt"
	"net/netip"
	"time"
)

// Of 200 addresses in BenchMixed and BenchMany, so many refuse, say nothing, drip, and are late.
const (
	mixedRefused = 10
	mixedHung    = 6
	mixedLoris   = 3
	mixedLate    = 3

	mixedLateBy  = 2 * time.Second
	mixedTimeout = 10 * time.Second
	mixedGiveUp  = 60 * time.Second // after which the ones that hang end the connection: rsync's own timeouts do not see who drips

	mostMixedOfXargs  = 0.5
	mostMixedOfMirmon = 0.5
	mostMixedWall     = mixedTimeout + 10*time.Second

	manyAddresses = 10_000
	manyInterval  = 300 * time.Second // policy.check_interval
	manyPerSecond = 40                // probe.per_second
	mostManyMem   = 256 << 20
)

// BenchMixed is [BenchTimeFiles] on a network as it is: of its addresses some refuse, some take the connection and say nothing,
// some drip a byte a second, some answer late. Every client has the same timeouts, and must get every answer there is.
func BenchMixed(ctx context.Context, o BenchOptions) (BenchTable, error) {
	if o.Timeout == 0 {
		o.Timeout = mixedTimeout
	}
	o = o.withDefaults()
	b, stop, err := mixedBench(ctx, o)
	if err != nil {
		return BenchTable{}, fmt.Errorf("preparing the benchmark: %w", err)
	}
	defer stop()
	var rows []BenchRow
	for _, c := range []client{{"tidemark", b.child(o.Concurrency, 0)}, {"xargs rsync", b.xargs}, {"mirmon", b.mirmon}} {
		row, err := b.measure(ctx, c)
		if err != nil {
			return BenchTable{}, err
		}
		rows = append(rows, row)
	}
	ours, xargs, mirmon := rows[0], rows[1], rows[2]
	return BenchTable{
		Title: fmt.Sprintf("time file of %d addresses, %s, %d at a time, timeouts of %s", o.Addresses, b.mixture(), o.Concurrency, o.Timeout),
		Rows:  rows,
		Targets: []BenchTarget{
			ratio("wall, of xargs rsync", ours.Wall, xargs.Wall, mostMixedOfXargs),
			ratio("CPU, of xargs rsync", ours.CPU, xargs.CPU, mostCPUOfXargs),
			ratio("wall, of mirmon", ours.Wall, mirmon.Wall, mostMixedOfMirmon),
			seconds("wall: the timeout, and no more than as long again", ours.Wall, mostMixedWall),
		},
	}, nil
}

// BenchMany is how long 10,000 such addresses take: with the publisher's default settings, which must be done within the
// interval in which it looks, and without a bound on how many are begun with in a second.
func BenchMany(ctx context.Context, o BenchOptions) (BenchTable, error) {
	if o.Addresses == 0 {
		o.Addresses = manyAddresses
	}
	o = o.withDefaults()
	b, stop, err := mixedBench(ctx, o)
	if err != nil {
		return BenchTable{}, fmt.Errorf("preparing the benchmark: %w", err)
	}
	defer stop()
	var rows []BenchRow
	for _, c := range []client{
		{fmt.Sprintf("tidemark, at most %d a second", manyPerSecond), b.child(o.Concurrency, manyPerSecond)},
		{"tidemark, as fast as it can", b.child(4*o.Concurrency, 0)},
	} {
		row, err := b.measure(ctx, c)
		if err != nil {
			return BenchTable{}, err
		}
		rows = append(rows, row)
	}
	return BenchTable{
		Title: fmt.Sprintf("time file of %d addresses, %s, timeouts of %s (%d at a time, and %d)", o.Addresses, b.mixture(), o.Timeout, o.Concurrency, 4*o.Concurrency),
		Rows:  rows,
		Targets: []BenchTarget{
			seconds("wall with the default settings", rows[0].Wall, manyInterval),
			mebibytes("memory", max(rows[0].Memory, rows[1].Memory), mostManyMem),
		},
	}, nil
}

// mixedBench has a front answer on rsync's port, with a real daemon behind it.
func mixedBench(ctx context.Context, o BenchOptions) (*bench, func(), error) {
	b := &bench{o: o, addresses: loopbackAddresses(o.Addresses), mixed: true}
	if err := b.prepare(ctx, "127.0.0.1", 0); err != nil {
		return nil, nil, err
	}
	doors := map[netip.Addr]Door{}
	for i, addr := range b.addresses {
		if door := b.mix(i); door != nil {
			doors[addr] = door
		}
	}
	front, err := StartFront(ctx, 873, doors)
	if err != nil {
		b.daemon.Stop()
		return nil, nil, err
	}
	return b, func() { front.Close(); b.daemon.Stop() }, nil
}

// mix gives each address its door, spread evenly, and counts who answers.
func (b *bench) mix(i int) Door {
	at := i * 61 % 200 // 61 and 200 have no common divisor: every residue comes once in 200
	for _, kind := range []struct {
		share int
		door  Door
		right bool
	}{
		{mixedRefused, nil, false},
		{mixedHung, Wedged(mixedGiveUp), false},
		{mixedLoris, Loris(time.Second, mixedGiveUp), false},
		{mixedLate, Late(mixedLateBy, ToDaemon(b.daemon.Addr)), true},
		{200, ToDaemon(b.daemon.Addr), true},
	} {
		if at < kind.share {
			if kind.right {
				b.expected++
			}
			return kind.door
		}
		at -= kind.share
	}
	return nil
}

func (b *bench) mixture() string {
	percent := func(n int) float64 { return float64(n) / 2 }
	return fmt.Sprintf("%g %% refuse, %g %% say nothing, %g %% drip, %g %% are late", percent(mixedRefused), percent(mixedHung), percent(mixedLoris), percent(mixedLate))
}

// child asks in a process of its own.
func (b *bench) child(concurrency, perSecond int) func(ctx context.Context) (BenchRow, error) {
	return func(ctx context.Context) (BenchRow, error) {
		j := benchJob{What: "time files", Concurrency: concurrency, PerSecond: perSecond, Timeout: b.o.Timeout}
		for _, a := range b.addresses {
			j.Addresses = append(j.Addresses, a.String())
		}
		row, _, err := runJob(ctx, b.o, j)
		return row, err
	}
}
