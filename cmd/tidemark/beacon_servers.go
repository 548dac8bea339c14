package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"tidemark/internal/console"
	"tidemark/internal/dnstxt"
	"tidemark/internal/strictjson"
	"tidemark/publish"
)

// beaconMemory is beacon.json of the state. Without it, the next run puts nothing wrong: it looks at the place anew.
type beaconMemory struct {
	Schema string                     `json:"schema"`
	Text   string                     `json:"text,omitempty"`    // put last
	PutAt  strictjson.Time            `json:"put_at,omitzero"`   // when
	Told   map[string]strictjson.Time `json:"told_at,omitempty"` // by name of a record, address of a server, or "place": when trouble with it was told
	Round  *beaconRound               `json:"round,omitempty"`
}

const (
	beaconFile   = "beacon.json"
	beaconSchema = "tidemark/beacon-state/v1"
	// beaconAgain is how long a run that wrote nothing neither tells trouble again nor asks servers that were in order.
	beaconAgain = time.Hour
)

func (p *publisher) beaconMemory() beaconMemory {
	var m beaconMemory
	b, err := p.state.read(beaconFile)
	if err != nil || json.Unmarshal(b, &m) != nil || m.Schema != beaconSchema {
		return beaconMemory{Schema: beaconSchema} // also when it is damaged: nothing depends on it
	}
	return m
}

// remember writes beacon.json when something in it changed.
func (k *beaconKeeper) remember() error {
	was, err := json.Marshal(k.publisher.beaconMemory())
	if err != nil {
		return err
	}
	is, err := json.Marshal(k.memory)
	if err != nil || bytes.Equal(was, is) {
		return err
	}
	return k.state.save(beaconFile, k.memory)
}

// beaconLag is one address of an authoritative server that does not give a record as it stands.
type beaconLag struct {
	Name    string `json:"name"`   // of the record
	Server  string `json:"server"` // "" when it was given as an address
	Address string `json:"address"`
	Says    string `json:"says"`
	kind    lagKind
}

// lagKind is how an address lags.
type lagKind int

const (
	lagOld lagKind = iota
	lagNone
	lagSilent
)

// lagHint says what to do, by kind.
func (p *publisher) lagHint(kind lagKind) string {
	b := p.cfg.Beacon
	switch {
	case kind == lagSilent:
		return "is it up, may this machine ask it? if readers ask other servers than the NS records name: beacon.servers"
	case b != nil && b.ZoneFile != nil:
		return "the zone must $INCLUDE the fragment, and its serial must rise with each reload; a secondary must be told by NOTIFY (also-notify), and may transfer the zone (allow-transfer)"
	}
	return "a secondary must be told by NOTIFY (also-notify), and may transfer the zone (allow-transfer)"
}

// beaconRound is what was found when all servers were asked last.
type beaconRound struct {
	At      strictjson.Time `json:"at"`
	Servers int             `json:"servers"`
	Agree   int             `json:"agree"`
	Lagging []beaconLag     `json:"lagging,omitempty"`
}

// lookRound asks every address of every authoritative server whether it gives what stands, all records at the same time: with
// patience after a rewrite, for secondaries wait for a NOTIFY, else once, and only when it is time to.
func (k *beaconKeeper) lookRound(ctx context.Context) (trouble []error) {
	if len(k.stands) == 0 {
		return nil
	}
	wrote := slices.ContainsFunc(k.stands, func(r record) bool { return r.fresh })
	if !wrote && !k.roundDue() {
		if last := k.memory.Round; last != nil {
			k.o.Servers, k.o.Agree, k.o.Lagging = last.Servers, last.Agree, last.Lagging
		}
		return nil
	}
	seen := map[string]bool{placeTold: true}
	tell := func(key string, err error) {
		seen[key] = true
		if k.toBeTold(key, wrote) {
			trouble = append(trouble, err)
		}
	}
	k.memory.Round = &beaconRound{At: strictjson.At(k.Now())}
	var said []publish.Said
	late := map[string][]int{} // by address: in k.o.Lagging
	for i, l := range k.askAll(ctx, wrote) {
		r := k.stands[i]
		if l.err != nil {
			k.memory.Round = nil // the next run looks again
			tell(r.name, k.beaconTrouble(fmt.Errorf("the authoritative servers of %s: %w", r.name, l.err), "name them in the configuration, beacon: {servers: [ns1.example.org, …]}"))
			continue
		}
		said = append(said, l.said...)
		for _, lag := range k.lags(r, l.said) {
			late[lag.Address+lag.Server] = append(late[lag.Address+lag.Server], len(k.o.Lagging))
			k.o.Lagging = append(k.o.Lagging, lag)
		}
	}
	for _, l := range k.o.Lagging {
		at := l.Address + l.Server
		if len(late[at]) > 0 { // all that it says, in one
			tell(at, k.lagTrouble(late[at]))
			delete(late, at)
		}
	}
	k.count(said)
	if last := k.memory.Round; last != nil {
		last.Servers, last.Agree, last.Lagging = k.o.Servers, k.o.Agree, k.o.Lagging
	}
	maps.DeleteFunc(k.memory.Told, func(key string, _ strictjson.Time) bool { return !seen[key] })
	return trouble
}

