package main

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"tidemark/client"
	"tidemark/internal/console"
	"tidemark/internal/strictjson"
	"tidemark/manifest"
)

// beaconOutcome is what a run did about the records, for people, run --json and status.json.
type beaconOutcome struct {
	Name    string          `json:"name"`
	State   beaconState     `json:"state"`
	Why     string          `json:"why,omitempty"`    // why it was written, or why not
	Serial  int64           `json:"serial,omitempty"` // of the record that stands
	Expires strictjson.Time `json:"expires,omitzero"` // of that record
	Servers int             `json:"servers"`          // authoritative ones that were asked when all were, at most an hour ago while none lags
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

// The step takes no longer than the first two together and, after a rewrite, beaconPatience for the secondaries. A primary that
// is silent costs one exchange, and a secondary that is, in a run that wrote nothing, two questions.
const (
	beaconPutTime  = 30 * time.Second
	beaconAskTime  = 10 * time.Second
	beaconPatience = 30 * time.Second
	updateWithin   = 4 * time.Second // one exchange with the primary
	quietWithin    = 2 * time.Second // one question to a server, in a run that wrote nothing
)

// nearlyExpired is the least life that a manifest must have left to get a record: a shorter one would be over in the caches.
const nearlyExpired = 5 * time.Minute

// keepBeacon comes after purge, memory and copies, and before the status, which tells of it (DESIGN 4.5, 7): the records say
// what m, which is published, says, at every authoritative server. What goes wrong is told and stops nothing: mirrors that cannot go by DNS ask HTTPS.
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
	return k.keep(ctx)
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
	seen := fmt.Sprintf("seen at %d of %d servers", o.Agree, o.Servers)
	if o.Servers == 0 {
		seen = "no server was asked"
	}
	switch o.State {
	case beaconWritten:
		return fmt.Sprintf("beacon %s: wrote serial %d (%s), %s", o.Name, o.Serial, o.Why, seen)
	case beaconUnchanged:
		return fmt.Sprintf("beacon %s: kept serial %d: %s, %s", o.Name, o.Serial, cmp.Or(o.Why, "same timestamps"), seen)
	case beaconWithheld:
		return fmt.Sprintf("beacon %s: withheld: %s", o.Name, o.Why)
	}
	return fmt.Sprintf("beacon %s: not written", o.Name) // the error says why
}
