package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"tidemark/client"
	"tidemark/config"
	"tidemark/internal/console"
	"tidemark/internal/rsyncurl"
	"tidemark/keys"
	"tidemark/probe"
	"tidemark/quorum"
	"tidemark/sign"
)

// publisher is a run's view of the world: configuration, trust, keys, state and the site as it was found.
type publisher struct {
	*console.Call
	cfg      *config.Publisher
	trust    *keys.Trust // the newest that follows from the installed one
	envelope []byte      // trust.json as it is published
	kept     trustChain

	early     []error // what failed at copies before the run's work began
	forgotten bool    // a dry run would forget the own copy (obeyReset)

	signers []sign.Signer // by openSigners, in the order of the configuration
	skipped []string      // why configured keys are not used in this run
	state   *state        // locked; nil in commands that change nothing

	lists          *lists         // by fileLists
	beaconTold     *beaconOutcome // of keepBeacon; nil: there is no record to keep
	beaconPatience time.Duration  // for the secondaries; 0: the constant of that name
}

// loadConfig reads the configuration that --config names.
func loadConfig(c *console.Call) (*config.Publisher, error) {
	cfg, err := config.LoadPublisher(c.String("config"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, console.Exit(console.Misuse, fmt.Errorf("no configuration: %w", err), "make one with: tidemark init DIR --network NAME; or name it: --config FILE")
	}
	if err != nil {
		return nil, console.Exit(console.Misuse, err, "")
	}
	return cfg, nil
}

// loadTrust reads trust.json and holds it against the configured network.
func loadTrust(file, network string) (*keys.Trust, []byte, error) {
	t, b, err := client.OpenTrustFile(file, network)
	if p := (*fs.PathError)(nil); errors.As(err, &p) {
		err = console.Hinted(err, "set trust: to the trust.json that `tidemark init` made or the root holders signed")
	}
	return t, b, err
}

// openPublisher loads all that a publishing command needs. The state is locked unless readOnly.
func openPublisher(c *console.Call, readOnly bool) (*publisher, error) {
	cfg, err := loadConfig(c)
	if err != nil {
		return nil, err
	}
	p := &publisher{Call: c, cfg: cfg}
	if p.trust, p.envelope, err = loadTrust(cfg.Trust, cfg.Network); err != nil {
		return nil, err
	}
	if readOnly {
		p.state = &state{dir: cfg.State}
		return p, p.newestTrust()
	}
	if p.state, err = openState(c, cfg.State); err != nil {
		return nil, err
	}
	if err := p.newestTrust(); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func (p *publisher) close() {
	if p.state != nil && p.state.lock != nil {
		p.state.close()
	}
}

// policy copies the operator's settings to the deciding.
func (p *publisher) policy(force bool) quorum.Policy {
	q := quorum.Policy{
		Network: p.cfg.Network, Trees: map[string]quorum.TreePolicy{}, Servers: p.cfg.Servers,
		Settle: p.cfg.Settle, Recheck: p.cfg.Probe.Recheck, Sample: p.cfg.Probe.Sample, Validity: p.cfg.Validity,
		CheckInterval: p.cfg.Policy.CheckInterval, MaxHold: p.cfg.Policy.MaxHold, Nearby: p.cfg.Policy.Nearby,
		ListShare: p.cfg.Probe.ListShare, Spot: p.cfg.Probe.Spot, Backoff: p.cfg.Probe.Backoff,
		GuardShare: p.cfg.Guard.Share, GuardLeast: p.cfg.Guard.Least, GuardRuns: p.cfg.Guard.Runs, Force: force,
		Lists: p.listsHeld(),
	}
	if q.Nearby == nil {
		q.Nearby = nearby()
	}
	for name, t := range p.cfg.Trees {
		q.Trees[name] = quorum.TreePolicy{TimeFile: t.TimeFile, Quorum: t.Quorum, MaxWait: t.MaxWait, Patterns: t.Anchors, Exclude: t.Exclude}
	}
	return q
}

// fileLists are the masters' lists in the state directory, as the run found them.
func (p *publisher) fileLists() *lists {
	if p.lists == nil {
		p.lists = openLists(p.state.path("lists"), !p.readOnly())
	}
	return p.lists
}

// listsHeld are the lists that servers' can be compared with, none with `probe.lists: 0`.
func (p *publisher) listsHeld() map[string][]int64 {
	if p.cfg.Probe.Lists == 0 {
		return nil
	}
	return p.fileLists().held()
}

func (p *publisher) masters() []probe.MasterAsk {
	var asks []probe.MasterAsk
	for _, name := range sortedKeys(p.cfg.Trees) {
		t := p.cfg.Trees[name]
		a := probe.MasterAsk{Tree: name, Dir: t.Master, TimeFile: t.TimeFile, Anchors: t.Anchors, Exclude: t.Exclude, Timeout: masterTimeout}
		if !p.readOnly() && p.cfg.Probe.Lists > 0 {
			a.Index = func(timestamp int64) string { return p.fileLists().wanted(name, timestamp) }
		}
		if u, err := rsyncurl.Parse(t.Master); err == nil {
			a.Dir, a.URL = "", u
		}
		asks = append(asks, a)
	}
	return asks
}

// masterTimeout bounds one look at one master: a walk of a large tree on slow disks fits in it.
const masterTimeout = 10 * time.Minute
