package probe

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"tidemark/internal/strictjson"
	"tidemark/manifest"
	"tidemark/quorum"
	"tidemark/rsync"
)

// Func asks one server at one address. The default speaks rsync. It fills in what it saw; Server, Tree, URL, Address,
// Family and At are set by [All].
type Func func(ctx context.Context, ask quorum.Ask, addr netip.Addr) quorum.Reading

// Options of a round.
type Options struct {
	Concurrency int                                                          // hosts at a time; 0: 64
	Timeout     time.Duration                                                // one tree at one address, in all; 0: 30 s
	Budget      time.Duration                                                // one server: its names, trees and addresses together; 0: none
	Client      *rsync.Client                                                // nil: defaults
	Resolve     func(ctx context.Context, host string) ([]netip.Addr, error) // nil: the system's
	Now         func() time.Time                                             // required
	Progress    func(done, of int)                                           // nil: none; never called twice at a time
	Probe       Func                                                         // nil: the real one

	AllowPrivate bool   // ask private, loopback and link-local addresses, too
	PerSecond    int    // hosts that are begun with in a second; 0: no bound
	PerGroup     int    // hosts of one group (quorum.Ask.Group) at a time; 0: no bound
	Lists        Lists  // the masters' lists; nil: none is looked at
	ListsAtOnce  int    // file lists that are compared at a time; 0: 8
	Scratch      string // directory for what a comparison cannot hold in memory; "": the system's
}

const (
	defaultConcurrency = 64
	defaultTimeout     = 30 * time.Second
)

