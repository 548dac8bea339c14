package config

import (
	"net"
	"net/netip"
	"regexp"
	"strings"
	"time"

	"tidemark/internal/rsyncurl"
	"tidemark/internal/strictyaml"
)

const (
	defaultTTL = time.Minute
	maxTTL     = day
	longTTL    = 10 * time.Minute // a mirror that goes by DNS learns of news later than one that asks every check_interval
	maxServers = 32
	dnsPort    = "53"
)

// hostedZone is the id of a Route 53 hosted zone: at most 32 characters, by its API's reference.
var hostedZone = regexp.MustCompile(`^Z[0-9A-Z]{1,31}$`)

func (c *checker) beacon(f publisherFile) *Beacon {
	if f.Beacon == nil || f.Beacon.Line == 0 {
		return nil
	}
	b := &Beacon{
		Name:    c.dnsName(f.Beacon.At("name"), f.Beacon.Name),
		TTL:     c.seconds(f.Beacon.At("ttl"), f.Beacon.TTL, defaultTTL, maxTTL),
		Servers: c.servers53(f.Beacon.At("servers"), f.Beacon.Servers),
	}
	c.plain(f, b)
	c.place53(*f.Beacon, b)
	return b
}

// plain is the positional record of the tree's timestamps alone.
func (c *checker) plain(f publisherFile, b *Beacon) {
	plain := f.Beacon.Plain
	if plain == nil || plain.Line == 0 {
		return
	}
	b.PlainName, b.PlainOrder = c.dnsName(plain.At("name"), plain.Name), plain.Order
	if b.PlainName == b.Name && b.Name != "" {
		c.doc.Refuse(plain.At("name"), "", "the plain record needs its own name, %s is the beacon's", b.Name)
	}
	if len(plain.Order) == 0 {
		c.doc.Refuse(plain.At("order"), "", "found no tree, expected at least one")
	}
	known, seen := sortedKeys(f.Trees), map[string]bool{}
	for i, tree := range plain.Order {
		item := strictyaml.Item(plain.At("order"), i)
		if _, ok := f.Trees[tree]; !ok {
			c.doc.Refuse(item, treeHint(tree, known), "there is no tree %.120q", tree)
		}
		if seen[tree] {
			c.doc.Refuse(item, "remove one of the two", "the tree %s is there already", tree)
		}
		seen[tree] = true
	}
}

// place53 is where the records are kept: at most one place.
func (c *checker) place53(f beaconFile, b *Beacon) {
	var first string
	for _, place := range []struct {
		key   string
		given bool
	}{{"rfc2136", f.RFC2136 != nil}, {"route53", f.Route53 != nil}, {"zone_file", f.ZoneFile != nil}} {
		switch {
		case place.given && first != "":
			c.doc.Refuse(f.At(place.key), "keep one of them", "found %s and %s, expected one place for the record", first, place.key)
		case place.given:
			first = place.key
		}
	}
	if r := f.RFC2136; r != nil && r.Line > 0 {
		b.RFC2136 = &RFC2136{Server: c.host53(r.At("server"), r.Server), TSIGFile: c.path(r.At("tsig_file"), r.TSIGFile)}
		if r.Zone != nil {
			b.RFC2136.Zone = c.dnsName(r.At("zone"), *r.Zone)
			c.inside(f, b)
		}
	}
	if r := f.Route53; r != nil && r.Line > 0 {
		b.Route53 = c.hostedZone(*r)
	}
	if z := f.ZoneFile; z != nil && z.Line > 0 {
		b.ZoneFile = &ZoneFile{Path: c.path(z.At("path"), z.Path), Reload: c.hook(z.At("reload"), z.Reload)}
	}
}

