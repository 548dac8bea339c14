package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"tidemark/internal/lab"
	"tidemark/internal/scripttest"
	"tidemark/keys"
	"tidemark/manifest"
	"tidemark/publish"
	"tidemark/sign"
)

// TestRun_CDNReaders publishes again and again to a bucket, while readers loop over every published form through four
// CDNs: Varnish and nginx, that obey Cache-Control and are purged after each run, and two more that nobody purges and
// that keep everything for two seconds. The readers' verifiers are the stock ones. Single-object forms never fail; the
// two-file forms may, for as long as a cache may keep a file.
func TestRun_CDNReaders(t *testing.T)     { cdnReaders(t, 20) }
func TestSoakRun_CDNReaders(t *testing.T) { soak(t); cdnReaders(t, 300) }

const (
	shortTTL = 2 * time.Second
	// leeway is for an answer on its way from the origin into the cache, on a machine that is busy.
	leeway = 2 * time.Second
)

func cdnReaders(t *testing.T, publications int) {
	for _, tool := range []string{"rsync", "gpg", "gpgv", "minisign"} {
		scripttest.NeedTool(t, tool)
	}
	w := newCDNWorld(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var readers []*reader
	var done sync.WaitGroup
	for i := range 8 {
		r := w.newReader(t, w.cdns[i%len(w.cdns)])
		readers = append(readers, r)
		done.Go(func() {
			for ctx.Err() == nil {
				r.all(ctx)
			}
		})
	}
	for range publications - 1 {
		w.publish(t)
	}
	stop()
	done.Wait()
	w.judge(t, readers)
}

// cdn is one way to the site.
type cdn struct {
	name string
	base string
	ttl  time.Duration
}

type cdnWorld struct {
	*killWorld
	trust   *keys.Trust
	cdns    []cdn
	keyring string
	pubkey  string
	settled map[int64]time.Time // by serial: when the last of its fixed names lay in the bucket
}

func newCDNWorld(t *testing.T) *cdnWorld {
	w := &cdnWorld{killWorld: newKillWorld(t), settled: map[int64]time.Time{}}
	g, err := lab.StartVersityGW(t.Context(), lab.S3Options{Dir: filepath.Join(w.dir, "s3")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Stop() })
	w.env, w.site = g.Env(), filepath.Join(g.Root, g.Bucket)
	w.startCDNs(t, g)
	// Readers know a cache by another name than the publisher, who purges it from beside it.
	w.configure(t, "tidemark.yaml", "net/state", fmt.Sprintf("{s3: {bucket: %s, region: %s, endpoint: %q, path_style: true}, url: %q, purge: [{url: %q}, {url: %q}]}",
		g.Bucket, g.Region, g.Endpoint, w.cdns[0].base, purgeURL(w.cdns[0]), purgeURL(w.cdns[1])))
	w.mustRun(t)
	w.note(t)
	if w.trust, err = sign.OpenTrust(must(os.ReadFile(filepath.Join(w.dir, "net", "trust.json")))); err != nil {
		t.Fatal(err)
	}
	w.keyring, w.pubkey = filepath.Join(w.site, "keys", "centos.gpg"), filepath.Join(w.site, "keys", "centos.pub")
	return w
}

func purgeURL(c cdn) string { return strings.Replace(c.base, "localhost", "127.0.0.1", 1) }

func (w *cdnWorld) startCDNs(t *testing.T, g *lab.S3) {
	t.Helper()
	for _, tool := range []string{"varnishd", "nginx"} {
		if _, err := os.Stat("/usr/sbin/" + tool); err != nil {
			scripttest.NeedTool(t, tool)
		}
	}
	for _, longest := range []time.Duration{0, shortTTL} {
		name, ttl := "purged", time.Minute
		if longest > 0 {
			name, ttl = longest.String(), longest
		}
		varnish, err1 := lab.StartVarnish(t.Context(), filepath.Join(w.dir, "varnish-"+name), lab.VarnishCDN(g, longest))
		nginx, err2 := lab.StartNginx(t.Context(), filepath.Join(w.dir, "nginx-"+name), lab.NginxCDN(g, longest))
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { varnish.Stop(); nginx.Stop() })
		for _, c := range []cdn{{base: varnish.URL(), name: "varnish"}, {base: nginx.URL(), name: "nginx"}} {
			w.cdns = append(w.cdns, cdn{c.name + " " + name, strings.Replace(c.base, "127.0.0.1", "localhost", 1), ttl})
		}
	}
}

