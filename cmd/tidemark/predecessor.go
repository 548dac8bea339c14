package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"tidemark/client"
	"tidemark/internal/console"
	"tidemark/manifest"
	"tidemark/publish"
)

// predecessor is the manifest that was published last.
type predecessor struct {
	manifest *manifest.Manifest
	payload  []byte
	bundle   []byte
	outdated bool // it does not verify under today's trust: it may be built upon, and is never put back
}

// previous is its manifest, nil for a first publication.
func (o *predecessor) previous() *manifest.Manifest {
	if o == nil {
		return nil
	}
	return o.manifest
}

func opened(o *client.Opened) *predecessor {
	return &predecessor{manifest: o.Manifest, payload: o.Payload, bundle: o.Bundle}
}

// predecessor finds what was published last. The site's is taken when it verifies, its expiry aside, and is not older than the
// state's own copy; else the own copy, with an alarm, and the site gets it back. Nothing at all is right only for a beginning.
func (p *publisher) predecessor(ctx context.Context, s *site, bootstrap bool) (*predecessor, error) {
	own, err := p.ownCopy()
	if err != nil {
		return nil, err
	}
	theirs, cause := p.published(ctx, s, own)
	if err := p.behind(s, cause); err != nil && !bootstrap {
		return nil, err
	}
	switch {
	case theirs != nil && (own == nil || theirs.manifest.Serial > own.manifest.Serial):
		if err := p.keep(theirs); err != nil {
			return nil, err
		}
		return theirs, p.whole(ctx, s, theirs)
	case theirs != nil && bytes.Equal(theirs.payload, own.payload):
		return own, p.whole(ctx, s, own)
	case theirs != nil && theirs.manifest.Serial == own.manifest.Serial:
		return nil, console.Exit(console.Refused, fmt.Errorf("site %s holds another manifest of serial %d (sha256 %s) than was published from here (%s)", s, own.manifest.Serial,
			manifest.SHA256(theirs.payload), manifest.SHA256(own.payload)), "somebody else signs with your keys, or two publishers lost their way: keep both, find out who")
	case theirs != nil:
		cause = fmt.Errorf("the site holds serial %d, older than serial %d that was published from here", theirs.manifest.Serial, own.manifest.Serial)
	case cause == nil && own != nil:
		cause = errors.New("the site is gone")
	}
	if own != nil {
		p.Warn("%s: %v; going on from the copy in %s", s, cause, p.state.dir)
		return own, p.restore(ctx, s, own)
	}
	return nil, p.beginning(s, cause, bootstrap)
}

// beginning is nil when there may well be no predecessor.
func (p *publisher) beginning(s *site, cause error, bootstrap bool) error {
	st, known, err := p.state.site()
	if err != nil || bootstrap || (cause == nil || s.standing.Void) && known && (st.Published == 0 || p.forgotten) {
		return err
	}
	if r := (*client.Refused)(nil); errors.As(cause, &r) && r.Reason == client.FutureDated {
		return console.Exit(console.Refused, fmt.Errorf("site %s: %w", s, cause), "set the clock right (timedatectl); if it is right, what is published is not: tidemark run --bootstrap")
	}
	if cause == nil {
		cause = fmt.Errorf("nothing is published there, and the state in %s remembers no publication", p.state.dir)
	}
	return console.Exit(console.Refused, fmt.Errorf("site %s: %w", s, cause), "check state: and publish: in the configuration; if this really is a new beginning: tidemark run --bootstrap")
}

// published opens the site's own manifest; nil, nil when nothing was published there.
func (p *publisher) published(ctx context.Context, s *site, own *predecessor) (*predecessor, error) {
	if s.damaged != nil || s.standing.Pointer == nil {
		return nil, s.damaged
	}
	at := s.standing.Pointer
	if own != nil && at.Serial == own.manifest.Serial && at.SHA256 == manifest.SHA256(own.payload) {
		return own, nil // verified when it was published, perhaps under an earlier trust
	}
	if err := p.openSite(ctx, s); err != nil {
		return nil, err
	}
	return opened(s.opened), nil
}

