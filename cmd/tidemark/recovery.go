package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"tidemark/client"
	"tidemark/internal/console"
	"tidemark/manifest"
	"tidemark/publish"
	"tidemark/quorum"
	"tidemark/sign"
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
//	void       it does not, and a reset says so, or no trust version that was ever worked with lets it in, or it is below
//	           min_serial, or nothing is there at all: a lower serial takes its place, at copies, too
//	ahead      it verifies, and names a trust version that cannot be had: refused, nothing is published
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

// resetting says that a reset is in force, and that nothing was published from here since.
func (p *publisher) resetting() bool {
	version, _ := p.resetVersion()
	if version == 0 || p.forgotten {
		return version > 0
	}
	b, err := p.state.read(ownFile)
	if err != nil || b == nil {
		return err == nil
	}
	files, err := client.Unpack(b)
	if err != nil {
		return true
	}
	m, err := manifest.Parse(files[client.ManifestFile])
	return err != nil || m.TrustVersion < version
}

// reach finds the trust that the run works by, and refuses one that nobody should see yet.
func (p *publisher) reach(ctx context.Context, s *site) error {
	if err := p.reachTrust(ctx, s); err != nil {
		return err
	}
	return p.mayPutTrust(s)
}

// reachTrust walks the trust chain at the authority when what is published there is not our own and asks for it: another publisher's
// host may have renewed the trust.
func (p *publisher) reachTrust(ctx context.Context, s *site) error {
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
	cause := p.openSite(ctx, s)
	if cause == nil || s.bundle == nil {
		return nil // readable, or not there: predecessor tells
	}
	advanced, err := p.walkTrust(ctx, s.store, true)
	if err != nil {
		return err
	}
	if advanced {
		s.bundle, s.opened = nil, nil
		cause = p.openSite(ctx, s)
	}
	return p.behind(s, cause)
}

// behind refuses to go on over a genuine manifest that names a trust version which cannot be had: by that version our own may be
// worth nothing.
func (p *publisher) behind(s *site, cause error) error {
	if !refusedFor(cause, client.TrustTooOld) || s.standing.Void {
		return nil
	}
	return console.Exit(console.Refused, fmt.Errorf("site %s: %w; %s is not there, and trust.json there does not follow", s, cause, trustName(p.trust.Version+1)),
		"install the newest trust.json, from the host that published last (its state has trust/<N>.json); if nobody has it and the site is to be taken over: tidemark run --bootstrap")
}

// openSite opens what the pointer names, its expiry aside, and judges the pointer by it. The bytes are asked for once.
func (p *publisher) openSite(ctx context.Context, s *site) (err error) {
	if s.opened != nil {
		return nil
	}
	if s.bundle == nil {
		s.bundle, err = s.standing.Predecessor(ctx, s.store)
		if errors.Is(err, publish.ErrNotFound) || errors.Is(err, publish.ErrTooLarge) {
			return p.openBeside(ctx, s, err)
		}
		if err != nil {
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
		s.standing.Void = p.countsForNobody(err, s.bundle)
	}
	s.anew = s.standing.Void
	return fmt.Errorf("what is published does not verify: %w", err)
}

// openBeside judges a pointer that names nothing: what it is to name is not there, or larger than any. It is signed by nobody, and no
// reader can have followed it; what they may have read is the fixed copy.
func (p *publisher) openBeside(ctx context.Context, s *site, cause error) error {
	s.hollow = true
	b, err := s.store.Get(ctx, client.BundleFile, sign.MaxBundle)
	if err != nil && !errors.Is(err, publish.ErrNotFound) && !errors.Is(err, publish.ErrTooLarge) {
		return fmt.Errorf("what is published cannot be read: %w", err)
	}
	if err == nil {
		if o, err := p.openOld(b.Data); err == nil && p.sinceReset(o.Manifest) {
			s.bundle, s.opened = b.Data, o
		}
	}
	s.standing.Void = s.opened == nil || manifest.SHA256(s.opened.Payload) != s.standing.Pointer.SHA256
	s.anew = s.standing.Void
	if s.opened != nil {
		return nil
	}
	return fmt.Errorf("what is published cannot be read: %w", cause)
}

// countsForNobody says of a document that is refused that no reader holds on to it.
func (p *publisher) countsForNobody(err error, bundle []byte) bool {
	reset, _ := p.resetVersion()
	switch r := (*client.Refused)(nil); {
	case badSignature(err):
		return reset > 0 || !p.everGenuine(bundle)
	case !errors.As(err, &r):
		return false
	}
	// Below min_serial; or of before the reset, since nothing was published after it; or it is given up by hand.
	return refusedFor(err, client.Rollback) || p.resetting() || refusedFor(err, client.TrustTooOld) && p.Bool("bootstrap")
}

func refusedFor(err error, reasons ...client.Reason) bool {
	r := (*client.Refused)(nil)
	return errors.As(err, &r) && slices.Contains(reasons, r.Reason)
}

// badSignature: the document is not genuine, whatever the clock and the serials say.
func badSignature(err error) bool {
	return refusedFor(err, client.Signature, client.Malformed, client.TooLarge, client.WrongNetwork)
}

// everGenuine says whether any trust version that was worked with lets it in: then readers may have seen it.
func (p *publisher) everGenuine(bundle []byte) bool {
	return slices.ContainsFunc(p.versions(), func(s *trustStep) bool {
		_, _, err := client.Open(bundle, client.Options{Network: p.cfg.Network, Trust: s.Trust, Now: p.Now(), AnyAge: true})
		return !badSignature(err)
	})
}

// mostSteps bounds what is stepped over, in steps that grow.
const mostSteps = 1 << 22

// seenBefore: what was just reserved has, for readers, other bytes already, and it may be so since the serials begin anew.
func (p *publisher) seenBefore(r round, err error) bool {
	d := (*publish.DifferentError)(nil)
	return (r.site.anew || r.prev == nil) && errors.As(err, &d) && strings.HasPrefix(d.Name, "m/")
}
