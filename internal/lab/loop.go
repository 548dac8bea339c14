package lab

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"tidemark/manifest"
)

// LoopOptions of [RunLoop].
type LoopOptions struct {
	Dir       string           // everything that is written goes below it
	Publisher string           // the program tidemark
	Mirror    string           // the program tidemark-mirror
	Now       func() time.Time // required
	Mirrors   int              // 0: 40
	Herd      bool             // mirrors start before their turn, all at once: what admission is there to prevent
	Within    time.Duration    // that all mirrors must be done and listed; 0: 5 min
	Log       func(row string) // each row of the table, as it is drawn; nil: nobody looks
}

// LoopResult is what was seen of a closed loop.
type LoopResult struct {
	Rows    []LoopRow
	Nodes   []LoopNode
	From    map[string]string // the source that each mirror has synced from
	Master  string            // the directory of the tree
	Mirrors map[string]string // the directory of each mirror's tree
	Wall    time.Duration     // from the master's move until the last mirror was done
	Listing []time.Duration   // of each mirror: from being done until the manifest lists it, shortest first
	Runs    int               // of the publisher, because of check-ins
	Waited  int               // runs of mirrors that found no source with room (exit 6); cron comes again
	Early   []string          // mirrors that began before their turn
	Trouble []string          // what programs said that ended with another code than 0, or a mirror's with 6
}

// LoopRow is one line of the table: the state of the network at one time.
type LoopRow struct {
	At      time.Duration // since the master moved
	Admit   int64         // of the published manifest, parts per million; -1: the timestamp is not announced yet
	Done    int           // mirrors whose time file says the new timestamp
	Now     []int         // mirrors that each node serves
	Peak    []int         // the most since the row before
	Serial  int64
	Sources int // listed in the manifest at the new timestamp ...
	Listed  int // ... of those, mirrors
	Slots   int // of all of them together

	listed map[string]bool // by id
	hold   time.Duration   // after which time alone admits everybody
}

// LoopNode is what one node had to do.
type LoopNode struct {
	ID      string
	Slots   int
	Peak    int // mirrors that it served at the same time, at most
	Served  int // connections of mirrors
	Refused int // connections of mirrors turned away: max connections
	Blind   int // and of the publisher, who then knows no more of it than before
}

const (
	loopTree    = "centos"
	loopStart   = 1488372781
	loopNext    = 1488376381
	loopSlots   = 4                      // of a node
	loopPayload = 200 << 10              // bytes that are new at the next timestamp ...
	loopRate    = "200K"                 // ... and what each mirror's line takes in a second
	loopSample  = 250 * time.Millisecond // between two looks at the network
	loopFull    = time.Minute            // between two full runs of the publisher; five minutes in real life
	loopCron    = 2 * time.Second        // between two starts of a mirror's program; minutes in real life
)

// loop is a network with the real programs on all sides.
type loop struct {
	LoopOptions
	network   *Network
	publisher *loopPublisher
	mirrors   []*loopMirror
	nodes     []*nodeLog
	began     time.Time
	result    LoopResult
}

// RunLoop lets one new timestamp travel through a network in which everybody runs Tidemark: three nodes with `max
// connections`, mirrors that follow from cron, serve what they have and check in, and a publisher that runs now and then
// and whenever somebody has checked in. It returns when every mirror is done.
func RunLoop(ctx context.Context, o LoopOptions) (LoopResult, error) {
	l := &loop{LoopOptions: o}
	l.Mirrors, l.Within = cmp.Or(o.Mirrors, 40), cmp.Or(o.Within, 5*time.Minute)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	err := l.prepare(ctx)
	if err == nil {
		err = l.run(ctx)
	} else {
		err = fmt.Errorf("preparing the loop: %w", err)
	}
	cancel()
	return l.result, errors.Join(err, l.close())
}

// prepare has everybody in date at the first timestamp.
func (l *loop) prepare(ctx context.Context) error {
	servers := loopServers(l.Mirrors)
	if err := l.keys(servers); err != nil {
		return err
	}
	var err error
	if l.network, err = New(ctx, l.Dir, Options{Seed: 1, Start: loopStart, Trees: []string{loopTree}, Servers: servers}); err != nil {
		return err
	}
	if l.publisher, err = startLoopPublisher(ctx, l); err != nil {
		return err
	}
	for _, s := range l.network.Servers {
		if err := WriteTime(filepath.Join(s.Dir, loopTree), loopStart); err != nil { // a file of its own: mirrors write into it
			return err
		}
		if s.isNode() {
			l.nodes = append(l.nodes, newNodeLog(s, l.path("daemons", s.ID, "log")))
			continue
		}
		m, err := l.newMirror(s, len(l.mirrors))
		if err != nil {
			return err
		}
		l.mirrors = append(l.mirrors, m)
	}
	return l.firstLook(ctx)
}

