package probe

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"tidemark/quorum"
	"tidemark/rsync"
)

// Func asks one server at one address. The default speaks rsync. It fills in what it saw; Server, Tree, URL, Address,
// Family and At are set by [All].
type Func func(ctx context.Context, ask quorum.Ask, addr netip.Addr) quorum.Reading

// ListFunc goes on where a Func has found nothing wrong and there is a reason to look at the whole list: it gives back seen
// with what it saw beyond.
type ListFunc func(ctx context.Context, ask quorum.Ask, addr netip.Addr, seen quorum.Reading) quorum.Reading

// Options of a round.
type Options struct {
	Concurrency int                                                          // hosts at a time; 0: 64
	Timeout     time.Duration                                                // one tree at one address, its list aside; 0: 30 s
	ListTimeout time.Duration                                                // all file lists, from when the first is begun with; 0: 2 min
	Budget      time.Duration                                                // one server: its names, trees, addresses and lists together; 0: 3 x Timeout for its trees and addresses
	Client      *rsync.Client                                                // nil: defaults
	Resolve     func(ctx context.Context, host string) ([]netip.Addr, error) // nil: the system's
	Now         func() time.Time                                             // required
	Progress    func(done, of int)                                           // nil: none; never called twice at a time
	Probe       Func                                                         // nil: the real one
	List        ListFunc                                                     // nil: the real one, where there are Lists

	AllowPrivate bool        // ask private, loopback and link-local addresses, too; masters are asked anyway
	PerSecond    int         // hosts that are begun with in a second; 0: no bound
	PerGroup     int         // hosts of one group (quorum.Ask.Group) at a time; 0: no bound
	Lists        Lists       // the masters' lists; nil: none is looked at
	ListsAtOnce  int         // file lists that are compared at a time; 0: 8
	Scratch      string      // directory for what a comparison cannot hold in memory; "": the system's
	Trouble      func(error) // told what goes wrong on this side and spoils no reading; nil: nobody. Never called twice at a time
}

const (
	defaultConcurrency = 64
	defaultTimeout     = 30 * time.Second
	defaultListTimeout = 2 * time.Minute
	defaultListsAtOnce = 8
)

func (o Options) withDefaults() Options {
	if o.Concurrency <= 0 {
		o.Concurrency = defaultConcurrency
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.ListTimeout <= 0 {
		o.ListTimeout = defaultListTimeout
	}
	if o.ListsAtOnce <= 0 {
		o.ListsAtOnce = defaultListsAtOnce
	}
	if o.Client == nil {
		o.Client = &rsync.Client{}
	}
	if o.Resolve == nil {
		o.Resolve = systemResolve
	}
	o.Trouble = onceEach(o.Trouble)
	if o.Probe == nil {
		o.Probe = overRsync(o.Client)
	}
	if o.List == nil && o.Lists != nil {
		o.List = lister{o}.look
	}
	return o
}

// onceEach tells the same trouble once, however many servers it was met at.
func onceEach(tell func(error)) func(error) {
	if tell == nil {
		return func(error) {}
	}
	var mu sync.Mutex
	told := map[string]bool{}
	return func(err error) {
		mu.Lock()
		defer mu.Unlock()
		if !told[err.Error()] {
			told[err.Error()] = true
			tell(err)
		}
	}
}

// names is how long finding the addresses of a name may take: nobody is asked before all are found.
func (o Options) names() time.Duration {
	if o.Budget > 0 {
		return min(o.Timeout, o.Budget/3)
	}
	return o.Timeout
}

// budgetTimeouts is how many whole timeouts a server may use up in a round: one with many dead addresses or trees holds up no
// announcement for longer.
const budgetTimeouts = 3

// withBudget bounds what is left for asking a server: all, or, without a Budget, all but its lists.
func (o Options) withBudget(ctx context.Context) (context.Context, context.CancelFunc) {
	if o.Budget > 0 {
		return context.WithTimeout(ctx, o.Budget-o.names())
	}
	return context.WithTimeout(ctx, budgetTimeouts*o.Timeout)
}
