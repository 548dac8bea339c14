package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"tidemark/internal/lab"
	"tidemark/internal/strictjson"
	"tidemark/keys"
	"tidemark/manifest"
	"tidemark/treesync"
)

// Nothing new: one packet to look, and the site is not asked at all.
func TestBeacon_Quiet(t *testing.T) {
	t.Parallel()
	p := newPaper(t)
	p.lines[0] = "splay: 5m" // is for who asks the site
	p.learn()
	want := fmt.Sprintf("centos     in-date  holds %d; the beacon of serial 1 has nothing newer\n", p.t0)
	if out := p.expect(0, "check"); out != want {
		t.Errorf("check said\n%sexpected\n%s", out, want)
	}
	p.quietly()
	p.silent(0, "run")
	p.quietly()
	p.says(p.expect(0, "run", "-v"), "centos     in date: holds", "the beacon of serial 1 has nothing newer", "is quiet, the site is not asked: ")
	p.quietly()
	p.says(p.expect(0, "check", "-v"), "beacon "+beaconName+" is quiet, the site is not asked: ")
	p.quietly()
	p.silent(0, "run", "--now", "centos")
	p.quietly()

	var checked checkDocument
	p.document(0, &checked, "check")
	b := checked.Beacon
	if b == nil || !b.Quiet || b.Name != beaconName || b.Serial != 1 || b.Exchanges != 1 || b.Bytes < 100 || b.Bytes > 1000 || b.TCP || b.Server != p.dns.Addr.String() ||
		b.HTTPSDue.IsZero() || checked.Fresh || checked.Trees[0].Announced != p.t0 || checked.Trees[0].Held != p.t0 {
		t.Errorf("found %+v and beacon %+v", checked, b)
	}
	var ran runDocument
	p.document(0, &ran, "run")
	if ran.Beacon == nil || !ran.Beacon.Quiet || len(ran.Trees) != 1 || ran.Trees[0].Action != "in-date" || ran.Serial != 0 {
		t.Errorf("found %+v and beacon %+v", ran, ran.Beacon)
	}
	p.count()

	out := p.expect(0, "status")
	p.says(out, "  beacon    serial 1 seen; HTTPS is asked at ")
	var status statusDocument
	p.document(0, &status, "status")
	if status.Beacon == nil || status.Beacon.Serial != 1 || !status.Beacon.HTTPSDue.Equal(b.HTTPSDue.Time) {
		t.Errorf("status has %+v, expected what check has: %+v", status.Beacon, b)
	}
	if dns, https := p.count(); dns.Questions != 0 || https != 0 {
		t.Error("status asked somebody")
	}

	p.expect(0, "check", "--https")
	p.expect(0, "run", "--now", "--https")
	if dns, https := p.count(); dns.Questions != 0 || https < 2 {
		t.Errorf("--https: asked %+v and %d requests at the site", dns, https)
	}
}

// A newer timestamp in the beacon leads to the site, and what that announces is synced; then the new beacon is quiet. One that
// has not heard of it yet keeps the mirror waiting for a while.
func TestBeacon_NewsIsSynced(t *testing.T) {
	t.Parallel()
	s := here(newScene(t))
	dns, err := lab.StartDNS(t.Context())
	s.must(err)
	t.Cleanup(func() { dns.Close() })
	s.lines = append(s.lines, fmt.Sprintf("beacon: {name: %s, servers: [%q]}", beaconName, dns.Addr))
	lay := func() {
		b, err := os.ReadFile(filepath.Join(s.pub.Site, "manifest.json"))
		s.must(err)
		m, err := manifest.Parse(b)
		s.must(err)
		dns.SetText(beaconName, beaconText(t, m, nil, s.pub.Signers[1]))
	}
	lay()
	s.expect(0, "check", "--https")
	s.good()
	s.announce(nil)
	s.says(s.expect(0, "run", "-v"), "the beacon of serial 1 has nothing newer")
	s.holds(s.t0)
	lay()
	s.says(s.expect(100, "check", "-v"), "announced is", "beacon "+beaconName+", serial 2; the site is asked over HTTPS: ")
	s.says(s.expect(100, "check", "-v", "--https"), "the site is asked over HTTPS: --https")
	s.says(s.expect(0, "run"), "synced to")
	s.same(s.master.Dir)
	s.holds(s.t1)
	s.says(s.expect(0, "run", "-v"), "the beacon of serial 2 has nothing newer")
}

