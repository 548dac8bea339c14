package probe_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"tidemark/internal/rsyncurl"
	"tidemark/probe"
	"tidemark/quorum"
)

func mustURL(t testing.TB, s string) rsyncurl.URL {
	t.Helper()
	u, err := rsyncurl.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func addrs(list ...string) []netip.Addr {
	var out []netip.Addr
	for _, s := range list {
		out = append(out, netip.MustParseAddr(s))
	}
	return out
}

// names is a resolver that knows some names.
func names(zone map[string][]netip.Addr) func(context.Context, string) ([]netip.Addr, error) {
	return func(_ context.Context, host string) ([]netip.Addr, error) {
		if a, ok := zone[host]; ok {
			return a, nil
		}
		return nil, errors.New("no such host")
	}
}

func asked(readings []quorum.Reading) []string {
	var out []string
	for _, r := range readings {
		out = append(out, fmt.Sprintf("%s %s %s %d", r.Server, r.Tree, r.Address, r.Family))
	}
	return out
}

func TestAll_EveryAddressOnce(t *testing.T) {
	zone := map[string][]netip.Addr{
		"two.example.org": addrs("2001:db8::7", "192.0.2.9", "::ffff:192.0.2.9", "192.0.2.9"),
	}
	for i := range 17 {
		addr := netip.AddrFrom4([4]byte{192, 0, 2, byte(40 - i)})
		if zone["more.example.org"] = append(zone["more.example.org"], addr); i > 0 {
			zone["many.example.org"] = append(zone["many.example.org"], addr)
		}
	}
	asks := []quorum.Ask{
		{Server: "two", Tree: "vault", URL: mustURL(t, "rsync://two.example.org/vault/")},
		{Server: "two", Tree: "centos", URL: mustURL(t, "rsync://two.example.org/centos/")},
		{Server: "many", Tree: "centos", URL: mustURL(t, "rsync://many.example.org/centos/")},
		{Server: "more", Tree: "centos", URL: mustURL(t, "rsync://more.example.org/centos/")},
		{Server: "literal", Tree: "centos", URL: mustURL(t, "rsync://192.0.2.1/centos/")},
		{Server: "none", Tree: "centos", URL: mustURL(t, "rsync://none.example.org/centos/")},
	}
	got := probe.All(t.Context(), asks, probe.Options{
		Now: time.Now, Resolve: names(zone),
		Probe: func(_ context.Context, ask quorum.Ask, addr netip.Addr) quorum.Reading {
			return quorum.Reading{Timestamp: 1, Server: "a probe does not name itself", Address: "nor this"}
		},
	})
	want := []string{"literal centos 192.0.2.1 4"}
	for i := range 16 {
		want = append(want, fmt.Sprintf("many centos 192.0.2.%d 4", 24+i))
	}
	want = append(want,
		"more centos  0",
		"none centos  0",
		"two centos 192.0.2.9 4", "two centos 2001:db8::7 6",
		"two vault 192.0.2.9 4", "two vault 2001:db8::7 6",
	)
	if diff := cmp.Diff(want, asked(got)); diff != "" {
		t.Errorf("readings (-want +got):\n%s", diff)
	}
	for _, r := range got {
		want := map[string]*quorum.Failure{
			"none": {Kind: quorum.FailUnreachable, Text: "no address for none.example.org: no such host"},
			"more": {Kind: quorum.FailForbidden, Text: "the name more.example.org has 17 addresses: at most 16 are asked, so that not all can be verified"},
		}[r.Server]
		if diff := cmp.Diff(want, r.Failure); diff != "" {
			t.Errorf("failure of %s (-want +got):\n%s", r.Server, diff)
		}
	}
}

// crowd counts who is being asked at the same time.
type crowd struct {
	mu          sync.Mutex
	now, most   int
	host        map[netip.Addr]int
	hostMost    int
	leftSeconds map[time.Duration]bool
}

func (c *crowd) probe(ctx context.Context, _ quorum.Ask, addr netip.Addr) quorum.Reading {
	c.mu.Lock()
	c.now++
	c.host[addr]++
	c.most, c.hostMost = max(c.most, c.now), max(c.hostMost, c.host[addr])
	deadline, _ := ctx.Deadline()
	c.leftSeconds[time.Until(deadline)] = true
	c.mu.Unlock()
	time.Sleep(time.Second)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now--
	c.host[addr]--
	return quorum.Reading{}
}

func TestAll_OneConnectionAHostAndSoManyHostsAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := addrs("192.0.2.1")
		zone := map[string][]netip.Addr{"a.example.org": shared, "b.example.org": shared}
		var asks []quorum.Ask
		for i := range 20 {
			asks = append(asks, quorum.Ask{Server: fmt.Sprint("s", i), Tree: "centos", URL: mustURL(t, fmt.Sprintf("rsync://192.0.2.%d/centos/", 100+i))})
		}
		for _, host := range []string{"a", "b"} {
			for _, tree := range []string{"centos", "altarch", "vault"} {
				asks = append(asks, quorum.Ask{Server: host, Tree: tree, URL: mustURL(t, "rsync://"+host+".example.org/"+tree+"/")})
			}
		}
		c := &crowd{host: map[netip.Addr]int{}, leftSeconds: map[time.Duration]bool{}}
		var progress []int
		start := time.Now()
		got := probe.All(t.Context(), asks, probe.Options{
			Now: time.Now, Resolve: names(zone), Concurrency: 4, Timeout: 7 * time.Second, Probe: c.probe,
			Progress: func(done, of int) { progress = append(progress, done*1000+of) },
		})
		if len(got) != 26 {
			t.Fatalf("%d readings, expected 26", len(got))
		}
		if c.hostMost != 1 {
			t.Errorf("%d connections to one host at a time, expected 1", c.hostMost)
		}
		if c.most != 4 {
			t.Errorf("%d hosts at a time, expected 4: all that are allowed, and no more", c.most)
		}
		// 26 seconds of work by four, the longest queue (6) begun first.
		if d := time.Since(start); d != 7*time.Second {
			t.Errorf("the round took %v of synthetic time, expected 7 s", d)
		}
		if len(c.leftSeconds) != 1 || !c.leftSeconds[7*time.Second] {
			t.Errorf("time left at the start of each probe: %v, expected 7 s for each", c.leftSeconds)
		}
		for i, p := range progress {
			if p != (i+1)*1000+26 {
				t.Fatalf("progress %d was %d of %d", i, p/1000, p%1000)
			}
		}
		if len(progress) != 26 {
			t.Errorf("progress was told %d times, expected 26", len(progress))
		}
	})
}

