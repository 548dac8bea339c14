package contrib_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tidemark/internal/lab"
	"tidemark/manifest"
)

// world is a mirror network on loopback with a signed site, and one mirror that has an empty tree.
type world struct {
	*lab.Network
	publisher *lab.Publisher
	web       *lab.Web
	dir       string
	tree      string // the mirror's
	state     string
	settings  settings
}

const start0 = 1_488_372_781

// newWorld starts it: a node and two mirrors in Finland and Germany, one tree.
func newWorld(t *testing.T) *world {
	t.Helper()
	t.Parallel() // most of it is waiting for rsync
	needScriptTools(t)
	ctx := context.Background()
	w := &world{dir: t.TempDir()}
	var err error
	w.Network, err = lab.New(ctx, filepath.Join(w.dir, "net"), lab.Options{Seed: 1, Start: start0, Trees: []string{"centos"}, Servers: []lab.Server{
		{ID: "node.de", Kind: manifest.KindNode, Country: "DE"},
		{ID: "mirror.fi", Kind: manifest.KindMirror, Country: "FI"},
		{ID: "mirror.de", Kind: manifest.KindMirror, Country: "DE"},
	}})
	check(t, err)
	t.Cleanup(func() { w.Network.Close() })
	w.publisher, err = lab.NewPublisher(filepath.Join(w.dir, "publisher"), "centos", time.Now())
	check(t, err)
	w.mirror(t, "a")
	w.publish(t, nil)
	return w
}

