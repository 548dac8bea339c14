package main

import (
	"github.com/urfave/cli/v2"

	"tidemark/internal/console"
)

func syncCommand(p *console.Program) *cli.Command {
	flags := append([]cli.Flag{&cli.BoolFlag{Name: "now", Usage: "start at once, as this command always does"}}, syncFlags()...)
	return p.Command("sync", "sync now, even where nothing newer is announced", "[TREE…]", flags, syncAbout, func(c *console.Call) error {
		return runJourney(c, runOptions{now: true, ignoreAdmission: true, repair: true, strict: true})
	})
}

const syncAbout = `Compares each tree with a source, whatever its time file says: repairs a tree in which files were lost or altered, and makes
the deletions that are owed. It is a run, with the same proof and the same locks, that starts at once and asks the site, not
the beacon: for people.

Exit codes: as those of run --strict: 5 where another run holds the lock.`
