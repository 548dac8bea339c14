package main

import (
	"context"
	"fmt"
	"slices"

	"tidemark/internal/console"
	"tidemark/keys"
	"tidemark/manifest"
	"tidemark/publish"
)

// Before a trust version goes up for the first time: what everybody obeys from that moment must not make the publisher dumb. And
// before a manifest goes up: it is made by the newest version there is.

// mayPutTrust refuses to put up a new version by which the configured keys can make nothing that clients accept: every mirror would
// refuse what is published now, or soon. A version that revokes a key is never held back.
func (p *publisher) mayPutTrust(s *site) error {
	st, _, err := p.state.site()
	if err != nil || p.readOnly() || p.Bool("force") || p.trust.Version <= st.TrustPut || s.standing.Pointer == nil {
		return err
	}
	lacks := p.dumb()
	if lacks == nil || p.revokes(st.TrustPut) {
		return nil
	}
	return console.Exit(console.Refused, fmt.Errorf("version %d of the trust document is not put up yet: %w", p.trust.Version, lacks),
		"configure keys that it lets sign now (see: tidemark keys list), or have the root holders sign another version; to put it up all the same: tidemark run --force")
}

// dumb is why the configured keys cannot make by now what clients accept, as far as can be said without opening them.
func (p *publisher) dumb() error {
	var left []keys.ManifestKey
	var skipped []error
	for _, k := range p.configuredKeys() {
		id, err := k.identify()
		if err != nil || id == "" {
			return nil // not the trust's matter, or not known
		}
		if err := allowed(k.kind, id, "", p.trust, p.Now()); err != nil {
			skipped = append(skipped, err)
			continue
		}
		left = append(left, keys.ManifestKey{Kind: k.kind, Key: id})
	}
	return p.enough(left, skipped)
}

// revokes says that a key is revoked now which the version put last, or the one before where that is not kept, let sign.
func (p *publisher) revokes(last int64) bool {
	before := map[string]bool{}
	for _, s := range p.versions() {
		if s.Version > last && last > 0 || s.Version == p.trust.Version {
			break
		}
		clear(before)
		for _, k := range s.Manifest.Keys {
			before[string(k.Kind)+k.Key] = k.Revoked
		}
	}
	return slices.ContainsFunc(p.trust.Manifest.Keys, func(k keys.ManifestKey) bool { return k.Revoked && !before[string(k.Kind)+k.Key] })
}

// trustIsPut remembers that the version that judges went up.
func (p *publisher) trustIsPut() error {
	st, known, err := p.state.site()
	if err != nil || !known || p.readOnly() || st.TrustPut == p.trust.Version {
		return err
	}
	st.TrustPut = p.trust.Version
	return p.state.save("site.json", st)
}

// releaseByNewest is release after a last look at trust and keys: another host may have put a newer version while this one was asking.
// With one, the run begins again at the site; what it has decided stands.
func (p *publisher) releaseByNewest(ctx context.Context, m *manifest.Manifest, r *round) (*publish.Release, error) {
	newer, err := p.groundBefore(ctx, r.site, true)
	if err == nil && newer {
		err = p.beginAgain(ctx, r)
	}
	if err != nil {
		return nil, err
	}
	return p.release(ctx, m, *r)
}

// beginAgain looks at the site anew, by a newer trust version.
func (p *publisher) beginAgain(ctx context.Context, r *round) error {
	p.signers = nil
	s, prev, err := p.begin(ctx, false)
	if err != nil {
		return err
	}
	if (prev == nil) != (r.prev == nil) || prev != nil && prev.manifest.Serial != r.prev.manifest.Serial {
		return console.Exit(console.Locked, fmt.Errorf("site %s: version %d of the trust document, and what is published, changed while this run was under way", s, p.trust.Version), "run again")
	}
	r.site, r.prev = s, prev
	return nil
}
