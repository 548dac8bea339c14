package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"tidemark/client"
	"tidemark/internal/console"
	"tidemark/internal/strictjson"
	"tidemark/manifest"
	"tidemark/quorum"
)

// maxReadings bounds the readings file: 10,000 servers with 200 anchors each fit.
const maxReadings = 1 << 30

func buildCommand(e *console.Program) *cli.Command {
	return e.Command("build", "decide from readings, write manifest.json (unsigned)", "", []cli.Flag{
		&cli.StringFlag{Name: "readings", Usage: "the `FILE` that \"tidemark probe -o\" wrote"},
		&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "`DIR` for manifest.json"},
		&cli.BoolFlag{Name: "force", Usage: "build even when the guard speaks"},
		&cli.BoolFlag{Name: "bootstrap", Usage: "begin anew where neither the site nor the state knows a predecessor"},
	}, `The second piece of "run". What the deciding remembers is written beside the manifest (memory.json) and takes effect
when "tidemark publish" succeeds.`, func(c *console.Call) error {
		if err := c.Need("readings", "output"); err != nil {
			return err
		}
		p, err := openPublisher(c, false)
		if err != nil {
			return err
		}
		defer p.close()
		return p.build()
	})
}

func (p *publisher) build() error {
	ctx := p.Context.Context
	r, err := readReadings(p.String("readings"), p.cfg.Network)
	if err != nil {
		return err
	}
	if err := fresh(r, p.Now()); err != nil {
		return err
	}
	s, err := p.atSite(ctx)
	if err != nil {
		return err
	}
	prev, err := p.predecessor(ctx, s, p.Bool("bootstrap"))
	if err != nil {
		return err
	}
	mem, err := p.state.memory()
	if err != nil {
		return err
	}
	d := quorum.Decide(r, p.policy(p.Bool("force")), prev.previous(), mem, p.Now())
	if d.Guard.Held {
		return console.Exit(console.Guard, fmt.Errorf("guard: %s", d.Guard.Reason), "if these errors are real: tidemark build --force …")
	}
	if len(d.Manifest.Trees) == 0 {
		return console.Hinted(errors.New("no tree can be announced yet"), "see why: tidemark run --dry-run")
	}
	if err := p.openSigners(); err != nil { // their ends bound the manifest's life
		return err
	}
	serial, err := p.nextSerial(ctx, prev, s)
	if err != nil {
		return err
	}
	if err := p.complete(ctx, d.Manifest, prev, serial); err != nil {
		return err
	}
	return p.writeBuild(d)
}

func (p *publisher) writeBuild(d quorum.Decision) error {
	b, err := manifest.Encode(d.Manifest)
	if err != nil {
		return fmt.Errorf("encode manifest: %w", err)
	}
	mem, err := quorum.EncodeMemory(d.Memory)
	if err != nil {
		return fmt.Errorf("encode memory: %w", err)
	}
	out := p.String("output")
	if err := os.MkdirAll(out, 0o755); err != nil {
		return fmt.Errorf("output: %w", err)
	}
	base, err := p.memoryBase()
	if err != nil {
		return err
	}
	for name, data := range map[string][]byte{"manifest.json": b, "memory.json": mem, "memory.base": []byte(base + "\n")} {
		if err := console.WriteFile(filepath.Join(out, name), data, 0o644); err != nil {
			return fmt.Errorf("output: %w", err)
		}
	}
	p.Say("%s: serial %d, %d trees, %d sources, sha256 %s", filepath.Join(out, "manifest.json"), d.Manifest.Serial, len(d.Manifest.Trees), len(d.Manifest.Sources), manifest.SHA256(b))
	p.Say("next: tidemark sign %s", out)
	return p.Document(pieceDocument{Schema: "tidemark/build/v1", Dir: out, Serial: d.Manifest.Serial, SHA256: manifest.SHA256(b)})
}

// pieceDocument is the --json of build, sign and publish.
type pieceDocument struct {
	Schema  string          `json:"schema"`
	Dir     string          `json:"dir"`
	Serial  int64           `json:"serial"`
	SHA256  string          `json:"sha256"`
	Expires strictjson.Time `json:"expires,omitzero"`
	Files   []string        `json:"files,omitempty"`
	DryRun  bool            `json:"dry_run,omitempty"`
}

func readReadings(file, network string) (r quorum.Readings, err error) {
	b, err := console.ReadInput(file, maxReadings)
	if err != nil {
		return r, console.Hinted(fmt.Errorf("readings: %w", err), "make them with: tidemark probe -o %s", file)
	}
	if err := strictjson.Unmarshal(b, &r); err != nil {
		return r, fmt.Errorf("readings %s: %w", file, err)
	}
	if r.Schema != probeSchema || r.Network != network {
		return r, console.Usage("readings %s: found schema %q of network %q, expected %q of %q", file, r.Schema, r.Network, probeSchema, network)
	}
	return r, nil
}

// freshFor is how old readings may be: an hour ago a server may have been another one.
const freshFor = time.Hour

