package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/urfave/cli/v2"

	"tidemark/internal/console"
	"tidemark/manifest"
	"tidemark/probe"
	"tidemark/quorum"
)

func probeCommand(e *console.Program) *cli.Command {
	flags := append([]cli.Flag{
		&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write the readings to `FILE` (default: stdout)"},
		&cli.BoolFlag{Name: "table", Usage: "print a table in place of JSON; on a terminal that is the default"},
		&cli.BoolFlag{Name: "deep", Usage: "with ID: look at anchors and file list, too, be it due or not"},
	}, rowFlags()...)
	return e.Command("probe", "ask the masters and every server, or the servers of that ID, what they hold", "[ID…]", flags, `Without ID it is the first piece of "run": it asks everybody and writes what was seen. It changes nothing but the memory of
what was recorded of the masters. On a terminal, or with --table, it prints a table of the readings, with the verdict that
they would lead to now; the flags that choose and order rows work on that table, never on what -o writes.

With ID it asks those servers alone, at every address, be they in maintenance or resting after many failures, and tells the
story of each: what was asked, what was seen, what was expected, what is published of it, and what to do. It asks no master,
needs no lock, and changes nothing at all: what it finds is forgotten, and what is published stays as it is. --deep looks, now,
at the SHA-256 of anchors (200 at most) and at names, sizes and times of all files; --tree at one tree. The bytes of files
that are no anchors are never read: packages are proven by the package manager's own signatures.

Exit codes: 0 when all were asked, whatever was found (ask "tidemark status --check" whether a person is needed, or read --json);
1 a master cannot be read, or the state; 2 usage or configuration; 5 another run holds the lock (without ID).

Examples:
  tidemark probe ftp.example.org --deep
  tidemark probe --table --source no
  tidemark probe -o readings.json
  tidemark build --readings readings.json -o out
  tidemark sign out
  tidemark publish out`, func(c *console.Call) error {
		if c.NArg() > 0 {
			return probeSome(c, c.Args().Slice())
		}
		if c.Bool("deep") {
			return console.Exit(console.Misuse, errors.New("probe --deep: no ID, and a whole round looks as deep as is due"), "tidemark probe ID --deep")
		}
		return probeAll(c)
	})
}

// probeAll asks everybody.
func probeAll(c *console.Call) error {
	p, err := openPublisher(c, false)
	if err != nil {
		return err
	}
	defer p.close()
	f, err := p.rowFilter()
	if err != nil {
		return err
	}
	ctx := c.Context.Context
	s, err := look(ctx, p.cfg.Publish[0])
	if err != nil {
		return err
	}
	prev, err := p.predecessor(ctx, s, true)
	if err != nil {
		return err
	}
	r, mem, err := p.ask(ctx, prev.previous(), false)
	if err != nil {
		return err
	}
	file := c.String("output")
	table := !c.JSON && (c.Bool("table") || file == "" && screenOf(c).width > 0)
	if file != "" || !table {
		if err := writeReadings(c, r); err != nil {
			return err
		}
	}
	if table {
		d := quorum.Decide(r, p.policy(false), prev.previous(), mem, p.Now())
		p.tellReadings(r, d, f)
	}
	failed := 0
	for _, v := range r.Servers {
		if v.Failure != nil {
			failed++
		}
	}
	if file != "" {
		if err := c.Document(r); err != nil {
			return err
		}
		c.Say("%d readings of %d masters and %d servers, %d failed -> %s", len(r.Servers), len(p.cfg.Trees), len(p.cfg.Servers), failed, file)
	}
	return errors.Join(append(masterTrouble(r), p.fileLists().told()...)...)
}

// probeSome asks the named servers, tells what came of it, and changes nothing.
func probeSome(c *console.Call, ids []string) error {
	for _, flag := range []string{"table", "state", "kind", "country", "source", "sort", "reverse", "limit"} {
		if c.IsSet(flag) {
			return console.Exit(console.Misuse, fmt.Errorf("probe ID tells stories: --%s is for the table of all servers", flag), "leave out the ID, or the flag")
		}
	}
	p, err := openPublisher(c, true)
	if err != nil {
		return err
	}
	known := p.servers()
	for _, id := range ids {
		if _, ok := known[id]; !ok {
			return p.unknownServer(id, nil)
		}
	}
	if _, err := p.rowFilter(); err != nil { // --tree is heeded here, too
		return err
	}
	p.cfg.Servers = slices.Clone(p.cfg.Servers)
	for i := range p.cfg.Servers {
		if s := &p.cfg.Servers[i]; slices.Contains(ids, s.ID) {
			s.Maintenance = false // whoever asks for it wants to know
		}
	}
	mem, err := p.state.memory()
	if err != nil {
		return err
	}
	r, plain, err := p.askSome(c.Context.Context, ids, mem, c.Bool("deep"))
	if err != nil {
		return err
	}
	if c.JSON || c.String("output") != "" {
		if err := writeReadings(c, r); err != nil || c.JSON {
			return err
		}
	}
	own, err := p.ownCopy()
	if err != nil {
		return err
	}
	d := quorum.Decide(r, p.policy(false), own.previous(), mem, p.Now())
	v := &statusView{doc: statusDocument{Verdicts: d.Verdicts, Trees: d.Trees}, memory: d.Memory, now: p.Now()}
	var seen []lastReading
	for _, one := range r.Servers {
		seen = append(seen, shorten(one, d.Memory.Trees[one.Tree]))
	}
	for i, id := range ids {
		if i > 0 {
			c.Say("")
		}
		s := p.story(id, v, seen)
		for i := range s.Trees {
			s.Trees[i].probed = p.probedOf(s, s.Trees[i], own, mem, plain, c.Bool("deep"))
		}
		tellStory(c, s, v.now)
	}
	return errors.Join(p.fileLists().told()...)
}

// askSome asks the servers of these ids. plain is what a run would ask them now.
func (p *publisher) askSome(ctx context.Context, ids []string, mem quorum.Memory, deep bool) (r quorum.Readings, plain []quorum.Ask, err error) {
	r = quorum.Readings{Schema: probeSchema, Network: p.cfg.Network, Masters: []quorum.MasterReading{}, Asked: slices.Sorted(slices.Values(ids))}
	r.Asked = slices.Compact(r.Asked)
	pol := p.policy(false)
	if deep {
		pol.Sample = manifest.MaxAnchors
	}
	asks := quorum.Only(quorum.Plan(mem, pol, p.Now(), rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))), r.Asked)
	if tree := p.String("tree"); tree != "" {
		asks = slices.DeleteFunc(asks, func(a quorum.Ask) bool { return a.Tree != tree })
	}
	plain = slices.Clone(asks)
	for i := range asks {
		a := &asks[i]
		a.Rest = false
		if deep {
			a.Known, a.Addresses, a.Deep, a.List = 0, nil, true, len(pol.Lists[a.Tree]) > 0
		}
	}
	o, err := p.probeOptions()
	if err != nil {
		return r, nil, err
	}
	done := p.progress("asking servers", &o)
	r.Servers = probe.All(ctx, asks, o)
	done()
	return r, plain, ctx.Err()
}

func writeReadings(c *console.Call, r quorum.Readings) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encode readings: %w", err)
	}
	b = append(b, '\n')
	f := c.String("output")
	if f == "" {
		_, err = c.Stdout.Write(b)
		return err
	}
	return console.WriteFile(f, b, 0o644)
}
