package lab

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

// BenchOptions of [BenchTimeFiles].
type BenchOptions struct {
	Dir         string           // everything that is written goes below it
	Now         func() time.Time // required
	Addresses   int              // 0: 650
	Concurrency int              // of every client; 0: 64
	Timeout     time.Duration    // of every client, whole seconds; 0: 30 s
	Rounds      int              // of the quick clients, whose medians count; 0: 3
	Log         func(line string)
	Self        []string // arguments with which this program, started again, comes to call BenchJob
}

// BenchRow is what one client took to get all time files.
type BenchRow struct {
	Client  string        `json:"client"`
	Wall    time.Duration `json:"wall_ns"`
	CPU     time.Duration `json:"cpu_ns"` // user and system, child processes included, the daemon's not
	Answers int           `json:"answers,omitempty"`
	Bytes   int64         `json:"bytes,omitempty"` // on the wire, both directions
	Conns   int           `json:"connections,omitempty"`
	Lists   int           `json:"lists,omitempty"` // full file lists asked of the source
	Rounds  int           `json:"rounds"`

	PerSecond int           `json:"per_second,omitempty"`   // requests answered
	P50       time.Duration `json:"p50_ns,omitempty"`       // of an answer
	P99       time.Duration `json:"p99_ns,omitempty"`       //
	Memory    int64         `json:"memory_bytes,omitempty"` // resident: at the end of a program that serves, the peak of any other
	Kept      int64         `json:"kept_bytes,omitempty"`   // on the disk, at the end
}

// BenchTarget is one figure to reach: a ratio between two rows, or a number.
type BenchTarget struct {
	What  string  `json:"what"`
	Ratio float64 `json:"ratio"`
	Most  float64 `json:"most"`
	Met   bool    `json:"met"`
}

// BenchTable is the outcome of a measurement.
type BenchTable struct {
	Title   string        `json:"title"`
	Rows    []BenchRow    `json:"rows"`
	Targets []BenchTarget `json:"targets"`
}

// Met reports whether every target was reached.
func (t BenchTable) Met() bool {
	return !slices.ContainsFunc(t.Targets, func(b BenchTarget) bool { return !b.Met })
}

// The targets of the design's first row of figures.
const (
	mostWallOfXargs  = 0.5
	mostCPUOfXargs   = 0.15
	mostWallOfMirmon = 0.05
)

func (o BenchOptions) withDefaults() BenchOptions {
	o.Addresses = cmp.Or(o.Addresses, 650)
	o.Concurrency = cmp.Or(o.Concurrency, 64)
	o.Timeout = cmp.Or(o.Timeout, 30*time.Second)
	o.Rounds = cmp.Or(o.Rounds, 3)
	if o.Log == nil {
		o.Log = func(string) {}
	}
	return o
}

// BenchTimeFiles measures, in one run against one rsync daemon that answers at many loopback addresses, how long the
// probe, `xargs -P 64 rsync` and mirmon take to get the time file of each. A client that does not get every answer
// fails the run: a fast wrong answer is no figure.
//
// It must run within the namespaces of [Isolate], since mirmon can ask neither another port than 873 nor an address
// that has no name.
func BenchTimeFiles(ctx context.Context, o BenchOptions) (BenchTable, error) {
	o = o.withDefaults()
	b := &bench{o: o, addresses: loopbackAddresses(o.Addresses), expected: o.Addresses}
	if err := b.prepare(ctx, "0.0.0.0", 873); err != nil {
		return BenchTable{}, fmt.Errorf("preparing the benchmark: %w", err)
	}
	defer b.daemon.Stop()
	var ours, xargs []BenchRow
	for range o.Rounds {
		row, err := b.measure(ctx, client{"tidemark", b.tidemark})
		if err != nil {
			return BenchTable{}, err
		}
		ours = append(ours, row)
		if row, err = b.measure(ctx, client{"xargs rsync", b.xargs}); err != nil {
			return BenchTable{}, err
		}
		xargs = append(xargs, row)
	}
	mirmon, err := b.measure(ctx, client{"mirmon", b.mirmon})
	if err != nil {
		return BenchTable{}, err
	}
	return b.table(median(ours), median(xargs), mirmon), nil
}

