package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/urfave/cli/v2"

	"tidemark/client"
	"tidemark/internal/console"
	"tidemark/internal/dnstxt"
	"tidemark/internal/lab"
	"tidemark/internal/scripttest"
	"tidemark/keys"
	"tidemark/manifest"
	"tidemark/sign"
)

const (
	beaconName = "_tidemark.centos.example.org"
	plainName  = "plain.centos.example.org"
)

// beaconWorld is a publisher whose records stand at a real named.
type beaconWorld struct {
	*testing.T
	dir    string
	pub    *lab.Publisher
	named  *lab.NameServer
	now    time.Time // what the publisher's clock says; zero: the true time
	served []string  // the authoritative servers, "address:port"
	place  string    // "": rfc2136 at named
	more   string    // more lines of the configuration
	ttl    string
	copies string // of the site, after a comma
}

func newBeaconWorld(t *testing.T) *beaconWorld {
	t.Helper()
	scripttest.NeedTool(t, "dig", "nsupdate")
	w := newBeaconPublisher(t)
	w.named = startNamed(t, lab.NamedOptions{Zone: "example.org"})
	w.served = []string{w.named.Addr.String()}
	w.place = fmt.Sprintf("rfc2136: {server: %q, tsig_file: %s}", w.named.Addr, w.named.KeyFile)
	w.configure()
	return w
}

// newBeaconPublisher is a world without a server: its records stand in a fragment.
func newBeaconPublisher(t *testing.T) *beaconWorld {
	t.Helper()
	w := &beaconWorld{T: t, dir: t.TempDir(), now: time.Now().Truncate(time.Second), ttl: "60s"}
	var err error
	if w.pub, err = lab.NewPublisher(filepath.Join(w.dir, "net"), "centos", w.now); err != nil {
		t.Fatal(err)
	}
	w.write("inventory.yaml", "- {id: node-1, kind: node, country: DE, trees: {centos: rsync://127.0.0.1:9/centos/, vault: rsync://127.0.0.1:9/vault/}}\n")
	w.place = "zone_file: {path: beacon.zone}"
	w.configure()
	return w
}

func startNamed(t *testing.T, o lab.NamedOptions) *lab.NameServer {
	t.Helper()
	if _, err := os.Stat("/usr/sbin/named"); err != nil {
		scripttest.NeedTool(t, "named")
	}
	n, err := lab.StartNamed(t.Context(), filepath.Join(t.TempDir(), "named"), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Stop() })
	return n
}

func (w *beaconWorld) write(name, text string) {
	w.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o600); err != nil {
		w.Fatal(err)
	}
}

// configure writes the configuration as the fields say.
func (w *beaconWorld) configure() {
	w.Helper()
	w.write("tidemark.yaml", fmt.Sprintf(`network: centos
state: state
inventory: [inventory.yaml]
trees:
  centos: {master: lab/master/centos, anchors: [%q], quorum: majority}
  vault: {master: lab/master/vault, anchors: [%[1]q], quorum: majority}
sign: {openpgp: {key: %s}, ed25519: {key: %s}}
trust: net/trust.json
publish: [{dir: net/site}%s]
settle: 1s
probe: {timeout: 5s, allow_private: true, spot: 0}
beacon: {name: %s, ttl: %s, %s plain: {name: %s, order: [vault, centos]}, %s}
%s`, lab.Anchors()[0], w.pub.OpenPGPKey, w.pub.MinisignKey, w.copies, beaconName, w.ttl, servers(w.served), plainName, w.place, w.more))
}

func servers(list []string) string {
	if len(list) == 0 {
		return ""
	}
	var out []string
	for _, s := range list {
		out = append(out, fmt.Sprintf("%q", s))
	}
	return "servers: [" + strings.Join(out, ", ") + "],"
}

