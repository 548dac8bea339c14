package lab

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
)

// Role is how a server behaves.
type Role string

// The roles; the package documentation says what each does.
const (
	Follow      Role = "follow" // and the zero Role
	Behind      Role = "behind"
	Maintenance Role = "maintenance"
	DeadRole    Role = "dead"
	Liar        Role = "liar"
	Busy        Role = "busy"
	Partial     Role = "partial"
	Incomplete  Role = "incomplete"
	Full        Role = "full"
	Denying     Role = "denying"
	Locked      Role = "locked"
	Moduleless  Role = "moduleless"
)

// Server is a node or a mirror of the lab.
type Server struct {
	ID      string
	Kind    string // manifest.KindNode or manifest.KindMirror
	Country string
	City    string
	ASN     int64
	Role    Role
	Trees   []string // nil: all of the network's
	Address string   // loopback IP literal; "": 127.0.1.n for nodes, 127.0.2.n for mirrors
	Port    int      // 0: a free one
	Slots   int      // in the inventory; 0: not given there
	Key     string   // in the inventory: its minisign public key; "": none

	MaxConnections int // of its daemon, for each tree; 0: no limit
}

// Options of a network.
type Options struct {
	Seed    uint64   // of the trees' content
	Start   int64    // the timestamp of every tree at the start
	Trees   []string // nil: all of TreeNames
	Servers []Server // nil: DefaultServers
	Program string   // the rsync that the daemons run; "": from PATH
}

// Network is a running mirror network.
type Network struct {
	Dir     string
	Trees   map[string]*Tree // the masters
	Servers []*Site          // in the order of Options.Servers

	program string
}

// Site is a server with its directory and, while it is up, its daemon.
type Site struct {
	Server
	Dir  string
	Addr netip.AddrPort // where its daemon listens, or, for a dead one, nobody does

	stop func() error // nil: nothing to stop
}

// New makes a network in dir, with every server in date, and starts its daemons. Close it.
func New(ctx context.Context, dir string, o Options) (*Network, error) {
	n := &Network{Dir: dir, Trees: map[string]*Tree{}, program: o.Program}
	if o.Trees == nil {
		o.Trees = TreeNames()
	}
	if o.Servers == nil {
		o.Servers = DefaultServers()
	}
	for _, name := range o.Trees {
		t, err := NewTree(filepath.Join(dir, "master", name), name, o.Seed, o.Start)
		if err != nil {
			return nil, fmt.Errorf("making the master of %s: %w", name, err)
		}
		n.Trees[name] = t
	}
	for i, s := range o.Servers {
		if err := n.add(ctx, s, i+1, o.Trees); err != nil {
			return nil, errors.Join(err, n.Close())
		}
	}
	return n, nil
}

func (n *Network) add(ctx context.Context, s Server, number int, trees []string) error {
	if s.Trees == nil {
		s.Trees = trees
	}
	if s.Address == "" {
		s.Address = fmt.Sprintf("127.0.%d.%d", map[bool]int{true: 1, false: 2}[s.isNode()], number)
	}
	site := &Site{Server: s, Dir: filepath.Join(n.Dir, "servers", s.ID)}
	n.Servers = append(n.Servers, site)
	for _, name := range s.Trees {
		if err := n.place(site, name); err != nil {
			return fmt.Errorf("filling server %s: %w", s.ID, err)
		}
	}
	return n.Start(ctx, s.ID)
}

// Start puts a server on the net: its daemon, or, where its role has none, an address that refuses. Its address stays
// the same when it was stopped and starts again.
func (n *Network) Start(ctx context.Context, id string) error {
	s, err := n.Site(id)
	if err != nil {
		return err
	}
	if s.stop != nil {
		return fmt.Errorf("starting server %s: it is up already", id)
	}
	if s.Role == DeadRole || s.Role == Maintenance {
		return s.startDead()
	}
	d := Daemon{
		Dir: filepath.Join(n.Dir, "daemons", id), Address: s.Address, Program: n.program,
		Port: cmp.Or(int(s.Addr.Port()), s.Port), Modules: map[string]string{}, MaxConnections: s.MaxConnections,
	}
	for _, name := range s.Trees {
		d.Modules[name] = filepath.Join(s.Dir, name)
	}
	bring := StartDaemon
	switch s.Role {
	case Busy:
		bring = StartBusy
	case Full:
		d.MaxConnections = -1
	case Denying:
		d.Deny = true
	case Locked:
		d.AuthUsers = map[string]string{"friend": "speak"}
	case Moduleless:
		d.Modules = map[string]string{"other": s.Dir}
	}
	r, err := bring(ctx, d)
	if err != nil {
		return fmt.Errorf("starting server %s: %w", id, err)
	}
	s.Addr, s.stop = r.Addr, r.Stop
	return nil
}

