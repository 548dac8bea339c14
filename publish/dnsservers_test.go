package publish_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"tidemark/internal/lab"
	"tidemark/publish"
)

// pair is a primary and a secondary that hears of no change, on one port: a zone's servers have one in common.
func pair(t *testing.T, records ...string) (first, second *lab.NameServer) {
	t.Helper()
	const address = "127.0.61.2"
	for range 5 {
		first = startNamed(t, lab.NamedOptions{Zone: dnsZone, Records: append([]string{
			"@ NS ns1", "@ NS ns2", "ns1 A 127.0.0.1", "ns2 A " + address,
		}, records...)})
		l, err := net.Listen("tcp", address+":"+port(first))
		if err != nil {
			continue // somebody has it
		}
		l.Close()
		return first, startKnot(t, lab.KnotOptions{Of: first, Address: address, Port: int(first.Addr.Port())})
	}
	t.Fatal("no port is free on both addresses")
	return nil, nil
}

// A secondary that was not told of a change is reported, and the rest is not.
func TestAwaitTXT_ReportsWhoLags(t *testing.T) {
	t.Parallel()
	first, second := pair(t)
	o := publish.NameServersOptions{Ask: []string{first.Addr.String()}, Port: port(first)}
	servers, err := publish.NameServers(t.Context(), beaconName, o)
	if err != nil {
		t.Fatal(err)
	}
	want := []publish.NameServer{
		{Name: "ns1." + dnsZone, Address: first.Addr.String()},
		{Name: "ns2." + dnsZone, Address: second.Addr.String()},
	}
	if diff := cmp.Diff(want, servers); diff != "" {
		t.Fatalf("-want +got:\n%s", diff)
	}
	next := beaconOf(t, 1)
	swap(t, at(t, first), beaconName, publish.RRset{}, next)

	said := publish.AwaitTXT(t.Context(), beaconName, next, servers, 400*time.Millisecond)
	if len(said) != 2 || !said[0].Holds(next) || said[1].Holds(next) {
		t.Fatalf("%+v; expected ns1 alone to hold it", said)
	}
	if s := said[1]; s.NameServer != servers[1] || s.Err != nil || s.Answer == nil || len(s.Answer.Records) != 0 {
		t.Errorf("who lags: %+v, expected an answer without records", s)
	}
	if err := second.Notify(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, s := range publish.AwaitTXT(t.Context(), beaconName, next, servers, 20*time.Second) {
		if !s.Holds(next) {
			t.Errorf("after the notice: %+v", s)
		}
	}
}

// Who cannot be asked at all is not waited for as long as who lags.
func TestAwaitTXT_TheDead(t *testing.T) {
	t.Parallel()
	dead := publish.NameServer{Address: "127.0.0.1:1"}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	said := publish.AwaitTXT(ctx, beaconName, plainRecord("x"), []publish.NameServer{dead}, time.Hour)
	if ctx.Err() != nil || len(said) != 1 || said[0].Err == nil {
		t.Errorf("%+v, %v", said, ctx.Err())
	}
}

func TestAskAll_SaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	// ns2 has an IPv6 address where nobody listens, ns3 none at all.
	first := startNamed(t, lab.NamedOptions{Zone: dnsZone, Records: []string{
		"@ NS ns2", "@ NS ns1", "@ NS ns3.elsewhere.invalid.", "ns1 A 127.0.0.1", "ns2 AAAA ::1", "ns2 A 127.0.0.1",
	}})
	other := startKnot(t, lab.KnotOptions{Zone: "example.net"})
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	swap(t, at(t, first), beaconName, publish.RRset{}, plainRecord("x"))

	servers, err := publish.NameServers(t.Context(), beaconName, publish.NameServersOptions{Ask: []string{"127.0.0.1:1", first.Addr.String()}, Port: port(first)})
	if err != nil {
		t.Fatal(err)
	}
	want := []publish.NameServer{
		{Name: "ns1." + dnsZone, Address: first.Addr.String()},
		{Name: "ns2." + dnsZone, Address: first.Addr.String()},
		{Name: "ns2." + dnsZone, Address: "[::1]:" + port(first)},
		{Name: "ns3.elsewhere.invalid"},
	}
	if diff := cmp.Diff(want, servers); diff != "" {
		t.Errorf("the zone's servers: -want +got:\n%s", diff)
	}
	servers = append(servers, publish.NameServer{Address: other.Addr.String()}, publish.NameServer{Address: silent.LocalAddr().String()})
	words := []string{"", "", "refused", "no address was found", "REFUSED", "no answer"}
	said := publish.AskAll(t.Context(), beaconName, servers, 200*time.Millisecond)
	for i, s := range said {
		text := ""
		if s.Err != nil {
			text = s.Err.Error()
		}
		if s.NameServer != servers[i] || (text == "") != (words[i] == "") || !strings.Contains(text, words[i]) && !s.NoRoute() {
			t.Errorf("%v says %q, expected %q of %v", s.NameServer, text, words[i], servers[i])
		}
		if s.Holds(plainRecord("x")) != (words[i] == "") {
			t.Errorf("%v: %+v", s.NameServer, s.Answer)
		}
	}
}

