package quorum

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"tidemark/internal/filelist"
	"tidemark/internal/rsyncurl"
	"tidemark/internal/strictjson"
	"tidemark/inventory"
	"tidemark/manifest"
)

// start is when all tests begin. Timestamps are a little before it.
var start = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)

// stampAt is the timestamp of a tree that changed n minutes after a day before start.
func stampAt(n int) int64 { return start.Add(-24*time.Hour).Unix() + int64(60*n) }

// set makes one anchor a path: v0/repomd.xml at version versions[0], and so on; 0 leaves it out.
func set(versions ...int) []manifest.Anchor {
	var anchors []manifest.Anchor
	for i, v := range versions {
		if v != 0 {
			anchors = append(anchors, anchor(fmt.Sprintf("v%d/repomd.xml", i), v))
		}
	}
	return sortedAnchors(anchors)
}

func anchor(path string, version int) manifest.Anchor {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", path, version))
	return manifest.Anchor{Path: path, Size: int64(100 + version), SHA256: hex.EncodeToString(sum[:])}
}

// holding is what one address serves.
type holding struct {
	timestamp int64
	anchors   []manifest.Anchor
	fail      FailureKind
	void      bool
	diff      *filelist.Diff // its list, beside the master's at its timestamp; nil: equal
	listFail  FailureKind    // instead of its list
	address   string         // "192.0.2.1" when empty
	family    int            // 4 when 0
}

// tester is what testing.TB and rapid.T have in common here.
type tester interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// world is a network of one tree, as the publisher's runs see it.
type world struct {
	t         tester
	policy    Policy
	memory    Memory
	published *manifest.Manifest
	now       time.Time
	rnd       *rand.Rand

	master     holding
	digest     string // of the master's list; "": no list
	lists      bool   // the master's lists are at hand
	masterFail *Failure
	servers    map[string][]holding // one an address
}

