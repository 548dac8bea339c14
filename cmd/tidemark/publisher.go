package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
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
	trust    *keys.Trust
	envelope []byte // trust.json as it lies there
	signers  []sign.Signer
	state    *state // locked; nil in commands that change nothing

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
		return p, nil
	}
	p.state, err = openState(c, cfg.State)
	return p, err
}

func (p *publisher) close() {
	if p.state != nil && p.state.lock != nil {
		p.state.close()
	}
}

// openSigners reads the private keys and refuses one that the trust does not know: nobody would accept it.
func (p *publisher) openSigners() error {
	now, allowed := p.Now(), []string{}
	for _, k := range p.trust.Manifest.Keys {
		allowed = append(allowed, k.Signing...)
	}
	for _, k := range p.cfg.Sign.OpenPGP {
		s, err := openKey(k, func(b []byte, pass sign.Passphrase) (sign.Signer, error) {
			return sign.OpenPGPFile(b, pass, allowed, now)
		}, p.Getenv)
		if errors.Is(err, sign.ErrNotAllowed) {
			return console.Exit(console.Refused, err, "sign with a key of %s, or have the root holders sign a new trust version", p.cfg.Trust)
		}
		if err != nil {
			return err
		}
		p.signers = append(p.signers, s)
	}
	for _, k := range p.cfg.Sign.Ed25519 {
		s, err := openKey(k, sign.MinisignFile, p.Getenv)
		if err != nil {
			return err
		}
		p.signers = append(p.signers, s)
	}
	for _, s := range p.signers {
		if err := trusted(s.Key(), p.trust, now); err != nil {
			return console.Exit(console.Refused, err, "sign with a key of %s, or have the root holders sign a new trust version", p.cfg.Trust)
		}
	}
	return nil
}

// keysThere finds out at every run, not first when there is something to sign, that a key cannot be read. Decrypting is left to
// the signing: it may cost a second and a gigabyte.
func (p *publisher) keysThere() error {
	for _, k := range slices.Concat(p.cfg.Sign.OpenPGP, p.cfg.Sign.Ed25519) {
		if _, err := console.ReadFile(k.Key, 1<<20); err != nil {
			return console.Hinted(fmt.Errorf("signing key: %w", err), "check sign: in the configuration, and who may read that file")
		}
	}
	return nil
}

func openKey(k config.KeyFile, open func([]byte, sign.Passphrase) (sign.Signer, error), getenv func(string) string) (sign.Signer, error) {
	b, err := os.ReadFile(k.Key)
	if err != nil {
		return nil, console.Hinted(fmt.Errorf("signing key: %w", err), "check sign: in the configuration, and who may read that file")
	}
	s, err := open(b, passphrase(k, getenv))
	if err != nil {
		return nil, console.Hinted(fmt.Errorf("signing key %s: %w", k.Key, err), "check the key and its passphrase: tidemark config check")
	}
	return s, nil
}

// trusted reports why a key could not sign for t.
func trusted(k keys.ManifestKey, t *keys.Trust, now time.Time) error {
	for _, have := range t.Manifest.Keys {
		if have.Kind != k.Kind || have.Key != k.Key {
			continue
		}
		switch {
		case have.Revoked:
			return fmt.Errorf("%s key %s is revoked by trust version %d", k.Kind, k.Key, t.Version)
		case have.NotAfter != nil && !now.Before(have.NotAfter.Time):
			return fmt.Errorf("%s key %s ended at %s by trust version %d", k.Kind, k.Key, console.Clock(have.NotAfter.Time), t.Version)
		}
		return nil
	}
	return fmt.Errorf("%s key %s is not in trust version %d of network %s", k.Kind, k.Key, t.Version, t.Network)
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
