package main

import (
	"context"
	"fmt"
	"time"

	"tidemark/client"
	"tidemark/internal/console"
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
func (p *publisher) complete(ctx context.Context, m *manifest.Manifest, prev *predecessor, serial int64) error {
	now := strictjson.At(p.Now())
	if prev != nil {
		if now.Equal(prev.manifest.Issued.Time) { // two runs in one second: the later one is issued in the next
			if err := sleep(ctx, now.Add(time.Second).Sub(p.Now())); err != nil {
				return err
			}
			now = strictjson.At(p.Now())
		}
		ahead := !now.After(prev.manifest.Issued.Time)
		if ahead && !p.Bool("bootstrap") { // no reader believes a document from the future, so a new beginning hurts nobody
			return console.Exit(console.Refused, fmt.Errorf("the clock says %s, but serial %d was issued at %s", console.Clock(now.Time), prev.manifest.Serial, console.Clock(prev.manifest.Issued.Time)),
				aheadHint)
		}
		m.Previous = manifest.SHA256(prev.payload)
	}
	expires, limit := p.expires(now.Time)
	if expires.Sub(now.Time) < leastLife {
		return console.Exit(console.Refused, fmt.Errorf("%s ends at %s: less than an hour is left to sign for", limit, console.Clock(expires)), "renew it first: see `tidemark keys list`")
	}
	m.Serial, m.Issued, m.Expires, m.TrustVersion = serial, now, strictjson.At(expires), p.trust.Version
	return nil
}

// mayLive refuses a document that would outlive its keys or the trust, or has hardly any life left (DESIGN 4.2).
func (p *publisher) mayLive(m *manifest.Manifest) error {
	if end, limit := p.expires(m.Issued.Time); m.Expires.After(end) {
		return console.Exit(console.Refused, fmt.Errorf("serial %d expires at %s, but %s ends at %s", m.Serial, console.Clock(m.Expires.Time), limit, console.Clock(end)), "build it again: tidemark build --readings FILE -o DIR")
	}
	if left := m.Expires.Sub(p.Now()); left < leastLife {
		return console.Exit(console.Refused, fmt.Errorf("serial %d expires at %s: less than an hour is left to sign for", m.Serial, console.Clock(m.Expires.Time)), "build it again: tidemark build --readings FILE -o DIR")
	}
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
		if k := s.Key(); p.endOf(k) != nil {
			earlier(*p.endOf(k), fmt.Sprintf("%s key %s", k.Kind, k.Key))
		}
	}
	return end, limit
}

// endOf is when what k signs counts no more: by itself, or by the trust's certificate, by which readers judge. nil: never.
func (p *publisher) endOf(k keys.ManifestKey) (end *time.Time) {
	if k.NotAfter != nil {
		end = &k.NotAfter.Time
	}
	for _, t := range p.trust.Manifest.Keys {
		if t.Kind != k.Kind || t.Key != k.Key {
			continue
		}
		for _, f := range append([]string{""}, k.Signing...) {
			end = keys.Earliest(end, t.EndOf(f))
		}
	}
	return end
}

// signAll signs payload with every key and packs all forms of the document, then opens it as a client would: what clients
// would refuse is never published.
func (p *publisher) signAll(ctx context.Context, payload []byte) (*publish.Release, error) {
	m, err := manifest.Parse(payload)
	if err != nil {
		return nil, fmt.Errorf("manifest to sign: %w", err)
	}
	if err := p.mayLive(m); err != nil {
		return nil, err
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
	o, _, err := client.Open(bundle, client.Options{Network: p.cfg.Network, Trust: p.trust, Now: p.Now()})
	if err != nil {
		return nil, fmt.Errorf("clients would refuse this manifest: %w", err)
	}
	files := o.Files() // made of accepted signatures only
	if files[client.InlineFile], err = p.inline(bundle, o.Payload); err != nil {
		return nil, err
	}
	ground, err := p.ground()
	if err != nil {
		return nil, err
	}
	return &publish.Release{Serial: o.Manifest.Serial, SHA256: manifest.SHA256(o.Payload), Bundle: bundle, Files: files,
		Ground: ground, Genuine: p.genuineStep, Expires: o.Manifest.Expires.Time}, nil
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
		if _, err := sign.OpenInline(msg, p.trust.Manifest, p.Now()); err != nil {
			return nil, fmt.Errorf("readers would refuse %s: %w", client.InlineFile, err)
		}
		return msg, nil
	}
	return nil, fmt.Errorf("no OpenPGP signature to make %s of", client.InlineFile)
}

// chain is every trust version that this publisher ever worked with, kept in the state: a site that is laid anew has them all.
func (p *publisher) chain() (objects []publish.Object) {
	for _, s := range p.versions() {
		objects = append(objects, publish.NewObject(trustName(s.Version), s.envelope))
	}
	return objects
}

// ground is what lies below every release: the trust chain, the public keys, the schemas.
func (p *publisher) ground() ([]publish.Object, error) {
	objects := append(p.chain(), publish.NewObject("trust.json", p.envelope))
	exported, err := keys.Export(p.trust, p.Now(), p.earlier()...)
	if err != nil {
		return nil, fmt.Errorf("export public keys: %w", err)
	}
	for _, name := range sortedKeys(exported) {
		objects = append(objects, publish.NewObject("keys/"+name, exported[name]))
	}
	directory, err := keys.WKD(p.trust, p.Now())
	if err != nil {
		return nil, fmt.Errorf("export public keys: %w", err)
	}
	for _, name := range sortedKeys(directory) {
		objects = append(objects, publish.NewObject(name, directory[name]))
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