// A network that puts another key in the place of one that signed beacons alarms nobody: the mirrors fetch the trust document
// that names it, and the next beacon is quiet again.
func TestBeacon_NextKeyIsNoAlarm(t *testing.T) {
	t.Parallel()
	p := newPaper(t)
	pinned := *p.pub
	pinned.TrustFile = p.path("pinned.json")
	b, err := os.ReadFile(p.pub.TrustFile)
	p.must(err)
	p.must(os.WriteFile(pinned.TrustFile, b, 0o644))
	network := p.pub
	p.pub = &pinned // as mirror.yaml has it
	p.learn()
	p.silent(0, "run", "-q")
	p.quietly()
	next, err := lab.TestMinisign(2)
	p.must(err)
	p.must(network.NextTrust(func(x *keys.Trust) {
		for i := range x.Manifest.Keys {
			x.Manifest.Keys[i].Revoked = x.Manifest.Keys[i].Kind == keys.Minisign
		}
		k := next.Key()
		k.Holder = "publisher"
		x.Manifest.Keys = append(x.Manifest.Keys, k)
	}))
	network.Signers[1] = next
	p.pub = network
	p.publish(p.t0)
	p.pub = &pinned
	p.silent(0, "run", "-q")
	p.overHTTPS()
	p.silent(0, "run", "-q")
	p.quietly()
	p.says(p.expect(0, "status"), "serial 2 seen")
}

// A tree that the network never had stays an error, and one that is gone stays told: the beacon cannot say which it is.
func TestBeacon_TreeThatIsNotThere(t *testing.T) {
	t.Parallel()
	p := newPaper(t)
	p.mkdir("disk/x")
	p.after = "  cent0s:\n    path: " + p.path("disk/x") + "\n"
	for range 2 {
		p.says(p.expect(2, "check"), `tree "cent0s": the network has centos`)
		p.overHTTPS()
		p.expect(0, "run", "--now", "centos")
		p.count()
	}
	p.says(p.expect(0, "run", "--now", "-v", "centos"), "the beacon of serial 1 has nothing newer") // it is about the others
	p.quietly()
}

// quietBySystemCalls: the shipped program's own calls tell it, too: one UDP socket to DNS, and no TCP connection.
func quietBySystemCalls(t *testing.T, program string) {
	needTool(t, "strace")
	p := newPaper(t)
	p.learn()
	trace := p.path("trace")
	said, _, exit := result(t, exec.CommandContext(t.Context(), "strace", "-f", "-qq", "-o", trace, "-e", "trace=connect,socket,sendto", program, "check", "--config", p.config))
	if exit != 0 || !strings.Contains(said, "the beacon of serial 1") {
		t.Fatalf("exit code %d\n%s", exit, said)
	}
	calls, err := os.ReadFile(trace)
	p.must(err)
	connects := regexp.MustCompile(`connect\((\d+), .*`).FindAllStringSubmatch(string(calls), -1)
	udp := regexp.MustCompile(`socket\(AF_INET6?, SOCK_DGRAM.* = (\d+)`).FindAllStringSubmatch(string(calls), -1)
	port := fmt.Sprintf("sin_port=htons(%d)", p.dns.Addr.Port())
	if len(connects) != 1 || len(udp) != 1 || connects[0][1] != udp[0][1] || !strings.Contains(connects[0][0], port) {
		t.Errorf("expected one UDP socket, connected to port %d, and nothing else:\n%s", p.dns.Addr.Port(), calls)
	}
	p.quietly()
}

