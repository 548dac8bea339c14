package treesync_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tidemark/internal/lab"
	"tidemark/internal/rsyncurl"
	"tidemark/manifest"
	"tidemark/rsync"
	"tidemark/treesync"
)

// The timestamps of the tests, and the clock's.
const (
	first  int64 = 1488372781
	second int64 = first + 3600
	third  int64 = second + 3600
)

func now() time.Time { return time.Unix(third+600, 0).UTC() }

func needTool(t testing.TB, name, pkg string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is missing: apt-get install -y %s", name, pkg)
		}
		t.Skipf("%s is missing: apt-get install -y %s", name, pkg)
	}
}

// soak asks for all variants of a test, where otherwise a choice will do.
func soak() bool { return os.Getenv("TIDEMARK_SOAK") != "" }

// site is a master, and a mirror that is to be synced.
type site struct {
	t      testing.TB
	dir    string
	master *lab.Tree
	mirror string
	memory treesync.Memory
	saved  []treesync.Memory
	events []treesync.Event
	runs   *runs
	hook   func(treesync.Event) // is told of each event, before the sync goes on
}

func newSite(t testing.TB) *site {
	t.Helper()
	needTool(t, "rsync", "rsync")
	if t, ok := t.(*testing.T); ok {
		t.Parallel() // most of the time, rsync's processes wait for each other
	}
	s := &site{t: t, dir: t.TempDir(), runs: &runs{runner: &rsync.Exec{}}}
	s.mirror = filepath.Join(s.dir, "mirror")
	s.mkdir(s.mirror)
	var err error
	s.master, err = lab.NewTree(filepath.Join(s.dir, "master"), "centos", 1, first)
	s.must(err)
	return s
}

func (s *site) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) mkdir(dir string) {
	s.t.Helper()
	s.must(os.MkdirAll(dir, 0o755))
}

// write makes a file below dir, with an mtime of its own.
func (s *site) write(dir, name, text string) {
	s.t.Helper()
	file := filepath.Join(dir, name)
	s.mkdir(filepath.Dir(file))
	s.must(os.WriteFile(file+".new", []byte(text), 0o644))
	s.must(os.Rename(file+".new", file))
	at := time.Unix(first-1000, 0)
	s.must(os.Chtimes(file, at, at))
}

// copyOf is a source's directory with the master's present content.
func (s *site) copyOf(name string) string {
	s.t.Helper()
	dir := filepath.Join(s.dir, name)
	s.must(s.master.CopyTo(dir))
	return dir
}

// serve starts a daemon for a directory.
func (s *site) serve(id, dir string, may bool) treesync.Source {
	s.t.Helper()
	return s.source(id, s.daemon(lab.Daemon{Modules: map[string]string{"m": dir}}).URL("m"), may)
}

func (s *site) daemon(d lab.Daemon) *lab.Running {
	s.t.Helper()
	d.Address, d.Dir = "127.0.0.1", filepath.Join(s.t.TempDir(), "daemon")
	r, err := lab.StartDaemon(context.Background(), d)
	s.must(err)
	s.t.Cleanup(func() { r.Stop() })
	return r
}

func (s *site) source(id, url string, may bool) treesync.Source {
	s.t.Helper()
	u, err := rsyncurl.Parse(url)
	s.must(err)
	return treesync.Source{ID: id, URL: u, MayDelete: may}
}

// announce is what a manifest says of the tree in dir.
func (s *site) announce(dir string, ts int64) manifest.Tree {
	s.t.Helper()
	m := manifest.Tree{Timestamp: ts, TimeFile: lab.TimeFile}
	s.must(filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		m.Files, m.Bytes = m.Files+1, m.Bytes+int64(len(data))
		if strings.HasSuffix(file, "/repodata/repomd.xml") {
			rel, _ := filepath.Rel(dir, file)
			sum := sha256.Sum256(data)
			m.Anchors = append(m.Anchors, manifest.Anchor{Path: rel, Size: int64(len(data)), SHA256: hex.EncodeToString(sum[:])})
		}
		return nil
	}))
	return m
}