func TestAll_CancelledRoundEndsWithReadings(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	asks := []quorum.Ask{
		{Server: "a", Tree: "centos", URL: mustURL(t, "rsync://192.0.2.1/centos/")},
		{Server: "b", Tree: "centos", URL: mustURL(t, "rsync://192.0.2.1/centos/")},
	}
	got := probe.All(ctx, asks, probe.Options{Now: time.Now, Probe: func(context.Context, quorum.Ask, netip.Addr) quorum.Reading {
		cancel()
		return quorum.Reading{Timestamp: 1}
	}})
	if got[0].Failure != nil || got[1].Failure == nil || got[1].Failure.Text != "not asked: the round was ended before its turn" {
		t.Errorf("readings %+v", got)
	}
}

// TestAll_OneConnectionAName has names with several addresses, some of which they share: what is linked is one host.
func TestAll_OneConnectionAName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		zone := map[string][]netip.Addr{
			"a.example.org": addrs("192.0.2.1", "2001:db8::1"),
			"b.example.org": addrs("192.0.2.3", "2001:db8::1"),
			"c.example.org": addrs("192.0.2.3", "192.0.2.4"),
			"d.example.org": addrs("192.0.2.9", "2001:db8::9"),
		}
		machine := map[string]string{"a": "one", "b": "one", "c": "one", "four": "one", "d": "other"}
		asks := []quorum.Ask{{Server: "four", Tree: "centos", URL: mustURL(t, "rsync://192.0.2.4/centos/")}}
		for _, name := range []string{"d", "c", "a", "b"} {
			asks = append(asks, quorum.Ask{Server: name, Tree: "centos", URL: mustURL(t, "rsync://"+name+".example.org/centos/")})
		}
		var mu sync.Mutex
		now, most := map[string]int{}, map[string]int{}
		count := func(server string, n int) {
			mu.Lock()
			defer mu.Unlock()
			host := machine[server]
			now[host] += n
			most[host] = max(most[host], now[host])
		}
		begin := time.Now()
		got := probe.All(t.Context(), asks, probe.Options{
			Now: time.Now, Resolve: names(zone),
			Probe: func(_ context.Context, ask quorum.Ask, _ netip.Addr) quorum.Reading {
				count(ask.Server, 1)
				defer count(ask.Server, -1)
				time.Sleep(time.Second)
				return quorum.Reading{}
			},
		})
		if len(got) != 9 || most["one"] != 1 || most["other"] != 1 {
			t.Errorf("%d readings, expected 9; at a time %v, expected 1 each", len(got), most)
		}
		if d := time.Since(begin); d != 7*time.Second {
			t.Errorf("the round took %v of synthetic time, expected 7 s: the two hosts at the same time", d)
		}
	})
}
