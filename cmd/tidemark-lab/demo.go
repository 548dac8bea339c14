package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"tidemark/internal/lab"
	"tidemark/manifest"
)

// demo tells the story of one update, with the real programs.
type demo struct {
	dir      string
	serve    bool
	s3       bool
	out      io.Writer
	now      func() time.Time
	tidemark string // the program beside this one
	network  *lab.Network
	gateway  *lab.S3     // nil without --s3
	site     *lab.Static // where mirrors look; set by join

	dns      *lab.DNS      // set by onePacket
	receiver *lab.Receiver // set by onePing, with
	daemon   *lab.Running  // a mirror's own
	visitor  *lab.Running  // of a mirror that is made by hand, set by serveSite
}

const demoNetwork = "centos"

// marker is in a directory that the demo made: nothing else is ever removed.
const marker = ".tidemark-demo"

// tell is the story, from an empty directory to mirrors in date.
func (d *demo) tell(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the tidemark program: %w", err)
	}
	d.tidemark = filepath.Join(filepath.Dir(self), "tidemark")
	for _, program := range []string{d.tidemark, d.tidemark + "-mirror"} {
		if _, err := os.Stat(program); err != nil {
			return fmt.Errorf("a program of the same build is not beside this one: %w; build it first: make build", err)
		}
	}
	if err := d.fresh(); err != nil {
		return err
	}
	start := d.now().Add(-2 * time.Hour).Unix()
	d.title("A mirror network on loopback: 3 trees, 5 nodes, 12 mirrors, each a real rsync daemon")
	if d.network, err = lab.New(ctx, filepath.Join(d.dir, "lab"), lab.Options{Seed: 1, Start: start}); err != nil {
		return fmt.Errorf("start the network: %w", err)
	}
	defer d.network.Close()
	defer d.stop()
	if d.s3 {
		d.title("An S3 gateway (versitygw), as a second place to publish at")
		if d.gateway, err = lab.StartVersityGW(ctx, lab.S3Options{Dir: filepath.Join(d.dir, "s3"), Bucket: "mirrors"}); err != nil {
			return err
		}
		defer d.gateway.Stop()
		fmt.Fprintf(d.out, "%scentos/ is what readers see\n", d.gateway.URL())
	}
	if err := d.install(ctx); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{d.first, d.join, d.moved, d.catchingUp, d.announced, d.listed, d.nearest, d.onePacket, d.onePing, d.verify} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	if d.serve {
		return d.serveSite(ctx)
	}
	return nil
}

// fresh empties the demo's own directory.
func (d *demo) fresh() error {
	entries, err := os.ReadDir(d.dir)
	if err == nil && len(entries) > 0 {
		if _, err := os.Stat(filepath.Join(d.dir, marker)); err != nil {
			return fmt.Errorf("%s was not made by the demo, it is not touched: remove it yourself, or choose another --dir", d.dir)
		}
		if err := os.RemoveAll(d.dir); err != nil {
			return fmt.Errorf("remove the last demo: %w", err)
		}
	} else if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(d.dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(d.dir, marker), nil, 0o644)
}

