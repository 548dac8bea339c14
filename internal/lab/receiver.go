package lab

import (
	"context"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
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

// URL is where mirrors check in.
func (r *Receiver) URL() string {
	if r.CA != "" {
		return "https://" + r.Addr.String() + "/"
	}
	return r.Service.URL()
}