func (o Options) withDefaults() Options {
	if o.Concurrency <= 0 {
		o.Concurrency = defaultConcurrency
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.Client == nil {
		o.Client = &rsync.Client{}
	}
	if o.Resolve == nil {
		o.Resolve = systemResolve
	}
	if o.Probe == nil {
		o.Probe = overRsync(o.Client)
	}
	return o
}

// job is one reading to take; addr is not valid when the name has no address.
type job struct {
	ask  quorum.Ask
	addr netip.Addr
	fail *quorum.Failure // why there is no address
}

// names is how long finding the addresses of a name may take: nobody is asked before all are found.
func (o Options) names() time.Duration {
	if o.Budget > 0 {
		return min(o.Timeout, o.Budget/3)
	}
	return o.Timeout
}

// withBudget bounds what is left for asking a server.
func (o Options) withBudget(ctx context.Context) (context.Context, context.CancelFunc) {
	if o.Budget > 0 {
		return context.WithTimeout(ctx, o.Budget-o.names())
	}
	return ctx, func() {}
}

// All asks every address of every server: one connection a host at a time. The readings are sorted by server, tree and
// address. There is at least one for each ask.
func All(ctx context.Context, asks []quorum.Ask, o Options) []quorum.Reading {
	o = o.withDefaults()
	jobs := plan(asks, resolveAll(ctx, asks, o))
	round := &round{options: o, of: len(jobs)}
	each(byHost(jobs), o.Concurrency, func(host []job) {
		for _, jobs := range byServer(host) {
			round.takeAll(ctx, jobs)
		}
	})
	slices.SortFunc(round.readings, compare)
	return round.readings
}

// plan makes one job for each address of each ask.
func plan(asks []quorum.Ask, found map[string]resolved) []job {
	var jobs []job
	for _, ask := range asks {
		r := found[ask.URL.Host()]
		if r.fail != nil {
			jobs = append(jobs, job{ask: ask, fail: r.fail})
		}
		for _, addr := range r.addrs {
			jobs = append(jobs, job{ask: ask, addr: addr})
		}
	}
	return jobs
}

// byHost groups the jobs that must follow each other, longest queues first so that none of them starts last: those with
// the same name or the same address, or linked through others with either. A name's A and AAAA are one machine.
func byHost(jobs []job) [][]job {
	same := links{}
	for _, j := range jobs {
		if j.addr.IsValid() {
			same.join(j.ask.URL.Host(), j.addr.String())
		}
	}
	var groups [][]job
	index := map[string]int{}
	for _, j := range jobs {
		host := same.find(j.ask.URL.Host())
		at, seen := index[host]
		if !seen {
			at = len(groups)
			groups = append(groups, nil)
			index[host] = at
		}
		groups[at] = append(groups[at], j)
	}
	slices.SortStableFunc(groups, func(a, b []job) int { return cmp.Compare(len(b), len(a)) })
	return groups
}

// byServer groups the jobs at one host: each server has a budget of its own, so that one name that leads to another's
// address costs that one nothing.
func byServer(jobs []job) [][]job {
	var groups [][]job
	index := map[string]int{}
	for _, j := range jobs {
		at, seen := index[j.ask.Server]
		if !seen {
			at = len(groups)
			groups = append(groups, nil)
			index[j.ask.Server] = at
		}
		groups[at] = append(groups[at], j)
	}
	return groups
}

// links says which names and addresses belong together: each points to another one, the last to itself.
type links map[string]string

func (l links) find(name string) string {
	next, ok := l[name]
	if !ok || next == name {
		return name
	}
	last := l.find(next)
	l[name] = last
	return last
}

func (l links) join(a, b string) { l[l.find(a)] = l.find(b) }

// each calls do for every item, at most n at a time, and waits for all.
func each[T any](items []T, n int, do func(T)) {
	queue := make(chan T)
	var workers sync.WaitGroup
	for range min(n, len(items)) {
		workers.Go(func() {
			for item := range queue {
				do(item)
			}
		})
	}
	for _, item := range items {
		queue <- item
	}
	close(queue)
	workers.Wait()
}

// round collects the readings.
type round struct {
	options  Options
	of       int
	mu       sync.Mutex
	readings []quorum.Reading
}

// takeAll takes the readings of one server, as far as its budget goes.
func (r *round) takeAll(ctx context.Context, jobs []job) {
	own, cancel := r.options.withBudget(ctx)
	defer cancel()
	for _, j := range jobs {
		r.take(ctx, own, j)
	}
}

func (r *round) take(ctx, own context.Context, j job) {
	at := strictjson.At(r.options.Now())
	reading := r.ask(ctx, own, j)
	reading.Server, reading.Tree, reading.URL, reading.At = j.ask.Server, j.ask.Tree, j.ask.URL, at
	reading.Address, reading.Family = "", 0
	if j.addr.IsValid() {
		reading.Address, reading.Family = j.addr.String(), family(j.addr)
	}
	if reading.Depth == "" {
		reading.Depth = manifest.DepthTime
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.readings = append(r.readings, reading)
	if r.options.Progress != nil {
		r.options.Progress(len(r.readings), r.of)
	}
}

func (r *round) ask(ctx, own context.Context, j job) quorum.Reading {
	if j.fail != nil {
		return quorum.Reading{Failure: j.fail}
	}
	if ctx.Err() != nil {
		return quorum.Reading{Failure: &quorum.Failure{Kind: quorum.FailUnreachable, Text: "not asked: the round was ended before its turn"}}
	}
	if own.Err() != nil {
		_, words := classify(rsync.CodeTimeout)
		return quorum.Reading{Failure: &quorum.Failure{Kind: quorum.FailUnreachable, Text: words + ": this server had used up its time before this was asked"}}
	}
	ctx, cancel := context.WithTimeout(own, r.options.Timeout)
	defer cancel()
	return r.options.Probe(ctx, j.ask, j.addr)
}

func family(a netip.Addr) int {
	if a.Is4() {
		return 4
	}
	return 6
}

// compare sorts by server, tree and address, addresses as numbers (IPv4 first).
func compare(a, b quorum.Reading) int {
	addr := func(r quorum.Reading) netip.Addr {
		p, _ := netip.ParseAddr(r.Address)
		return p
	}
	return cmp.Or(cmp.Compare(a.Server, b.Server), cmp.Compare(a.Tree, b.Tree), addr(a).Compare(addr(b)))
}
