package publish_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"tidemark/internal/lab"
	"tidemark/publish"
)

// The whole of what a publisher does at a primary, at real ones.
func TestUpdate_AtRealServers(t *testing.T) {
	for _, c := range primaries() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			n := c.start(t)
			p := at(t, n)
			first, second := beaconOf(t, 4127), beaconOf(t, 4128)
			plain := plainRecord("1488372781:1487767981:1488113581")

			t.Run("with the key it is accepted", func(t *testing.T) {
				holds(t, p, beaconName, publish.RRset{})
				swap(t, p, beaconName, publish.RRset{}, first)
				swap(t, p, plainName, publish.RRset{}, plain)
				holds(t, p, beaconName, first)
				holds(t, p, plainName, plain)
			})
			t.Run("dig shows both records", func(t *testing.T) {
				for name, want := range map[string]string{beaconName: quoted(first), plainName: quoted(plain)} {
					if got := typed(t, n.Dig("+short", name, "TXT")); got != want {
						t.Errorf("%s: dig prints\n%s, expected\n%s", name, got, want)
					}
				}
			})
			t.Run("five trees fit a packet without EDNS0", func(t *testing.T) { fitsInOnePacket(t, n) })
			t.Run("without the key, or with a wrong one, it is refused", func(t *testing.T) { refusesOthers(t, n, first) })
			t.Run("an update that lost its race changes nothing", func(t *testing.T) {
				swap(t, p, beaconName, first, second)
				for name, old := range map[string]publish.RRset{"the one before": first, "none": {}} {
					if err := p.Swap(t.Context(), beaconName, old, beaconOf(t, 4129)); !errors.Is(err, publish.ErrConflict) {
						t.Errorf("%s expected there: %v, want ErrConflict", name, err)
					}
				}
				if err := p.Swap(t.Context(), "_nothing."+dnsZone, first, second); !errors.Is(err, publish.ErrConflict) {
					t.Errorf("nothing is there: %v, want ErrConflict", err)
				}
				holds(t, p, beaconName, second)
				holds(t, p, "_nothing."+dnsZone, publish.RRset{})
				holds(t, p, plainName, plain)
			})
			t.Run("what is there already is no conflict", func(t *testing.T) { swap(t, p, beaconName, first, second) })
			if n.Anchor != "" {
				t.Run("delv validates the beacon", func(t *testing.T) {
					need(t, "delv", "bind9-dnsutils")
					got := typed(t, n.Delv(beaconName, "TXT"))
					if !strings.Contains(got, "; fully validated") || !strings.Contains(got, quoted(second)) {
						t.Errorf("delv prints\n%s", got)
					}
					size, _ := messageSize(t, n, beaconName, true)
					t.Logf("with its signature, for one who asks for it: %d bytes", size)
				})
			}
			t.Run("a removed record is gone", func(t *testing.T) {
				swap(t, p, beaconName, second, publish.RRset{})
				holds(t, p, beaconName, publish.RRset{})
				if got := typed(t, n.Dig("+short", beaconName, "TXT")); got != "" {
					t.Errorf("dig prints %s", got)
				}
				holds(t, p, plainName, plain)
			})
		})
	}
}

// RFC 1035: 512 bytes are what every resolver takes over UDP.
func fitsInOnePacket(t *testing.T, n *lab.NameServer) {
	size, m := messageSize(t, n, beaconName, false)
	t.Logf("the whole answer for %d trees: %d bytes, %d of them the record's text", len(fiveTrees()), size, len(strings.Join(beaconOf(t, 4127).Records[0], "")))
	if size > 512 || m.Truncated || len(m.Answer) != 1 {
		t.Errorf("%d bytes, truncated %t, %d answers; expected at most 512, false, 1", size, m.Truncated, len(m.Answer))
	}
	got := typed(t, n.Dig("+noedns", "+ignore", beaconName, "TXT"))
	flags := ""
	for line := range strings.Lines(got) {
		if rest, ok := strings.CutPrefix(line, ";; flags:"); ok {
			flags, _, _ = strings.Cut(rest, ";")
		}
	}
	if !strings.Contains(flags, " aa") || strings.Contains(flags, " tc") || !strings.Contains(got, "v=tm1 n=centos") {
		t.Errorf("dig +noedns +ignore prints\n%s", got)
	}
}

