package main

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tidemark/inventory"
)

// TestResolveAll: every host is asked for once, and what DNS says of it is told for each server that is there.
func TestResolveAll(t *testing.T) {
	servers, problems := inventory.Parse("s.yaml", []byte(`
- {id: a, trees: {c: rsync://both.se/c/, v: rsync://both.se/v/}}
- {id: b, trees: {c: rsync://four.se/c/, v: rsync://four.se/v/}}
- {id: c, trees: {c: rsync://six.se/c/}}
- {id: d, trees: {c: rsync://gone.se/c/}}
- {id: e, trees: {c: rsync://broken.se/c/}}
- {id: f, trees: {c: rsync://inside.se/c/}}
- {id: g, trees: {c: rsync://192.0.2.1/c/}}
- {id: h, trees: {c: rsync://four.se/c/}}
`))
	if problems != nil {
		t.Fatal(problems)
	}
	asked := make(chan string, 100)
	ask := func(_ context.Context, network, host string) ([]netip.Addr, error) {
		asked <- host
		switch host {
		case "both.se":
			return []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}, nil
		case "four.se":
			return []netip.Addr{netip.MustParseAddr("::ffff:192.0.2.1")}, nil
		case "six.se":
			return []netip.Addr{netip.MustParseAddr("2001:db8::1")}, nil
		case "gone.se":
			return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
		case "inside.se":
			return []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("10.0.0.1")}, nil
		}
		return nil, errors.New("server misbehaving\x1b[2J")
	}
	tell := func(o inventory.ReviewOptions) (got []string) {
		for _, f := range resolveAll(t.Context(), servers, o, ask) {
			if f.Error {
				t.Errorf("an error: DNS answers otherwise tomorrow: %+v", f)
			}
			got = append(got, f.InFull().Field+": "+f.Text)
		}
		return got
	}
	want := []string{
		"b: trees.c: four.se has no IPv6 address: mirrors with IPv6 alone cannot use it",
		"c: trees.c: six.se has no IPv4 address: mirrors with IPv4 alone cannot use it",
		"d: trees.c: gone.se has no address",
		"e: trees.c: broken.se could not be looked up: server misbehaving?[2J",
		"f: trees.c: inside.se leads to 10.0.0.1, a private address, which is not probed",
		"h: trees.c: four.se has no IPv6 address: mirrors with IPv6 alone cannot use it",
	}
	if diff := cmp.Diff(want, tell(inventory.ReviewOptions{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(asked) != 6 {
		t.Errorf("%d questions, expected one for each of six hosts", len(asked))
	}
	want[4] = "f: trees.c: inside.se has no IPv6 address: mirrors with IPv6 alone cannot use it"
	if diff := cmp.Diff(want, tell(inventory.ReviewOptions{AllowPrivate: true})); diff != "" {
		t.Errorf("allow_private (-want +got):\n%s", diff)
	}
}