// document is a manifest with these timestamps, signed at the world's time and laid at the site.
func (w *beaconWorld) document(centos, vault int64) *manifest.Manifest {
	w.Helper()
	w.pub.At(w.now)
	m := &manifest.Manifest{Trees: map[string]manifest.Tree{}, Policy: lab.Policy()}
	for name, ts := range map[string]int64{"centos": centos, "vault": vault} {
		m.Trees[name] = manifest.Tree{Timestamp: ts, TimeFile: "TIME", Admit: manifest.FullAdmission, Nodes: manifest.Nodes{Verified: 1, Counted: 1, Quorum: 1}}
	}
	if err := w.pub.Publish(m); err != nil {
		w.Fatal(err)
	}
	return m
}

func (w *beaconWorld) clock() time.Time {
	if w.now.IsZero() {
		return time.Now()
	}
	return w.now
}

// parsing is held while flags are read: cli keeps the one of --help in a variable of the package.
var parsing sync.Mutex

// program runs the program, or, with a command of its own, a part of it.
func (w *beaconWorld) program(args []string, part func(*console.Call) error) (code int, out, errs string) {
	w.Helper()
	var stdout, stderr bytes.Buffer
	parsing.Lock()
	parsed := sync.OnceFunc(parsing.Unlock)
	defer parsed()
	world := console.Env{Stdout: &stdout, Stderr: &stderr, Getenv: os.Getenv, Now: func() time.Time { parsed(); return w.clock() }}
	args = append(append([]string{"tidemark"}, args...), "--config", filepath.Join(w.dir, "tidemark.yaml"))
	if part == nil {
		code = run(args, world)
	} else {
		e := &console.Program{Env: world, Name: "tidemark", Judge: judge}
		code = e.Run(args, e.Command("part", "", "", []cli.Flag{&cli.BoolFlag{Name: "checkins"}, &cli.BoolFlag{Name: "bootstrap"}, &cli.BoolFlag{Name: "force"}}, "", func(c *console.Call) error { parsed(); return part(c) }))
	}
	return code, stdout.String(), stderr.String()
}

// keep is what a run does once m is published: it remembers it, and keeps the beacon.
func (w *beaconWorld) keep(m *manifest.Manifest, flags ...string) (o *beaconOutcome, out string, trouble []error) {
	w.Helper()
	code, out, errs := w.program(append([]string{"part"}, flags...), func(c *console.Call) error {
		p, err := openPublisher(c, false)
		if err != nil {
			return err
		}
		defer p.close()
		if m != nil {
			b, err := os.ReadFile(filepath.Join(w.pub.Site, "manifest.bundle.json"))
			if err := errors.Join(err, p.keep(&predecessor{manifest: m, bundle: b})); err != nil {
				return err
			}
		} else if own, err := p.ownCopy(); err != nil {
			return err
		} else {
			m = own.manifest
		}
		p.beaconPatience = 200 * time.Millisecond
		trouble = p.keepBeacon(c.Context.Context, m)
		p.sayBeacon()
		o = p.beaconTold
		return nil
	})
	if code != 0 {
		w.Fatalf("exit code %d: %s", code, errs)
	}
	w.Logf("%s%v", out, trouble)
	return o, out, trouble
}

// good is keep without trouble, which ended as state says.
func (w *beaconWorld) good(m *manifest.Manifest, state beaconState) string {
	w.Helper()
	o, out, trouble := w.keep(m)
	if len(trouble) > 0 || o == nil || o.State != state || o.Servers != len(w.served) || o.Agree != o.Servers {
		w.Fatalf("%s%+v, trouble %v; expected %s at %d servers", out, o, trouble, state, len(w.served))
	}
	return out
}

// remembered is the state's file as it lies there.
func (w *beaconWorld) remembered() os.FileInfo {
	w.Helper()
	info, err := os.Stat(filepath.Join(w.dir, "state", beaconFile))
	if err != nil {
		w.Fatal(err)
	}
	return info
}

