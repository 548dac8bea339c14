package client_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"tidemark/client"
	"tidemark/internal/dnstxt"
	"tidemark/internal/lab"
	"tidemark/manifest"
	"tidemark/sign"
)

const beaconAt = "_tidemark.centos.example.org"

var beaconDay = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)

// harbour is a network of five trees with a DNS server of its own, and a mirror in date.
type harbour struct {
	client.BeaconOptions
	dns      *lab.DNS
	trees    []string
	patience time.Duration
}

func newHarbour(t *testing.T) *harbour {
	t.Helper()
	p, err := lab.NewPublisher(t.TempDir(), "centos", beaconDay)
	if err != nil {
		t.Fatal(err)
	}
	trust, err := os.ReadFile(p.TrustFile)
	if err != nil {
		t.Fatal(err)
	}
	d, err := lab.StartDNS(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	h := &harbour{dns: d, patience: 10 * time.Second}
	m := &manifest.Manifest{Trees: map[string]manifest.Tree{}}
	for i := range 5 {
		name := fmt.Sprintf("tree-%d", i)
		h.trees = append(h.trees, name)
		m.Trees[name] = manifest.Tree{Timestamp: 1488372781, TimeFile: "TIME"}
	}
	if err := p.Publish(m); err != nil {
		t.Fatal(err)
	}
	h.BeaconOptions = client.BeaconOptions{Name: beaconAt, State: t.TempDir(), Network: "centos", Trust: trust,
		Now: func() time.Time { return beaconDay }, Random: func(time.Duration) time.Duration { return 0 },
		Held: func(string, string) (int64, error) { return 1488372781, nil },
		Ask: func(ctx context.Context, name string) (*dnstxt.Answer, error) {
			return dnstxt.Ask(ctx, dnstxt.Question{Name: name, Servers: []string{d.Addr.String()}, Timeout: h.patience})
		}}
	if err := client.Answered(h.BeaconOptions, &client.View{Opened: &client.Opened{Manifest: m}, Fresh: true}); err != nil {
		t.Fatal(err)
	}
	b := manifest.BeaconOf(m, p.Signers[1].Key().Key)
	if b.Signature, err = p.Signers[1].(sign.RawSigner).SignRaw(context.Background(), []byte(b.Signed())); err != nil {
		t.Fatal(err)
	}
	d.Set(beaconAt, b.Strings())
	return h
}

// A check without news is one question over UDP, and no connection; the answer for five trees fits 512 bytes.
func TestLookBeacon_OnePacket(t *testing.T) {
	t.Parallel()
	h := newHarbour(t)
	l := client.LookBeacon(context.Background(), h.BeaconOptions, h.trees)
	if !l.Quiet {
		t.Fatalf("%+v", l)
	}
	if c := h.dns.Counts(); c.Questions != 1 || c.Connections != 0 || c.Sent > 512 {
		t.Errorf("%+v, expected one question and at most 512 bytes of answer", c)
	}
	t.Logf("%d bytes out, %d bytes back", l.Answer.Sent, l.Answer.Received)
}

// Whatever the server does, the look ends, panics nowhere, and is quiet only with the beacon.
func TestLookBeacon_BadServers(t *testing.T) {
	t.Parallel()
	h := newHarbour(t)
	for fault, quiet := range map[lab.DNSFault]bool{
		lab.DNSSilent: false, lab.DNSGarbage: false, lab.DNSHuge: false, lab.DNSDrip: false, lab.DNSNoTCP: false,
		lab.DNSServfail: false, lab.DNSRefused: false, lab.DNSNXDomain: false,
		lab.DNSLoseFirst: true, lab.DNSWrongID: true, lab.DNSOtherName: true, lab.DNSTruncated: true, lab.DNSCut: true, lab.DNSNoEDNS: true,
	} {
		h.dns.Fault(fault)
		h.patience = 10 * time.Second // a busy machine must not make a failure of its own
		if !quiet || fault == lab.DNSLoseFirst {
			h.patience = 400 * time.Millisecond
		}
		l := client.LookBeacon(context.Background(), h.BeaconOptions, h.trees)
		if l.Quiet != quiet || (l.Ignored == nil) != quiet {
			t.Errorf("%s: %+v, expected quiet %v", fault, l, quiet)
		}
		if !quiet && l.Ignored.Since.IsZero() {
			t.Errorf("%s: %+v, expected it to be of what may pass by itself", fault, l.Ignored)
		}
	}
}
