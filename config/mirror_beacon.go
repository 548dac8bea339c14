package config

import (
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"tidemark/internal/strictyaml"
)

const (
	maxResolvers = 8
	defaultKey   = "mirror.key"
)

func (c *mirrorChecker) mirrorBeacon(f mirrorFile) *MirrorBeacon {
	b := f.Beacon
	if b == nil || b.Line == 0 {
		return nil
	}
	field := b.At("servers")
	if n := len(b.Servers); b.Servers != nil && (n == 0 || n > maxResolvers) {
		c.doc.Refuse(field, "leave it out for the system's resolvers", "found %d servers, expected 1 to %d", n, maxResolvers)
	}
	return &MirrorBeacon{Name: c.dnsName(b.At("name"), b.Name), Servers: c.each(field, b.Servers, c.resolver)}
}

// resolver is the address of a DNS server, and its port. A name is refused: who would look it up?
func (c *mirrorChecker) resolver(field, s string) string {
	host, port := s, dnsPort
	a, err := netip.ParseAddr(host)
	if err != nil {
		if host, port, err = net.SplitHostPort(s); err != nil {
			host, port = strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"), dnsPort
		}
		a, err = netip.ParseAddr(host)
	}
	n, bad := strconv.ParseUint(port, 10, 16)
	if err != nil || bad != nil || n == 0 || a.Zone() != "" || a.IsUnspecified() || a.IsMulticast() {
		c.doc.Refuse(field, "an address and no name", "found %.120q, expected a DNS server like 192.0.2.53 or [2001:db8::53]:53", s)
		return ""
	}
	return net.JoinHostPort(a.Unmap().String(), strconv.FormatUint(n, 10))
}

func (c *mirrorChecker) mirrorCheckin(f mirrorFile) *MirrorCheckin {
	in := f.Checkin
	if in == nil || in.Line == 0 {
		return nil
	}
	key := defaultKey
	if in.Key != nil {
		key = *in.Key
	}
	return &MirrorCheckin{URL: c.checkinURL(in.At("url"), in.URL), Key: c.path(in.At("key"), key)}
}

// checkinURL is where a check-in is sent to, as it is: a slash at its end is the receiver's matter.
func (c *mirrorChecker) checkinURL(field, s string) string {
	u := c.webAddress(field, s, "expected an address like https://mirrors.example.org/centos/checkin")
	if u == nil {
		return ""
	}
	return u.String()
}

// checkin warns of a key that is not there, or that others may read.
func (w *warner) mirrorCheckin(in *MirrorCheckin) {
	if in == nil {
		return
	}
	field := strictyaml.Path("checkin", "key")
	if _, err := os.Stat(in.Key); os.IsNotExist(err) {
		w.add(field, "tidemark-mirror init makes one for a new mirror; or type: minisign -G -W -s "+in.Key+" -p "+in.Key+".pub; the network's inventory needs the public half",
			"%s is not there: check-ins cannot be signed", in.Key)
		return
	}
	w.private(in.Key, field)
}
