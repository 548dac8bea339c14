package dnstxt

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/miekg/dns"
)

const (
	defaultTimeout = 2 * time.Second
	tries          = 2
)

// Question is what is asked, and where.
type Question struct {
	Name    string        // fully qualified, with or without the final dot
	Servers []string      // "address:port"; the second try goes to the second one, where there is one
	Recurse bool          // wants recursion: a resolver is asked, not an authoritative server
	Timeout time.Duration // of one exchange; 0: 2 s. Asking takes at most six: two tries with EDNS0, without it, and over TCP
}

// Answer is what a server said. A name that does not exist, or has no TXT records, is an answer without records.
type Answer struct {
	Server        string     // that gave it, "address:port"
	Records       [][]string // the character-strings of each TXT record, in the order given, as bytes
	NoName        bool       // the name does not exist (NXDOMAIN), as against: has no TXT records
	TTL           uint32     // seconds, the lowest on the way; 0 without records
	Authoritative bool
	TCP           bool // the last exchange was over TCP
	Exchanges     int  // questions sent
	Sent          int  // bytes of DNS messages, all exchanges together
	Received      int
}

// Ask asks. The error is a *[Failed] once a server was asked: it tells which were, and what each did.
func Ask(ctx context.Context, q Question) (*Answer, error) {
	name := dns.Fqdn(q.Name)
	if _, ok := dns.IsDomainName(name); !ok || q.Name == "" {
		return nil, fmt.Errorf("ask DNS: %.300q is no domain name", q.Name)
	}
	if len(q.Servers) == 0 {
		return nil, fmt.Errorf("ask DNS for %s: no server to ask", q.Name)
	}
	q.Timeout = cmp.Or(q.Timeout, defaultTimeout)
	a := asker{Question: q, name: name}
	failed := &Failed{Name: q.Name}
	for i := range tries {
		server := q.Servers[min(i, len(q.Servers)-1)]
		m, err := a.try(ctx, server)
		if err == nil {
			return a.answer(server, m), nil
		}
		failed.Tries = append(failed.Tries, Try{Server: server, Err: err})
		if ctx.Err() != nil {
			break // the caller's time is over, not the server's
		}
	}
	return nil, failed
}

// Failed is a question that no server answered.
type Failed struct {
	Name  string
	Tries []Try
}

// Try is what one server did in place of an answer.
type Try struct {
	Server string
	Err    error
}

// Error names the servers.
func (f *Failed) Error() string {
	words := make([]string, 0, len(f.Tries))
	for _, t := range f.Tries {
		words = append(words, fmt.Sprintf("%s: %v", t.Server, t.Err))
	}
	return fmt.Sprintf("ask DNS for TXT %s: %s", f.Name, strings.Join(words, "; "))
}

// Unwrap gives the cause of each try.
func (f *Failed) Unwrap() []error {
	causes := make([]error, 0, len(f.Tries))
	for _, t := range f.Tries {
		causes = append(causes, t.Err)
	}
	return causes
}

// ErrSilent is a server that did not answer in time.
var ErrSilent = errors.New("no answer")

// Rcode is a server's refusal (RFC 1035, 4.1.1; RFC 6895).
type Rcode int

// Error is the mnemonic: SERVFAIL, REFUSED, …
func (r Rcode) Error() string {
	if s, ok := dns.RcodeToString[int(r)]; ok {
		return s
	}
	return fmt.Sprintf("RCODE%d", int(r))
}

func (a *asker) answer(server string, m *dns.Msg) *Answer {
	got := a.counts
	got.Server, got.Authoritative, got.NoName = server, m.Authoritative, m.Rcode == dns.RcodeNameError
	got.Records, got.TTL = records(m, a.name)
	return &got
}
