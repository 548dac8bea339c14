package probe_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tidemark/internal/lab"
	"tidemark/probe"
	"tidemark/quorum"
	"tidemark/rsync"
)

// A name with two addresses, one of which serves the fresh time file and good anchors over a tree that lacks something: the
// readings tell which.
func TestAttack_ListSwappedBetweenTwoAddresses(t *testing.T) {
	tree := newTree(t)
	lists := shelf{}
	lists.keep(t, tree.Dir)
	bad := copyOf(t, tree)
	change(t, os.Remove(filepath.Join(bad, iso)))
	first := serve(t, tree.Dir, lab.Daemon{Address: "127.0.0.2"})
	serve(t, bad, lab.Daemon{Address: "127.0.0.3", Port: int(first.Addr.Port())})
	ask := listed(t, fmt.Sprintf("rsync://mirror.example.org:%d/centos/", first.Addr.Port()), osAnchor)
	got := probe.All(t.Context(), []quorum.Ask{ask}, probe.Options{
		Now: time.Now, AllowPrivate: true, Lists: lists,
		Resolve: names(map[string][]netip.Addr{"mirror.example.org": addrs("127.0.0.2", "127.0.0.3")}),
	})
	if len(got) != 2 || got[0].List == nil || got[1].List == nil || !got[0].List.Equal() || got[1].List.Missing != 1 || paths(got[1].List.MissingFirst) != iso {
		t.Errorf("readings %+v", got)
	}
}

// A list of more than twice the master's files is not read to its end, nor is one of directories or links that does not end, and memory
// and time do not depend on it.
func TestAttack_EndlessList(t *testing.T) {
	tree := newTree(t)
	lists := shelf{}
	files := lists.keep(t, tree.Dir).List.Files - 1
	daemon := serve(t, tree.Dir, lab.Daemon{})
	tooMany := quorum.Failure{Kind: quorum.FailList, Text: fmt.Sprintf("its list has more than %d files: expected at most twice the master's files, and 10000; it was not read to its end", 2*files+10_000)}
	tooMuch := quorum.Failure{Kind: quorum.FailUnreachable, Text: fmt.Sprintf("listing the tree: the server sent more than a probe reads: the server sent more than %d bytes in one session", 16<<20+1024*(2*files+10_000))}
	for mode, want := range map[uint32]quorum.Failure{0o100644: tooMany, 0o040755: tooMuch, 0o120777: tooMuch} {
		to := strings.TrimSuffix(strings.TrimPrefix(raw(sendEndless(mode))(t), "rsync://"), "/centos/")
		got := one(t, listed(t, daemon.URL("centos"), osAnchor), probe.Options{Client: instead(4, to), Lists: lists, Timeout: time.Minute, ListTimeout: time.Minute})
		if diff := cmp.Diff(&want, got.Failure); diff != "" || got.List != nil || got.Depth != "anchors" {
			t.Errorf("reading %+v, failure (-want +got):\n%s", got, diff)
		}
	}
}

// Names that a pattern could match at every part end no later than others, and what the master cannot have sent is refused; but
// a master that has names like that is believed.
func TestAttack_NamesMadeForPatterns(t *testing.T) {
	tree := newTree(t)
	lists := shelf{}
	lists.keep(t, tree.Dir)
	daemon := serve(t, tree.Dir, lab.Daemon{})
	deep, long := strings.Repeat("isos/", 64)+"x", strings.Repeat("isos/", 60)+strings.Repeat("x", 240)
	look := func(exclude []string, entries ...listEntry) quorum.Reading {
		to := strings.TrimSuffix(strings.TrimPrefix(raw(sendList(entries, 0))(t), "rsync://"), "/centos/")
		ask := listed(t, daemon.URL("centos"), osAnchor)
		ask.Exclude = exclude
		return one(t, ask, probe.Options{Client: instead(4, to), Lists: lists, ListTimeout: 20 * time.Second})
	}
	refused := func(got quorum.Reading, text string) {
		t.Helper()
		want := &quorum.Failure{Kind: quorum.FailList, Text: text + ": the master's have at most 1024 and 64; it was not read to its end"}
		if diff := cmp.Diff(want, got.Failure); diff != "" || got.List != nil {
			t.Errorf("failure (-want +got):\n%s", diff)
		}
	}
	pattern := []string{"isos/**/*.iso"}
	refused(look(pattern, file(deep)), "its list has a name of 321 bytes in 65 parts")
	refused(look(pattern, file("a"), file(strings.Repeat("isos/", 600)+"x")), "its list has a name of 3001 bytes in 601 parts")
	for name, got := range map[string]quorum.Reading{"within": look(pattern, file(long)), "no patterns": look(nil, file(deep))} {
		if got.Failure != nil || got.List == nil || got.List.Extra != 1 {
			t.Errorf("%s: %+v, failure %+v", name, got, got.Failure)
		}
	}
	put(t, tree.Dir, deep, "12345", 0o644)
	lists.keep(t, tree.Dir)
	if got := look(pattern, file(deep+".iso"), file(deep)); got.Failure != nil || got.List == nil || got.List.Files != 1 {
		t.Errorf("the master has such names: %+v, failure %+v", got, got.Failure)
	}
}

