package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tidemark/sign"
)

// ceremony installs the next version of the trust document, by the commands alone.
func (w *killWorld) ceremony(t *testing.T, edits ...string) {
	t.Helper()
	args := [][]string{append([]string{"trust", "new", "-o", "d.json", "--config", "tidemark.yaml"}, edits...)}
	for _, root := range must2(filepath.Glob(filepath.Join(w.dir, "net/root/*.key"))) {
		args = append(args, []string{"trust", "sign", "d.json", "--yes", "--key", root, "--trust", "net/trust.json"})
	}
	args = append(args, []string{"trust", "check", "d.json", "--trust", "net/trust.json", "-o", "net/trust.json"})
	for _, a := range args {
		if out, err := w.do(t, a...); err != nil {
			t.Fatalf("%v: %v\n%s", a, err, out)
		}
	}
	for _, n := range must2(filepath.Glob(filepath.Join(w.dir, "d.json*"))) {
		os.Remove(n)
	}
}

// What the owner of a bucket deletes or changes of trust and keys comes back: by --force, by every publication. The note that lies
// there says that all is in order; it is not believed.
func TestGround_BucketPutBack(t *testing.T) {
	w := newBucketWorld(t)
	w.mustRun(t)
	w.ceremony(t)
	w.mustRun(t)
	files := []string{"trust/1.json", "trust/2.json", "trust.json", "keys/centos.asc", "keys/centos.pub"}
	was := map[string]string{}
	for _, name := range files {
		was[name] = string(w.read(name))
	}
	remove := func() {
		for _, name := range []string{"trust", "trust.json", "keys"} {
			if err := os.RemoveAll(filepath.Join(w.site, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	change := func() {
		junk := map[string]string{"trust/2.json": string(unsigned(t, []byte(was["trust/2.json"]))), "trust.json": strings.Repeat("x", 8<<20+1), "keys/centos.asc": "a thief's\n"}
		for name, content := range junk {
			if err := w.s3.Put(t.Context(), "centos/"+name, []byte(content), nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	run := func(args ...string) {
		t.Helper()
		w.proxy.Reset()
		if out, err := w.do(t, append([]string{"run", "--config", "tidemark.yaml"}, args...)...); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		for _, name := range files {
			if b, _ := os.ReadFile(filepath.Join(w.site, name)); string(b) != was[name] {
				t.Errorf("run %v: %s has %d bytes, and is not what was there before", args, name, len(b))
			}
		}
		one := must(os.ReadFile(filepath.Join(w.dir, "net/state/trust/1.json")))
		if _, err := sign.NextTrust(must2(sign.OpenTrust(one)), w.read("trust/2.json")); err != nil {
			t.Errorf("a client of version 1: %v", err)
		}
	}
	change()
	run("--force")
	remove()
	w.moveMaster(t)
	run()
	w.moveMaster(t)
	run()
	if n := w.proxy.Count(); n >= 30 {
		t.Errorf("a changed run, all in order, made %d requests: %v", n, w.proxy.Requests())
	}
	run()
	if n := w.proxy.Count(); n != 2 {
		t.Errorf("an unchanged run made %d requests: %v", n, w.proxy.Requests())
	}
}

// Another host put a newer version into the bucket and could not publish: a host that is to publish by the old one does not, and
// goes on by the new one, at the latest with the next run.
func TestGround_BucketOtherHost(t *testing.T) {
	w := newBucketWorld(t)
	w.mustRun(t)
	w.copy(t, "net", "other")
	cfg := string(must(os.ReadFile(filepath.Join(w.dir, "tidemark.yaml"))))
	if err := os.WriteFile(filepath.Join(w.dir, "other.yaml"), []byte(strings.ReplaceAll(cfg, "net/", "other/")), 0o644); err != nil {
		t.Fatal(err)
	}
	w.ceremony(t)
	if err := os.Rename(filepath.Join(w.dir, "net/keys"), filepath.Join(w.dir, "net/keys-away")); err != nil {
		t.Fatal(err)
	}
	if out, err := w.do(t, "run", "--config", "tidemark.yaml"); err == nil {
		t.Fatalf("it published without keys\n%s", out)
	}
	w.moveMaster(t)
	before := w.pointer(t).Serial
	out, err := w.do(t, "run", "--config", "other.yaml")
	if err != nil { // the trust went on under a run that had decided already
		if w.pointer(t).Serial != before || !strings.Contains(out, "version 2") {
			t.Errorf("%v\n%s", err, out)
		}
		if out, err = w.do(t, "run", "--config", "other.yaml"); err != nil {
			t.Errorf("the next run: %v\n%s", err, out)
		}
	}
	if !strings.Contains(string(w.read("manifest.json")), `"trust_version": 2`) {
		t.Errorf("published by the old trust: %s", out)
	}
}
