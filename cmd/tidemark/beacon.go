package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"tidemark/client"
	"tidemark/internal/console"
	"tidemark/internal/strictjson"
	"tidemark/manifest"
	"tidemark/publish"
)

// beaconOutcome is what a run did about the records, for people, run --json and status.json.
type beaconOutcome struct {
	Name    string          `json:"name"`
	State   beaconState     `json:"state"`
	Why     string          `json:"why,omitempty"`    // why it was written, or why not
	Serial  int64           `json:"serial,omitempty"` // of the record that stands
	Expires strictjson.Time `json:"expires,omitzero"` // of that record
	Servers int             `json:"servers"`          // authoritative ones that were asked
	Agree   int             `json:"agree"`            // of them: every address gives the records as they stand
	Lagging []beaconLag     `json:"lagging,omitempty"`
}

// beaconState is how the records came out of a run.
type beaconState string

const (
	beaconWritten   beaconState = "written"
	beaconUnchanged beaconState = "unchanged"
	beaconWithheld  beaconState = "withheld" // clients would refuse what is published, or will soon
	beaconFailed    beaconState = "failed"
)

// The step takes no longer than these together and, after a rewrite, beaconPatience for the secondaries.
const (
	beaconPutTime  = 30 * time.Second
	beaconAskTime  = 20 * time.Second
	beaconPatience = 30 * time.Second
)

// nearlyExpired is the least life that a manifest must have left to get a record: a shorter one would be over in the caches.
const nearlyExpired = 5 * time.Minute

// keepBeacon is the last step of a run (DESIGN 4.5, 7): the records say what m, which is published, says, at every
// authoritative server. What goes wrong is told and stops nothing: mirrors that cannot go by DNS ask HTTPS.
func (p *publisher) keepBeacon(ctx context.Context, m *manifest.Manifest) (trouble []error) {
	if !p.keepsBeacon() {
		return nil
	}
	o := &beaconOutcome{Name: p.cfg.Beacon.Name, State: beaconFailed}
	p.beaconTold = o
	m, err := p.accepted(m)
	if err != nil {
		o.State, o.Why = beaconWithheld, err.Error()
		return []error{p.beaconTrouble(fmt.Errorf("no record is written: %w", err), "see why nothing new was published: tidemark status --config %s", p.cfg.File)}
	}
	if left := m.Expires.Sub(p.Now()); left < nearlyExpired {
		o.State, o.Why = beaconWithheld, fmt.Sprintf("serial %d expires at %s", m.Serial, console.Clock(m.Expires.Time))
		return nil
	}
	k := &beaconKeeper{publisher: p, m: m, o: o, memory: p.beaconMemory()}
	if err := k.put(ctx); err != nil {
		o.Why = err.Error()
		trouble = append(trouble, p.beaconTrouble(err, ""))
	}
	trouble = append(trouble, k.lookRound(ctx)...)
	if err := p.state.save(beaconFile, k.memory); err != nil {
		trouble = append(trouble, err)
	}
	return trouble
}

// keepsBeacon says whether the configuration names a place for the records.
func (p *publisher) keepsBeacon() bool {
	b := p.cfg.Beacon
	return b != nil && b.Name != "" && (b.RFC2136 != nil || b.Route53 != nil || b.ZoneFile != nil)
}

// accepted is the published manifest as any client would open it now: no record ever speaks for a document that clients
// refuse. The own copy is what was published last; it may be newer than m, when the run finished a reserved serial.
func (p *publisher) accepted(m *manifest.Manifest) (*manifest.Manifest, error) {
	b, err := p.state.read(ownFile)
	if err != nil {
		return nil, err
	}
	o, _, err := client.Open(b, client.Options{Network: p.cfg.Network, Trust: p.trust, Now: p.Now()})
	if err != nil {
		return nil, fmt.Errorf("clients refuse what is published: %w", err)
	}
	if o.Manifest.Serial < m.Serial {
		return nil, fmt.Errorf("%s holds serial %d, and serial %d is published", p.state.path(ownFile), o.Manifest.Serial, m.Serial)
	}
	return o.Manifest, nil
}

// beaconTrouble never gives the run another exit code than 1.
func (p *publisher) beaconTrouble(err error, hint string, args ...any) error {
	return console.Exit(console.Failed, fmt.Errorf("beacon %s: %w", p.cfg.Beacon.Name, err), hint, args...)
}

// sayBeacon is the outcome in one line.
func (p *publisher) sayBeacon() {
	if p.beaconTold != nil {
		p.Say("%s", p.beaconTold)
	}
}

// String is the outcome in one line.
func (o *beaconOutcome) String() string {
	at := fmt.Sprintf("at %d servers", o.Servers)
	switch {
	case o.Servers == 0:
		at = "no server was asked"
	case o.Agree < o.Servers:
		at = fmt.Sprintf("at %d of %d servers", o.Agree, o.Servers)
	case o.Servers == 1:
		at = "at 1 server"
	}
	switch o.State {
	case beaconWritten:
		return fmt.Sprintf("beacon %s: serial %d (%s), %s", o.Name, o.Serial, o.Why, at)
	case beaconUnchanged:
		return fmt.Sprintf("beacon %s: serial %d, unchanged, %s", o.Name, o.Serial, at)
	case beaconWithheld:
		return fmt.Sprintf("beacon %s: withheld: %s", o.Name, o.Why)
	}
	return fmt.Sprintf("beacon %s: not written", o.Name) // the error says why
}

