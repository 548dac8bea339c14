package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"tidemark/client"
	"tidemark/internal/lab"
	"tidemark/internal/scripttest"
	"tidemark/manifest"
	"tidemark/sign"
)

// TestRun_KilledAtEachWrite kills `tidemark run` (SIGKILL, by strace, no hook in the program) before each write of the directory
// store and of the state, which is also after each write before it: every single-object form verifies each time, no serial ever
// has two manifests, and the next run heals.
func TestRun_KilledAtEachWrite(t *testing.T) {
	for _, tool := range []string{"strace", "rsync", "cp"} {
		scripttest.NeedTool(t, tool)
	}
	w := newKillWorld(t)
	t.Run("first publication", w.killEach)
	w.mustRun(t)
	w.moveMaster(t)
	t.Run("second publication", w.killEach)
	w.mustRun(t)
	t.Run("recovery", func(t *testing.T) {
		w.recoveryKilled(t, []string{"2.json", "latest.json"}) // the others: TestSoakRun_RecoveryKilled
	})
}

// killWorld is a small network with a publisher in dir/net, and a saved copy of its site and state.
type killWorld struct {
	dir, program string
	site         string // directory in which the published files lie
	env          []string
	network      *lab.Network
	moved        int64
}

func newKillWorld(t *testing.T) *killWorld {
	w := &killWorld{dir: t.TempDir(), moved: labStart()}
	w.site = filepath.Join(w.dir, "net", "site")
	w.program = filepath.Join(w.dir, "tidemark")
	if out, err := exec.Command("go", "build", "-o", w.program, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	var err error
	w.network, err = lab.New(t.Context(), filepath.Join(w.dir, "lab"), lab.Options{Seed: 1, Start: w.moved, Trees: []string{"centos"},
		Servers: lab.DefaultServers()[:2]})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.network.Close() })
	w.do(t, "init", "net", "--network", "centos")
	if err := w.network.WriteInventory(filepath.Join(w.dir, "servers.yaml")); err != nil {
		t.Fatal(err)
	}
	w.configure(t, "tidemark.yaml", "net/state", "{dir: net/site}")
	return w
}