func (p *publisher) openOld(b []byte) (*client.Opened, error) {
	o, _, err := client.Open(b, client.Options{Network: p.cfg.Network, Trust: p.trust, Now: p.Now(), AnyAge: true})
	return o, err
}

// ownCopy reads the state's copy of what was published last. It was verified when it was written: later trust versions and a
// clock that jumps do not take it away, a digest says that it is still the same.
func (p *publisher) ownCopy() (*predecessor, error) {
	st, _, err := p.state.site()
	if err != nil {
		return nil, err
	}
	b, err := p.state.read(ownFile)
	if err != nil || b == nil || p.forgotten {
		return nil, err
	}
	o, refusal := p.openOld(b)
	if refusal == nil {
		return opened(o), nil
	}
	files, err := client.Unpack(b)
	if err == nil && manifest.SHA256(b) != st.Bundle {
		err = errors.New("it is not what was published")
	}
	var m *manifest.Manifest
	if err == nil {
		m, err = manifest.Parse(files[client.ManifestFile])
	}
	if err != nil {
		p.Warn("own copy %s is not usable: %v", p.state.path(ownFile), err)
		return nil, nil
	}
	// One from the future is signed by today's keys; no new one can follow it before the clock does (see fromAhead).
	r := (*client.Refused)(nil)
	ahead := errors.As(refusal, &r) && r.Reason == client.FutureDated
	return &predecessor{manifest: m, payload: files[client.ManifestFile], bundle: b, outdated: !ahead}, nil
}

// ownFile is the state's copy of the bundle that was published last.
const ownFile = "published.bundle.json"

// keep remembers what is known to have been published, so that a site which is lost or set back later is noticed.
func (p *publisher) keep(o *predecessor) error {
	if p.readOnly() {
		return nil
	}
	st, _, err := p.state.site()
	if err != nil {
		return err
	}
	st.Published, st.Bundle = o.manifest.Serial, manifest.SHA256(o.bundle)
	st.Serial = max(st.Serial, st.Published)
	if err := p.state.write(ownFile, o.bundle); err != nil {
		return err
	}
	return p.state.save("site.json", st)
}

// whole puts back what is missing of a site whose pointer names the own copy. A directory is looked through at every run; of a
// bucket, where each look is a request, only the completion mark is asked.
func (p *publisher) whole(ctx context.Context, s *site, own *predecessor) error {
	if p.readOnly() || own.outdated || s.Dir == "" && s.standing.Complete() && !s.hollow {
		return nil
	}
	if s.standing.Void {
		p.Warn("%s: %s names serial %d, which is not there", s, publish.PointerName, s.standing.Serial())
		return p.restore(ctx, s, own)
	}
	if !s.standing.Complete() {
		p.Warn("%s: an earlier run stopped half-way through serial %d; finishing it", s, own.manifest.Serial)
	}
	any := func([]byte) error { return nil } // these are the bytes that were verified before
	err := publish.Heal(ctx, s.store, s.standing, any)
	if err != nil && !errors.Is(err, publish.ErrConflict) {
		p.Warn("%s: serial %d is not whole: %v", s, own.manifest.Serial, err)
		return p.restore(ctx, s, own)
	}
	return err
}

// restore publishes the own copy again: the same serial, the same bytes. What readers would refuse (expired, or signed by a key
// that is revoked now) is left to the publication that follows.
func (p *publisher) restore(ctx context.Context, s *site, own *predecessor) error {
	if p.readOnly() {
		return nil
	}
	if s.standing.Serial() > own.manifest.Serial && !s.standing.Void {
		p.Log.Info("the own copy is not published again: readers may have seen a later serial", "serial", s.standing.Serial())
		return nil
	}
	rel, err := p.pack(own.bundle)
	if err != nil {
		p.Log.Info("the own copy is not published again", "reason", err)
		return nil
	}
	if err := publish.Push(ctx, s.store, s.standing, *rel, p.verify); err != nil {
		return fmt.Errorf("put serial %d back to %s: %w", rel.Serial, s, err)
	}
	p.Warn("%s: serial %d was put back", s, rel.Serial)
	return nil
}

// readOnly says that nothing may be changed: a dry run, or a command that holds no lock.
func (p *publisher) readOnly() bool { return p.Dry || p.state.lock == nil }