func refusesOthers(t *testing.T, n *lab.NameServer, there publish.RRset) {
	need(t, "nsupdate", "bind9-dnsutils")
	cmd := exec.CommandContext(t.Context(), "nsupdate")
	cmd.Stdin = strings.NewReader(fmt.Sprintf("server %s %s\nzone %s\nupdate delete %s TXT\nsend\n", n.Addr.Addr(), port(n), n.Zone, beaconName))
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "REFUSED") && !strings.Contains(string(out), "NOTAUTH") {
		t.Errorf("nsupdate without a key: %v\n%s", err, out)
	}
	good := keyOf(t, n)
	name, secret, algorithm := good, good, good
	name.Name = "somebody-else."
	secret.Secret = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo="
	algorithm.Algorithm = "hmac-sha512"
	for _, c := range []struct {
		name string
		key  publish.TSIG
		want string
	}{
		{"no key", publish.TSIG{}, "no TSIG key to sign with"},
		{"a key that the server does not know", name, "it knows no key somebody-else with hmac-sha256 (BADKEY)"},
		{"a wrong secret", secret, "the secret of the key tidemark-lab is not the one the server has (BADSIG)"},
		{"another algorithm", algorithm, "BADKEY"},
	} {
		p := publish.Update(publish.UpdateOptions{Server: n.Addr.String(), Zone: n.Zone, Key: c.key})
		err := p.Swap(t.Context(), beaconName, there, publish.RRset{})
		if err == nil || errors.Is(err, publish.ErrConflict) || !strings.Contains(err.Error(), c.want) || errors.As(err, new(publish.AdvisedError)) != (c.key.Name != "") {
			t.Errorf("%s: an update: %v, expected: %s", c.name, err, c.want)
		}
		if _, err := p.Get(t.Context(), beaconName); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: a question: %v, expected: %s", c.name, err, c.want)
		}
		if err != nil && c.key.Secret != "" && strings.Contains(err.Error(), c.key.Secret) {
			t.Errorf("%s: the error shows the secret", c.name)
		}
	}
	holds(t, at(t, n), beaconName, there)
}

func TestUpdate_EveryByteArrives(t *testing.T) {
	t.Parallel()
	for _, c := range []primaryCase{primaries()[0], primaries()[2]} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := at(t, c.start(t))
			old := publish.RRset{}
			for _, next := range oddRecords() {
				swap(t, p, beaconName, old, next)
				holds(t, p, beaconName, next)
				old = next
			}
		})
	}
}

// oddRecords are what a TXT record may hold, and nobody expects.
func oddRecords() []publish.RRset {
	var low, high strings.Builder
	for i := range 128 {
		low.WriteByte(byte(i))
		high.WriteByte(byte(128 + i))
	}
	return []publish.RRset{
		{TTL: 60, Records: [][]string{{low.String(), high.String()}}},
		{TTL: 0, Records: [][]string{{""}}},
		{TTL: 86400, Records: [][]string{{`back\slash`, `"quoted"`, `\"`, `\034`, `; no comment`, "$INCLUDE x", "(", ")"}}},
		{TTL: 60, Records: [][]string{{"two"}, {"records"}, {"of", "strings"}}},
		{TTL: 60, Records: [][]string{{strings.Repeat("x", 255), strings.Repeat(`"`, 255)}}},
		{TTL: 60, Records: [][]string{{"Größe"}, {"case"}, {"CASE"}}},
	}
}

func TestUpdate_FindsTheZone(t *testing.T) {
	t.Parallel()
	n := startNamed(t, lab.NamedOptions{Zone: dnsZone, Records: []string{
		`alias CNAME target`, `target TXT "not this one"`, `*.any TXT "everybody"`, `below NS ns.example.net.`,
	}})
	key := keyOf(t, n)
	next := plainRecord("here")
	for _, c := range []struct{ zone, name, want string }{
		{"", "_tidemark.deep.down." + dnsZone, ""},
		{"", strings.ToUpper(beaconName) + ".", ""},
		{dnsZone, "_given." + dnsZone, ""},
		{dnsZone + ".", "_dotted." + dnsZone, ""},
		{"", "_tidemark.example.net", "it answers REFUSED"},
		{"example.net", "_tidemark.example.net", "NOTAUTH: it is not the primary of the zone example.net."},
		{"example.net", beaconName, "is not in the zone example.net."},
		{"", "alias." + dnsZone, "is an alias (CNAME)"},
		{"", "_tidemark.below." + dnsZone, "not authoritative"},
		{"", "_tide mark." + dnsZone, "is no name for a TXT record"},
		{"", "", "is no name for a TXT record"},
	} {
		p := publish.Update(publish.UpdateOptions{Server: n.Addr.String(), Zone: c.zone, Key: key})
		old, getErr := p.Get(t.Context(), c.name)
		swapErr := p.Swap(t.Context(), c.name, old, next)
		switch err := errors.Join(getErr, swapErr); {
		case c.want == "" && err == nil:
			holds(t, p, c.name, next)
		case c.want == "" || err == nil || !strings.Contains(err.Error(), c.want):
			t.Errorf("%s in zone %q: %v, expected %q", c.name, c.zone, err, c.want)
		}
	}
}

