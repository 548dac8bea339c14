package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"

	"tidemark/internal/rsyncurl"
	"tidemark/quorum"
)

// TestResolveText: what a look-up met is told without the addresses of this machine and its resolver.
func TestResolveText(t *testing.T) {
	t.Parallel()
	socket := "read udp 10.1.2.3:41234->10.0.0.53:53: "
	op := func(err error) error {
		return &net.OpError{Op: "read", Net: "udp", Source: &net.UDPAddr{IP: net.IPv4(10, 1, 2, 3), Port: 41234}, Addr: &net.UDPAddr{IP: net.IPv4(10, 0, 0, 53), Port: 53}, Err: err}
	}
	for _, tt := range []struct {
		err  error
		want string
	}{
		{&net.DNSError{Err: "no such host", Name: "a.example.org", Server: "10.0.0.53:53", IsNotFound: true}, "no such host"},
		{&net.DNSError{Err: socket + "i/o timeout", Name: "a.example.org", Server: "10.0.0.53:53", IsTimeout: true, IsTemporary: true}, "the resolver did not answer in time"},
		{&net.DNSError{Err: socket + "read: connection refused", Name: "a.example.org", Server: "10.0.0.53:53", IsTemporary: true}, "the lookup failed"},
		{&net.DNSError{Err: "server misbehaving", Name: "a.example.org", Server: "10.0.0.53:53", IsTemporary: true}, "the lookup failed"},
		{op(os.NewSyscallError("read", syscall.ECONNREFUSED)), "the lookup failed: connection refused"},
		{op(os.ErrDeadlineExceeded), "the resolver did not answer in time"},
		{op(errors.New("use of closed network connection")), "the lookup failed"},
		{fmt.Errorf("looking up: %w", context.DeadlineExceeded), "the resolver did not answer in time"},
		{errors.New("the name has no address"), "the name has no address"},
	} {
		if got := resolveText(tt.err); got != tt.want {
			t.Errorf("%v: got %q, expected %q", tt.err, got, tt.want)
		}
	}
}

// TestResolverThatRefuses: a real look-up at a port where nobody listens.
func TestResolverThatRefuses(t *testing.T) {
	t.Parallel()
	dead := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", "127.0.0.1:1")
	}}
	o := Options{Resolve: func(ctx context.Context, host string) ([]netip.Addr, error) { return dead.LookupNetIP(ctx, "ip", host) }}.withDefaults()
	u, err := rsyncurl.Parse("rsync://mirror.example.org/centos/")
	if err != nil {
		t.Fatal(err)
	}
	r := resolve(context.Background(), u, o)
	if r.fail == nil || r.fail.Kind != quorum.FailUnreachable || !strings.Contains(r.fail.Text, "no address for mirror.example.org: the lookup failed") || strings.Contains(r.fail.Text, "127.0.0.1") {
		t.Errorf("got %+v", r.fail)
	}
}
