package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"tidemark/internal/console"
	"tidemark/internal/lab"
	"tidemark/internal/scripttest"
	"tidemark/manifest"
	"tidemark/publish"
)

// bucketWorld is a killWorld that publishes to versitygw, through a proxy that counts requests and lets tests do harm.
type bucketWorld struct {
	*killWorld
	s3     *lab.S3
	proxy  *lab.FaultProxy
	before atomic.Pointer[hook]
}

// hook sees request n before it is passed on, and says whether it will be.
type hook func(n int, r *http.Request) bool

func newBucketWorld(t *testing.T) *bucketWorld {
	scripttest.NeedTool(t, "rsync")
	w := &bucketWorld{killWorld: newKillWorld(t)}
	var err error
	if w.s3, err = lab.StartVersityGW(context.Background(), lab.S3Options{Dir: filepath.Join(w.dir, "s3")}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.s3.Stop() })
	w.proxy = w.startProxy(t)
	w.env = w.s3.Env()
	w.site = filepath.Join(w.s3.Root, w.s3.Bucket, "centos")
	w.configure(t, "tidemark.yaml", "net/state", w.target(w.proxy.URL))
	return w
}

func (w *bucketWorld) startProxy(t *testing.T) *lab.FaultProxy {
	t.Helper()
	p, err := lab.StartFaultProxy(lab.FaultProxyOptions{Upstream: w.s3.Endpoint, Before: func(n int, r *http.Request) bool {
		h := w.before.Load()
		return h == nil || (*h)(n, r)
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// hooked runs the publisher with a hook that gets at its process.
func (w *bucketWorld) hooked(t *testing.T, at func(n int, p *os.Process) bool) (out string, err error) {
	t.Helper()
	run := w.command(t, "run", "--config", "tidemark.yaml")
	var said bytes.Buffer
	run.Stdout, run.Stderr = &said, &said
	started := make(chan struct{})
	var h hook = func(n int, _ *http.Request) bool {
		<-started
		return at(n, run.Process)
	}
	w.proxy.Reset()
	w.before.Store(&h)
	defer w.before.Store(nil)
	err = run.Start()
	close(started)
	if err == nil {
		err = run.Wait()
	}
	return said.String(), err
}

func (w *bucketWorld) target(endpoint string) string {
	return fmt.Sprintf("{s3: {bucket: %s, prefix: centos/, region: %s, endpoint: %q, path_style: true}}", w.s3.Bucket, w.s3.Region, endpoint)
}

func (w *bucketWorld) save(t *testing.T) {
	w.killWorld.save(t)
	w.copy(t, w.bucket(), "saved-bucket")
}

func (w *bucketWorld) restore(t *testing.T) {
	w.killWorld.restore(t)
	w.copy(t, "saved-bucket", w.bucket())
}

// bucket is the bucket's directory, below the world's.
func (w *bucketWorld) bucket() string { return filepath.Join("s3", "objects", w.s3.Bucket) }

// ready publishes once and moves the master: the next run has something to publish, and need not wait for it.
func (w *bucketWorld) ready(t *testing.T) {
	t.Helper()
	w.mustRun(t)
	w.moveMaster(t)
	if out, err := w.do(t, "probe", "-o", "readings.json", "--config", "tidemark.yaml"); err != nil {
		t.Fatalf("probe: %v\n%s", err, out)
	}
}

// An unchanged run makes 2 requests, a changed one fewer than 30 (DESIGN 8).
func TestRun_S3Requests(t *testing.T) {
	w := newBucketWorld(t)
	w.mustRun(t)
	first := w.proxy.Count()
	w.proxy.Reset()
	w.mustRun(t)
	unchanged := w.proxy.Requests()
	w.moveMaster(t)
	w.proxy.Reset()
	w.mustRun(t)
	changed := w.proxy.Requests()
	t.Logf("requests: first publication %d, unchanged %d, changed %d", first, len(unchanged), len(changed))
	if len(unchanged) != 2 {
		t.Errorf("an unchanged run made %d requests: %v", len(unchanged), unchanged)
	}
	if len(changed) >= 30 {
		t.Errorf("a changed run made %d requests: %v", len(changed), changed)
	}
	w.healed(t)
}

// SIGKILL at each request in turn, before it is passed on (which is after the answer to the one before).
func TestRun_S3KilledAtEachRequest(t *testing.T) {
	w := newBucketWorld(t)
	w.ready(t)
	w.save(t)
	w.proxy.Reset()
	w.mustRun(t)
	last := w.proxy.Count()
	w.restore(t)
	for n := 1; n <= last+1; n += stride() {
		t.Run(fmt.Sprintf("request %d of %d", n, last), func(t *testing.T) {
			defer w.restore(t)
			w.killedAt(t, n)
			before := w.check(t)
			w.mustRun(t)
			after := w.check(t)
			for serial, sum := range before {
				if after[serial] != sum {
					t.Errorf("serial %s has two manifests", serial)
				}
			}
			w.healed(t)
		})
	}
}

func (w *bucketWorld) killedAt(t *testing.T, n int) {
	t.Helper()
	w.hooked(t, func(now int, p *os.Process) bool {
		if now == n {
			p.Kill()
		}
		return now < n
	})
}

// stride leaves out two thirds of a long table, but not for `make soak`.
func stride() int {
	if os.Getenv("TIDEMARK_SOAK") != "" {
		return 1
	}
	return 3
}

// A publisher that is stopped (SIGSTOP) at any request, and continued when another one has published, overwrites nothing newer.
func TestRun_S3HeldUpAtEachRequest(t *testing.T) {
	w := newBucketWorld(t)
	w.ready(t)
	w.copy(t, "net/state", "net/other")
	w.configure(t, "other.yaml", "net/other", w.target(w.s3.Endpoint))
	w.save(t)
	w.proxy.Reset()
	w.mustRun(t)
	last := w.proxy.Count()
	w.restore(t)
	for n := 1; n <= last; n += stride() {
		t.Run(fmt.Sprintf("request %d of %d", n, last), func(t *testing.T) {
			defer w.restore(t)
			out, err := w.hooked(t, func(now int, p *os.Process) bool {
				if now == n {
					p.Signal(syscall.SIGSTOP)
					defer p.Signal(syscall.SIGCONT)
					if out, err := w.do(t, "run", "--config", "other.yaml"); err != nil && code1(err) != console.Locked {
						t.Errorf("the other publisher: %v\n%s", err, out)
					}
				}
				return true
			})
			if c := code1(err); c != console.Done && c != console.Locked {
				t.Errorf("exit code %d, expected 0 or 5\n%s", c, out)
			}
			w.check(t)
			w.mustRun(t)
			w.healed(t)
			if p := w.pointer(t); p.Serial < 2 {
				t.Errorf("the pointer fell back to %d", p.Serial)
			}
		})
	}
}

func code1(err error) int {
	var e *exec.ExitError
	if errors.As(err, &e) {
		return e.ExitCode()
	}
	return 0
}

func (w *killWorld) pointer(t *testing.T) *manifest.Pointer {
	t.Helper()
	p, err := manifest.ParsePointer(w.read("latest.json"))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Two publishers with the same configuration at once: serials rise, nothing forks, who comes second exits 5.
func TestRun_S3TwoPublishers(t *testing.T)     { twoPublishers(t, 8) }
func TestSoakRun_S3TwoPublishers(t *testing.T) { soak(t); twoPublishers(t, 100) }
func TestSoakRun_S3HeldUp(t *testing.T)        { soak(t); TestRun_S3HeldUpAtEachRequest(t) }
func TestSoakRun_S3Killed(t *testing.T)        { soak(t); TestRun_S3KilledAtEachRequest(t) }

// soak leaves a test to `make soak`.
func soak(t *testing.T) {
	if os.Getenv("TIDEMARK_SOAK") == "" {
		t.Skip("a long test: make soak")
	}
}

// meeting holds the first write of each of n publishers back until all of them are there, or until one of them does not come.
func meeting(n int, patience time.Duration) hook {
	var there atomic.Int32
	all := make(chan struct{})
	return func(_ int, r *http.Request) bool {
		if r.Method != http.MethodPut || there.Load() >= int32(n) {
			return true
		}
		if there.Add(1) == int32(n) {
			close(all)
		}
		select {
		case <-all:
		case <-time.After(patience):
		}
		return true
	}
}

// fixedPuts are the writes of names outside m/ that the store accepted; store.json is the publishers' own note, read by nobody else.
func fixedPuts(requests []lab.ProxiedRequest) (names []string) {
	for _, r := range requests {
		if r.Method == http.MethodPut && r.Status == http.StatusOK && !strings.Contains(r.Path, "/m/") && !strings.Contains(r.Path, "/"+publish.NoteName) {
			names = append(names, r.Path)
		}
	}
	return names
}

func twoPublishers(t *testing.T, rounds int) {
	w := newBucketWorld(t)
	w.mustRun(t)
	w.copy(t, "net/state", "net/other")
	proxies := map[string]*lab.FaultProxy{"tidemark.yaml": w.proxy, "other.yaml": w.startProxy(t)}
	w.configure(t, "other.yaml", "net/other", w.target(proxies["other.yaml"].URL))
	second, serial := 0, w.pointer(t).Serial
	sums := w.check(t)
	for round := range rounds {
		w.moveMaster(t)
		meet := meeting(2, 5*time.Second)
		w.before.Store(&meet)
		results := make(chan error, 2)
		for i, file := range []string{"tidemark.yaml", "other.yaml"} {
			proxies[file].Reset()
			go func() {
				time.Sleep(time.Duration(i) * 1100 * time.Millisecond) // issued in one second, both would sign the same bytes
				out, err := w.command(t, "run", "--config", file).CombinedOutput()
				if c := code1(err); c != console.Done && c != console.Locked {
					err = fmt.Errorf("round %d: %s: exit code %d\n%s", round, file, c, out)
					results <- err
					return
				}
				if err != nil {
					err = errors.New("second")
					if changed := fixedPuts(proxies[file].Requests()); len(changed) > 0 {
						err = fmt.Errorf("round %d: %s exited 5 and had changed %v", round, file, changed)
					}
				}
				results <- err
			}()
		}
		for range 2 {
			if err := <-results; err != nil && err.Error() == "second" {
				second++
			} else if err != nil {
				t.Error(err)
			}
		}
		now := w.pointer(t).Serial
		if now <= serial {
			t.Errorf("round %d: serial %d after %d", round, now, serial)
		}
		serial = now
		for n, sum := range w.check(t) {
			if had, ok := sums[n]; ok && had != sum {
				t.Errorf("round %d: serial %s has two manifests", round, n)
			}
			sums[n] = sum
		}
	}
	t.Logf("%d rounds: the second of two exited 5 in %d of them; the last serial is %d", rounds, second, serial)
	if second == 0 {
		t.Error("the two never met: nothing was tested")
	}
	w.before.Store(nil)
	w.mustRun(t)
	w.healed(t)
}

// The authority down: nothing is published anywhere. The copy down: published, said, caught up at the next run.
func TestRun_S3AuthorityAndCopyDown(t *testing.T) {
	t.Parallel() // it waits for patience to end, most of the time
	w := newBucketWorld(t)
	w.configure(t, "tidemark.yaml", "net/state", w.target(w.proxy.URL)+", {dir: net/copy}")
	w.ready(t)
	var dead hook = func(int, *http.Request) bool { return false }
	w.proxy.Reset(lab.Fault{At: 1, Times: -1, Kind: lab.FaultStatus, Status: http.StatusForbidden}) // not tried again: the test need not wait
	copied := must(os.ReadFile(filepath.Join(w.dir, "net/copy/latest.json")))
	out, err := w.do(t, "run", "--config", "tidemark.yaml")
	if code1(err) != console.Failed || !strings.Contains(out, "error: ") {
		t.Errorf("authority down: %v\n%s", err, out)
	}
	if string(must(os.ReadFile(filepath.Join(w.dir, "net/copy/latest.json")))) != string(copied) || w.pointer(t).Serial != 1 {
		t.Error("something was published while the authority was down")
	}
	w.proxy.Reset()

	w.configure(t, "tidemark.yaml", "net/state", "{dir: net/first}, "+w.target(w.proxy.URL))
	os.Rename(filepath.Join(w.dir, "net/copy"), filepath.Join(w.dir, "net/first"))
	w.before.Store(&dead)
	out, err = w.do(t, "run", "--config", "tidemark.yaml")
	if code1(err) != console.Failed || !strings.Contains(out, "published serial") || !strings.Contains(out, "error: copy s3://") {
		t.Errorf("copy down: %v\n%s", err, out)
	}
	w.before.Store(nil)
	w.mustRun(t)
	if string(must(os.ReadFile(filepath.Join(w.dir, "net/first/latest.json")))) != string(w.read("latest.json")) {
		t.Error("the copy did not catch up")
	}
	w.healed(t)
}

// A bucket rolled back or emptied by its owner: an alarm, and no serial is used again for something else.
func TestRun_S3BucketSetBack(t *testing.T) {
	w := newBucketWorld(t)
	w.ready(t)
	w.copy(t, w.bucket(), "old-bucket")
	w.mustRun(t)
	sums := w.check(t)
	for _, harm := range []func(){
		func() { w.copy(t, "old-bucket", w.bucket()) },
		func() { os.RemoveAll(w.site) },
	} {
		harm()
		out, err := w.do(t, "run", "--config", "tidemark.yaml")
		if err != nil || !strings.Contains(out, "tidemark: warning: s3://") {
			t.Errorf("%v\n%s", err, out)
		}
		for n, sum := range w.check(t) {
			if had, ok := sums[n]; ok && had != sum {
				t.Errorf("serial %s has two manifests", n)
			}
		}
		w.healed(t)
	}
	if s := w.pointer(t).Serial; s < 2 {
		t.Errorf("the pointer is at %d", s)
	}
}

// A bucket of somebody else's is refused, with what was found in it.
func TestRun_S3ForeignBucket(t *testing.T) {
	w := newBucketWorld(t)
	if err := w.s3.Put(t.Context(), "centos/holiday.jpg", []byte("a picture"), nil); err != nil {
		t.Fatal(err)
	}
	out, err := w.do(t, "run", "--config", "tidemark.yaml")
	if code1(err) != console.Failed || !strings.Contains(out, "holiday.jpg") || !strings.Contains(out, "hint: ") {
		t.Errorf("%v\n%s", err, out)
	}
	if _, err := os.Stat(filepath.Join(w.site, "latest.json")); err == nil {
		t.Error("it was published there all the same")
	}
}

// Over TLS, everything is read back by programs that nobody here wrote.
func TestRun_S3StockReaders(t *testing.T) {
	for _, tool := range []string{"aws", "curl", "gpgv", "minisign"} {
		scripttest.NeedTool(t, tool)
	}
	w := newKillWorld(t)
	g, err := lab.StartVersityGW(context.Background(), lab.S3Options{Dir: filepath.Join(w.dir, "s3"), TLS: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Stop() })
	w.env, w.site = g.Env(), filepath.Join(g.Root, g.Bucket)
	w.configure(t, "tidemark.yaml", "net/state", fmt.Sprintf("{s3: {bucket: %s, region: %s, endpoint: %q, path_style: true, ca: %q}}", g.Bucket, g.Region, g.Endpoint, g.CA))
	w.mustRun(t)
	stock := func(name string, args ...string) string {
		t.Helper()
		c := exec.CommandContext(t.Context(), name, args...)
		c.Dir, c.Env = w.dir, append(os.Environ(), g.Env()...)
		out, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	stock("/usr/bin/aws", "--endpoint-url", g.Endpoint, "s3", "cp", "--recursive", "s3://"+g.Bucket, "read")
	for _, name := range []string{"manifest.json", "manifest.json.asc", "manifest.json.minisig", "manifest.json.gpg", "manifest.bundle.json", "latest.json", "trust.json"} {
		stock("curl", "-fsS", "--cacert", g.CA, "-o", "curled", g.URL()+name)
		if string(must(os.ReadFile(filepath.Join(w.dir, "curled")))) != string(must(os.ReadFile(filepath.Join(w.dir, "read", name)))) {
			t.Errorf("%s: curl and aws read different bytes", name)
		}
	}
	stock("gpgv", "--keyring", filepath.Join(w.dir, "read/keys/centos.gpg"), "read/manifest.json.asc", "read/manifest.json")
	stock("minisign", "-Vm", "read/manifest.json", "-p", "read/keys/centos.pub")
	for name, want := range map[string][]string{
		"manifest.json":        {"Cache-Control: max-age=60, must-revalidate, no-transform", "Content-Type: application/json"},
		"m/1/manifest.json":    {"Cache-Control: max-age=31536000, immutable"},
		"trust/1.json":         {"Cache-Control: max-age=31536000, immutable"},
		"manifest.json.asc":    {"Content-Type: application/pgp-signature"},
		"manifest.bundle.json": {"Cache-Control: max-age=60, must-revalidate, no-transform"},
		"keys/centos.asc":      {"Content-Type: application/pgp-keys"},
		"latest.txt":           {"Content-Type: text/plain"},
	} {
		head := stock("curl", "-fsSI", "--cacert", g.CA, g.URL()+name)
		for _, h := range want {
			if !strings.Contains(strings.ToLower(head), strings.ToLower(h)) {
				t.Errorf("%s: no %q in\n%s", name, h, head)
			}
		}
	}
}
