package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tidemark/client"
	"tidemark/internal/console"
	"tidemark/internal/geo"
	"tidemark/manifest"
	"tidemark/publish"
	"tidemark/quorum"
)

// outcome is what a run did, for people and for --json.
type outcome struct {
	decision  quorum.Decision
	published *publish.Release // nil: nothing was published
	why       string           // why, or why not
	expires   time.Time
	trouble   []error // what failed beside: masters, copies, the spool
	checkins  checkins
	full      bool // all were asked, and the run came to its end
	failed    bool // it was to publish, and could not
}

// publishRun is the main job: look, ask, decide, sign, check as a client, publish, remember.
func (p *publisher) publishRun(ctx context.Context, force, bootstrap bool) (*outcome, error) {
	s, prev, err := p.begin(ctx, bootstrap)
	if err != nil {
		return nil, err
	}
	r := round{site: s, prev: prev, force: force}
	if r.readings, r.memory, err = p.lookAtMasters(ctx, prev.previous(), force); err != nil {
		return nil, err
	}
	var spoolTrouble error
	r.checkins, spoolTrouble = p.takeCheckins()
	if err := p.askServers(ctx, &r.readings, r.memory, r.checkins.claims, force); err != nil {
		return nil, err
	}
	o, err := p.conclude(ctx, r)
	if o != nil && spoolTrouble != nil {
		o.trouble = append(o.trouble, spoolTrouble)
	}
	return o, err
}

// begin finds the site and what was published last, and finishes what an earlier run left.
func (p *publisher) begin(ctx context.Context, bootstrap bool) (*site, *predecessor, error) {
	s, err := p.atSite(ctx) // first: new trust and keys go up whatever else fails
	if err != nil {
		return nil, nil, err
	}
	if err := p.trustIsPut(); err != nil {
		return nil, nil, err
	}
	if err := p.keysThere(); err != nil {
		return nil, nil, err
	}
	prev, err := p.predecessor(ctx, s, bootstrap)
	if err != nil {
		return nil, nil, err
	}
	return s, prev, p.finishReserved(ctx, s)
}

// round is what a run has when all was asked.
type round struct {
	site     *site
	prev     *predecessor
	readings quorum.Readings
	memory   quorum.Memory
	checkins checkins
	force    bool
}

// partial: only those that checked in were asked. Such a round never gives the manifest a longer life, or one mirror that
// checks in now and then would keep alive what nobody has looked at since.
func (r round) partial() bool { return r.readings.Asked != nil }

// conclude decides, publishes what is due, and remembers; then the check-ins are done with.
func (p *publisher) conclude(ctx context.Context, r round) (*outcome, error) {
	prev := r.prev
	policy := p.policy(r.force)
	policy.Void = prev != nil && prev.outdated // a revocation must not leave mirrors with nothing in force for three runs
	o := &outcome{decision: quorum.Decide(r.readings, policy, prev.previous(), r.memory, p.Now()), checkins: r.checkins, full: !r.partial()}
	if m := o.decision.Manifest; m != nil {
		m.TrustVersion = p.trust.Version
	}
	if r.partial() {
		p.keepMasterTrouble(o.decision.Trees)
	}
	o.trouble = append(append(p.early, masterTrouble(r.readings)...), refusedMasters(r.readings, o.decision.Trees, p.Now())...)
	var due bool
	var err error
	if due, o.why, err = p.due(r, o.decision); err != nil {
		return nil, err
	}
	if !due {
		o.trouble = append(o.trouble, p.fromAhead(prev)...)
	}
	if due && !p.Dry {
		if o.published, err = p.releaseByNewest(ctx, o.decision.Manifest, &r); err != nil {
			return nil, errors.Join(err, p.rememberFailure(ctx, o, r, err))
		}
		o.expires = o.published.Expires
		o.trouble = append(o.trouble, p.announce(ctx, r.site, o.published)...)
	}
	if p.Dry {
		o.trouble = append(o.trouble, p.fileLists().told()...)
		return o, nil
	}
	if err := p.remember(ctx, o, r); err != nil {
		return o, err
	}
	if err := r.checkins.done(); err != nil {
		o.trouble = append(o.trouble, err)
	}
	return o, nil
}

