package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"tidemark/internal/console"
	"tidemark/internal/strictjson"
	"tidemark/keys"
	"tidemark/manifest"
	"tidemark/publish"
	"tidemark/sign"
)

// The publisher's trust. The installed trust.json is a pin; state/trust/<N>.json keeps every version that was worked with. The
// newest that follows from the pin judges, and is published:
//
//	installed                         what happens
//	the version worked with           nothing; its signatures may be others than those that were published first
//	the same version, another payload refused
//	higher by one                     it must be signed by the root keys of the one before it, and by its own
//	higher by more                    the steps between are looked for at the authority
//	lower                             the newest kept goes on judging, with a warning
//	of another chain                  refused; with --bootstrap it begins a new one, above the version worked with
//
// A publisher that finds a manifest it cannot open, or one that names a higher version, walks trust/<N+1>.json at the authority as
// clients do: another host may have renewed the trust.

const (
	trustDir  = "trust"          // in the state directory
	trustWalk = 10 * time.Minute // for all steps of one walk
	trustMost = 1000             // steps of one walk
)

// trustChain is what newestTrust found.
type trustChain struct {
	pin        *trustStep           // the installed trust.json
	steps      map[int64]*trustStep // those kept in the state that can be read
	toldBehind int64                // the version of which tellBehind has told
}

// trustStep is one version.
type trustStep struct {
	*keys.Trust
	envelope []byte
	sum      string // SHA-256 of the payload
}

func trustName(version int64) string { return fmt.Sprintf("%s/%d.json", trustDir, version) }

// readStep opens one version by its own root keys.
func readStep(b []byte) (*trustStep, error) {
	t, err := sign.OpenTrust(b)
	if err != nil {
		return nil, err
	}
	e, err := sign.ParseEnvelope(b, sign.MaxTrustFile)
	if err != nil {
		return nil, err
	}
	return &trustStep{t, b, manifest.SHA256(e.Payload)}, nil
}

// newestTrust lets the newest version judge that follows from the installed one, and keeps what it took on the way. It may be
// called again when the state may have changed.
func (p *publisher) newestTrust() error {
	if p.kept.pin == nil {
		pin, err := readStep(p.envelope)
		if err != nil {
			return err
		}
		p.kept.pin = pin
	}
	if err := p.loadSteps(); err != nil {
		return err
	}
	pin, top := p.kept.pin, p.kept.top()
	switch held := p.kept.steps[pin.Version]; {
	case held != nil && held.sum != pin.sum:
		return p.trustRefused(fmt.Errorf("%s is another version %d than was worked with (sha256 of the payload %s, %s has %s)", p.cfg.Trust, pin.Version, pin.sum, p.state.path(trustName(pin.Version)), held.sum),
			"a version never changes: install the one that was published, or have the root holders sign your change as version %d", pin.Version+1)
	case held != nil:
		pin = held // with the signatures that were published
	case pin.Version > top && top > 0:
		if err := p.climb(p.kept.steps[top], pin); err != nil {
			return err
		}
	}
	if err := p.climbKept(pin); err != nil {
		return err
	}
	return p.tellBehind()
}

// loadSteps reads what the state keeps. A damaged file is set aside.
func (p *publisher) loadSteps() error {
	p.kept.steps = map[int64]*trustStep{}
	files, err := os.ReadDir(p.state.path(trustDir))
	if p.readOnly() && errors.Is(err, os.ErrPermission) { // a command that only looks, for somebody else than the owner of the state
		p.Log.Info("the trust chain cannot be read, the installed version judges", "reason", err)
		return nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("read the trust chain: %w", err)
	}
	for _, f := range files {
		base, is := strings.CutSuffix(f.Name(), ".json")
		version, err := strconv.ParseInt(base, 10, 64)
		if err != nil || !is || trustName(version) != trustDir+"/"+f.Name() {
			continue
		}
		name := trustName(version)
		b, err := console.ReadFile(p.state.path(name), sign.MaxTrustFile)
		if err != nil {
			return fmt.Errorf("read the trust chain: %w", err)
		}
		step, err := readStep(b)
		if err == nil && (step.Version != version || step.Network != p.cfg.Network) {
			err = fmt.Errorf("it is version %d of network %q", step.Version, step.Network)
		}
		if err != nil {
			if err := p.setAside(name, err); err != nil {
				return err
			}
			continue
		}
		p.kept.steps[version] = step
	}
	return nil
}

func (p *publisher) setAside(name string, cause error) error {
	if p.readOnly() {
		p.Warn("%s is damaged: %v", p.state.path(name), cause)
		return nil
	}
	p.Warn("%s is damaged, it was set aside: %v", p.state.path(name), cause)
	if err := os.Rename(p.state.path(name), p.state.path(name)+".damaged"); err != nil {
		return fmt.Errorf("set a damaged trust version aside: %w", err)
	}
	return nil
}

// top is the highest version kept, 0 when there is none.
func (c *trustChain) top() (top int64) {
	for v := range c.steps {
		top = max(top, v)
	}
	return top
}