// beaconKeeper is one run's work on the records.
type beaconKeeper struct {
	*publisher
	m      *manifest.Manifest
	o      *beaconOutcome
	memory beaconMemory
	place  publish.TXT
	stands []record // as the place has them now
}

// record is the record set of one name.
type record struct {
	name  string
	set   publish.RRset
	fresh bool // written in this run
}

// put brings the place in order: the signed record first, then the plain one.
func (k *beaconKeeper) put(ctx context.Context) (err error) {
	ctx, stop := context.WithTimeout(ctx, beaconPutTime)
	defer stop()
	if k.place, err = k.beaconPlace(ctx); err != nil {
		return err
	}
	set, why, err := k.replace(ctx, k.cfg.Beacon.Name, k.stale, k.signed)
	if err != nil {
		return err
	}
	k.stands = append(k.stands, record{k.cfg.Beacon.Name, set, why != ""})
	k.o.State, k.o.Why = beaconUnchanged, why
	if why != "" {
		k.o.State, k.memory.Text, k.memory.PutAt = beaconWritten, joined(set), strictjson.At(k.Now())
	}
	if b, fault := k.readBeacon(set.Records); fault == nil {
		k.o.Serial, k.o.Expires = b.Serial, strictjson.At(time.Unix(b.Expires, 0))
	}
	return k.putPlain(ctx)
}

func (k *beaconKeeper) putPlain(ctx context.Context) error {
	b := k.cfg.Beacon
	if b.PlainName == "" {
		return nil
	}
	want := k.rrset(chunks(plainText(timestamps(k.m), b.PlainOrder)))
	set, why, err := k.replace(ctx, b.PlainName, func(have publish.RRset) string {
		if have.Same(want) && have.TTL == want.TTL {
			return ""
		}
		return "the plain record differs"
	}, func(context.Context) (publish.RRset, error) { return want, nil })
	if err != nil {
		return fmt.Errorf("plain record %s: %w", b.PlainName, err)
	}
	k.stands = append(k.stands, record{b.PlainName, set, why != ""})
	if why != "" && k.o.State == beaconUnchanged {
		k.o.State, k.o.Why = beaconWritten, why
	}
	return nil
}

// replace writes a name's records anew when stale gives a reason, and returns what stands then. Who loses a race looks and
// decides once more.
func (k *beaconKeeper) replace(ctx context.Context, name string, stale func(publish.RRset) string, fresh func(context.Context) (publish.RRset, error)) (set publish.RRset, why string, err error) {
	for try := 0; ; try++ {
		have, err := k.place.Get(ctx, name)
		if err != nil {
			return have, "", k.explain(fmt.Errorf("read the record: %w", err))
		}
		if why = stale(have); why == "" {
			return have, "", nil
		}
		next, err := fresh(ctx)
		if err != nil {
			return have, why, err
		}
		k.Log.Info("write the record", "name", name, "why", why)
		err = k.place.Swap(ctx, name, have, next)
		if err == nil {
			return next, why, nil
		}
		if try > 0 || !errors.Is(err, publish.ErrConflict) {
			return have, why, k.explain(fmt.Errorf("write the record: %w", err))
		}
	}
}

// stale says why the signed record has to be written anew; "": it may stay (DESIGN 4.4).
func (k *beaconKeeper) stale(have publish.RRset) string {
	b, fault := k.readBeacon(have.Records)
	if fault != nil {
		return fault.Text
	}
	expires, span := time.Unix(b.Expires, 0), k.m.Expires.Sub(k.m.Issued.Time)
	switch {
	case b.Serial > k.m.Serial:
		return fmt.Sprintf("it gave serial %d, not yet published", b.Serial)
	case !maps.Equal(b.Trees, timestamps(k.m)):
		return "timestamps changed"
	case expires.After(k.m.Expires.Time):
		return "it outlived the manifest"
	case have.TTL != k.ttl():
		return fmt.Sprintf("TTL %d, now %d", have.TTL, k.ttl())
	case expires.Before(k.m.Expires.Time) && !k.Now().Before(expires.Add(-span/2)):
		return "half of its validity was over"
	}
	return ""
}

// signed is the record to put, verified as a mirror would before anybody sees it.
func (k *beaconKeeper) signed(ctx context.Context) (publish.RRset, error) {
	b, err := k.beacon(ctx, k.m)
	if err != nil {
		return publish.RRset{}, err
	}
	set := k.rrset(b.Strings())
	if _, fault := k.readBeacon(set.Records); fault != nil {
		return publish.RRset{}, fmt.Errorf("mirrors would not go by this record: %s", fault.Text)
	}
	return set, nil
}

func (k *beaconKeeper) rrset(strings []string) publish.RRset {
	return publish.RRset{TTL: k.ttl(), Records: [][]string{strings}}
}

// ttl is the records' time to live in seconds.
func (p *publisher) ttl() int { return int(p.cfg.Beacon.TTL / time.Second) }

// joined is a set of one record as one text.
func joined(s publish.RRset) string {
	if len(s.Records) != 1 {
		return ""
	}
	return strings.Join(s.Records[0], "")
}
