package lab

import (
	"bufio"
	"context"
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"time"
)

// Hold takes one connection slot of a module and keeps it until Stop: what it is to be a client that never ends.
func (r *Running) Hold(ctx context.Context, module string) error {
	conn, err := r.dial(ctx)
	if err != nil {
		return fmt.Errorf("holding a connection of module %s: %w", module, err)
	}
	r.held = append(r.held, conn)
	timer := time.AfterFunc(readyWithin, func() { conn.Close() })
	defer timer.Stop()
	if _, err := fmt.Fprintf(conn, "@RSYNCD: 29.0\n%s\n", module); err != nil {
		return fmt.Errorf("holding a connection of module %s: %w", module, err)
	}
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		switch text := lines.Text(); {
		case strings.HasPrefix(text, "@RSYNCD: OK"):
			return nil
		case strings.HasPrefix(text, "@ERROR"):
			return fmt.Errorf("holding a connection of module %s: the daemon says %q", module, text)
		}
	}
	return fmt.Errorf("holding a connection of module %s: the daemon hung up", module)
}

// StartBusy starts a daemon whose modules allow one connection each, and takes it: every client is told
// "max connections (1) reached".
func StartBusy(ctx context.Context, d Daemon) (*Running, error) {
	d.MaxConnections = 1
	r, err := StartDaemon(ctx, d)
	if err != nil {
		return nil, err
	}
	for module := range d.Modules {
		if err := r.Hold(ctx, module); err != nil {
			r.Stop()
			return nil, err
		}
	}
	return r, nil
}

// Dead is an address that refuses every connection until Close: the port is bound, so that nobody else gets it, and
// nobody listens.
type Dead struct {
	Addr netip.AddrPort
	fd   int
}

// NewDead makes a dead address on the IPv4 loopback address given; port 0 takes a free one.
func NewDead(address string, port int) (*Dead, error) {
	addr, err := netip.ParseAddr(address)
	if err != nil || !addr.Is4() {
		return nil, fmt.Errorf("making a dead address: %q is no IPv4 address", address)
	}
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("making a dead address: %w", err)
	}
	d := &Dead{fd: fd}
	if err := d.bind(addr, port); err != nil {
		d.Close()
		return nil, fmt.Errorf("making a dead address on %s: %w", netip.AddrPortFrom(addr, uint16(port)), err)
	}
	return d, nil
}

func (d *Dead) bind(addr netip.Addr, port int) error {
	to := &syscall.SockaddrInet4{Addr: addr.As4(), Port: port}
	err := syscall.Bind(d.fd, to)
	if err == syscall.EADDRINUSE && port != 0 {
		// Old connections of a daemon that was here linger. Not at once, since others could share the port as well then.
		if err = syscall.SetsockoptInt(d.fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err == nil {
			err = syscall.Bind(d.fd, to)
		}
	}
	if err != nil {
		return err
	}
	name, err := syscall.Getsockname(d.fd)
	if err != nil {
		return err
	}
	d.Addr = netip.AddrPortFrom(addr, uint16(name.(*syscall.SockaddrInet4).Port))
	return nil
}

// URL is the rsync URL of a module that nobody serves.
func (d *Dead) URL(module string) string { return moduleURL(d.Addr, module) }

// Close gives the port back.
func (d *Dead) Close() error { return syscall.Close(d.fd) }