// text is what dig shows.
func (w *beaconWorld) text(name string) string {
	w.Helper()
	out, err := exec.CommandContext(w.Context(), "dig", w.named.Dig("+short", name, "TXT")[1:]...).Output()
	if err != nil {
		w.Fatalf("dig: %v", err)
	}
	return strings.TrimSpace(string(out))
}

// stands is the record at named as a mirror's client sees it, and as dig shows it.
func (w *beaconWorld) stands() manifest.Beacon {
	w.Helper()
	look := client.LookBeacon(w.Context(), client.BeaconOptions{
		Name: beaconName, State: w.TempDir(), Network: "centos", Trust: must(os.ReadFile(w.pub.TrustFile)), Pinned: w.pub.TrustFile, Now: w.clock,
		Random: func(time.Duration) time.Duration { return 0 },
		Held:   func(string, string) (int64, error) { return 0, nil },
		Ask: func(ctx context.Context, name string) (*dnstxt.Answer, error) {
			return dnstxt.Ask(ctx, dnstxt.Question{Name: name, Servers: []string{w.named.Addr.String()}})
		},
	}, nil)
	if look.Beacon == nil {
		w.Fatalf("mirrors do not go by it: %+v", look.Ignored)
	}
	if shown := strings.ReplaceAll(strings.Trim(w.text(beaconName), `"`), `" "`, ""); shown != look.Beacon.Text() {
		w.Fatalf("dig shows %s, a mirror sees %s", shown, look.Beacon.Text())
	}
	return *look.Beacon
}

// zone is the serial of the zone: it moves with every change.
func (w *beaconWorld) zone() uint32 {
	w.Helper()
	r, err := w.named.Ask(w.Context(), "udp", w.named.Zone, dns.TypeSOA)
	if err != nil {
		w.Fatal(err)
	}
	return r.Answer[0].(*dns.SOA).Serial
}

// byHand changes the zone with nsupdate.
func (w *beaconWorld) byHand(lines ...string) {
	w.Helper()
	c := exec.CommandContext(w.Context(), "nsupdate", "-k", w.named.KeyFile)
	c.Stdin = strings.NewReader(fmt.Sprintf("server %s %d\n%s\nsend\n", w.named.Addr.Addr(), w.named.Addr.Port(), strings.Join(lines, "\n")))
	if out, err := c.CombinedOutput(); err != nil {
		w.Fatalf("nsupdate: %v\n%s", err, out)
	}
}

// forge signs any text with any key.
func (w *beaconWorld) forge(b manifest.Beacon, s sign.Signer) string {
	w.Helper()
	b.Key = s.Key().Key
	sig, err := s.(sign.RawSigner).SignRaw(context.Background(), []byte(b.Signed()))
	if err != nil {
		w.Fatal(err)
	}
	b.Signature = sig
	return fmt.Sprintf("%q", b.Text())
}

const (
	stamp1 = 1488372781
	stamp2 = 1488376381
)

