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
	"tidemark/internal/strictjson"
	"tidemark/keys"
	"tidemark/publish"
	"tidemark/sign"
)

// groundState is what the state remembers of the trust and the keys at one target.
type groundState struct {
	Sum   string   `json:"sum"`   // publish.GroundSum of what was put last
	Names []string `json:"names"` // of it, those that are removed when they are exported no more

	// Of a bucket: what its owner put there instead has other tags. Nothing that lies there itself is believed.
	Tags   publish.GroundTags `json:"tags,omitempty"`
	Looked strictjson.Time    `json:"looked,omitzero"` // when all was last found in order
}

// atSite looks at the authority and brings trust and keys there into order: step 0 of a run (DESIGN 4.5), before anything that can
// fail or be held back. So a revocation is out within one run.
func (p *publisher) atSite(ctx context.Context) (*site, error) {
	s, err := p.atAuthority(ctx)
	if err != nil && (p.readOnly() || ctx.Err() != nil || p.holdsBack(err)) {
		return nil, err
	}
	for _, t := range p.cfg.Publish[1:] {
		if err := p.groundAtCopy(ctx, t); err != nil {
			p.early = append(p.early, console.Hinted(fmt.Errorf("copy %s: %w", t, err), "this copy gets trust and keys at the next run"))
		}
	}
	if err != nil {
		return nil, errors.Join(append([]error{err}, p.early...)...)
	}
	return s, p.obeyReset()
}

func (p *publisher) atAuthority(ctx context.Context) (*site, error) {
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
	return s, nil
}

// holdsBack says whether what the authority answered speaks against the trust itself, so that no copy may get it either. An
// authority that is away does not, nor does a fork of a version that is over.
func (p *publisher) holdsBack(err error) bool {
	if fork := (*publish.TrustForkError)(nil); errors.As(err, &fork) {
		return fork.Version >= p.trust.Version
	}
	return p.Code(err) == console.Refused
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

// groundEvery is how often a bucket is looked at, where that costs requests: as often as it is cleaned. A directory is looked at
// by every run.
const groundEvery = cleanEvery

// groundKnown says that a bucket needs no look: what is to be there was found there not long ago, and nobody asks for it.
func (p *publisher) groundKnown(t config.Target) (bool, error) {
	if p.readOnly() {
		return true, nil
	}
	st, _, err := p.state.site()
	if err != nil || t.S3 == nil || p.Bool("force") {
		return false, err
	}
	objects, err := p.ground()
	last := st.Ground[t.String()]
	age := p.Now().Sub(last.Looked.Time)
	return err == nil && last.Sum == publish.GroundSum(objects) && age >= 0 && age < groundEvery, err
}

// groundAt puts trust and keys where they are new, and remembers it.
func (p *publisher) groundAt(ctx context.Context, s *site, authority bool) error {
	known, err := p.groundKnown(s.Target)
	if err != nil || p.readOnly() || known && s.standing.Pointer != nil && (s.ours || !authority) { // another host may have put a newer trust
		return err
	}
	return p.groundLook(ctx, s, authority)
}

// groundBefore looks at trust and keys of a bucket before something is published there, or they would be looked at too seldom
// (a directory is, by every run): whoever can write there must not outlive his credentials. newer says that the trust went on
// there: then all that was decided by the old one is to be decided again.
func (p *publisher) groundBefore(ctx context.Context, s *site, authority bool) (newer bool, err error) {
	if p.readOnly() || s.S3 == nil || s.looked {
		return false, nil
	}
	begun := p.trust.Version
	err = p.groundLook(ctx, s, authority)
	return p.trust.Version > begun, err
}

func (p *publisher) groundLook(ctx context.Context, s *site, authority bool) error {
	if err := publish.Foreign(ctx, s.store, s.standing); err != nil {
		return console.Hinted(err, "check bucket and prefix of publish: in the configuration")
	}
	if authority {
		if err := p.followsSite(ctx, s); err != nil {
			return err
		}
	}
	err := p.putGround(ctx, s)
	newer, fork := (*publish.NewerTrustError)(nil), (*publish.TrustForkError)(nil)
	if errors.As(err, &newer) && authority {
		if _, err := p.walkTrust(ctx, s.store, true); err != nil {
			return err
		}
		err = p.putGround(ctx, s)
	}
	p.heedWarning(s)
	switch {
	case errors.As(err, &fork):
		return p.trustRefused(fmt.Errorf("site %s: %w", s, err), "both were signed by the holders of root keys: ask them which one mirrors follow. Install the site's %s, or have your change signed as version %d", fork.Name, fork.Version+1)
	case errors.As(err, &newer):
		return p.trustRefused(fmt.Errorf("site %s: %w", s, err), "the holders of root keys signed it: have them send you every version up to %d, and install the newest", newer.Version)
	case err != nil:
		return fmt.Errorf("site %s: %w", s, err)
	}
	s.looked = true
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
	tags, err := publish.PutGround(ctx, s.store, s.standing, publish.GroundFiles{Objects: objects, Gone: gone, Stray: p.strayKey(now.Names), Genuine: p.genuineStep, Known: last.Tags})
	if err != nil || !known { // the file's being there says that this state has begun
		return err
	}
	if last.Sum != now.Sum {
		p.Log.Info("trust and keys were put", "site", s.String(), "version", p.trust.Version)
	} else if s.S3 == nil {
		return nil
	}
	if s.S3 != nil {
		now.Tags, now.Looked = tags, strictjson.At(p.Now())
	}
	if st.Ground == nil {
		st.Ground = map[string]groundState{}
	}
	st.Ground[s.String()] = now
	return p.state.save("site.json", st)
}

// strayKey tells the key files of this network that are exported no more, whoever put them. Those of the Web Key Directory are
// known by the state alone: others may keep theirs in the same place.
func (p *publisher) strayKey(names []string) func(string) bool {
	ours := regexp.MustCompile(`^keys/` + regexp.QuoteMeta(p.cfg.Network) + `\.([0-9A-F]{16,40}\.)?(asc|gpg|pub|pem|txt)$`)
	return func(name string) bool { return ours.MatchString(name) && !slices.Contains(names, name) }
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
		return p.trustRefused(fmt.Errorf("%s is version %d (root keys %s), and does not follow from version %d, which is published at %s (root keys %s): %w",
			p.cfg.Trust, p.trust.Version, rootIDs(p.trust), there.Version, s, rootIDs(there.Trust), err),
			"whoever can write to %s can put a trust.json of his own there. If those root keys are none of your holders', remove it and run again; if they are, install a version that they signed, too; only if they are lost, "+
				"and all mirrors will pin this chain by hand: tidemark run --bootstrap", s)
	}
	pin := p.kept.steps[p.trust.Version]
	for _, step := range append([]*trustStep{there}, append(steps, pin)...) {
		if err := p.keepStep(step); err != nil {
			return err
		}
	}
	return nil
}

// rootIDs names root keys for people.
func rootIDs(t *keys.Trust) string {
	var ids []string
	for _, k := range t.Root.Keys {
		ids = append(ids, k.Key)
	}
	return strings.Join(ids, ", ")
}
