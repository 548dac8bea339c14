package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"
)

// hookLeave is how long a hook that was told to end may take before it is killed.
const hookLeave = 5 * time.Second

// hook is a command of the mirror's own, before a tree is touched or after it was proven. It is an argument list, never a
// text for a shell; its words go to the screen; it may take as long as it likes.
type hook struct {
	name string // "before" or "after"
	argv []string
	out  io.Writer
	path string // PATH of the child
}

// about is what a hook is told, as environment.
type about struct {
	network, tree, path, source string
	timestamp                   int64
}

// environment is minimal: what the mirror's shell or cron had is no part of the contract.
func (h hook) environment(a about) []string {
	return []string{
		"PATH=" + h.path, "LC_ALL=C", "TZ=UTC",
		"TIDEMARK_NETWORK=" + a.network,
		"TIDEMARK_TREE=" + a.tree,
		"TIDEMARK_PATH=" + a.path,
		"TIDEMARK_TIMESTAMP=" + strconv.FormatInt(a.timestamp, 10),
		"TIDEMARK_SOURCE=" + a.source,
	}
}

// run runs the hook, if there is one. Cancelling ends it with all that it started.
func (h hook) run(ctx context.Context, a about) error {
	if len(h.argv) == 0 {
		return nil
	}
	cmd := exec.CommandContext(ctx, h.argv[0], h.argv[1:]...)
	cmd.Dir, cmd.Env = "/", h.environment(a)
	cmd.Stdout, cmd.Stderr = h.out, h.out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error {
		err := syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		if errors.Is(err, syscall.ESRCH) {
			return os.ErrProcessDone
		}
		return err
	}
	cmd.WaitDelay = hookLeave
	err := cmd.Run()
	if ctx.Err() != nil {
		if cmd.Process != nil {
			syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what it started and left behind
		}
		return fmt.Errorf("%s: hook %s: %w", a.tree, h.name, context.Cause(ctx))
	}
	if err != nil {
		return fmt.Errorf("%s: hook %s: %s: %w", a.tree, h.name, h.argv[0], err)
	}
	return nil
}
