package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"tidemark/client"
	"tidemark/config"
	"tidemark/internal/rsyncurl"
	"tidemark/keys"
	"tidemark/manifest"
	"tidemark/probe"
	"tidemark/publish"
	"tidemark/quorum"
	"tidemark/sign"
)

// publisher is a run's view of the world: configuration, trust, keys, state and the site as it was found.
type publisher struct {
	*call
	cfg      *config.Publisher
	trust    *keys.Trust
	envelope []byte // trust.json as it lies there
	signers  []sign.Signer
	state    *state // locked; nil in commands that change nothing
}

// loadConfig reads the configuration that --config names.
func loadConfig(c *call) (*config.Publisher, error) {
	cfg, err := config.LoadPublisher(c.String("config"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, exit(exitUsage, fmt.Errorf("no configuration: %w", err), "make one with: tidemark init DIR --network NAME; or name it: --config FILE")
	}
	if err != nil {
		return nil, exit(exitUsage, err, "")
	}
	return cfg, nil
}

// loadTrust reads trust.json and holds it against the configured network.
func loadTrust(file, network string) (*keys.Trust, []byte, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, nil, hinted(fmt.Errorf("trust: %w", err), "set trust: to the trust.json that `tidemark init` made or the root holders signed")
	}
	t, err := sign.OpenTrust(b)
	if err != nil {
		return nil, nil, exit(exitRefused, fmt.Errorf("trust %s: %w", file, err), "ask the root holders for a trust.json that they signed")
	}
	if network != "" && t.Network != network {
		return nil, nil, exit(exitRefused, fmt.Errorf("trust %s is for network %q, expected %q", file, t.Network, network), "check network: and trust: in the configuration")
	}
	return t, b, nil
}

// openPublisher loads all that a publishing command needs. The state is locked unless readOnly.
func openPublisher(c *call, readOnly bool) (*publisher, error) {
	cfg, err := loadConfig(c)
	if err != nil {
		return nil, err
	}
	p := &publisher{call: c, cfg: cfg}
	if p.trust, p.envelope, err = loadTrust(cfg.Trust, cfg.Network); err != nil {
		return nil, err
	}
	if readOnly {
		p.state = &state{dir: cfg.State}
		return p, nil
	}
	p.state, err = openState(cfg.State, c.now())
	return p, err
}

func (p *publisher) close() {
	if p.state != nil && p.state.lock != nil {
		p.state.close()
	}
}

// openSigners reads the private keys and refuses one that the trust does not know: nobody would accept it.
func (p *publisher) openSigners() error {
	now, allowed := p.now(), []string{}
	for _, k := range p.trust.Manifest.Keys {
		allowed = append(allowed, k.Signing...)
	}
	for _, k := range p.cfg.Sign.OpenPGP {
		s, err := openKey(k, func(b []byte, pass sign.Passphrase) (sign.Signer, error) {
			return sign.OpenPGPFile(b, pass, allowed, now)
		}, p.getenv)
		if errors.Is(err, sign.ErrNotAllowed) {
			return exit(exitRefused, err, "sign with a key of %s, or have the root holders sign a new trust version", p.cfg.Trust)
		}
		if err != nil {
			return err
		}
		p.signers = append(p.signers, s)
	}
	for _, k := range p.cfg.Sign.Ed25519 {
		s, err := openKey(k, sign.MinisignFile, p.getenv)
		if err != nil {
			return err
		}
		p.signers = append(p.signers, s)
	}
	for _, s := range p.signers {
		if err := trusted(s.Key(), p.trust, now); err != nil {
			return exit(exitRefused, err, "sign with a key of %s, or have the root holders sign a new trust version", p.cfg.Trust)
		}
	}
	return nil
}

func openKey(k config.KeyFile, open func([]byte, sign.Passphrase) (sign.Signer, error), getenv func(string) string) (sign.Signer, error) {
	b, err := os.ReadFile(k.Key)
	if err != nil {
		return nil, hinted(fmt.Errorf("signing key: %w", err), "check sign: in the configuration, and who may read that file")
	}
	s, err := open(b, passphrase(k, getenv))
	if err != nil {
		return nil, hinted(fmt.Errorf("signing key %s: %w", k.Key, err), "check the key and its passphrase: tidemark config check")
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
			return fmt.Errorf("%s key %s ended at %s by trust version %d", k.Kind, k.Key, clock(have.NotAfter.Time), t.Version)
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
		GuardShare: p.cfg.Guard.Share, GuardLeast: p.cfg.Guard.Least, GuardRuns: p.cfg.Guard.Runs, Force: force,
	}
	if q.Nearby == nil {
		q.Nearby = nearby()
	}
	for name, t := range p.cfg.Trees {
		q.Trees[name] = quorum.TreePolicy{TimeFile: t.TimeFile, Quorum: t.Quorum, MaxWait: t.MaxWait}
	}
	return q
}

func (p *publisher) probeOptions() probe.Options {
	return probe.Options{Concurrency: p.cfg.Probe.Concurrency, Timeout: p.cfg.Probe.Timeout, Now: p.now}
}

func (p *publisher) masters() []probe.MasterAsk {
	var asks []probe.MasterAsk
	for _, name := range sortedKeys(p.cfg.Trees) {
		t := p.cfg.Trees[name]
		a := probe.MasterAsk{Tree: name, Dir: t.Master, TimeFile: t.TimeFile, Anchors: t.Anchors, Timeout: masterTimeout}
		if u, err := rsyncurl.Parse(t.Master); err == nil {
			a.Dir, a.URL = "", u
		}
		asks = append(asks, a)
	}
	return asks
}