// A list that does not go on ends long before its time.
func TestAttack_DrippingList(t *testing.T) {
	tree := newTree(t)
	lists := shelf{}
	lists.keep(t, tree.Dir)
	to := strings.TrimSuffix(strings.TrimPrefix(raw(sendSome(file("a"), file("b")))(t), "rsync://"), "/centos/")
	got := one(t, listed(t, serve(t, tree.Dir, lab.Daemon{}).URL("centos"), osAnchor), probe.Options{Client: instead(4, to), Lists: lists, Timeout: 2 * time.Second, ListTimeout: time.Hour})
	want := &quorum.Failure{Kind: quorum.FailUnreachable, Text: "listing the tree: no answer in time: no entry of the list came, for 2s"}
	if diff := cmp.Diff(want, got.Failure); diff != "" || got.Depth != "anchors" || got.List != nil {
		t.Errorf("failure (-want +got):\n%s", diff)
	}
}

// A tree may have many more links and directories than files, on the master as on a mirror.
func TestAll_ListOfLinks(t *testing.T) {
	tree := newTree(t)
	for i := range 11_000 {
		change(t, os.Symlink("TIME", filepath.Join(tree.Dir, fmt.Sprint("l", i))))
	}
	lists := shelf{}
	lists.keep(t, tree.Dir)
	got := one(t, listed(t, serve(t, tree.Dir, lab.Daemon{}).URL("centos"), osAnchor), probe.Options{Lists: lists, ListTimeout: time.Minute})
	if got.Failure != nil || got.List == nil || !got.List.Equal() {
		t.Errorf("reading %+v, failure %+v", got, got.Failure)
	}
}

// A list of the master's files and as many again is one to judge.
func TestAll_ListTwiceAsLongIsJudged(t *testing.T) {
	tree := newTree(t)
	lists := shelf{}
	files := int(lists.keep(t, tree.Dir).List.Files - 1)
	daemon := serve(t, tree.Dir, lab.Daemon{})
	var entries []listEntry
	for i := range 2*files + 10_000 {
		entries = append(entries, file(fmt.Sprint("x", i)))
	}
	to := strings.TrimSuffix(strings.TrimPrefix(raw(sendList(entries, 0))(t), "rsync://"), "/centos/")
	got := one(t, listed(t, daemon.URL("centos"), osAnchor), probe.Options{Client: instead(4, to), Lists: lists})
	if got.Failure != nil || got.List == nil || got.List.Extra != int64(len(entries)) || got.List.Missing != int64(files) || len(got.List.ExtraFirst) != 20 {
		t.Errorf("reading %+v, failure %+v", got.List, got.Failure)
	}
}

