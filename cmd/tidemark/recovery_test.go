package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tidemark/client"
	"tidemark/internal/lab"
	"tidemark/internal/strictjson"
	"tidemark/keys"
	"tidemark/manifest"
	"tidemark/quorum"
)

// theft is a world in which somebody has the online keys: he has put the largest serial there is and a tree from the far future
// on the site and its copy, and reserved what comes next.
type theft struct {
	*trustWorld
	genuine *manifest.Manifest // published last
}

const farFuture = 4102444800

func newTheft(t *testing.T, copies ...string) *theft {
	t.Helper()
	w := &theft{trustWorld: newTrustWorld(t)}
	w.settings(strings.Join(copies, ""))
	w.genuine = w.good(100)
	w.now = w.now.Add(time.Minute)
	w.pub.At(w.now)
	m := &manifest.Manifest{Serial: manifest.MaxSerial, Trees: map[string]manifest.Tree{"centos": {Timestamp: farFuture, TimeFile: "TIME", Admit: manifest.FullAdmission, Nodes: manifest.Nodes{Verified: 1, Counted: 1, Quorum: 1}}}}
	if err := w.pub.Publish(m); err != nil {
		t.Fatal(err)
	}
	bundle := must(os.ReadFile(filepath.Join(w.pub.Site, client.BundleFile)))
	for n := int64(1000); n < 1003; n++ {
		if err := w.pub.Lay(manifest.SerialPath(n)+client.BundleFile, bundle); err != nil {
			t.Fatal(err)
		}
	}
	w.now = w.now.Add(time.Minute)
	return w
}

// recover makes the next trust version: other online keys, the old ones revoked, the serials anew from 1000 on.
func (w *theft) recover(change func(*keys.Trust)) {
	w.Helper()
	ed := must2(lab.TestMinisign(2)).Key()
	ed.Holder = "publisher"
	w.write("net/trust.json", string(w.version(2, "", w.pub.Roots, func(t *keys.Trust) {
		for i := range t.Manifest.Keys {
			t.Manifest.Keys[i].Revoked = t.Manifest.Keys[i].Kind == keys.Minisign
		}
		t.Manifest.Keys = append(t.Manifest.Keys, ed)
		t.ResetSerial, t.MinSerial = true, 1000
		if change != nil {
			change(t)
		}
	})))
	secret := must(os.ReadFile(filepath.Join("..", "..", "internal", "lab", "testdata", "test-only-minisign-2.key")))
	if err := os.WriteFile(w.pub.MinisignKey, secret, 0o600); err != nil {
		w.Fatal(err)
	}
}

// look is a mirror's look at the site, by what it pinned at first.
func (w *theft) look(state string, pinned []byte) (*client.View, error) {
	w.Helper()
	origin, err := client.NewOrigin(w.pub.Site)
	if err != nil {
		w.Fatal(err)
	}
	return client.Look(w.Context(), client.LookOptions{Origin: origin, State: state, Network: "centos", Trust: pinned, Now: w.clock})
}

// The whole recovery: a mirror that had accepted the thief's manifest reaches the genuine one, and so does one that had not.
func TestRecovery(t *testing.T) {
	w := newTheft(t, ", {dir: copy}")
	pinned := w.version(1, "", w.pub.Roots, nil)
	deceived, other := t.TempDir(), t.TempDir()
	if v, err := w.look(deceived, pinned); err != nil || v.Opened.Manifest.Serial != manifest.MaxSerial {
		t.Fatalf("the thief's manifest was not accepted: %v", err)
	}
	if err := errors.Join(os.RemoveAll(filepath.Join(w.dir, "copy")), copyTree(w.pub.Site, filepath.Join(w.dir, "copy"))); err != nil {
		t.Fatal(err)
	}
	// The publisher itself takes it for its predecessor: it verifies. What its memory heeds is forgotten again.
	if _, code, errs := w.release(101); code == 0 || !strings.Contains(errs, "--reset-serial") {
		t.Errorf("exit code %d: %s", code, errs)
	}
	w.write("state/memory.json", string(must(quorum.EncodeMemory(quorum.Memory{Schema: quorum.MemorySchema, Trees: map[string]quorum.TreeMemory{
		"centos": {Announced: farFuture, Recorded: []quorum.Recorded{{Timestamp: 100, At: strictjson.At(w.now)}, {Timestamp: farFuture, At: strictjson.At(w.now), Recalled: true}}},
	}}))))
	w.recover(nil)
	m := w.good(101)
	if m.Serial != 1003 || m.Previous != "" || m.TrustVersion != 2 {
		t.Errorf("published %+v, expected the first free serial from 1000 on, without a predecessor", m)
	}
	mem := must2(quorum.LoadMemory(must(os.ReadFile(filepath.Join(w.dir, "state", "memory.json")))))
	if tm := mem.Trees["centos"]; tm.Announced != 0 || len(tm.Recorded) != 1 || tm.Recorded[0].Timestamp != 100 {
		t.Errorf("the memory is %+v", tm)
	}
	for _, site := range []string{"net/site", "copy"} {
		bundle := must(os.ReadFile(filepath.Join(w.dir, site, client.BundleFile)))
		if !bytes.Equal(bundle, must(os.ReadFile(filepath.Join(w.dir, site, "m/1003", client.BundleFile)))) {
			t.Errorf("%s does not have serial 1003", site)
		}
	}
	for name, state := range map[string]string{"deceived": deceived, "other": other} {
		v, err := w.look(state, pinned)
		if err != nil || v.Opened.Manifest.Serial != 1003 || !v.Fresh {
			t.Errorf("the mirror that was %s: %+v, %v", name, v, err)
		}
	}
	// Once: the next publication goes on from there.
	w.now = w.now.Add(time.Minute)
	if m := w.good(102); m.Serial != 1004 || m.Previous == "" {
		t.Errorf("published %+v, expected serial 1004", m)
	}
	// The thief can still write to the bucket: his pointer, put back, is void.
	w.pub.At(w.now.Add(time.Minute))
	if err := w.pub.LayBundle(manifest.MaxSerial, must(os.ReadFile(filepath.Join(w.pub.Site, manifest.SerialPath(manifest.MaxSerial), client.BundleFile)))); err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(2 * time.Minute)
	if m := w.good(103); m.Serial != 1005 {
		t.Errorf("published %+v, expected serial 1005", m)
	}
}

