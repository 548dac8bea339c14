package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"tidemark/config"
	"tidemark/internal/console"
	"tidemark/internal/strictjson"
	"tidemark/keys"
	"tidemark/sign"
)

// signPatience bounds one signature, and the opening of one key: an agent may ask somebody for a PIN or a touch, and under cron
// nobody is there.
const signPatience = 2 * time.Minute

// maxKeyFile bounds what is read of a key file or a certificate, in bytes.
const maxKeyFile = 1 << 20

// configuredKey is one key of the configuration.
type configuredKey struct {
	config.SigningKey
	kind keys.Kind
}

// configuredKeys are all of them in the order of the configuration: the first of a kind makes manifest.json.asc.
func (p *publisher) configuredKeys() (list []configuredKey) {
	for _, k := range p.cfg.Sign.OpenPGP {
		list = append(list, configuredKey{k, keys.OpenPGP})
	}
	for _, k := range p.cfg.Sign.Ed25519 {
		list = append(list, configuredKey{k, keys.Minisign})
	}
	return list
}

// openSigners opens every configured key that the trust lets sign now. The others are skipped with a warning: a key may be
// configured before the root holders have let it in, and stay after they have let it go. It is an error when what is left
// cannot make what clients accept, and when a key that may sign cannot be opened.
func (p *publisher) openSigners() error {
	if p.signers != nil {
		return nil
	}
	var open []sign.Signer
	var skipped []error
	for _, k := range p.configuredKeys() {
		s, err := p.openKey(k)
		if no := (*notAllowed)(nil); errors.As(err, &no) {
			skipped = append(skipped, err)
			continue
		}
		if err != nil {
			return err
		}
		open = append(open, s)
	}
	open = p.onceEach(open)
	if err := p.enough(keysOf(open), skipped); err != nil {
		return err
	}
	open, short := p.lasting(open)
	p.signers, skipped = open, append(skipped, short...)
	for _, err := range skipped {
		p.warnSkipped(err)
	}
	return nil
}

// onceEach keeps one signer of each key: the files of a rotation may hold one subkey each, and readers count the primary once. It
// is the first that does not end within the hour, else the first.
func (p *publisher) onceEach(open []sign.Signer) (list []sign.Signer) {
	for _, s := range open {
		at := slices.IndexFunc(list, func(o sign.Signer) bool { return o.Key().Kind == s.Key().Kind && o.Key().Key == s.Key().Key })
		switch {
		case at < 0:
			list = append(list, s)
		case p.short(list[at].Key()) && !p.short(s.Key()):
			list[at] = s
		}
	}
	return list
}

// short says that a key is about to end: a manifest that it signs would hardly live.
func (p *publisher) short(k keys.ManifestKey) bool {
	end := p.endOf(k)
	return end != nil && end.Sub(p.Now()) < leastLife
}

func keysOf(signers []sign.Signer) (list []keys.ManifestKey) {
	for _, s := range signers {
		list = append(list, s.Key())
	}
	return list
}

// lasting leaves out the keys that are about to end, as long as the rest suffices.
func (p *publisher) lasting(open []sign.Signer) (left []sign.Signer, short []error) {
	left = open
	for i := len(open) - 1; i >= 0; i-- { // from the end, so that what is left keeps its places
		k := open[i].Key()
		if !p.short(k) {
			continue
		}
		rest := slices.Delete(slices.Clone(left), i, i+1)
		if p.enough(keysOf(rest), nil) != nil {
			continue
		}
		left = rest
		short = append(short, fmt.Errorf("%s key %s ends at %s: less than an hour is left to sign for", k.Kind, k.Key, console.Clock(*p.endOf(k))))
	}
	return left, short
}

// openFirst opens the first configured key of a kind that the trust lets sign now, alone: others may cost much.
func (p *publisher) openFirst(kind keys.Kind) (sign.Signer, error) {
	var skipped []error
	for _, k := range p.configuredKeys() {
		if k.kind != kind {
			continue
		}
		s, err := p.openKey(k)
		if no := (*notAllowed)(nil); errors.As(err, &no) {
			skipped = append(skipped, err)
			continue
		}
		return s, err
	}
	return nil, p.refused(fmt.Errorf("%w: no %s key is left to sign with", errors.Join(skipped...), kind))
}

// warnSkipped says once a run that a key is not used; under --quiet, where cron mails every word, once a day: a rotation takes days.
// Status tells of it all the time.
func (p *publisher) warnSkipped(err error) {
	words := fmt.Sprintf("%v: it is skipped", err)
	if slices.Contains(p.skipped, words) {
		return
	}
	p.skipped = append(p.skipped, words)
	now := p.Now()
	st, known, err := p.state.site()
	told := func(at strictjson.Time) bool { age := now.Sub(at.Time); return age >= 0 && age < 24*time.Hour }
	if p.Quiet && err == nil && told(st.SkippedAt[words]) {
		return
	}
	p.Warn("%s", words)
	if err != nil || !known || p.readOnly() {
		return
	}
	maps.DeleteFunc(st.SkippedAt, func(_ string, at strictjson.Time) bool { return !told(at) })
	if st.SkippedAt == nil {
		st.SkippedAt = map[string]strictjson.Time{}
	}
	st.SkippedAt[words] = strictjson.At(now)
	if err := p.state.save("site.json", st); err != nil {
		p.Warn("%v", err)
	}
}

func (p *publisher) refused(err error) error {
	return console.Exit(console.Refused, err, "sign with a key of %s, or have the root holders sign a new trust version", p.cfg.Trust)
}

