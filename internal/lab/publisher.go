package lab

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"tidemark/internal/strictjson"
	"tidemark/keys"
	"tidemark/manifest"
	"tidemark/schema"
	"tidemark/sign"
)

// testKeys are the keys of every lab publisher: fixed, since it takes seconds to make an RSA key.
//
//go:embed testdata/test-only-*
var testKeys embed.FS

// Publisher signs and lays a site, without the publisher's program and its rules: any document that a test hands in, at
// any time.
//
//	p, err := lab.NewPublisher(dir, "centos", now)
//	m, err := network.Manifest(ctx, now)                   // or one made by hand
//	err = p.Publish(m)                                     // numbered, dated, signed, laid below p.Site
//	lab.StartSite(ctx, dir, p.Site, lab.WebOptions{})      // and p.TrustFile is what a mirror pins
type Publisher struct {
	Network   string
	Site      string      // the directory that is published
	TrustFile string      // trust.json as it is now: a mirror that starts today pins it
	Trust     *keys.Trust // the newest version
	Validity  time.Duration

	Signers []sign.Signer // OpenPGP, minisign: who signs manifests
	Roots   []sign.Signer // who signs trust documents

	OpenPGPKey  string // files of the private keys, for programs that sign
	MinisignKey string

	dir    string
	now    time.Time
	serial int64
	last   string             // SHA-256 of the last manifest
	m      *manifest.Manifest // published last
}

// NewPublisher makes keys, trust version 1 and an empty site below dir. now is the time of the first publication.
func NewPublisher(dir, network string, now time.Time) (*Publisher, error) {
	p := &Publisher{Network: network, dir: dir, Site: filepath.Join(dir, "site"), TrustFile: filepath.Join(dir, "trust.json"), Validity: 24 * time.Hour,
		OpenPGPKey: filepath.Join(dir, "keys", "openpgp.asc"), MinisignKey: filepath.Join(dir, "keys", "ed25519.key"), now: now}
	for _, d := range []string{"site", "keys"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return nil, fmt.Errorf("making a lab publisher: %w", err)
		}
	}
	if err := p.readKeys(); err != nil {
		return nil, fmt.Errorf("making a lab publisher: %w", err)
	}
	first := strictjson.At(now.Add(-time.Hour))
	p.Trust = &keys.Trust{Schema: keys.TrustSchema, Network: network, Issued: first, Expires: strictjson.At(now.Add(300 * 24 * time.Hour)),
		Manifest: keys.ManifestRole{Threshold: 1, Required: []keys.Kind{keys.OpenPGP, keys.Minisign}}}
	for _, s := range p.Signers {
		k := s.Key()
		k.Holder = "publisher"
		p.Trust.Manifest.Keys = append(p.Trust.Manifest.Keys, k)
	}
	root := p.Roots[0].Key()
	p.Trust.Root = keys.RootRole{Threshold: 1, Keys: []keys.RootKey{{Holder: "root-1", Key: root.Key, Public: root.Public}}}
	return p, p.NextTrust(nil)
}

func (p *Publisher) readKeys() error {
	pgp, err := testKeys.ReadFile("testdata/test-only-openpgp.asc")
	if err != nil {
		return err
	}
	s, err := sign.OpenPGPFile(pgp, nil, nil, p.now)
	if err != nil {
		return err
	}
	p.Signers = append(p.Signers, s)
	mini, err := testKeys.ReadFile("testdata/test-only-minisign-1.key")
	if err != nil {
		return err
	}
	if s, err = TestMinisign(1); err != nil {
		return err
	}
	p.Signers = append(p.Signers, s)
	if s, err = TestMinisign(3); err != nil {
		return err
	}
	p.Roots = append(p.Roots, s)
	return errors.Join(os.WriteFile(p.OpenPGPKey, pgp, 0o600), os.WriteFile(p.MinisignKey, mini, 0o600))
}

// TestMinisign is one of four minisign keys, numbered from 1: publishers sign manifests with the first and trust documents
// with the third; the others are strangers until a trust document names them.
func TestMinisign(n int) (sign.Signer, error) {
	secret, err := testKeys.ReadFile(fmt.Sprintf("testdata/test-only-minisign-%d.key", n))
	if err != nil {
		return nil, err
	}
	return sign.MinisignFile(secret, nil)
}

// NextTrust publishes the next version of the trust document, changed, signed by the roots of before and of now.
func (p *Publisher) NextTrust(change func(*keys.Trust)) error {
	next := *p.Trust
	next.Version++
	next.Manifest.Keys = append([]keys.ManifestKey(nil), next.Manifest.Keys...)
	next.Root.Keys = append([]keys.RootKey(nil), next.Root.Keys...)
	if change != nil {
		change(&next)
	}
	payload, err := next.Encode()
	if err != nil {
		return fmt.Errorf("lab publisher: %w", err)
	}
	env, err := p.envelope(payload, p.Roots, sign.Request{Payload: payload, Comment: fmt.Sprintf("trust %s version=%d", p.Network, next.Version), Issued: next.Issued.Time})
	if err != nil {
		return err
	}
	p.Trust = &next
	exported, err := keys.Export(p.Trust, p.now)
	if err != nil {
		return fmt.Errorf("lab publisher: %w", err)
	}
	files := map[string][]byte{"trust.json": env, fmt.Sprintf("trust/%d.json", next.Version): env}
	for name, b := range exported {
		files["keys/"+name] = b
	}
	for _, name := range schema.Names() {
		if files["schema/"+name], err = schema.Get(name); err != nil {
			return err
		}
	}
	for name, b := range files {
		if err := p.Lay(name, b); err != nil {
			return err
		}
	}
	return os.WriteFile(p.TrustFile, env, 0o644)
}

