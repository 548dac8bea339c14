package publish

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/miekg/dns"

	"tidemark/internal/dnstxt"
)

// NameServer is one address of one authoritative server.
type NameServer struct {
	Name    string // of the server, as the NS record has it, without the final dot; "" when it was given as an address
	Address string // "address:port"; "": none was found for the name
}

// NameServersOptions say how the authoritative servers of a zone are found.
type NameServersOptions struct {
	Zone  string   // "": found by asking for the SOA record
	Ask   []string // servers to ask, "host" or "host:port": the primary, or resolvers; empty: those of /etc/resolv.conf
	Port  string   // of the authoritative servers; "": 53
	Given []string // "host" or "host:port": these instead of the zone's NS records
}

const (
	askWithin    = 3 * time.Second        // one question of NameServers and AwaitTXT
	lookupWithin = 10 * time.Second       // a name by the system's resolver
	deadWithin   = 5 * time.Second        // how long AwaitTXT waits for one that cannot be asked
	firstWait    = 100 * time.Millisecond // of AwaitTXT; each pause is twice the one before, up to longestPause
	maxServers   = 64                     // NS records, and addresses of each: more than any zone has
)

// NameServers lists every address (A and AAAA) of every authoritative server of the zone that holds name, each once. Their
// addresses are asked of o.Ask, and of the system's resolver where o.Ask has none: a primary that does not resolve knows
// those of its own zones only. A server without any is in the list all the same.
func NameServers(ctx context.Context, name string, o NameServersOptions) ([]NameServer, error) {
	port := cmp.Or(o.Port, dnsPort)
	if len(o.Given) > 0 {
		return givenServers(ctx, o.Given, port)
	}
	full, err := nameOf(name)
	if err != nil {
		return nil, err
	}
	var ask asker
	for _, server := range o.Ask {
		ask.servers = append(ask.servers, withPort(server, dnsPort))
	}
	if len(o.Ask) == 0 {
		if ask.servers, err = dnstxt.System("/etc/resolv.conf"); err != nil {
			return nil, err
		}
	}
	zone := dns.CanonicalName(o.Zone)
	if o.Zone == "" {
		zone, err = zoneOf(full, func(at string) (*dns.Msg, error) { return ask.question(ctx, at, dns.TypeSOA) })
		if err != nil {
			return nil, err
		}
	}
	names, err := ask.nameServers(ctx, zone)
	if err != nil {
		return nil, fmt.Errorf("name servers of %s: %w (or list them: servers)", zone, err)
	}
	var all []NameServer
	for _, ns := range names {
		addresses, err := ask.addresses(ctx, ns)
		if err != nil && ctx.Err() != nil {
			return nil, fmt.Errorf("addresses of the name server %s: %w", ns, ctx.Err())
		}
		all = append(all, serversAt(strings.TrimSuffix(ns, "."), addresses, port)...)
	}
	return all, nil
}

func givenServers(ctx context.Context, given []string, port string) ([]NameServer, error) {
	var all []NameServer
	for _, g := range given {
		host, at, err := net.SplitHostPort(withPort(g, port))
		if err != nil {
			return nil, fmt.Errorf("name server %q: %w", g, err)
		}
		if a, err := netip.ParseAddr(host); err == nil {
			all = append(all, serversAt("", []netip.Addr{a}, at)...)
			continue
		}
		addresses, err := systemLookup(ctx, host)
		if err != nil {
			return nil, fmt.Errorf("name server %s: %w", g, err)
		}
		all = append(all, serversAt(strings.TrimSuffix(host, "."), addresses, at)...)
	}
	return unique(all), nil
}

func unique(all []NameServer) []NameServer {
	var once []NameServer
	for _, s := range all {
		if !slices.Contains(once, s) {
			once = append(once, s)
		}
	}
	return once
}

func serversAt(name string, addresses []netip.Addr, port string) []NameServer {
	if len(addresses) == 0 {
		return []NameServer{{Name: name}}
	}
	slices.SortFunc(addresses, netip.Addr.Compare)
	var all []NameServer
	for _, a := range slices.Compact(addresses) {
		all = append(all, NameServer{Name: name, Address: net.JoinHostPort(a.String(), port)})
	}
	return all
}

func systemLookup(ctx context.Context, host string) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupWithin)
	defer cancel()
	all, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	for i := range all {
		all[i] = all[i].Unmap()
	}
	return all, err
}

// asker puts questions to the first server that answers them.
type asker struct{ servers []string }

func (a asker) question(ctx context.Context, name string, kind uint16) (*dns.Msg, error) {
	var troubles []error
	for _, server := range a.servers {
		r, err := askOne(ctx, server, name, kind)
		if err == nil {
			return r, nil
		}
		troubles = append(troubles, fmt.Errorf("ask %s for %s %s: %w", server, dns.TypeToString[kind], name, err))
	}
	return nil, errors.Join(troubles...)
}

