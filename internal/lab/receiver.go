package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Receiver is `tidemark checkin serve`, on a free port of 127.0.0.1.
type Receiver struct {
	*Service
	CA string // file of the authority's certificate (PEM); "" without TLS
}

// ReceiverOptions of [StartReceiver].
type ReceiverOptions struct {
	Program string // tidemark
	Config  string // the file that is written: Text, and the receiver's own lines
	Text    string
	Spool   string
	TLS     string // directory of its certificate, made when missing; "": plain HTTP
	Lines   string // more of the mapping checkin, e.g. "per_second: 100"
}

// StartReceiver writes a publisher's configuration that has it, and starts it.
func StartReceiver(ctx context.Context, o ReceiverOptions) (*Receiver, error) {
	r := &Receiver{}
	for _, path := range []*string{&o.Config, &o.Spool, &o.TLS} { // it does not run in this directory
		if *path == "" {
			continue
		}
		var err error
		if *path, err = filepath.Abs(*path); err != nil {
			return nil, fmt.Errorf("starting the receiver of check-ins: %w", err)
		}
	}
	lines := []string{"spool: " + o.Spool}
	if o.TLS != "" {
		c, err := serverCertificate(o.TLS)
		if err != nil {
			return nil, fmt.Errorf("starting the receiver of check-ins: %w", err)
		}
		r.CA, lines = c.ca, append(lines, "cert: "+c.cert, "key: "+c.key)
	}
	if o.Lines != "" {
		lines = append(lines, o.Lines)
	}
	service, err := serve(ctx, filepath.Join(filepath.Dir(o.Config), "receiver"), launch{name: "tidemark checkin serve", hint: "build it first: make build",
		command: func(at netip.AddrPort) ([]string, error) {
			text := fmt.Sprintf("%scheckin: {listen: %q, %s}\n", o.Text, at, strings.Join(lines, ", "))
			return []string{o.Program, "checkin", "serve", "--config", o.Config}, writeFile(o.Config, text)
		}})
	if err != nil {
		return nil, err
	}
	r.Service = service
	return r, nil
}

// Linger keeps so many connections to the receiver, until ctx ends: each posts a message that says nothing, so long after one
// another, over the same connection for as long as the receiver leaves it open, and then over another one.
func (r *Receiver) Linger(ctx context.Context, connections int, every time.Duration) error {
	const post = "POST / HTTP/1.1\r\nHost: receiver\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
	errs := make([]error, connections)
	var all sync.WaitGroup
	for i := range connections {
		all.Go(func() {
			for ctx.Err() == nil && errs[i] == nil {
				errs[i] = r.linger(ctx, post, every)
			}
		})
	}
	all.Wait()
	if ctx.Err() == nil {
		return errors.Join(errs...)
	}
	return nil
}

// linger is one connection.
func (r *Receiver) linger(ctx context.Context, post string, every time.Duration) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", r.Addr.String())
	if err != nil {
		return fmt.Errorf("linger: %w", err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	for answer := make([]byte, 4096); ; {
		_, err := io.WriteString(conn, post)
		if err == nil {
			_, err = conn.Read(answer)
		}
		if gone := pause(ctx, every); err != nil || gone != nil { // hung up on, it comes again as late as it would have asked
			return nil
		}
	}
}

// URL is where mirrors check in.
func (r *Receiver) URL() string {
	if r.CA != "" {
		return "https://" + r.Addr.String() + "/"
	}
	return r.Service.URL()
}