// Whatever is wrong with a beacon, the site decides: the answer is the one without a beacon, and nothing is begun that the
// site does not announce. (Package client has the servers that take their time.)
func TestBeacon_Bad(t *testing.T) {
	t.Parallel()
	p := newPaper(t)
	old := p.text(nil)
	p.publish(p.t0) // serial 2
	p.learn()
	p.expect(0, "check") // the beacon of serial 2 was seen
	p.quietly()
	newer := func(b *manifest.Beacon) { b.Trees["centos"] = p.t1 }
	stranger, err := lab.TestMinisign(2)
	p.must(err)
	genuine := p.text(nil)
	for _, c := range []struct {
		name  string
		lay   func()
		noted bool
	}{
		{"forged", func() { p.dns.SetText(beaconName, strings.Replace(genuine, fmt.Sprint(p.t0), fmt.Sprint(p.t1), 1)) }, true},
		{"forged quiet", func() { p.dns.SetText(beaconName, strings.Replace(genuine, "s=2 ", "s=9 ", 1)) }, true},
		{"unknown key", func() { p.dns.SetText(beaconName, p.signed(newer, stranger)) }, false},
		{"replayed", func() { p.dns.SetText(beaconName, old) }, false},
		{"expired", func() {
			p.dns.SetText(beaconName, p.text(func(b *manifest.Beacon) { b.Expires = p.now.Add(-time.Hour).Unix() }))
		}, true},
		{"cut short", func() { p.dns.SetText(beaconName, genuine[:len(genuine)-9]) }, true},
		{"mixed", func() { p.dns.Set(beaconName, []string{genuine[:100]}, []string{genuine[100:]}) }, true},
		{"multiple", func() { p.dns.Set(beaconName, []string{genuine}, []string{old}) }, true},
		{"another network", func() { p.dns.SetText(beaconName, p.text(func(b *manifest.Beacon) { b.Network = "fedora" })) }, true},
		{"of something else", func() { p.dns.SetText(beaconName, "v=spf1 -all") }, true},
		{"none", func() { p.dns.Set(beaconName) }, false},
		{"refusing", func() { p.dns.Fault(lab.DNSRefused) }, false},
		{"failing", func() { p.dns.Fault(lab.DNSServfail) }, false},
		{"no TCP", func() { p.dns.Fault(lab.DNSNoTCP) }, false},
	} {
		p.dns.SetText(beaconName, genuine)
		p.dns.Fault("")
		c.lay()
		p.must(os.RemoveAll(filepath.Join(p.path("state"), toldFile)))
		said := p.expect(0, "run", "--now")
		p.overHTTPS()
		p.holds(p.t0)
		if !c.noted && said != "" {
			t.Errorf("%s: what may pass by itself was told at once:\n%s", c.name, said)
		}
		if c.noted {
			if !strings.Contains(said, "tidemark-mirror: warning: ") || !strings.Contains(said, "beacon") {
				t.Errorf("%s: expected a warning, found\n%s", c.name, said)
			}
		}
		if c.name == "forged" {
			p.silent(0, "run", "--now") // once a day
		}
		if c.name == "replayed" {
			p.says(p.expect(0, "run", "--now", "-v"), "warning: ", "beacon") // a person is told
		}
		if c.name == "none" {
			p.says(p.expect(0, "check"), "there is no beacon: ", "ask the network's operators for the name; to ask other resolvers: beacon: {name: "+beaconName+", servers: [")
		}
		var d checkDocument
		p.document(0, &d, "check")
		if !d.Fresh || d.Beacon == nil || d.Beacon.Quiet || len(d.Notices) != 1 || d.Notices[0].Kind != "beacon" {
			t.Errorf("%s: check has %+v, %+v", c.name, d, d.Beacon)
		}
	}
	if _, err := os.Stat(filepath.Join(p.path("state"), "behind.json")); err == nil {
		t.Error("a beacon alone has put the tree behind")
	}
	p.dns.SetText(beaconName, genuine)
	p.dns.Fault("")
	p.count()
	p.silent(0, "run")
	p.quietly()
}

// A false beacon that keeps saying that nothing is new, and the site announces something: the exit codes are those without.
func TestBeacon_BadWhileSomethingIsNew(t *testing.T) {
	t.Parallel()
	needTool(t, "rsync")
	p := newPaper(t)
	p.learn()
	genuine := p.text(nil)
	p.announceTo(p.t1)
	for _, text := range []string{genuine[:60], strings.Replace(genuine, "s=1 ", "s=7 ", 1), p.text(func(b *manifest.Beacon) { b.Network = "fedora" })} {
		p.dns.SetText(beaconName, text)
		for exit, command := range map[int]string{100: "check", 6: "run"} { // as without a beacon: nobody answers at the source
			p.must(os.RemoveAll(filepath.Join(p.path("state"), behindFile)))
			p.expect(exit, command)
			if dns, https := p.count(); dns.Questions != 1 || https == 0 {
				t.Errorf("%s: asked %+v and %d requests at the site, expected both", command, dns, https)
			}
		}
		p.holds(p.t0)
	}
}