// A wildcard's records are read at the name, and are not at the name.
func TestUpdate_BesideAWildcard(t *testing.T) {
	t.Parallel()
	for _, c := range []primaryCase{primaries()[0], primaries()[2]} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := at(t, c.start(t, `* TXT "v=spf1 -all"`))
			old, next := plainRecord("v=spf1 -all"), beaconOf(t, 1)
			holds(t, p, beaconName, old)
			swap(t, p, beaconName, old, next)
			holds(t, p, beaconName, next)
			holds(t, p, plainName, old)
			if err := p.Swap(t.Context(), beaconName, old, plainRecord("late")); !errors.Is(err, publish.ErrConflict) {
				t.Errorf("an update that lost its race: %v", err)
			}
			holds(t, p, beaconName, next)
		})
	}
}

// A secondary takes no updates (unless it forwards them, as knot does); nobody is asked in its place.
func TestUpdate_AtASecondary(t *testing.T) {
	t.Parallel()
	n := startNamed(t, lab.NamedOptions{Zone: dnsZone})
	err := at(t, startNamed(t, lab.NamedOptions{Of: n})).Swap(t.Context(), beaconName, publish.RRset{}, plainRecord("x"))
	if err == nil || !strings.Contains(err.Error(), "it answers REFUSED: the key tidemark-lab may not update the zone centos.example.org. there") {
		t.Errorf("an update at a secondary: %v", err)
	}
	holds(t, at(t, n), beaconName, publish.RRset{})
}

func TestUpdate_WhatNoServerHolds(t *testing.T) {
	t.Parallel()
	p := publish.Update(publish.UpdateOptions{Server: "127.0.0.1:1", Zone: dnsZone})
	for name, next := range map[string]publish.RRset{
		"a string of 256 bytes": plainRecord(strings.Repeat("x", 256)),
		"a record of nothing":   {Records: [][]string{{}}},
		"a negative TTL":        {TTL: -1, Records: [][]string{{"x"}}},
		"too much":              {Records: [][]string{strings.Split(strings.Repeat(strings.Repeat("x", 255)+" ", 200), " ")}},
	} {
		if err := p.Swap(t.Context(), beaconName, publish.RRset{}, next); err == nil || !strings.Contains(err.Error(), "expected") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestUpdate_NobodyThere(t *testing.T) {
	t.Parallel()
	key := publish.TSIG{Name: "k.", Algorithm: "hmac-sha256", Secret: "QUJDREVGR0g="}
	p := publish.Update(publish.UpdateOptions{Server: "127.0.0.1:1", Zone: dnsZone, Key: key, Timeout: time.Second})
	if err := p.Swap(t.Context(), beaconName, publish.RRset{}, plainRecord("x")); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("a closed port: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Swap(ctx, beaconName, publish.RRset{}, plainRecord("x")); !errors.Is(err, context.Canceled) {
		t.Errorf("a canceled run: %v", err)
	}
}

// The same failure has the same words each time, so that it can be told once.
func TestUpdate_TroubleIsStable(t *testing.T) {
	t.Parallel()
	key := publish.TSIG{Name: "k.", Algorithm: "hmac-sha256", Secret: "QUJDREVGR0g="}
	for what, tt := range map[string]struct {
		fault func(net.Conn)
		want  string
	}{
		"silent": {func(c net.Conn) { io.Copy(io.Discard, c) }, "no answer within 50ms"},
		"resets": {func(c net.Conn) { c.(*net.TCPConn).SetLinger(0); message(c) }, "read: "},
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		go func() {
			for c, err := l.Accept(); err == nil; c, err = l.Accept() {
				go func() { tt.fault(c); c.Close() }()
			}
		}()
		p := publish.Update(publish.UpdateOptions{Server: l.Addr().String(), Zone: dnsZone, Key: key, Timeout: 50 * time.Millisecond})
		for range 20 {
			_, err := p.Get(t.Context(), beaconName)
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "->") {
				t.Fatalf("%s: %v, expected %q", what, err, tt.want)
			}
		}
	}
}
