package dnstxt

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"

	"github.com/miekg/dns"
)

const port = "53"

// System lists the resolvers of a file like /etc/resolv.conf (resolv.conf(5)), as "address:port". Its nameserver lines
// alone are read, and those that hold no address are passed over. Where there is none, or no file, the resolver is this
// machine.
func System(file string) ([]string, error) {
	var servers []string
	text, err := os.ReadFile(file) // the library's own reading takes a failure for the end of the file
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("find the resolvers: %w", err)
	}
	c, err := dns.ClientConfigFromReader(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("find the resolvers: read %s: %w", file, err)
	}
	for _, s := range c.Servers {
		if _, err := netip.ParseAddr(s); err == nil {
			servers = append(servers, net.JoinHostPort(s, port))
		}
	}
	if len(servers) == 0 {
		servers = []string{net.JoinHostPort("127.0.0.1", port), net.JoinHostPort("::1", port)}
	}
	return servers, nil
}