// masterTimeout bounds one look at one master: a walk of a large tree on slow disks fits in it.
const masterTimeout = 10 * time.Minute

// site is one target, looked at once at the start of a run.
type site struct {
	config.Target
	store    publish.Store
	standing *publish.Standing
	damaged  error // the pointer or the mark lies there and cannot be read
}

// look opens a target and reads its pointer and mark: two requests.
func look(ctx context.Context, t config.Target) (*site, error) {
	s, err := publish.Dir(t.Dir)
	if err != nil {
		return nil, hinted(fmt.Errorf("site %s: %w", t.Dir, err), "check publish: in the configuration, and who may write there")
	}
	st, err := publish.Look(ctx, s)
	found := &site{Target: t, store: s, standing: st}
	if d := (*publish.DamagedError)(nil); errors.As(err, &d) && st != nil {
		found.damaged = d
		return found, nil
	}
	if err != nil {
		return nil, fmt.Errorf("site %s: %w", t.Dir, err)
	}
	return found, nil
}

// verify opens a bundle as any client with today's trust would.
func (p *publisher) verify(bundle []byte) error {
	_, _, err := client.Open(bundle, client.Options{Network: p.cfg.Network, Trust: p.trust, Now: p.now()})
	return err
}

// readBack verifies what a push has just reserved, from the store's bytes and, where readers see the site, through the public
// URL: a wrong answer stops the run, an unreachable URL only warns.
func (p *publisher) readBack(ctx context.Context, s *site, serial int64) publish.Verify {
	return func(bundle []byte) error {
		if err := p.verify(bundle); err != nil || s.URL == "" {
			return err
		}
		origin, err := client.NewOrigin(s.URL)
		if err != nil {
			return err
		}
		seen, err := origin.Fetch(ctx, fmt.Sprintf("m/%d/%s", serial, client.BundleFile), sign.MaxBundle)
		if err != nil {
			p.warn("the public URL cannot be read back: %v", err)
			return nil
		}
		if !bytes.Equal(seen, bundle) {
			return exit(exitRefused, fmt.Errorf("%s gives other bytes for serial %d than were put there", s.URL, serial), "look for a cache or a web server that changes files, then run again")
		}
		return nil
	}
}

// predecessor opens what was published last, without its expiry. The site's is taken when it verifies and is not older than the
// state's own copy; else the own copy, with an alarm. Nothing at all is right only for a first publication.
func (p *publisher) predecessor(ctx context.Context, s *site, bootstrap bool) (*client.Opened, error) {
	own, err := p.ownCopy()
	if err != nil {
		return nil, err
	}
	theirs, cause := p.published(ctx, s)
	switch {
	case theirs != nil && (own == nil || theirs.Manifest.Serial > own.Manifest.Serial):
		return theirs, p.keep(theirs)
	case theirs != nil && theirs.Manifest.Serial == own.Manifest.Serial:
		return theirs, nil
	case theirs != nil:
		cause = fmt.Errorf("the site holds serial %d, older than serial %d that was published from here", theirs.Manifest.Serial, own.Manifest.Serial)
	case cause == nil && own != nil:
		cause = errors.New("the site is gone")
	}
	if own != nil {
		p.warn("%s: %v; going on from the copy in %s", s.Dir, cause, p.state.dir)
		return own, nil
	}
	st, known, err := p.state.site()
	if err != nil {
		return nil, err
	}
	if bootstrap || (cause == nil && known && st.Published == 0) {
		return nil, nil
	}
	if cause == nil {
		cause = errors.New("nothing is published there, and the state remembers no publication")
	}
	return nil, exit(exitRefused, fmt.Errorf("site %s: %w", s.Dir, cause),
		"check state: and publish: in the configuration; if this really is a new beginning: tidemark run --bootstrap")
}

// keep remembers what is known to have been published, so that a site which is lost or set back later is noticed.
func (p *publisher) keep(o *client.Opened) error {
	if p.dry || p.state.lock == nil {
		return nil
	}
	st, _, err := p.state.site()
	if err != nil {
		return err
	}
	st.Published = o.Manifest.Serial
	st.Serial = max(st.Serial, st.Published)
	if err := p.state.save("site.json", st); err != nil {
		return err
	}
	return p.state.write("published.bundle.json", o.Bundle)
}

// published opens the site's own manifest; nil, nil when nothing was published there.
func (p *publisher) published(ctx context.Context, s *site) (*client.Opened, error) {
	if s.damaged != nil || s.standing.Pointer == nil {
		return nil, s.damaged
	}
	b, err := s.standing.Predecessor(ctx, s.store)
	if err != nil {
		return nil, fmt.Errorf("what is published cannot be read: %w", err)
	}
	o, err := p.openOld(b)
	if err != nil {
		return nil, fmt.Errorf("what is published does not verify: %w", err)
	}
	return o, nil
}

func (p *publisher) openOld(b []byte) (*client.Opened, error) {
	o, _, err := client.Open(b, client.Options{Network: p.cfg.Network, Trust: p.trust, Now: p.now(), AnyAge: true})
	return o, err
}

func (p *publisher) ownCopy() (*client.Opened, error) {
	b, err := p.state.read("published.bundle.json")
	if err != nil || b == nil {
		return nil, err
	}
	o, err := p.openOld(b)
	if err != nil {
		p.warn("own copy %s is not usable: %v", p.state.path("published.bundle.json"), err)
		return nil, nil
	}
	return o, nil
}

// previous is the manifest of o, nil for a first publication.
func previous(o *client.Opened) *manifest.Manifest {
	if o == nil {
		return nil
	}
	return o.Manifest
}