// A server sends what was excluded, and what a walk passes over, all the same: none of it counts, and none of it hides that the
// rest is missing.
func TestAttack_ServerIgnoresWhatIsNotAskedFor(t *testing.T) {
	tree := newTree(t)
	lists := shelf{}
	files := lists.keep(t, tree.Dir).List.Files - 1
	daemon := serve(t, tree.Dir, lab.Daemon{})
	entries := []listEntry{file("7/os/.~tmp~/x"), file(".~tmp~/x"), file("lost+found/x"), file("7/lost+found/x"), {"7/.x.AbCdEf", 5, start, 0o100600}, file("TIME")}
	to := strings.TrimSuffix(strings.TrimPrefix(raw(sendList(entries, 0))(t), "rsync://"), "/centos/")
	got := one(t, listed(t, daemon.URL("centos"), osAnchor), probe.Options{Client: instead(4, to), Lists: lists})
	if got.Failure != nil || got.List == nil || got.List.Files != 1 || paths(got.List.ExtraFirst) != "7/lost+found/x" || got.List.Missing != files {
		t.Errorf("reading %+v, failure %+v", got.List, got.Failure)
	}
}

// A mirror that leaves something out by its own daemon's excludes does not hide it; and what the inventory says that it does
// not carry is not sent to it, so that it cannot answer with less than it has.
func TestAttack_DeletionsHiddenByExcludes(t *testing.T) {
	tree := newTree(t)
	lists := shelf{}
	lists.keep(t, tree.Dir)
	dir := copyOf(t, tree)
	put(t, dir, "7/isos/x86_64/old.iso", "x", 0o644)
	hides := serve(t, dir, lab.Daemon{Extra: "exclude = /7/isos/"})
	got := one(t, listed(t, hides.URL("centos"), osAnchor), probe.Options{Lists: lists})
	if got.List == nil || got.List.Missing == 0 || !strings.Contains(paths(got.List.MissingFirst), iso) {
		t.Errorf("hidden by the daemon: %+v, failure %+v", got.List, got.Failure)
	}

	tap := &tap{}
	ask := listed(t, serve(t, dir, lab.Daemon{}).URL("centos"), osAnchor)
	ask.Exclude = []string{"/7/os/"}
	got = one(t, ask, probe.Options{Lists: lists, Client: dialing(tap.dial)})
	if got.List == nil || paths(got.List.ExtraFirst) != "7/isos/x86_64/old.iso" || got.List.Missing != 0 {
		t.Errorf("with excludes: %+v, failure %+v", got.List, got.Failure)
	}
	said := tap.String()
	if !strings.Contains(said, "- .~tmp~/") || !strings.Contains(said, "- /lost+found/") {
		t.Errorf("said %q, expected the two patterns that no list has", said)
	}
	if strings.Contains(said, "7/os") || len(got.Anchors) != 0 {
		t.Errorf("said %q: the server was told what it need not show, or asked for an anchor that it does not carry", said)
	}
}

// tap keeps all that is sent.
type tap struct {
	mu   sync.Mutex
	sent []byte
}

type tapped struct {
	net.Conn
	tap *tap
}

func (c tapped) Write(b []byte) (int, error) {
	c.tap.mu.Lock()
	defer c.tap.mu.Unlock()
	c.tap.sent = append(c.tap.sent, b...)
	return c.Conn.Write(b)
}

func (p *tap) dial(ctx context.Context, address string) (net.Conn, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	return tapped{c, p}, err
}

func (p *tap) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return string(p.sent)
}

// A name that leads elsewhere when it is asked again (DNS rebinding) is asked once: all sessions of the round go to the
// address that was judged, also those of the list.
func TestAttack_Rebinding(t *testing.T) {
	tree := newTree(t)
	lists := shelf{}
	lists.keep(t, tree.Dir)
	good := serve(t, tree.Dir, lab.Daemon{Address: "127.0.0.2"})
	var asked atomic.Int64
	resolve := func(context.Context, string) ([]netip.Addr, error) {
		if asked.Add(1) == 1 {
			return addrs("127.0.0.2"), nil
		}
		return addrs("10.0.0.1"), nil
	}
	var mu sync.Mutex
	dialed := map[string]int{}
	client := dialing(func(ctx context.Context, address string) (net.Conn, error) {
		mu.Lock()
		dialed[address]++
		mu.Unlock()
		return (&net.Dialer{}).DialContext(ctx, "tcp", address)
	})
	url := fmt.Sprintf("rsync://mirror.example.org:%d/centos/", good.Addr.Port())
	first, second := listed(t, url, osAnchor), listed(t, url, osAnchor)
	second.Server = "same"
	got := probe.All(t.Context(), []quorum.Ask{first, second}, probe.Options{Now: time.Now, AllowPrivate: true, Resolve: resolve, Client: client, Lists: lists})
	if len(got) != 2 || got[0].Depth != "listing" || got[1].Depth != "listing" {
		t.Errorf("readings %+v", got)
	}
	if diff := cmp.Diff(map[string]int{good.Addr.String(): 10}, dialed); diff != "" || asked.Load() != 1 {
		t.Errorf("asked for the name %d times, expected 1; dialed (-want +got):\n%s", asked.Load(), diff)
	}
}

