package dnstxt_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tidemark/internal/dnstxt"
	"tidemark/internal/lab"
)

const (
	name = "_tidemark.centos.example.org"
	text = "v=tm1 n=centos"
)

func server(t testing.TB, fault lab.DNSFault) *lab.DNS {
	t.Helper()
	d, err := lab.StartDNS(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	d.SetText(name, text)
	d.Fault(fault)
	return d
}

func question(servers ...*lab.DNS) dnstxt.Question {
	q := dnstxt.Question{Name: name, Timeout: 300 * time.Millisecond}
	for _, d := range servers {
		q.Servers = append(q.Servers, d.Addr.String())
	}
	return q
}

// What a server may do to one question, and what comes of it: how many questions over UDP and connections over TCP it sees,
// and the records or the error.
func TestAsk_Faults(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		fault    lab.DNSFault
		udp, tcp int
		fails    string // "": the record comes
	}{
		{"", 1, 0, ""},
		{lab.DNSLoseFirst, 2, 0, ""},
		{lab.DNSWrongID, 1, 0, ""},
		{lab.DNSOtherName, 1, 0, ""},
		{lab.DNSTruncated, 1, 1, ""},
		{lab.DNSCut, 1, 1, ""},
		{lab.DNSNoEDNS, 2, 0, ""},
		{lab.DNSSilent, 2, 0, "no answer within"},
		{lab.DNSGarbage, 2, 0, "no answer within"},
		{lab.DNSNoTCP, 2, 2, "truncated, and over TCP: "},
		{lab.DNSHuge, 2, 2, "bytes is announced, expected at most 16384"},
		{lab.DNSDrip, 2, 2, "truncated, and over TCP: no answer within"},
		{lab.DNSServfail, 2, 0, "SERVFAIL"},
		{lab.DNSRefused, 2, 0, "REFUSED"},
	} {
		t.Run("fault="+string(tt.fault), func(t *testing.T) {
			t.Parallel()
			d := server(t, tt.fault)
			q := question(d)
			if tt.fails == "" && tt.fault != lab.DNSLoseFirst {
				q.Timeout = 10 * time.Second // a busy machine must not make a try of its own
			}
			a, err := dnstxt.Ask(context.Background(), q)
			if c := d.Counts(); c.Questions != tt.udp || c.Connections != tt.tcp {
				t.Errorf("the server saw %+v, expected %d questions over UDP and %d connections", c, tt.udp, tt.tcp)
			}
			if tt.fails != "" {
				var failed *dnstxt.Failed
				if a != nil || !errors.As(err, &failed) || strings.Count(err.Error(), tt.fails) != 2 || len(failed.Tries) != 2 {
					t.Errorf("%+v, %v, expected two tries that failed with %q", a, err, tt.fails)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([][]string{{text}}, a.Records); diff != "" {
				t.Error(diff)
			}
			if a.TTL != 60 || !a.Authoritative || a.TCP != (tt.tcp > 0) || a.Exchanges != tt.udp+tt.tcp || a.Server != d.Addr.String() {
				t.Errorf("%+v", a)
			}
			if c := d.Counts(); a.Sent != c.Received || a.Received != c.Sent {
				t.Errorf("sent %d and received %d bytes, the server says %+v", a.Sent, a.Received, c)
			}
		})
	}
}

// No name and no records of the type are answers.
func TestAsk_Nothing(t *testing.T) {
	t.Parallel()
	d := server(t, lab.DNSNXDomain)
	a, err := dnstxt.Ask(context.Background(), question(d))
	if err != nil || len(a.Records) != 0 || !a.NoName || a.Exchanges != 1 {
		t.Errorf("%+v, %v, expected an answer: no such name", a, err)
	}
	d.Fault("")
	d.Alias(name, "empty.example.org")
	a, err = dnstxt.Ask(context.Background(), question(d))
	if err != nil || len(a.Records) != 0 || a.NoName || a.Exchanges != 1 {
		t.Errorf("%+v, %v, expected an answer without records", a, err)
	}
}

// Records come as they were set: several of them, of many strings, with any bytes.
func TestAsk_Records(t *testing.T) {
	t.Parallel()
	all := make([]byte, 255)
	for i := range all {
		all[i] = byte(i)
	}
	many := make([]string, 40)
	for i := range many {
		many[i] = strings.Repeat("ü", 100)
	}
	for what, want := range map[string][][]string{
		"bytes":   {{string(all)}, {"\xff", `\"`}},
		"empty":   {{""}},
		"several": {{"a", "b"}, {"c"}, {"a b"}},
		"digits":  {{`\065`, `\\065`, `a\`}},
		"many":    {many},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			d := server(t, "")
			d.Set(name, want...)
			a, err := dnstxt.Ask(context.Background(), question(d))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, a.Records); diff != "" {
				t.Error(diff)
			}
			if a.TCP != (what == "many") {
				t.Errorf("over TCP: %v", a.TCP)
			}
		})
	}
}

// Aliases are followed inside the answer, whatever the case of the name; a loop of them ends.
func TestAsk_Aliases(t *testing.T) {
	t.Parallel()
	d := server(t, "")
	d.Alias("a.example.org", "b.example.org")
	d.Alias("b.example.org", name)
	q := question(d)
	q.Name = "A.Example.ORG."
	a, err := dnstxt.Ask(context.Background(), q)
	if err != nil || len(a.Records) != 1 {
		t.Errorf("%+v, %v, expected the record behind two aliases", a, err)
	}
	d.Alias(name, "a.example.org")
	if a, err = dnstxt.Ask(context.Background(), q); err != nil || len(a.Records) != 0 {
		t.Errorf("%+v, %v, expected nothing at the end of a loop", a, err)
	}
}

// The second try goes to the second server, and to no third.
func TestAsk_SecondServer(t *testing.T) {
	t.Parallel()
	for _, fault := range []lab.DNSFault{lab.DNSSilent, lab.DNSServfail, lab.DNSRefused, lab.DNSNoTCP} {
		bad, good, third := server(t, fault), server(t, ""), server(t, "")
		a, err := dnstxt.Ask(context.Background(), question(bad, good, third))
		if err != nil || a.Server != good.Addr.String() || len(a.Records) != 1 {
			t.Errorf("%s: %+v, %v, expected the second server's answer", fault, a, err)
		}
		if c := third.Counts(); c.Questions != 0 {
			t.Errorf("%s: the third server was asked", fault)
		}
	}
}

// Nobody listens: that is known at once, and the second server is asked.
func TestAsk_Unreachable(t *testing.T) {
	t.Parallel()
	gone := server(t, "")
	gone.Close()
	q := question(gone)
	q.Timeout = time.Minute
	if _, err := dnstxt.Ask(context.Background(), q); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("%v, expected: connection refused", err)
	}
	q.Servers = append(q.Servers, server(t, "").Addr.String())
	if a, err := dnstxt.Ask(context.Background(), q); err != nil || len(a.Records) != 1 {
		t.Errorf("%+v, %v, expected the second server's answer", a, err)
	}
}

// A caller that gives up is obeyed at once, and no second try is made.
func TestAsk_Cancelled(t *testing.T) {
	t.Parallel()
	d := server(t, lab.DNSSilent)
	q := question(d)
	q.Timeout = time.Hour
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	_, err := dnstxt.Ask(ctx, q)
	var failed *dnstxt.Failed
	if !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &failed) || len(failed.Tries) != 1 {
		t.Errorf("%v, expected one try that ended with the caller's time", err)
	}
}

// An answer from another port than the one asked is none, even with the right number.
func TestAsk_OffPath(t *testing.T) {
	t.Parallel()
	asked, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer asked.Close()
	other, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	go func() {
		b := make([]byte, 2000)
		for {
			n, from, err := asked.ReadFrom(b)
			if err != nil {
				return
			}
			b[2] |= 0x80 // a response: no data
			other.WriteTo(b[:n], from)
		}
	}()
	q := dnstxt.Question{Name: name, Servers: []string{asked.LocalAddr().String()}, Timeout: 100 * time.Millisecond}
	if a, err := dnstxt.Ask(context.Background(), q); err == nil {
		t.Errorf("%+v from a stranger", a)
	}
}

func TestAsk_Usage(t *testing.T) {
	t.Parallel()
	for _, q := range []dnstxt.Question{
		{Name: "", Servers: []string{"127.0.0.1:53"}},
		{Name: "a..b", Servers: []string{"127.0.0.1:53"}},
		{Name: strings.Repeat("a", 64) + ".org", Servers: []string{"127.0.0.1:53"}},
		{Name: name},
	} {
		var failed *dnstxt.Failed
		if a, err := dnstxt.Ask(context.Background(), q); err == nil || errors.As(err, &failed) {
			t.Errorf("%+v: %+v, %v", q, a, err)
		}
	}
}

func TestSystem(t *testing.T) {
	t.Parallel()
	here := []string{"127.0.0.1:53", "[::1]:53"}
	for text, want := range map[string][]string{
		"nameserver 192.0.2.1\n": {"192.0.2.1:53"},
		"# nameserver 192.0.2.9\nsearch example.org\noptions ndots:5 timeout:1\n nameserver\t192.0.2.1 \nnameserver 2001:db8::1\nnameserver fe80::1%eth0\n": {"192.0.2.1:53", "[2001:db8::1]:53", "[fe80::1%eth0]:53"},
		"": here,
		"nameserver\nnameserver ns.example.org\nnameserver 192.0.2.1:53\n": here,
	} {
		file := filepath.Join(t.TempDir(), "resolv.conf")
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		got, err := dnstxt.System(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
	}
	got, err := dnstxt.System(filepath.Join(t.TempDir(), "none"))
	if diff := cmp.Diff(here, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if got, err := dnstxt.System(t.TempDir()); err == nil {
		t.Errorf("%v of a directory", got)
	}
}

func ExampleAsk() {
	d, err := lab.StartDNS(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer d.Close()
	d.SetText("_tidemark.centos.example.org", "v=tm1 n=centos")
	answer, err := dnstxt.Ask(context.Background(), dnstxt.Question{Name: "_tidemark.centos.example.org", Servers: []string{d.Addr.String()}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(answer.Records, answer.Exchanges, answer.TCP)
	// Output: [[v=tm1 n=centos]] 1 false
}