func mustURL(t tester, s string) rsyncurl.URL {
	u, err := rsyncurl.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func mustQuorum(t tester, s string) inventory.Quorum {
	q, err := inventory.ParseQuorum(s)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// newWorld has nodes n1... and mirrors m1..., and a master at its first timestamp that all of them hold.
func newWorld(t tester, quorum string, nodes, mirrors int) *world {
	w := &world{
		t: t, now: start, memory: NewMemory(), rnd: rand.New(rand.NewPCG(1, 2)), servers: map[string][]holding{},
		policy: Policy{
			Network: "test", Settle: time.Minute, Recheck: 6 * time.Hour, Sample: 3,
			Validity: 24 * time.Hour, CheckInterval: 5 * time.Minute, MaxHold: 2 * time.Hour,
			GuardShare: 30, GuardLeast: 5, GuardRuns: 3,
			Trees: map[string]TreePolicy{"centos": {TimeFile: "TIME", Quorum: mustQuorum(t, quorum), MaxWait: 12 * time.Hour}},
		},
	}
	w.master = holding{timestamp: stampAt(0), anchors: set(1, 1, 1, 1)}
	for i := range nodes {
		w.add(fmt.Sprintf("n%d", i+1), manifest.KindNode, 4)
	}
	for i := range mirrors {
		w.add(fmt.Sprintf("m%d", i+1), manifest.KindMirror, 2)
	}
	return w
}

func (w *world) add(id, kind string, slots int) {
	url := mustURL(w.t, "rsync://"+id+".example.org/centos/")
	w.policy.Servers = append(w.policy.Servers, inventory.Server{
		ID: id, Kind: kind, Country: "DE", Slots: slots, Trees: map[string]rsyncurl.URL{"centos": url},
	})
	w.sync(id)
}

// server is the declaration of a server, to be changed.
func (w *world) server(id string) *inventory.Server {
	i := slices.IndexFunc(w.policy.Servers, func(s inventory.Server) bool { return s.ID == id })
	return &w.policy.Servers[i]
}

// change gives the master a new timestamp and content.
func (w *world) change(minute int, versions ...int) {
	w.master.timestamp, w.master.anchors = stampAt(minute), set(versions...)
}

// sync gives servers the master's content.
func (w *world) sync(ids ...string) {
	for _, id := range ids {
		w.servers[id] = []holding{w.master}
	}
}

func (w *world) fail(kind FailureKind, ids ...string) {
	for _, id := range ids {
		w.servers[id] = []holding{{fail: kind}}
	}
}

func (w *world) look() MasterReading {
	if w.masterFail != nil {
		return MasterReading{Tree: "centos", At: strictjson.At(w.now), Failure: w.masterFail}
	}
	m := MasterReading{Tree: "centos", At: strictjson.At(w.now), Timestamp: w.master.timestamp, Raw: fmt.Sprint(w.master.timestamp), Anchors: w.master.anchors}
	if w.digest != "" {
		m.List = &ListSum{Files: 10, Bytes: 1000, Digest: w.digest}
	}
	return m
}

// answer is what a server says to an ask, as probe gives it.
func (w *world) answer(a Ask) []Reading {
	var readings []Reading
	for _, h := range w.servers[a.Server] {
		r := Reading{
			Server: a.Server, Tree: a.Tree, URL: a.URL, Address: "192.0.2.1", Family: 4,
			At: strictjson.At(w.now), Depth: manifest.DepthTime, Timestamp: h.timestamp, Raw: fmt.Sprint(h.timestamp), Void: h.void,
		}
		if h.address != "" {
			r.Address = h.address
		}
		if h.family != 0 {
			r.Family = h.family
		}
		if h.fail != "" {
			r.Timestamp, r.Raw, r.Failure = 0, "", &Failure{Kind: h.fail, Text: "as told"}
		} else if known := len(a.Addresses) == 0 || slices.Contains(a.Addresses, r.Address); len(a.Anchors) > 0 && (h.timestamp != a.Known || a.Deep || !known) {
			r.Depth, r.Anchors = manifest.DepthAnchors, seen(h.anchors, a.Anchors)
			if a.List && slices.Contains(w.policy.Lists[a.Tree], h.timestamp) {
				h.list(&r)
			}
		}
		readings = append(readings, r)
	}
	return readings
}

// list adds what is seen of the list.
func (h holding) list(r *Reading) {
	if h.listFail != "" {
		r.Failure = &Failure{Kind: h.listFail, Text: "as told"}
		return
	}
	r.Depth, r.List = manifest.DepthListing, h.diff
	if h.diff == nil {
		r.List = &filelist.Diff{Files: 10, Bytes: 1000}
	}
}

// keepLists has the lists of all recorded timestamps at hand, as the publisher's run keeps them.
func (w *world) keepLists(mem Memory) {
	w.policy.Lists = map[string][]int64{}
	for _, r := range mem.Trees["centos"].Recorded {
		w.policy.Lists["centos"] = append(w.policy.Lists["centos"], r.Timestamp)
	}
}

// seen is what is fetched of a set when some paths are asked for.
func seen(held []manifest.Anchor, asked []string) []AnchorSeen {
	var list []AnchorSeen
	for _, path := range asked {
		a, ok := lookup(held, path)
		list = append(list, AnchorSeen{Path: path, Size: a.Size, SHA256: a.SHA256, Missing: !ok})
	}
	return list
}

// ask makes one round: masters, a second look where one is due, servers.
func (w *world) ask() Readings {
	r := Readings{Network: "test", Masters: []MasterReading{w.look()}}
	mem := Record(w.memory, r.Masters, w.policy, w.published, w.now)
	if len(Unsettled(mem)) > 0 {
		w.now = w.now.Add(w.policy.Settle)
		r.Masters = append(r.Masters, w.look())
		mem = Record(mem, r.Masters[1:], w.policy, w.published, w.now)
	}
	if w.lists {
		w.keepLists(mem)
	}
	asks := Plan(mem, w.policy, w.now, w.rnd)
	r.Rested = Rested(asks)
	for _, a := range Awake(asks) {
		r.Servers = append(r.Servers, w.answer(a)...)
	}
	return r
}

// run is one run of the publisher, ten minutes after the one before.
func (w *world) run() Decision {
	w.t.Helper()
	w.now = w.now.Add(10 * time.Minute)
	d := Decide(w.ask(), w.policy, w.published, w.memory, w.now)
	text, err := EncodeMemory(d.Memory)
	if err != nil {
		w.t.Fatalf("the memory cannot be saved: %v", err)
	}
	if w.memory, err = LoadMemory(text); err != nil {
		w.t.Fatalf("the memory cannot be read back: %v", err)
	}
	if !d.Guard.Held {
		w.publish(d.Manifest)
	}
	return d
}

func (w *world) publish(m *manifest.Manifest) {
	w.t.Helper()
	c := *m
	c.Serial, c.TrustVersion = 1, 1
	if w.published != nil {
		c.Serial = w.published.Serial + 1
	}
	c.Issued, c.Expires = strictjson.At(w.now), strictjson.At(w.now.Add(w.policy.Validity))
	text, err := manifest.Encode(&c)
	if err != nil {
		w.t.Fatalf("the manifest cannot be encoded: %v", err)
	}
	if w.published, err = manifest.Parse(text); err != nil {
		w.t.Fatalf("the manifest cannot be read back: %v", err)
	}
}

// announced is the timestamp in the manifest published last, 0 for none.
func (w *world) announced() int64 {
	if w.published == nil {
		return 0
	}
	return w.published.Trees["centos"].Timestamp
}

func verdictOf(t tester, d Decision, id string) Verdict {
	t.Helper()
	for _, v := range d.Verdicts {
		if v.Server == id {
			return v
		}
	}
	t.Fatalf("no verdict of %s", id)
	return Verdict{}
}

// listed returns the ids of the sources.
func listed(m *manifest.Manifest) []string {
	var ids []string
	for _, s := range m.Sources {
		ids = append(ids, s.ID)
	}
	return ids
}