// The record is written once, stays through serials that change no timestamp, and is written anew when one did or half of
// its validity is over.
func TestKeepBeacon(t *testing.T) {
	t.Parallel()
	w := newBeaconWorld(t)
	m := w.document(stamp1, stamp2)
	if out := w.good(m, beaconWritten); out != "beacon "+beaconName+": wrote serial 1 (there was none), seen at 1 of 1 servers\n" {
		t.Errorf("%q", out)
	}
	if b := w.stands(); b.Serial != 1 || b.Expires != m.Expires.Unix() || b.Trees["centos"] != stamp1 || b.Trees["vault"] != stamp2 {
		t.Errorf("%+v", b)
	}
	if got := w.text(plainName); got != fmt.Sprintf(`"%d:%d"`, stamp2, stamp1) {
		t.Errorf("plain record %s", got)
	}
	zone := w.zone()
	unchanged := func(m *manifest.Manifest) {
		t.Helper()
		before := w.remembered()
		defer func() {
			if m == nil && !os.SameFile(before, w.remembered()) {
				t.Error("nothing changed, and beacon.json was written")
			}
		}()
		if out := w.good(m, beaconUnchanged); out != "beacon "+beaconName+": kept serial 1: same timestamps, seen at 1 of 1 servers\n" {
			t.Errorf("%q", out)
		}
		if got := w.zone(); got != zone {
			t.Errorf("the zone's serial went from %d to %d", zone, got)
		}
	}
	unchanged(nil)
	w.now = w.now.Add(11 * time.Hour) // another serial, the same timestamps
	unchanged(w.document(stamp1, stamp2))
	w.now = w.now.Add(time.Hour)
	if w.good(nil, beaconWritten); w.stands().Serial != 2 {
		t.Error("half of the validity is over, and the record is the old one")
	}
	w.now = w.now.Add(time.Minute)
	if w.good(w.document(stamp2, stamp2), beaconWritten); w.stands().Trees["centos"] != stamp2 || w.text(plainName) != fmt.Sprintf(`"%d:%[1]d"`, stamp2) {
		t.Errorf("a timestamp changed, and the records are %s and %s", w.text(beaconName), w.text(plainName))
	}
	w.ttl = "120s"
	w.configure()
	w.good(nil, beaconWritten)
	r, err := w.named.Ask(t.Context(), "udp", plainName, dns.TypeTXT)
	if err != nil || r.Answer[0].Header().Ttl != 120 {
		t.Errorf("%v, %v, expected the new TTL", r, err)
	}
	code, out, errs := w.program([]string{"beacon"}, nil)
	if want := fmt.Sprintf("%s. 120 IN TXT %s\n%s. 120 IN TXT %s\n", beaconName, w.text(beaconName), plainName, w.text(plainName)); code != 0 || out != want {
		t.Errorf("exit code %d: %s%s, expected\n%s", code, out, errs, want)
	}
}

// No record is ever put for a document that clients refuse, and one that ends in a moment gets none.
func TestKeepBeacon_Attack(t *testing.T) {
	t.Parallel()
	w := newBeaconWorld(t)
	w.good(w.document(stamp1, stamp1), beaconWritten)
	zone := w.zone()
	bundle := filepath.Join(w.pub.Site, "manifest.bundle.json")
	m := w.document(stamp2, stamp2)
	genuine := must(os.ReadFile(bundle))
	withheld := func(what string, troubles int) {
		t.Helper()
		o, out, trouble := w.keep(m)
		if o.State != beaconWithheld || len(trouble) != troubles || w.zone() != zone {
			t.Errorf("%s: %s%v, zone %d, was %d", what, out, trouble, w.zone(), zone)
		}
	}
	for what, b := range map[string][]byte{
		"a bit changed": bytes.Replace(genuine, []byte("payload\":\"e"), []byte("payload\":\"f"), 1),
		"cut short":     genuine[:len(genuine)/2],
		"nothing":       {},
	} {
		if bytes.Equal(b, genuine) {
			b = bytes.Replace(genuine, []byte("A"), []byte("B"), 1)
		}
		if err := os.WriteFile(bundle, b, 0o644); err != nil {
			t.Fatal(err)
		}
		withheld(what, 1)
	}
	if err := os.WriteFile(bundle, genuine, 0o644); err != nil {
		t.Fatal(err)
	}
	now := w.now
	w.now = m.Expires.Add(-nearlyExpired + time.Second)
	withheld("nearly expired", 0)
	w.now = m.Expires.Add(time.Hour)
	withheld("expired", 1)
	w.now = m.Issued.Add(-time.Hour)
	withheld("from the future", 1)
	w.now = now
	other, err := lab.TestMinisign(2)
	if err == nil {
		err = w.pub.NextTrust(func(t *keys.Trust) {
			for i := range t.Manifest.Keys {
				t.Manifest.Keys[i].Revoked = t.Manifest.Keys[i].Kind == keys.Minisign
			}
			k := other.Key()
			k.Holder = "publisher"
			t.Manifest.Keys = append(t.Manifest.Keys, k)
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	withheld("signed by a revoked key", 1)
}
