package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tidemark/client"
	"tidemark/internal/scripttest"
	"tidemark/manifest"
	"tidemark/sign"
)

// TestSoakRun_RecoveryKilled kills the run that obeys reset_serial before each of its writes; TestRun_KilledAtEachWrite does so
// before a handful.
func TestSoakRun_RecoveryKilled(t *testing.T) {
	if os.Getenv("TIDEMARK_SOAK") != "1" {
		t.Skip("long: TIDEMARK_SOAK=1")
	}
	for _, tool := range []string{"strace", "rsync", "cp"} {
		scripttest.NeedTool(t, tool)
	}
	w := newKillWorld(t)
	w.mustRun(t)
	w.recoveryKilled(t, nil)
}

// recoveryKilled: a thief of the online keys has published the largest serial there is; the root holders have revoked them and begun
// the serials anew. The run that does so is killed before writes of these base names, nil: before all. After each kill the next
// run heals, no mirror takes a thief's document once it saw the new one, and no serial has two genuine manifests.
func (w *killWorld) recoveryKilled(t *testing.T, names []string) {
	pinned := must(os.ReadFile(filepath.Join(w.dir, "net", "trust.json")))
	for _, mirror := range []string{"deceived", "late"} {
		if err := os.MkdirAll(filepath.Join(w.dir, "net", mirror), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	w.steal(t)
	if serial, err := w.look("deceived", pinned); serial != manifest.MaxSerial {
		t.Fatalf("the thief's manifest was not accepted: %v", err)
	}
	w.resetTrust(t)
	if out, err := w.do(t, "probe", "-o", os.DevNull, "--config", "tidemark.yaml"); err != nil {
		t.Fatalf("probe: %v\n%s", err, out)
	}
	w.save(t)
	seen := map[write]int{}
	for _, at := range w.writes(t) {
		base := filepath.Base(at.name)
		if names != nil && (seen[at] > 0 || !slices.Contains(names, base)) {
			continue
		}
		seen[at]++
		when := seen[at] // site.json is written after many steps
		t.Run(fmt.Sprintf("%s %s %d", at.call, base, when), func(t *testing.T) { w.killRecovery(t, at, when, pinned) })
	}
	if len(seen) < max(len(names), 1) || names == nil && len(seen) < 12 {
		t.Errorf("killed at %v only", seen)
	}
}

func (w *killWorld) killRecovery(t *testing.T, at write, when int, pinned []byte) {
	defer w.restore(t)
	out, err := w.strace(t, "-o", os.DevNull, "-P", at.name, "-e", fmt.Sprintf("inject=%s:signal=KILL:when=%d", at.call, when)).CombinedOutput()
	var exit *exec.ExitError
	if err == nil && when > 1 {
		t.Skip("strace counts the calls of each thread by itself, and no thread made so many")
	}
	if !errors.As(err, &exit) {
		t.Fatalf("the run was not killed: %v\n%s", err, out)
	}
	before, saw := w.genuine(t), map[string]bool{}
	looks := func(healed bool) {
		t.Helper()
		for _, mirror := range []string{"deceived", "late"} {
			serial, err := w.look(mirror, pinned)
			genuine := serial > 0 && serial < manifest.MaxSerial
			if saw[mirror] && !genuine || healed && !genuine {
				t.Errorf("%s: serial %d, %v", mirror, serial, err)
			}
			saw[mirror] = saw[mirror] || genuine
		}
	}
	looks(false)
	looks(false)
	w.mustRun(t)
	looks(true)
	w.healed(t)
	after := w.genuine(t)
	for serial, sum := range before {
		if after[serial] != sum {
			t.Errorf("serial %s has two manifests", serial)
		}
	}
	if p, err := manifest.ParsePointer(w.read("latest.json")); err != nil || p.Serial < 1000 || p.Serial > 1001 {
		t.Errorf("the pointer is %+v, %v", p, err)
	}
}

// steal publishes the largest serial with the keys in net/keys, as another publisher would.
func (w *killWorld) steal(t *testing.T) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(w.dir, "thief"), 0o755); err != nil {
		t.Fatal(err)
	}
	st := siteState{Schema: siteSchema, Serial: manifest.MaxSerial - 1}
	if err := os.WriteFile(filepath.Join(w.dir, "thief", "site.json"), marshal(t, st), 0o600); err != nil {
		t.Fatal(err)
	}
	w.configure(t, "thief.yaml", "thief", "{dir: net/site}")
	time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(time.Second))) // manifests are dated to the second
	if out, err := w.do(t, "run", "--force", "--config", "thief.yaml"); err != nil {
		t.Fatalf("the thief's run: %v\n%s", err, out)
	}
}

