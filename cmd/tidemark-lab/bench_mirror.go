package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"tidemark/internal/lab"
	"tidemark/manifest"
)

// mirrorBench is one source behind a relay, one site over TLS behind another, and mirrors that follow the source each in
// their own way.
type mirrorBench struct {
	dir, tidemark string
	now           func() time.Time
	tree          *lab.Tree
	daemon        *lab.Running
	publisher     *lab.Publisher
	web           *lab.Web
	source, site  *lab.Relay
}

const (
	benchFiles   = 20_000  // beside those of a lab tree
	noOpFiles    = 240_000 // the design's figure is for a tree of that size
	checkRounds  = 9
	benchSources = 650
)

// benchMirror measures one sync, without and with deletions, and a check that finds nothing new.
func benchMirror(ctx context.Context, dir string, now func() time.Time) (tables []lab.BenchTable, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	b := &mirrorBench{dir: dir, now: now, tidemark: filepath.Join(filepath.Dir(self), "tidemark-mirror")}
	if err := lab.InMemory(dir); err != nil {
		return nil, err
	}
	defer b.close()
	if err := b.prepare(ctx); err != nil {
		return nil, fmt.Errorf("prepare: %w", err)
	}
	for _, deleting := range []bool{false, true} {
		t, err := b.oneSync(ctx, deleting)
		if err != nil {
			return nil, err
		}
		tables = append(tables, t)
	}
	t, err := b.noChange(ctx)
	return append(tables, t), err
}

func (b *mirrorBench) prepare(ctx context.Context) (err error) {
	start := b.now().Add(-24 * time.Hour).Unix()
	if b.tree, err = lab.NewTree(b.path("master"), "centos", 1, start); err != nil {
		return err
	}
	if err := lab.Bulk(b.path("master"), benchFiles, 300, 1, start); err != nil {
		return err
	}
	if err := lab.Bulk(b.path("many"), noOpFiles, 400_000, 2, start); err != nil {
		return err
	}
	b.daemon, err = lab.StartDaemon(ctx, lab.Daemon{Dir: b.path("daemon"), Address: "127.0.0.1", Modules: map[string]string{"centos": b.path("master"), "many": b.path("many")}})
	if err != nil {
		return err
	}
	if b.source, err = lab.StartRelay(ctx, b.daemon.Addr); err != nil {
		return err
	}
	if b.publisher, err = lab.NewPublisher(b.path("publisher"), "centos", b.now()); err != nil {
		return err
	}
	if b.web, err = lab.StartSite(ctx, b.path("nginx"), b.publisher.Site, lab.WebOptions{}); err != nil {
		return err
	}
	if b.site, err = lab.StartRelay(ctx, b.web.TLS); err != nil {
		return err
	}
	cfg := fmt.Sprintf("network: centos\nid: bench.example.org\nurl: https://%s/\nca: %s\ntrust: %s\ncountry: FI\nstate: %s\ntrees: {centos: {path: %s}}\n",
		b.site.Addr, b.web.CA, b.publisher.TrustFile, b.path("state"), b.path("tidemark"))
	if err := os.WriteFile(b.path("mirror.yaml"), []byte(cfg), 0o644); err != nil {
		return err
	}
	if err := b.publish(ctx); err != nil {
		return err
	}
	if err := os.Mkdir(b.path("tidemark"), 0o755); err != nil {
		return err
	}
	for _, name := range []string{"tidemark", "plain", "ftpsync"} { // every mirror begins with the same tree
		if _, err := b.run(ctx, 0, "rsync", "-a", b.path("master")+"/", b.path(name)+"/"); err != nil {
			return err
		}
	}
	_, err = b.run(ctx, 0, b.tidemark, "run", "--now", "--adopt", "--config", b.path("mirror.yaml"))
	return err
}

func (b *mirrorBench) path(name string) string { return filepath.Join(b.dir, name) }

func (b *mirrorBench) close() {
	for _, r := range []*lab.Relay{b.source, b.site} {
		if r != nil {
			r.Close()
		}
	}
	if b.web != nil {
		b.web.Stop()
	}
	if b.daemon != nil {
		b.daemon.Stop()
	}
}

// publish announces the master as it is, with one source near, and as many far ones as a real network has.
func (b *mirrorBench) publish(ctx context.Context) error {
	now := b.now()
	tree, err := lab.TreeAt(ctx, b.path("master"), now)
	if err != nil {
		return err
	}
	offer, err := lab.Offer("node-1", manifest.KindNode, "FI", "centos", b.source.URL("centos"), tree.Timestamp, now)
	if err != nil {
		return err
	}
	sources := []manifest.Source{}
	for i := range benchSources - 1 {
		far, err := lab.Offer(fmt.Sprintf("mirror-%03d", i), manifest.KindMirror, "NZ", "centos", fmt.Sprintf("rsync://mirror-%03d.example.org/centos/", i), tree.Timestamp, now)
		if err != nil {
			return err
		}
		sources = append(sources, far)
	}
	b.publisher.At(now)
	return b.publisher.Publish(&manifest.Manifest{Trees: map[string]manifest.Tree{"centos": tree}, Sources: append(sources, offer)})
}