// climb goes from the newest version worked with to the installed one, which is higher, step by step.
func (p *publisher) climb(from, pin *trustStep) error {
	steps, err := p.between(from, pin)
	if err != nil && p.Bool("bootstrap") {
		p.Warn("version %d of the trust document begins a new chain: it does not follow from version %d (%v). Every mirror has to pin it by hand", pin.Version, from.Version, err)
		steps, err = nil, nil
	}
	if missing := (*missingStep)(nil); errors.As(err, &missing) {
		return p.trustRefused(fmt.Errorf("%s is version %d, and does not follow from version %d, which was worked with: %w", p.cfg.Trust, pin.Version, from.Version, err),
			"%s; only if the root holders of version %d are lost, and this is a new chain, which all mirrors must pin by hand: tidemark run --bootstrap", p.sealAgain(missing.version-1, missing.version), from.Version)
	}
	if err != nil {
		return p.trustRefused(fmt.Errorf("%s is version %d, and does not follow from version %d, which was worked with: %w", p.cfg.Trust, pin.Version, from.Version, err),
			"install a version that the root holders of version %d signed, too; if they are lost and this is a new chain, which all mirrors must pin by hand: tidemark run --bootstrap", from.Version)
	}
	for _, s := range steps {
		if err := p.keepStep(s); err != nil {
			return err
		}
	}
	return nil
}

// between are the steps from one version to the installed one, without the latter: verified with it, the missing ones from those
// that were sealed here, or from the authority.
func (p *publisher) between(from, pin *trustStep) (steps []*trustStep, err error) {
	if pin.Version-from.Version > trustMost {
		return nil, fmt.Errorf("at most %d steps are walked", trustMost)
	}
	for at := from; at.Version < pin.Version; {
		b := pin.envelope
		if at.Version+1 < pin.Version {
			if b, err = p.fetchStep(p.Context.Context, at.Trust); err != nil {
				return nil, err
			}
		}
		if _, err := sign.NextTrust(at.Trust, b); err != nil {
			return nil, fmt.Errorf("version %d after %d: %w", at.Version+1, at.Version, err)
		}
		if at, err = readStep(b); err != nil {
			return nil, err
		}
		if at.Version < pin.Version {
			steps = append(steps, at)
		}
	}
	return steps, nil
}

// fetchStep gets the version after from: one that was sealed here, or the authority's.
func (p *publisher) fetchStep(ctx context.Context, from *keys.Trust) ([]byte, error) {
	if b := p.sealedAfter(from); b != nil {
		return b, nil
	}
	version := from.Version + 1
	s, err := openStore(ctx, p.cfg.Publish[0])
	if err != nil {
		return nil, fmt.Errorf("look for version %d at %s: %w", version, p.cfg.Publish[0], err)
	}
	o, err := s.Get(ctx, trustName(version), sign.MaxTrustFile)
	if errors.Is(err, publish.ErrNotFound) {
		return nil, &missingStep{version, fmt.Errorf("version %d is missing, in %s and at %s: %w", version, p.state.path(trustDir), p.cfg.Publish[0], err)}
	}
	if err != nil {
		return nil, fmt.Errorf("look for version %d at %s: %w", version, p.cfg.Publish[0], err)
	}
	return o.Data, nil
}

// climbKept makes the newest kept version that follows from the pin the one that judges.
func (p *publisher) climbKept(pin *trustStep) error {
	steps := []*trustStep{pin}
	for at := pin; at.Version < p.kept.top(); {
		next, kept := p.kept.steps[at.Version+1]
		if !kept {
			b, err := p.fetchStep(p.Context.Context, at.Trust)
			if err == nil {
				next, err = readStep(b)
			}
			if err != nil {
				return p.behindRefused(err)
			}
		}
		if _, err := sign.NextTrust(at.Trust, next.envelope); err != nil {
			return p.behindRefused(fmt.Errorf("version %d does not follow from version %d: %w", at.Version+1, at.Version, err))
		}
		at = next
		steps = append(steps, at)
	}
	for _, s := range steps { // only now: a pin that is refused leaves no trace
		if err := p.keepStep(s); err != nil {
			return err
		}
	}
	return nil
}

func (p *publisher) behindRefused(cause error) error {
	top := p.kept.top()
	return p.trustRefused(fmt.Errorf("%s is version %d, and version %d, which was worked with, cannot be reached from it: %w", p.cfg.Trust, p.kept.pin.Version, top, cause),
		"install the newest: %s", p.installCommand(top))
}

func (p *publisher) installCommand(version int64) string {
	return fmt.Sprintf("cp %s %s", p.state.path(trustName(version)), p.cfg.Trust)
}

func (p *publisher) trustRefused(err error, hint string, args ...any) error {
	return console.Exit(console.Refused, fmt.Errorf("trust: %w", err), hint, args...)
}