// resetTrust holds the ceremony, and puts the new keys in place of the stolen ones.
func (w *killWorld) resetTrust(t *testing.T) {
	t.Helper()
	trust, err := sign.OpenTrust(must(os.ReadFile(filepath.Join(w.dir, "net", "trust.json"))))
	if err != nil {
		t.Fatal(err)
	}
	edits := []string{"trust", "new", "--trust", "net/trust.json", "-o", "draft.json", "--reset-serial", "--min-serial", "1000"}
	for _, k := range trust.Manifest.Keys {
		kind := map[bool]string{true: "openpgp", false: "ed25519"}[k.Kind == "openpgp"]
		edits = append(edits, "--revoke-key", k.Key, "--add-key", "publisher="+kind+".new.pub")
		if out, err := w.do(t, "keys", "generate", kind, kind+".new"); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	for _, args := range [][]string{edits,
		{"trust", "sign", "draft.json", "--trust", "net/trust.json", "--key", "net/root/root-1.key", "--yes"},
		{"trust", "sign", "draft.json", "--trust", "net/trust.json", "--key", "net/root/root-2.key", "--yes"},
		{"trust", "check", "draft.json", "--trust", "net/trust.json", "-o", "net/trust.json"},
	} {
		if out, err := w.do(t, args...); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	for from, to := range map[string]string{"openpgp.new": "openpgp.asc", "ed25519.new": "ed25519.key"} {
		if err := os.Rename(filepath.Join(w.dir, from), filepath.Join(w.dir, "net", "keys", to)); err != nil {
			t.Fatal(err)
		}
	}
}

// look is a mirror's look at the site: the serial that is in force for it, 0 for none.
func (w *killWorld) look(mirror string, pinned []byte) (int64, error) {
	origin, err := client.NewOrigin(w.site)
	if err != nil {
		return 0, err
	}
	v, err := client.Look(context.Background(), client.LookOptions{Origin: origin, State: filepath.Join(w.dir, "net", mirror), Network: "centos", Trust: pinned, Now: time.Now})
	if err != nil {
		return 0, err
	}
	return v.Opened.Manifest.Serial, nil
}

// genuine are the digests of the bundles below m/ that verify by the newest trust, by serial. What a fixed name has verifies, too, or
// is the thief's.
func (w *killWorld) genuine(t *testing.T) map[string][32]byte {
	t.Helper()
	trust, err := sign.OpenTrust(must(os.ReadFile(filepath.Join(w.dir, "net", "trust.json"))))
	if err != nil {
		t.Fatal(err)
	}
	sums := map[string][32]byte{}
	thiefs := w.read(manifest.SerialPath(manifest.MaxSerial) + client.BundleFile)
	err = fs.WalkDir(os.DirFS(w.site), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || filepath.Base(name) != client.BundleFile {
			return err
		}
		b := w.read(name)
		_, _, err = client.Open(b, client.Options{Network: "centos", Trust: trust, Now: time.Now()})
		dir := filepath.Dir(name)
		switch {
		case err == nil && dir != ".":
			sums[filepath.Base(dir)] = sha256.Sum256(b)
		case err != nil && dir == "." && !bytes.Equal(b, thiefs), err != nil && strings.HasPrefix(filepath.Base(dir), "100"):
			t.Errorf("%s: %v", name, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return sums
}