// client is a way to get all time files; run gives CPU time, memory and the number of right answers.
type client struct {
	name string
	run  func(ctx context.Context) (BenchRow, error)
}

type bench struct {
	o         BenchOptions
	addresses []netip.Addr
	expected  int  // right answers
	mixed     bool // some addresses fail: what a program says of them is no news
	daemon    *Running
}

const benchTimestamp = 1488372781

// prepare makes the tree and starts its daemon.
func (b *bench) prepare(ctx context.Context, address string, port int) error {
	if err := EnterLoopback(); err != nil {
		return err
	}
	tree, err := NewTree(filepath.Join(b.o.Dir, "tree"), "centos", 1, benchTimestamp)
	if err != nil {
		return err
	}
	b.daemon, err = StartDaemon(ctx, Daemon{
		Dir: filepath.Join(b.o.Dir, "daemon"), Address: address, Port: port, Modules: map[string]string{"centos": tree.Dir},
	})
	return err
}

// measure runs a client once and insists on every answer.
func (b *bench) measure(ctx context.Context, c client) (BenchRow, error) {
	start := b.o.Now()
	row, err := c.run(ctx)
	row.Client, row.Wall, row.Rounds = c.name, b.o.Now().Sub(start), 1
	if err != nil {
		return row, fmt.Errorf("measuring %s: %w", c.name, err)
	}
	b.o.Log(fmt.Sprintf("%s: %.2f s, %.2f s of CPU, %d answers", c.name, row.Wall.Seconds(), row.CPU.Seconds(), row.Answers))
	if row.Answers != b.expected {
		return row, fmt.Errorf("measuring %s: it got %d right answers, expected %d", c.name, row.Answers, b.expected)
	}
	return row, nil
}

func (b *bench) table(ours, xargs, mirmon BenchRow) BenchTable {
	return BenchTable{
		Title: "time file of " + strconv.Itoa(len(b.addresses)) + " addresses, " + strconv.Itoa(b.o.Concurrency) + " at a time",
		Rows:  []BenchRow{ours, xargs, mirmon},
		Targets: []BenchTarget{
			ratio("wall, of xargs rsync", ours.Wall, xargs.Wall, mostWallOfXargs),
			ratio("CPU, of xargs rsync", ours.CPU, xargs.CPU, mostCPUOfXargs),
			ratio("wall, of mirmon", ours.Wall, mirmon.Wall, mostWallOfMirmon),
		},
	}
}

// ratio is a target of one time to another.
func ratio(what string, of, to time.Duration, most float64) BenchTarget {
	r := of.Seconds() / to.Seconds()
	return BenchTarget{What: what, Ratio: r, Most: most, Met: r <= most}
}

// seconds is a target in itself.
func seconds(what string, d, most time.Duration) BenchTarget {
	return BenchTarget{What: what + ", s", Ratio: d.Seconds(), Most: most.Seconds(), Met: d <= most}
}

// mebibytes is a target of memory.
func mebibytes(what string, n, most int64) BenchTarget {
	return BenchTarget{What: what + ", MiB", Ratio: float64(n) / (1 << 20), Most: float64(most) / (1 << 20), Met: n <= most}
}

// median takes wall and CPU each at its median over the rounds.
func median(rows []BenchRow) BenchRow {
	m := rows[0]
	m.Rounds = len(rows)
	middle := func(of func(BenchRow) time.Duration) time.Duration {
		slices.SortFunc(rows, func(a, b BenchRow) int { return cmp.Compare(of(a), of(b)) })
		return of(rows[len(rows)/2])
	}
	m.Wall = middle(func(r BenchRow) time.Duration { return r.Wall })
	m.CPU = middle(func(r BenchRow) time.Duration { return r.CPU })
	return m
}

// loopbackAddresses are 127.0.1.1, 127.0.1.2, ...: 200 in each /24.
func loopbackAddresses(n int) []netip.Addr {
	list := make([]netip.Addr, n)
	for i := range list {
		list[i] = netip.AddrFrom4([4]byte{127, 0, byte(1 + i/200), byte(1 + i%200)})
	}
	return list
}
