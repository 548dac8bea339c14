package lab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"tidemark/manifest"
)

// Fleet is a network of hundreds of servers with real names: nodes, honest mirrors, and mirrors that are wrong in every way
// that is known. Each has a name and one address or two of its own, on rsync's port; behind them stand one real daemon for
// each way, and fakes for what real ones do not do. It lives within the namespaces of [Isolate].
//
//	f, err := lab.NewFleet(ctx, dir, lab.FleetOptions{Servers: 650, Each: 7, Slow: 2, Start: ts, Now: time.Now})
//	defer f.Close()
//	f.WriteInventory(file)
//	f.Next()                             // from one stage of the story to the next
//
// The story has five stages, each looked at by one run:
//
//	1  all is as it is
//	2  servers that flap hang up, and some lose a file while their time file stays
//	3  the master moves; a few mirrors are faster than the nodes
//	4  nothing changes: no node has it yet
//	5  nodes and mirrors follow, each in its own way
type Fleet struct {
	Dir     string
	Servers []FleetServer // in the order of their ids
	Tree    *Tree         // the master

	network *Network
	front   *Front
	options FleetOptions
	stage   int
	undo    func() error
}

// FleetOptions of [NewFleet].
type FleetOptions struct {
	Servers int   // in all
	Each    int   // of each way to be wrong ...
	Slow    int   // ... but of those that take a whole timeout
	Start   int64 // the timestamp of stage 1; the master moves an hour on
	Now     func() time.Time
}

// FleetServer is one of the fleet.
type FleetServer struct {
	ID, Kind, Country string
	ASN               int64
	Way               Way
	Addresses         []netip.Addr // none: its name has no address
}

// Way is how a server of a fleet behaves.
type Way string

// The ways. Those of nodes, and the first three of mirrors, are honest.
const (
	WayNode     Way = "node"      // follows at stage 5
	WayNodeLate Way = "node-late" // does not follow
	WayNodeDown Way = "node-down"

	WayFollows Way = "follows" // at stage 5
	WayLags    Way = "lags"    // does not follow
	WayFast    Way = "fast"    // follows at stage 3, before the nodes

	WayRefused    Way = "refused"    // nobody listens
	WayNoAddress  Way = "no-address" // nor has the name an address
	WaySilent     Way = "silent"     // takes connections and says nothing
	WayStuck      Way = "stuck"      // lets the client in and says nothing more
	WayMotd       Way = "motd"       // a message of the day without an end
	WayGarbage    Way = "garbage"    // no protocol
	WayWeb        Way = "web"        // a web server
	WayBusy       Way = "busy"       // max connections
	WayDenied     Way = "denied"     // access denied
	WayPassword   Way = "password"   // auth users
	WayModule     Way = "module"     // no such module
	WayLostTime   Way = "lost-time"
	WayNoNumber   Way = "no-number"
	WayStale      Way = "stale"        // an hour behind from the first
	WayFuture     Way = "future"       // the time file is of tomorrow
	WayHasty      Way = "hasty"        // the time file is a few minutes ahead of the clock
	WayLiar       Way = "liar"         // fresh time file, altered metadata
	WayLostFile   Way = "lost-file"    // fresh time file and metadata, a package is gone
	WayTouched    Way = "touched-file" // ... has another mtime
	WayResized    Way = "resized-file" // ... has another size
	WayLostISOs   Way = "lost-isos"    // leaves out the ISOs, and nobody says so
	WayExtra      Way = "extra-file"   // has a file more than the master
	WayPartial    Way = "partial"      // leaves out the ISOs, and the inventory says so
	WayRots       Way = "rots"         // loses a package at stage 2, its time file stays
	WayTimeFirst  Way = "time-first"   // takes the new time file at stage 3, and no content
	WayWentBack   Way = "went-back"    // fast, and at stage 5 as it was at the beginning
	WayFlaps      Way = "flaps"        // hangs up at stages 2 to 4
	WayTwoStale   Way = "two-stale"    // two addresses, one of which is an hour behind
	WayTwoLiar    Way = "two-liar"     // two addresses, one of which has altered metadata
	WayTwoLost    Way = "two-lost"     // two addresses, one of which lost a package
	WayTwoDown    Way = "two-down"     // two addresses, one of which is down
	WaySixStale   Way = "six-stale"    // IPv4, and IPv6 that is an hour behind: one server, ::1 is one address
	WayMaintained Way = "maintained"   // in maintenance
)

const (
	fleetTree = "centos"
	fleetPort = 873
)