// Publish signs m and lays it. What is zero is filled in: schema, network, serial (the next one), times (from At),
// trust version, predecessor, policy.
func (p *Publisher) Publish(m *manifest.Manifest) error {
	p.fill(m)
	payload, err := manifest.Encode(m)
	if err != nil {
		return fmt.Errorf("lab publisher: %w", err)
	}
	bundle, err := p.Sign(payload, m)
	if err != nil {
		return err
	}
	p.m = m
	return p.LayBundle(m.Serial, bundle)
}

// Beacon is the signed TXT record of what was published last.
func (p *Publisher) Beacon(ctx context.Context) (string, error) {
	s := p.Signers[1]
	b := manifest.BeaconOf(p.m, s.Key().Key)
	var err error
	if b.Signature, err = s.(sign.RawSigner).SignRaw(ctx, []byte(b.Signed())); err != nil {
		return "", fmt.Errorf("lab publisher: the beacon: %w", err)
	}
	return b.Text(), nil
}

// At sets the time of the next publications.
func (p *Publisher) At(now time.Time) { p.now = now }

func (p *Publisher) fill(m *manifest.Manifest) {
	if m.Schema == "" {
		m.Schema = manifest.Schema
	}
	if m.Network == "" {
		m.Network = p.Network
	}
	if m.Serial == 0 {
		m.Serial = p.serial + 1
	}
	if m.Issued.IsZero() {
		m.Issued = strictjson.At(p.now)
	}
	if m.Expires.IsZero() {
		m.Expires = strictjson.At(m.Issued.Add(p.Validity))
	}
	if m.TrustVersion == 0 {
		m.TrustVersion = p.Trust.Version
	}
	if m.Previous == "" {
		m.Previous = p.last
	}
	if m.Policy.CheckInterval == 0 {
		m.Policy = Policy()
	}
}

// Sign makes the bundle of any bytes, with the comment and the times of m.
func (p *Publisher) Sign(payload []byte, m *manifest.Manifest) (bundle []byte, err error) {
	return p.envelope(payload, p.Signers, sign.Request{Payload: payload, Comment: m.Comment(payload), Issued: m.Issued.Time, Expires: m.Expires.Time})
}

func (p *Publisher) envelope(payload []byte, signers []sign.Signer, r sign.Request) ([]byte, error) {
	env := sign.Envelope{Payload: payload}
	for _, s := range signers {
		sig, err := s.Sign(context.Background(), r)
		if err != nil {
			return nil, fmt.Errorf("lab publisher: %w", err)
		}
		env.Signatures = append(env.Signatures, sig)
	}
	return env.Encode()
}

// LayBundle publishes a bundle as it is, in all forms: nothing is verified.
func (p *Publisher) LayBundle(serial int64, bundle []byte) error {
	files, err := sign.Unpack(bundle, "manifest.json")
	if err != nil {
		return fmt.Errorf("lab publisher: %w", err)
	}
	payload := files["manifest.json"]
	env, err := sign.ParseEnvelope(bundle, sign.MaxBundle)
	if err != nil {
		return fmt.Errorf("lab publisher: %w", err)
	}
	for _, s := range env.Signatures {
		if s.Kind == keys.OpenPGP && files["manifest.json.gpg"] == nil {
			if files["manifest.json.gpg"], err = sign.Inline(payload, s); err != nil {
				return fmt.Errorf("lab publisher: %w", err)
			}
		}
	}
	files["manifest.bundle.json"] = bundle
	at := manifest.SerialPath(serial)
	pointer, err := manifest.PointTo(serial, manifest.SHA256(payload)).Encode()
	if err != nil {
		return fmt.Errorf("lab publisher: %w", err)
	}
	for name, b := range files {
		if err := errors.Join(p.Lay(at+name, b), p.Lay(name, b)); err != nil {
			return err
		}
	}
	p.serial, p.last = serial, manifest.SHA256(payload)
	return errors.Join(p.Lay(manifest.PointerFile, pointer), p.Lay("latest.txt", []byte(at+"\n")))
}

// Lay puts one file of the site, by renaming. Its mtime always moves: a web server's ETag is often made of mtime, in
// seconds, and size, and two publications may come within one second.
func (p *Publisher) Lay(name string, b []byte) error {
	file := filepath.Join(p.Site, filepath.FromSlash(name))
	at := p.now.Unix()
	if info, err := os.Stat(file); err == nil {
		at = max(at, info.ModTime().Unix()+1)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("lab publisher: %w", err)
	}
	return replace(file, b, at)
}
