package config

import (
	"net"
	"net/netip"
	"strconv"
	"time"

	"tidemark/internal/strictyaml"
)

const (
	defaultListen    = "127.0.0.1:8440"
	defaultPerMirror = time.Minute
	maxPerMirror     = day
	defaultPerSecond = 20
	maxPerSecond     = 10_000
)

func (c *checker) checkin(f publisherFile, p *Publisher) *Checkin {
	in := f.Checkin
	if in == nil || in.Line == 0 {
		return nil
	}
	out := &Checkin{
		Listen:    defaultListen,
		Spool:     c.path(in.At("spool"), in.Spool),
		PerMirror: c.duration(in.At("per_mirror"), in.PerMirror, defaultPerMirror, time.Second, maxPerMirror),
		PerSecond: c.number(in.At("per_second"), in.PerSecond, defaultPerSecond, 1, maxPerSecond),
	}
	if in.Listen != nil {
		out.Listen = c.listen(in.At("listen"), *in.Listen)
	}
	switch {
	case in.Cert != nil && in.Key != nil:
		out.Cert, out.Key = c.path(in.At("cert"), *in.Cert), c.path(in.At("key"), *in.Key)
	case in.Cert != nil:
		c.doc.Refuse(in.At("cert"), "leave both out behind a web server that has TLS", "found cert without key, expected both")
	case in.Key != nil:
		c.doc.Refuse(in.At("key"), "leave both out behind a web server that has TLS", "found key without cert, expected both")
	}
	c.spool(in.At("spool"), out.Spool, p)
	return out
}

// listen is an address of this machine and a port; 0 is any free one.
func (c *checker) listen(field, s string) string {
	host, port, err := net.SplitHostPort(s)
	n, bad := strconv.ParseUint(port, 10, 16)
	a, noAddress := netip.ParseAddr(host)
	if err != nil || bad != nil || host != "localhost" && (noAddress != nil || a.Zone() != "" || a.IsMulticast()) {
		c.doc.Refuse(field, "0.0.0.0:8440 and [::]:8440 listen at every address", "found %.120q, expected an address and a port like %s", s, defaultListen)
		return ""
	}
	if host != "localhost" {
		host = a.Unmap().String()
	}
	return net.JoinHostPort(host, strconv.FormatUint(n, 10))
}

// spool keeps the directory that the receiver writes away from what it has no business in: the receiver needs no right to
// write anywhere else.
func (c *checker) spool(field, dir string, p *Publisher) {
	const hint = "choose a directory of its own, e.g. /var/spool/tidemark"
	if overlap(dir, p.State) {
		c.doc.Refuse(field, hint, "%s and the state directory %s lie in one another", dir, p.State)
	}
	for _, t := range p.Publish {
		if overlap(dir, t.Dir) {
			c.doc.Refuse(field, hint, "%s and the published directory %s lie in one another", dir, t.Dir)
		}
	}
	for _, name := range sortedKeys(p.Trees) {
		if master := p.Trees[name].Master; overlap(dir, master) {
			c.doc.Refuse(field, hint, "%s and the master %s of the tree %s lie in one another", dir, master, name)
		}
	}
}

// checkin warns of a receiver that would be of no use, or that is read along.
func (w *warner) checkin(p *Publisher) {
	if p.Checkin == nil {
		return
	}
	if p.Checkin.Key != "" { // its group may read it: the receiver is another user than the one that renews certificates
		w.mode(p.Checkin.Key, strictyaml.Path("checkin", "key"), 0o027, "may be read by everybody, or changed by its group", "chmod u=rw,g=r,o=")
	}
	if host, _, err := net.SplitHostPort(p.Checkin.Listen); err == nil && p.Checkin.Cert == "" && !loopback(host) {
		w.add(strictyaml.Path("checkin", "listen"), "set cert and key, or listen at "+defaultListen+" behind a web server that has TLS",
			"check-ins would come to %s unencrypted, and mirrors send them over https only", p.Checkin.Listen)
	}
	for _, s := range p.Servers {
		if s.Key != "" {
			return
		}
	}
	w.add("checkin", "give a mirror's public key in the inventory, as key: RW...; on the mirror, tidemark-mirror init makes it",
		"nobody can check in: no server of the inventory has a key")
}
