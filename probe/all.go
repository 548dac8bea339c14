package probe

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"sync"

	"tidemark/internal/strictjson"
	"tidemark/manifest"
	"tidemark/quorum"
	"tidemark/rsync"
)

// All asks every address of every server: one connection a host at a time. The readings are sorted by server, tree and
// address. There is at least one for each ask.
func All(ctx context.Context, asks []quorum.Ask, o Options) []quorum.Reading {
	o = o.withDefaults()
	jobs := plan(asks, resolveAll(ctx, asks, o))
	round := &round{options: o, readings: make([]quorum.Reading, len(jobs))}
	var units []*unit
	for _, host := range byHost(jobs, o.PerGroup) {
		if host[0].fail != nil {
			round.refuse(host)
			continue
		}
		units = append(units, &unit{groups: groupsOf(host), first: first(host), run: func() *unit { return round.host(ctx, host) }})
	}
	newSchedule(o).run(ctx, units)
	if round.end != nil {
		round.end()
	}
	return round.readings
}

// job is one reading to take; addr is not valid when the name has no address.
type job struct {
	at   int // in the sorted readings
	ask  quorum.Ask
	addr netip.Addr
	fail *quorum.Failure // why nobody is asked
}

// plan makes one job for each address of each ask, sorted by server, tree and address, addresses as numbers (IPv4 first).
func plan(asks []quorum.Ask, found map[string]resolved) []job {
	var jobs []job
	for _, ask := range asks {
		r := found[ask.URL.Host()]
		if r.fail != nil {
			jobs = append(jobs, job{ask: ask, fail: r.fail})
		}
		for _, addr := range r.addrs {
			jobs = append(jobs, job{ask: ask, addr: addr, fail: r.refused[addr]})
		}
	}
	slices.SortStableFunc(jobs, func(a, b job) int {
		return cmp.Or(cmp.Compare(a.ask.Server, b.ask.Server), cmp.Compare(a.ask.Tree, b.ask.Tree), a.addr.Compare(b.addr))
	})
	for i := range jobs {
		jobs[i].at = i
	}
	return jobs
}

// round collects the readings.
type round struct {
	options  Options
	mu       sync.Mutex
	done     int
	readings []quorum.Reading // each is written by the one that takes it

	first sync.Once       // list
	lists context.Context // ends when all of them must have been read
	end   context.CancelFunc
}

// refuse takes the readings that need nobody to be asked.
func (r *round) refuse(jobs []job) {
	for _, j := range jobs {
		r.readings[j.at] = complete(j, strictjson.At(r.options.Now()), quorum.Reading{Failure: j.fail})
		r.count()
	}
}

// later is what is left to do for one server at a host.
type later struct {
	ctx   context.Context // with the server's budget
	end   context.CancelFunc
	lists []job
}

// host takes all readings at one host, their lists aside, and says how it goes on with these.
func (r *round) host(ctx context.Context, host []job) *unit {
	var rest []later
	for _, jobs := range byServer(host) {
		own, cancel := r.options.withBudget(ctx)
		lists := r.server(ctx, own, jobs)
		if len(lists) == 0 {
			cancel()
			continue
		}
		if r.options.Budget <= 0 { // then it is for all but lists
			cancel()
			own, cancel = context.WithCancel(ctx)
		}
		rest = append(rest, later{own, cancel, lists})
	}
	if len(rest) == 0 {
		return nil
	}
	return &unit{list: true, groups: groupsOf(host), first: first(host), run: func() *unit {
		for _, l := range rest {
			for _, j := range l.lists {
				r.deepen(ctx, l.ctx, j)
			}
			l.end()
		}
		return nil
	}}
}

// server takes all readings of one server at a host, their lists aside: those come back. An address that was silent on one tree
// comes last for the others, so that the time for the server goes to those that answer.
func (r *round) server(ctx, own context.Context, jobs []job) (lists []job) {
	silent := map[netip.Addr]bool{}
	var late []job
	take := func(j job) {
		if r.take(ctx, own, j) {
			lists = append(lists, j)
		}
		fail := r.readings[j.at].Failure
		silent[j.addr] = silent[j.addr] || fail != nil && fail.Kind == quorum.FailUnreachable
	}
	for _, j := range jobs {
		if silent[j.addr] {
			late = append(late, j)
			continue
		}
		take(j)
	}
	for _, j := range late {
		take(j)
	}
	return lists
}

// take reports whether the list is still to be looked at.
func (r *round) take(ctx, own context.Context, j job) bool {
	at := strictjson.At(r.options.Now())
	seen := r.ask(ctx, own, j)
	r.readings[j.at] = complete(j, at, seen)
	if r.options.List != nil && j.ask.List && seen.Failure == nil && !seen.Void && deeper(j.ask, seen.Timestamp, j.addr) {
		return true
	}
	r.count()
	return false
}

// deepen looks at the list where there is time left for it. Waiting for others' lists is not the server's fault: what was
// seen before stands.
func (r *round) deepen(ctx, own context.Context, j job) {
	end, _ := r.forLists(ctx).Deadline()
	own, cancel := context.WithDeadline(own, end)
	defer cancel()
	if own.Err() == nil {
		before := r.readings[j.at]
		r.readings[j.at] = complete(j, before.At, r.options.List(own, j.ask, j.addr, before))
	}
	r.count()
}

// forLists ends when every list must have been read: as long after the first as that may take, so that no number of slow
// servers makes a round longer.
func (r *round) forLists(ctx context.Context) context.Context {
	r.first.Do(func() { r.lists, r.end = context.WithTimeout(ctx, r.options.ListTimeout) })
	return r.lists
}

// complete sets what a Func does not.
func complete(j job, at strictjson.Time, seen quorum.Reading) quorum.Reading {
	seen.Server, seen.Tree, seen.URL, seen.At = j.ask.Server, j.ask.Tree, j.ask.URL, at
	seen.Address, seen.Family = "", 0
	if j.addr.IsValid() {
		seen.Address, seen.Family = j.addr.String(), family(j.addr)
	}
	seen.Depth = cmp.Or(seen.Depth, manifest.DepthTime)
	return seen
}

func (r *round) count() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done++
	if r.options.Progress != nil {
		r.options.Progress(r.done, len(r.readings))
	}
}

func (r *round) ask(ctx, own context.Context, j job) quorum.Reading {
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
