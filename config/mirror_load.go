package config

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"time"

	"tidemark/internal/geo"
	"tidemark/internal/ident"
	"tidemark/internal/rsyncurl"
	"tidemark/internal/strictyaml"
	"tidemark/inventory"
)

// Defaults and limits of mirror.yaml's top.
const (
	defaultSplay          = 5 * time.Minute
	maxSplay              = 55 * time.Minute // an hourly cron line must not meet the run before
	defaultWarnAfter      = 6 * time.Hour
	maxWarnAfter          = 30 * day
	defaultTimeout        = 10 * time.Minute
	maxTimeout            = 2 * time.Hour
	defaultConnectTimeout = 30 * time.Second
	maxConnectTimeout     = 10 * time.Minute
	defaultFallbackAfter  = 24 * time.Hour
	maxFallbackAfter      = 365 * day
	maxFallbacks          = 16
	maxASN                = 1<<32 - 1
)

// LoadMirror reads file. The error is a strictyaml.Problems with every problem at once, or a plain error when the file
// cannot be read. zone is the name of the machine's time zone ("Europe/Helsinki"; "" when not known), for country: auto.
func LoadMirror(file, zone string, rules RsyncRules) (*Mirror, error) {
	abs, err := filepath.Abs(file)
	if err != nil {
		return nil, fmt.Errorf("find configuration: %w", err)
	}
	data, err := strictyaml.ReadFile(abs)
	if err != nil {
		return nil, err
	}
	return parseMirror(abs, data, zone, rules)
}

// ParseMirror is LoadMirror for data that is to be written to file.
func ParseMirror(file string, data []byte, zone string, rules RsyncRules) (*Mirror, error) {
	abs, err := filepath.Abs(file)
	if err != nil {
		return nil, fmt.Errorf("place of the configuration: %w", err)
	}
	return parseMirror(abs, data, zone, rules)
}

// parseMirror checks data, which came from file, an absolute path.
func parseMirror(file string, data []byte, zone string, rules RsyncRules) (*Mirror, error) {
	doc := strictyaml.Read(file, data)
	var f mirrorFile
	doc.Decode(&f)
	if f.Line == 0 {
		return nil, doc.Problems() // not understood at all: more would be noise
	}
	c := &mirrorChecker{checker: checker{doc: doc, dir: filepath.Dir(file)}, rules: rules}
	m := c.mirror(f, file)
	m.Country, m.Auto = c.country(f, zone)
	if err := doc.Problems().Err(); err != nil {
		return nil, err
	}
	return m, nil
}

type mirrorChecker struct {
	checker
	rules RsyncRules
}

func (c *mirrorChecker) mirror(f mirrorFile, file string) *Mirror {
	m := &Mirror{
		File: file, Network: f.Network, ID: f.ID, Avoid: f.Avoid,
		URL:            c.origin(f.At("url"), f.URL),
		Trust:          c.path(f.At("trust"), f.Trust),
		State:          c.path(f.At("state"), f.State),
		CA:             c.optionalPath(f.At("ca"), f.CA),
		Lock:           c.optionalPath(f.At("lock"), f.Lock),
		Splay:          c.duration(f.At("splay"), f.Splay, defaultSplay, 0, maxSplay),
		WarnAfter:      c.duration(f.At("warn_after"), f.WarnAfter, defaultWarnAfter, 0, maxWarnAfter),
		Timeout:        c.seconds(f.At("timeout"), f.Timeout, defaultTimeout, maxTimeout),
		ConnectTimeout: c.seconds(f.At("connect_timeout"), f.ConnectTimeout, defaultConnectTimeout, maxConnectTimeout),
		Before:         c.hook(f.Hooks.At("before"), f.Hooks.Before),
		After:          c.hook(f.Hooks.At("after"), f.Hooks.After),
		Rsync:          c.program(f.At("rsync"), f.Rsync, "leave it out for the rsync in PATH"),
	}
	c.names(f)
	m.Beacon, m.Checkin = c.mirrorBeacon(f), c.mirrorCheckin(f)
	if f.ASN != nil {
		if m.ASN = *f.ASN; m.ASN < 1 || m.ASN > maxASN {
			c.doc.Refuse(f.At("asn"), "leave it out when it is not known", "found %d, expected 1 to %d", m.ASN, int64(maxASN))
		}
	}
	c.network(f, m)
	c.mirrorTrees(f, m)
	m.Fallback = c.fallback(f)
	return m
}