// faulty are the ways to be wrong, of which a fleet has FleetOptions.Each.
func faulty() []Way {
	return []Way{WayRefused, WayNoAddress, WaySilent, WayStuck, WayMotd, WayGarbage, WayWeb, WayBusy, WayDenied, WayPassword, WayModule,
		WayLostTime, WayNoNumber, WayStale, WayFuture, WayHasty, WayLiar, WayLostFile, WayTouched, WayResized, WayLostISOs, WayExtra, WayPartial,
		WayRots, WayTimeFirst, WayWentBack, WayFlaps, WayTwoStale, WayTwoLiar, WayTwoLost, WayTwoDown, WayMaintained}
}

// site is the daemon behind a way: the id of a server of the lab's network.
type site struct {
	way  Way
	role Role
}

// sites are the daemons. Ways that are not here have a fake, nothing, or share one.
func sites() []site {
	list := []site{{WayNode, Follow}, {WayNodeLate, Behind}, {WayFollows, Follow}, {WayLags, Behind}, {WayFast, Follow}, {WayBusy, Full}, {WayDenied, Denying},
		{WayPassword, Locked}, {WayModule, Moduleless}, {WayStale, Behind}, {WayLiar, Liar}, {WayPartial, Partial},
		{WayRots, Follow}, {WayTimeFirst, Behind}, {WayFuture, Behind}, {WayHasty, Behind}}
	for _, h := range harms() {
		list = append(list, site{Way(h), Role(h)})
	}
	return list
}

// NewFleet makes the network and brings it up, at stage 1.
func NewFleet(ctx context.Context, dir string, o FleetOptions) (*Fleet, error) {
	f := &Fleet{Dir: dir, options: o, stage: 1}
	if err := f.cast(); err != nil {
		return nil, err
	}
	var servers []Server
	for _, s := range sites() {
		servers = append(servers, Server{ID: string(s.way), Kind: manifest.KindMirror, Role: s.role, Address: "127.0.0.1"})
	}
	var err error
	if f.network, err = New(ctx, filepath.Join(dir, "lab"), Options{Seed: 6, Start: o.Start - 3600, Trees: []string{fleetTree}, Servers: servers}); err != nil {
		return nil, fmt.Errorf("making a fleet: %w", err)
	}
	f.Tree = f.network.Trees[fleetTree]
	if err := f.bringUp(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("making a fleet: %w", err), f.Close())
	}
	return f, nil
}

// cast gives each server its way and its addresses.
func (f *Fleet) cast() error {
	who, err := identities(f.options.Servers)
	if err != nil {
		return err
	}
	ways := []Way{WayNode, WayNode, WayNode, WayNode, WayNode, WayNodeLate, WayNodeDown, WaySixStale}
	for _, w := range faulty() {
		n := f.options.Each
		if slices.Contains([]Way{WaySilent, WayStuck, WayMotd}, w) {
			n = f.options.Slow
		}
		ways = append(ways, slices.Repeat([]Way{w}, n)...)
	}
	for i := len(ways); i < len(who); i++ {
		ways = append(ways, []Way{WayFollows, WayFollows, WayFollows, WayLags, WayFast}[i%5])
	}
	if len(ways) != len(who) {
		return fmt.Errorf("making a fleet: %d servers are too few for %d of each of %d ways to be wrong", len(who), f.options.Each, len(faulty()))
	}
	for i, w := range who {
		s := FleetServer{ID: w.id, Kind: manifest.KindMirror, Country: w.country, ASN: w.asn, Way: ways[i]}
		if strings.HasPrefix(string(s.Way), "node") {
			s.Kind = manifest.KindNode
		}
		switch own := func(block int) netip.Addr {
			return netip.AddrFrom4([4]byte{127, byte(block + i/200), 0, byte(1 + i%200)})
		}; {
		case s.Way == WayNoAddress:
		case s.Way == WaySixStale:
			s.Addresses = []netip.Addr{own(10), netip.IPv6Loopback()}
		case strings.HasPrefix(string(s.Way), "two-"):
			s.Addresses = []netip.Addr{own(10), own(60)}
		default:
			s.Addresses = []netip.Addr{own(10)}
		}
		f.Servers = append(f.Servers, s)
	}
	slices.SortFunc(f.Servers, func(a, b FleetServer) int { return strings.Compare(a.ID, b.ID) })
	return nil
}

// bringUp brings all but the stale ones from an hour before to the start, and opens the doors.
func (f *Fleet) bringUp(ctx context.Context) error {
	if err := f.Tree.Move(f.options.Start); err != nil {
		return err
	}
	for _, s := range sites() {
		if s.way == WayStale {
			continue
		}
		if err := f.sync(s.way); err != nil {
			return err
		}
	}
	now := f.options.Now()
	if err := errors.Join(f.writeTime(WayFuture, now.Add(24*time.Hour)), f.writeTime(WayHasty, now.Add(4*time.Minute))); err != nil {
		return err
	}
	names, doors := map[string][]netip.Addr{}, map[netip.Addr]Door{}
	for _, s := range f.Servers {
		for i, addr := range s.Addresses {
			names[s.ID] = append(names[s.ID], addr)
			if door := f.door(s.Way, i); door != nil {
				doors[addr] = door
			}
		}
	}
	var err error
	if f.undo, err = Hosts(f.Dir, names); err != nil {
		return err
	}
	f.front, err = StartFront(ctx, fleetPort, doors)
	return err
}

