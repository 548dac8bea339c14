package probe

import (
	"context"
	"net/netip"
	"time"

	"tidemark/internal/rsyncurl"
	"tidemark/quorum"
	"tidemark/rsync"
)

// Func asks one server at one address. The default speaks rsync.
type Func func(ctx context.Context, ask quorum.Ask, addr netip.Addr) quorum.Reading

// Options of a round.
type Options struct {
	Concurrency int                                                          // hosts at a time: 64
	Timeout     time.Duration                                                // one tree at one address, in all: 30 s
	Client      *rsync.Client                                                // nil: defaults
	Resolve     func(ctx context.Context, host string) ([]netip.Addr, error) // nil: the system's
	Now         func() time.Time
	Progress    func(done, of int)
	Probe       Func // nil: the real one
}

// All asks every address of every server: one connection a host at a time. Sorted by server, tree, address.
func All(ctx context.Context, asks []quorum.Ask, o Options) []quorum.Reading { panic("stub") }

// MasterAsk says how to look at the master of one tree.
type MasterAsk struct {
	Tree     string
	Dir      string       // a local directory, or
	URL      rsyncurl.URL // an rsync daemon
	TimeFile string
	Anchors  []string // doublestar patterns
	Timeout  time.Duration
}

// Master looks at the master's tree: time file, list, anchors, time file again. Now is called once.
func Master(ctx context.Context, m MasterAsk, o Options) quorum.MasterReading { panic("stub") }
