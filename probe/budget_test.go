package probe_test

import (
	"context"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tidemark/internal/lab"
	"tidemark/probe"
	"tidemark/quorum"
)

// A tarpit with many trees and addresses, whose names take as long as they can to resolve, costs a round its budget and no
// more; nor does it cost an honest server anything to whose address it points.
func TestAll_OneServersBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		honest := netip.MustParseAddr("192.0.2.99")
		zone := map[string][]netip.Addr{"tarpit.example.org": addrs("192.0.2.1", "192.0.2.2", "192.0.2.99", "2001:db8::1"), "honest.example.org": {honest}}
		var asks []quorum.Ask
		for _, server := range []string{"tarpit", "honest", "mute"} {
			for _, tree := range []string{"altarch", "centos", "vault"} {
				asks = append(asks, quorum.Ask{Server: server, Tree: tree, URL: mustURL(t, "rsync://"+server+".example.org/"+tree+"/")})
			}
		}
		known := names(zone)
		var contacts atomic.Int32 // with the tarpit: what is over budget is not even tried
		begun := time.Now()
		got := probe.All(t.Context(), asks, probe.Options{
			Now: time.Now, Timeout: 30 * time.Second, Budget: 15 * time.Second,
			Resolve: func(ctx context.Context, host string) ([]netip.Addr, error) {
				switch host {
				case "mute.example.org":
					<-ctx.Done()
					return nil, ctx.Err()
				case "tarpit.example.org":
					time.Sleep(4 * time.Second)
				}
				return known(ctx, host)
			},
			Probe: func(ctx context.Context, ask quorum.Ask, _ netip.Addr) quorum.Reading {
				if ask.Server == "honest" {
					time.Sleep(time.Second)
					return quorum.Reading{Timestamp: 7}
				}
				contacts.Add(1)
				<-ctx.Done()
				return quorum.Reading{Failure: &quorum.Failure{Kind: quorum.FailUnreachable, Text: "no answer in time"}}
			},
		})
		// The honest one is at the tarpit's address, hence asked after it: 15 s in all, and its own three.
		if d := time.Since(begun); d != 18*time.Second {
			t.Errorf("the round took %v of synthetic time, expected 18 s", d)
		}
		if len(got) != 3*4+3+3 || contacts.Load() != 1 {
			t.Fatalf("%d contacts, %d readings: %v", contacts.Load(), len(got), asked(got))
		}
		for _, r := range got {
			timedOut := r.Failure != nil && r.Failure.Kind == quorum.FailUnreachable && (r.Server == "mute" || strings.HasPrefix(r.Failure.Text, "no answer in time"))
			if timedOut != (r.Server != "honest") {
				t.Errorf("%s %s at %s: %+v", r.Server, r.Tree, r.Address, r)
			}
		}
	})
}

// Without a budget a server has three times its timeout for all trees and addresses, and those that are silent come last.
func TestAll_DeadAddressesInAFullRound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asks []quorum.Ask
		for _, tree := range []string{"altarch", "centos", "vault"} {
			asks = append(asks, quorum.Ask{Server: "half-dead", Tree: tree, URL: mustURL(t, "rsync://mirror.example.org/"+tree+"/"), List: true})
		}
		alive := addrs("2001:db8::1")
		zone := map[string][]netip.Addr{"mirror.example.org": append(addrs("192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5", "192.0.2.6", "192.0.2.7"), alive...)}
		listed := 0
		o := probe.Options{
			Now: time.Now, Timeout: 30 * time.Second, Resolve: names(zone),
			Probe: func(ctx context.Context, _ quorum.Ask, addr netip.Addr) quorum.Reading {
				if addr == alive[0] {
					time.Sleep(time.Second)
					return quorum.Reading{Timestamp: 7, Depth: "anchors"}
				}
				<-ctx.Done()
				return quorum.Reading{Failure: &quorum.Failure{Kind: quorum.FailUnreachable, Text: "no answer in time"}}
			},
			List: func(ctx context.Context, _ quorum.Ask, _ netip.Addr, seen quorum.Reading) quorum.Reading {
				if listed++; ctx.Err() != nil {
					t.Error("the list has no time")
				}
				return seen
			},
		}
		begun := time.Now()
		got := probe.All(t.Context(), asks, o)
		if d := time.Since(begun); d != 90*time.Second || len(got) != 24 {
			t.Errorf("the round took %v of synthetic time, expected 90 s; %d readings", d, len(got))
		}
		for _, r := range got {
			if r.Failure == nil || r.Failure.Kind != quorum.FailUnreachable || !strings.HasPrefix(r.Failure.Text, "no answer in time") {
				t.Errorf("%s at %s: %+v", r.Tree, r.Address, r.Failure)
			}
		}
		// With one dead address, all trees are asked at the other ones first, and nothing is lost.
		zone["mirror.example.org"] = append(addrs("192.0.2.1"), alive...)
		begun = time.Now()
		for _, r := range probe.All(t.Context(), asks, o) {
			if (r.Failure == nil) != (r.Address == alive[0].String()) {
				t.Errorf("%s at %s: %+v", r.Tree, r.Address, r.Failure)
			}
		}
		if d := time.Since(begun); d != 90*time.Second || listed != 3 {
			t.Errorf("the round took %v of synthetic time, expected 90 s; %d lists, expected 3", d, listed)
		}
	})
}

// The same with the real client: daemons that are silent or never stop welcoming, two trees each.
func TestAll_BudgetAgainstFakes(t *testing.T) {
	var asks []quorum.Ask
	for _, kind := range []lab.FakeKind{lab.FakeSilent, lab.FakeChatter, lab.FakeStuck} {
		f, err := lab.StartFake(t.Context(), kind)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		for _, tree := range []string{"centos", "vault"} {
			asks = append(asks, quorum.Ask{Server: string(kind), Tree: tree, URL: mustURL(t, f.URL(tree)), TimeFile: "TIME"})
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	got := probe.All(ctx, asks, probe.Options{Now: time.Now, AllowPrivate: true, Timeout: 10 * time.Minute, Budget: 300 * time.Millisecond})
	for _, r := range got {
		if r.Failure == nil || r.Failure.Kind != quorum.FailUnreachable || !strings.HasPrefix(r.Failure.Text, "no answer in time") {
			t.Errorf("%s %s: %+v", r.Server, r.Tree, r)
		}
	}
	if ctx.Err() != nil || len(got) != 6 {
		t.Errorf("%d readings, %v", len(got), ctx.Err())
	}
}