// install does what an operator would: init, the inventory, the trees.
func (d *demo) install(ctx context.Context) error {
	if err := d.command(ctx, "init", d.dir, "--network", demoNetwork); err != nil {
		return err
	}
	if err := d.network.WriteInventory(filepath.Join(d.dir, "inventory.yaml")); err != nil {
		return err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# The demo's configuration. `tidemark init` writes one in which every key is explained.\nnetwork: %s\nstate: state\nvalidity: 24h\ninventory: [inventory.yaml]\ntrees:\n", demoNetwork)
	for _, t := range lab.TreeNames() {
		fmt.Fprintf(&b, "  %s: {master: lab/master/%s, anchors: [%q], quorum: majority}\n", t, t, lab.Anchors()[0])
	}
	b.WriteString("sign:\n  openpgp: {key: keys/openpgp.asc}\n  ed25519: {key: keys/ed25519.key}\ntrust: trust.json\npublish:\n  - dir: site\n")
	if d.gateway != nil {
		fmt.Fprintf(&b, "  - s3: {bucket: %s, prefix: centos/, region: %s, endpoint: %q, path_style: true}\n    url: %scentos/\n",
			d.gateway.Bucket, d.gateway.Region, d.gateway.Endpoint, d.gateway.URL())
	}
	b.WriteString("beacon: {name: " + demoBeacon + ", plain: {name: " + demoPlain + ", order: [centos, altarch, vault]}}\n")
	b.WriteString("settle: 1s            # one minute in real life: the master must be at rest\nprobe: {timeout: 5s, allow_private: true, list_share: 100, recheck: 1m}    # in real life: a tenth of the lists, 6 h\npolicy: {check_interval: 5s}    # 5 minutes\n")
	if err := os.WriteFile(filepath.Join(d.dir, "tidemark.yaml"), []byte(b.String()), 0o644); err != nil {
		return err
	}
	return d.command(ctx, "config", "check", "--config", d.config())
}

func (d *demo) config() string { return filepath.Join(d.dir, "tidemark.yaml") }

func (d *demo) publish(ctx context.Context) error {
	return d.command(ctx, "run", "--config", d.config())
}

func (d *demo) first(ctx context.Context) error {
	d.title("First run: who has what, and is it true?")
	return d.publish(ctx)
}

func (d *demo) moved(ctx context.Context) error {
	d.title("The master gets an update of centos. No node has it yet: pending, mirrors hear nothing")
	if err := d.network.Move("centos", d.now().Unix()); err != nil {
		return err
	}
	if err := d.publish(ctx); err != nil {
		return err
	}
	_, err := d.mirror(ctx, finland(), []int{checkInDate}, "check")
	return err
}

func (d *demo) catchingUp(ctx context.Context) error {
	d.title("One node of four has it: still pending")
	if err := d.network.Sync("eu-msync-1"); err != nil {
		return err
	}
	return d.publish(ctx)
}

func (d *demo) announced(ctx context.Context) error {
	d.title("Three of four nodes have it, a majority: announced. Mirrors are told, and sent to the nodes")
	if err := d.network.Sync("eu-msync-2", "us-msync-1"); err != nil {
		return err
	}
	if err := d.publish(ctx); err != nil {
		return err
	}
	return d.follow(ctx, finland())
}

func (d *demo) listed(ctx context.Context) error {
	d.title("Mirrors have synced, are verified, and become sources for their neighbours")
	if err := d.network.Sync(d.network.IDs(manifest.KindMirror)...); err != nil {
		return err
	}
	if err := d.network.Break(demoLoser, "centos", lab.LostFile); err != nil {
		return err
	}
	if err := d.publish(ctx); err != nil {
		return err
	}
	for _, m := range []demoMirror{brazil(), kenya()} {
		if err := d.followToo(ctx, m); err != nil {
			return err
		}
	}
	d.title("Why each server is, or is not, a source of centos")
	if err := d.command(ctx, "status", "--tree", "centos", "--config", d.config()); err != nil {
		return err
	}
	return d.why(ctx)
}

func (d *demo) verify(ctx context.Context) error {
	d.title("What was published, as a mirror would check it")
	if err := d.command(ctx, "verify", filepath.Join(d.dir, "site"), "--trust", filepath.Join(d.dir, "trust.json")); err != nil {
		return err
	}
	if d.gateway != nil {
		if err := d.command(ctx, "verify", d.gateway.URL()+"centos/", "--trust", filepath.Join(d.dir, "trust.json")); err != nil {
			return err
		}
	}
	d.title("Check it yourself, with tools that nobody here wrote")
	site, keys := filepath.Join(d.dir, "site"), filepath.Join(d.dir, "site", "keys", demoNetwork)
	whole, err := filepath.Abs(keys) // gpg takes any other for a file of its home
	if err != nil {
		return err
	}
	fmt.Fprintf(d.out, `gpgv --keyring %[2]s.gpg %[1]s/manifest.json.asc %[1]s/manifest.json
gpgv1 --keyring %[2]s.gpg %[1]s/manifest.json.asc %[1]s/manifest.json
sqv --keyring %[2]s.asc %[1]s/manifest.json.asc %[1]s/manifest.json
gpg --no-default-keyring --keyring %[3]s.gpg -o - --decrypt %[1]s/manifest.json.gpg
minisign -Vm %[1]s/manifest.json -p %[2]s.pub
`, site, keys, whole)
	return nil
}

// command runs the publisher's program and shows it as typed.
func (d *demo) command(ctx context.Context, args ...string) error {
	fmt.Fprintf(d.out, "\n$ tidemark %s\n", strings.Join(args, " "))
	c := exec.CommandContext(ctx, d.tidemark, args...)
	c.Stdout, c.Stderr = d.out, d.out
	if d.gateway != nil {
		c.Env = append(os.Environ(), d.gateway.Env()...)
	}
	if err := c.Run(); err != nil {
		return fmt.Errorf("tidemark %s: %w", strings.Join(args, " "), err)
	}
	return nil
}

func (d *demo) title(s string) { fmt.Fprintf(d.out, "\n== %s ==\n", s) }
