package rsync

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// stopWithin is how long rsync has to remove its temporary files after SIGTERM, and its other process to end after it.
const stopWithin = 5 * time.Second

// child is one process group.
type child struct {
	program        string
	args, env      []string
	hold           []*os.File
	stdout, stderr io.Writer
	silence        time.Duration // of the source, after which the run is ended; 0: as long as it likes
	least          int64         // bytes a second that are to be read in three times silence; 0: any
	maxFile        int64         // bytes that a file may grow to; 0: any
	slow           bool          // that is why it was ended
}

// run starts the program and waits for the whole group: the leader, and all who have its output open.
func (c *child) run(ctx context.Context) (code int, err error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	cmd := exec.Command(c.program, c.args...)
	cmd.Env = c.env
	cmd.ExtraFiles = c.hold
	// A session of its own has no terminal to ask for a password on. Should this process be killed, rsync is told to stop.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGTERM}
	read, write, err := c.pipes(cmd)
	if err != nil {
		return 0, err
	}
	defer closeAll(read)
	started, ended := make(chan error, 1), make(chan error, 1)
	drained := make(chan struct{})
	g := &group{}
	go func() { // Pdeathsig is bound to the thread that starts the child, so this one stays to the end
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		closeAll(write)
		if err != nil {
			started <- err
			return
		}
		g.pid = cmd.Process.Pid
		if c.maxFile > 0 {
			limitFiles(g.pid, c.maxFile)
		}
		started <- nil
		waitUnreaped(g.pid)
		g.stopStragglers(drained, read)
		ended <- g.reap(cmd)
	}()
	if err := <-started; err != nil {
		return 0, fmt.Errorf("starting it: %w", err)
	}
	go c.drain(read, drained)
	if c.silence > 0 {
		watched, end := context.WithCancelCause(ctx)
		defer end(nil)
		go watchSource(watched, g.pid, c.silence, c.least, end)
		ctx = watched
	}
	code, err = exitCode(cmd, g.waitOrStop(ctx, ended))
	var quiet *silent
	var slow *tooSlow
	cause := context.Cause(ctx)
	if c.slow = errors.As(cause, &slow); err == nil && code != 0 && (c.slow || errors.As(cause, &quiet)) {
		fmt.Fprintln(c.stderr, cause)
		return ExitTimeout, nil
	}
	return code, err
}

// pipes connects the outputs; read holds this side's ends, stdout first.
func (c *child) pipes(cmd *exec.Cmd) (read, write []*os.File, err error) {
	for _, to := range []*io.Writer{&cmd.Stdout, &cmd.Stderr} {
		r, w, err := os.Pipe()
		if err != nil {
			closeAll(append(read, write...))
			return nil, nil, fmt.Errorf("making a pipe: %w", err)
		}
		*to, read, write = w, append(read, r), append(write, w)
	}
	return read, write, nil
}

// drain reads both outputs to their ends, which come when nobody has them open any more.
func (c *child) drain(read []*os.File, drained chan<- struct{}) {
	var wg sync.WaitGroup
	wg.Go(func() { io.Copy(c.stdout, read[0]) })
	wg.Go(func() { io.Copy(c.stderr, read[1]) })
	wg.Wait()
	close(drained)
}

// group is the leader and all that it started. Its number is not another's as long as the leader was not reaped.
type group struct {
	pid    int
	mu     sync.Mutex
	reaped bool
}

func (g *group) kill(sig syscall.Signal) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.reaped {
		syscall.Kill(-g.pid, sig)
	}
}

func (g *group) reap(cmd *exec.Cmd) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.reaped = true
	return cmd.Wait()
}

// waitUnreaped returns when the process has ended, and leaves it a zombie.
func waitUnreaped(pid int) {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

// stopStragglers gives the rest of the group its time to end, and then kills it. All output has been read afterwards; what
// has left the group and keeps the outputs open is not waited for.
func (g *group) stopStragglers(drained <-chan struct{}, read []*os.File) {
	for range 2 {
		select {
		case <-drained:
			return
		case <-time.After(stopWithin):
			g.kill(syscall.SIGKILL)
		}
	}
	closeAll(read)
	<-drained
}

// waitOrStop waits for the end; when the context is done the group is told to stop, and then made to.
func (g *group) waitOrStop(ctx context.Context, ended <-chan error) error {
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	g.kill(syscall.SIGTERM)
	select {
	case err := <-ended:
		return err
	case <-time.After(stopWithin):
	}
	g.kill(syscall.SIGKILL)
	return <-ended
}

func exitCode(cmd *exec.Cmd, err error) (int, error) {
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return 0, fmt.Errorf("waiting for it: %w", err)
	}
	return cmd.ProcessState.ExitCode(), nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}
