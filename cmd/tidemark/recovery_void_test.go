package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tidemark/client"
	"tidemark/internal/console"
	"tidemark/keys"
	"tidemark/manifest"
	"tidemark/sign"
)

// point lays a pointer, as whoever can write to the site can, without any key.
func (w *trustWorld) point(site string, serial int64) *manifest.Pointer {
	w.Helper()
	p := manifest.PointTo(serial, strings.Repeat("ab", 32))
	w.write(site+"/latest.json", string(must(p.Encode())))
	w.write(site+"/latest.txt", p.Path+"\n")
	if err := os.MkdirAll(filepath.Join(w.dir, site, p.Path), 0o755); err != nil {
		w.Fatal(err)
	}
	return &p
}

// published holds what the site shows against a serial.
func (w *trustWorld) published(site string, serial int64) {
	w.Helper()
	p := must2(manifest.ParsePointer(must(os.ReadFile(filepath.Join(w.dir, site, "latest.json")))))
	bundle := string(must(os.ReadFile(filepath.Join(w.dir, site, client.BundleFile))))
	if p.Serial != serial || bundle != string(must(os.ReadFile(filepath.Join(w.dir, site, manifest.SerialPath(serial), client.BundleFile)))) {
		w.Errorf("%s: the pointer names serial %d, expected %d and its bundle", site, p.Serial, serial)
	}
}

// A pointer is signed by nobody: one with the largest serial, and nothing behind it, stops nothing, here and at copies.
func TestVoid_PointerAlone(t *testing.T) {
	for name, bundle := range map[string]string{"nothing": "", "oversize": strings.Repeat("x", sign.MaxBundle+1), "junk": "junk"} {
		t.Run(name, func(t *testing.T) {
			w := newTrustWorld(t)
			w.settings(", {dir: copy}")
			w.good(100)
			for _, site := range []string{"net/site", "copy"} {
				if p := w.point(site, manifest.MaxSerial); bundle != "" {
					w.write(site+"/"+p.Path+client.BundleFile, bundle)
				}
			}
			m, code, errs := w.release(101)
			if code != 0 || m.Serial != 2 || m.Previous == "" || strings.Contains(errs, "--reset-serial") {
				t.Errorf("exit code %d, %+v: %s", code, m, errs)
			}
			w.published("net/site", 2)
			w.published("copy", 2)
			w.point("net/site", manifest.MaxSerial)
			w.write("net/trust.json", string(w.version(2, "", w.pub.Roots, func(t *keys.Trust) { t.ResetSerial, t.MinSerial = true, 1000 })))
			if m, code, errs := w.release(102); code != 0 || m.Serial != 1000 {
				t.Errorf("after a reset: exit code %d, %+v: %s", code, m, errs)
			}
		})
	}
}

// Below it lies what another host published last, which readers have: the fixed copy tells, and no serial is given twice.
func TestVoid_FixedCopyCounts(t *testing.T) {
	for name, void := range map[string]bool{"its own pointer": false, "a false pointer": true} {
		t.Run(name, func(t *testing.T) {
			w := newTrustWorld(t)
			w.good(100)
			if err := copyTree(filepath.Join(w.dir, "state"), filepath.Join(w.dir, "second")); err != nil {
				t.Fatal(err)
			}
			w.good(101)
			if err := os.RemoveAll(filepath.Join(w.dir, "state")); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(filepath.Join(w.dir, "second"), filepath.Join(w.dir, "state")); err != nil {
				t.Fatal(err)
			}
			if err := os.RemoveAll(filepath.Join(w.dir, "net/site/m/2")); err != nil {
				t.Fatal(err)
			}
			if void {
				w.point("net/site", 77)
			}
			if m := w.good(102); m.Serial != 3 || m.Previous == "" {
				t.Errorf("published %+v, expected serial 3 after 2", m)
			}
			w.published("net/site", 3)
		})
	}
}

