package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"tidemark/internal/console"
	"tidemark/internal/lab"
	"tidemark/internal/strictjson"
	"tidemark/manifest"
	"tidemark/sign"
)

const beaconName = "_tidemark.centos.example.org"

// paper is a network on paper: nobody answers at the addresses of its sources. Its site is a real nginx, its beacon stands
// in a real DNS server, and both count what they are asked. The mirror holds T0, which is what is announced.
type paper struct {
	*scene
	dns *lab.DNS
	web *lab.Web
	m   *manifest.Manifest // published last

	ahead time.Duration // of the program's clock
}

// here is a scene with real sources whose program runs in this process.
func here(s *scene) *paper { return &paper{scene: s} }

func newPaper(t *testing.T) *paper {
	t.Helper()
	needTool(t, "nginx")
	p := newPaperWithout(t)
	var err error
	p.web, err = lab.StartSite(t.Context(), p.path("web"), p.pub.Site, lab.WebOptions{})
	p.must(err)
	t.Cleanup(func() { p.web.Stop() })
	p.url = p.web.URL
	p.lines = append(p.lines, "ca: "+p.web.CA, fmt.Sprintf("beacon: {name: %s, servers: [%q]}", beaconName, p.dns.Addr))
	return p
}

// newPaperWithout has the site in a directory, and no beacon in mirror.yaml.
func newPaperWithout(t *testing.T) *paper {
	t.Helper()
	now := time.Now()
	p := &paper{scene: &scene{T: t, dir: t.TempDir(), now: now, t0: now.Add(-2 * time.Hour).Unix(), t1: now.Add(-time.Hour).Unix()}}
	p.config = p.path("mirror.yaml")
	var err error
	p.pub, err = lab.NewPublisher(p.path("net"), "centos", now.Add(-20*time.Minute))
	p.must(err)
	p.pub.Validity = 7 * 24 * time.Hour
	p.dns, err = lab.StartDNS(t.Context())
	p.must(err)
	t.Cleanup(func() { p.dns.Close() })
	p.lines = []string{"splay: 0s", "country: FI"}
	p.mkdir("disk/mirror")
	p.hold(p.t0)
	p.publish(p.t0)
	return p
}

// hold sets the mirror's time file.
func (p *paper) hold(ts int64) {
	p.Helper()
	p.must(os.WriteFile(filepath.Join(p.mirror(), lab.TimeFile), fmt.Appendln(nil, ts), 0o644))
}

// publish announces ts at the site, and in the beacon.
func (p *paper) publish(ts int64) {
	p.Helper()
	p.announceTo(ts)
	p.dns.SetText(beaconName, p.text(nil))
}

// announceTo announces ts at the site alone.
func (p *paper) announceTo(ts int64) {
	p.Helper()
	offer, err := lab.Offer("near", manifest.KindMirror, "FI", "centos", "rsync://127.0.0.1:1/centos/", ts, p.now)
	p.must(err)
	p.m = &manifest.Manifest{Sources: []manifest.Source{offer}, Policy: lab.Policy(), Trees: map[string]manifest.Tree{"centos": {
		Timestamp: ts, Announced: strictjson.At(p.now), TimeFile: lab.TimeFile, Files: 10, Bytes: 1000, Admit: manifest.FullAdmission,
		Nodes:   manifest.Nodes{Verified: 1, Counted: 1, Quorum: 1},
		Anchors: []manifest.Anchor{{Path: "7/repodata/repomd.xml", Size: 1, SHA256: strings.Repeat("a", 64)}}}}}
	p.must(p.pub.Publish(p.m))
}

// text is the beacon of what is published, changed before it is signed.
func (p *paper) text(change func(*manifest.Beacon)) string {
	p.Helper()
	return p.signed(change, p.pub.Signers[1])
}

func (p *paper) signed(change func(*manifest.Beacon), s sign.Signer) string {
	p.Helper()
	return beaconText(p.T, p.m, change, s)
}

func beaconText(t *testing.T, m *manifest.Manifest, change func(*manifest.Beacon), s sign.Signer) string {
	t.Helper()
	b := manifest.BeaconOf(m, s.Key().Key)
	if change != nil {
		change(&b)
	}
	var err error
	if b.Signature, err = s.(sign.RawSigner).SignRaw(context.Background(), []byte(b.Signed())); err != nil {
		t.Fatal(err)
	}
	return b.Text()
}

// learn lets the mirror ask the site once, after which it knows what the beacon is compared with; then counting starts.
func (p *paper) learn() {
	p.Helper()
	p.expect(0, "check", "--https")
	p.count()
}

// count gives what was asked since it was called last.
func (p *paper) count() (dns lab.DNSCounts, https int) {
	p.Helper()
	asked, err := p.web.Requests(p.Context())
	p.must(err)
	dns, https = p.dns.Counts(), len(asked)
	p.must(p.web.Reset(p.Context()))
	p.dns.Reset()
	return dns, https
}

// quietly wants one DNS question since the last count, and no request at the site.
func (p *paper) quietly() {
	p.Helper()
	if dns, https := p.count(); dns.Questions != 1 || dns.Connections != 0 || https != 0 {
		p.Errorf("asked %+v and %d requests at the site, expected one question to DNS alone", dns, https)
	}
}

// overHTTPS wants that the site was asked since the last count.
func (p *paper) overHTTPS() {
	p.Helper()
	if _, https := p.count(); https == 0 {
		p.Error("the site was not asked")
	}
}

// expect runs the program here, as cron does, and wants that exit code; it gives all that was said. (Another process for each
// would take most of these tests' time.)
func (p *paper) expect(exit int, args ...string) string {
	p.Helper()
	stdout, stderr, got := p.inProcess(time.Now().Add(p.ahead), args...)
	if got != exit {
		p.Fatalf("tidemark-mirror %s: exit code %d, expected %d\n%s%s", strings.Join(args, " "), got, exit, stdout, stderr)
	}
	return stdout + stderr
}

// silent is expect, and wants not a word.
func (p *paper) silent(exit int, args ...string) {
	p.Helper()
	if out := p.expect(exit, args...); out != "" {
		p.Errorf("tidemark-mirror %s: expected not a word, found\n%s", strings.Join(args, " "), out)
	}
}

// document runs the command with --json, in the schema it names.
func (p *paper) document(exit int, into any, args ...string) {
	p.Helper()
	stdout, stderr, got := p.inProcess(time.Now().Add(p.ahead), append(args, "--json")...)
	if got != exit {
		p.Fatalf("tidemark-mirror %s: exit code %d, expected %d\n%s%s", strings.Join(args, " "), got, exit, stdout, stderr)
	}
	followsSchema(p.T, stdout)
	p.must(json.Unmarshal([]byte(stdout), into))
}

// parsing: all programs of a process share the library's flag for help, which is written while a command line is parsed.
var parsing sync.Mutex

// inProcess runs the program here at that time, without a terminal.
func (p *paper) inProcess(now time.Time, args ...string) (stdout, stderr string, exit int) {
	p.Helper()
	p.configure()
	var out, errs bytes.Buffer
	parsing.Lock()
	parsed := sync.OnceFunc(parsing.Unlock)
	defer parsed()
	clock := func() time.Time { parsed(); return now } // who asks for the time is at work
	exit = run(append([]string{"tidemark-mirror", args[0], "--config", p.config}, args[1:]...),
		world{Env: console.Env{Stdout: &out, Stderr: &errs, Getenv: os.Getenv, Now: clock}})
	return out.String(), errs.String(), exit
}
