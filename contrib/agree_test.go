package contrib_test

import (
	"encoding/csv"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tidemark/client"
	"tidemark/internal/geo"
	"tidemark/internal/rsyncurl"
	"tidemark/internal/strictjson"
	"tidemark/manifest"
)

const (
	agreeManifests = 200
	agreeMirrors   = 10_000
	agreeTree      = "centos"
)

// agreeStart is the clock of the generated networks.
var agreeStart = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)

// TestAgree: Go and shell take the same decision, admission and order. The whole is 200 manifests and 10,000 mirrors, each
// mirror at one of the manifests, 50 to each. Here a share of them runs, and all of them in TestSoakAgree.
func TestAgree(t *testing.T) { agree(t, 5, 1) }

// TestSoakAgree is the whole.
func TestSoakAgree(t *testing.T) { agree(t, soak(t, 1), agreeMirrors/agreeManifests) }

// agree asks Go and shell for `mirrors` mirrors at every step-th manifest.
func agree(t *testing.T, step, mirrors int) {
	t.Parallel()
	needScriptTools(t)
	servers := readServers(t)
	var seen tally
	began := time.Now()
	work := make(chan int)
	var workers sync.WaitGroup
	for range 2 {
		dir := shortLived(t)
		workers.Go(func() {
			for n := range work {
				agreeOn(t, dir, n, mirrors, servers, &seen)
			}
		})
	}
	for n := 0; n < agreeManifests; n += step {
		work <- n
	}
	close(work)
	workers.Wait()
	t.Logf("%d mirrors at %d manifests, %d sources ranked, %v; %v", seen.pairs, (agreeManifests+step-1)/step, seen.sources, seen.actions, time.Since(began).Round(time.Second))
	for _, a := range []client.Action{client.InDate, client.Sync, client.Hold, client.Gone} {
		if seen.actions[a] == 0 {
			t.Errorf("no mirror had to decide %q: the manifests do not vary enough", a)
		}
	}
	for tier := manifest.TierASN; tier <= manifest.TierFar; tier++ {
		if seen.tiers[tier] == 0 {
			t.Errorf("no source was of tier %d: the manifests do not vary enough", tier)
		}
	}
}

// shortLived is a directory in memory, where there is one: each order makes hundreds of files.
func shortLived(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "tidemark-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// tally counts what was met.
type tally struct {
	mu      sync.Mutex
	actions map[client.Action]int
	tiers   map[int]int
	sources int
	pairs   int
}

func (c *tally) add(d client.Decision, ranked []manifest.Ranked) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.actions == nil {
		c.actions, c.tiers = map[client.Action]int{}, map[int]int{}
	}
	c.actions[d.Action]++
	c.pairs++
	c.sources += len(ranked)
	for _, r := range ranked {
		c.tiers[r.Tier]++
	}
}

// agreeOn makes manifest n and compares what both say of it. dir is the worker's own.
func agreeOn(t *testing.T, dir string, n, mirrors int, servers []manifest.Source, seen *tally) {
	rng := rand.New(rand.NewPCG(1, uint64(n)))
	m := generate(rng, n, servers)
	text, err := manifest.Encode(m)
	if err != nil {
		t.Errorf("manifest %d: %v", n, err)
		return
	}
	file := filepath.Join(dir, "manifest.json")
	if err := os.WriteFile(file, text, 0o644); err != nil {
		t.Error(err)
		return
	}
	for i := range mirrors {
		x := generateMirror(rng, m, n*agreeMirrors/agreeManifests+i)
		d := client.Decide(m, agreeTree, x.client.ID, x.held, x.behind(), x.now)
		ranked := client.Choose(m, agreeTree, x.client)
		seen.add(d, ranked)
		want := wording(d, ranked, x)
		got, err := x.ask(dir, file)
		if err != nil || got != want {
			t.Errorf("manifest %d, mirror %+v: %v\n-Go +shell\n%s", n, x, err, cmp.Diff(want, got))
			return
		}
	}
}