// beaconStep keeps the beacon at what is published, now or before.
func (p *publisher) beaconStep(ctx context.Context, o *outcome, prev *predecessor) []error {
	switch {
	case o.published != nil:
		return p.keepBeacon(ctx, o.decision.Manifest)
	case prev != nil:
		return p.keepBeacon(ctx, prev.manifest)
	}
	return nil
}

// rememberFailure keeps what was learnt of the servers, and says in status what went wrong; nothing counts as announced.
func (p *publisher) rememberFailure(ctx context.Context, o *outcome, r round, cause error) error {
	learnt := o.decision.Memory
	learnt.Trees, learnt.Guard = r.memory.Trees, r.memory.Guard
	o.why, o.published, o.full, o.failed = "publishing failed", nil, false, true
	o.trouble = append(o.trouble, p.keepSeen(ctx, o, r)...)
	o.trouble = append(o.trouble, cause)
	return errors.Join(p.state.saveMemory(learnt), p.state.save("status.json", p.status(o)))
}

// deeperWaits is how long what is only known more deeply waits for a publication: lists are read one after the other, and each
// would make all mirrors fetch a new manifest.
const deeperWaits = time.Hour

// fromAhead is the trouble of a predecessor that is dated in the future: nobody takes it, and nothing else would say so until
// something changes.
func (p *publisher) fromAhead(prev *predecessor) []error {
	if !p.ahead(prev) {
		return nil
	}
	return []error{console.Exit(console.Refused, fmt.Errorf("serial %d was issued at %s, and the clock says %s: no mirror takes it until then", prev.manifest.Serial,
		console.Clock(prev.manifest.Issued.Time), console.Clock(p.Now())), aheadHint)}
}

// aheadHint is what to do about a document from the future.
const aheadHint = "set the clock right (timedatectl), then run again; if it is right now and was ahead then: tidemark run --bootstrap"

// ahead: what was published last is from the future, for every reader.
func (p *publisher) ahead(prev *predecessor) bool {
	return prev != nil && errors.Is(prev.manifest.CheckTime(p.Now()), manifest.ErrFutureDated)
}

// due says whether something is to be published, and why.
func (p *publisher) due(r round, d quorum.Decision) (bool, string, error) {
	m, prev, s := d.Manifest, r.prev, r.site
	switch {
	case d.Guard.Held:
		return false, "held back by the guard: " + d.Guard.Reason, nil
	case m == nil || len(m.Trees) == 0:
		return false, "no tree can be announced yet", nil
	case prev == nil && r.partial():
		return false, "nothing that counts is published: the next full run begins", nil
	case prev == nil:
		return true, "first publication", nil
	}
	half, err := p.half(prev.manifest)
	switch {
	case err != nil:
		return false, "", err
	case s.standing.Pointer == nil:
		return true, "the site is empty", nil
	case prev.outdated || s.standing.Void || s.bundle != nil && s.opened == nil:
		return true, fmt.Sprintf("what is published does not verify under trust version %d", p.trust.Version), nil
	case prev.manifest.TrustVersion != p.trust.Version:
		return true, fmt.Sprintf("trust version %d is new", p.trust.Version), nil
	case s.standing.Pointer.Serial < prev.manifest.Serial:
		return true, "the site was set back", nil
	case p.ahead(prev) && p.Bool("bootstrap"):
		return true, fmt.Sprintf("serial %d is dated in the future", prev.manifest.Serial), nil
	case !p.Bool("force") && !p.ahead(prev) && manifest.OnlyDeeper(m, prev.manifest) && p.Now().Before(prev.manifest.Issued.Add(deeperWaits)) && p.Now().Before(half):
		return false, fmt.Sprintf("nothing changed since serial %d but how deeply sources were looked at, which waits until %s", prev.manifest.Serial,
			console.Clock(prev.manifest.Issued.Add(deeperWaits))), nil
	case !manifest.SameContent(m, prev.manifest):
		return true, "content changed", nil
	case p.Bool("force"): // e.g. with other keys than before
		return true, "asked for", nil
	}
	unchanged := fmt.Sprintf("nothing changed since serial %d", prev.manifest.Serial)
	switch {
	case p.Now().Before(half):
		return false, unchanged, nil
	case r.partial():
		return false, fmt.Sprintf("%s, which expires at %s: the next full run renews it", unchanged, console.Clock(prev.manifest.Expires.Time)), nil
	}
	return true, "half of the validity is over", nil
}

