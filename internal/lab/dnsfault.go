package lab

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// DNSFault is a way in which a DNS server does not answer as it should.
type DNSFault string

// The faults.
const (
	DNSSilent    DNSFault = "silent"     // no answer ever; a TCP connection is taken and nothing said
	DNSLoseFirst DNSFault = "lose-first" // the first question is lost
	DNSWrongID   DNSFault = "wrong-id"   // a forged answer, with records of its own, comes first with another number
	DNSOtherName DNSFault = "other-name" // an answer to another question comes first, with the right number
	DNSTruncated DNSFault = "truncated"  // over UDP always TC, with an answer that looks complete; over TCP all is well
	DNSCut       DNSFault = "cut"        // over UDP TC, cut in the middle of a record; over TCP all is well
	DNSNoTCP     DNSFault = "no-tcp"     // truncated, and over TCP it hangs up
	DNSGarbage   DNSFault = "garbage"    // packets of garbage without an end, many with the right number
	DNSHuge      DNSFault = "huge"       // truncated, and over TCP 60,000 bytes
	DNSServfail  DNSFault = "servfail"
	DNSRefused   DNSFault = "refused"  // without the question, as some servers have it
	DNSNXDomain  DNSFault = "nxdomain" // the name does not exist
	DNSNoEDNS    DNSFault = "no-edns"  // FORMERR to every question with EDNS0
	DNSDrip      DNSFault = "drip"     // truncated, and over TCP a byte every 100 ms
)

const (
	dripPause   = 100 * time.Millisecond
	garbageEach = time.Millisecond
	garbageLast = 30 * time.Second
	dnsForgery  = "v=tm1 forged"
)

func (d *DNS) serveUDP(ctx context.Context) {
	buffer := make([]byte, dns.MaxMsgSize)
	for {
		n, from, err := d.udp.ReadFromUDPAddrPort(buffer)
		if err != nil {
			return
		}
		d.count(DNSCounts{Questions: 1, Received: n})
		r := d.reply(buffer[:n])
		if r == nil {
			continue
		}
		fault, first := d.now()
		if fault == DNSGarbage {
			d.done.Go(func() { d.garbage(ctx, from, r) })
			continue
		}
		for _, packet := range misbehaveUDP(fault, first, r) {
			d.sendUDP(packet, from)
		}
	}
}

func (d *DNS) sendUDP(b []byte, to netip.AddrPort) {
	d.count(DNSCounts{Sent: len(b)})
	d.udp.WriteToUDPAddrPort(b, to) // a lost packet is a lost packet
}

// misbehaveUDP turns the sound answer into what is sent.
func misbehaveUDP(fault DNSFault, first bool, r *dns.Msg) [][]byte {
	size := dnsClassicUDP
	if e := r.IsEdns0(); e != nil {
		size = max(size, int(e.UDPSize()))
	}
	misbehave(fault, r)
	r.Truncate(size)
	sound := packDNS(r)
	switch fault {
	case DNSSilent:
		return nil
	case DNSLoseFirst:
		if first {
			return nil
		}
	case DNSWrongID:
		return [][]byte{packDNS(forged(r, r.Id+1, r.Question[0].Name)), sound}
	case DNSOtherName:
		return [][]byte{packDNS(forged(r, r.Id, "other."+r.Question[0].Name)), sound}
	case DNSTruncated, DNSNoTCP, DNSHuge, DNSDrip:
		r.Truncated = true
		return [][]byte{packDNS(r)}
	case DNSCut:
		r.Truncated = true
		b := packDNS(r)
		return [][]byte{b[:len(b)*3/4]}
	}
	return [][]byte{sound}
}

// misbehave is what goes wrong whatever it is carried over.
func misbehave(fault DNSFault, r *dns.Msg) {
	refuse := func(code int) { r.Rcode, r.Answer = code, nil }
	switch fault {
	case DNSServfail:
		refuse(dns.RcodeServerFailure)
	case DNSRefused:
		refuse(dns.RcodeRefused)
		r.Question = nil
	case DNSNXDomain:
		refuse(dns.RcodeNameError)
	case DNSNoEDNS:
		if r.IsEdns0() != nil {
			refuse(dns.RcodeFormatError)
			r.Extra = nil
		}
	}
}

func forged(r *dns.Msg, id uint16, name string) *dns.Msg {
	f := *r
	f.Id, f.Rcode = id, dns.RcodeSuccess
	f.Question = []dns.Question{{Name: name, Qtype: dns.TypeTXT, Qclass: dns.ClassINET}}
	f.Answer = []dns.RR{&dns.TXT{Hdr: header(name, dns.TypeTXT), Txt: []string{dnsForgery}}}
	return &f
}

// packDNS gives the bytes; a record that does not fit a message at all is as good as lost.
func packDNS(r *dns.Msg) []byte {
	b, err := r.Pack()
	if err != nil {
		return nil
	}
	return b
}

// garbage floods the asker for longer than any question lasts.
func (d *DNS) garbage(ctx context.Context, to netip.AddrPort, r *dns.Msg) {
	ctx, cancel := context.WithTimeout(ctx, garbageLast)
	defer cancel()
	sound := packDNS(r)
	for i := 0; ctx.Err() == nil; i++ {
		b := append([]byte(nil), sound[:min(len(sound), 12+i%64)]...)
		for k := 2; k < len(b); k++ {
			b[k] = byte(i * (k + 7))
		}
		if i%2 == 0 {
			b[0]++
		}
		d.sendUDP(b, to)
		select {
		case <-ctx.Done():
		case <-time.After(garbageEach):
		}
	}
}

func (d *DNS) serveTCP(ctx context.Context) {
	for {
		c, err := d.tcp.Accept()
		if err != nil {
			return
		}
		d.count(DNSCounts{Connections: 1})
		d.done.Go(func() {
			defer c.Close()
			defer context.AfterFunc(ctx, func() { c.Close() })()
			for d.answerTCP(ctx, c) == nil {
			}
		})
	}
}

func (d *DNS) answerTCP(ctx context.Context, c net.Conn) error {
	var length [2]byte
	if _, err := io.ReadFull(c, length[:]); err != nil {
		return err
	}
	question := make([]byte, binary.BigEndian.Uint16(length[:]))
	if _, err := io.ReadFull(c, question); err != nil {
		return err
	}
	d.count(DNSCounts{Received: len(question)})
	r := d.reply(question)
	if r == nil {
		return io.ErrUnexpectedEOF
	}
	fault, _ := d.now()
	misbehave(fault, r)
	switch fault {
	case DNSNoTCP:
		return io.ErrClosedPipe
	case DNSSilent:
		<-ctx.Done()
		return ctx.Err()
	case DNSHuge:
		r.Answer = nil
		for range 60 {
			t := &dns.TXT{Hdr: header(r.Question[0].Name, dns.TypeTXT)}
			for range 4 {
				t.Txt = append(t.Txt, strings.Repeat("x", txtString))
			}
			r.Answer = append(r.Answer, t)
		}
	}
	b := packDNS(r)
	d.count(DNSCounts{Sent: len(b)})
	b = append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...)
	if fault == DNSDrip {
		return drip(ctx, c, b)
	}
	_, err := c.Write(b)
	return err
}

func drip(ctx context.Context, c net.Conn, b []byte) error {
	for i := range b {
		if _, err := c.Write(b[i : i+1]); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(dripPause):
		}
	}
	return nil
}
