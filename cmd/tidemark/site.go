package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"tidemark/client"
	"tidemark/config"
	"tidemark/internal/console"
	"tidemark/internal/strictjson"
	"tidemark/manifest"
	"tidemark/publish"
	"tidemark/publish/cloudfront"
	"tidemark/publish/s3"
	"tidemark/sign"
)

// site is one target, looked at once at the start of a run.
type site struct {
	config.Target
	store    publish.Store
	standing *publish.Standing
	damaged  error // the pointer or the mark lies there and cannot be read

	ours   bool           // the pointer names the state's own copy
	bundle []byte         // what the pointer names, once it was read
	opened *client.Opened // the same, once it has verified
	hollow bool           // what the pointer names is not there
	anew   bool           // what the pointer named was void: caches may hold a higher serial than is published
	looked bool           // trust and keys were found in order there, or put, by this run
}

// look opens a target and reads its pointer and mark: two requests.
func look(ctx context.Context, t config.Target) (*site, error) {
	s, err := openStore(ctx, t)
	if err != nil {
		return nil, console.Hinted(fmt.Errorf("site %s: %w", t, err), "check publish: in the configuration, and who may write there")
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
	_, _, err := client.Open(bundle, client.Options{Network: p.cfg.Network, Trust: p.trust, Now: p.Now()})
	return err
}

// readBack verifies what a push has just reserved, from the store's bytes and, where readers see the site, through the public
// URL: a wrong answer stops the run, an unreachable URL only warns.
func (p *publisher) readBack(ctx context.Context, s *site, serial int64) publish.Verify {
	return func(bundle []byte) error {
		if err := p.verify(bundle); err != nil || s.URL == "" {
			return err
		}
		return p.await(ctx, s, fmt.Sprintf("m/%d/%s", serial, client.BundleFile), bundle, 0)
	}
}

// await looks at what readers see, with patience for the caches on the way. Only a wrong answer is an error.
func (p *publisher) await(ctx context.Context, s *site, name string, want []byte, patience time.Duration) error {
	origin, err := client.NewOrigin(s.URL)
	if err != nil {
		return err
	}
	fetch := func(ctx context.Context, name string) ([]byte, error) { return origin.Fetch(ctx, name, sign.MaxBundle) }
	wait := publish.Await
	if s.anew {
		wait = publish.AwaitAnew
	}
	err = wait(ctx, fetch, name, want, patience)
	if d := (*publish.DifferentError)(nil); errors.As(err, &d) {
		return console.Exit(console.Refused, fmt.Errorf("%s: %w", s.URL, err), "look for a cache or a web server that changes files, then run again")
	}
	if err != nil {
		p.Warn("%s: %v", s.URL, err)
	}
	return nil
}

// ttl is how long caches may keep a fixed name (max-age), and a little.
const ttl = 65 * time.Second

// announce tells the caches before s that there is something new, then looks once whether readers see it. What fails only delays
// readers by the caches' time to live: it is said, and stops nothing.
func (p *publisher) announce(ctx context.Context, s *site, rel *publish.Release) (trouble []error) {
	fail := func(err error) {
		if err != nil {
			trouble = append(trouble, console.Hinted(fmt.Errorf("caches of %s: %w", s, err), "readers see serial %d within a minute all the same; check purge: in the configuration", rel.Serial))
		}
	}
	var caches []publish.Cache
	for _, c := range s.Purge {
		if c.CloudFront != "" {
			fail(cloudfront.Invalidate(ctx, cloudfront.Options{Distribution: c.CloudFront, Serial: rel.Serial, SHA256: rel.SHA256}, p.paths(s, rel)))
			continue
		}
		cache := publish.Cache{URL: c.URL, Method: c.Method, Host: host(s.URL)}
		if c.TokenFile != "" {
			b, err := console.ReadFile(c.TokenFile, 64<<10)
			if err == nil {
				cache.Header, err = publish.PurgeHeader(string(b))
			}
			if err != nil {
				fail(fmt.Errorf("token %s: %w", c.TokenFile, err))
				continue
			}
		}
		caches = append(caches, cache)
	}
	if len(caches) > 0 {
		fail(publish.Purge(ctx, publish.PurgeOptions{Caches: caches}, rel.Names()))
	}
	if s.URL != "" {
		if err := p.await(ctx, s, client.BundleFile, rel.Bundle, ttl); err != nil {
			trouble = append(trouble, err)
		}
	}
	return trouble
}

// host is what readers ask for: caches keep the answers to each host apart, under whatever address they are purged.
func host(site string) string {
	u, err := url.Parse(site)
	if err != nil {
		return ""
	}
	return u.Host
}

// paths are the fixed names as a distribution knows them: behind the path of the public URL.
func (p *publisher) paths(s *site, rel *publish.Release) (out []string) {
	base := "/"
	if u, err := url.Parse(s.URL); err == nil && u.Path != "" {
		base = u.Path
	}
	for _, n := range rel.Names() {
		out = append(out, base+n)
	}
	return out
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
	if at := s.standing.Pointer; at != nil && at.SHA256 != manifest.SHA256(own.payload) && at.Serial >= own.manifest.Serial {
		if err := p.openSite(ctx, s); err != nil && (s.bundle != nil || s.standing.Void) {
			p.Warn("copy %s: %v; it is overwritten", s, err)
			s.standing.Void, s.anew = true, true
		}
	}
	switch there := s.standing.Serial(); {
	case s.standing.Void && (s.opened == nil || s.opened.Manifest.Serial <= own.manifest.Serial):
		err = p.feed(ctx, s, b)
	case there > own.manifest.Serial:
		return fmt.Errorf("it is at serial %d, ahead of the authority's %d: it is left alone; remove it if the authority is right", there, own.manifest.Serial)
	case there == own.manifest.Serial && s.damaged == nil:
		err = p.whole(ctx, s, own)
	default:
		err = p.feed(ctx, s, b)
	}
	if err != nil {
		return err
	}
	return p.clean(ctx, s)
}

// feed publishes the own copy at a copy of the site.
func (p *publisher) feed(ctx context.Context, s *site, own []byte) error {
	rel, err := p.pack(own)
	if err != nil {
		return err
	}
	if _, err := p.groundBefore(ctx, s, false); err != nil {
		return err
	}
	if err := publish.Foreign(ctx, s.store, s.standing); err != nil {
		return err
	}
	err = publish.Push(ctx, s.store, s.standing, *rel, p.readBack(ctx, s, rel.Serial))
	p.heedWarning(s)
	if err != nil {
		return err
	}
	return errors.Join(p.announce(ctx, s, rel)...)
}

// cleanEvery is how often old serials are removed from a bucket, where it costs requests.
const cleanEvery = 6 * time.Hour

// clean removes what is older than publish.keep.
func (p *publisher) clean(ctx context.Context, s *site) error {
	st, _, err := p.state.site()
	if err != nil {
		return err
	}
	last := st.CleanedAt[s.String()]
	if age := p.Now().Sub(last.Time); s.Dir == "" && age >= 0 && age < cleanEvery {
		return nil
	}
	if _, err := publish.Clean(ctx, s.store, s.standing, p.cfg.Keep, p.Now()); err != nil {
		return fmt.Errorf("remove old serials: %w", err)
	}
	if st.CleanedAt == nil {
		st.CleanedAt = map[string]strictjson.Time{}
	}
	st.CleanedAt[s.String()] = strictjson.At(p.Now())
	return p.state.save("site.json", st)
}

// heedWarning says, once, what was found out about the store.
func (p *publisher) heedWarning(s *site) {
	if w := s.standing.Warning(); w != "" {
		p.Warn("%s: %s", s, w)
	}
}
