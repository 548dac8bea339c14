package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"tidemark/client"
	"tidemark/manifest"
	"tidemark/quorum"
)

// Recovery from a fast-forwarded serial. A trust version with reset_serial says: what was published before does not count, and the
// serials begin anew, at min_serial. The publisher obeys each such payload once, as clients do (client.Seen): it forgets its own
// copy, the serials it used, and what its memory took from the site. Then nothing is built upon but what the masters and the
// servers say now: a thief's manifest gives no timestamps, no since-times and no `previous`, and since a manifest of our own
// may have been built upon his, neither does ours.
//
// What the pointer names is
//
//	in force   it verifies under the newest trust, and names the version of the newest reset or a later one
//	void       it does not, and a reset says so, or no trust version that was ever worked with lets it in: a lower serial
//	           takes its place, at copies, too
//	outdated   it verified under an earlier version, and there was no reset: readers may have seen it, so the next
//	           serial is above it

// resetVersion is the newest version held that began the serials anew, 0 when there is none; sums are the SHA-256 of all such
// payloads, oldest first.
func (p *publisher) resetVersion() (version int64, sums []string) {
	for _, s := range p.versions() {
		if s.ResetSerial {
			version, sums = s.Version, append(sums, s.sum)
		}
	}
	return version, sums
}

// maxResets is how many payloads with reset_serial are remembered.
const maxResets = 16

// obeyReset forgets, once for each payload, what a reset_serial says is not to be built upon. Killed in between, it is done again.
func (p *publisher) obeyReset() error {
	version, sums := p.resetVersion()
	st, known, err := p.state.site()
	if err != nil || version == 0 || !known || slices.Contains(st.ResetBy, sums[len(sums)-1]) {
		return err
	}
	b, err := p.state.read(ownFile)
	if err != nil {
		return err
	}
	o, err := p.openOld(b)
	if b != nil && (err != nil || !p.sinceReset(o.Manifest)) || b == nil && st.Published > 0 {
		p.Warn("version %d of the trust document begins the serials anew: serial %d, published last, and all above it count no more", version, st.Published)
		if p.readOnly() {
			p.forgotten = true
			return nil
		}
		if err := p.forget(); err != nil {
			return err
		}
		st.Serial, st.Published, st.Bundle, st.Renewed = 0, 0, "", nil
	}
	if p.readOnly() {
		return nil
	}
	all := append(slices.DeleteFunc(st.ResetBy, func(sum string) bool { return slices.Contains(sums, sum) }), sums...)
	st.ResetBy = all[max(len(all)-maxResets, 0):]
	return p.state.save("site.json", st)
}

// forget drops the own copy, and from the memory all that may have come from what was published.
func (p *publisher) forget() error {
	mem, err := p.state.memory()
	if err != nil {
		return err
	}
	if err := p.state.saveMemory(ownMemory(mem)); err != nil {
		return err
	}
	if err := os.Remove(p.state.path(ownFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("forget the own copy: %w", err)
	}
	return nil
}

// ownMemory is what was learnt from the masters alone: timestamps that were recorded here. All servers are looked at anew.
func ownMemory(mem quorum.Memory) quorum.Memory {
	own := quorum.NewMemory()
	for name, tm := range mem.Trees {
		tm.Recorded = slices.DeleteFunc(slices.Clone(tm.Recorded), func(r quorum.Recorded) bool { return r.Recalled })
		if !slices.ContainsFunc(tm.Recorded, func(r quorum.Recorded) bool { return r.Timestamp == tm.Announced }) {
			tm.Announced, tm.Changed = 0, nil
		}
		own.Trees[name] = tm
	}
	return own
}

// sinceReset says that m was made by the trust of the newest reset, or a later one.
func (p *publisher) sinceReset(m *manifest.Manifest) bool {
	version, _ := p.resetVersion()
	return m.TrustVersion >= version
}

// reach walks the trust chain at the authority when what is published there is not our own and asks for it: another publisher's
// host may have renewed the trust.
func (p *publisher) reach(ctx context.Context, s *site) error {
	at := s.standing.Pointer
	if s.damaged != nil || at == nil {
		return nil
	}
	b, err := p.state.read(ownFile)
	if err != nil {
		return err
	}
	files, err := client.Unpack(b)
	if s.ours = err == nil && at.SHA256 == manifest.SHA256(files[client.ManifestFile]); s.ours {
		return nil
	}
	if err := p.openSite(ctx, s); err == nil || s.bundle == nil {
		return nil // readable, or not there: predecessor tells
	}
	advanced, err := p.walkTrust(ctx, s.store)
	if err == nil && advanced {
		s.bundle, s.opened = nil, nil
		p.openSite(ctx, s)
	}
	return err
}

// openSite opens what the pointer names, its expiry aside, and judges the pointer by it. The bytes are asked for once.
func (p *publisher) openSite(ctx context.Context, s *site) (err error) {
	if s.opened != nil {
		return nil
	}
	if s.bundle == nil {
		if s.bundle, err = s.standing.Predecessor(ctx, s.store); err != nil {
			return fmt.Errorf("what is published cannot be read: %w", err)
		}
	}
	o, err := p.openOld(s.bundle)
	switch reset, _ := p.resetVersion(); {
	case err == nil && p.sinceReset(o.Manifest):
		s.opened, s.standing.Void, s.anew = o, false, false
		return nil
	case err == nil:
		s.standing.Void = true
		err = fmt.Errorf("serial %d names trust version %d, and version %d began the serials anew", o.Manifest.Serial, o.Manifest.TrustVersion, reset)
	default:
		s.standing.Void = badSignature(err) && (reset > 0 || !p.everGenuine(s.bundle))
	}
	s.anew = s.standing.Void
	return fmt.Errorf("what is published does not verify: %w", err)
}

// badSignature: the document is not genuine, whatever the clock and the serials say.
func badSignature(err error) bool {
	r := (*client.Refused)(nil)
	return errors.As(err, &r) && slices.Contains([]client.Reason{client.Signature, client.Malformed, client.TooLarge, client.WrongNetwork}, r.Reason)
}

// everGenuine says whether any trust version that was worked with lets it in: then readers may have seen it.
func (p *publisher) everGenuine(bundle []byte) bool {
	return slices.ContainsFunc(p.versions(), func(s *trustStep) bool {
		_, _, err := client.Open(bundle, client.Options{Network: p.cfg.Network, Trust: s.Trust, Now: p.Now(), AnyAge: true})
		return !badSignature(err)
	})
}