// fresh refuses readings of another time than now.
func fresh(r quorum.Readings, now time.Time) error {
	var last time.Time
	for _, m := range r.Masters {
		last = later(last, m.At.Time)
	}
	for _, s := range r.Servers {
		last = later(last, s.At.Time)
	}
	if age := now.Sub(last); age > freshFor || age < -manifest.Skew {
		return console.Hinted(fmt.Errorf("the readings are of %s, now it is %s: expected them to be at most an hour old", console.When(last), console.Clock(now)), "probe again: tidemark probe -o FILE")
	}
	return nil
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func signCommand(e *console.Program) *cli.Command {
	return e.Command("sign", "sign DIR/manifest.json with every configured key", "DIR", []cli.Flag{console.DryRun()},
		`The third piece of "run": writes manifest.json.asc, .minisig, .gpg and manifest.bundle.json beside manifest.json,
after opening them as a mirror would.`, func(c *console.Call) error {
			p, err := openPublisher(c, true)
			if err != nil {
				return err
			}
			if err := p.openSigners(); err != nil {
				return err
			}
			dir := c.Args().First()
			payload, err := console.ReadFile(filepath.Join(dir, "manifest.json"), manifest.MaxSize)
			if err != nil {
				return console.Hinted(fmt.Errorf("manifest: %w", err), "make it with: tidemark build --readings FILE -o %s", dir)
			}
			rel, err := p.signAll(c.Context.Context, payload)
			if err != nil {
				return err
			}
			out := map[string][]byte{"manifest.bundle.json": rel.Bundle}
			for name, b := range rel.Files {
				if name != "manifest.json" {
					out[name] = b
				}
			}
			for _, name := range sortedKeys(out) {
				if c.Dry {
					c.Say("would write %s (%d bytes)", filepath.Join(dir, name), len(out[name]))
					continue
				}
				if err := console.WriteFile(filepath.Join(dir, name), out[name], 0o644); err != nil {
					return fmt.Errorf("signature: %w", err)
				}
				c.Say("%s", filepath.Join(dir, name))
			}
			c.Say("next: tidemark publish %s", dir)
			return c.Document(pieceDocument{Schema: "tidemark/sign/v1", Dir: dir, Serial: rel.Serial, SHA256: rel.SHA256, Expires: strictjson.At(rel.Expires), Files: sortedKeys(out)})
		})
}

func publishCommand(e *console.Program) *cli.Command {
	return e.Command("publish", "put what DIR holds on the site", "DIR", []cli.Flag{console.DryRun()},
		`The last piece of "run": verifies DIR as a mirror would, then publishes it in the order that may stop anywhere.`, func(c *console.Call) error {
			p, err := openPublisher(c, c.Dry)
			if err != nil {
				return err
			}
			defer p.close()
			return p.publishDir(c.Args().First())
		})
}

func (p *publisher) publishDir(dir string) error {
	ctx := p.Context.Context
	bundle, err := console.ReadFile(filepath.Join(dir, "manifest.bundle.json"), 12<<20)
	if err != nil {
		return console.Hinted(fmt.Errorf("bundle: %w", err), "make it with: tidemark sign %s", dir)
	}
	s, err := p.atSite(ctx)
	if err != nil {
		return err
	}
	rel, err := p.pack(bundle)
	if err != nil {
		return err
	}
	prev, err := p.predecessor(ctx, s, true)
	if err != nil {
		return err
	}
	if err := follows(bundle, prev); err != nil {
		return err
	}
	mem, err := p.builtMemory(dir)
	if err != nil {
		return err
	}
	doc := pieceDocument{Schema: "tidemark/publish/v1", Dir: dir, Serial: rel.Serial, SHA256: rel.SHA256, Expires: strictjson.At(rel.Expires), DryRun: p.Dry}
	if p.Dry {
		p.Say("would publish serial %d -> %s", rel.Serial, s)
		return p.Document(doc)
	}
	if err := p.push(ctx, s, rel); err != nil {
		return err
	}
	if mem != nil {
		if err := p.state.write("memory.json", mem); err != nil {
			return err
		}
	}
	if trouble := p.announce(ctx, s, rel); len(trouble) > 0 {
		return errors.Join(trouble...)
	}
	p.Say("published serial %d, expires %s -> %s", rel.Serial, console.Clock(rel.Expires), s)
	return p.Document(doc)
}

// memoryBase is the digest of the memory that a build begins from.
func (p *publisher) memoryBase() (string, error) {
	b, err := p.state.read("memory.json")
	return manifest.SHA256(b), err
}

// builtMemory is what `build` left in dir to take effect now; nil when there is none (another machine signed). It is refused
// when a run has learnt something meanwhile: that would be forgotten.
func (p *publisher) builtMemory(dir string) ([]byte, error) {
	mem, err := console.ReadFile(filepath.Join(dir, "memory.json"), maxReadings)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("take over memory: %w", err)
	}
	if _, err := quorum.LoadMemory(mem); err != nil {
		return nil, console.Hinted(fmt.Errorf("%s: %w", filepath.Join(dir, "memory.json"), err), "build again: tidemark build --readings FILE -o %s", dir)
	}
	base, err := console.ReadFile(filepath.Join(dir, "memory.base"), 128)
	if err != nil {
		return nil, console.Hinted(fmt.Errorf("take over memory: %w", err), "build again: tidemark build --readings FILE -o %s", dir)
	}
	now, err := p.memoryBase()
	if err == nil && strings.TrimSpace(string(base)) != now {
		err = console.Exit(console.Locked, errors.New("another run has learnt something since this was built"), "probe, build and sign again")
	}
	return mem, err
}

// follows refuses a document that was built on another predecessor than the one that is published now.
func follows(bundle []byte, prev *predecessor) error {
	files, err := client.Unpack(bundle)
	if err != nil {
		return err
	}
	m, err := manifest.Parse(files["manifest.json"])
	if err != nil {
		return err
	}
	found, want := m.Previous, ""
	if prev != nil {
		want = manifest.SHA256(prev.payload)
	}
	if found != want {
		return console.Exit(console.Locked, fmt.Errorf("serial %d was built on another predecessor: found %s, expected %s", m.Serial, cmp.Or(found, "none"), cmp.Or(want, "none")),
			"somebody published meanwhile: probe, build and sign again")
	}
	return nil
}