// wording is the answer in the words of the script's `decide`.
func wording(d client.Decision, ranked []manifest.Ranked, x mirror) string {
	var b strings.Builder
	since := int64(0)
	if d.Behind != nil {
		since = d.Behind.Since.Unix()
	} else if d.Action == client.Gone {
		since = x.now.Unix()
	}
	fmt.Fprintf(&b, "%s %d %d %d %d %d\n", d.Action, d.Announced, d.Held, since, d.Admitted, d.Place)
	for _, r := range ranked {
		del, family := "no", "-"
		if r.Source.Kind == manifest.KindNode || r.Tree.Depth == manifest.DepthListing {
			del = "yes"
		}
		switch {
		case len(x.client.Families) == 1:
			family = fmt.Sprint(x.client.Families[0])
		case len(r.Tree.Families) == 1:
			family = fmt.Sprint(r.Tree.Families[0])
		}
		fmt.Fprintf(&b, "%d\t%d\t%s\t%s\t%d\t%s\t%s\t%s\n", r.Tier, r.Near, r.Score, r.Source.ID, r.Tree.Timestamp, del, family, r.Tree.URL)
	}
	return b.String()
}

// mirror is one that asks, with its state.
type mirror struct {
	client manifest.Client
	held   int64
	since  int64 // 0: nothing remembered
	now    time.Time
}

func (x mirror) behind() *client.Behind {
	if x.since == 0 {
		return nil
	}
	return &client.Behind{Since: strictjson.At(time.Unix(x.since, 0))}
}

// ask is the script's answer.
func (x mirror) ask(dir, file string) (string, error) {
	conf := filepath.Join(dir, "mirror.conf")
	family, asn, since := "", "", ""
	if len(x.client.Families) == 1 {
		family = fmt.Sprint(x.client.Families[0])
	}
	if x.client.ASN != 0 {
		asn = fmt.Sprint(x.client.ASN)
	}
	if x.since != 0 {
		since = fmt.Sprint(x.since)
	}
	text := fmt.Sprintf("NETWORK=centos TREE=%s ID=%s URL=https://127.0.0.1/ KEYRING=/k DIR=/d STATE='%s'\nCOUNTRY=%s CONTINENT=%s ASN=%s FAMILY=%s AVOID='%s'\n",
		agreeTree, x.client.ID, dir, x.client.Country, geo.Continent(x.client.Country), asn, family, strings.Join(x.client.Avoid, " "))
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		return "", err
	}
	r, err := start(nil, []string{fmt.Sprintf("NOW=%d", x.now.Unix()), fmt.Sprintf("HELD=%d", x.held), "SINCE=" + since}, conf, "decide", file)
	if err == nil && (r.code != 0 || r.stderr != "") {
		err = fmt.Errorf("the script: %v", r)
	}
	return r.stdout, err
}

