package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"tidemark/internal/lab"
	"tidemark/manifest"
	"tidemark/schema"
)

// scene is a network of one tree for one test: a master in a directory, sources with real daemons, a signed site in a
// directory, and a mirror in Finland that has synced once. T0 is what the mirror holds, T1 what the master moved to.
type scene struct {
	*testing.T
	dir    string
	now    time.Time
	t0, t1 int64
	pub    *lab.Publisher
	master *lab.Tree
	offers map[string]manifest.Source
	url    string   // of the origin; "": the directory
	trust  string   // the file that is pinned; "": the publisher's newest
	after  string   // more trees of mirror.yaml
	lines  []string // of mirror.yaml
	tree   []string // of its tree
	env    []string
	config string
	enter  []string // the command that enters the mirror's mount namespace
	root   string   // where its root is seen from here
	first  string   // a server's copy of the tree at T0: what it had then
}

const mirrorID = "ftp.example.fi"

// newScene makes the network, and a mirror that holds T0; the master has moved on to T1.
func newScene(t *testing.T) *scene {
	t.Helper()
	return newSceneOn(t, "")
}

// newSceneOn has the mirror's tree on a file system of that size, in a mount namespace of its own.
func newSceneOn(t *testing.T, size string) *scene {
	t.Helper()
	needTool(t, "rsync")
	now := time.Now()
	s := &scene{T: t, dir: t.TempDir(), now: now, t0: now.Add(-2 * time.Hour).Unix(), t1: now.Add(-time.Hour).Unix(), offers: map[string]manifest.Source{}}
	s.config = filepath.Join(s.dir, "mirror.yaml")
	var err error
	if s.pub, err = lab.NewPublisher(filepath.Join(s.dir, "net"), "centos", now.Add(-20*time.Minute)); err != nil {
		t.Fatal(err)
	}
	s.master = s.newTree("centos", "master")
	s.lines = []string{"splay: 0s", "timeout: 60s", "connect_timeout: 10s", "country: FI"}
	s.mkdir("disk")
	if size != "" {
		s.mount(size)
	}
	s.must(os.Mkdir(s.mirror(), 0o755))
	first := s.serve("first", s.copy("first"), lab.Daemon{})
	s.offer("first", manifest.KindNode, "DE", first, s.t0)
	s.announce(nil)
	s.expect(0, "run", "--now")
	s.pub.At(now.Add(-time.Minute))
	delete(s.offers, "first")
	s.first = filepath.Join(s.dir, "servers", "first")
	s.move(s.t1)
	return s
}

func (s *scene) newTree(name, dir string) *lab.Tree {
	s.Helper()
	tree, err := lab.NewTree(filepath.Join(s.dir, dir), name, 1, s.t0)
	s.must(err)
	return tree
}

func (s *scene) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *scene) path(name string) string { return filepath.Join(s.dir, name) }

// mirror is the mirror's tree, as it is seen from here.
func (s *scene) mirror() string { return s.root + s.path("disk/mirror") }

// mount gives the mirror's disk a size. The namespace lives as long as a shell in it.
func (s *scene) mount(size string) {
	s.Helper()
	needTool(s.T, "unshare")
	needTool(s.T, "nsenter")
	unshare, enter := []string{"-m"}, []string{"-m"}
	if os.Geteuid() != 0 {
		unshare, enter = []string{"-rm"}, []string{"-U", "--preserve-credentials", "-m"}
	}
	c := exec.CommandContext(s.Context(), "unshare", append(unshare, "sh", "-c", `mount -t tmpfs -o size="$1" tmpfs "$2" && echo ready && cat`, "sh", size, s.path("disk"))...)
	in, err := c.StdinPipe()
	s.must(err)
	out, err := c.StdoutPipe()
	s.must(err)
	s.must(c.Start())
	s.Cleanup(func() {
		in.Close()
		c.Wait()
	})
	if _, err := io.ReadFull(out, make([]byte, len("ready\n"))); err != nil {
		s.Fatalf("mounting a small disk in a namespace: %v", err)
	}
	s.enter = append([]string{"nsenter", "-t", itoa(c.Process.Pid)}, enter...)
	s.root = filepath.Join("/proc", itoa(c.Process.Pid), "root")
}

func (s *scene) mkdir(name string) {
	s.Helper()
	s.must(os.MkdirAll(s.path(name), 0o755))
}

// move brings the master to ts.
func (s *scene) move(ts int64) {
	s.Helper()
	s.must(s.master.Move(ts))
}

