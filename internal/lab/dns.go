package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/miekg/dns"
)

// DNS is a small authoritative server on 127.0.0.1, over UDP and TCP on one free port. Its TXT records are set at any time,
// and it can be told to misbehave.
//
//	d, err := lab.StartDNS(ctx)
//	defer d.Close()
//	d.SetText("_tidemark.centos.example.org", beacon.Text())
//	answer, err := dnstxt.Ask(ctx, dnstxt.Question{Name: "_tidemark.centos.example.org", Servers: []string{d.Addr.String()}})
//	d.Counts()            // one question over UDP, no TCP connection, so many bytes
//	d.Fault(lab.DNSSilent)
type DNS struct {
	Addr netip.AddrPort

	udp    *net.UDPConn
	tcp    net.Listener
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu      sync.Mutex
	records map[string][][]string // by lower-case name with the final dot
	aliases map[string]string
	fault   DNSFault
	first   bool // the next question is the first one since the fault was set
	counts  DNSCounts
}

// DNSCounts is what a server was asked. Bytes are those of DNS messages, without the lengths before them over TCP.
type DNSCounts struct {
	Questions      int // over UDP
	Connections    int // over TCP
	Received, Sent int // bytes, over both
}

const (
	dnsTTL        = 60
	txtString     = 255 // RFC 1035, 3.3
	dnsClassicUDP = 512 // RFC 1035, 4.2.1
)

// StartDNS starts a server without records; it ends with ctx, or by Close.
func StartDNS(ctx context.Context) (*DNS, error) {
	d := &DNS{records: make(map[string][][]string), aliases: make(map[string]string)}
	var err error
	for range startTries {
		if err = d.listen(); err == nil {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("starting a DNS server: %w", err)
	}
	ctx, d.cancel = context.WithCancel(ctx)
	context.AfterFunc(ctx, func() { d.udp.Close(); d.tcp.Close() })
	d.done.Go(func() { d.serveUDP(ctx) })
	d.done.Go(func() { d.serveTCP(ctx) })
	return d, nil
}

// listen takes a port that is free for both.
func (d *DNS) listen() (err error) {
	if d.tcp, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return err
	}
	d.Addr = d.tcp.Addr().(*net.TCPAddr).AddrPort()
	if d.udp, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(d.Addr)); err != nil {
		return errors.Join(err, d.tcp.Close())
	}
	return nil
}

// Close ends it with all of its connections.
func (d *DNS) Close() error {
	d.cancel()
	d.done.Wait()
	return nil
}

// SetText makes text the one record of a name, in strings of 255 bytes.
func (d *DNS) SetText(name, text string) {
	var record []string
	for part := range slices.Chunk([]byte(text), txtString) {
		record = append(record, string(part))
	}
	if record == nil {
		record = []string{""}
	}
	d.Set(name, record)
}

// Set replaces the TXT records of a name, each of which is a list of strings; with none, the name does not exist.
func (d *DNS) Set(name string, records ...[]string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	name = dns.CanonicalName(name)
	delete(d.aliases, name)
	delete(d.records, name)
	if len(records) > 0 {
		d.records[name] = records
	}
}

// Alias makes a name a CNAME.
func (d *DNS) Alias(name, target string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.aliases[dns.CanonicalName(name)] = dns.CanonicalName(target)
}

// Fault makes the server misbehave from now on; with "" it is sound again.
func (d *DNS) Fault(f DNSFault) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fault, d.first = f, true
}

// Counts tells what was asked since the start, or since the last Reset.
func (d *DNS) Counts() DNSCounts {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.counts
}

// Reset starts counting anew.
func (d *DNS) Reset() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.counts = DNSCounts{}
}

func (d *DNS) count(c DNSCounts) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.counts.Questions += c.Questions
	d.counts.Connections += c.Connections
	d.counts.Received += c.Received
	d.counts.Sent += c.Sent
}

// now gives the fault in force, and whether this is the first question under it.
func (d *DNS) now() (DNSFault, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	first := d.first
	d.first = false
	return d.fault, first
}

// reply is a sound answer: nil when the question cannot be read.
func (d *DNS) reply(packed []byte) *dns.Msg {
	var q dns.Msg
	if err := q.Unpack(packed); err != nil || q.Response || len(q.Question) != 1 {
		return nil
	}
	var r dns.Msg
	r.SetReply(&q)
	r.Authoritative, r.Compress = true, true
	if e := q.IsEdns0(); e != nil {
		r.SetEdns0(e.UDPSize(), false)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	name := q.Question[0].Name
	key := dns.CanonicalName(name)
	for range len(d.aliases) {
		target, ok := d.aliases[key]
		if !ok {
			break
		}
		r.Answer = append(r.Answer, &dns.CNAME{Hdr: header(name, dns.TypeCNAME), Target: target})
		name, key = target, target
	}
	records, exists := d.records[key]
	if !exists && len(r.Answer) == 0 {
		r.Rcode = dns.RcodeNameError
	}
	if q.Question[0].Qtype != dns.TypeTXT {
		return &r
	}
	for _, record := range records {
		r.Answer = append(r.Answer, &dns.TXT{Hdr: header(name, dns.TypeTXT), Txt: escaped(record)})
	}
	return &r
}

func header(name string, kind uint16) dns.RR_Header {
	return dns.RR_Header{Name: name, Rrtype: kind, Class: dns.ClassINET, Ttl: dnsTTL}
}

// escaped is what the library wants: strings as a zone file has them.
func escaped(record []string) []string {
	out := make([]string, 0, len(record))
	for _, s := range record {
		var b strings.Builder
		for i := range len(s) {
			fmt.Fprintf(&b, "\\%03d", s[i])
		}
		out = append(out, b.String())
	}
	return out
}
