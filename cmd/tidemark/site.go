package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"tidemark/client"
	"tidemark/config"
	"tidemark/publish"
	"tidemark/publish/s3"
	"tidemark/sign"
)

// site is one target, looked at once at the start of a run.
type site struct {
	config.Target
	store    publish.Store
	standing *publish.Standing
	damaged  error // the pointer or the mark lies there and cannot be read
}

// look opens a target and reads its pointer and mark: two requests.
func look(ctx context.Context, t config.Target) (*site, error) {
	s, err := openStore(ctx, t)
	if err != nil {
		return nil, hinted(fmt.Errorf("site %s: %w", t, err), "check publish: in the configuration, and who may write there")
	}
	st, err := publish.Look(ctx, s)
	found := &site{Target: t, store: s, standing: st}
	if d := (*publish.DamagedError)(nil); errors.As(err, &d) && st != nil {
		found.damaged = d
		return found, nil
	}
	if err != nil {
		return nil, fmt.Errorf("site %s: %w", t, err)
	}
	return found, nil
}

func openStore(ctx context.Context, t config.Target) (publish.Store, error) {
	if t.S3 == nil {
		return publish.Dir(t.Dir)
	}
	return s3.New(ctx, s3.Options{Bucket: t.S3.Bucket, Prefix: t.S3.Prefix, Region: t.S3.Region, Endpoint: t.S3.Endpoint,
		PathStyle: t.S3.PathStyle, CA: t.S3.CA, Checksum: t.S3.Checksum})
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

// copyTo brings a copy up to what was published last; the authority alone decides what that is.
func (p *publisher) copyTo(ctx context.Context, t config.Target) error {
	b, err := p.state.read(ownFile)
	if err != nil || b == nil {
		return err
	}
	own, err := p.ownCopy()
	if err != nil || own == nil {
		return err
	}
	s, err := look(ctx, t)
	if err != nil {
		return err
	}
	switch there := s.standing.Serial(); {
	case there > own.manifest.Serial:
		return fmt.Errorf("it is at serial %d, ahead of the authority's %d: it is left alone; remove it if the authority is right", there, own.manifest.Serial)
	case there == own.manifest.Serial && s.damaged == nil:
		err = p.whole(ctx, s, own)
	default:
		rel, perr := p.pack(b)
		if perr != nil {
			return perr
		}
		err = publish.Push(ctx, s.store, s.standing, *rel, p.readBack(ctx, s, rel.Serial))
	}
	if err != nil {
		return err
	}
	_, err = publish.Clean(ctx, s.store, s.standing, p.cfg.Keep, p.now())
	return err
}
