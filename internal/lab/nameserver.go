package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// NameServer is a real name server with one zone, over UDP and TCP on one port of a loopback address.
type NameServer struct {
	*Service
	Zone    string // with the final dot
	KeyFile string // the TSIG key as the server's own tool wrote it: updates and transfers take it
	Anchor  string // file for delv -a when the zone is signed; ""

	options nameOptions
}

// nameOptions are what StartNamed and StartKnot have in common.
type nameOptions struct {
	zone    string
	address string // loopback IP literal; "": 127.0.0.1
	port    int    // 0: a free one
	records []string
	signed  bool
	of      *NameServer // its primary; nil: it is the primary
	hint    string
	prepare func(s *NameServer) ([]string, error) // writes the configuration, gives the command
}

// startNames starts a name server, and returns when it answers for its zone over UDP and over TCP, signed if it is to be.
func startNames(ctx context.Context, dir, name string, o nameOptions) (*NameServer, error) {
	dir, err := filepath.Abs(dir)
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	if err != nil {
		return nil, fmt.Errorf("starting %s: making its directory: %w", name, err)
	}
	if o.address == "" {
		o.address = "127.0.0.1"
	}
	if o.of != nil {
		o.zone, o.signed = o.of.Zone, o.of.options.signed
	}
	o.zone = dns.Fqdn(o.zone)
	for range startTries {
		var n *NameServer
		if n, err = startNamesOn(ctx, dir, name, o); err == nil {
			return n, nil
		}
		if o.port != 0 || ctx.Err() != nil || errors.Is(err, errNoZone) || errors.Is(err, exec.ErrNotFound) || errors.Is(err, os.ErrNotExist) {
			break
		}
	}
	return nil, fmt.Errorf("starting %s: %w", name, err)
}

func startNamesOn(ctx context.Context, dir, name string, o nameOptions) (*NameServer, error) {
	at, err := namePort(o.address, o.port)
	if err != nil {
		return nil, err
	}
	n := &NameServer{Service: &Service{Addr: at, Dir: dir, name: name, exited: make(chan struct{})}, Zone: o.zone, options: o}
	args, err := o.prepare(n)
	if err != nil {
		return nil, err
	}
	if err := n.run(ctx, args, launch{name: name, hint: o.hint}); err != nil {
		return nil, err
	}
	if err = n.ready(ctx); err == nil {
		err = n.answers(ctx)
	}
	if err == nil && o.signed {
		err = n.keepAnchor(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, n.Stop())
	}
	return n, nil
}

// namePort is a port of the address that is free for both protocols, or the wanted one if it is.
func namePort(address string, wanted int) (netip.AddrPort, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(address, strconv.Itoa(wanted)))
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("looking for a free port: %w", err)
	}
	defer l.Close()
	p, err := net.ListenPacket("udp", l.Addr().String())
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("looking for a free port: %w", err)
	}
	p.Close()
	return netip.ParseAddrPort(l.Addr().String())
}

// errNoZone: it runs and has its port, so that another one would not help.
var errNoZone = errors.New("it does not answer for")