// enough refuses keys that cannot make together what clients accept.
func (p *publisher) enough(mine []keys.ManifestKey, skipped []error) error {
	role, holders, kinds := p.trust.Manifest, map[string]bool{}, map[keys.Kind]bool{}
	for _, k := range mine {
		if entry := entryOf(k.Kind, k.Key, p.trust); entry != nil {
			holders[entry.Holder], kinds[k.Kind] = true, true
		}
	}
	var lacks []string
	for _, kind := range role.Required {
		if !kinds[kind] {
			lacks = append(lacks, fmt.Sprintf("no %s key", kind))
		}
	}
	if len(holders) < role.Threshold {
		lacks = append(lacks, fmt.Sprintf("keys of %s where %d must sign", counted(len(holders), "holder"), role.Threshold))
	}
	if lacks == nil {
		return nil
	}
	var why []string
	for _, err := range skipped {
		why = append(why, err.Error())
	}
	why = append(why, fmt.Sprintf("what is left is too little for trust version %d: %s", p.trust.Version, strings.Join(lacks, ", ")))
	return p.refused(errors.New(strings.Join(why, "; ")))
}

// notAllowed is why the trust does not let a key sign now.
type notAllowed struct{ error }

// allowed reports why t does not let a key sign at now; the fingerprint is that of the very key, "" where it does not matter.
// An id may be that of an OpenPGP signing subkey.
func allowed(kind keys.Kind, id, fingerprint string, t *keys.Trust, now time.Time) error {
	have := entryOf(kind, id, t)
	if have == nil {
		return &notAllowed{fmt.Errorf("%s key %s is not in trust version %d of network %s", kind, id, t.Version, t.Network)}
	}
	begin, end := have.Begin(), have.End()
	switch {
	case fingerprint != "":
		begin, end = have.BeginOf(fingerprint), have.EndOf(fingerprint)
	case id != have.Key:
		begin, end = have.BeginOf(id), have.EndOf(id)
	}
	switch {
	case have.Revoked:
		return &notAllowed{fmt.Errorf("%s key %s is revoked by trust version %d", kind, id, t.Version)}
	case end != nil && !now.Before(*end):
		return &notAllowed{fmt.Errorf("%s key %s ended at %s by trust version %d", kind, id, console.Clock(*end), t.Version)}
	case begin != nil && begin.After(now.Add(keys.Skew)):
		return &notAllowed{fmt.Errorf("%s key %s can sign nothing before %s, by its certificate in trust version %d", kind, id, console.Clock(*begin), t.Version)}
	}
	return nil
}

// entryOf finds a key in the trust by its id, or by the fingerprint of a signing subkey.
func entryOf(kind keys.Kind, id string, t *keys.Trust) *keys.ManifestKey {
	for i, k := range t.Manifest.Keys {
		if k.Kind == kind && (k.Key == id || slices.Contains(k.Signing, id)) {
			return &t.Manifest.Keys[i]
		}
	}
	return nil
}

// mayNow are the fingerprints of the OpenPGP keys that the trust lets sign now.
func mayNow(t *keys.Trust, now time.Time) []string {
	list := []string{} // not nil, which would let any sign
	for _, k := range t.Manifest.Keys {
		for _, f := range k.Signing {
			if end := k.EndOf(f); !k.Revoked && (end == nil || now.Before(*end)) {
				list = append(list, f)
			}
		}
	}
	return list
}

// openKey opens one key; a *notAllowed is in the error's chain when the trust does not let it sign.
func (p *publisher) openKey(k configuredKey) (sign.Signer, error) {
	now := p.Now()
	id, err := k.identify()
	if err != nil {
		return nil, k.missing(err)
	}
	if id != "" {
		if err := allowed(k.kind, id, "", p.trust, now); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(p.Context.Context, signPatience)
	defer cancel()
	s, err := k.open(ctx, mayNow(p.trust, now), now)
	if errors.Is(err, sign.ErrNotAllowed) || errors.Is(err, sign.ErrOver) {
		return nil, &notAllowed{fmt.Errorf("signing key %s: %w", k, err)}
	}
	if err != nil {
		return nil, console.Hinted(fmt.Errorf("signing key %s: %w", k, err), "%s", k.hint())
	}
	if err := allowed(k.kind, s.Key().Key, firstOf(s.Key().Signing), p.trust, now); err != nil {
		return nil, err
	}
	return placed(s, k), nil
}

func firstOf(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

// keysThere finds out at every run, not first when there is something to sign, that a key cannot be read, that its agent is away,
// or that the trust does not let enough of them sign. Decrypting, and asking agents and services, are left to the signing: they
// may cost a second, a gigabyte or money.
func (p *publisher) keysThere() error {
	var left []keys.ManifestKey
	var skipped []error
	unknown := false
	for _, k := range p.configuredKeys() {
		id, err := k.identify()
		if err != nil {
			return k.missing(err)
		}
		if id == "" { // not known before it is opened
			unknown = true
			continue
		}
		if err := allowed(k.kind, id, "", p.trust, p.Now()); err != nil {
			skipped = append(skipped, err)
			continue
		}
		if err := k.there(); err != nil {
			return k.missing(err)
		}
		left = append(left, keys.ManifestKey{Kind: k.kind, Key: id})
	}
	if err := p.enough(left, skipped); err != nil && !unknown {
		return err
	}
	for _, err := range skipped {
		p.warnSkipped(err)
	}
	return nil
}