// release takes a serial, signs and publishes. The serial is remembered before it is used: it is never used twice.
func (p *publisher) release(ctx context.Context, m *manifest.Manifest, r round) (*publish.Release, error) {
	if err := p.openSigners(); err != nil {
		return nil, err
	}
	serial, err := p.nextSerial(ctx, r.prev, r.site)
	if err != nil {
		return nil, err
	}
	for step := int64(1); ; step *= 4 {
		rel, err := p.releaseAs(ctx, m, r, serial)
		if !p.seenBefore(r, err) || step > mostSteps {
			return rel, err
		}
		p.Warn("%s: readers have seen another m/%d/ before, perhaps in a cache that keeps it for a year: this serial is stepped over", r.site, serial)
		if serial, err = publish.FirstFree(ctx, r.site.store, serial+step); err != nil {
			return nil, err
		}
	}
}

// releaseAs signs and publishes m with a serial.
func (p *publisher) releaseAs(ctx context.Context, m *manifest.Manifest, r round, serial int64) (*publish.Release, error) {
	if err := p.complete(ctx, m, r.prev, serial); err != nil {
		return nil, err
	}
	if r.partial() {
		if err := p.curtail(m, r.prev.manifest); err != nil {
			return nil, err
		}
	}
	payload, err := manifest.Encode(m)
	if err != nil {
		return nil, fmt.Errorf("encode manifest: %w", err)
	}
	rel, err := p.signAll(ctx, payload)
	if err != nil {
		return nil, err
	}
	if err := p.push(ctx, r.site, rel); err != nil || r.partial() {
		return rel, err
	}
	return rel, p.renewed(m)
}

// push publishes rel to the authority, and remembers it.
func (p *publisher) push(ctx context.Context, s *site, rel *publish.Release) error {
	st, _, err := p.state.site()
	if err != nil {
		return err
	}
	st.Serial, st.Released = max(st.Serial, rel.Serial), max(st.Released, rel.Serial)
	if err := p.state.save("site.json", st); err != nil {
		return err
	}
	if err := publish.Foreign(ctx, s.store, s.standing); err != nil {
		return console.Hinted(err, "check bucket and prefix of publish: in the configuration")
	}
	p.Log.Info("publish", "serial", rel.Serial, "site", s.String())
	err = publish.Push(ctx, s.store, s.standing, *rel, p.readBack(ctx, s, rel.Serial))
	p.heedWarning(s)
	if err != nil {
		return fmt.Errorf("publish serial %d to %s: %w", rel.Serial, s, err)
	}
	return p.keep(&predecessor{manifest: &manifest.Manifest{Serial: rel.Serial}, bundle: rel.Bundle})
}