// answers waits until the zone is served over both protocols; signed, if it is to be.
func (n *NameServer) answers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	for {
		err := n.serves(ctx, "udp")
		if err == nil {
			err = n.serves(ctx, "tcp")
		}
		if err == nil {
			return n.alive()
		}
		select {
		case <-n.exited:
			return n.alive()
		case <-ctx.Done():
			return fmt.Errorf("%w %s at %s: %w\n%s", errNoZone, n.Zone, n.Addr, err, n.Log())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (n *NameServer) serves(ctx context.Context, network string) error {
	r, err := n.Ask(ctx, network, n.Zone, dns.TypeSOA)
	if err != nil {
		return err
	}
	signed := false
	for _, rr := range r.Answer {
		_, is := rr.(*dns.RRSIG)
		signed = signed || is
	}
	if r.Rcode != dns.RcodeSuccess || !r.Authoritative || len(r.Answer) == 0 || signed != n.options.signed {
		return fmt.Errorf("its answer over %s is %s, authoritative %t, %d records, signed %t", network, dns.RcodeToString[r.Rcode], r.Authoritative, len(r.Answer), signed)
	}
	return nil
}

// Ask puts one question to the server over udp or tcp, without recursion, for DNSSEC records, too.
func (n *NameServer) Ask(ctx context.Context, network, name string, kind uint16) (*dns.Msg, error) {
	m := new(dns.Msg).SetQuestion(dns.Fqdn(name), kind).SetEdns0(4096, true)
	m.RecursionDesired = false
	c := &dns.Client{Net: network, Timeout: 2 * time.Second}
	r, _, err := c.ExchangeContext(ctx, m, n.Addr.String())
	return r, err
}

// keepAnchor writes the zone's key-signing keys as delv wants them.
func (n *NameServer) keepAnchor(ctx context.Context) error {
	r, err := n.Ask(ctx, "tcp", n.Zone, dns.TypeDNSKEY)
	if err != nil {
		return fmt.Errorf("asking for the zone's keys: %w", err)
	}
	var b bytes.Buffer
	for _, rr := range r.Answer {
		if k, is := rr.(*dns.DNSKEY); is && k.Flags&dns.SEP != 0 {
			fmt.Fprintf(&b, "trust-anchors { %s static-key %d %d %d %q; };\n", n.Zone, k.Flags, k.Protocol, k.Algorithm, k.PublicKey)
		}
	}
	if b.Len() == 0 {
		return fmt.Errorf("the zone %s has no key-signing key: %v", n.Zone, r.Answer)
	}
	n.Anchor = n.file("anchor")
	return os.WriteFile(n.Anchor, b.Bytes(), 0o644)
}

// Pid is the server's process.
func (n *NameServer) Pid() int { return n.cmd.Process.Pid }

// Dig is the command line of dig that asks this server, and nothing else, e.g. Dig("+short", "_tidemark.example.org", "TXT").
func (n *NameServer) Dig(args ...string) []string {
	return append([]string{"dig", "@" + n.Addr.Addr().String(), "-p", strconv.Itoa(int(n.Addr.Port())), "+norecurse", "+tries=1", "+time=5"}, args...)
}

// Delv is the command line of delv that validates what this server says, from the zone's own key on.
func (n *NameServer) Delv(name, kind string) []string {
	return []string{"delv", "@" + n.Addr.Addr().String(), "-p", strconv.Itoa(int(n.Addr.Port())), "-a", n.Anchor, "+root=" + strings.TrimSuffix(n.Zone, "."), name, kind}
}

// zoneText is the zone file: what a zone must have, and the records.
func (n *NameServer) zoneText() string {
	var b strings.Builder
	fmt.Fprintf(&b, "$ORIGIN %s\n$TTL 60\n@ SOA ns1 hostmaster 1 3600 600 86400 60\n", n.Zone)
	if !slices.ContainsFunc(n.options.records, func(r string) bool { return strings.HasPrefix(r, "@ NS ") }) {
		fmt.Fprintf(&b, "@ NS ns1\nns1 A %s\n", n.Addr.Addr())
	}
	for _, r := range n.options.records {
		b.WriteString(r + "\n")
	}
	return b.String()
}

// writeZone writes a primary's zone file unless there is one: a server that is started again goes on with what it had.
func (n *NameServer) writeZone() error {
	file := n.file("zone.db")
	if _, err := os.Stat(file); err == nil || n.options.of != nil {
		return nil
	}
	return os.WriteFile(file, []byte(n.zoneText()), 0o644)
}

const (
	labKey       = "tidemark-lab" // the TSIG key's name
	labAlgorithm = "hmac-sha256"
)

var labSecret = regexp.MustCompile(`secret:? "?([A-Za-z0-9+/]+=*)`)

// makeKey keeps what the server's tool prints as the key file, unless there is one. A secondary has its primary's key, in
// the given format.
func (n *NameServer) makeKey(ctx context.Context, format, program string, args ...string) error {
	if _, err := os.Stat(n.KeyFile); err == nil {
		return nil
	}
	if n.options.of != nil {
		b, err := os.ReadFile(n.options.of.KeyFile)
		if err != nil {
			return err
		}
		secret := labSecret.FindSubmatch(b)
		if secret == nil {
			return fmt.Errorf("%s has no secret", n.options.of.KeyFile)
		}
		return os.WriteFile(n.KeyFile, fmt.Appendf(nil, format, labKey, labAlgorithm, secret[1]), 0o600)
	}
	path, err := sbin(program)
	if err != nil {
		return fmt.Errorf("%w (%s)", err, n.options.hint)
	}
	out, err := exec.CommandContext(ctx, path, args...).Output()
	if err != nil {
		return fmt.Errorf("%s: %w", program, err)
	}
	return os.WriteFile(n.KeyFile, out, 0o600)
}

// Notify tells a secondary that its zone has changed (RFC 1996): it asks its primary at once.
func (n *NameServer) Notify(ctx context.Context) error {
	m := new(dns.Msg).SetNotify(n.Zone)
	c := &dns.Client{Timeout: 5 * time.Second}
	r, _, err := c.ExchangeContext(ctx, m, n.Addr.String())
	if err == nil && r.Rcode != dns.RcodeSuccess {
		err = fmt.Errorf("it answers %s", dns.RcodeToString[r.Rcode])
	}
	if err != nil {
		return fmt.Errorf("notifying %s: %w", n.Addr, err)
	}
	return nil
}
