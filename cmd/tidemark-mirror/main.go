// Tidemark-mirror is the mirror's program: it learns from one small signed document whether there is something new, syncs it with
// the real rsync from a near source that was verified, proves it, and only then writes the time file. It runs from cron or
// a systemd timer, every five minutes or every hour.
//
//	tidemark-mirror init DIR      asks a few questions and writes a mirror.yaml
//	tidemark-mirror check         is there something new? exit code 0: no, 100: yes, 101: yes, and it is not this mirror's turn yet
//	tidemark-mirror run           sync what is newer: what cron calls
//	tidemark-mirror checkin       tell the network what is held here, so that it looks now; a run does so by itself
//	tidemark-mirror sources       where from, and why, best first
//	tidemark-mirror status        what is held, from whom, and what is wrong
package main

import (
	"os"
	"runtime/debug"
	"time"

	"golang.org/x/term"

	"tidemark/internal/console"
)

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400) // most calls end within a blink: collecting would be a fifth of their work
	}
	os.Exit(run(os.Args, world{
		Env: console.Env{
			Stdout:   os.Stdout,
			Stderr:   os.Stderr,
			Getenv:   os.Getenv,
			Now:      time.Now,
			Terminal: term.IsTerminal(int(os.Stderr.Fd())),
		},
		stdin: os.Stdin,
		asks:  term.IsTerminal(int(os.Stdin.Fd())),
	}))
}
