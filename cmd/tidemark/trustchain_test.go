package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tidemark/internal/console"
	"tidemark/internal/lab"
	"tidemark/internal/strictjson"
	"tidemark/keys"
	"tidemark/manifest"
	"tidemark/sign"
)

// trustWorld is a publisher with a directory for a site, whose trust versions a test makes by hand.
type trustWorld struct {
	*beaconWorld
	first keys.Trust // version 1, installed
}

func newTrustWorld(t *testing.T) *trustWorld {
	t.Helper()
	w := &trustWorld{beaconWorld: newBeaconPublisher(t)}
	w.first = *w.pub.Trust
	w.settings("")
	w.write("inventory.yaml", "- {id: node-1, kind: node, country: DE, trees: {centos: rsync://127.0.0.1:9/centos/}}\n")
	w.write("state/site.json", fmt.Sprintf("{\"schema\": %q, \"serial\": 0, \"published\": 0}\n", siteSchema))
	return w
}

// settings writes a configuration without a beacon, and with copies of the site.
func (w *trustWorld) settings(copies string) {
	w.Helper()
	os.MkdirAll(filepath.Join(w.dir, "state"), 0o700)
	w.write("tidemark.yaml", fmt.Sprintf(`network: centos
state: state
inventory: [inventory.yaml]
trees:
  centos: {master: lab/master/centos, anchors: [%q], quorum: majority}
sign: {openpgp: {key: %s}, ed25519: {key: %s}}
trust: net/trust.json
publish: [{dir: net/site}%s]
settle: 1s
probe: {timeout: 5s, allow_private: true, spot: 0}
`, lab.Anchors()[0], w.pub.OpenPGPKey, w.pub.MinisignKey, copies))
}

// version makes trust.json of a version, changed, signed by these roots; comment tells signatures apart.
func (w *trustWorld) version(n int64, comment string, roots []sign.Signer, change func(*keys.Trust)) []byte {
	w.Helper()
	t := w.first
	t.Version = n
	t.Root.Keys, t.Manifest.Keys = slices.Clone(t.Root.Keys), slices.Clone(t.Manifest.Keys)
	if change != nil {
		change(&t)
	}
	payload, err := t.Encode()
	if err != nil {
		w.Fatal(err)
	}
	env := sign.Envelope{Payload: payload}
	for _, r := range roots {
		sig, err := r.Sign(context.Background(), sign.Request{Payload: payload, Comment: comment})
		if err != nil {
			w.Fatal(err)
		}
		env.Signatures = append(env.Signatures, sig)
	}
	return must(env.Encode())
}

// foreign is a version of another chain.
func (w *trustWorld) foreign(n int64) []byte {
	w.Helper()
	s, err := lab.TestMinisign(4)
	if err != nil {
		w.Fatal(err)
	}
	k := s.Key()
	return w.version(n, "another chain", []sign.Signer{s}, func(t *keys.Trust) {
		t.Root.Keys = []keys.RootKey{{Holder: "root-4", Key: k.Key, Public: k.Public}}
	})
}

func (w *trustWorld) put(dir string, versions map[int64][]byte) {
	w.Helper()
	for v, b := range versions {
		if err := os.MkdirAll(filepath.Join(w.dir, dir, "trust"), 0o755); err != nil {
			w.Fatal(err)
		}
		w.write(filepath.Join(dir, trustName(v)), string(b))
	}
}

// at opens the publisher and hands it to a part.
func (w *trustWorld) at(part func(context.Context, *publisher) error, flags ...string) (code int, errs string) {
	w.Helper()
	code, out, errs := w.program(append([]string{"part"}, flags...), func(c *console.Call) error {
		p, err := openPublisher(c, false)
		if err != nil {
			return err
		}
		defer p.close()
		return part(c.Context.Context, p)
	})
	w.Logf("exit %d\n%s%s", code, out, errs)
	return code, errs
}

