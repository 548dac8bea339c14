package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"tidemark/internal/console"
	"tidemark/internal/strictjson"
	"tidemark/publish"
)

// beaconMemory is beacon.json of the state. Without it, the next run puts nothing wrong: it looks at the place anew.
type beaconMemory struct {
	Schema string                     `json:"schema"`
	Text   string                     `json:"text,omitempty"`    // put last
	PutAt  strictjson.Time            `json:"put_at,omitzero"`   // when
	Told   map[string]strictjson.Time `json:"told_at,omitempty"` // by name, and address of a server: when its lag was told
}

const (
	beaconFile   = "beacon.json"
	beaconSchema = "tidemark/beacon-state/v1"
	// lagAgain is how long a lag that was told is not told again by runs that wrote nothing.
	lagAgain = time.Hour
)

func (p *publisher) beaconMemory() beaconMemory {
	var m beaconMemory
	b, err := p.state.read(beaconFile)
	if err != nil || json.Unmarshal(b, &m) != nil || m.Schema != beaconSchema {
		return beaconMemory{Schema: beaconSchema} // also when it is damaged: nothing depends on it
	}
	return m
}

// beaconLag is one address of an authoritative server that does not give a record as it stands.
type beaconLag struct {
	Name    string `json:"name"`   // of the record
	Server  string `json:"server"` // "" when it was given as an address
	Address string `json:"address"`
	Says    string `json:"says"`
}

func (l beaconLag) key() string { return l.Name + " " + l.Address }

// lookRound asks every address of every authoritative server whether it gives what stands: with patience after a rewrite, for
// secondaries wait for a NOTIFY, else once.
func (k *beaconKeeper) lookRound(ctx context.Context) (trouble []error) {
	if len(k.stands) == 0 {
		return nil
	}
	within, patience := beaconAskTime, cmp.Or(k.beaconPatience, beaconPatience)
	wrote := slices.ContainsFunc(k.stands, func(r record) bool { return r.fresh })
	if wrote {
		within += patience
	}
	ctx, stop := context.WithTimeout(ctx, within)
	defer stop()
	t := teller{beaconKeeper: k, wrote: wrote, told: map[string]strictjson.Time{}}
	var said []publish.Said
	deadline := k.Now().Add(patience)
	for _, r := range k.stands {
		servers, err := k.nameServers(ctx, r.name, nil)
		if err != nil {
			t.tell(r.name, k.beaconTrouble(fmt.Errorf("the authoritative servers of %s: %w", r.name, err), "name them in the configuration, beacon: {servers: [ns1.example.org, …]}"))
			continue
		}
		wait := time.Duration(0)
		if r.fresh {
			wait = max(deadline.Sub(k.Now()), 0)
		}
		all := publish.AwaitTXT(ctx, r.name, r.set, servers, wait)
		said = append(said, all...)
		for _, l := range k.lags(r, all) {
			k.o.Lagging = append(k.o.Lagging, l)
			t.tell(l.key(), k.lagTrouble(r, l))
		}
	}
	k.count(said)
	k.memory.Told = t.told
	return t.trouble
}

// teller makes trouble of what it is told: all of it after a rewrite, else what was not told within the hour.
type teller struct {
	*beaconKeeper
	wrote   bool
	told    map[string]strictjson.Time
	trouble []error
}

func (t *teller) tell(key string, err error) {
	now := t.Now()
	last, known := t.memory.Told[key]
	if age := now.Sub(last.Time); known && !t.wrote && age >= 0 && age < lagAgain {
		t.told[key] = last
		return
	}
	t.told[key] = strictjson.At(now)
	t.trouble = append(t.trouble, err)
}

// lags are the addresses that do not give the record as it stands. One that this machine has no route to (IPv6, mostly) is
// passed over as long as another one of that server was asked.
func (k *beaconKeeper) lags(r record, said []publish.Said) (out []beaconLag) {
	reached := map[string]bool{}
	for _, s := range said {
		if s.Err == nil {
			reached[s.Name] = true
		}
	}
	for _, s := range said {
		says := ""
		switch {
		case s.NoRoute() && s.Name != "" && reached[s.Name]:
		case s.Err != nil:
			says = "cannot be asked: " + s.Err.Error()
		case !s.Holds(r.set):
			says = "says " + k.says(r.name, s.Answer.Records)
		}
		if says != "" {
			out = append(out, beaconLag{Name: r.name, Server: s.Name, Address: s.Address, Says: says})
		}
	}
	return out
}

// says is what the records of a name mean, in words.
func (p *publisher) says(name string, records [][]string) string {
	b, fault := p.readBeacon(records)
	switch {
	case fault != nil && fault.Reason == faultNone:
		return "that there is no record"
	case p.cfg.Beacon != nil && name == p.cfg.Beacon.PlainName || b == nil:
		var texts []string
		for _, r := range records {
			texts = append(texts, fmt.Sprintf("%.80q", strings.Join(r, "")))
		}
		return strings.Join(texts, " and ")
	}
	left := time.Unix(b.Expires, 0).Sub(p.Now())
	text := fmt.Sprintf("serial %d, expires in %s", b.Serial, console.Span(left))
	if left < 0 {
		text = fmt.Sprintf("serial %d, expired %s ago", b.Serial, console.Span(-left))
	}
	if fault != nil && fault.Reason != faultExpired {
		text += " (" + fault.Text + ")"
	}
	return text
}

// count counts servers, not addresses: one agrees when all of its addresses do.
func (k *beaconKeeper) count(said []publish.Said) {
	var all, bad []string
	for _, s := range said {
		all = append(all, cmp.Or(s.Name, s.Address))
	}
	for _, l := range k.o.Lagging {
		bad = append(bad, cmp.Or(l.Server, l.Address))
	}
	distinct := func(s []string) int { slices.Sort(s); return len(slices.Compact(s)) }
	k.o.Servers = distinct(all)
	k.o.Agree = k.o.Servers - distinct(bad)
}

func (k *beaconKeeper) lagTrouble(r record, l beaconLag) error {
	server := cmp.Or(l.Server, l.Address)
	if l.Server != "" && l.Address != "" {
		server = l.Server + " (" + l.Address + ")"
	}
	what := ""
	if l.Name != k.cfg.Beacon.Name {
		what = "plain record " + l.Name + ": "
	}
	hint := "see what each server says: tidemark beacon --check; a secondary must be told by NOTIFY (also-notify) and may transfer the zone (allow-transfer); mirrors that ask it go by HTTPS meanwhile"
	if k.cfg.Beacon.ZoneFile != nil {
		hint = "see what each server says: tidemark beacon --check; the zone must $INCLUDE the fragment, and its serial must rise with each reload; mirrors that ask it go by HTTPS meanwhile"
	}
	return k.beaconTrouble(fmt.Errorf("%sserver %s %s; expected %s", what, server, l.Says, k.says(r.name, r.set.Records)), "%s", hint)
}