// The keys stay: the operator himself had published a serial too high.
func TestRecovery_SameKeys(t *testing.T) {
	w := newTheft(t)
	w.write("net/trust.json", string(w.version(2, "", w.pub.Roots, func(t *keys.Trust) { t.ResetSerial, t.MinSerial = true, 50 })))
	if m := w.good(101); m.Serial != 50 || m.Previous != "" {
		t.Errorf("published %+v", m)
	}
	w.now = w.now.Add(time.Minute)
	if m := w.good(102); m.Serial != 51 || m.Previous == "" {
		t.Errorf("published %+v", m)
	}
}

// A second host whose state has the thief's serial comes after the first has recovered: it takes what is genuine, and resets nothing.
func TestRecovery_SecondHost(t *testing.T) {
	w := newTheft(t)
	w.release(101) // takes over the thief's
	if err := copyTree(filepath.Join(w.dir, "state"), filepath.Join(w.dir, "second")); err != nil {
		t.Fatal(err)
	}
	installed := must(os.ReadFile(w.pub.TrustFile))
	w.recover(nil)
	w.good(101)
	if err := os.RemoveAll(filepath.Join(w.dir, "state")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(w.dir, "second"), filepath.Join(w.dir, "state")); err != nil {
		t.Fatal(err)
	}
	w.write("net/trust.json", string(installed))
	w.now = w.now.Add(time.Minute)
	if m := w.good(102); m.Serial != 1004 || m.Previous == "" || m.TrustVersion != 2 {
		t.Errorf("published %+v, expected serial 1004 after 1003", m)
	}
}

// Our own copy, signed by a key that is revoked now, is never put back: not to the authority, not to a copy, not from a reservation.
func TestRevoked_NeverPutBack(t *testing.T) {
	w := newTheft(t, ", {dir: copy}") // the thief's is there; ours is in the state
	for _, dir := range []string{"copy", "net/site/m/9007199254740991", "net/site/manifest.bundle.json", "net/site/latest.json", "net/site/latest.txt"} {
		if err := os.RemoveAll(filepath.Join(w.dir, dir)); err != nil {
			t.Fatal(err)
		}
	}
	w.recover(func(t *keys.Trust) { t.ResetSerial, t.MinSerial = false, 0 })
	w.at(func(ctx context.Context, p *publisher) error {
		_, prev, err := p.begin(ctx, false)
		if err != nil || prev == nil || !prev.outdated {
			t.Errorf("the predecessor is %+v, %v, expected the own copy, outdated", prev, err)
		}
		return p.copyTo(ctx, p.cfg.Publish[1])
	})
	for _, name := range []string{"net/site/manifest.bundle.json", "net/site/latest.json", "copy/manifest.bundle.json"} {
		if w.has(name) {
			t.Errorf("%s was put back", name)
		}
	}
	if !w.has("net/site/trust/2.json") || !w.has("copy/trust/2.json") {
		t.Error("the revocation was not put")
	}
}

// A publisher that was away for a month goes on where it was: above its last serial, under the trust that was renewed meanwhile.
func TestAway_ForAMonth(t *testing.T) {
	w := newTrustWorld(t)
	first := w.good(100)
	w.now = w.now.Add(31 * 24 * time.Hour)
	if m := w.good(101); m.Serial != first.Serial+1 || m.Previous == "" || !m.Expires.After(w.now) {
		t.Errorf("published %+v", m)
	}
	// The trust itself has ended: nothing is published, and it is said what to do; the renewed one is enough.
	w.now = w.first.Expires.Add(24 * time.Hour)
	if _, code, errs := w.release(102); code != 4 || !strings.Contains(errs, fmt.Sprintf("trust version %d", w.first.Version)) {
		t.Errorf("exit code %d: %s", code, errs)
	}
	w.write("net/trust.json", string(w.version(2, "", w.pub.Roots, func(t *keys.Trust) { t.Expires = strictjson.At(w.now.Add(300 * 24 * time.Hour)) })))
	if m := w.good(103); m.TrustVersion != 2 || m.Previous == "" {
		t.Errorf("published %+v", m)
	}
}

func copyTree(from, to string) error {
	return os.CopyFS(to, os.DirFS(from))
}
