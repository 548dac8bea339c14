package keys

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Change is one difference between two trust documents, for people who are asked to sign the newer one.
type Change struct {
	// Code is stable: e.g. key-added, key-removed, key-revoked, key-renewed, key-end, key-signing, root-added, root-removed,
	// root-threshold, threshold, required, expires, min-serial, reset-serial, network, version. The package doc has all.
	Code string `json:"code"`
	Text string `json:"text"` // one sentence
	// Alarm is why one should think twice, "" where there is nothing to be said: e.g. one holder alone can now sign the next
	// version; the new document ends before the old one; every mirror forgets what it has seen.
	Alarm string `json:"alarm,omitempty"`
}

// Diff says in words what changes from old to next, the weighty first: what has an alarm, then in the order of the
// document. old nil: a first version, all of which is new. It is empty only when the two are the same.
func Diff(old, next *Trust, now time.Time) []Change {
	d := &differ{next: next, now: now, first: old == nil}
	if d.old = old; old == nil {
		d.old = &Trust{Schema: next.Schema, Network: next.Network}
	}
	d.head()
	d.root()
	d.manifest()
	d.serials()
	if len(d.list) == 0 && !sameText(d.old, next) {
		d.alarm("other", "The documents differ.", "this program cannot say in what; do not sign")
	}
	slices.SortStableFunc(d.list, func(a, b Change) int { return weight(a) - weight(b) })
	return d.list
}

type differ struct {
	old, next *Trust
	now       time.Time
	first     bool // old is a stand-in, with nothing in it
	list      []Change
}

func weight(c Change) int {
	if c.Alarm != "" {
		return 0
	}
	return 1
}

func sameText(a, b *Trust) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

func (d *differ) say(code, format string, args ...any) {
	d.list = append(d.list, Change{Code: code, Text: fmt.Sprintf(format, args...)})
}

// alarm adds a change with its alarm, which may be "".
func (d *differ) alarm(code, text, alarm string) {
	d.list = append(d.list, Change{Code: code, Text: text, Alarm: alarm})
}

const day = 24 * time.Hour

func date(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

func (d *differ) head() {
	o, n := d.old, d.next
	if o.Schema != n.Schema {
		d.alarm("schema", fmt.Sprintf("The format is %.60q, it was %q.", n.Schema, o.Schema), "this program reads "+TrustSchema+" only")
	}
	if o.Network != n.Network {
		d.alarm("network", fmt.Sprintf("The network is %s, it was %s.", n.Network, o.Network), "no mirror of "+o.Network+" accepts it: these are documents of two networks")
	}
	switch {
	case d.first:
		d.alarm("version", fmt.Sprintf("Version %d of the trust document of %s, which follows no other; issued %s.", n.Version, n.Network, date(n.Issued.Time)), d.issuedAlarm())
	case o.Version+1 == n.Version:
		d.alarm("version", fmt.Sprintf("Version %d follows version %d; issued %s (the one before: %s).", n.Version, o.Version, date(n.Issued.Time), date(o.Issued.Time)), d.issuedAlarm())
	case o.Version != n.Version:
		d.alarm("version", fmt.Sprintf("The version is %d, it was %d; issued %s (the other one: %s).", n.Version, o.Version, date(n.Issued.Time), date(o.Issued.Time)), fmt.Sprintf("no mirror accepts it behind version %d, only version %d", o.Version, o.Version+1))
	case !o.Issued.Equal(n.Issued.Time):
		d.alarm("issued", fmt.Sprintf("Issued %s, it was %s.", date(n.Issued.Time), date(o.Issued.Time)), d.issuedAlarm())
	}
	d.expires()
}

func (d *differ) expires() {
	o, n := d.old, d.next
	text, alarm := fmt.Sprintf("It ends %s, in %d days", date(n.Expires.Time), int(n.Expires.Sub(d.now)/day)), d.expiresAlarm()
	switch {
	case d.first:
		d.alarm("expires", text+".", alarm)
	case !o.Expires.Equal(n.Expires.Time):
		d.alarm("expires", fmt.Sprintf("%s; it was %s.", text, date(o.Expires.Time)), alarm)
	case o.Version != n.Version && alarm != "":
		d.alarm("expires", text+", as before.", alarm)
	}
}

func (d *differ) issuedAlarm() string {
	switch issued := d.next.Issued.Time; {
	case issued.After(d.now.Add(day)):
		return "it is issued in the future: check the clock"
	case !d.first && issued.Before(d.old.Issued.Time):
		return "it is issued before the version that it follows: check the clock, and that nobody hands out an old draft"
	}
	return ""
}

const soon = 90 * day

func (d *differ) expiresAlarm() string {
	const far = 3 * 366 * day
	end := d.next.Expires.Time
	switch {
	case !end.After(d.now):
		return "it has ended already: every mirror stops on it"
	case !d.first && end.Before(d.old.Expires.Time):
		return "it ends before the version that it follows"
	case end.Before(d.now.Add(soon)):
		return "it ends within 90 days: every mirror stops then, unless the holders have signed another version"
	case end.After(d.now.Add(far)):
		return "it ends in more than three years: so long may keys be stolen, and holders leave, without anybody having to look"
	}
	return ""
}

// serials compares the members that mirrors' memories depend on.
func (d *differ) serials() {
	const far = 1_000_000
	o, n := d.old, d.next
	if o.MinSerial != n.MinSerial {
		alarm := ""
		switch {
		case n.MinSerial < o.MinSerial:
			alarm = "a mirror that is newly set up would take manifests that are refused today"
		case n.MinSerial-o.MinSerial > far:
			alarm = fmt.Sprintf("that is more than %d above: the publisher's numbers jump there, and no mirror goes back without a reset_serial", far)
		}
		d.alarm("min-serial", fmt.Sprintf("Manifests below serial %d are refused (the floor was %d).", n.MinSerial, o.MinSerial), alarm)
	}
	switch {
	case n.ResetSerial && !o.ResetSerial:
		d.alarm("reset-serial", fmt.Sprintf("Serials start again: each mirror forgets, once, the highest serial that it has seen, and takes any from %d on.", n.MinSerial),
			"right only after a serial was pushed too high by a thief or a mistake: an older manifest that has not expired could be shown again to every mirror")
	case o.ResetSerial && !n.ResetSerial:
		d.say("reset-serial", "Serials do not start again a second time (version %d asked for it).", o.Version)
	}
}

func names(list []string) string {
	if len(list) == 0 {
		return "nobody"
	}
	return strings.Join(list, ", ")
}

// was adds what it was to a text about a number, unless nothing was before.
func (d *differ) was(n int) string {
	if d.first {
		return ""
	}
	return fmt.Sprintf("; it was %d", n)
}

// common lists those of a that are in b, each once.
func common(a, b []string) []string {
	var both []string
	for _, x := range a {
		if slices.Contains(b, x) && !slices.Contains(both, x) {
			both = append(both, x)
		}
	}
	return both
}

// without lists those of a that are not in b, each once.
func without(a, b []string) []string {
	var rest []string
	for _, x := range a {
		if !slices.Contains(b, x) && !slices.Contains(rest, x) {
			rest = append(rest, x)
		}
	}
	return rest
}