// An answer from a cache is not an authoritative server's.
func TestAskAll_NotAuthoritative(t *testing.T) {
	t.Parallel()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cache := &dns.Server{PacketConn: c, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		m.Answer = []dns.RR{&dns.TXT{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: 9}, Txt: []string{"x"}}}
		if q.RecursionDesired {
			t.Error("an authoritative server was asked for recursion")
		}
		w.WriteMsg(m)
	})}
	go cache.ActivateAndServe()
	defer cache.Shutdown()
	said := publish.AskAll(t.Context(), beaconName, []publish.NameServer{{Address: c.LocalAddr().String()}}, time.Second)[0]
	if said.Err == nil || !strings.Contains(said.Err.Error(), "not authoritative") || said.Holds(plainRecord("x")) {
		t.Errorf("%+v", said)
	}
}

func TestNameServers_Given(t *testing.T) {
	t.Parallel()
	got, err := publish.NameServers(t.Context(), beaconName, publish.NameServersOptions{Port: "5353", Given: []string{"192.0.2.1", "192.0.2.1:54", "2001:db8::1", "[2001:db8::1]:54", "localhost:55", "192.0.2.1"}})
	if err != nil {
		t.Fatal(err)
	}
	local := 0
	var others []publish.NameServer
	for _, s := range got {
		if s.Name == "localhost" && (s.Address == "127.0.0.1:55" || s.Address == "[::1]:55") {
			local++
			continue
		}
		others = append(others, s)
	}
	want := []publish.NameServer{{Address: "192.0.2.1:5353"}, {Address: "192.0.2.1:54"}, {Address: "[2001:db8::1]:5353"}, {Address: "[2001:db8::1]:54"}}
	if diff := cmp.Diff(want, others); diff != "" || local == 0 {
		t.Errorf("%d of localhost; -want +got:\n%s", local, diff)
	}
	if _, err := publish.NameServers(t.Context(), beaconName, publish.NameServersOptions{Given: []string{"no-such-host.invalid"}}); err == nil || !strings.Contains(err.Error(), "no-such-host.invalid") {
		t.Errorf("a host that is not there: %v", err)
	}
}

func TestNameServers_NobodyKnows(t *testing.T) {
	t.Parallel()
	n := startKnot(t, lab.KnotOptions{Zone: "example.net"})
	for _, c := range []struct{ zone, want string }{
		{"", "finding the zone of _tidemark.centos.example.org.: ask " + n.Addr.String() + " for SOA"},
		{"centos.example.org", "name servers of centos.example.org.: ask"},
		{"ns1.example.net", "found 0 NS records"},
	} {
		_, err := publish.NameServers(t.Context(), beaconName, publish.NameServersOptions{Zone: c.zone, Ask: []string{n.Addr.String()}})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("zone %q: %v, expected %q", c.zone, err, c.want)
		}
	}
	_, err := publish.NameServers(t.Context(), beaconName, publish.NameServersOptions{Ask: []string{"127.0.61.9"}})
	if err == nil || !strings.Contains(err.Error(), "ask 127.0.61.9:53 for") {
		t.Errorf("a server without a port: %v", err)
	}
}

func TestAwaitTXT_EndsWithTheRun(t *testing.T) {
	t.Parallel()
	n := startKnot(t, lab.KnotOptions{Zone: dnsZone})
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	done := make(chan []publish.Said, 1)
	go func() {
		done <- publish.AwaitTXT(ctx, beaconName, plainRecord("never"), []publish.NameServer{{Address: n.Addr.String()}}, time.Hour)
	}()
	select {
	case said := <-done:
		if len(said) != 1 || said[0].Holds(plainRecord("never")) {
			t.Errorf("%+v", said)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it does not end")
	}
	if said := publish.AwaitTXT(t.Context(), beaconName, plainRecord("x"), nil, time.Hour); len(said) != 0 {
		t.Errorf("no servers: %v", said)
	}
}