// firstLook runs each mirror's program once: it is in date.
func (l *loop) firstLook(ctx context.Context) error {
	errs := make([]error, len(l.mirrors))
	var all sync.WaitGroup
	room := make(chan struct{}, runtime.NumCPU())
	for i, m := range l.mirrors {
		all.Go(func() {
			room <- struct{}{}
			errs[i] = m.run(ctx)
			<-room
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// run moves the master and its nodes, lets everybody work, and looks on.
func (l *loop) run(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, l.Within)
	defer cancel()
	if err := l.move(); err != nil {
		return err
	}
	l.began = l.Now()
	for _, m := range l.mirrors {
		m.cron.Go(func() { m.follow(ctx) })
	}
	l.publisher.cron.Go(func() { l.publisher.follow(ctx) })
	err := l.watch(ctx)
	cancel()
	l.wait()
	if err != nil {
		return err
	}
	return l.sum(context.WithoutCancel(ctx))
}

// move brings the new timestamp to the master and, as every network does it first, to the nodes.
func (l *loop) move() error {
	tree := l.network.Trees[loopTree]
	if err := tree.put("7/updates/x86_64/Packages/kernel-headers-9-9.el.x86_64.rpm", tree.noise("payload", loopPayload), loopNext); err != nil {
		return err
	}
	if err := l.network.Move(loopTree, loopNext); err != nil {
		return err
	}
	return l.network.Sync(l.network.IDs(manifest.KindNode)...)
}

// wait is until the programs that were started have ended.
func (l *loop) wait() {
	for _, m := range l.mirrors {
		m.cron.Wait()
		l.result.Trouble = append(l.result.Trouble, m.trouble...)
		l.result.Waited += m.waited
	}
	if l.publisher != nil {
		l.publisher.cron.Wait()
		l.result.Trouble = append(l.result.Trouble, l.publisher.trouble...)
	}
}

// sum fills in what is known at the end.
func (l *loop) sum(ctx context.Context) error {
	r := &l.result
	r.Runs = l.publisher.called
	r.Master, r.Mirrors, r.From = l.network.Master(loopTree), map[string]string{}, map[string]string{}
	for _, n := range l.nodes {
		r.Nodes = append(r.Nodes, n.total)
	}
	for _, m := range l.mirrors {
		from, err := m.source(ctx)
		if err != nil {
			return err
		}
		r.Listing = append(r.Listing, max(0, m.listedAt-m.doneAt))
		r.From[m.site.ID], r.Mirrors[m.site.ID] = from, filepath.Join(m.site.Dir, loopTree)
	}
	slices.Sort(r.Listing)
	return nil
}

func (l *loop) close() error {
	var errs []error
	if l.publisher != nil {
		errs = append(errs, l.publisher.close())
	}
	if l.network != nil {
		errs = append(errs, l.network.Close())
	}
	return errors.Join(errs...)
}

func (l *loop) path(names ...string) string {
	return filepath.Join(append([]string{l.Dir}, names...)...)
}

// loopServers are three nodes and n mirrors, where mirrors of a distribution are in real life: most in Europe.
func loopServers(n int) []Server {
	servers := []Server{
		{ID: "eu-msync-1", Kind: manifest.KindNode, Country: "DE"},
		{ID: "eu-msync-2", Kind: manifest.KindNode, Country: "NL"},
		{ID: "us-msync-1", Kind: manifest.KindNode, Country: "US"},
	}
	for i := range servers {
		servers[i].Slots, servers[i].MaxConnections = loopSlots, loopSlots
	}
	countries := []string{"DE", "US", "FR", "GB", "JP", "NL", "US", "SE", "DE", "CA", "FI", "PL", "FR", "US", "CZ", "SG", "IT", "DE", "US", "GB",
		"AT", "US", "NL", "CH", "TW", "ES", "CA", "DE", "DK", "US", "NO", "FR", "AU", "GB", "US", "BE", "PT", "KR", "GR", "DE"}
	for i := range n {
		c := countries[i%len(countries)]
		slots := 1 + i%2
		servers = append(servers, Server{ID: fmt.Sprintf("mirror-%02d.%s", i+1, strings.ToLower(c)), Kind: manifest.KindMirror, Country: c, Slots: slots, MaxConnections: slots + 2})
	}
	return servers
}

func writeFile(name, text string) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name, []byte(text), 0o600)
}
