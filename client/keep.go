package client

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"tidemark/internal/strictjson"
	"tidemark/manifest"
	"tidemark/sign"
)

const (
	maxForks = 20 // documents of forks that are kept
	forkGlob = "fork-*.bundle.json"
)

func (l *look) options() Options {
	return Options{Network: l.Network, Trust: l.chain.trust, Seen: l.seen, Now: l.now}
}

// judge opens what was fetched by the newest trust and by what was seen up to this moment, and keeps it. So however many
// processes look at once, what was seen never goes back.
func (l *look) judge(ctx context.Context, f fetched) (*Opened, error) {
	opened, err := l.judgeLocked(ctx, f)
	if r := (*Refused)(nil); err != nil && !errors.As(err, &r) {
		l.stuck = true
	}
	return opened, err
}

func (l *look) judgeLocked(ctx context.Context, f fetched) (*Opened, error) {
	unlock, err := l.store.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := l.reload(); err != nil {
		return nil, err
	}
	opened, next, err := Open(f.body, l.options())
	if err == nil {
		if err := l.keep(opened, next, f.validator); err != nil {
			return nil, err
		}
		return opened, nil
	}
	var r *Refused
	if !errors.As(err, &r) {
		return nil, err
	}
	if r.Reason == Expired {
		r = l.older(r, f.body)
	}
	if r.Reason == Fork && (l.walked || !r.unsettled) {
		return nil, l.keepFork(r, f.body)
	}
	return nil, r
}

// keep stores the bundle, then what was seen, then the validator: killed in between, the kept bundle is one that what
// was seen lets in, and a validator is never beside another bundle than its own. Nothing has acted on it before.
func (l *look) keep(o *Opened, next Seen, v Validator) error {
	before, err := l.store.read(BundleFile, sign.MaxBundle)
	if err != nil {
		return err
	}
	if !bytes.Equal(before, o.Bundle) {
		if err := l.store.write(BundleFile, o.Bundle); err != nil {
			return err
		}
	}
	if err := l.saw(next); err != nil {
		return err
	}
	if err := l.keepPinned(); err != nil {
		return err
	}
	return l.store.change(func(m *memory) {
		m.Validator, m.Bundle = v, manifest.SHA256(o.Bundle)
		m.OlderSince = strictjson.Time{}
	})
}

func (l *look) saw(next Seen) error {
	if l.seen != nil {
		next.Reset, next.ResetBy = l.seen.Reset, l.seen.ResetBy
	}
	next = next.obeying(l.chain)
	if l.seen != nil && l.seen.same(next) {
		return nil
	}
	l.seen = &next
	return l.store.saveSeen(next)
}

// older tells an expired document that is also older than one seen, which is an edge that lags or a rollback, or a fork.
func (l *look) older(expired *Refused, bundle []byte) *Refused {
	o := l.options()
	o.AnyAge = true
	_, _, err := Open(bundle, o)
	if r := (*Refused)(nil); errors.As(err, &r) && (r.Reason == Rollback || r.Reason == Fork) {
		return r
	}
	return expired
}

// keepFork keeps both documents of a fork, for the operator, and says where.
func (l *look) keepFork(r *Refused, bundle []byte) error {
	var where []string
	put := func(b []byte, payload []byte) error {
		path := filepath.Join(l.store.dir, forkFile(l.seen.Serial, manifest.SHA256(payload)))
		if _, err := os.Lstat(path); err != nil {
			if there, _ := filepath.Glob(filepath.Join(l.store.dir, forkGlob)); len(there) >= maxForks {
				return nil
			}
			if err := l.store.write(filepath.Base(path), b); err != nil {
				return err
			}
		}
		where = append(where, path)
		return nil
	}
	kept, err := l.store.read(BundleFile, sign.MaxBundle)
	if err != nil {
		return err
	}
	if e, err := sign.ParseEnvelope(kept, sign.MaxBundle); err == nil && manifest.SHA256(e.Payload) == l.seen.SHA256 {
		if err := put(kept, e.Payload); err != nil {
			return errors.Join(r, err)
		}
	}
	if err := put(bundle, r.Payload); err != nil {
		return errors.Join(r, err)
	}
	told := *r
	if len(where) > 0 {
		told.Detail += "; kept as " + strings.Join(where, " and ")
	}
	return &told
}
