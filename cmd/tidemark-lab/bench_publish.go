package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"tidemark/internal/lab"
	"tidemark/internal/rsyncurl"
	"tidemark/internal/strictjson"
	"tidemark/manifest"
)

// benchPublish measures a changed publication of a 650-source site to versitygw beside `aws s3 sync` of the same files: wall,
// CPU, requests.
func benchPublish(ctx context.Context, dir string, now func() time.Time) (lab.BenchTable, error) {
	b := &publishBench{dir: dir, now: now}
	t := lab.BenchTable{Title: "publish a site of 650 sources to a bucket (requests in the column of answers)"}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return t, err
	}
	if err := b.prepare(ctx); err != nil {
		return t, fmt.Errorf("prepare: %w", err)
	}
	defer b.s3.Stop()
	defer b.proxy.Close()
	var ours, aws lab.BenchRow
	for serial := int64(1); serial <= 4; serial++ { // the first publication also lays keys and schemas
		row, err := b.publish(ctx, serial)
		if err != nil {
			return t, err
		}
		if serial > 1 && (ours.Wall == 0 || row.Wall < ours.Wall) {
			ours = row
		}
		if row, err = b.sync(ctx, serial); err != nil {
			return t, err
		}
		if serial > 1 && (aws.Wall == 0 || row.Wall < aws.Wall) {
			aws = row
		}
	}
	ours.Rounds, aws.Rounds = 3, 3
	t.Rows = []lab.BenchRow{ours, aws}
	t.Targets = []lab.BenchTarget{{What: "requests of a changed publication", Ratio: float64(ours.Answers), Most: 29, Met: ours.Answers < 30}}
	return t, nil
}

type publishBench struct {
	dir, tidemark string
	now           func() time.Time
	s3            *lab.S3
	proxy         *lab.FaultProxy
	previous      string
}

func (b *publishBench) prepare(ctx context.Context) (err error) {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	b.tidemark = filepath.Join(filepath.Dir(self), "tidemark")
	if b.s3, err = lab.StartVersityGW(ctx, lab.S3Options{Dir: filepath.Join(b.dir, "s3")}); err != nil {
		return err
	}
	if b.proxy, err = lab.StartFaultProxy(lab.FaultProxyOptions{Upstream: b.s3.Endpoint}); err != nil {
		return err
	}
	if _, err := b.run(ctx, b.tidemark, "init", "net", "--network", "centos"); err != nil {
		return err
	}
	cfg := fmt.Sprintf(`network: centos
state: state
inventory: [inventory.yaml]
trees: {centos: {master: %s, anchors: ["**/repodata/repomd.xml"]}}
sign: {openpgp: {key: keys/openpgp.asc}, ed25519: {key: keys/ed25519.key}}
trust: trust.json
publish: [{s3: {bucket: %s, prefix: tidemark/, region: %s, endpoint: %q, path_style: true}}]
`, b.dir, b.s3.Bucket, b.s3.Region, b.proxy.URL)
	return os.WriteFile(filepath.Join(b.dir, "net", "tidemark.yaml"), []byte(cfg), 0o644)
}

// run runs a command with the bucket's credentials and says what it took.
func (b *publishBench) run(ctx context.Context, name string, args ...string) (lab.BenchRow, error) {
	c := exec.CommandContext(ctx, name, args...)
	c.Dir = b.dir
	c.Env = append(os.Environ(), b.s3.Env()...)
	b.proxy.Reset()
	start := b.now()
	out, err := c.CombinedOutput()
	if err != nil {
		return lab.BenchRow{}, fmt.Errorf("%s: %w\n%s", filepath.Base(name), err, out)
	}
	return lab.BenchRow{Client: filepath.Base(name), Wall: b.now().Sub(start), CPU: c.ProcessState.UserTime() + c.ProcessState.SystemTime(),
		Answers: b.proxy.Count(), Rounds: 1}, nil
}

// publish signs a document that is new, unmeasured, and publishes it.
func (b *publishBench) publish(ctx context.Context, serial int64) (lab.BenchRow, error) {
	m, err := b.document(serial)
	if err != nil {
		return lab.BenchRow{}, err
	}
	if err := os.MkdirAll(filepath.Join(b.dir, "out"), 0o755); err != nil {
		return lab.BenchRow{}, err
	}
	if err := os.WriteFile(filepath.Join(b.dir, "out", "manifest.json"), m, 0o644); err != nil {
		return lab.BenchRow{}, err
	}
	b.previous = manifest.SHA256(m)
	if _, err := b.run(ctx, b.tidemark, "sign", "out", "--config", "net/tidemark.yaml"); err != nil {
		return lab.BenchRow{}, err
	}
	return b.run(ctx, b.tidemark, "publish", "out", "--config", "net/tidemark.yaml")
}

// sync copies what was just published to another prefix, as a script would.
func (b *publishBench) sync(ctx context.Context, serial int64) (lab.BenchRow, error) {
	site := filepath.Join(b.s3.Root, b.s3.Bucket, "tidemark")
	row, err := b.run(ctx, "/usr/bin/aws", "--endpoint-url", b.proxy.URL, "s3", "sync", "--only-show-errors", site, "s3://"+b.s3.Bucket+"/synced/")
	row.Client = "aws s3 sync"
	return row, err
}

// document is a manifest of 650 sources; each serial has another timestamp.
func (b *publishBench) document(serial int64) ([]byte, error) {
	now := strictjson.At(b.now())
	m := &manifest.Manifest{Schema: manifest.Schema, Network: "centos", Serial: serial, Issued: now, Expires: strictjson.At(now.Add(12 * time.Hour)),
		TrustVersion: 1, Previous: b.previous, Policy: manifest.Policy{CheckInterval: 300, MaxHold: 7200, Nearby: map[string][]string{"FI": {"SE"}}}}
	tree := manifest.Tree{Timestamp: now.Unix() - 1000 + serial, Announced: now, TimeFile: "TIME", Files: 240201, Bytes: 118111600640,
		Nodes: manifest.Nodes{Verified: 11, Counted: 13, Quorum: 11}, Admit: manifest.FullAdmission,
		Anchors: []manifest.Anchor{{Path: "7/os/x86_64/repodata/repomd.xml", Size: 3735, SHA256: manifest.SHA256([]byte{byte(serial)})}}}
	m.Trees = map[string]manifest.Tree{"centos": tree}
	for i := range 650 {
		u, err := rsyncurl.Parse(fmt.Sprintf("rsync://mirror-%03d.example.org/centos/", i))
		if err != nil {
			return nil, err
		}
		m.Sources = append(m.Sources, manifest.Source{ID: fmt.Sprintf("mirror-%03d", i), Kind: manifest.KindMirror, Country: "FI", Continent: "EU", Slots: 2,
			Trees: map[string]manifest.SourceTree{"centos": {URL: u, Timestamp: tree.Timestamp, Since: now, Depth: manifest.DepthAnchors, Families: []int{4, 6}}}})
	}
	return manifest.Encode(m)
}
