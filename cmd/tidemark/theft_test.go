package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tidemark/internal/console"
	"tidemark/internal/lab"
	"tidemark/keys"
	"tidemark/manifest"
)

// The beacon of a thief, with the largest serial there is, gives way to that of the first manifest after the reset: whether his key
// was revoked, or the keys stay and his record is genuine to the letter.
func TestRecovery_Beacon(t *testing.T) {
	for name, recover := range map[string]func(*theft){
		"another key": func(w *theft) { w.recover(nil) },
		"the same keys": func(w *theft) {
			w.write("net/trust.json", string(w.version(2, "", w.pub.Roots, func(t *keys.Trust) { t.ResetSerial, t.MinSerial = true, 50 })))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newTheft(t)
			config := string(must(os.ReadFile(filepath.Join(w.dir, "tidemark.yaml"))))
			w.write("tidemark.yaml", config+"beacon: {name: "+beaconName+", ttl: 60s, zone_file: {path: beacon.zone}}\n")
			place := heldPlace{}
			if _, err := w.beaconWorld.at(place, w.genuine); err != nil {
				t.Fatal(err)
			}
			b := must2(manifest.ParseBeacon(joined(place[beaconName])))
			b.Serial, b.Trees = manifest.MaxSerial, map[string]int64{"centos": farFuture}
			place[beaconName] = txt(60, w.forge(b, w.pub.Signers[1]))
			thief := *w.genuine
			thief.Serial, thief.Trees = manifest.MaxSerial, map[string]manifest.Tree{"centos": {Timestamp: farFuture}}
			if o, err := w.beaconWorld.at(place, &thief); err != nil || o.State != beaconUnchanged || o.Serial != manifest.MaxSerial {
				t.Fatalf("before the recovery his record is not genuine: %+v, %v", o, err)
			}
			recover(w)
			m := w.good(101)
			o, err := w.beaconWorld.at(place, m)
			if err != nil || o.State != beaconWritten || o.Serial != m.Serial {
				t.Fatalf("%+v, %v, expected serial %d", o, err, m.Serial)
			}
			if b := must2(manifest.ParseBeacon(joined(place[beaconName]))); b.Serial != m.Serial || b.Trees["centos"] != 101 {
				t.Errorf("%+v stands", b)
			}
			if o, err := w.beaconWorld.at(place, m); err != nil || o.State != beaconUnchanged {
				t.Errorf("the next run: %+v, %v", o, err)
			}
		})
	}
}

// A serial that was reserved by a run which was killed is finished while its keys count, and never once one of them is revoked.
func TestRevoked_ReservedNotFinished(t *testing.T) {
	for name, revoked := range map[string]bool{"as it was": false, "revoked": true} {
		t.Run(name, func(t *testing.T) {
			w := newTheft(t)
			if err := os.RemoveAll(filepath.Join(w.dir, "net", "site")); err != nil { // the thief's
				t.Fatal(err)
			}
			w.good(101)
			for from, to := range map[string]string{"net/site": "site1", "state": "state1"} {
				if err := copyTree(filepath.Join(w.dir, from), filepath.Join(w.dir, to)); err != nil {
					t.Fatal(err)
				}
			}
			second := w.good(102)
			reserved := manifest.SerialPath(second.Serial)
			if err := copyTree(filepath.Join(w.pub.Site, reserved), filepath.Join(w.dir, "site1", reserved)); err != nil {
				t.Fatal(err)
			}
			site := must(os.ReadFile(filepath.Join(w.dir, "state", "site.json"))) // the serial is remembered before it is used
			for _, dir := range []string{"net/site", "state"} {
				was := filepath.Join(w.dir, map[string]string{"net/site": "site1", "state": "state1"}[dir])
				if err := os.RemoveAll(filepath.Join(w.dir, dir)); err != nil {
					t.Fatal(err)
				}
				if err := os.Rename(was, filepath.Join(w.dir, dir)); err != nil {
					t.Fatal(err)
				}
			}
			was := must(os.ReadFile(filepath.Join(w.dir, "state", "published.bundle.json")))
			var st, before siteState
			unmarshal(t, site, &st)
			unmarshal(t, must(os.ReadFile(filepath.Join(w.dir, "state", "site.json"))), &before)
			before.Serial = st.Serial
			w.write("state/site.json", string(marshal(t, before)))
			if revoked {
				w.recover(func(t *keys.Trust) { t.ResetSerial, t.MinSerial = false, 0 })
			}
			w.now = w.now.Add(reservedFor + time.Minute)
			code, errs := w.trustWorld.at(func(ctx context.Context, p *publisher) error { _, _, err := p.begin(ctx, false); return err })
			at := must2(manifest.ParsePointer(must(os.ReadFile(filepath.Join(w.pub.Site, "latest.json")))))
			finished := at.Serial == second.Serial
			if code != 0 || finished == revoked {
				t.Errorf("exit code %d, the pointer names serial %d: %s", code, at.Serial, errs)
			}
			if own := must(os.ReadFile(filepath.Join(w.dir, "state", "published.bundle.json"))); (string(own) == string(was)) != revoked {
				t.Error("the own copy is another than the pointer's")
			}
		})
	}
}

