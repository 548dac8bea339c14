package treesync_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"tidemark/internal/lab"
	"tidemark/internal/rsyncurl"
	"tidemark/manifest"
	"tidemark/rsync"
	"tidemark/treesync"
)

// TestPackageClient_NeverSeesABrokenTree has dnf read the mirror over HTTP, again and again, while it syncs. The sync waits
// for whole rounds of dnf at the start of every connection and in the midst of transfers, so that each of its steps is
// looked at, however fast it is.
func TestPackageClient_NeverSeesABrokenTree(t *testing.T) {
	w := newPackageWorld(t, newPackageMaster(t))
	w.syncs(t, 2, w.tidemark)
	w.neverBroken(t)
}

// TestPackageClient_FixedNames: metadata whose names say nothing of their content (primary.xml.gz) are replaced in place. They
// have to come with the repomd.xml that names their checksums.
func TestPackageClient_FixedNames(t *testing.T) {
	w := newPackageWorld(t, newPackageMaster(t, "--simple-md-filenames"))
	w.syncs(t, 1, w.tidemark)
	w.neverBroken(t)
}

// TestSoakPackageClient_NeverSeesABrokenTree is the same for 30 updates.
func TestSoakPackageClient_NeverSeesABrokenTree(t *testing.T) {
	if os.Getenv("TIDEMARK_SOAK") == "" {
		t.Skip("TIDEMARK_SOAK=1 runs 30 syncs")
	}
	w := newPackageWorld(t, newPackageMaster(t))
	w.syncs(t, 30, w.tidemark)
	w.neverBroken(t)
}

// TestPackageClient_SeesWhatPlainRsyncBreaks is the control: a sync in one run, deleting as it goes, is caught.
func TestPackageClient_SeesWhatPlainRsyncBreaks(t *testing.T) {
	w := newPackageWorld(t, newPackageMaster(t))
	w.syncs(t, 1, func(ctx context.Context, url string) error {
		out, err := exec.CommandContext(ctx, "rsync", "-aH", "--delete", "--timeout=60", "--bwlimit=200", url, w.mirror+"/").CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w\n%s", err, out)
		}
		return nil
	})
	t.Logf("%d rounds of dnf during one sync by plain rsync --delete: %d misses", w.ended, len(w.misses))
	if len(w.misses) == 0 {
		t.Error("no miss: this test could not see a broken tree")
	}
}

// packageWorld is a mirror of a packageMaster, served by nginx, and the clients that read it.
type packageWorld struct {
	master *packageMaster
	mirror string
	base   string // URL of the mirror's tree
	memory treesync.Memory

	mu     sync.Mutex
	turn   *sync.Cond
	begun  int // rounds of dnf
	ended  int
	misses []string
	failed int // failed rounds that do not count: the metadata changed meanwhile
	over   bool
}

func newPackageWorld(t *testing.T, m *packageMaster) *packageWorld {
	t.Helper()
	w := &packageWorld{master: m, mirror: filepath.Join(t.TempDir(), "mirror")}
	w.turn = sync.NewCond(&w.mu)
	if out, err := exec.CommandContext(t.Context(), "rsync", "-aH", m.dir+"/", w.mirror+"/").CombinedOutput(); err != nil {
		t.Fatalf("first copy: %v\n%s", err, out)
	}
	site, err := lab.StartSite(t.Context(), t.TempDir(), w.mirror, lab.WebOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { site.Stop() })
	w.base = site.Plain
	return w
}

// syncs lets the master move and the mirror follow, n times, with clients about.
func (w *packageWorld) syncs(t *testing.T, n int, run func(ctx context.Context, url string) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+n)*time.Minute)
	defer cancel()
	var reader sync.WaitGroup
	reader.Go(func() { w.read(ctx, t) })
	defer reader.Wait()
	defer w.stop()
	for range n {
		w.master.move(t)
		w.master.relay.Reset()
		for _, down := range []int64{0, 60_000} {
			w.master.relay.Arm(lab.RelayFault{Down: down, Hook: w.round})
		}
		if err := run(ctx, w.master.relay.URL("centos")); err != nil {
			t.Fatal(err)
		}
		w.round()
		diffs, err := lab.DiffTrees(w.master.dir, w.mirror, lab.DiffOptions{})
		if err != nil || len(diffs) > 0 {
			t.Fatalf("after the sync: %v, %q", err, diffs)
		}
	}
}

// tidemark is the sync under test.
func (w *packageWorld) tidemark(ctx context.Context, url string) error {
	tree, err := lab.TreeAt(ctx, w.master.dir, time.Unix(w.master.timestamp(), 0))
	if err != nil {
		return err
	}
	u, err := rsyncurl.Parse(url)
	if err != nil {
		return err
	}
	o, err := treesync.Run(ctx, treesync.Options{
		Spec:    treesync.Spec{Name: "centos", Path: w.mirror, MaxDelete: 40000, Bandwidth: 200 << 10, Timeout: time.Minute, ConnectTimeout: 30 * time.Second},
		Tree:    tree,
		Sources: []treesync.Source{{ID: "master", URL: u, Timestamp: tree.Timestamp, MayDelete: true}},
		Memory:  w.memory, Staging: w.mirror + ".staging", Runner: &rsync.Exec{},
		Refresh: func(context.Context) (manifest.Tree, error) {
			return tree, errors.New("the master is at rest")
		},
		Save:   func(m treesync.Memory) error { w.memory = m; return nil },
		Report: func(treesync.Event) {},
		Now:    func() time.Time { return time.Unix(w.master.timestamp()+60, 0) },
		Adopt:  true,
	})
	if err == nil && (!o.Synced || o.Timestamp != tree.Timestamp) {
		err = fmt.Errorf("not synced: %+v", o)
	}
	return err
}

// read is the client, round after round. A failure is a miss when every repomd.xml had the same bytes before and after.
func (w *packageWorld) read(ctx context.Context, t *testing.T) {
	for w.begin() && ctx.Err() == nil {
		before := w.metadata()
		err := dnf(ctx, t, w.base)
		w.end(ctx, err, before == w.metadata())
	}
	w.stop()
}

func (w *packageWorld) metadata() string {
	var all []byte
	for _, repo := range packageRepos() {
		b, err := os.ReadFile(filepath.Join(w.mirror, repo, "repodata", "repomd.xml"))
		all = fmt.Appendf(all, "%s: %v\n%s\n", repo, err, b)
	}
	return string(all)
}

func (w *packageWorld) begin() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.begun++
	return !w.over
}

func (w *packageWorld) end(ctx context.Context, err error, same bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer w.turn.Broadcast()
	w.ended++
	switch {
	case err == nil || ctx.Err() != nil:
	case same:
		w.misses = append(w.misses, err.Error())
	default:
		w.failed++
	}
}

func (w *packageWorld) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = true
	w.turn.Broadcast()
}

// round returns when the client has made a whole round that began after the call.
func (w *packageWorld) round() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for want := w.begun + 1; w.ended < want && !w.over; {
		w.turn.Wait()
	}
}

func (w *packageWorld) neverBroken(t *testing.T) {
	t.Helper()
	t.Logf("%d rounds of dnf, %d failed while the metadata changed, %d misses", w.ended, w.failed, len(w.misses))
	for _, m := range w.misses {
		t.Errorf("the metadata stayed the same, and dnf failed:\n%s", m)
	}
}
