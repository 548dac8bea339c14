package main

import (
	"context"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"tidemark/client"
	"tidemark/config"
	"tidemark/internal/console"
	"tidemark/internal/rsyncurl"
	"tidemark/rsync"
)

func syncFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "source", Usage: "sync from this rsync:// `URL` alone"},
		&cli.IntFlag{Name: "max-delete", Usage: "allow `N` deletions in each tree, this once"},
		&cli.BoolFlag{Name: "adopt", Usage: "take a directory that is not known as the tree's, whatever is in it"},
		&cli.BoolFlag{Name: "strict", Usage: "exit code 5 where another run holds the lock"},
		console.DryRun(),
	}
}

func runCommand(p *console.Program) *cli.Command {
	flags := append([]cli.Flag{
		&cli.BoolFlag{Name: "now", Usage: "start at once, without this mirror's share of the splay"},
		&cli.BoolFlag{Name: "ignore-admission", Usage: "start before this mirror's turn has come"},
		httpsFlag(),
	}, syncFlags()...)
	return p.Command("run", "sync what is newer: what cron calls", "[TREE…]", flags, runAbout, func(c *console.Call) error {
		return runJourney(c, runOptions{now: c.Bool("now"), ignoreAdmission: c.Bool("ignore-admission"), https: c.Bool("https")})
	})
}

const runAbout = `Looks for news; syncs each tree of which something newer is announced from the first good source, proves it, and only then
writes its time file. Where a beacon is configured, its signed DNS record is asked first: one that has nothing new ends the run in
one packet; otherwise, and at least once a day, the site decides (--https asks it at once). A run waits for this mirror's
share of the splay before it asks the site, and for its turn where not all mirrors may start yet. Where checkin: names a
receiver, the run ends by telling it what was synced; one that is down fails nothing: a later run sends it.

Without a terminal it prints nothing while there is nothing to do, to wait for or to hold against another run. What passes
by itself is printed only when it lasts, or a tree is behind, for longer than warn_after. A tree that did not fit on the disk
is tried again after an hour; --now does not wait for that.

Exit codes: 0 done, or nothing to do; 1 failed; 2 configuration; 4 the manifest was refused; 5 another run holds the lock
(on a terminal or with --strict); 6 no usable source. Of several trees the gravest, in the order 4, 2, 1, 6, 5.
With --dry-run no tree and no memory of a run changes; what was learnt of the network is kept all the same, since nobody may
take it back: the newest bundle and what was seen (manifest.bundle.json, seen.json, origin.json, trust-*.json in the state).
A refused manifest is 4 whatever a fallback did; an unreachable one with a fallback that synced is 0. The exit code is the
same at every run; the words are printed once in warn_after.

Of hooks: the one before runs when a tree is about to be synced, and stops that by failing; then the one after runs however
it ends, also when the run is told to stop. Both know TIDEMARK_NETWORK, TIDEMARK_TREE, TIDEMARK_PATH, TIDEMARK_SOURCE and
TIDEMARK_TIMESTAMP; the one after TIDEMARK_RESULT as well: done, wait (all sources have moved on) or failed.

Example, every five minutes; cron mails what goes wrong, and nothing else:
  */5 * * * *  mirror  /usr/local/bin/tidemark-mirror run -q`

// runJourney is what run and sync have in common.
func runJourney(c *console.Call, o runOptions) error {
	m, err := openMirror(c)
	if err != nil {
		return err
	}
	if err := o.read(c, m.cfg); err != nil {
		return err
	}
	j, err := newJourney(c, m, o)
	if err != nil {
		return err
	}
	defer j.cleanUp()
	for _, w := range m.cfg.Warnings() {
		j.warnOnce("config "+fingerprint(w.String()), "%s", w)
	}
	err = j.run(c.Context.Context)
	j.screen.progressDone()
	if docErr := c.Document(j.document(err)); docErr != nil {
		return docErr
	}
	return err
}

// read takes the flags that both commands have, and the trees.
func (o *runOptions) read(c *console.Call, cfg *config.Mirror) error {
	o.strict, o.dry, o.adopt, o.maxDelete = o.strict || c.Bool("strict"), c.Dry, c.Bool("adopt"), c.Int("max-delete")
	o.trees = c.Args().Slice()
	if o.maxDelete < 0 {
		return console.Usage("--max-delete %d: expected a number of deletions, such as 50000", o.maxDelete)
	}
	for _, name := range o.trees {
		if _, ok := cfg.Trees[name]; !ok {
			return console.Usage("%s has no tree %q, expected one of %s", cfg.File, name, strings.Join(slices.Sorted(maps.Keys(cfg.Trees)), ", "))
		}
	}
	if text := c.String("source"); text != "" {
		u, err := rsyncurl.Parse(text)
		if err != nil {
			return console.Usage("--source: %w", err)
		}
		if len(cfg.Trees) > 1 && len(o.trees) != 1 {
			return console.Usage("--source is a place of one tree: name that tree, one of %s", strings.Join(slices.Sorted(maps.Keys(cfg.Trees)), ", "))
		}
		o.source = &u
	}
	return nil
}

// newJourney wires the run to the world.
func newJourney(c *console.Call, m *mirror, o runOptions) (*journey, error) {
	look, err := m.lookOptions()
	if err != nil {
		return nil, err
	}
	j := &journey{cfg: m.cfg, opt: o, screen: newScreen(c), memory: m.memory, now: c.Now, started: c.Now(), reports: map[string]*treeReport{}, heard: map[string]bool{}}
	look.EveryNotice, look.WarnAfter, j.held, j.path = o.dry, m.cfg.WarnAfter, look, c.Getenv("PATH")
	j.look = func(ctx context.Context) (*client.View, error) { return m.look(ctx, look) }
	j.askBeacon = func(ctx context.Context, trees []string) *beaconAsked { return m.askBeacon(ctx, look, trees) }
	j.mirror = m
	j.runner = func(hold []*os.File) rsync.Runner {
		return &rsync.Exec{Program: m.cfg.Rsync, Path: c.Getenv("PATH"), Proxy: m.cfg.Proxy, Hold: hold}
	}
	return j, nil
}
