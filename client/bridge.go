package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"tidemark/keys"
	"tidemark/sign"
)

// A document that was pinned by hand may be newer than what was held, and leave out a version with reset_serial, without
// which the serials of today look like a rollback. So the pinned document is kept as well, once a manifest was accepted by it
// or by what follows: the next pinned one can then be reached from it, by the versions between, each verified as ever.

// keepPinned keeps the pinned document among the steps. The lock is held.
func (l *look) keepPinned() error {
	c, err := openPinned(l.LookOptions)
	if err != nil {
		return err
	}
	name := stepFile(c.trust.Version)
	before, err := l.store.read(name, sign.MaxTrustFile)
	if err != nil || bytes.Equal(before, l.Trust) {
		return err
	}
	return l.store.write(name, l.Trust)
}

// bridge reports whether the versions between what was held and a document pinned since start the serials anew, and obeys
// that, once. Where they are not to be had, or do not lead to the pinned document, all stays as it is.
func (l *look) bridge(ctx context.Context) bool {
	c, err := l.between(ctx)
	if err != nil || c.reset == 0 {
		return false
	}
	done, err := l.obey(ctx, c)
	return err == nil && done
}

var errNoBridge = errors.New("the pinned trust document is the one that was held")

// between is the chain from the newest document kept below the pinned one, left out, up to the pinned one.
func (l *look) between(ctx context.Context) (chain, error) {
	pinned, err := openPinned(l.LookOptions)
	if err != nil {
		return chain{}, err
	}
	to := pinned.trust.Version
	if b, err := l.store.read(stepFile(to), sign.MaxTrustFile); err != nil || bytes.Equal(b, l.Trust) {
		return chain{}, errors.Join(errNoBridge, err)
	}
	held, err := l.keptBelow(to)
	if err != nil {
		return chain{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, walkLimit)
	defer cancel()
	c := chain{trust: held}
	for c.trust.Version < to {
		b := l.Trust
		if c.trust.Version+1 < to {
			if b, err = l.Origin.Fetch(ctx, fmt.Sprintf("trust/%d.json", c.trust.Version+1), sign.MaxTrustFile); err != nil {
				return chain{}, err
			}
		}
		next, err := sign.NextTrust(c.trust, b)
		if err != nil {
			return chain{}, err
		}
		if err := c.step(next, b); err != nil {
			return chain{}, err
		}
	}
	return c, nil
}

// keptBelow is the newest document kept, of the last maxSteps below a version.
func (l *look) keptBelow(version int64) (*keys.Trust, error) {
	for v := version - 1; v >= 1 && version-v <= maxSteps; v-- {
		b, err := l.store.read(stepFile(v), sign.MaxTrustFile)
		if err != nil {
			return nil, err
		}
		if b == nil {
			continue
		}
		return sign.OpenTrust(b)
	}
	return nil, errNoBridge
}

// obey starts the serials anew by the resets of c, unless that was done; the kept bundle goes first, as ever, and what was
// seen of beacons with it.
func (l *look) obey(ctx context.Context, c chain) (bool, error) {
	unlock, err := l.store.lock(ctx)
	if err != nil {
		return false, err
	}
	defer unlock()
	if err := l.reload(); err != nil {
		return false, err
	}
	if l.seen == nil || l.seen.obeyed(c) {
		return false, nil
	}
	if err := errors.Join(l.store.remove(BundleFile), l.store.remove(beaconFile)); err != nil {
		return false, err
	}
	reset := l.seen.resetBy(c)
	if err := l.store.saveSeen(reset); err != nil {
		return false, err
	}
	l.seen = &reset
	return true, nil
}
