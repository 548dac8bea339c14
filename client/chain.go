package client

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"tidemark/keys"
	"tidemark/manifest"
	"tidemark/sign"
)

const (
	maxSteps  = 1000 // of the trust chain, in one walk
	walkLimit = 10 * time.Minute
)

// chain is the newest trust document that follows from the pinned one by the steps kept, each verified again: a pinned
// one that was replaced, by a newer one or by that of another chain, is obeyed at once.
type chain struct {
	trust  *keys.Trust
	sum    string   // the SHA-256 of its payload
	reset  int64    // the newest version on the way, the pinned one included, with reset_serial; 0: none
	resets []string // the SHA-256 of the payloads of all such, oldest first
}

// step goes on to t, which was opened from the file b.
func (c *chain) step(t *keys.Trust, b []byte) error {
	e, err := sign.ParseEnvelope(b, sign.MaxTrustFile)
	if err != nil {
		return err
	}
	c.trust, c.sum = t, manifest.SHA256(e.Payload)
	if t.ResetSerial {
		c.reset, c.resets = t.Version, append(slices.Clip(c.resets), c.sum)
	}
	return nil
}

func openPinned(o LookOptions) (chain, error) {
	var c chain
	pinned, err := sign.OpenTrust(o.Trust)
	if err != nil {
		return c, &PinRefused{File: o.Pinned, Err: err}
	}
	if pinned.Network != o.Network {
		return c, refused(WrongNetwork, "the pinned trust document is of network %q, expected %q", pinned.Network, o.Network)
	}
	return c, c.step(pinned, o.Trust)
}

// grow reads the steps that are kept beyond c: all of them, since a reader that stopped on the way would obey keys that were
// revoked later on. The notice is for a step that does not follow; it is set aside, and the chain walked again from there.
func (c chain) grow(s *store) (chain, *Notice, error) {
	for {
		name := stepFile(c.trust.Version + 1)
		b, err := s.read(name, sign.MaxTrustFile)
		if b == nil || err != nil {
			return c, nil, err
		}
		next, err := sign.NextTrust(c.trust, b)
		if err != nil {
			n := &Notice{Kind: NoteDamaged, Text: fmt.Sprintf("%s/%s does not follow version %d of the trust document (%v); it was set aside", s.dir, name, c.trust.Version, err)}
			return c, n, s.setAside(name)
		}
		if err := c.step(next, b); err != nil {
			return c, nil, err
		}
	}
}

// walk fetches the steps that follow the newest version held, one at a time, until one is not there. Each is stored
// before it is used. What was accepted stays so, whatever ends the walk.
func (l *look) walk(ctx context.Context) ([]*keys.Trust, error) {
	ctx, cancel := context.WithTimeout(ctx, walkLimit)
	defer cancel()
	var accepted []*keys.Trust
	for range maxSteps {
		old := l.chain.trust
		name := fmt.Sprintf("trust/%d.json", old.Version+1)
		b, err := l.Origin.Fetch(ctx, name, sign.MaxTrustFile)
		if errors.Is(err, fs.ErrNotExist) {
			return accepted, nil
		}
		if err != nil {
			return accepted, fmt.Errorf("fetch the next trust document: %w", err)
		}
		next, err := sign.NextTrust(old, b)
		if err != nil {
			return accepted, &Refused{What: name, Reason: Signature, Detail: l.otherChain(ctx), Err: err}
		}
		if err := l.accept(ctx, next, b); err != nil {
			return accepted, err
		}
		accepted = append(accepted, next)
	}
	return accepted, fmt.Errorf("the trust chain goes on after %d steps, at version %d", maxSteps, l.chain.trust.Version)
}

// otherChain says, of a site whose next step was refused, that its copy of the version held is another document: where the
// root holders, or thieves of their keys, signed two of one version, the one that was seen first stays. "": it is not so.
func (l *look) otherChain(ctx context.Context) string {
	name := fmt.Sprintf("trust/%d.json", l.chain.trust.Version)
	b, err := l.Origin.Fetch(ctx, name, sign.MaxTrustFile)
	if err != nil {
		return ""
	}
	e, err := sign.ParseEnvelope(b, sign.MaxTrustFile)
	if err != nil || manifest.SHA256(e.Payload) == l.chain.sum {
		return ""
	}
	return fmt.Sprintf("the site goes by another chain: its %s is not the version %d that is held here, which stays", name, l.chain.trust.Version)
}

// accept stores a step, and obeys its reset_serial. Another process may have gone further meanwhile: the newest counts.
func (l *look) accept(ctx context.Context, next *keys.Trust, b []byte) error {
	unlock, err := l.store.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if err := l.reload(); err != nil {
		return err
	}
	if l.chain.trust.Version >= next.Version {
		return nil
	}
	if err := l.store.write(stepFile(next.Version), b); err != nil {
		return err
	}
	return l.reload()
}

// reload reads the newest trust held and what was seen, and obeys a reset_serial that was not obeyed yet: the step is
// stored first, so a run killed in between is made good by the next one. The lock is held.
func (l *look) reload() error {
	c, n, err := l.chain.grow(l.store)
	if err != nil {
		return err
	}
	l.note(n)
	l.broken = l.broken || n != nil
	seen, err := LoadSeen(l.store.dir)
	if err != nil {
		return err
	}
	if seen != nil && !seen.obeyed(c) {
		// The kept bundle goes first: should it come into force again, its serial would be remembered again.
		if err := l.store.remove(BundleFile); err != nil {
			return err
		}
		reset := seen.resetBy(c)
		seen = &reset
		if err := l.store.saveSeen(reset); err != nil {
			return err
		}
	}
	l.chain, l.seen = c, seen
	return nil
}

// UpdateTrust walks the trust chain from the newest version held, and keeps what it finds. It returns the versions that
// were accepted, oldest first, also beside an error: a step that was refused or could not be had, or a newest version
// that has expired.
func UpdateTrust(ctx context.Context, o LookOptions) ([]*keys.Trust, error) {
	l, err := begin(ctx, o, false)
	if err != nil {
		return nil, err
	}
	accepted, err := l.walk(ctx)
	if err != nil {
		return accepted, err
	}
	if err := l.remember(ctx, func(m *memory) { m.TrustChecked = l.stamp() }); err != nil {
		return accepted, err
	}
	t := l.chain.trust
	if l.now.After(t.Expires.Add(sign.Skew)) {
		return accepted, &Refused{What: "trust.json", Reason: TrustExpired, Detail: fmt.Sprintf("version %d, the newest that is to be had, ended at %s", t.Version, stamp(t.Expires.Time))}
	}
	return accepted, nil
}
