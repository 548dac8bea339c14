package probe_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"time"

	"tidemark/internal/rsyncurl"
	"tidemark/probe"
	"tidemark/quorum"
)

// A name with two addresses, one of which is down. Resolver and probe are stood in for, so that nothing is asked.
func ExampleAll() {
	u, err := rsyncurl.Parse("rsync://ftp.funet.fi/centos/")
	if err != nil {
		fmt.Println(err)
		return
	}
	readings := probe.All(context.Background(), []quorum.Ask{{Server: "ftp.funet.fi", Tree: "centos", URL: u, TimeFile: "TIME"}}, probe.Options{
		Now: func() time.Time { return time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC) },
		Resolve: func(context.Context, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("2001:db8::7"), netip.MustParseAddr("192.0.2.7")}, nil
		},
		Probe: func(_ context.Context, _ quorum.Ask, addr netip.Addr) quorum.Reading {
			if addr.Is6() {
				return quorum.Reading{Failure: &quorum.Failure{Kind: quorum.FailUnreachable, Text: "connection refused"}}
			}
			return quorum.Reading{Timestamp: 1488372781, Raw: "1488372781"}
		},
	})
	for _, r := range readings {
		line, err := json.Marshal(r)
		if err != nil {
			fmt.Println(err)
		}
		fmt.Printf("%s\n", line)
	}
	// Output:
	// {"server":"ftp.funet.fi","tree":"centos","url":"rsync://ftp.funet.fi/centos/","address":"192.0.2.7","family":4,"at":"2026-11-22T08:00:00Z","depth":"time","timestamp":1488372781,"raw":"1488372781"}
	// {"server":"ftp.funet.fi","tree":"centos","url":"rsync://ftp.funet.fi/centos/","address":"2001:db8::7","family":6,"at":"2026-11-22T08:00:00Z","depth":"time","failure":{"kind":"unreachable","text":"connection refused"}}
}