// What is installed against what was worked with.
func TestNewestTrust(t *testing.T) {
	w := newTrustWorld(t)
	roots := w.pub.Roots
	v := map[int64][]byte{}
	for n := int64(1); n <= 4; n++ {
		v[n] = w.version(n, "published", roots, nil)
	}
	longer := func(t *keys.Trust) { t.Expires = strictjson.At(t.Expires.Add(time.Hour)) }
	some := func(n ...int64) map[int64][]byte {
		out := map[int64][]byte{}
		for _, n := range n {
			out[n] = v[n]
		}
		return out
	}
	damaged := some(1, 2, 3)
	damaged[2] = []byte("{\n")
	for _, c := range []struct {
		name       string
		kept, site map[int64][]byte
		installed  []byte
		flags      []string
		judges     int64  // 0: refused
		says       string // in what is printed
		keeps      []int64
	}{
		{name: "the first", installed: v[1], judges: 1, keeps: []int64{1}},
		{name: "the same", kept: some(1), installed: v[1], judges: 1},
		{name: "other signatures", kept: some(1), installed: w.version(1, "of another holder", roots, nil), judges: 1},
		{name: "other payload", kept: some(1), installed: w.version(1, "", roots, longer), says: "is another version 1"},
		{name: "other payload, bootstrap", kept: some(1), installed: w.version(1, "", roots, longer), flags: []string{"--bootstrap"}, says: "is another version 1"},
		{name: "higher by one", kept: some(1), installed: v[2], judges: 2, keeps: []int64{1, 2}},
		{name: "higher by more, steps at the authority", kept: some(1), site: some(2, 3), installed: v[4], judges: 4, keeps: []int64{1, 2, 3, 4}},
		{name: "higher by more, a step is missing", kept: some(1), site: some(2), installed: v[4], says: "version 3 is missing"},
		{name: "does not follow", kept: some(1), installed: w.foreign(2), says: "does not follow from version 1"},
		{name: "a new chain", kept: some(1), installed: w.foreign(5), flags: []string{"--bootstrap"}, judges: 5, says: "begins a new chain", keeps: []int64{1, 5}},
		{name: "a new chain from below", kept: some(3), installed: w.foreign(2), flags: []string{"--bootstrap"}, says: "cannot be reached"},
		{name: "lower", kept: some(1, 2, 3), installed: v[1], judges: 3, says: "trust/3.json"},
		{name: "lower, the steps between at the authority", kept: some(3), site: some(2), installed: v[1], judges: 3, says: "trust/3.json", keeps: []int64{1, 2, 3}},
		{name: "lower, no way up", kept: some(3), installed: v[1], says: "cannot be reached"},
		{name: "a damaged step is had from the authority", kept: damaged, site: some(2), installed: v[1], judges: 3, says: "set aside", keeps: []int64{1, 2, 3}},
		{name: "a damaged step that nobody has", kept: damaged, installed: v[1], says: "version 2 is missing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, dir := range []string{"state/trust", "net/site/trust"} {
				if err := os.RemoveAll(filepath.Join(w.dir, dir)); err != nil {
					t.Fatal(err)
				}
			}
			w.put("state", c.kept)
			w.put("net/site", c.site)
			w.write("net/trust.json", string(c.installed))
			var judges int64
			code, errs := w.at(func(_ context.Context, p *publisher) error { judges = p.trust.Version; return nil }, c.flags...)
			if c.judges == 0 && code != console.Refused || c.judges > 0 && code != console.Done || judges != c.judges || !strings.Contains(errs, c.says) {
				t.Errorf("exit code %d, version %d judges, said %s", code, judges, errs)
			}
			for _, n := range c.keeps {
				if _, err := os.Stat(filepath.Join(w.dir, "state", trustName(n))); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// decided is what a run decides on.
func (w *trustWorld) decided(p *publisher, timestamp int64) *manifest.Manifest {
	return &manifest.Manifest{Schema: manifest.Schema, Network: "centos", Policy: lab.Policy(), Sources: []manifest.Source{}, Trees: map[string]manifest.Tree{"centos": {Timestamp: timestamp, TimeFile: "TIME",
		Announced: strictjson.At(p.Now()), Admit: manifest.FullAdmission, Nodes: manifest.Nodes{Verified: 1, Counted: 1, Quorum: 1}, Anchors: []manifest.Anchor{}}}}
}

// release is what a run does that has decided on these timestamps.
func (w *trustWorld) release(timestamp int64, flags ...string) (m *manifest.Manifest, code int, errs string) {
	w.Helper()
	w.now = w.now.Add(time.Second)
	code, errs = w.at(func(ctx context.Context, p *publisher) error {
		s, prev, err := p.begin(ctx, p.Bool("bootstrap"))
		if err != nil {
			return err
		}
		m = w.decided(p, timestamp)
		if _, err := p.releaseByNewest(ctx, m, &round{site: s, prev: prev}); err != nil {
			return err
		}
		for _, t := range p.cfg.Publish[1:] {
			if err := p.copyTo(ctx, t); err != nil {
				return err
			}
		}
		return nil
	}, flags...)
	return m, code, errs
}

func (w *trustWorld) good(timestamp int64, flags ...string) *manifest.Manifest {
	w.Helper()
	m, code, errs := w.release(timestamp, flags...)
	if code != 0 {
		w.Fatalf("exit code %d: %s", code, errs)
	}
	return m
}

func (w *trustWorld) has(name string) bool {
	_, err := os.Stat(filepath.Join(w.dir, name))
	return err == nil
}

// A revocation is at the site and its copies within one run, whatever becomes of the rest of it; files of keys that are exported
// no more are gone.
func TestGround_FirstOfAll(t *testing.T) {
	w := newTrustWorld(t)
	w.settings(", {dir: copy}")
	second := must2(lab.TestMinisign(2))
	if err := w.pub.NextTrust(func(t *keys.Trust) {
		k := second.Key()
		k.Holder = "second"
		t.Manifest.Keys = append(t.Manifest.Keys, k)
	}); err != nil {
		t.Fatal(err)
	}
	w.good(100)
	left := "keys/centos." + second.Key().Key + ".pub"
	if !w.has("net/site/"+left) || !w.has("copy/"+left) {
		t.Fatalf("%s is not exported", left)
	}
	next := *w.pub.Trust
	w.first = next
	w.write("net/trust.json", string(w.version(next.Version+1, "", w.pub.Roots, func(t *keys.Trust) {
		for i := range t.Manifest.Keys {
			t.Manifest.Keys[i].Revoked = t.Manifest.Keys[i].Key == second.Key().Key
		}
	})))
	if err := os.Remove(w.pub.MinisignKey); err != nil { // the run cannot publish
		t.Fatal(err)
	}
	if _, code, _ := w.release(101); code == 0 {
		t.Fatal("the run did not fail")
	}
	for _, site := range []string{"net/site", "copy"} {
		if !w.has(site+"/"+trustName(next.Version+1)) || w.has(site+"/"+left) {
			t.Errorf("%s: the revocation is not there, or %s still is", site, left)
		}
	}
}

func must2[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// Whoever can write to the site cannot keep a trust version out by putting something else in its place.
func TestGround_ForgedStep(t *testing.T) {
	w := newTrustWorld(t)
	w.good(100)
	w.put("net/site", map[int64][]byte{2: w.foreign(2), 3: []byte("no trust\n")})
	genuine := w.version(2, "", w.pub.Roots, nil)
	w.write("net/trust.json", string(genuine))
	if m := w.good(101); m.TrustVersion != 2 {
		t.Errorf("published by version %d", m.TrustVersion)
	}
	if b := must(os.ReadFile(filepath.Join(w.dir, "net/site/trust/2.json"))); string(b) != string(genuine) {
		t.Error("the forged version is still there")
	}
}

// Another document of a version, by the root holders themselves, is a fork: it stays.
func TestGround_Fork(t *testing.T) {
	w := newTrustWorld(t)
	w.good(100)
	theirs := w.version(2, "", w.pub.Roots, func(t *keys.Trust) { t.MinSerial = 7 })
	w.put("net/site", map[int64][]byte{2: theirs})
	w.write("net/trust.json", string(w.version(2, "", w.pub.Roots, nil)))
	if _, code, errs := w.release(101); code != console.Refused || !strings.Contains(errs, "has other content") {
		t.Errorf("exit code %d: %s", code, errs)
	}
	if b := must(os.ReadFile(filepath.Join(w.dir, "net/site/trust/2.json"))); string(b) != string(theirs) {
		t.Error("it was overwritten")
	}
}

// Another host renewed the trust and published: this one walks the chain and goes on from there, with the old trust.json installed.
func TestReach_AnotherHost(t *testing.T) {
	w := newTrustWorld(t)
	installed := must(os.ReadFile(w.pub.TrustFile))
	w.good(100)
	for range 3 {
		if err := w.pub.NextTrust(nil); err != nil {
			t.Fatal(err)
		}
	}
	w.pub.At(w.now.Add(time.Minute))
	m := &manifest.Manifest{Serial: 9, Trees: map[string]manifest.Tree{"centos": {Timestamp: 101, TimeFile: "TIME", Admit: manifest.FullAdmission, Nodes: manifest.Nodes{Verified: 1, Counted: 1, Quorum: 1}}}}
	if err := w.pub.Publish(m); err != nil {
		t.Fatal(err)
	}
	w.write("net/trust.json", string(installed))
	w.now = w.now.Add(2 * time.Minute)
	m, code, errs := w.release(102)
	if code != 0 || m.Serial != 10 || m.TrustVersion != 4 || m.Previous == "" || !strings.Contains(errs, "cp ") {
		t.Errorf("exit code %d, %+v: %s", code, m, errs)
	}
	if !w.has("state/trust/3.json") || !w.has("state/trust/4.json") {
		t.Error("the steps were not kept")
	}
}

// A state that was lost does not put another chain in place of the one that is published.
func TestGround_LostState(t *testing.T) {
	w := newTrustWorld(t)
	w.good(100)
	if err := os.RemoveAll(filepath.Join(w.dir, "state")); err != nil {
		t.Fatal(err)
	}
	w.settings("")
	w.write("net/trust.json", string(w.foreign(2)))
	if _, code, errs := w.release(101); code != console.Refused || !strings.Contains(errs, "does not follow from version 1, which is published") {
		t.Errorf("exit code %d: %s", code, errs)
	}
	if _, code, errs := w.release(101, "--bootstrap"); code != 0 {
		t.Errorf("exit code %d: %s", code, errs)
	}
}