// An address that no public server has is not sent a packet, and the reading says which it is and what allows it; another
// address of the same name is asked.
func TestAttack_PrivateAddresses(t *testing.T) {
	zone := map[string][]netip.Addr{
		"inside.example.org": addrs("10.1.2.3", "192.0.2.1"),
		"mapped.example.org": addrs("::ffff:127.0.0.1"),
		"nat64.example.org":  addrs("64:ff9b::192.168.0.1", "64:ff9b::192.0.2.1"),
		"6to4.example.org":   addrs("2002:7f00:1::1"),
		"zone.example.org":   addrs("fe80::1%lo"),
	}
	var asks []quorum.Ask
	hosts := []string{
		"inside.example.org", "mapped.example.org", "nat64.example.org", "6to4.example.org", "zone.example.org", "127.0.0.1", "[::1]", "0.0.0.0",
		"100.64.0.1", "169.254.169.254", "[fd00::1]", "224.0.0.1", "255.255.255.255", "[::]",
	}
	for _, host := range hosts {
		asks = append(asks, quorum.Ask{Server: host, Tree: "centos", URL: mustURL(t, "rsync://"+host+"/centos/"), TimeFile: "TIME"})
	}
	var mu sync.Mutex
	var dialed []string
	client := &rsync.Client{Dial: func(_ context.Context, _, address string) (net.Conn, error) {
		mu.Lock()
		defer mu.Unlock()
		dialed = append(dialed, address)
		return nil, fmt.Errorf("not in a test")
	}}
	forbidden := map[string]string{}
	all := probe.All(t.Context(), asks, probe.Options{Now: time.Now, Resolve: names(zone), Client: client})
	for _, r := range all {
		if r.Failure.Kind == quorum.FailForbidden {
			forbidden[r.Server+" "+r.Address+" "+fmt.Sprint(r.Family)] = r.Failure.Text
		}
	}
	want := map[string]string{}
	for at, is := range map[string]string{
		"inside.example.org 10.1.2.3 4":       "10.1.2.3, an address of inside.example.org, is a private address",
		"mapped.example.org 127.0.0.1 4":      "127.0.0.1, an address of mapped.example.org, is a loopback address",
		"nat64.example.org 64:ff9b::c0a8:1 6": "64:ff9b::c0a8:1, an address of nat64.example.org, is a private address",
		"6to4.example.org 2002:7f00:1::1 6":   "2002:7f00:1::1, an address of 6to4.example.org, is a loopback address",
		"zone.example.org fe80::1%lo 6":       "fe80::1%lo, an address of zone.example.org, is a link-local address",
		"127.0.0.1 127.0.0.1 4":               "127.0.0.1 is a loopback address",
		"[::1] ::1 6":                         "::1 is a loopback address",
		"0.0.0.0 0.0.0.0 4":                   "0.0.0.0 is an unspecified address",
		"100.64.0.1 100.64.0.1 4":             "100.64.0.1 is a private address",
		"169.254.169.254 169.254.169.254 4":   "169.254.169.254 is a link-local address",
		"[fd00::1] fd00::1 6":                 "fd00::1 is a private address",
		"224.0.0.1 224.0.0.1 4":               "224.0.0.1 is a multicast address",
		"255.255.255.255 255.255.255.255 4":   "255.255.255.255 is a reserved address",
		"[::] :: 6":                           ":: is an unspecified address",
	} {
		want[at] = is + ": it is asked only with `probe.allow_private: true`"
	}
	if diff := cmp.Diff(want, forbidden); diff != "" {
		t.Errorf("refused (-want +got):\n%s", diff)
	}
	for _, address := range dialed {
		if address != "192.0.2.1:873" && address != "[64:ff9b::c000:201]:873" {
			t.Errorf("%s was dialed", address)
		}
	}
	if len(all) != len(hosts)+2 || len(dialed) != 2 {
		t.Errorf("%d readings, dialed %v", len(all), dialed)
	}
}

