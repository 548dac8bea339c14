package publish

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// UpdateOptions say where dynamic updates go (RFC 2136).
type UpdateOptions struct {
	Server  string // of the primary, "host" or "host:port"
	Zone    string // "": found by asking for the SOA record
	Key     TSIG
	Timeout time.Duration // of one exchange; 0: 10 s
}

const (
	updateTimeout = 10 * time.Second
	dnsPort       = "53"
)

// Update is a TXT at a primary server: the old RRset is the update's prerequisite. Questions and updates go to that server
// alone, over TCP (whoever needs an update's answer does so: RFC 2136, 2.1 and 7.10), signed, and only signed answers count.
func Update(o UpdateOptions) TXT {
	o.Timeout = cmp.Or(o.Timeout, updateTimeout)
	return &primary{o}
}

type primary struct{ UpdateOptions }

// Get asks the primary for the TXT records of the name.
func (p *primary) Get(ctx context.Context, name string) (RRset, error) {
	full, err := nameOf(name)
	if err != nil {
		return RRset{}, err
	}
	s, err := p.get(ctx, full)
	if err != nil {
		return RRset{}, fmt.Errorf("ask %s for TXT %s: %w", p.Server, name, err)
	}
	return s, nil
}

func (p *primary) get(ctx context.Context, name string) (s RRset, err error) {
	r, err := p.ask(ctx, name, dns.TypeTXT)
	if err != nil {
		return s, err
	}
	if !r.Authoritative {
		return s, errors.New("it is not authoritative for that name: name the primary server of the zone")
	}
	for _, rr := range r.Answer {
		switch rr := rr.(type) {
		case *dns.CNAME, *dns.DNAME:
			return s, fmt.Errorf("%s is an alias (%s), and TXT records cannot stand beside one: remove it, or choose another name",
				rr.Header().Name, dns.TypeToString[rr.Header().Rrtype])
		case *dns.TXT:
			if dns.CanonicalName(rr.Hdr.Name) != name {
				continue
			}
			record, err := stringsOf(rr)
			if err != nil {
				return s, err
			}
			s.TTL = int(rr.Hdr.Ttl)
			s.Records = append(s.Records, record)
		}
	}
	return s, nil
}

// ask puts one signed question; the answers are NOERROR and NXDOMAIN.
func (p *primary) ask(ctx context.Context, name string, kind uint16) (*dns.Msg, error) {
	m := new(dns.Msg).SetQuestion(name, kind)
	m.RecursionDesired = false
	r, err := p.exchange(ctx, m)
	if err != nil {
		return nil, err
	}
	if r.Rcode != dns.RcodeSuccess && r.Rcode != dns.RcodeNameError {
		return nil, AdvisedError{p.refusal(r, "")}
	}
	if r.Truncated {
		return nil, errors.New("its answer over TCP is truncated")
	}
	return r, nil
}

// Swap sends one update. What stands at the name afterwards decides when its answer is lost, or is that the prerequisite
// failed: next there is success.
func (p *primary) Swap(ctx context.Context, name string, old, next RRset) error {
	full, err := nameOf(name)
	if err == nil {
		err = errors.Join(old.check(), next.check())
	}
	if err != nil {
		return fmt.Errorf("update TXT %s: %w", name, err)
	}
	zone, err := p.zone(ctx, full)
	if err == nil {
		if err = p.update(ctx, zone, full, old, next); err != nil {
			err = p.settle(ctx, zone, full, old, next, err)
		}
	}
	if err != nil {
		return fmt.Errorf("update TXT %s at %s: %w", name, p.Server, err)
	}
	return nil
}

// zone is the given one, or the one that the primary says the name is in.
func (p *primary) zone(ctx context.Context, name string) (string, error) {
	if p.Zone == "" {
		return zoneOf(name, func(at string) (*dns.Msg, error) {
			r, err := p.ask(ctx, at, dns.TypeSOA)
			if err == nil && !r.Authoritative {
				err = fmt.Errorf("it is not authoritative for %s: name the primary server of the zone", at)
			}
			return r, err
		})
	}
	zone := dns.CanonicalName(p.Zone)
	if !dns.IsSubDomain(zone, name) {
		return "", fmt.Errorf("%s is not in the zone %s", name, zone)
	}
	return zone, nil
}

// update sends the one message: prerequisites, then the RRset deleted, then the new records (RFC 2136, 2.4 and 2.5).
func (p *primary) update(ctx context.Context, zone, name string, old, next RRset) error {
	m := new(dns.Msg).SetUpdate(zone)
	there := []dns.RR{&dns.TXT{Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeTXT}}}
	if len(old.Records) == 0 {
		m.RRsetNotUsed(there)
	} else {
		m.Used(old.on(name))
	}
	m.RemoveRRset(there)
	m.Insert(next.on(name))
	r, err := p.exchange(ctx, m)
	if err != nil || r.Rcode == dns.RcodeSuccess {
		return err
	}
	return AdvisedError{p.refusal(r, zone)}
}

// on are the records as they go into a message. The library has strings as zone files do.
func (s RRset) on(name string) []dns.RR {
	all := make([]dns.RR, 0, len(s.Records))
	for _, record := range s.sorted() {
		txt := make([]string, 0, len(record))
		for _, one := range record {
			txt = append(txt, escape(one))
		}
		all = append(all, &dns.TXT{Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeTXT, Ttl: uint32(s.TTL)}, Txt: txt})
	}
	return all
}