// copy is a server's directory with the master's present tree.
func (s *scene) copy(name string) string {
	s.Helper()
	dir := filepath.Join(s.dir, "servers", name)
	s.must(s.master.CopyTo(dir))
	return dir
}

// serve starts a daemon for dir, and gives the URL of its module.
func (s *scene) serve(name, dir string, d lab.Daemon) string {
	s.Helper()
	return s.daemon(name, dir, d, lab.StartDaemon).URL("centos")
}

func (s *scene) daemon(name, dir string, d lab.Daemon, start func(context.Context, lab.Daemon) (*lab.Running, error)) *lab.Running {
	s.Helper()
	d.Dir, d.Address, d.Modules = filepath.Join(s.dir, "daemons", name), "127.0.0.1", map[string]string{"centos": dir}
	r, err := start(s.Context(), d)
	s.must(err)
	s.Cleanup(func() { r.Stop() })
	return r
}

// relayed is a daemon for dir behind a relay.
func (s *scene) relayed(name, dir string) *lab.Relay {
	s.Helper()
	r, err := lab.StartRelay(s.Context(), s.daemon(name, dir, lab.Daemon{}, lab.StartDaemon).Addr)
	s.must(err)
	s.Cleanup(func() { r.Close() })
	return r
}

// goneSince are the paths that the tree at T0 had and the master has no more: where nothing may be deleted, they stay.
func (s *scene) goneSince() (gone []string) {
	s.Helper()
	s.must(filepath.WalkDir(s.first, func(p string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(s.first, p)
		if _, there := os.Lstat(filepath.Join(s.master.Dir, name)); err == nil && there != nil {
			gone = append(gone, name)
		}
		return err
	}))
	return gone
}

// siteDown takes the origin away.
func (s *scene) siteDown() {
	s.Helper()
	s.configure()
	s.must(os.Rename(s.pub.Site, s.pub.Site+".down"))
}

// good serves the master's present tree as a mirror in Sweden does, which comes after all in Finland.
func (s *scene) good() {
	s.Helper()
	s.offer("good", manifest.KindMirror, "SE", s.serve("good", s.copy("good"), lab.Daemon{}), s.master.Timestamp)
}

// offer lists a source, verified to the depth of its listing.
func (s *scene) offer(id, kind, country, url string, ts int64) {
	s.Helper()
	o, err := lab.Offer(id, kind, country, "centos", url, ts, s.now)
	s.must(err)
	s.offers[id] = o
}

// near lists a source in Finland, the first to be asked, at the master's timestamp.
func (s *scene) near(url string) {
	s.Helper()
	s.offer("near", manifest.KindMirror, "FI", url, s.master.Timestamp)
}

// shallow makes a source one of which no deletions are taken.
func (s *scene) shallow(id string) {
	t := s.offers[id].Trees["centos"]
	t.Depth = manifest.DepthAnchors
	s.offers[id].Trees["centos"] = t
}

// announce publishes the master as it is now, with the sources listed.
func (s *scene) announce(change func(*manifest.Manifest)) {
	s.Helper()
	t, err := lab.TreeAt(s.Context(), s.master.Dir, s.now)
	s.must(err)
	m := &manifest.Manifest{Trees: map[string]manifest.Tree{"centos": t}, Policy: lab.Policy()}
	for _, id := range slices.Sorted(maps.Keys(s.offers)) {
		m.Sources = append(m.Sources, s.offers[id])
	}
	if change != nil {
		change(m)
	}
	s.must(s.pub.Publish(m))
}

// configure writes mirror.yaml.
func (s *scene) configure() {
	s.Helper()
	text := fmt.Sprintf("network: centos\nid: %s\nurl: %s\ntrust: %s\nstate: %s\n", mirrorID, cmp.Or(s.url, s.pub.Site), cmp.Or(s.trust, s.pub.TrustFile), s.path("state"))
	text += strings.Join(s.lines, "\n") + "\ntrees:\n  centos:\n    path: " + s.path("disk/mirror") + "\n"
	for _, line := range s.tree {
		text += "    " + line + "\n"
	}
	s.must(os.WriteFile(s.config, []byte(text+s.after), 0o644))
}

// command is the program with these arguments.
func (s *scene) command(args ...string) *exec.Cmd {
	s.Helper()
	s.configure()
	n := 1 // words of the command
	if args[0] == "trust" {
		n = 2
	}
	args = slices.Concat(args[:n], []string{"--config", s.config}, args[n:])
	args = slices.Concat(s.enter, []string{"tidemark-mirror"}, args)
	c := exec.CommandContext(s.Context(), args[0], args[1:]...)
	c.Env = append(os.Environ(), s.env...)
	return c
}