// readServers reads the 263 rsync servers of a real network (a few URLs were mended) and makes 387 clones of them in other
// countries: 650 in all.
func readServers(t *testing.T) []manifest.Source {
	t.Helper()
	f, err := os.Open("testdata/servers.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var all []manifest.Source
	for _, row := range rows[1:] {
		all = append(all, server(t, row[0], row[1], row[2]))
	}
	for i := range 387 {
		row := rows[1+i%(len(rows)-1)]
		country := rows[1+(i*7+3)%(len(rows)-1)][1]
		all = append(all, server(t, fmt.Sprintf("clone%d.%s", i, row[0]), country, fmt.Sprintf("rsync://clone%d.%s", i, strings.TrimPrefix(row[2], "rsync://"))))
	}
	if len(all) != 650 {
		t.Fatalf("%d servers, expected 650", len(all))
	}
	return all
}

func server(t *testing.T, id, country, url string) manifest.Source {
	t.Helper()
	u, err := rsyncurl.Parse(url)
	if err != nil {
		t.Fatal(err)
	}
	return manifest.Source{ID: id, Kind: manifest.KindMirror, Country: country, Continent: geo.Continent(country),
		Trees: map[string]manifest.SourceTree{agreeTree: {URL: u}}}
}

// generate makes manifest n of the servers: which are listed, and everything that a decision and an order depend on, vary.
func generate(rng *rand.Rand, n int, servers []manifest.Source) *manifest.Manifest {
	announced := agreeStart.Unix() - rng.Int64N(1e8)
	at := strictjson.At(agreeStart)
	m := &manifest.Manifest{Schema: manifest.Schema, Network: "centos", Serial: int64(n + 1), Issued: at, Expires: strictjson.At(agreeStart.Add(24 * time.Hour)),
		TrustVersion: 1, Trees: map[string]manifest.Tree{}, Policy: manifest.Policy{CheckInterval: 300, MaxHold: pick(rng, 1, 7200, 86400, 1+rng.Int64N(1e6)), Nearby: nearby(rng)}}
	tree := manifest.Tree{Timestamp: announced, Announced: at, TimeFile: "TIME", Admit: pick(rng, 0, 0, 1e6, 999_999, rng.Int64N(1e6), rng.Int64N(1e6)),
		Anchors: []manifest.Anchor{{Path: "7/os/x86_64/repodata/repomd.xml", Size: 3735, SHA256: strings.Repeat("0f", 32)}}}
	for range rng.IntN(4) {
		last := announced
		if k := len(tree.Later); k > 0 {
			last = tree.Later[k-1].Timestamp
		}
		tree.Later = append(tree.Later, manifest.Later{Timestamp: last + 1 + rng.Int64N(1e5), Anchors: tree.Anchors})
	}
	m.Trees["vault"] = tree
	if n%40 != 35 {
		m.Trees[agreeTree] = tree
		m.Sources = generateSources(rng, tree, servers)
	}
	return m
}

func nearby(rng *rand.Rand) map[string][]string {
	table := geo.Nearby()
	for country := range table {
		if rng.IntN(10) == 0 {
			delete(table, country)
		}
	}
	return table
}

func generateSources(rng *rand.Rand, tree manifest.Tree, servers []manifest.Source) []manifest.Source {
	var list []manifest.Source
	listed := pick(rng, 1.0, 1.0, 0.8, 0.3, 0.02)
	for _, s := range servers {
		if rng.Float64() >= listed {
			continue
		}
		st := s.Trees[agreeTree]
		st.Timestamp, st.Since = tree.Timestamp, tree.Announced
		if k := len(tree.Later); k > 0 && rng.IntN(3) == 0 {
			st.Timestamp = tree.Later[rng.IntN(k)].Timestamp
		}
		st.Depth = pick(rng, manifest.DepthTime, manifest.DepthAnchors, manifest.DepthListing)
		st.Families = pick(rng, []int{4}, []int{6}, []int{4, 6}, []int{4, 6})
		s.Trees = map[string]manifest.SourceTree{agreeTree: st}
		s.Slots = rng.IntN(manifest.MaxSlots + 1)
		s.ASN = pick(rng, 0, 64500+rng.Int64N(30), rng.Int64N(1<<32))
		if rng.IntN(50) == 0 {
			s.Kind = manifest.KindNode
		}
		if rng.IntN(20) == 0 {
			s.Country, s.Continent = "", ""
		}
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b manifest.Source) int { return strings.Compare(a.ID, b.ID) })
	return list
}

// generateMirror makes mirror i of the 10,000, which asks about m.
func generateMirror(rng *rand.Rand, m *manifest.Manifest, i int) mirror {
	x := mirror{now: agreeStart.Add(time.Duration(rng.Int64N(7200)) * time.Second)}
	x.client = manifest.Client{ID: fmt.Sprintf("mirror-%d.example.org", i), Country: pick(rng, "FI", "US", "DE", "BR", "KE", "AU", "IN", "ZA", "TR", "RU", "IS", "AQ", "", "GB"),
		ASN: pick(rng, 0, 64500+rng.Int64N(30)), Families: pick(rng, nil, nil, []int{4}, []int{6})}
	if k := len(m.Sources); k > 0 {
		if rng.IntN(5) == 0 { // one of the sources asks
			s := m.Sources[rng.IntN(k)]
			x.client.ID, x.client.Country, x.client.ASN = s.ID, s.Country, s.ASN
		}
		for range rng.IntN(4) {
			x.client.Avoid = append(x.client.Avoid, m.Sources[rng.IntN(k)].ID)
		}
	}
	announced := m.Trees["vault"].Timestamp
	x.held = pick(rng, 0, announced, announced+1, announced+rng.Int64N(1e6), announced-1, announced-1-rng.Int64N(1e6), announced-1-rng.Int64N(1e6))
	x.since = pick(rng, 0, x.now.Unix(), x.now.Unix()+1, x.now.Unix()-1-rng.Int64N(1e5), x.now.Unix()-m.Policy.MaxHold, x.now.Unix()-rng.Int64N(m.Policy.MaxHold))
	return x
}

func pick[T any](rng *rand.Rand, from ...T) T { return from[rng.IntN(len(from))] }
