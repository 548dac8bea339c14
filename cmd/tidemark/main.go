// Tidemark is the publisher's program: it asks the nodes and mirrors what they hold, decides what can be announced, and publishes
// it as one signed manifest. It runs from cron or a systemd timer on the master side.
//
//	tidemark init DIR --network NAME     a configuration, keys and a trust root that work at once
//	tidemark run --config FILE           probe, decide, sign, publish
//	tidemark verify DIR|URL              check what was published, as a mirror would
package main

import (
	"os"
	"time"

	"golang.org/x/term"

	"tidemark/internal/console"
)

func main() {
	os.Exit(run(os.Args, console.Env{
		Stdout:   os.Stdout,
		Stderr:   os.Stderr,
		Getenv:   os.Getenv,
		Now:      time.Now,
		Terminal: term.IsTerminal(int(os.Stderr.Fd())),
	}))
}