// The configured OpenPGP key alone is revoked, so nothing can be signed: the revocation is at the site and its copy all the same.
func TestGround_OnlyKeyRevoked(t *testing.T) {
	w := newTrustWorld(t)
	w.settings(", {dir: copy}")
	w.good(100)
	_, cert, err := keys.GenerateOpenPGP("second", nil, w.now.Add(-time.Hour), 365*day)
	if err != nil {
		t.Fatal(err)
	}
	w.write("net/trust.json", string(w.version(2, "", w.pub.Roots, func(t *keys.Trust) {
		if _, err := t.PutKey("publisher", must(cert.Armored())); err != nil {
			w.Fatal(err)
		}
		if err := t.RevokeKey(w.pub.Signers[0].Key().Key); err != nil {
			w.Fatal(err)
		}
	})))
	if _, code, errs := w.release(101); code != console.Refused || !strings.Contains(errs, "is revoked by trust version 2") {
		t.Errorf("exit code %d: %s", code, errs)
	}
	for _, site := range []string{"net/site/", "copy/"} {
		ring := string(must(os.ReadFile(filepath.Join(w.dir, site+"keys/centos.txt"))))
		if !w.has(site+trustName(2)) || !strings.Contains(ring, "REVOKED: the openpgp key "+w.pub.Signers[0].Key().Key) ||
			!strings.Contains(ring, cert.Primary.Fingerprint+", since version 2,") || !strings.Contains(ring, "since version 1") {
			t.Errorf("%s: the revocation is not there\n%s", site, ring)
		}
	}
}

// A key that is configured and may not sign yet, for days of a rotation, is one mail a day, and stands in the status all the time.
func TestSkipped_OnceADay(t *testing.T) {
	w := newTrustWorld(t)
	other := must2(lab.TestMinisign(2)).Key().Key
	file := filepath.Join("..", "..", "internal", "lab", "testdata", "test-only-minisign-2.key")
	w.write("second.key", string(must(os.ReadFile(file))))
	config := string(must(os.ReadFile(filepath.Join(w.dir, "tidemark.yaml"))))
	w.write("tidemark.yaml", strings.Replace(config, "ed25519: {key: "+w.pub.MinisignKey+"}", "ed25519: [{key: "+w.pub.MinisignKey+"}, {key: second.key}]", 1))
	says := func(after time.Duration, want bool, flags ...string) {
		t.Helper()
		w.now = w.now.Add(after)
		code, errs := w.at(func(ctx context.Context, p *publisher) error {
			if _, _, err := p.begin(ctx, false); err != nil {
				return err
			}
			if d := p.status(&outcome{}); len(d.Warnings) != 1 || !strings.Contains(d.Warnings[0], other) || len(d.Problems) > 0 {
				t.Errorf("the status says %q, %q", d.Warnings, d.Problems)
			}
			return nil
		}, flags...)
		if code != 0 || strings.Contains(errs, "it is skipped") != want {
			t.Errorf("%v later, %q: exit code %d, said %q", after, flags, code, errs)
		}
	}
	says(0, true, "-q")
	says(5*time.Minute, false, "-q")
	says(5*time.Minute, true) // somebody looks
	says(23*time.Hour, false, "-q")
	says(2*time.Hour, true, "-q")
	// Another word is said at once.
	w.write("net/trust.json", string(w.version(2, "", w.pub.Roots, nil)))
	says(5*time.Minute, true, "-q")
	says(5*time.Minute, false, "-q")
}
