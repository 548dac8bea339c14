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
	go func() { // Pdeathsig is bound to the thread that starts the child, so this one stays to the end
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		closeAll(write)
		started <- err
		if err == nil {
			waitUnreaped(cmd.Process.Pid)
			stopStragglers(cmd.Process.Pid, drained)
			ended <- cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return 0, fmt.Errorf("starting it: %w", err)
	}
	go c.drain(read, drained)
	if c.silence > 0 {
		watched, end := context.WithCancelCause(ctx)
		defer end(nil)
		go watchSilence(watched, cmd.Process.Pid, c.silence, end)
		ctx = watched
	}
	code, err = exitCode(cmd, waitOrStop(ctx, cmd.Process.Pid, ended))
	if quiet := (*silent)(nil); err == nil && code != 0 && errors.As(context.Cause(ctx), &quiet) {
		fmt.Fprintln(c.stderr, quiet)
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

// waitUnreaped returns when the process has ended, and leaves it a zombie: its number cannot become another's meanwhile.
func waitUnreaped(pid int) {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

// stopStragglers gives the rest of the group its time to end, and then kills it. All output has been read afterwards.
func stopStragglers(pid int, drained <-chan struct{}) {
	select {
	case <-drained:
	case <-time.After(stopWithin):
		syscall.Kill(-pid, syscall.SIGKILL)
		<-drained
	}
}

// waitOrStop waits for the end; when the context is done the group is told to stop, and then made to.
func waitOrStop(ctx context.Context, pid int, ended <-chan error) error {
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	syscall.Kill(-pid, syscall.SIGTERM)
	select {
	case err := <-ended:
		return err
	case <-time.After(stopWithin):
	}
	syscall.Kill(-pid, syscall.SIGKILL)
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
