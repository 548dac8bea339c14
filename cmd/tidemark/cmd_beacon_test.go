package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"tidemark/config"
	"tidemark/internal/console"
	"tidemark/internal/lab"
	"tidemark/internal/scripttest"
)

// beacon --check tells what each server says, and its exit code is the gravest of it.
func TestBeaconCheck(t *testing.T) {
	t.Parallel()
	w := newBeaconWorld(t)
	d, err := lab.StartDNS(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	w.good(w.document(stamp1, stamp1), beaconWritten)
	genuine := w.stands().Text()
	old := w.stands()
	w.now = w.now.Add(time.Minute)
	w.good(w.document(stamp2, stamp2), beaconWritten)
	fresh := w.stands().Text()
	for _, key := range []string{w.pub.OpenPGPKey, w.pub.MinisignKey} { // needs no private key
		if err := os.Remove(key); err != nil {
			t.Fatal(err)
		}
	}
	plain := fmt.Sprintf("%d:%[1]d", stamp2)
	old.Network = "debian"
	stranger, err := lab.TestMinisign(2)
	if err != nil {
		t.Fatal(err)
	}
	later := w.stands()
	later.Serial++
	unquoted := func(s string) string { return strings.Trim(s, `"`) }
	for _, tt := range []struct {
		name   string
		beacon [][]string
		plain  string
		fault  lab.DNSFault
		code   int
		want   string
	}{
		{"the same", [][]string{{fresh}}, plain, "", 0, "expires in 24h, centos:1488376381,vault:1488376381 60 yes yes"},
		{"older", [][]string{{genuine}}, plain, "", 1, "no: centos 1488372781, expected 1488376381; vault 1488372781, expected 1488376381"},
		{"plain older", [][]string{{fresh}}, "1:2", "", 1, `"1:2" 60 not signed no: expected ` + plain},
		{"no record", nil, plain, "", 1, "no record - - no"},
		{"several", [][]string{{fresh}, {genuine}}, plain, "", 4, "no: 2 records"},
		{"foreign", [][]string{{"v=spf1 -all"}}, plain, "", 4, "no: not a beacon"},
		{"changed", [][]string{{strings.Replace(fresh, "s=2", "s=3", 1)}}, plain, "", 4, "no: key"},
		{"strange key", [][]string{{unquoted(w.forge(w.stands(), stranger))}}, plain, "", 4, "no: unknown key"},
		{"of a later serial", [][]string{{unquoted(w.forge(later, w.pub.Signers[1]))}}, plain, "", 1, "60 yes no: serial 2 is published"},
		{"other network", [][]string{{unquoted(w.forge(old, w.pub.Signers[1]))}}, plain, "", 4, "no: of another network, debian"},
		{"refuses", [][]string{{fresh}}, plain, lab.DNSRefused, 1, "cannot be asked: REFUSED - - -"},
	} {
		d.Set(beaconName, tt.beacon...)
		d.SetText(plainName, tt.plain)
		d.Fault(tt.fault)
		args := []string{"beacon", "--check", "--server", w.named.Addr.String(), "--server", d.Addr.String()}
		code, out, errs := w.program(args, nil)
		if code != tt.code || !strings.Contains(strings.Join(strings.Fields(out), " "), tt.want) || (code != 0) != strings.Contains(errs, "hint: ") {
			t.Errorf("%s: exit code %d, expected %d and %q:\n%s%s", tt.name, code, tt.code, tt.want, out, errs)
		}
		t.Logf("%s\n%s%s", tt.name, out, errs)
		jcode, doc, _ := w.program(append(args, "--json"), nil)
		if err := scripttest.FollowsSchema(doc); err != nil || jcode != code {
			t.Errorf("%s: exit code %d, %v\n%s", tt.name, jcode, err, doc)
		}
	}
	d.Fault("")
	d.SetText(beaconName, fresh)
	if code, out, errs := w.program([]string{"beacon", "--check", beaconName + ".", "--server", d.Addr.String(), "-q"}, nil); code != 0 || out != "" {
		t.Errorf("exit code %d: %s%s", code, out, errs)
	}
	if code, _, errs := w.program([]string{"beacon", "--check", "--server", "nohost.invalid:99"}, nil); code != 2 || !strings.Contains(errs, "--server: name server nohost.invalid:99: ") {
		t.Errorf("exit code %d: %s", code, errs)
	}
	w.unasked(d, genuine, fresh)
}

// unasked is the check without the site: the answers are held against each other.
func (w *beaconWorld) unasked(d *lab.DNS, old, fresh string) {
	w.Helper()
	if err := os.RemoveAll(w.pub.Site); err != nil {
		w.Fatal(err)
	}
	args := []string{"beacon", "--check", "--server", w.named.Addr.String(), "--server", d.Addr.String(), "--json"}
	for text, want := range map[string]int{fresh: 0, old: 1} {
		d.SetText(beaconName, text)
		d.SetText(plainName, fmt.Sprintf("%d:%[1]d", stamp2))
		code, doc, errs := w.program(args, nil)
		var got beaconCheckDocument
		if err := json.Unmarshal([]byte(doc), &got); err != nil || code != want || got.Published != nil || !strings.Contains(errs, "warning: what is published cannot be asked for") {
			w.Errorf("exit code %d, expected %d, %v\n%s%s", code, want, err, doc, errs)
		}
	}
	w.now = w.now.Add(30 * time.Hour)
	d.SetText(beaconName, fresh)
	if code, out, errs := w.program(args[:len(args)-1], nil); code != 4 || !strings.Contains(out, "no: expired at ") {
		w.Errorf("exit code %d, expected 4\n%s%s", code, out, errs)
	}
}

func TestBeacon_Usage(t *testing.T) {
	t.Parallel()
	w := &beaconWorld{T: t, dir: t.TempDir()}
	for _, args := range [][]string{{"beacon", "name.example.org"}, {"beacon", "--server", "127.0.0.1"}} {
		if code, _, errs := w.program(args, nil); code != 2 || !strings.Contains(errs, "tidemark beacon --check "+strings.Join(args[1:], " ")+"\n") {
			t.Errorf("%v: exit code %d: %s", args, code, errs)
		}
	}
}

// Another serial with the same timestamps is as good; where the servers are named, this machine's resolver does not count; what
// lags is told by how it does.
func TestBeaconCheckDocument(t *testing.T) {
	t.Parallel()
	p := &publisher{}
	p.cfg = &config.Publisher{File: "t.yaml", Beacon: &config.Beacon{Name: beaconName}}
	good := beaconAnswer{Kind: "beacon", Address: "a", Serial: 1, Verifies: true, Same: true}
	none := beaconAnswer{Kind: "beacon", Address: "b", Reason: faultNone}
	silent := beaconAnswer{Kind: "beacon", Address: "c", Error: "refused"}
	old := beaconAnswer{Kind: "beacon", Address: "d", Serial: 1, Verifies: true, Differs: "x"}
	aside, resolver := none, none
	aside.Resolver, aside.Aside, resolver.Resolver = true, true, true
	for _, tt := range []struct {
		answers     []beaconAnswer
		says, hints string // "" for both: all agree
	}{
		{[]beaconAnswer{good, aside}, "", ""},
		{[]beaconAnswer{good, resolver}, "there is none at the resolver b", "written by: tidemark run --config t.yaml"},
		{[]beaconAnswer{good, none}, "there is none at b", "written by: tidemark run --config t.yaml"},
		{[]beaconAnswer{good, silent, aside}, "it cannot be asked for at c", "is it up, may this machine ask it? if readers ask other servers than the NS records name: beacon.servers"},
		{[]beaconAnswer{good, old}, "it is not what is published at d", "NOTIFY"},
		{nil, "cannot be asked for at its authoritative servers", "beacon.servers"},
	} {
		d := &beaconCheckDocument{Name: beaconName, Published: &beaconPublished{Serial: 2}, Answers: tt.answers}
		d.Result = d.result()
		err := d.verdict(p)
		if tt.says == "" {
			if err != nil {
				t.Error(err)
			}
			continue
		}
		if code, errs := report(err); code != 1 || !strings.Contains(errs, tt.says+"\n") || !strings.Contains(errs, tt.hints) {
			t.Errorf("exit code %d, expected %q and %q: %s", code, tt.says, tt.hints, errs)
		}
		if got := d.asPublished(good); got != "yes, same timestamps" {
			t.Error(got)
		}
	}
}

// status names the servers that lag.
func TestStatus_BeaconLags(t *testing.T) {
	t.Parallel()
	w := newBeaconPublisher(t)
	o := &beaconOutcome{Name: beaconName, State: beaconUnchanged, Serial: 10, Servers: 2, Agree: 1, Lagging: []beaconLag{{Name: beaconName, Server: "ns2", Address: "192.0.2.2:53", Says: "cannot be asked: REFUSED"}}}
	_, out, _ := w.program([]string{"part"}, func(c *console.Call) error {
		statusTable(c, &statusView{doc: statusDocument{Beacon: o}}, rowFilter{})
		return nil
	})
	if want := "beacon " + beaconName + ": kept serial 10: same timestamps, seen at 1 of 2 servers\n  ns2 " + beaconName + ": cannot be asked: REFUSED\n"; !strings.Contains(out, want) {
		t.Errorf("no %q in\n%s", want, out)
	}
}

// The system's resolver is asked, too; it knows nothing of example.org's record, or cannot be asked.
func TestSoakBeaconCheck_Resolver(t *testing.T) {
	soak(t)
	w := newBeaconWorld(t)
	w.good(w.document(stamp1, stamp1), beaconWritten)
	if code, out, errs := w.program([]string{"beacon", "--check"}, nil); code != 1 || !strings.Contains(out, "(resolver)") {
		t.Errorf("exit code %d\n%s%s", code, out, errs)
	}
}