// run runs it, and gives what it said and its exit code.
func (s *scene) run(args ...string) (stdout, stderr string, exit int) {
	s.Helper()
	return result(s.T, s.command(args...))
}

func result(t *testing.T, c *exec.Cmd) (stdout, stderr string, exit int) {
	t.Helper()
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	err := c.Run()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		t.Fatal(err)
	}
	return out.String(), errs.String(), c.ProcessState.ExitCode()
}

// followsRunSchema validates what run --json printed.
func followsRunSchema(t *testing.T, text string) {
	t.Helper()
	if name := followsSchema(t, text); name != runSchema {
		t.Errorf("the document is %q, expected %s", name, runSchema)
	}
}

// followsSchema validates what --json printed against the schema that it names.
func followsSchema(t *testing.T, text string) (name string) {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%v in:\n%s", err, text)
	}
	members, _ := doc.(map[string]any)
	name, _ = members["schema"].(string)
	b, err := schema.Get(name)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(name, parsed); err != nil {
		t.Fatal(err)
	}
	compiled, err := c.Compile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := compiled.Validate(doc); err != nil {
		t.Errorf("%v in:\n%s", err, text)
	}
	return name
}

// expect runs the program and wants that exit code; it gives all that was said.
func (s *scene) expect(exit int, args ...string) string {
	s.Helper()
	stdout, stderr, got := s.run(args...)
	if got != exit {
		s.Fatalf("tidemark-mirror %s: exit code %d, expected %d\n%s%s", strings.Join(args, " "), got, exit, stdout, stderr)
	}
	return stdout + stderr
}

// says wants each of the fragments in text.
func (s *scene) says(text string, fragments ...string) {
	s.Helper()
	for _, f := range fragments {
		if !strings.Contains(text, f) {
			s.Errorf("expected %q in:\n%s", f, text)
		}
	}
}

// snapshot copies the mirror's tree, to be compared with later.
func (s *scene) snapshot() string {
	s.Helper()
	dir := s.path("before")
	s.must(os.RemoveAll(dir))
	if out, err := exec.Command("cp", "-a", s.mirror(), dir).CombinedOutput(); err != nil {
		s.Fatalf("%v: %s", err, out)
	}
	return dir
}

// same wants the mirror's tree to be that of dir. Temporary directories of rsync are nobody's content.
func (s *scene) same(dir string, ignore ...string) {
	s.Helper()
	diffs, err := lab.DiffTrees(dir, s.mirror(), lab.DiffOptions{Ignore: append(ignore, ".~tmp~")})
	s.must(err)
	if len(diffs) > 0 {
		s.Errorf("the mirror's tree is not that of %s:\n%s", filepath.Base(dir), strings.Join(diffs, "\n"))
	}
}

// holds wants that timestamp in the mirror's time file.
func (s *scene) holds(ts int64) {
	s.Helper()
	b, err := os.ReadFile(filepath.Join(s.mirror(), lab.TimeFile))
	s.must(err)
	if got := strings.TrimSpace(string(b)); got != fmt.Sprint(ts) {
		s.Errorf("the time file says %s, expected %d", got, ts)
	}
}

// heals wants what every run leaves behind: no lock held, nothing staged, and state that the next run can read; then a
// good source is there and the next run makes the tree the master's.
func (s *scene) heals() {
	s.Helper()
	staged, err := os.ReadDir(filepath.Join(s.path("state"), "staging", "centos"))
	if err == nil && len(staged) > 0 {
		s.Errorf("%d files were left in the staging directory, the first is %s", len(staged), staged[0].Name())
	}
	s.offers = map[string]manifest.Source{}
	s.env = nil
	s.lines[1] = "timeout: 60s"
	s.good()
	s.announce(nil)
	s.expect(0, "run", "--now")
	s.same(s.master.Dir)
	s.holds(s.master.Timestamp)
}

func itoa(n int) string { return strconv.Itoa(n) }

func atoi(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}

// file is the first name below dir that match accepts.
func firstFile(t *testing.T, dir string, match func(path string) bool) string {
	t.Helper()
	var found string
	err := filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() && match(p) {
			found = cmp.Or(found, p)
		}
		return err
	})
	if err != nil || found == "" {
		t.Fatalf("no such file below %s: %v", dir, err)
	}
	return found
}