// inside wants the names in the zone: a server refuses an update of others (RFC 2136, 3.4.1.3: NOTZONE).
func (c *checker) inside(f beaconFile, b *Beacon) {
	zone := b.RFC2136.Zone
	check := func(field, name string) {
		switch {
		case name == "" || zone == "":
		case name == zone:
			c.doc.Refuse(field, "for example _tidemark."+zone, "%s is the zone itself, where others' TXT records stand (SPF); expected a name of its own", name)
		case !strings.HasSuffix(name, "."+zone):
			c.doc.Refuse(field, "correct the name, or the zone", "%s is not in the zone %s", name, zone)
		}
	}
	check(f.At("name"), b.Name)
	if f.Plain != nil {
		check(f.Plain.At("name"), b.PlainName)
	}
}

func (c *checker) hostedZone(f route53File) *Route53 {
	out := &Route53{Zone: f.Zone}
	if !hostedZone.MatchString(f.Zone) {
		hint := "aws route53 list-hosted-zones shows the ids"
		if id := strings.TrimPrefix(strings.TrimPrefix(f.Zone, "/"), "hostedzone/"); hostedZone.MatchString(id) {
			hint = "write " + id
		}
		c.doc.Refuse(f.At("zone"), hint, "found %.120q, expected a hosted zone's id like Z0123456789EXAMPLE", f.Zone)
	}
	if f.Endpoint != nil {
		out.Endpoint = strings.TrimSuffix(c.url(f.At("endpoint"), *f.Endpoint), "/")
	}
	return out
}

func (c *checker) servers53(field string, list []string) (out []string) {
	if list != nil && (len(list) == 0 || len(list) > maxServers) {
		c.doc.Refuse(field, "leave it out for the zone's own name servers", "found %d servers, expected 1 to %d", len(list), maxServers)
	}
	return c.each(field, list, c.host53)
}

// each checks the values of a list, or the one that stands for it, and that none is there twice.
func (c *checker) each(field string, list []string, check func(field, s string) string) (out []string) {
	seen := map[string]bool{}
	for i, s := range list {
		at := field
		if item := strictyaml.Item(field, i); c.doc.Given(item) { // a list
			at = item
		}
		s = check(at, s)
		if s != "" && seen[s] {
			c.doc.Refuse(at, "remove one of the two", "%s is given twice", s)
		}
		seen[s] = true
		out = append(out, s)
	}
	return out
}

// host53 is a name server as "host" or "host:port"; an IPv6 address always has its port, for what splits at colons.
func (c *checker) host53(field, s string) string {
	if a, err := netip.ParseAddr(s); err == nil && a.Is6() {
		s = "[" + s + "]:" + dnsPort
	}
	bare, port, _ := strings.Cut(s, ":")
	if strings.HasPrefix(s, "[") {
		bare, port, _ = strings.Cut(s, "]")
		bare, port = bare+"]", strings.TrimPrefix(port, ":")
	}
	bare = strings.TrimSuffix(bare, ".")
	if port != "" {
		bare += ":" + port
	}
	u, err := rsyncurl.Parse("rsync://" + bare + "/m/")
	if err != nil || strings.ContainsAny(s, "/@") || strings.HasSuffix(s, ":") || unspecified(u) {
		c.doc.Refuse(field, "", "found %.120q, expected a name server like ns1.example.org, 192.0.2.53 or ns1.example.org:5353", s)
		return ""
	}
	if port == "" {
		if a, ok := u.Addr(); ok && a.Is6() {
			return net.JoinHostPort(u.Host(), dnsPort)
		}
		return u.Host()
	}
	return u.HostPort()
}

func unspecified(u rsyncurl.URL) bool {
	a, ok := u.Addr()
	return ok && (a.IsUnspecified() || a.IsMulticast())
}

// dnsName returns the name in lower case, without a final dot. Underscores are allowed: RFC 8552.
func (c *checker) dnsName(field, s string) string {
	name := strings.ToLower(strings.TrimSuffix(s, "."))
	ok := name != "" && len(name) <= 253
	for _, label := range strings.Split(name, ".") {
		ok = ok && label != "" && len(label) <= 63 && strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") == ""
	}
	if !ok {
		c.doc.Refuse(field, "", "found %.120q, expected a DNS name like _tidemark.example.org", s)
	}
	return name
}