// nextSerial is one above everything that was ever used here or reserved there (DESIGN 4.5), and, at a new beginning, above what
// the copies hold.
func (p *publisher) nextSerial(ctx context.Context, prev *predecessor, s *site) (int64, error) {
	st, _, err := p.state.site()
	if err != nil {
		return 0, err
	}
	highest := st.Serial
	if prev != nil {
		highest = max(highest, prev.manifest.Serial)
	} else {
		for _, t := range p.cfg.Publish[1:] {
			c, err := look(ctx, t)
			if err != nil {
				return 0, console.Hinted(fmt.Errorf("a new beginning must know what the copies hold: %w", err), "bring the copy back, or take it out of publish:")
			}
			if p.openSite(ctx, c); !c.standing.Void {
				highest = max(highest, c.standing.Serial())
			}
			if c.opened != nil {
				highest = max(highest, c.opened.Manifest.Serial)
			}
		}
	}
	if s.standing.Void {
		return publish.FirstFree(ctx, s.store, max(highest+1, p.trust.MinSerial))
	}
	reserved, err := publish.Reservations(ctx, s.store, s.standing, highest)
	if errors.Is(err, publish.ErrReserved) { // whoever took them all
		return publish.FirstFree(ctx, s.store, max(highest, s.standing.Serial(), p.trust.MinSerial)+1)
	}
	if err != nil {
		return 0, fmt.Errorf("look for reserved serials: %w", err)
	}
	next, err := publish.NextSerial(s.standing.Serial(), highest, p.trust.MinSerial, reserved...)
	if err != nil {
		return 0, console.Hinted(err, "whoever took the last ones had your keys: revoke them, and begin the serials anew: tidemark trust new --reset-serial --min-serial N")
	}
	return next, nil
}

// reservedFor is how long a reserved serial is left to the run that reserved it.
const reservedFor = 10 * time.Minute

// finishReserved completes the newest serial that this publisher reserved and never pointed to, when it is old enough, verifies
// and has not expired; others are skipped, never reused.
func (p *publisher) finishReserved(ctx context.Context, s *site) error {
	st, _, err := p.state.site()
	if err != nil || p.readOnly() || s.standing.Pointer == nil || st.Serial <= s.standing.Serial() {
		return err
	}
	reserved, err := publish.Reservations(ctx, s.store, s.standing, s.standing.Serial())
	if err != nil {
		return fmt.Errorf("look for reserved serials: %w", err)
	}
	for i := len(reserved) - 1; i >= 0; i-- {
		r := reserved[i]
		o, _, err := client.Open(r.Bundle, client.Options{Network: p.cfg.Network, Trust: p.trust, Now: p.Now()})
		if err != nil || !p.sinceReset(o.Manifest) || p.Now().Sub(o.Manifest.Issued.Time) < reservedFor {
			continue
		}
		if err := publish.Finish(ctx, s.store, s.standing, r.Serial, p.verify); err != nil {
			p.Warn("%s: serial %d was reserved and cannot be finished, it is skipped: %v", s, r.Serial, err)
			continue
		}
		p.Warn("%s: finished serial %d, which an earlier run had reserved", s, r.Serial)
		return p.keep(opened(o))
	}
	return nil
}

// remember saves what the next run needs and feeds the copies; then come what was seen, the beacon, for DNS may take long and mirrors of a copy
// look there at once, the status, which tells of it, and cleaning up.
func (p *publisher) remember(ctx context.Context, o *outcome, r round) error {
	s := r.site
	if err := p.state.saveMemory(o.decision.Memory); err != nil {
		return err
	}
	for _, t := range p.cfg.Publish[1:] {
		if err := p.copyTo(ctx, t); err != nil {
			o.trouble = append(o.trouble, console.Hinted(fmt.Errorf("copy %s: %w", t, err), "the authority %s is in order; this copy catches up at the next run", s))
		}
	}
	o.trouble = append(o.trouble, p.keepSeen(ctx, o, r)...)
	o.trouble = append(o.trouble, p.beaconStep(ctx, o, r.prev)...)
	d := p.status(o)
	if err := p.state.save("status.json", d); err != nil {
		return err
	}
	if err := p.showStatus(ctx, s, d); err != nil {
		o.trouble = append(o.trouble, err)
	}
	if o.published != nil {
		if err := p.clean(ctx, s); err != nil {
			o.trouble = append(o.trouble, fmt.Errorf("site %s: %w", s, err))
		}
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

func nearby() map[string][]string { return geo.Nearby() }
