package dnstxt

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"

	"github.com/miekg/dns"
)

const port = "53"

// System lists the resolvers of a file like /etc/resolv.conf (resolv.conf(5)), as "address:port". Its nameserver lines
// alone are read, and those that hold no address are passed over. Where there is none, or no file, the resolver is this
// machine.
func System(file string) ([]string, error) {
	var servers []string
	c, err := dns.ClientConfigFromFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("find the resolvers: %w", err)
	}
	if err == nil {
		for _, s := range c.Servers {
			if _, err := netip.ParseAddr(s); err == nil {
				servers = append(servers, net.JoinHostPort(s, port))
			}
		}
	}
	if len(servers) == 0 {
		servers = []string{net.JoinHostPort("127.0.0.1", port), net.JoinHostPort("::1", port)}
	}
	return servers, nil
}