// What is owed to a tree is not kept waiting by a beacon that has nothing new.
func TestBeacon_OwedIsNotKeptWaiting(t *testing.T) {
	t.Parallel()
	p := newPaper(t)
	p.learn()
	tree := filepath.Join(p.path("state"), "trees", "centos.json")
	p.mkdir("state/trees")
	m := &memory{dir: p.path("state")}
	for _, c := range []struct {
		name   string
		memory treesync.Memory
		args   []string
	}{
		{"unproven", treesync.Memory{Unproven: true}, nil},
		{"owed and allowed", treesync.Memory{Owed: 1, OwedSince: strictjson.At(p.now)}, []string{"--max-delete", "9"}},
		{"adopt", treesync.Memory{}, []string{"--adopt"}},
		{"source", treesync.Memory{}, []string{"--source", "rsync://127.0.0.1:1/centos/"}},
		{"dry run", treesync.Memory{}, []string{"--dry-run"}},
	} {
		p.must(m.saveTree("centos", c.memory))
		p.inProcess(time.Now(), append([]string{"run", "--now"}, c.args...)...)
		if dns, https := p.count(); https == 0 || dns.Questions != 0 {
			t.Errorf("%s: asked %+v and %d requests at the site, expected the site alone", c.name, dns, https)
		}
	}
	// What the site could do nothing about either.
	for _, c := range []treesync.Memory{{Began: true}, {Owed: 1, OwedSince: strictjson.At(p.now.Add(-60 * 24 * time.Hour))}} {
		p.must(m.saveTree("centos", c))
		p.silent(0, "run", "--now")
		p.quietly()
	}
	p.must(os.Remove(tree))
	p.inProcess(time.Now(), "sync")
	if dns, https := p.count(); https == 0 || dns.Questions != 0 {
		t.Errorf("sync: asked %+v and %d requests at the site, expected the site alone", dns, https)
	}
	p.must(os.RemoveAll(filepath.Join(p.path("state"), restFile)))

	// The tree is behind by a newer manifest, and waits for its turn.
	p.announceTo(p.t1)
	p.expect(100, "check", "--https")
	p.count()
	p.expect(100, "check")
	p.overHTTPS()
	p.says(p.expect(0, "status"), "  beacon    serial 1 seen; HTTPS is asked at the next look: centos is behind since ")
	p.announceTo(p.t0)
	p.hold(p.t0)

	// A time file that does not count, and none.
	p.expect(0, "check", "--https")
	for _, text := range []string{"rubbish\n", "4102444800\n", ""} {
		p.must(os.WriteFile(filepath.Join(p.mirror(), lab.TimeFile), []byte(text), 0o644))
		p.count()
		p.expect(100, "check")
		p.overHTTPS()
		p.must(os.RemoveAll(filepath.Join(p.path("state"), behindFile)))
	}
}

// Replayed, genuine and in force: it keeps a mirror from looking for less than a day, and never for good.
func TestBeacon_ReplayDelaysForLessThanADay(t *testing.T) {
	t.Parallel()
	p := newPaper(t)
	p.learn()
	for _, moved := range []bool{false, true} {
		if moved {
			p.announceTo(p.t1) // at the site; the beacon says what it said
		}
		last, asked := 0, 0
		const hours = 48
		for h := range hours {
			_, said, exit := p.inProcess(p.now.Add(time.Duration(h)*time.Hour), "check")
			if _, https := p.count(); https > 0 {
				last, asked = h, asked+1
			}
			if h-last >= 24 {
				t.Fatalf("hour %d: the site was asked last at hour %d", h, last)
			}
			if moved && exit == 100 {
				return
			}
			if exit != 0 {
				t.Fatalf("hour %d: exit code %d\n%s", h, exit, said)
			}
		}
		switch {
		case moved:
			t.Error("what the site announces was never seen")
		case asked < 2 || asked > 6:
			t.Errorf("the site was asked %d times in two days", asked)
		}
	}
}
