package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"tidemark/treesync"
)

const (
	hookLeave = 5 * time.Second  // how long a hook that was told to end may take before it is killed
	hookLong  = time.Hour        // then it is told that it still runs
	hookStop  = 30 * time.Second // what the hook after has when the run was told to stop

	usualPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
)

// hook is a command of the mirror's own, before a tree is touched, or after that, however it ended. It is an argument list,
// never a text for a shell; its words go to the screen; it may take as long as it likes.
type hook struct {
	name string // "before" or "after"
	argv []string
	out  io.Writer
	path string // PATH of the child
	long time.Duration
	warn func(format string, args ...any) // called when it takes longer than that
}

// How a sync ended, as the hook after it is told: synced; all sources have moved on; anything else.
const (
	resultDone   = "done"
	resultWait   = "wait"
	resultFailed = "failed"
)

func hookResult(out treesync.Outcome) string {
	switch {
	case out.Synced:
		return resultDone
	case out.Wait:
		return resultWait
	}
	return resultFailed
}

// hook runs one of the mirror's own commands; none in a dry run. The one after runs also when the run was told to stop,
// since it may have to undo what the one before did; it has hookStop then.
func (j *journey) hook(ctx context.Context, name string, told about) error {
	if j.opt.dry {
		return nil
	}
	h := hook{name: name, argv: j.cfg.Before, out: j.screen.call.Stderr, path: j.path, long: hookLong, warn: j.screen.warn}
	if name == "after" {
		h.argv = j.cfg.After
		if ctx.Err() != nil {
			var cancel func()
			ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), hookStop)
			defer cancel()
		}
	}
	return h.run(ctx, told)
}

// about is what a hook is told, as environment.
type about struct {
	network, tree, path, source string
	timestamp                   int64
	result                      string // after: how it ended
}

// environment is minimal: what the mirror's shell or cron had is no part of the contract.
func (h hook) environment(a about) []string {
	env := []string{
		"PATH=" + cmp.Or(h.path, usualPath), "LC_ALL=C", "TZ=UTC",
		"TIDEMARK_NETWORK=" + a.network,
		"TIDEMARK_TREE=" + a.tree,
		"TIDEMARK_PATH=" + a.path,
		"TIDEMARK_TIMESTAMP=" + strconv.FormatInt(a.timestamp, 10),
		"TIDEMARK_SOURCE=" + a.source,
	}
	if a.result != "" {
		env = append(env, "TIDEMARK_RESULT="+a.result)
	}
	return env
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
	long := time.AfterFunc(h.long, func() {
		h.warn("%s: hook %s has been running for %s: %s; what follows waits for it", a.tree, h.name, inWords(h.long), h.argv[0])
	})
	err := cmd.Run()
	long.Stop()
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