func (c *mirrorChecker) names(f mirrorFile) {
	if err := ident.Check(f.Network); err != nil {
		c.doc.Refuse(f.At("network"), lowerHint(f.Network), "%v", err)
	}
	if err := ident.Check(f.ID); err != nil {
		c.doc.Refuse(f.At("id"), lowerHint(f.ID), "%v", err)
	}
	for i, id := range f.Avoid {
		field := f.At("avoid")
		if item := strictyaml.Item(field, i); c.doc.Given(item) { // a list
			field = item
		}
		if err := ident.Check(id); err != nil {
			c.doc.Refuse(field, "tidemark-mirror sources lists the ids", "%v", err)
		}
	}
}

// network checks how rsync connects.
func (c *mirrorChecker) network(f mirrorFile, m *Mirror) {
	if f.Family != nil {
		if m.Family = *f.Family; m.Family != 4 && m.Family != 6 {
			c.doc.Refuse(f.At("family"), "leave it out for both", "found %d, expected 4 or 6", m.Family)
		}
	}
	if f.Address != nil {
		m.Address = c.address(f.At("address"), *f.Address, m.Family)
	}
	if f.Proxy != nil {
		m.Proxy = c.proxy(f.At("rsync_proxy"), *f.Proxy)
	}
}

func (c *mirrorChecker) address(field, s string, family int) netip.Addr {
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" || a.Is4In6() || a.IsUnspecified() || a.IsMulticast() {
		c.doc.Refuse(field, "", "found %.60q, expected an IP address of this machine, e.g. 192.0.2.7", s)
		return netip.Addr{}
	}
	if family == 4 && !a.Is4() || family == 6 && !a.Is6() {
		c.doc.Refuse(field, "change address or family", "found %s with family: %d", a, family)
	}
	return a
}

// proxy is what rsync reads from RSYNC_PROXY. It cuts at the first colon, so that an IPv6 address is none.
func (c *mirrorChecker) proxy(field, s string) string {
	host, port, _ := strings.Cut(s, ":")
	u, err := rsyncurl.Parse("rsync://" + s + "/m/")
	if err != nil || host == "" || port == "" || strings.ContainsAny(port, ":/") || strings.Contains(host, "/") {
		c.doc.Refuse(field, "", "found a value that is no host:port, expected one like proxy.example.org:3128") // not quoted: it may hold a password
		return ""
	}
	return u.HostPort()
}

// country is what was written, or what the time zone says, and then in words how.
func (c *mirrorChecker) country(f mirrorFile, zone string) (country, auto string) {
	switch {
	case f.Country == nil:
		return "", ""
	case *f.Country != "auto":
		if !geo.ValidCountry(*f.Country) {
			c.doc.Refuse(f.At("country"), inventory.CountryHint(*f.Country), "found %.60q, expected two capital letters of ISO 3166-1, e.g. FI, or auto", *f.Country)
		}
		return *f.Country, ""
	case zone == "":
		return "", "no country: the time zone of this machine is not known; write the country down, e.g. country: FI"
	}
	if country = geo.CountryOfZone(zone); country == "" {
		return "", fmt.Sprintf("no country: the time zone %.60s belongs to none; write the country down, e.g. country: FI", zone)
	}
	return country, fmt.Sprintf("country %s, from the time zone %.60s", country, zone)
}

func (c *mirrorChecker) fallback(f mirrorFile) *Fallback {
	if f.Fallback == nil || f.Fallback.Line == 0 {
		return nil
	}
	field := f.Fallback.At("sources")
	out := &Fallback{After: c.duration(f.Fallback.At("after"), f.Fallback.After, defaultFallbackAfter, 0, maxFallbackAfter)}
	if n := len(f.Fallback.Sources); n == 0 || n > maxFallbacks {
		c.doc.Refuse(field, "", "found %d sources, expected 1 to %d", n, maxFallbacks)
	}
	seen := map[rsyncurl.URL]bool{}
	for i, s := range f.Fallback.Sources {
		at := field
		if item := strictyaml.Item(field, i); c.doc.Given(item) { // a list
			at = item
		}
		u, err := rsyncurl.Parse(s)
		switch {
		case err != nil:
			c.doc.Refuse(at, "", "%v", err)
		case seen[u]:
			c.doc.Refuse(at, "remove one of the two", "%s is given twice", u)
		}
		seen[u] = true
		out.Sources = append(out.Sources, u)
	}
	if len(f.Trees) > 1 {
		c.doc.Refuse(f.At("fallback"), "give each tree a file and a state of its own, or leave the fallback out",
			"found %d trees, expected one: a fallback's URL does not say which tree it holds", len(f.Trees))
	}
	return out
}
