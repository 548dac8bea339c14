package ceremony

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// after is what must be true after every ceremony, whatever it was.
func (w *world) after(t *testing.T, a act) {
	t.Helper()
	w.must(t, "operator", "tidemark config check")
	w.must(t, "operator", "tidemark verify site --trust trust.json")
	want := 0
	if w.trust(t).Version > 1 { // the manifest names a newer one, which verify does not fetch
		want = 4
	}
	if out, code := w.run(t, "sleeper", "tidemark verify ../operator/site --trust trust.json"); code != want {
		t.Errorf("tidemark verify by version 1 of the trust: exit code %d, expected %d\n%s", code, want, out)
	}
	w.publishedTrust(t)
	w.stockTools(t)
	if out, code := w.run(t, "admin", "gpgv --keyring ./before.gpg ../operator/site/manifest.json.asc ../operator/site/manifest.json"); code != a.oldRing {
		t.Errorf("gpgv with the keyring from before #%s: exit code %d, expected %d\n%s", a.section, code, a.oldRing, out)
	}
	w.reaches(t, "mirror")
}

// publishedTrust is the installed one, and the chain has no hole.
func (w *world) publishedTrust(t *testing.T) {
	t.Helper()
	site := filepath.Join(w.machine("operator"), "site")
	installed := readFile(t, filepath.Join(w.machine("operator"), "trust.json"))
	version := w.trust(t).Version
	for _, name := range []string{"trust.json", fmt.Sprintf("trust/%d.json", version)} {
		if readFile(t, filepath.Join(site, name)) != installed {
			t.Errorf("site/%s is not the installed trust.json, version %d", name, version)
		}
	}
	for n := int64(1); n < version; n++ {
		if _, err := os.Stat(filepath.Join(site, fmt.Sprintf("trust/%d.json", n))); err != nil {
			t.Errorf("the chain has a hole: %v", err)
		}
	}
}

// stockTools verify every signature file at the site's top and beside the newest manifest, by what lies in keys/: each has
// one signature, and none is of another manifest.
func (w *world) stockTools(t *testing.T) {
	t.Helper()
	site := filepath.Join(w.machine("operator"), "site")
	newest := filepath.Dir(readFile(t, filepath.Join(site, "latest.txt")) + "/x")
	for _, dir := range []string{site, filepath.Join(site, strings.TrimSpace(newest))} {
		asc := glob(t, dir, "manifest.json*.asc")
		if len(asc) == 0 {
			t.Errorf("%s has no .asc", dir)
		}
		for _, f := range asc {
			if n := packets(t, f); n != 1 {
				t.Errorf("%s has %d packets, expected one signature", f, n)
			}
			for _, tool := range []string{
				"gpgv --keyring %[1]s/keys/centos.gpg %[2]s %[3]s/manifest.json",
				"gpgv1 --keyring %[1]s/keys/centos.gpg %[2]s %[3]s/manifest.json",
				"sqv --keyring %[1]s/keys/centos.asc %[2]s %[3]s/manifest.json",
			} {
				w.must(t, "admin", fmt.Sprintf(tool, site, f, dir))
			}
		}
		w.minisigs(t, site, dir)
	}
}

func (w *world) minisigs(t *testing.T, site, dir string) {
	t.Helper()
	pubs := glob(t, filepath.Join(site, "keys"), "centos*.pub")
	sigs := glob(t, dir, "manifest.json*.minisig")
	if len(sigs) == 0 {
		t.Errorf("%s has no .minisig", dir)
	}
	for _, sig := range sigs {
		good := false
		for _, pub := range pubs {
			_, code := w.run(t, "admin", fmt.Sprintf("minisign -Vm %s/manifest.json -x %s -p %s", dir, sig, pub))
			good = good || code == 0
		}
		if !good {
			t.Errorf("%s is good by none of %v", sig, pubs)
		}
	}
}

// reaches lets a mirror look, and finds it at the newest manifest and the newest trust.
func (w *world) reaches(t *testing.T, mirror string) {
	t.Helper()
	if out, code := w.run(t, mirror, "tidemark-mirror check"); code != 0 && code != 100 {
		t.Fatalf("%s$ tidemark-mirror check: exit code %d\n%s", mirror, code, out)
	}
	var has struct {
		Manifest struct {
			Serial int64 `json:"serial"`
		} `json:"manifest"`
		Trust struct {
			Version int64 `json:"version"`
		} `json:"trust"`
	}
	out := w.must(t, mirror, "tidemark-mirror status --json 2>/dev/null")
	if err := json.Unmarshal([]byte(out), &has); err != nil {
		t.Fatalf("status --json: %v\n%s", err, out)
	}
	if newest := w.serial(t); has.Manifest.Serial != newest {
		t.Errorf("%s holds serial %d, the newest is %d\n%s", mirror, has.Manifest.Serial, newest, out)
	}
	if v := w.trust(t).Version; has.Trust.Version != v {
		t.Errorf("%s holds trust version %d, the newest is %d", mirror, has.Trust.Version, v)
	}
}

// serial is that of the site's pointer.
func (w *world) serial(t testing.TB) int64 {
	t.Helper()
	var pointer struct {
		Serial int64 `json:"serial"`
	}
	if err := json.Unmarshal([]byte(readFile(t, filepath.Join(w.machine("operator"), "site/latest.json"))), &pointer); err != nil {
		t.Fatal(err)
	}
	return pointer.Serial
}

// packets counts those in an armored file.
func packets(t testing.TB, file string) (n int) {
	t.Helper()
	block, err := armor.Decode(strings.NewReader(readFile(t, file)))
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	for r := packet.NewReader(block.Body); ; n++ {
		p, err := r.Next()
		if errors.Is(err, io.EOF) {
			return n
		}
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if _, is := p.(*packet.Signature); !is {
			t.Fatalf("%s has a %T", file, p)
		}
	}
}

func glob(t testing.TB, dir, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func readFile(t testing.TB, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
