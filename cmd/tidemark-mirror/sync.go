package main

import (
	"github.com/urfave/cli/v2"

	"tidemark/internal/console"
)

func syncCommand(p *console.Program) *cli.Command {
	return p.Command("sync", "sync now, even where nothing newer is announced", "[TREE…]", syncFlags(), syncAbout, func(c *console.Call) error {
		return runJourney(c, runOptions{now: true, ignoreAdmission: true, repair: true})
	})
}

const syncAbout = `Compares each tree with a source, whatever its time file says: repairs a tree in which files were lost or altered, and makes
the deletions that are owed. It is a run, with the same proof and the same locks, that starts at once: for people.

Exit codes: as those of run.`