// newWebWorld has its site on a web server, over TLS; newWorld's is a directory: the same files, in less time.
func newWebWorld(t *testing.T) *world {
	t.Helper()
	needTools(t, "nginx")
	w := newWorld(t)
	var err error
	w.web, err = lab.StartSite(context.Background(), filepath.Join(w.dir, "web"), w.publisher.Site, lab.WebOptions{})
	check(t, err)
	t.Cleanup(func() { w.web.Stop() })
	w.mirror(t, "a")
	return w
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// mirror makes a fresh mirror: an empty tree, nothing seen.
func (w *world) mirror(t *testing.T, name string) {
	t.Helper()
	w.tree, w.state = filepath.Join(w.dir, name, "tree"), filepath.Join(w.dir, name, "state")
	check(t, os.MkdirAll(w.tree, 0o755))
	check(t, os.MkdirAll(w.state, 0o755))
	w.settings = settings{"NETWORK": "centos", "ID": "mirror.se", "URL": "file://" + w.publisher.Site + "/", "TREE": "centos", "DIR": w.tree, "STATE": w.state,
		"KEYRING": filepath.Join(w.publisher.Site, "keys", "centos.gpg"), "COUNTRY": "SE", "CONTINENT": "EU", "SPLAY": "0", "WAIT": "0", "TIMEOUT": "10", "CONNECT": "5"}
	if w.web != nil {
		w.settings["URL"], w.settings["CACERT"] = w.web.URL, w.web.CA
	}
}

// publish describes the network as it is, with a change, and signs it.
func (w *world) publish(t *testing.T, change func(*manifest.Manifest)) *manifest.Manifest {
	t.Helper()
	m, err := w.Network.Manifest(context.Background(), time.Now())
	check(t, err)
	if change != nil {
		change(m)
	}
	w.publisher.At(time.Now())
	check(t, w.publisher.Publish(m))
	return m
}

// move brings the master and all servers to a later timestamp, and publishes it.
func (w *world) move(t *testing.T, timestamp int64) {
	t.Helper()
	check(t, w.Network.Move("centos", timestamp))
	check(t, w.Network.Sync(w.Network.IDs("")...))
	w.publish(t, nil)
}

// run runs the script and compares its exit code.
func (w *world) run(t *testing.T, want int, shell []string, args ...string) result {
	t.Helper()
	return w.runWith(t, want, shell, nil, args...)
}

func (w *world) runWith(t *testing.T, want int, shell, env []string, args ...string) result {
	t.Helper()
	conf := w.settings.write(t, filepath.Dir(w.state))
	r := perform(t, shell, env, append([]string{conf}, args...)...)
	if r.code != want {
		t.Fatalf("%s: expected exit code %d, found %v", strings.Join(args, " "), want, r)
	}
	return r
}

// holds compares the tree with the master's.
func (w *world) holds(t *testing.T) {
	t.Helper()
	diffs, err := lab.DiffTrees(w.Master("centos"), w.tree, lab.DiffOptions{})
	check(t, err)
	if len(diffs) > 0 {
		t.Fatalf("the mirror's tree is not the master's:\n%s", strings.Join(diffs, "\n"))
	}
	if left, _ := filepath.Glob(filepath.Join(w.state, "tmp.*")); len(left) > 0 {
		t.Errorf("left over in the state: %v", left)
	}
}

// untouched fails if anything lies in the tree.
func (w *world) untouched(t *testing.T) {
	t.Helper()
	entries, err := os.ReadDir(w.tree)
	check(t, err)
	if len(entries) > 0 {
		t.Fatalf("the tree was touched: %v", entries)
	}
}

// only keeps the sources with these ids.
func only(ids ...string) func(*manifest.Manifest) {
	return func(m *manifest.Manifest) {
		m.Sources = slices.DeleteFunc(m.Sources, func(s manifest.Source) bool { return !slices.Contains(ids, s.ID) })
	}
}

// source changes one source's entry of the tree.
func source(m *manifest.Manifest, id string, change func(*manifest.Source, *manifest.SourceTree)) {
	for i := range m.Sources {
		if s := &m.Sources[i]; s.ID == id {
			st := s.Trees["centos"]
			change(s, &st)
			s.Trees = map[string]manifest.SourceTree{"centos": st}
		}
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	check(t, err)
	return string(b)
}

func write(t *testing.T, file, text string) {
	t.Helper()
	check(t, os.MkdirAll(filepath.Dir(file), 0o755))
	check(t, os.WriteFile(file, []byte(text), 0o644))
}

// TestJourney is the mirror's day: something is new, it is synced and proven, nothing is new.
func TestJourney(t *testing.T) { journey(t, "sh", "busybox") }

// TestSoakJourney is the same in every shell at hand.
func TestSoakJourney(t *testing.T) { journey(t, soak(t, slices.Sorted(maps.Keys(shells())))...) }

func journey(t *testing.T, names ...string) {
	w := newWebWorld(t)
	for i, name := range names {
		shell, ok := shells()[name]
		if !ok {
			continue
		}
		t.Run(name, func(t *testing.T) {
			w.mirror(t, name)
			w.run(t, 100, shell, "check")
			w.untouched(t)
			if got, want := w.run(t, 0, shell, "sources").stdout, w.order(); got != want {
				t.Errorf("sources: found\n%sexpected\n%s", got, want)
			}
			if r := w.run(t, 0, shell); r.stdout+r.stderr != "" {
				t.Errorf("a good run without a terminal says something: %v", r)
			}
			w.holds(t)
			w.run(t, 0, shell, "check")
			w.run(t, 0, shell, "run")
			write(t, filepath.Join(w.tree, "stray", "file"), "not the master's\n")
			w.move(t, start0+int64(i+1)*1000)
			w.run(t, 100, shell, "check")
			w.run(t, 0, shell, "run")
			w.holds(t)
		})
	}
}

// order is what `sources` is to print for this mirror: mirrors first, the nearby table of Sweden, then the node.
func (w *world) order() string {
	var b strings.Builder
	for _, line := range []struct {
		tier int
		id   string
	}{{3, "mirror.fi"}, {3, "mirror.de"}, {5, "node.de"}} {
		s, err := w.Site(line.id)
		if err != nil {
			return err.Error()
		}
		fmt.Fprintf(&b, "%d\t%s\t%s\n", line.tier, line.id, s.URL("centos"))
	}
	return b.String()
}

// TestJourney_NothingNew: a check with nothing new asks for two small files, and for nothing else.
func TestJourney_NothingNew(t *testing.T) {
	w := newWebWorld(t)
	w.run(t, 0, nil)
	ctx := context.Background()
	check(t, w.web.Reset(ctx))
	w.run(t, 0, nil, "check")
	asked, err := w.web.Requests(ctx)
	check(t, err)
	var paths []string
	var bytes int64
	for _, r := range asked {
		paths, bytes = append(paths, r.Path), bytes+r.Sent
	}
	if want := []string{"/latest.txt", "/m/1/manifest.json.asc"}; !slices.Equal(paths, want) || bytes > 3000 {
		t.Errorf("found %d bytes of %q, expected %q and at most 3000", bytes, paths, want)
	}
}
