package main

import (
	"errors"

	"tidemark/client"
	"tidemark/internal/console"
	"tidemark/publish"
	"tidemark/sign"
)

// commit is set by the linker (make build).
var commit = "unknown"

const version = "0.1.0"

// run is the whole program but for os.Exit.
func run(args []string, world console.Env) int { return runBy(args, world, ownKeyboard()) }

// runBy is run with a person who answers, or nobody.
func runBy(args []string, world console.Env, person keyboard) int {
	e := &console.Program{
		Env:     world,
		Name:    "tidemark",
		Usage:   "tell mirrors what is new and where to get it: probe, decide, sign, publish",
		Version: version + " (" + commit + ")",
		Config:  "/etc/tidemark/tidemark.yaml",
		Whose:   "the publisher's",
		Judge:   judge,
	}
	return e.Run(args,
		initCommand(e), runCommand(e), probeCommand(e), buildCommand(e), signCommand(e), publishCommand(e),
		verifyCommand(e), statusCommand(e), keysCommand(e), configCommand(e), beaconCommand(e), sourcesCommand(e), checkinCommand(e),
		trustCommand(e, person), inventoryCommand(e))
}

// judge maps the errors of the publisher's packages to exit codes and hints.
func judge(err error) (code int, hint string) {
	var refused *client.Refused
	var trust *client.TrustRefused
	var examined *client.NotVerified
	var votes *sign.Refusal
	switch {
	case errors.As(err, &examined) && !examined.Reached:
		return console.Failed, ""
	case errors.As(err, &refused), errors.As(err, &trust), errors.As(err, &examined), errors.As(err, &votes):
		code = console.Refused
	case errors.Is(err, publish.ErrConflict), errors.Is(err, publish.ErrLocked):
		code = console.Locked
	}
	if errors.Is(err, publish.ErrConflict) {
		hint = "another publisher was faster; nothing of it was overwritten: run again at the next interval"
	}
	return code, hint
}