// configure writes a configuration with a state directory and publish targets of its own.
func (w *killWorld) configure(t *testing.T, file, state, targets string) {
	t.Helper()
	cfg := strings.NewReplacer("altarch: {", "#", "vault: {", "#", "state: net/state", "state: "+state, "{dir: site}", targets).Replace(labConfig(nil))
	if err := os.WriteFile(filepath.Join(w.dir, file), []byte(cfg), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (w *killWorld) do(t *testing.T, args ...string) (string, error) {
	t.Helper()
	out, err := w.command(t, args...).CombinedOutput()
	return string(out), err
}

func (w *killWorld) command(t *testing.T, args ...string) *exec.Cmd {
	c := exec.CommandContext(t.Context(), w.program, args...)
	c.Dir, c.Env = w.dir, append(os.Environ(), w.env...)
	return c
}

func (w *killWorld) mustRun(t *testing.T) {
	t.Helper()
	if out, err := w.do(t, "run", "--config", "tidemark.yaml"); err != nil {
		t.Fatalf("run: %v\n%s", err, out)
	}
}

func (w *killWorld) moveMaster(t *testing.T) {
	t.Helper()
	w.moved += 60
	if err := errors.Join(w.network.Move("centos", w.moved), w.network.Sync(w.network.IDs("")...)); err != nil {
		t.Fatal(err)
	}
}

// write is one system call that gives a file its name.
type write struct{ call, name string }

var writeCall = regexp.MustCompile(`(renameat2?|linkat)\(.*, .*"([^"]+)"(?:, \w+)?\) = 0`)

// writes lists the writes of one whole run, in order; the world is as before afterwards.
func (w *killWorld) writes(t *testing.T) (list []write) {
	t.Helper()
	log := filepath.Join(w.dir, "trace")
	defer w.restore(t)
	out, err := w.strace(t, "-o", log, "-e", "trace=renameat,renameat2,linkat").CombinedOutput()
	if err != nil {
		t.Fatalf("traced run: %v\n%s", err, out)
	}
	b, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range writeCall.FindAllStringSubmatch(string(b), -1) {
		base := filepath.Base(m[2])
		if !strings.HasPrefix(base, ".") && !strings.HasSuffix(base, ".v1.json") { // temporary files; schemas are written as keys are
			list = append(list, write{m[1], m[2]})
		}
	}
	return list
}

func (w *killWorld) strace(t *testing.T, args ...string) *exec.Cmd {
	c := exec.CommandContext(t.Context(), "strace", slices.Concat([]string{"-f", "-qq"}, args, []string{w.program, "run", "--config", "tidemark.yaml"})...)
	c.Dir = w.dir
	return c
}

func (w *killWorld) save(t *testing.T)    { w.copy(t, "net", "saved") }
func (w *killWorld) restore(t *testing.T) { w.copy(t, "saved", "net") }

func (w *killWorld) copy(t *testing.T, from, to string) {
	t.Helper()
	to = filepath.Join(w.dir, to)
	if err := os.RemoveAll(to); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("cp", "-a", filepath.Join(w.dir, from), to).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func (w *killWorld) killEach(t *testing.T) {
	if out, err := w.do(t, "probe", "-o", os.DevNull, "--config", "tidemark.yaml"); err != nil { // records what the master has: runs need not wait
		t.Fatalf("probe: %v\n%s", err, out)
	}
	w.save(t)
	list := w.writes(t)
	if len(list) < 12 || !slices.Contains(list, write{"renameat", "latest.json"}) && !slices.Contains(list, write{"linkat", "latest.json"}) {
		t.Fatalf("the trace misses writes: %v", list)
	}
	seen := map[write]bool{}
	for _, at := range list {
		if seen[at] { // state files are written more than once: the first time is the one that can be named
			continue
		}
		seen[at] = true
		t.Run(at.call+" "+filepath.Base(at.name), func(t *testing.T) { w.killAt(t, at) })
	}
}

func (w *killWorld) killAt(t *testing.T, at write) {
	defer w.restore(t)
	out, err := w.strace(t, "-o", os.DevNull, "-P", at.name, "-e", "inject="+at.call+":signal=KILL:when=1").CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		t.Fatalf("the run was not killed: %v\n%s", err, out)
	}
	before := w.check(t)
	w.mustRun(t)
	after := w.check(t)
	for serial, sum := range before {
		if after[serial] != sum {
			t.Errorf("serial %s has two manifests", serial)
		}
	}
	w.healed(t)
}

// healed: every form verifies, and the completion mark agrees with the pointer.
func (w *killWorld) healed(t *testing.T) {
	t.Helper()
	if out, err := w.do(t, "verify", w.site, "--trust", "net/trust.json"); err != nil {
		t.Errorf("the next run did not heal: %v\n%s", err, out)
	}
	pointer, mark := w.read("latest.json"), w.read("latest.txt")
	p, err := manifest.ParsePointer(pointer)
	if err != nil || strings.TrimSpace(string(mark)) != p.Path {
		t.Errorf("the completion mark is %q, the pointer %s (%v)", mark, pointer, err)
	}
}

func (w *killWorld) read(name string) []byte {
	b, _ := os.ReadFile(filepath.Join(w.site, filepath.FromSlash(name)))
	return b
}

// check opens every single-object form that is there, and returns the digests of the bundles by serial.
func (w *killWorld) check(t *testing.T) map[string][32]byte {
	t.Helper()
	trust, err := sign.OpenTrust(must(os.ReadFile(filepath.Join(w.dir, "net", "trust.json"))))
	if err != nil {
		t.Fatal(err)
	}
	site, now := os.DirFS(w.site), time.Now()
	sums := map[string][32]byte{}
	err = fs.WalkDir(site, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b := must(fs.ReadFile(site, name))
		switch filepath.Base(name) {
		case "manifest.bundle.json":
			if dir := filepath.Dir(name); dir != "." {
				sums[filepath.Base(dir)] = sha256.Sum256(b)
			}
			_, _, err = client.Open(b, client.Options{Network: "centos", Trust: trust, Now: now})
		case "manifest.json.gpg":
			_, err = sign.OpenInline(b, trust.Manifest, now)
		case "latest.json":
			_, err = manifest.ParsePointer(b)
			if err == nil {
				err = w.pointed(b, trust.Network)
			}
		case "trust.json":
			_, err = sign.OpenTrust(b)
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		return nil
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return sums
}

// pointed says whether what the pointer names is there, whole.
func (w *killWorld) pointed(pointer []byte, network string) error {
	p, err := manifest.ParsePointer(pointer)
	if err != nil {
		return err
	}
	payload := w.read(p.Path + "manifest.json")
	if got := manifest.SHA256(payload); got != p.SHA256 {
		return fmt.Errorf("points to %s with sha256 %s, there lies %s", p.Path, p.SHA256, got)
	}
	files, err := client.Unpack(w.read(p.Path + "manifest.bundle.json"))
	if err == nil && !bytes.Equal(files["manifest.json"], payload) {
		err = errors.New("bundle and manifest differ below " + p.Path)
	}
	return err
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}