// later adds what is recorded of a newer state.
func later(t, newer manifest.Tree) manifest.Tree {
	was := map[manifest.Anchor]bool{}
	for _, a := range t.Anchors {
		was[a] = true
	}
	l := manifest.Later{Timestamp: newer.Timestamp}
	for _, a := range newer.Anchors {
		if !was[a] {
			l.Anchors = append(l.Anchors, a)
		}
	}
	t.Later = append(t.Later, l)
	return t
}

func (s *site) options(tree manifest.Tree, sources ...treesync.Source) treesync.Options {
	return treesync.Options{
		Spec: treesync.Spec{Name: "centos", Path: s.mirror, MaxDelete: 100, Timeout: 10 * time.Second, ConnectTimeout: 5 * time.Second},
		Tree: tree, Sources: sources, Memory: s.memory, Staging: filepath.Join(s.dir, "staging"), Runner: s.runs,
		Save: func(m treesync.Memory) error {
			s.saved, s.memory = append(s.saved, m), m
			return nil
		},
		Report: func(e treesync.Event) {
			s.events = append(s.events, e)
			s.t.Logf("%s: %s %s", e.Stage, e.Text, e.Command)
			if s.hook != nil {
				s.hook(e)
			}
		},
		Now: now,
	}
}

// sync runs it, and expects it to be well.
func (s *site) sync(o treesync.Options) treesync.Outcome {
	s.t.Helper()
	out, err := treesync.Run(context.Background(), o)
	if err != nil || !out.Synced {
		s.t.Fatalf("sync: %v; attempts %+v", err, out.Attempts)
	}
	return out
}

// same expects the mirror to be what dir is.
func (s *site) same(dir string, ignore ...string) {
	s.t.Helper()
	diffs, err := lab.DiffTrees(dir, s.mirror, lab.DiffOptions{Ignore: ignore, DirTimes: true})
	s.must(err)
	for _, d := range diffs {
		s.t.Errorf("source and mirror differ: %s", d)
	}
	there, err := os.Stat(dir)
	s.must(err)
	here, err := os.Stat(s.mirror)
	s.must(err)
	if there.ModTime().Unix() != here.ModTime().Unix() {
		s.t.Errorf("source and mirror differ: the top's mtime is %s and %s", there.ModTime(), here.ModTime())
	}
	s.clean()
}

// clean expects no leftovers in the staging directory.
func (s *site) clean() {
	s.t.Helper()
	left, err := os.ReadDir(filepath.Join(s.dir, "staging"))
	s.must(err)
	if len(left) > 0 {
		s.t.Errorf("left in the staging directory: %v", left)
	}
}

// holds is what the mirror's time file says.
func (s *site) holds() int64 {
	s.t.Helper()
	h, err := treesync.Read(s.mirror, lab.TimeFile, now())
	s.must(err)
	return h.Timestamp
}

// runs counts rsync's runs, and does harm to them.
type runs struct {
	runner rsync.Runner
	n      int
	jobs   []rsync.Job
	before func(n int, j rsync.Job) error
	after  func(n int, j rsync.Job) error
	change func(n int, res *rsync.Result)
}

func (r *runs) Run(ctx context.Context, j rsync.Job, w rsync.Watch) (rsync.Result, error) {
	r.n++
	n := r.n
	r.jobs = append(r.jobs, j)
	if r.before != nil {
		if err := r.before(n, j); err != nil {
			return rsync.Result{}, err
		}
	}
	res, err := r.runner.Run(ctx, j, w)
	if r.change != nil {
		r.change(n, &res)
	}
	if r.after != nil && err == nil {
		err = r.after(n, j)
	}
	return res, err
}

func attempts(as []treesync.Attempt) string {
	var b strings.Builder
	for _, a := range as {
		fmt.Fprintf(&b, "%s:%s:%s ", a.Source.ID, a.Stage, a.Why)
	}
	return strings.TrimSpace(b.String())
}

// otherRsync gives an rsync of another minor version than the installed one.
func otherRsync(t testing.TB) string {
	t.Helper()
	out, err := exec.Command("../scripts/rsync-other").Output()
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("scripts/rsync-other: %v", err)
		}
		t.Skipf("scripts/rsync-other: %v", err)
	}
	return strings.TrimSpace(string(out))
}