// keepStep lets a verified version judge, and keeps it.
func (p *publisher) keepStep(s *trustStep) error {
	p.trust, p.envelope = s.Trust, s.envelope
	if held := p.kept.steps[s.Version]; held != nil {
		return nil
	}
	p.kept.steps[s.Version] = s
	if p.readOnly() {
		return nil
	}
	if err := os.MkdirAll(p.state.path(trustDir), 0o700); err != nil {
		return fmt.Errorf("keep the trust chain: %w", err)
	}
	return p.state.write(trustName(s.Version), s.envelope)
}

// walkTrust goes on from the newest version held by the steps that the authority has, as clients do: expiry does not matter on the
// way, only to what is signed in the end. Where the next step is missing, beside tries trust.json, the copy of the newest, in its
// place. It says whether there were any.
func (p *publisher) walkTrust(ctx context.Context, s publish.Store, beside bool) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, trustWalk)
	defer cancel()
	begun := p.trust.Version
	for range trustMost {
		next, err := p.stepUp(ctx, s, beside)
		if err != nil {
			return false, err
		}
		if next == nil {
			return p.trust.Version > begun, p.tellBehind()
		}
		if err := p.keepStep(next); err != nil {
			return false, err
		}
		p.Log.Info("the trust document was renewed elsewhere", "version", next.Version)
	}
	return false, fmt.Errorf("the trust chain at %s goes on after %d steps, at version %d", p.cfg.Publish[0], trustMost, p.trust.Version)
}

// stepUp is the version after the one that judges, nil when the authority has none that follows.
func (p *publisher) stepUp(ctx context.Context, s publish.Store, beside bool) (*trustStep, error) {
	names := []string{trustName(p.trust.Version + 1)}
	if beside {
		names = append(names, "trust.json")
	}
	for _, name := range names {
		o, err := s.Get(ctx, name, sign.MaxTrustFile)
		switch {
		case errors.Is(err, publish.ErrNotFound):
			continue
		case errors.Is(err, publish.ErrTooLarge): // nobody's trust: whoever put it there must not stop us
			p.Warn("%s at %s: %v", name, p.cfg.Publish[0], err)
			continue
		case err != nil:
			return nil, fmt.Errorf("look for version %d at %s: %w", p.trust.Version+1, p.cfg.Publish[0], err)
		}
		if _, err := sign.NextTrust(p.trust, o.Data); err != nil {
			if name != "trust.json" { // which has any version
				p.Warn("%s at %s does not follow from version %d: %v", name, p.cfg.Publish[0], p.trust.Version, err)
			}
			continue
		}
		return readStep(o.Data)
	}
	return nil, nil
}

// tellBehind warns of an installed version that is older than the one that judges; under --quiet once a day.
func (p *publisher) tellBehind() error {
	if p.trust.Version == p.kept.pin.Version {
		return nil
	}
	words := fmt.Sprintf("%s is version %d of the trust document, version %d follows from it and judges: %s", p.cfg.Trust, p.kept.pin.Version, p.trust.Version, p.installCommand(p.trust.Version))
	if p.readOnly() {
		p.Log.Info(words)
		return nil
	}
	st, known, err := p.state.site()
	if err != nil {
		return err
	}
	if age := p.Now().Sub(st.BehindAt.Time); p.kept.toldBehind == p.trust.Version || p.Quiet && age >= 0 && age < 24*time.Hour {
		return nil
	}
	p.Warn("%s", words)
	p.kept.toldBehind, st.BehindAt = p.trust.Version, strictjson.At(p.Now())
	if !known { // the file's being there says that this state has begun
		return nil
	}
	return p.state.save("site.json", st)
}

// versions are those kept up to the one that judges, oldest first.
func (p *publisher) versions() (steps []*trustStep) {
	for _, s := range p.kept.steps {
		if s.Version <= p.trust.Version {
			steps = append(steps, s)
		}
	}
	slices.SortFunc(steps, func(a, b *trustStep) int { return int(a.Version - b.Version) })
	return steps
}

// earlier are the versions kept below the one that judges.
func (p *publisher) earlier() (list []*keys.Trust) {
	for _, s := range p.versions() {
		if s.Version < p.trust.Version {
			list = append(list, s.Trust)
		}
	}
	return list
}

// genuineStep judges what lies at the site as trust/<version>.json, or as a trust.json of that version: nil when the root holders
// made it, which nobody may overwrite. They are those of the version before; where that is not held (always for version 1), those
// of our own version of that number, or else of the newest one below. That a document is signed by its own root keys says nothing.
func (p *publisher) genuineStep(version int64, b []byte) error {
	judge := p.kept.steps[version-1]
	if judge == nil {
		judge = p.kept.steps[version]
	}
	for v := version - 2; judge == nil && v > 0 && version-v <= trustMost; v-- {
		judge = p.kept.steps[v]
	}
	if judge == nil {
		return fmt.Errorf("no version near %d is held to judge it by", version)
	}
	before := *judge.Trust
	before.Version = version - 1
	_, err := sign.NextTrust(&before, b)
	return err
}
