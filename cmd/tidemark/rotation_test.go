package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tidemark/internal/scripttest"
	"tidemark/keys"
	"tidemark/manifest"
)

// The stock tools' view of a rotation of the OpenPGP key: each file has one signature, by the key that its name and the order of the
// configuration say, and nothing of a signer who left stays at the fixed names.
func TestRotation_OneSignatureAFile(t *testing.T) {
	scripttest.NeedTool(t, "gpgv")
	w := newTrustWorld(t)
	private, cert, err := keys.GenerateOpenPGP("second", nil, w.now.Add(-time.Hour), 365*day)
	if err != nil {
		t.Fatal(err)
	}
	w.write("second.asc", string(private))
	old, next := w.pub.Signers[0].Key().Key, cert.Primary.Fingerprint
	for id, public := range map[string][]byte{old: []byte(w.first.Manifest.Keys[0].Public), next: must(cert.Armored())} {
		w.write(id+".gpg", string(must(keys.Dearmor(public, keys.ArmorPublic))))
	}
	config := string(must(os.ReadFile(filepath.Join(w.dir, "tidemark.yaml"))))
	configure := func(files ...string) {
		w.write("tidemark.yaml", strings.Replace(config, "openpgp: {key: "+w.pub.OpenPGPKey+"}", "openpgp: [{key: "+strings.Join(files, "}, {key: ")+"}]", 1))
	}
	both := func(t *keys.Trust) {
		if _, err := t.PutKey("publisher", must(cert.Armored())); err != nil {
			w.Fatal(err)
		}
	}
	w.signedBy(w.good(100), old)

	w.write("net/trust.json", string(w.version(2, "", w.pub.Roots, both)))
	configure(w.pub.OpenPGPKey, "second.asc")
	w.signedBy(w.good(101), old, next)

	configure("second.asc", w.pub.OpenPGPKey)
	w.signedBy(w.good(102), next, old)

	w.write("net/trust.json", string(w.version(3, "", w.pub.Roots, func(t *keys.Trust) {
		both(t)
		if err := t.RevokeKey(old); err != nil {
			w.Fatal(err)
		}
	})))
	w.signedBy(w.good(103), next)
}

// signedBy looks at m as gpgv does, at the fixed names and below its serial: the first of ids made manifest.json.asc, each other
// one manifest.json.<id>.asc, and there is no other .asc.
func (w *trustWorld) signedBy(m *manifest.Manifest, ids ...string) {
	w.Helper()
	for _, dir := range []string{w.pub.Site, filepath.Join(w.pub.Site, manifest.SerialPath(m.Serial))} {
		var want []string
		for i, id := range ids {
			name := "manifest.json.asc"
			if i > 0 {
				name = "manifest.json." + id + ".asc"
			}
			want = append(want, name)
			file := filepath.Join(dir, name)
			for _, ring := range ids {
				out, err := exec.Command("gpgv", "--keyring", filepath.Join(w.dir, ring+".gpg"), file, filepath.Join(dir, "manifest.json")).CombinedOutput()
				if (err == nil) != (ring == id) {
					w.Errorf("serial %d, %s by the keyring of %s: %v\n%s", m.Serial, file, ring, err, out)
				}
			}
			packets, err := keys.SplitPackets(must(keys.Dearmor(must(os.ReadFile(file)), "PGP SIGNATURE")), 10)
			if err != nil || len(packets) != 1 {
				w.Errorf("serial %d, %s: %d packets, %v", m.Serial, file, len(packets), err)
			}
		}
		var have []string
		for _, file := range must2(filepath.Glob(filepath.Join(dir, "*.asc"))) {
			have = append(have, filepath.Base(file))
		}
		slices.Sort(want)
		slices.Sort(have)
		if !slices.Equal(have, want) {
			w.Errorf("serial %d: %s has %v, expected %v", m.Serial, dir, have, want)
		}
	}
}

func unmarshal(t *testing.T, b []byte, v any) {
	t.Helper()
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatal(err)
	}
}

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