func stringsOf(rr *dns.TXT) ([]string, error) {
	record := make([]string, 0, len(rr.Txt))
	for _, one := range rr.Txt {
		plain, err := unescape(one)
		if err != nil {
			return nil, err
		}
		record = append(record, plain)
	}
	return record, nil
}

// lostError: the update was sent, and nobody knows what became of it.
type lostError struct{ error }

func (e lostError) Unwrap() error { return e.error }

// readPauses are waited before each reading back: the primary may still be at work on the update.
func readPauses() []time.Duration { return []time.Duration{0, 300 * time.Millisecond, 2 * time.Second} }

// settle looks what became of an update that failed with cause.
func (p *primary) settle(ctx context.Context, zone, name string, old, next RRset, cause error) error {
	lost := errors.As(cause, new(lostError))
	if !lost && !errors.Is(cause, ErrConflict) {
		return cause
	}
	outcome := cause
	for _, pause := range readPauses() {
		if pause > 0 && !sleep(ctx, pause) {
			return errors.Join(outcome, ctx.Err())
		}
		now, err := p.get(ctx, name)
		switch {
		case err != nil && !lost:
			return errors.Join(cause, err)
		case err != nil:
			outcome = fmt.Errorf("what became of it is not known: %w; reading back: %w", cause, err)
		case now.Same(next):
			return nil
		case !now.Same(old):
			return fmt.Errorf("it holds other records meanwhile: %w", ErrConflict)
		case !lost && len(old.Records) > 0:
			// Only a wildcard's records can be read and yet not be a prerequisite. At the name itself there is nothing.
			return p.update(ctx, zone, name, RRset{}, next)
		case !lost:
			return cause
		default:
			outcome = fmt.Errorf("it still holds the old records: %w", cause)
		}
	}
	return outcome
}

// zoneOf finds the zone that holds name: the owner of the SOA record in the answer for the name or a parent of it.
func zoneOf(name string, soa func(at string) (*dns.Msg, error)) (string, error) {
	for at := name; ; {
		r, err := soa(at)
		if err != nil {
			return "", fmt.Errorf("finding the zone of %s: %w", name, err)
		}
		for _, rr := range append(r.Answer[:len(r.Answer):len(r.Answer)], r.Ns...) {
			if zone := dns.CanonicalName(rr.Header().Name); rr.Header().Rrtype == dns.TypeSOA && dns.IsSubDomain(zone, name) {
				return zone, nil
			}
		}
		next, end := dns.NextLabel(at, 0)
		if end {
			return "", fmt.Errorf("finding the zone of %s: no SOA record at it or above it", name)
		}
		at = at[next:]
	}
}

// exchange sends m, signed, over a connection of its own. The answer is signed with the key, unless it is a refusal.
func (p *primary) exchange(ctx context.Context, m *dns.Msg) (*dns.Msg, error) {
	key, err := p.Key.checked()
	if err != nil {
		return nil, fmt.Errorf("no TSIG key to sign with: %w", err)
	}
	within, cancel := context.WithTimeout(ctx, p.Timeout)
	defer cancel()
	c, err := new(net.Dialer).DialContext(within, "tcp", withPort(p.Server, dnsPort))
	if err != nil {
		return nil, p.late(ctx, within, err)
	}
	defer c.Close()
	defer context.AfterFunc(within, func() { c.Close() })()
	const fudge = 300 // seconds: RFC 8945, 10
	m.SetTsig(key.Name, key.Algorithm+".", fudge, 0)
	client := dns.Client{Net: "tcp", Timeout: 2 * p.Timeout, TsigProvider: tsigProvider(key)} // within ends it, and says so
	r, _, err := client.ExchangeWithConnContext(within, m, &dns.Conn{Conn: c})
	if r != nil && r.IsTsig() == nil && err == nil && r.Rcode == dns.RcodeSuccess {
		err = errors.New("its answer is not signed, so it says nothing: does the primary know the key?")
	}
	switch {
	case r != nil && r.IsTsig() != nil && r.IsTsig().Error != dns.RcodeSuccess:
		return nil, AdvisedError{p.keyTrouble(r.IsTsig(), err)}
	case r != nil && r.Rcode == dns.RcodeNotAuth && errors.Is(err, dns.ErrAuth): // which the library never verifies
		return r, nil
	case err == nil && (!r.Response || r.Opcode != m.Opcode):
		return nil, lostError{errors.New("its answer is no answer to the question")}
	case err != nil:
		return nil, lostError{fmt.Errorf("no answer to go by: %w", p.late(ctx, within, err))}
	}
	return r, nil
}

// late names the time limit that ended an exchange, in place of what the closed connection says. The same failure has the
// same words each time: without this side's port, which is always another.
func (p *primary) late(ctx, within context.Context, err error) error {
	var op *net.OpError
	switch timeout := net.Error(nil); {
	case ctx.Err() != nil:
		return ctx.Err()
	case within.Err() != nil, errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Errorf("no answer within %s", p.Timeout)
	case errors.As(err, &op):
		return fmt.Errorf("%s: %w", op.Op, op.Err)
	}
	return err
}

// withPort is "host:port" of "host", "host:port", "[address]:port" or an address.
func withPort(server, port string) string {
	if _, _, err := net.SplitHostPort(server); err == nil {
		return server
	}
	return net.JoinHostPort(strings.Trim(server, "[]"), port)
}
