package main

import (
	"context"
	"fmt"
	"time"

	"tidemark/client"
	"tidemark/internal/strictjson"
	"tidemark/keys"
	"tidemark/manifest"
	"tidemark/publish"
	"tidemark/schema"
	"tidemark/sign"
)

// leastLife is how long a signature must live at least: a shorter one would expire in the hands of its readers (DESIGN 4.2).
const leastLife = time.Hour

// complete fills in what a decision leaves open: serial, times, trust version, predecessor.
func (p *publisher) complete(ctx context.Context, m *manifest.Manifest, prev *client.Opened, serial int64) error {
	now := strictjson.At(p.now())
	if prev != nil {
		if now.Equal(prev.Manifest.Issued.Time) { // two runs in one second: the later one is issued in the next
			if err := sleep(ctx, now.Add(time.Second).Sub(p.now())); err != nil {
				return err
			}
			now = strictjson.At(p.now())
		}
		if !now.After(prev.Manifest.Issued.Time) {
			return exit(exitRefused, fmt.Errorf("the clock says %s, but serial %d was issued at %s", clock(now.Time), prev.Manifest.Serial, clock(prev.Manifest.Issued.Time)),
				"set the clock right (timedatectl), then run again; nothing was published")
		}
		m.Previous = manifest.SHA256(prev.Payload)
	}
	expires, limit := p.expires(now.Time)
	if expires.Sub(now.Time) < leastLife {
		return exit(exitRefused, fmt.Errorf("%s ends at %s: less than an hour is left to sign for", limit, clock(expires)), "renew it first: see `tidemark keys list`")
	}
	m.Serial, m.Issued, m.Expires, m.TrustVersion = serial, now, strictjson.At(expires), p.trust.Version
	return nil
}

// expires is the earliest of issued + validity, the signing keys' ends and the trust's; limit names which.
func (p *publisher) expires(issued time.Time) (end time.Time, limit string) {
	end, limit = issued.Add(p.cfg.Validity), "validity"
	earlier := func(t time.Time, what string) {
		if t.Before(end) {
			end, limit = t, what
		}
	}
	earlier(p.trust.Expires.Time, fmt.Sprintf("trust version %d", p.trust.Version))
	for _, s := range p.signers {
		k := s.Key()
		name := fmt.Sprintf("%s key %s", k.Kind, k.Key)
		if k.NotAfter != nil {
			earlier(k.NotAfter.Time, name)
		}
		for _, t := range p.trust.Manifest.Keys {
			if t.Kind == k.Kind && t.Key == k.Key && t.NotAfter != nil {
				earlier(t.NotAfter.Time, name)
			}
		}
	}
	return end, limit
}

// signAll signs payload with every key and packs all forms of the document, then opens it as a client would: what clients
// would refuse is never published.
func (p *publisher) signAll(ctx context.Context, payload []byte) (*publish.Release, error) {
	m, err := manifest.Parse(payload)
	if err != nil {
		return nil, fmt.Errorf("manifest to sign: %w", err)
	}
	req := sign.Request{Payload: payload, Comment: m.Comment(payload), Issued: m.Issued.Time, Expires: m.Expires.Time}
	var sigs []sign.Signature
	for _, s := range p.signers {
		sig, err := s.Sign(ctx, req)
		if err != nil {
			return nil, fmt.Errorf("sign with %s key %s: %w", s.Key().Kind, s.Key().Key, err)
		}
		sigs = append(sigs, sig)
	}
	bundle, err := client.Pack(payload, sigs)
	if err != nil {
		return nil, err
	}
	return p.pack(bundle)
}

// pack makes a release of a bundle, after the last check.
func (p *publisher) pack(bundle []byte) (*publish.Release, error) {
	o, _, err := client.Open(bundle, client.Options{Network: p.cfg.Network, Trust: p.trust, Now: p.now()})
	if err != nil {
		return nil, fmt.Errorf("clients would refuse this manifest: %w", err)
	}
	files, err := client.Unpack(bundle)
	if err != nil {
		return nil, err
	}
	if files[client.InlineFile], err = p.inline(bundle, o.Payload); err != nil {
		return nil, err
	}
	ground, err := ground(p.envelope, p.trust, p.now())
	if err != nil {
		return nil, err
	}
	return &publish.Release{Serial: o.Manifest.Serial, SHA256: manifest.SHA256(o.Payload), Bundle: bundle, Files: files,
		Ground: ground, Expires: o.Manifest.Expires.Time}, nil
}

// inline makes manifest.json.gpg of the bundle's first OpenPGP signature, and reads it back.
func (p *publisher) inline(bundle, payload []byte) ([]byte, error) {
	env, err := sign.ParseEnvelope(bundle, sign.MaxBundle)
	if err != nil {
		return nil, err
	}
	for _, sig := range env.Signatures {
		if sig.Kind != keys.OpenPGP {
			continue
		}
		msg, err := sign.Inline(payload, sig)
		if err != nil {
			return nil, err
		}
		if _, err := sign.OpenInline(msg, p.trust.Manifest, p.now()); err != nil {
			return nil, fmt.Errorf("readers would refuse %s: %w", client.InlineFile, err)
		}
		return msg, nil
	}
	return nil, fmt.Errorf("no OpenPGP signature to make %s of", client.InlineFile)
}

// ground is what lies below every release: the trust chain's newest step, the public keys, the schemas.
func ground(envelope []byte, t *keys.Trust, now time.Time) ([]publish.Object, error) {
	objects := []publish.Object{
		publish.NewObject(fmt.Sprintf("trust/%d.json", t.Version), envelope),
		publish.NewObject("trust.json", envelope),
	}
	exported, err := keys.Export(t, now)
	if err != nil {
		return nil, fmt.Errorf("export public keys: %w", err)
	}
	for _, name := range sortedKeys(exported) {
		objects = append(objects, publish.NewObject("keys/"+name, exported[name]))
	}
	for _, name := range schema.Names() {
		b, err := schema.Get(name)
		if err != nil {
			return nil, err
		}
		objects = append(objects, publish.NewObject("schema/"+name, b))
	}
	return objects, nil
}