func (s *Site) startDead() error {
	d, err := NewDead(s.Address, cmp.Or(int(s.Addr.Port()), s.Port))
	if err != nil {
		return fmt.Errorf("server %s: %w", s.ID, err)
	}
	s.Addr, s.stop = d.Addr, d.Close
	return nil
}

// Stop takes a server off the net; it then refuses connections.
func (n *Network) Stop(id string) error {
	s, err := n.Site(id)
	if err != nil {
		return err
	}
	if s.stop == nil {
		return nil
	}
	stop := s.stop
	s.stop = nil
	return stop()
}

// SetRole makes a server behave otherwise from now on: it is stopped and started again.
func (n *Network) SetRole(ctx context.Context, id string, role Role) error {
	if err := n.Stop(id); err != nil {
		return err
	}
	s, err := n.Site(id)
	if err != nil {
		return err
	}
	s.Role = role
	return n.Start(ctx, id)
}

// Site finds a server.
func (n *Network) Site(id string) (*Site, error) {
	i := slices.IndexFunc(n.Servers, func(s *Site) bool { return s.ID == id })
	if i < 0 {
		return nil, fmt.Errorf("the lab has no server %q", id)
	}
	return n.Servers[i], nil
}

// URL is where a server has a tree.
func (s *Site) URL(tree string) string { return moduleURL(s.Addr, tree) }

// Master is the directory of a tree's master.
func (n *Network) Master(tree string) string { return filepath.Join(n.Dir, "master", tree) }

// Move brings a tree's master to the timestamp ts: new content, then the time file. No server has it yet.
func (n *Network) Move(tree string, ts int64) error {
	t, ok := n.Trees[tree]
	if !ok {
		return fmt.Errorf("the lab has no tree %q", tree)
	}
	return t.Move(ts)
}

// Sync lets servers catch up with the masters in all of their trees, in the way their roles have it.
func (n *Network) Sync(ids ...string) error {
	for _, id := range ids {
		s, err := n.Site(id)
		if err != nil {
			return err
		}
		for _, tree := range s.Trees {
			if err := n.sync(s, tree); err != nil {
				return fmt.Errorf("syncing %s: %w", id, err)
			}
		}
	}
	return nil
}

// sync is one tree at one server.
func (n *Network) sync(s *Site, tree string) error {
	switch s.Role {
	case Behind, Maintenance, DeadRole:
		return nil
	case Liar:
		return Lie(filepath.Join(s.Dir, tree), n.Trees[tree].Timestamp)
	}
	return n.place(s, tree)
}

// place gives a server the master's present tree, less what its role leaves out.
func (n *Network) place(s *Site, tree string) error {
	dir := filepath.Join(s.Dir, tree)
	if err := n.Trees[tree].CopyTo(dir); err != nil {
		return err
	}
	switch s.Role {
	case Liar:
		return Lie(dir, n.Trees[tree].Timestamp)
	case Partial:
		return DropISOs(dir)
	case Incomplete:
		return DropRepo(dir)
	}
	if slices.Contains(harms(), Harm(s.Role)) {
		return Harm(s.Role).do(dir, n.Trees[tree].Timestamp)
	}
	return nil
}

// IDs are the servers' ids of one kind (manifest.KindNode, manifest.KindMirror) or, with "", of all.
func (n *Network) IDs(kind string) []string {
	var ids []string
	for _, s := range n.Servers {
		if kind == "" || s.kind() == kind {
			ids = append(ids, s.ID)
		}
	}
	return ids
}

// Close stops all daemons and waits for them. The directories stay.
func (n *Network) Close() error {
	var errs []error
	for _, s := range n.Servers {
		errs = append(errs, n.Stop(s.ID))
	}
	return errors.Join(errs...)
}

// Remove closes the network and deletes what it made below its directory.
func (n *Network) Remove() error {
	err := n.Close()
	for _, name := range []string{"master", "servers", "daemons"} {
		err = errors.Join(err, os.RemoveAll(filepath.Join(n.Dir, name)))
	}
	return err
}
