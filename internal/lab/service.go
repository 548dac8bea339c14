package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Service is a program that serves HTTP on 127.0.0.1: an S3 gateway, a web server, a cache. It ends with the context it
// was started with, or by Stop.
type Service struct {
	Addr netip.AddrPort
	Dir  string // its configuration, data and output

	name   string
	cmd    *exec.Cmd
	exited chan struct{} // closed when the process was waited for
}

// launch says how to start a Service on a port.
type launch struct {
	name    string
	hint    string // what to type when the program is missing
	port    int    // 0: a free one
	command func(at netip.AddrPort) ([]string, error)
	env     []string
	check   func(ctx context.Context, at netip.AddrPort) error // asked once it accepts connections; nil: that is enough
}

// serve starts a server in dir and returns when it accepts connections. With port 0 it tries other ports when somebody
// was faster.
func serve(ctx context.Context, dir string, l launch) (*Service, error) {
	dir, err := filepath.Abs(dir)
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	if err != nil {
		return nil, fmt.Errorf("starting %s: making its directory: %w", l.name, err)
	}
	for range startTries {
		var s *Service
		if s, err = serveOn(ctx, dir, l); err == nil {
			return s, nil
		}
		if l.port != 0 || ctx.Err() != nil || errors.Is(err, exec.ErrNotFound) {
			break
		}
	}
	return nil, fmt.Errorf("starting %s: %w", l.name, err)
}

func serveOn(ctx context.Context, dir string, l launch) (*Service, error) {
	port, err := portFor(l.port)
	if err != nil {
		return nil, err
	}
	s := &Service{Addr: loopback(port), Dir: dir, name: l.name, exited: make(chan struct{})}
	args, err := l.command(s.Addr)
	if err != nil {
		return nil, err
	}
	if err := s.run(ctx, args, l); err != nil {
		return nil, err
	}
	err = s.ready(ctx)
	if err == nil && l.check != nil {
		err = l.check(ctx, s.Addr)
	}
	if err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

// portFor is a free port, or the wanted one if nobody has it: otherwise whoever has it would be taken for the new
// server.
func portFor(wanted int) (int, error) {
	if wanted == 0 {
		return freePort("127.0.0.1")
	}
	l, err := net.Listen("tcp", loopback(wanted).String())
	if err != nil {
		return 0, err
	}
	return wanted, l.Close()
}

func loopback(port int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(port))
}

func (s *Service) run(ctx context.Context, args []string, l launch) error {
	output, err := os.OpenFile(s.file("output"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("keeping its output: %w", err)
	}
	defer output.Close()
	s.cmd = exec.CommandContext(ctx, args[0], args[1:]...)
	s.cmd.Dir = s.Dir
	s.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH") + ":/usr/sbin:/sbin", "HOME=" + s.Dir, "LC_ALL=C", "TZ=UTC"}, l.env...)
	s.cmd.Stdout, s.cmd.Stderr = output, output
	// A group of its own: caches work in child processes, which must end with it.
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	s.cmd.Cancel = func() error { return syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL) }
	if err := s.cmd.Start(); err != nil {
		return fmt.Errorf("running it (%s): %w", l.hint, err)
	}
	go func() {
		s.cmd.Wait()
		close(s.exited)
	}()
	return nil
}

// ready waits until the server accepts a connection and is still there after it: who lost the race for a port has ended.
func (s *Service) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.Addr.String())
		if err == nil {
			conn.Close()
			return s.alive()
		}
		select {
		case <-s.exited:
			return s.alive()
		case <-ctx.Done():
			return fmt.Errorf("it does not accept connections on %s: %w\n%s", s.Addr, err, s.Log())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func (s *Service) alive() error {
	select {
	case <-s.exited:
		return fmt.Errorf("it ended (%s): %s", s.cmd.ProcessState, s.Log())
	default:
		return nil
	}
}

func (s *Service) file(name string) string { return filepath.Join(s.Dir, name) }

// maxLog is how much of the end of an output is shown in an error.
const maxLog = 4 << 10

// Log is the end of what the server printed.
func (s *Service) Log() string {
	b, _ := os.ReadFile(s.file("output"))
	if cut := len(b) - maxLog; cut > 0 {
		b = b[cut:]
		if _, rest, ok := bytes.Cut(b, []byte("\n")); ok {
			b = rest
		}
	}
	return strings.TrimSpace(string(b))
}

// URL is where the server answers over plain HTTP, with a final slash.
func (s *Service) URL() string { return "http://" + s.Addr.String() + "/" }

// Stop ends the server with its children, and waits for it; a second Stop does nothing. Started again with the same
// directory and Addr.Port(), it goes on with what it had.
func (s *Service) Stop() error {
	select {
	case <-s.exited:
		return nil
	default:
	}
	pid := s.cmd.Process.Pid
	if err := syscall.Kill(-pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("stopping %s, process %d: %w", s.name, pid, err)
	}
	select {
	case <-s.exited:
		return nil
	case <-time.After(stopWithin):
		return fmt.Errorf("stopping %s: process %d is still there after SIGKILL", s.name, pid)
	}
}
