package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Daemon says what an rsync daemon serves, and how.
type Daemon struct {
	Dir            string // where its configuration, log and lock file go; made when missing
	Address        string // loopback IP literal, e.g. "127.0.1.7"; "0.0.0.0" listens on all of loopback (hosts allow still keeps others out)
	Port           int    // 0: a free one
	Modules        map[string]string
	MaxConnections int               // of each module; 0: no limit; below 0: nobody is let in
	Motd           string            // sent before each answer
	AuthUsers      map[string]string // name to password; nil: no password
	Hidden         bool              // modules are not in the daemon's list
	Deny           bool              // every client is refused with "access denied"
	Extra          string            // more lines for each module
	Program        string            // the rsync to run; "": from PATH
}

// Running is a daemon that answers.
type Running struct {
	Addr netip.AddrPort

	daemon Daemon
	cmd    *exec.Cmd
	exited chan struct{} // closed when the process was waited for
	held   []net.Conn
}

const (
	startTries  = 5 // a free port may be taken by somebody else before the daemon has it
	readyWithin = 10 * time.Second
	stopWithin  = 5 * time.Second
)

// StartDaemon starts `rsync --daemon` and returns when it accepts connections. It ends with ctx, or by Stop.
func StartDaemon(ctx context.Context, d Daemon) (*Running, error) {
	var err error
	for range startTries {
		var r *Running
		if r, err = start(ctx, d); err == nil {
			return r, nil
		}
		if d.Port != 0 || ctx.Err() != nil {
			break
		}
	}
	return nil, fmt.Errorf("starting an rsync daemon on %s: %w", d.Address, err)
}

func start(ctx context.Context, d Daemon) (*Running, error) {
	addr, err := netip.ParseAddr(d.Address)
	if err != nil {
		return nil, fmt.Errorf("reading the address: %w", err)
	}
	port := d.Port
	if port == 0 {
		if port, err = freePort(d.Address); err != nil {
			return nil, err
		}
	}
	r := &Running{Addr: netip.AddrPortFrom(addr, uint16(port)), daemon: d, exited: make(chan struct{})}
	if err := r.configure(); err != nil {
		return nil, err
	}
	if err := r.run(ctx); err != nil {
		return nil, err
	}
	if err := r.ready(ctx); err != nil {
		r.Stop()
		return nil, err
	}
	return r, nil
}

// freePort finds a port that nobody has on address at this moment.
func freePort(address string) (int, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(address, "0"))
	if err != nil {
		return 0, fmt.Errorf("looking for a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func (r *Running) file(name string) string { return filepath.Join(r.daemon.Dir, name) }

func (r *Running) run(ctx context.Context) error {
	program := r.daemon.Program
	if program == "" {
		program = "rsync"
	}
	output, err := os.Create(r.file("output"))
	if err != nil {
		return fmt.Errorf("keeping its output: %w", err)
	}
	defer output.Close()
	r.cmd = exec.CommandContext(ctx, program, "--daemon", "--no-detach",
		"--config="+r.file("rsyncd.conf"), "--address="+r.Addr.Addr().String(), "--port="+strconv.Itoa(int(r.Addr.Port())))
	r.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"}
	r.cmd.Stdout, r.cmd.Stderr = output, output
	// A group of its own: the daemon forks for each connection, and those processes must end with it.
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	r.cmd.Cancel = func() error { return syscall.Kill(-r.cmd.Process.Pid, syscall.SIGKILL) }
	if err := r.cmd.Start(); err != nil {
		return fmt.Errorf("running it (apt-get install -y rsync): %w", err)
	}
	go func() {
		r.cmd.Wait()
		close(r.exited)
	}()
	return nil
}

// ready waits until the daemon accepts a connection.
func (r *Running) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	for {
		conn, err := r.dial(ctx)
		if err == nil {
			conn.Close()
			return r.alive()
		}
		select {
		case <-r.exited:
			return r.alive()
		case <-ctx.Done():
			return fmt.Errorf("it does not accept connections on %s: %w", r.Addr, err)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func (r *Running) dial(ctx context.Context) (net.Conn, error) {
	at := r.Addr
	if at.Addr().IsUnspecified() {
		at = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), at.Port())
	}
	return (&net.Dialer{}).DialContext(ctx, "tcp", at.String())
}

// alive is the error of a daemon that has ended, with what it printed.
func (r *Running) alive() error {
	select {
	case <-r.exited:
		output, _ := os.ReadFile(r.file("output"))
		log, _ := os.ReadFile(r.file("log"))
		return fmt.Errorf("it ended (%s): %s", r.cmd.ProcessState, strings.TrimSpace(string(output)+string(log)))
	default:
		return nil
	}
}

// URL is the rsync URL of a module.
func (r *Running) URL(module string) string { return moduleURL(r.Addr, module) }

func moduleURL(at netip.AddrPort, module string) string {
	return fmt.Sprintf("rsync://%s/%s/", at, module)
}

// Stop ends the daemon with all its connections, and waits for it. It kills at once: a daemon that only reads has
// nothing to put in order, and rsync takes 0.4 s for a polite end.
func (r *Running) Stop() error {
	for _, c := range r.held {
		c.Close()
	}
	pid := r.cmd.Process.Pid
	if err := syscall.Kill(-pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("stopping the rsync daemon %d: %w", pid, err)
	}
	select {
	case <-r.exited:
		return nil
	case <-time.After(stopWithin):
		return fmt.Errorf("stopping the rsync daemon %d: it is still there after SIGKILL", pid)
	}
}