func askOne(ctx context.Context, server, name string, kind uint16) (*dns.Msg, error) {
	m := new(dns.Msg).SetQuestion(name, kind)
	var r *dns.Msg
	var err error
	for _, network := range []string{"udp", "tcp"} {
		c := dns.Client{Net: network, Timeout: askWithin}
		if r, _, err = c.ExchangeContext(ctx, m, server); err != nil {
			return nil, err
		}
		if !r.Truncated {
			break
		}
	}
	switch {
	case !r.Response || len(r.Question) != 1 || r.Question[0].Qtype != kind || dns.CanonicalName(r.Question[0].Name) != dns.CanonicalName(name):
		return nil, errors.New("its answer is no answer to the question")
	case r.Rcode != dns.RcodeSuccess && r.Rcode != dns.RcodeNameError:
		return nil, fmt.Errorf("it answers %s", dns.RcodeToString[r.Rcode])
	}
	return r, nil
}

// nameServers are the names in the zone's NS records, sorted.
func (a asker) nameServers(ctx context.Context, zone string) ([]string, error) {
	r, err := a.question(ctx, zone, dns.TypeNS)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, rr := range r.Answer {
		if ns, is := rr.(*dns.NS); is && dns.CanonicalName(ns.Hdr.Name) == zone {
			names = append(names, dns.CanonicalName(ns.Ns))
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if len(names) == 0 || len(names) > maxServers {
		return nil, fmt.Errorf("found %d NS records, expected 1 to %d", len(names), maxServers)
	}
	return names, nil
}

// addresses are asked of the servers, and of the system's resolver when they have none.
func (a asker) addresses(ctx context.Context, host string) ([]netip.Addr, error) {
	var found []netip.Addr
	for _, kind := range []uint16{dns.TypeA, dns.TypeAAAA} {
		r, err := a.question(ctx, host, kind)
		if err != nil {
			continue
		}
		for _, rr := range r.Answer {
			var ip net.IP
			switch rr := rr.(type) {
			case *dns.A:
				ip = rr.A
			case *dns.AAAA:
				ip = rr.AAAA
			}
			if at, ok := netip.AddrFromSlice(ip); ok && len(found) < maxServers {
				found = append(found, at.Unmap())
			}
		}
	}
	if len(found) > 0 {
		return found, nil
	}
	return systemLookup(ctx, strings.TrimSuffix(host, ".")+".")
}

// Said is what one authoritative server said of a name.
type Said struct {
	NameServer
	Answer *dnstxt.Answer
	Err    error // it could not be asked, or is not authoritative
}

// Holds reports whether the server has these records, TTL aside.
func (s Said) Holds(want RRset) bool {
	return s.Err == nil && s.Answer != nil && RRset{Records: s.Answer.Records}.Same(want)
}

// NoRoute reports whether this machine has no way to the address, as without IPv6: that says nothing of the server.
func (s Said) NoRoute() bool {
	return errors.Is(s.Err, syscall.ENETUNREACH) || errors.Is(s.Err, syscall.EADDRNOTAVAIL) || errors.Is(s.Err, syscall.EAFNOSUPPORT)
}

var (
	errNoAddress        = errors.New("no address was found for this name server")
	errNotAuthoritative = errors.New("it is not authoritative for that name (a lame delegation, or a zone that it has not loaded)")
)

// AskAll asks every server once, at the same time; sorted as servers is.
func AskAll(ctx context.Context, name string, servers []NameServer, timeout time.Duration) []Said {
	said := make([]Said, len(servers))
	var group sync.WaitGroup
	for i, s := range servers {
		group.Go(func() { said[i] = askServer(ctx, name, s, timeout) })
	}
	group.Wait()
	return said
}

func askServer(ctx context.Context, name string, s NameServer, timeout time.Duration) Said {
	said := Said{NameServer: s, Err: errNoAddress}
	if s.Address == "" {
		return said
	}
	said.Answer, said.Err = dnstxt.Ask(ctx, dnstxt.Question{Name: name, Servers: []string{s.Address}, Timeout: timeout})
	if said.Err == nil && !said.Answer.Authoritative {
		said.Err = errNotAuthoritative
	}
	return said
}

// AwaitTXT asks all servers until each holds want, or patience is over, and returns what each said last. Who holds it is
// not asked again; who cannot be asked from here (NoRoute, no address) is not waited for, and who cannot be asked at all (it
// is silent, refuses, has not loaded the zone) for a few seconds only: no news will come of it.
func AwaitTXT(ctx context.Context, name string, want RRset, servers []NameServer, patience time.Duration) []Said {
	bounded, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	alive, end := context.WithTimeout(ctx, deadWithin)
	defer end()
	said := AskAll(ctx, name, servers, askWithin)
	for pause := firstWait; ; pause = min(2*pause, longestPause) {
		var lagging []int
		var again []NameServer
		for i, s := range said {
			dead := s.Address == "" || s.NoRoute() || s.Err != nil && alive.Err() != nil
			if !dead && !s.Holds(want) {
				lagging, again = append(lagging, i), append(again, servers[i])
			}
		}
		if len(again) == 0 || !sleep(bounded, pause) {
			return said
		}
		for i, s := range AskAll(ctx, name, again, askWithin) {
			said[lagging[i]] = s
		}
	}
}