// door is what is behind a server's address, numbered from 0; nil: nobody listens.
func (f *Fleet) door(w Way, number int) Door {
	switch w {
	case WayRefused, WayNodeDown:
		return nil
	case WaySilent:
		return ToFake(FakeSilent)
	case WayStuck:
		return ToFake(FakeStuck)
	case WayMotd:
		return ToFake(FakeChatter)
	case WayGarbage:
		return ToFake(FakeGarbage)
	case WayWeb:
		return ToFake(FakeWeb)
	case WayMaintained:
		return Shut
	case WayWentBack:
		return f.to(WayFast)
	case WayFlaps:
		return f.to(WayFollows)
	}
	if second := map[Way]Way{WayTwoStale: WayStale, WayTwoLiar: WayLiar, WayTwoLost: WayLostFile, WaySixStale: WayStale}[w]; second != "" {
		return f.to([]Way{WayFollows, second}[number])
	}
	if w == WayTwoDown {
		return []Door{f.to(WayFollows), nil}[number]
	}
	return f.to(w)
}

// to leads to the daemon of a way.
func (f *Fleet) to(w Way) Door {
	s, err := f.network.Site(string(w))
	if err != nil {
		return Shut
	}
	return ToDaemon(s.Addr)
}

// sync brings the copy behind a way to the master's state, less what its role leaves out, also where it never follows.
func (f *Fleet) sync(w Way) error {
	s, err := f.network.Site(string(w))
	if err != nil {
		return err
	}
	return f.network.place(s, fleetTree)
}

func (f *Fleet) writeTime(w Way, at time.Time) error {
	return WriteTime(filepath.Join(f.network.Dir, "servers", string(w), fleetTree), at.Unix())
}

// Next goes to the next stage.
func (f *Fleet) Next() error {
	f.stage++
	var errs []error
	switch f.stage {
	case 2:
		f.lead(WayFlaps, Shut)
		errs = append(errs, f.network.Break(string(WayRots), fleetTree, LostFile))
	case 3:
		next := f.options.Start + 3600
		errs = append(errs, f.Tree.Move(next), f.sync(WayFast), f.writeTime(WayTimeFirst, time.Unix(next, 0)))
	case 5:
		for _, w := range []Way{WayNode, WayFollows, WayLiar, WayPartial, WayLostFile, WayTouched, WayResized, WayLostISOs, WayExtra, WayLostTime, WayNoNumber, WayRots} {
			errs = append(errs, f.sync(w))
		}
		errs = append(errs, f.network.Break(string(WayRots), fleetTree, LostFile))
		f.lead(WayWentBack, f.to(WayLags))
		f.lead(WayFlaps, f.to(WayFollows))
	}
	return errors.Join(errs...)
}

// lead changes what is behind all servers of a way.
func (f *Fleet) lead(w Way, door Door) {
	for _, s := range f.Servers {
		if s.Way == w {
			f.front.Set(s.Addresses[0], door)
		}
	}
}

// Master is the directory of the master.
func (f *Fleet) Master() string { return f.network.Master(fleetTree) }

// Inventory is the fleet as an inventory file.
func (f *Fleet) Inventory() string {
	var b strings.Builder
	for _, s := range f.Servers {
		fmt.Fprintf(&b, "- {id: %s, kind: %s", s.ID, s.Kind)
		if s.Country != "" {
			fmt.Fprintf(&b, ", country: %q", s.Country)
		}
		if s.ASN != 0 {
			fmt.Fprintf(&b, ", asn: %d", s.ASN)
		}
		switch s.Way {
		case WayPartial:
			b.WriteString(", partial: true")
		case WayMaintained:
			b.WriteString(", maintenance: true")
		}
		fmt.Fprintf(&b, ", trees: {%s: \"rsync://%s/%[1]s/\"}}\n", fleetTree, s.ID)
	}
	return b.String()
}

// Close takes the fleet off the net.
func (f *Fleet) Close() error {
	var errs []error
	if f.front != nil {
		errs = append(errs, f.front.Close())
	}
	if f.undo != nil {
		errs = append(errs, f.undo())
	}
	return errors.Join(append(errs, f.network.Close())...)
}