// publish moves the master, by little, for the time in its time file must not come to lie ahead, and publishes.
func (w *cdnWorld) publish(t *testing.T) {
	t.Helper()
	w.moved += 40
	if err := errors.Join(w.network.Move("centos", w.moved), w.network.Sync(w.network.IDs("")...)); err != nil {
		t.Fatal(err)
	}
	if out, err := w.do(t, "probe", "-o", os.DevNull, "--config", "tidemark.yaml"); err != nil {
		t.Fatalf("probe: %v\n%s", err, out)
	}
	w.mustRun(t)
	w.note(t)
}

// note remembers when the newest publication was complete: the mark is put last.
func (w *cdnWorld) note(t *testing.T) {
	t.Helper()
	p, err := manifest.ParsePointer(w.read(publish.PointerName))
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(w.site, publish.MarkName))
	if err != nil {
		t.Fatal(err)
	}
	if _, known := w.settled[p.Serial]; known {
		t.Fatalf("serial %d is still the newest after another run", p.Serial)
	}
	w.settled[p.Serial] = info.ModTime()
}

// judge counts, and holds every answer against what lay in the bucket when.
func (w *cdnWorld) judge(t *testing.T, readers []*reader) {
	serials := w.serials(t)
	for _, c := range w.cdns {
		counts := map[string]*tally{}
		for _, f := range forms {
			counts[f.name] = &tally{serials: map[int64]bool{}}
		}
		hits := 0
		for _, r := range readers {
			if r.cdn != c {
				continue
			}
			hits += r.hits
			for _, v := range r.visits {
				counts[v.form.name].add(t, w, c, v, serials)
			}
		}
		if hits == 0 {
			t.Errorf("%s: no answer came from the cache", c.name)
		}
		for _, f := range forms {
			n := counts[f.name]
			t.Logf("%-15s %-22s %5d read, %3d failed, %3d serials seen, oldest answer %4d ms behind", c.name, f.name, n.read, n.failed, len(n.serials), n.behind.Milliseconds())
			if f.name != "trust" && len(n.serials) < min(5, len(w.settled)) {
				t.Errorf("%s: %s was seen at %d of %d serials only", c.name, f.name, len(n.serials), len(w.settled))
			}
		}
	}
}

// serials tells of which publication a file's bytes are, from the immutable copies.
func (w *cdnWorld) serials(t *testing.T) map[string]int64 {
	t.Helper()
	out := map[string]int64{}
	for serial := range w.settled {
		files, err := os.ReadDir(filepath.Join(w.site, "m", fmt.Sprint(serial)))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			b := w.read(filepath.Join("m", fmt.Sprint(serial), f.Name()))
			out[fmt.Sprintf("%s %x", f.Name(), sha256.Sum256(b))] = serial
		}
	}
	return out
}

type tally struct {
	read, failed int
	serials      map[int64]bool
	behind       time.Duration // how long the oldest answer had been replaced at the origin
}

func (n *tally) add(t *testing.T, w *cdnWorld, c cdn, v visit, serials map[string]int64) {
	t.Helper()
	n.read++
	if v.err != nil {
		n.failed++
	}
	if v.err != nil && (v.form.single || v.lost) {
		t.Errorf("%s: %s failed: %v", c.name, v.form.name, v.err)
	}
	for _, p := range v.parts {
		serial, known := serials[fmt.Sprintf("%s %x", filepath.Base(p.name), p.sum)]
		if !known {
			continue // pointer, mark, trust
		}
		n.serials[serial] = true
		next, replaced := w.settled[serial+1]
		if strings.HasPrefix(p.name, "m/") || !replaced {
			continue
		}
		behind := p.asked.Sub(next)
		n.behind = max(n.behind, behind)
		// A failure comes of a file that is older than the other one: it lasts as long as that may be kept.
		if behind > c.ttl+leeway {
			t.Errorf("%s: %s of serial %d was given %s after serial %d had replaced it, expected at most %s", c.name, p.name, serial, behind, serial+1, c.ttl)
		}
	}
}
