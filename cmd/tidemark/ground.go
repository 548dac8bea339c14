package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"tidemark/config"
	"tidemark/internal/console"
	"tidemark/publish"
	"tidemark/sign"
)

// groundState is what the state remembers of the trust and the keys at one target.
type groundState struct {
	Sum   string   `json:"sum"`   // publish.GroundSum of what was put last
	Names []string `json:"names"` // of it, those that are removed when they are exported no more
}

// atSite looks at the authority and brings trust and keys there into order: step 0 of a run (DESIGN 4.5), before anything that can
// fail or be held back. So a revocation is out within one run.
func (p *publisher) atSite(ctx context.Context) (*site, error) {
	s, err := look(ctx, p.cfg.Publish[0])
	if err != nil {
		return nil, err
	}
	if err := p.reach(ctx, s); err != nil {
		return nil, err
	}
	if err := p.groundAt(ctx, s, true); err != nil {
		return nil, err
	}
	if err := p.obeyReset(); err != nil {
		return nil, err
	}
	for _, t := range p.cfg.Publish[1:] {
		if err := p.groundAtCopy(ctx, t); err != nil {
			p.early = append(p.early, console.Hinted(fmt.Errorf("copy %s: %w", t, err), "the authority %s has the trust and the keys; this copy gets them at the next run", s))
		}
	}
	return s, nil
}

func (p *publisher) groundAtCopy(ctx context.Context, t config.Target) error {
	if done, err := p.groundKnown(t); done || err != nil {
		return err
	}
	s, err := look(ctx, t)
	if err != nil {
		return err
	}
	return p.groundAt(ctx, s, false)
}

// groundKnown says that a target needs no look: what is to be there was put there. A directory is looked at all the same.
func (p *publisher) groundKnown(t config.Target) (bool, error) {
	if p.readOnly() {
		return true, nil
	}
	st, _, err := p.state.site()
	if err != nil || t.S3 == nil {
		return false, err
	}
	objects, err := p.ground()
	return err == nil && st.Ground[t.String()].Sum == publish.GroundSum(objects), err
}

// groundAt puts trust and keys where they are new, and remembers it.
func (p *publisher) groundAt(ctx context.Context, s *site, authority bool) error {
	known, err := p.groundKnown(s.Target)
	if err != nil || p.readOnly() || known && s.standing.Pointer != nil {
		return err
	}
	if err := publish.Foreign(ctx, s.store, s.standing); err != nil {
		return console.Hinted(err, "check bucket and prefix of publish: in the configuration")
	}
	if authority {
		if err := p.followsSite(ctx, s); err != nil {
			return err
		}
	}
	err = p.putGround(ctx, s)
	if newer := (*publish.NewerTrustError)(nil); errors.As(err, &newer) && authority {
		if _, err := p.walkTrust(ctx, s.store, true); err != nil {
			return err
		}
		err = p.putGround(ctx, s)
	}
	p.heedWarning(s)
	switch fork := (*publish.TrustForkError)(nil); {
	case errors.As(err, &fork):
		return p.trustRefused(fmt.Errorf("site %s: %w", s, err), "install the site's %s, or have the root holders sign your change as version %d", fork.Name, fork.Version+1)
	case err != nil:
		return fmt.Errorf("site %s: %w", s, err)
	}
	return nil
}

func (p *publisher) putGround(ctx context.Context, s *site) error {
	objects, err := p.ground()
	if err != nil {
		return err
	}
	st, known, err := p.state.site()
	if err != nil {
		return err
	}
	now := groundState{Sum: publish.GroundSum(objects), Names: []string{}}
	for _, o := range objects {
		if strings.HasPrefix(o.Name, "keys/") || strings.HasPrefix(o.Name, ".well-known/") {
			now.Names = append(now.Names, o.Name)
		}
	}
	last := st.Ground[s.String()]
	gone := slices.DeleteFunc(slices.Clone(last.Names), func(name string) bool { return slices.Contains(now.Names, name) })
	if last.Sum != now.Sum {
		more, err := p.goneKeys(ctx, s, now.Names)
		if err != nil {
			return err
		}
		gone = append(gone, more...)
	}
	if err := publish.PutGround(ctx, s.store, s.standing, publish.GroundFiles{Objects: objects, Gone: gone, Genuine: p.genuineStep}); err != nil {
		return err
	}
	if last.Sum == now.Sum || !known { // the file's being there says that this state has begun
		return nil
	}
	p.Log.Info("trust and keys were put", "site", s.String(), "version", p.trust.Version)
	if st.Ground == nil {
		st.Ground = map[string]groundState{}
	}
	st.Ground[s.String()] = now
	return p.state.save("site.json", st)
}

// goneKeys are the key files of this network that lie there and are exported no more, whoever put them. Those of the Web Key
// Directory are known by the state alone: others may keep theirs in the same place.
func (p *publisher) goneKeys(ctx context.Context, s *site, names []string) (gone []string, err error) {
	c, ok := s.store.(publish.Cleaner)
	if !ok {
		return nil, nil
	}
	all, err := c.List(ctx, "keys/")
	if err != nil {
		return nil, fmt.Errorf("list the keys there: %w", err)
	}
	ours := regexp.MustCompile(`^keys/` + regexp.QuoteMeta(p.cfg.Network) + `\.([0-9A-F]{16,40}\.)?(asc|gpg|pub|pem|txt)$`)
	for _, l := range all {
		if ours.MatchString(l.Name) && !slices.Contains(names, l.Name) {
			gone = append(gone, l.Name)
		}
	}
	return gone, nil
}

// followsSite holds the installed trust against the site's where this state has never worked with any: a state that was lost must
// not put another chain in place of the one that mirrors follow.
func (p *publisher) followsSite(ctx context.Context, s *site) error {
	if len(p.kept.steps) > 1 || p.Bool("bootstrap") {
		return nil
	}
	st, _, err := p.state.site()
	if _, before := st.Ground[s.String()]; before || err != nil {
		return err
	}
	o, err := s.store.Get(ctx, "trust.json", sign.MaxTrustFile)
	if errors.Is(err, publish.ErrNotFound) || errors.Is(err, publish.ErrTooLarge) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("site %s: %w", s, err)
	}
	there, err := readStep(o.Data)
	if err != nil || there.Network != p.cfg.Network || there.Version >= p.trust.Version { // a newer one is walked to
		return nil
	}
	steps, err := p.between(there, p.kept.steps[p.trust.Version])
	if err != nil {
		return p.trustRefused(fmt.Errorf("%s is version %d, and does not follow from version %d, which is published at %s: %w", p.cfg.Trust, p.trust.Version, there.Version, s, err),
			"install a version that the root holders of version %d signed, too; if they are lost and this is a new chain, which all mirrors must pin by hand: tidemark run --bootstrap", there.Version)
	}
	pin := p.kept.steps[p.trust.Version]
	for _, step := range append([]*trustStep{there}, append(steps, pin)...) {
		if err := p.keepStep(step); err != nil {
			return err
		}
	}
	return nil
}