// A reset with min_serial above what is published, and the same keys: what stands there is below it, and counts for nobody.
func TestReset_KeysStay(t *testing.T) {
	w := newTrustWorld(t)
	w.good(100)
	w.write("net/trust.json", string(w.version(2, "", w.pub.Roots, func(t *keys.Trust) { t.ResetSerial, t.MinSerial = true, 1000 })))
	if m := w.good(101); m.Serial != 1000 || m.Previous != "" {
		t.Errorf("published %+v", m)
	}
	w.write("net/trust.json", string(w.version(3, "", w.pub.Roots, func(t *keys.Trust) { t.MinSerial = 1000 })))
	if m := w.good(102); m.Serial != 1001 || m.Previous == "" {
		t.Errorf("published %+v", m)
	}
}

// With the keys kept, what was published before the reset may name any trust version, and any time.
func TestReset_WhateverItNamed(t *testing.T) {
	for name, change := range map[string]func(*trustWorld, *manifest.Manifest){
		"a trust version that nobody made": func(_ *trustWorld, m *manifest.Manifest) { m.TrustVersion = 1e6 },
		"a time to come":                   func(w *trustWorld, m *manifest.Manifest) { w.pub.At(w.now.Add(1000 * time.Hour)) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newTrustWorld(t)
			w.good(100)
			m := &manifest.Manifest{Serial: 5000, Trees: map[string]manifest.Tree{"centos": {Timestamp: 200, TimeFile: "TIME", Admit: manifest.FullAdmission, Nodes: manifest.Nodes{Verified: 1, Counted: 1, Quorum: 1}}}}
			change(w, m)
			if err := w.pub.Publish(m); err != nil {
				t.Fatal(err)
			}
			if _, code, errs := w.release(101); code != console.Refused && name == "a trust version that nobody made" {
				t.Errorf("before the reset: exit code %d: %s", code, errs)
			}
			w.write("net/trust.json", string(w.version(2, "", w.pub.Roots, func(t *keys.Trust) { t.ResetSerial, t.MinSerial = true, 10 })))
			if m := w.good(101); m.Serial != 10 || m.Previous != "" {
				t.Errorf("published %+v", m)
			}
		})
	}
}

// A host that was forgotten in a renewal publishes nothing over a genuine manifest of the newer version.
func TestBehind_SecondHost(t *testing.T) {
	prepare := func(t *testing.T, next func(w *trustWorld) []byte, flags ...string) (w *trustWorld, newest []byte) {
		w = newTrustWorld(t)
		w.good(100)
		one := must(os.ReadFile(w.pub.TrustFile))
		if err := copyTree(filepath.Join(w.dir, "state"), filepath.Join(w.dir, "second")); err != nil {
			t.Fatal(err)
		}
		newest = next(w)
		w.write("net/trust.json", string(newest))
		w.good(101, flags...)
		if err := os.RemoveAll(filepath.Join(w.dir, "state")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(w.dir, "second"), filepath.Join(w.dir, "state")); err != nil {
			t.Fatal(err)
		}
		w.write("net/trust.json", string(one))
		w.now = w.now.Add(time.Minute)
		return w, newest
	}
	t.Run("the step is at trust.json alone", func(t *testing.T) {
		w, _ := prepare(t, func(w *trustWorld) []byte { return w.version(2, "", w.pub.Roots, nil) })
		if err := os.Remove(filepath.Join(w.dir, "net/site/trust/2.json")); err != nil {
			t.Fatal(err)
		}
		m := w.good(102)
		if m.Serial != 3 || m.TrustVersion != 2 || !w.has("net/site/trust/2.json") {
			t.Errorf("published %+v; trust/2.json is back: %v", m, w.has("net/site/trust/2.json"))
		}
	})
	t.Run("a new chain", func(t *testing.T) {
		w, newest := prepare(t, func(w *trustWorld) []byte { return w.foreign(5) }, "--bootstrap")
		for range 2 {
			if _, code, errs := w.release(102); code != console.Refused || !strings.Contains(errs, "names version 5") {
				t.Errorf("exit code %d: %s", code, errs)
			}
		}
		w.published("net/site", 2)
		if string(must(os.ReadFile(filepath.Join(w.dir, "net/site/trust.json")))) != string(newest) {
			t.Error("trust.json was set back")
		}
	})
}