// A master is the operator's own machine: it may stand on a private address.
func TestMaster_MayBePrivate(t *testing.T) {
	tree := newTree(t)
	if got := master(t, probe.MasterAsk{URL: mustURL(t, serve(t, tree.Dir, lab.Daemon{}).URL("centos"))}, probe.Options{}); got.Failure != nil {
		t.Errorf("failure %+v", got.Failure)
	}
}

// Names that lead to a private address do not make one queue of all servers.
func TestAttack_PrivateAddressJoinsNoHosts(t *testing.T) {
	zone, asks := map[string][]netip.Addr{}, []quorum.Ask{}
	for i := range 5 {
		host := fmt.Sprintf("s%d.example.org", i)
		zone[host] = []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})}
		asks = append(asks, quorum.Ask{Server: host, Tree: "centos", URL: mustURL(t, "rsync://"+host+"/centos/")})
	}
	var begun atomic.Int64
	together := make(chan struct{})
	got := probe.All(t.Context(), asks, probe.Options{Now: time.Now, Resolve: names(zone), Timeout: 10 * time.Second, Probe: func(ctx context.Context, _ quorum.Ask, _ netip.Addr) quorum.Reading {
		if begun.Add(1) == 5 {
			close(together)
		}
		select {
		case <-together: // only when all five are asked at a time
		case <-ctx.Done():
			t.Error("the hosts are asked one after the other")
		}
		return quorum.Reading{}
	}})
	if len(got) != 10 {
		t.Errorf("%d readings", len(got))
	}
}

// One name with addresses of both families, each of which is a daemon of its own: ::1 for real.
func TestAll_BothFamilies(t *testing.T) {
	if l, err := net.Listen("tcp", "[::1]:0"); err == nil {
		l.Close()
	} else if os.Getenv("CI") == "true" {
		t.Fatalf("no IPv6 on loopback (sysctl net.ipv6.conf.lo.disable_ipv6=0): %v", err)
	} else {
		t.Skipf("no IPv6 on loopback (sysctl net.ipv6.conf.lo.disable_ipv6=0): %v", err)
	}
	tree := newTree(t)
	lists := shelf{}
	lists.keep(t, tree.Dir)
	old := copyOf(t, tree)
	change(t, tree.Move(start+3600))
	lists.keep(t, tree.Dir)
	four := serve(t, tree.Dir, lab.Daemon{Address: "127.0.0.5"})
	serve(t, old, lab.Daemon{Address: "::1", Port: int(four.Addr.Port())})
	zone := map[string][]netip.Addr{"mirror.example.org": addrs("::1", "127.0.0.5")}
	var asks []quorum.Ask
	for _, host := range []string{"mirror.example.org", "[::1]"} {
		ask := listed(t, fmt.Sprintf("rsync://%s:%d/centos/", host, four.Addr.Port()), osAnchor)
		ask.Server = host
		asks = append(asks, ask)
	}
	got := probe.All(t.Context(), asks, probe.Options{Now: time.Now, AllowPrivate: true, Lists: lists, Resolve: names(zone)})
	var said []string
	for _, r := range got {
		said = append(said, fmt.Sprintf("%s %s %d %d %s %v", r.Server, r.Address, r.Family, r.Timestamp, r.Depth, r.List != nil && r.List.Equal()))
	}
	want := []string{
		fmt.Sprintf("[::1] ::1 6 %d listing true", start),
		fmt.Sprintf("mirror.example.org 127.0.0.5 4 %d listing true", start+3600),
		fmt.Sprintf("mirror.example.org ::1 6 %d listing true", start),
	}
	if diff := cmp.Diff(want, said); diff != "" {
		t.Errorf("readings (-want +got):\n%s", diff)
	}
}