// run runs a command, insists on its exit code, and says what it took.
func (b *mirrorBench) run(ctx context.Context, code int, name string, args ...string) (lab.BenchRow, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, name, args...)
	c.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + b.dir, "LC_ALL=C", "TZ=UTC"}
	c.WaitDelay = time.Second
	b.source.Reset()
	b.site.Reset()
	start := b.now()
	out, err := c.CombinedOutput()
	wall := b.now().Sub(start)
	if c.ProcessState == nil || c.ProcessState.ExitCode() != code {
		return lab.BenchRow{}, fmt.Errorf("%s %q: %w, expected exit code %d\n%s", filepath.Base(name), args, errors.Join(err), code, out)
	}
	row := lab.BenchRow{Client: filepath.Base(name), Wall: wall, CPU: c.ProcessState.UserTime() + c.ProcessState.SystemTime(),
		Conns: len(b.source.Conns()) + len(b.site.Conns()), Lists: b.source.FullLists(), Rounds: 1}
	for _, r := range []*lab.Relay{b.source, b.site} {
		up, down := r.Bytes()
		row.Bytes += up + down
	}
	return row, nil
}

// oneSync lets the master move and every mirror follow.
func (b *mirrorBench) oneSync(ctx context.Context, deleting bool) (lab.BenchTable, error) {
	t := lab.BenchTable{Title: fmt.Sprintf("one sync of a tree of %d files: 60 added, 41 changed (bytes, connections: site and source)", benchFiles)}
	most := 1
	if deleting {
		t.Title = fmt.Sprintf("one sync of a tree of %d files: 64 added, 42 changed, 53 deleted", benchFiles)
		most = 2
	}
	if err := b.move(deleting); err != nil {
		return t, err
	}
	if err := b.publish(ctx); err != nil {
		return t, err
	}
	check, err := b.run(ctx, 100, b.tidemark, "check", "--config", b.path("mirror.yaml")) // fetches the manifest
	if err != nil {
		return t, err
	}
	ours, err := b.run(ctx, 0, b.tidemark, "run", "--now", "--config", b.path("mirror.yaml"))
	if err != nil {
		return t, err
	}
	plain, err := b.run(ctx, 0, "rsync", "-rltpH", "--safe-links", "--timeout=600", "--delete-delay", b.source.URL("centos"), b.path("plain")+"/")
	if err != nil {
		return t, err
	}
	ours = sum("tidemark-mirror check, run", check, ours)
	plain.Client = "one plain rsync"
	two, err := b.twoStages(ctx)
	if err != nil {
		return t, err
	}
	for _, name := range []string{"tidemark", "plain", "ftpsync"} {
		diffs, err := lab.DiffTrees(b.path("master"), b.path(name), lab.DiffOptions{NoContent: true})
		if err != nil || len(diffs) > 0 {
			return t, fmt.Errorf("the mirror %s differs from its source: %w %q", name, errors.Join(err), diffs)
		}
	}
	t.Rows = []lab.BenchRow{ours, plain, two}
	t.Targets = []lab.BenchTarget{{What: "full lists asked of the source", Ratio: float64(ours.Lists), Most: float64(most), Met: ours.Lists <= most}}
	return t, nil
}

// twoStages is what ftpsync has rsync do: first all but the metadata and without deleting, then all, with the options
// that its manual page names.
func (b *mirrorBench) twoStages(ctx context.Context) (lab.BenchRow, error) {
	common := []string{"-prltvHSB8192", "--safe-links", "--timeout=3600", "--stats"}
	end := []string{b.source.URL("centos"), b.path("ftpsync") + "/"}
	first, err := b.run(ctx, 0, "rsync", slices.Concat(common, []string{"--exclude=repodata/", "--exclude=/" + lab.TimeFile}, end)...)
	if err != nil {
		return first, err
	}
	second, err := b.run(ctx, 0, "rsync", slices.Concat(common, []string{"--max-delete=40000", "--delay-updates", "--delete", "--delete-delay"}, end)...)
	return sum("two stages, as ftpsync", first, second), err
}

// sum is two commands as one.
func sum(client string, a, b lab.BenchRow) lab.BenchRow {
	return lab.BenchRow{Client: client, Wall: a.Wall + b.Wall, CPU: a.CPU + b.CPU, Bytes: a.Bytes + b.Bytes, Conns: a.Conns + b.Conns, Lists: a.Lists + b.Lists, Rounds: 1}
}

// move brings the master to its next timestamp.
func (b *mirrorBench) move(deleting bool) error {
	ts := b.tree.Timestamp + 3600
	if deleting {
		if err := b.tree.Move(ts); err != nil { // new metadata: one package more, three old files of metadata gone
			return err
		}
	}
	dirs, err := filepath.Glob(b.path("master") + "/*/x86_64/Packages")
	if err != nil || len(dirs) < 20 {
		return fmt.Errorf("find what to change: %d directories: %w", len(dirs), errors.Join(err))
	}
	for i, d := range dirs[:20] {
		if err := changeIn(d, ts, i, deleting); err != nil {
			return err
		}
	}
	return b.tree.SetTime(ts)
}

// changeIn adds three files to a directory, changes two, and with deleting removes 50 from the first.
func changeIn(dir string, ts int64, n int, deleting bool) error {
	files, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	at := time.Unix(ts, 0)
	write := func(name string) error {
		file := filepath.Join(dir, name)
		if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		return errors.Join(os.WriteFile(file, fmt.Appendf(nil, "%s %d %d\n", name, ts, n), 0o644), os.Chtimes(file, at, at))
	}
	for i := range 3 {
		if err := write(fmt.Sprintf("zz-new-%d-%d.x86_64.rpm", ts, i)); err != nil {
			return err
		}
	}
	for _, f := range files[:2] {
		if err := write(f.Name()); err != nil {
			return err
		}
	}
	for i := 0; deleting && n == 0 && i < 50; i++ {
		if err := os.Remove(filepath.Join(dir, files[2+i].Name())); err != nil {
			return err
		}
	}
	return nil
}
