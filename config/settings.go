package config

import (
	"strings"
	"time"

	"tidemark/internal/geo"
	"tidemark/internal/strictyaml"
	"tidemark/inventory"
)

const day = 24 * time.Hour

func (c *checker) probe(f probeFile) Probe {
	return Probe{
		Concurrency: c.number(f.At("concurrency"), f.Concurrency, 64, 1, 1024),
		Timeout:     c.duration(f.At("timeout"), f.Timeout, 30*time.Second, 100*time.Millisecond, 10*time.Minute),
		Recheck:     c.duration(f.At("recheck"), f.Recheck, 6*time.Hour, 0, 30*day),
		Sample:      c.number(f.At("sample"), f.Sample, 3, 0, 1000),
	}
}

func (c *checker) guard(f guardFile) Guard {
	return Guard{
		Share: c.number(f.At("share"), f.Share, 30, 1, 100),
		Least: c.number(f.At("least"), f.Least, 5, 1, 20000),
		Runs:  c.number(f.At("runs"), f.Runs, 3, 1, 100),
	}
}

func (c *checker) policy(f policyFile) Policy {
	p := Policy{
		// a mirror's run waits up to 55 minutes (DESIGN 6): beyond that the interval would mean nothing
		CheckInterval: c.seconds(f.At("check_interval"), f.CheckInterval, 5*time.Minute, 55*time.Minute),
		MaxHold:       c.seconds(f.At("max_hold"), f.MaxHold, 2*time.Hour, 7*day),
		Nearby:        f.Nearby,
	}
	for _, country := range sortedKeys(f.Nearby) {
		field := f.At("nearby", country)
		if !geo.ValidCountry(country) {
			c.doc.Refuse(field, inventory.CountryHint(country), "found %.60q, expected two capital letters of ISO 3166-1, e.g. FI", country)
		}
		c.neighbours(field, country, f.Nearby[country])
	}
	return p
}

func (c *checker) neighbours(field, country string, list []string) {
	seen := map[string]bool{country: true}
	for i, n := range list {
		item := strictyaml.Item(field, i)
		switch {
		case !geo.ValidCountry(n):
			c.doc.Refuse(item, inventory.CountryHint(n), "found %.60q, expected two capital letters of ISO 3166-1, e.g. FI", n)
		case seen[n]:
			c.doc.Refuse(item, "name each neighbour once, and not the country itself", "%s is there already", n)
		}
		seen[n] = true
	}
}

// seconds is a duration of at least one second, in whole seconds: the manifest has no others.
func (c *checker) seconds(field string, given *strictyaml.Duration, otherwise, most time.Duration) time.Duration {
	d := c.duration(field, given, otherwise, time.Second, most)
	if d%time.Second != 0 {
		c.doc.Refuse(field, "", "found %v, expected whole seconds", strictyaml.Duration(d))
	}
	return d
}

func (c *checker) beacon(f publisherFile) *Beacon {
	if f.Beacon == nil || f.Beacon.Line == 0 {
		return nil
	}
	b := &Beacon{Name: c.dnsName(f.Beacon.At("name"), f.Beacon.Name), TTL: time.Minute}
	plain := f.Beacon.Plain
	if plain == nil || plain.Line == 0 {
		return b
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
	return b
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
