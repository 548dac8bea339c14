package probe

import (
	"context"
	"slices"
	"time"

	"golang.org/x/time/rate"
)

// burst is how many hosts may be begun with at once where PerSecond holds: few servers need not wait for each other.
const burst = 8

// unit is what is done at one host in one go.
type unit struct {
	groups []string     // the organisations that are asked
	first  bool         // a node is among them: its list comes before all mirrors'
	list   bool         // it looks at file lists, instead of time files and anchors
	run    func() *unit // gives what comes next at this host, or nil
}

// schedule begins the units in the order in which they come, as many at a time as there may be: hosts, lists, and both of one
// organisation. One that waits for its organisation holds up nobody else. Lists of nodes come before those of mirrors, which leave half
// of the places free while a node's may still come.
type schedule struct {
	hosts, lists lane
	perGroup     int // 0: no bound
	busy         map[string]int
	parked       map[string][]*unit // by an organisation that was at its limit
	nodes        int                // hosts with a node that may still come to their lists
	reserve      int                // places for lists that are left to them meanwhile
	limit        *rate.Limiter
	token        bool // a host may be begun with now
}

// lane is a queue of units, of which free more may run.
type lane struct {
	free  int
	first []*unit // those with a node, where that decides
	woken []*unit // those that were parked, before all others
	queue []*unit
}

func newSchedule(o Options) *schedule {
	s := &schedule{
		hosts: lane{free: o.Concurrency}, lists: lane{free: o.ListsAtOnce},
		perGroup: o.PerGroup, busy: map[string]int{}, parked: map[string][]*unit{}, reserve: (o.ListsAtOnce + 1) / 2,
	}
	if o.PerSecond > 0 {
		s.limit = rate.NewLimiter(rate.Limit(o.PerSecond), min(burst, o.PerSecond))
	}
	return s
}

// ended is a unit that was done, and what follows it.
type ended struct{ unit, next *unit }

// run runs all units, and all that follows them.
func (s *schedule) run(ctx context.Context, units []*unit) {
	s.hosts.queue = units
	for _, u := range units {
		if u.first {
			s.nodes++
		}
	}
	end := make(chan ended)
	running := 0
	begin := func(u *unit) {
		running++
		if u.first && u.list {
			s.nodes--
		}
		go func() { end <- ended{u, u.run()} }()
	}
	var wait <-chan time.Time // until the next host may be begun with
	for {
		for u := s.pick(&s.lists); u != nil; u = s.pick(&s.lists) {
			begin(u)
		}
		for wait == nil {
			u, delay := s.pickHost(ctx)
			if delay > 0 {
				wait = time.After(delay)
			}
			if u == nil {
				break
			}
			begin(u)
		}
		if running == 0 && wait == nil {
			return
		}
		var over <-chan struct{}
		if wait != nil {
			over = ctx.Done() // nobody is asked any more: there is nothing to wait for
		}
		select {
		case e := <-end:
			running--
			s.release(e)
		case <-wait:
			wait, s.token = nil, true
		case <-over:
			wait, s.token = nil, true
		}
	}
}

// pickHost takes the next host, or says how long it must wait.
func (s *schedule) pickHost(ctx context.Context) (*unit, time.Duration) {
	u := s.pick(&s.hosts)
	if u == nil {
		return nil, 0
	}
	if s.limit == nil || s.token || ctx.Err() != nil {
		s.token = false
		return u, 0
	}
	if delay := s.limit.Reserve().Delay(); delay > 0 {
		s.unpick(u)
		return nil, delay
	}
	return u, 0
}

// pick takes the next unit that may run, and parks those before it that may not.
func (s *schedule) pick(l *lane) *unit {
	for l.free > 0 {
		if l == &s.lists && len(l.first) == 0 && s.nodes > 0 && l.free <= s.reserve {
			return nil
		}
		u := l.next()
		if u == nil {
			return nil
		}
		full, ok := s.full(u)
		if !ok {
			l.free--
			for _, g := range u.groups {
				s.busy[g]++
			}
			return u
		}
		s.parked[full] = append(s.parked[full], u)
		for _, g := range u.groups {
			s.wake(g) // u will not use what it may have been woken for
		}
	}
	return nil
}

func (l *lane) next() *unit {
	for _, q := range []*[]*unit{&l.first, &l.woken, &l.queue} {
		if len(*q) > 0 {
			u := (*q)[0]
			(*q)[0] = nil
			*q = (*q)[1:]
			return u
		}
	}
	return nil
}

// full names one of the unit's organisations that is at its limit.
func (s *schedule) full(u *unit) (string, bool) {
	if s.perGroup <= 0 {
		return "", false
	}
	for _, g := range u.groups {
		if s.busy[g] >= s.perGroup {
			return g, true
		}
	}
	return "", false
}

// wake lets one of those that wait for an organisation try again, where it has room.
func (s *schedule) wake(group string) {
	waiting := s.parked[group]
	if len(waiting) == 0 || s.busy[group] >= s.perGroup {
		return
	}
	at := max(0, slices.IndexFunc(waiting, func(u *unit) bool { return u.first }))
	u := waiting[at]
	if s.parked[group] = slices.Delete(waiting, at, at+1); len(waiting) == 1 {
		delete(s.parked, group)
	}
	l := s.lane(u)
	if u.first {
		l.first = append(l.first, u)
		return
	}
	l.woken = append(l.woken, u)
}

func (s *schedule) lane(u *unit) *lane {
	if u.list {
		return &s.lists
	}
	return &s.hosts
}

// unpick puts back what was picked, to be the next.
func (s *schedule) unpick(u *unit) {
	l := s.lane(u)
	l.free++
	if u.first {
		l.first = append([]*unit{u}, l.first...)
	} else {
		l.woken = append([]*unit{u}, l.woken...)
	}
	for _, g := range u.groups {
		s.busy[g]--
	}
}

// release gives back what a unit had, and queues what follows it.
func (s *schedule) release(e ended) {
	s.lane(e.unit).free++
	for _, g := range e.unit.groups {
		if s.busy[g]--; s.busy[g] == 0 {
			delete(s.busy, g)
		}
		s.wake(g)
	}
	switch {
	case e.next == nil && e.unit.first && !e.unit.list:
		s.nodes--
	case e.next == nil:
	case e.next.first:
		l := s.lane(e.next)
		l.first = append(l.first, e.next)
	default:
		l := s.lane(e.next)
		l.queue = append(l.queue, e.next)
	}
}
