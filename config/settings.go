package config

import (
	"time"

	"tidemark/internal/geo"
	"tidemark/internal/strictyaml"
	"tidemark/inventory"
)

const day = 24 * time.Hour

func (c *checker) probe(f probeFile) Probe {
	p := Probe{
		Concurrency:  c.number(f.At("concurrency"), f.Concurrency, 64, 1, 1024),
		Timeout:      c.duration(f.At("timeout"), f.Timeout, 30*time.Second, 100*time.Millisecond, 10*time.Minute),
		Recheck:      c.duration(f.At("recheck"), f.Recheck, 6*time.Hour, 0, 30*day),
		Sample:       c.number(f.At("sample"), f.Sample, 3, 0, 1000),
		ListShare:    c.number(f.At("list_share"), f.ListShare, 10, 0, 100),
		Spot:         c.number(f.At("spot"), f.Spot, 5, 0, 1000),
		Backoff:      c.duration(f.At("backoff"), f.Backoff, time.Hour, 0, 7*day),
		PerSecond:    c.number(f.At("per_second"), f.PerSecond, 40, 0, 10_000),
		PerGroup:     c.number(f.At("per_group"), f.PerGroup, 2, 1, 1024),
		Lists:        c.number(f.At("lists"), f.Lists, 8, 0, 64),
		ListTimeout:  c.duration(f.At("list_timeout"), f.ListTimeout, 2*time.Minute, time.Second, 6*time.Hour),
		AllowPrivate: f.AllowPrivate != nil && *f.AllowPrivate,
	}
	if f.CA != nil {
		p.CA = c.path(f.At("ca"), *f.CA)
	}
	return p
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
