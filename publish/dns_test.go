package publish_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"tidemark/internal/lab"
	"tidemark/manifest"
	"tidemark/publish"
)

const (
	dnsZone    = "centos.example.org"
	beaconName = "_tidemark.centos.example.org"
	plainName  = "_latest.centos.example.org"
)

// fiveTrees are a network's trees as they were, and one timestamp of each.
func fiveTrees() map[string]int64 {
	return map[string]int64{"centos": 1488372781, "altarch": 1487767981, "vault": 1488113581, "centos-stream": 1795334400, "debuginfo": 1795248000}
}

// beaconOf is a genuine beacon of five trees, as records.
func beaconOf(t testing.TB, serial int64) publish.RRset {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	b := manifest.Beacon{Network: "centos", Serial: serial, Expires: 1795600000, Trees: fiveTrees(), Key: "C6E8270B592965FF"}
	b.Signature = ed25519.Sign(key, []byte(b.Signed()))
	if _, err := manifest.ParseBeacon(b.Text()); err != nil {
		t.Fatal(err)
	}
	return publish.RRset{TTL: 60, Records: [][]string{b.Strings()}}
}

func plainRecord(text string) publish.RRset {
	return publish.RRset{TTL: 60, Records: [][]string{{text}}}
}

// primaries are the real servers, unsigned and signed.
type primaryCase struct {
	name  string
	start func(t *testing.T, records ...string) *lab.NameServer
}

func primaries() []primaryCase {
	return []primaryCase{
		{"named", func(t *testing.T, r ...string) *lab.NameServer {
			return startNamed(t, lab.NamedOptions{Zone: dnsZone, Records: r})
		}},
		{"named, signed", func(t *testing.T, r ...string) *lab.NameServer {
			return startNamed(t, lab.NamedOptions{Zone: dnsZone, Records: r, DNSSEC: true})
		}},
		{"knot", func(t *testing.T, r ...string) *lab.NameServer {
			return startKnot(t, lab.KnotOptions{Zone: dnsZone, Records: r})
		}},
		{"knot, signed", func(t *testing.T, r ...string) *lab.NameServer {
			return startKnot(t, lab.KnotOptions{Zone: dnsZone, Records: r, DNSSEC: true})
		}},
	}
}

func startNamed(t *testing.T, o lab.NamedOptions) *lab.NameServer {
	t.Helper()
	needServer(t, "/usr/sbin/named", "bind9")
	n, err := lab.StartNamed(t.Context(), t.TempDir(), o)
	return started(t, n, err)
}

func startKnot(t *testing.T, o lab.KnotOptions) *lab.NameServer {
	t.Helper()
	needServer(t, "/usr/sbin/knotd", "knot")
	n, err := lab.StartKnot(t.Context(), t.TempDir(), o)
	return started(t, n, err)
}

func needServer(t *testing.T, file, pkg string) {
	t.Helper()
	if _, err := os.Stat(file); err != nil {
		need(t, file[strings.LastIndexByte(file, '/')+1:], pkg)
	}
	need(t, "dig", "bind9-dnsutils")
}

func started(t *testing.T, n *lab.NameServer, err error) *lab.NameServer {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the server's log:\n%s", n.Log())
		}
		if err := n.Stop(); err != nil {
			t.Error(err)
		}
	})
	return n
}

func keyOf(t *testing.T, n *lab.NameServer) publish.TSIG {
	t.Helper()
	b, err := os.ReadFile(n.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	k, err := publish.ParseTSIG(b)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// at is the TXT at a server, with its key.
func at(t *testing.T, n *lab.NameServer) publish.TXT {
	t.Helper()
	return publish.Update(publish.UpdateOptions{Server: n.Addr.String(), Key: keyOf(t, n)})
}

func swap(t *testing.T, p publish.TXT, name string, old, next publish.RRset) {
	t.Helper()
	if err := p.Swap(t.Context(), name, old, next); err != nil {
		t.Fatal(err)
	}
}

// holds wants these records at the place, TTL included.
func holds(t *testing.T, p publish.TXT, name string, want publish.RRset) {
	t.Helper()
	got, err := p.Get(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	if !got.Same(want) || len(want.Records) > 0 && got.TTL != want.TTL {
		t.Errorf("%s holds (-want +got):\n%s", name, cmp.Diff(want, got))
	}
}

// typed runs a command line as a person would, and gives what it prints.
func typed(t *testing.T, argv []string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		t.Logf("%s: %v", strings.Join(argv, " "), err)
	}
	return strings.TrimSpace(string(out))
}

// quoted is a beacon as dig +short prints it.
func quoted(s publish.RRset) string {
	return `"` + strings.Join(s.Records[0], `" "`) + `"`
}

// messageSize asks over UDP as bare as it can be, or with EDNS0 for DNSSEC, and measures the answer.
func messageSize(t *testing.T, n *lab.NameServer, name string, dnssec bool) (int, *dns.Msg) {
	t.Helper()
	m := new(dns.Msg).SetQuestion(dns.Fqdn(name), dns.TypeTXT)
	if dnssec {
		m.SetEdns0(1232, true)
	}
	b, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("udp", n.Addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write(b); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 65535)
	size, err := c.Read(answer)
	if err != nil {
		t.Fatal(err)
	}
	r := new(dns.Msg)
	if err := r.Unpack(answer[:size]); err != nil {
		t.Fatal(err)
	}
	return size, r
}

func port(n *lab.NameServer) string { return strconv.Itoa(int(n.Addr.Port())) }