// roundDue says whether a run that wrote nothing asks the servers: once an hour, or when one lagged. A run for check-ins never
// does, the next check-in waits for it.
func (k *beaconKeeper) roundDue() bool {
	last := k.memory.Round
	if k.Bool("checkins") {
		return false
	}
	if last == nil || len(last.Lagging) > 0 {
		return true
	}
	age := k.Now().Sub(last.At.Time)
	return age < 0 || age >= beaconAgain
}

// looked is what the servers of one record said.
type looked struct {
	said []publish.Said
	err  error // it is not known who they are
}

func (k *beaconKeeper) askAll(ctx context.Context, wrote bool) []looked {
	within, patience := beaconAskTime, cmp.Or(k.beaconPatience, beaconPatience)
	if wrote {
		within += patience
	}
	ctx, stop := context.WithTimeout(ctx, within)
	defer stop()
	all := make([]looked, len(k.stands))
	var group sync.WaitGroup
	for i, r := range k.stands {
		group.Go(func() {
			servers, err := k.nameServers(ctx, r.name, nil)
			switch {
			case err != nil:
				all[i].err = err
			case r.fresh:
				all[i].said = publish.AwaitTXT(ctx, r.name, r.set, servers, patience)
			default:
				all[i].said = publish.AskAll(ctx, r.name, servers, quietWithin)
			}
		})
	}
	group.Wait()
	return all
}

// toBeTold says whether trouble is to be told: when it begins, after a rewrite, and once an hour while it lasts.
func (k *beaconKeeper) toBeTold(key string, wrote bool) bool {
	now := k.Now()
	last, known := k.memory.Told[key]
	if age := now.Sub(last.Time); known && !wrote && age >= 0 && age < beaconAgain {
		return false
	}
	if k.memory.Told == nil {
		k.memory.Told = map[string]strictjson.Time{}
	}
	k.memory.Told[key] = strictjson.At(now)
	return true
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
		says, kind := "", lagOld
		switch {
		case s.NoRoute() && s.Name != "" && reached[s.Name]:
		case s.Err != nil:
			says, kind = "cannot be asked: "+askTrouble(s.Err), lagSilent
		case !s.Holds(r.set):
			if len(s.Answer.Records) == 0 {
				kind = lagNone
			}
			says = "says " + k.says(r.name, s.Answer.Records)
		}
		if says != "" {
			out = append(out, beaconLag{Name: r.name, Server: s.Name, Address: s.Address, Says: says, kind: kind})
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

// lagTrouble tells all that one address says, given as places in k.o.Lagging.
func (k *beaconKeeper) lagTrouble(at []int) error {
	first := k.o.Lagging[at[0]]
	server := cmp.Or(first.Server, first.Address)
	if first.Server != "" && first.Address != "" {
		server = first.Server + " (" + first.Address + ")"
	}
	var texts []string
	for _, i := range at {
		l := k.o.Lagging[i]
		what := ""
		if l.Name != k.cfg.Beacon.Name {
			what = "plain record " + l.Name + ": "
		}
		if l.kind != lagSilent {
			set := k.stands[slices.IndexFunc(k.stands, func(r record) bool { return r.name == l.Name })].set
			texts = append(texts, fmt.Sprintf("%sserver %s %s; expected %s", what, server, l.Says, k.says(l.Name, set.Records)))
		} else if i == at[0] || l.Says != first.Says {
			texts = append(texts, fmt.Sprintf("server %s %s", server, l.Says))
		}
	}
	hint := k.lagHint(first.kind) + "; see what each server says: tidemark beacon --check; mirrors that ask it go by HTTPS meanwhile"
	return k.beaconTrouble(errors.New(strings.Join(texts, "; ")), "%s", hint)
}

// askTrouble is what happened to a question, each thing once, without the name and the address that stand beside it.
func askTrouble(err error) string {
	failed := (*dnstxt.Failed)(nil)
	if !errors.As(err, &failed) {
		return err.Error()
	}
	var words []string
	for _, t := range failed.Tries {
		if w := t.Err.Error(); !slices.Contains(words, w) {
			words = append(words, w)
		}
	}
	return strings.Join(words, "; ")
}
