package client

import (
	"context"
	"errors"

	"tidemark/keys"
	"tidemark/manifest"
	"tidemark/sign"
)

// useless reports whether the kept bundle itself is what is wrong, so that a 304 is no answer.
func useless(err error) bool {
	var r *Refused
	return errors.As(err, &r) && (r.Reason == Signature || r.Reason == Malformed)
}

// fetched is what the origin answered.
type fetched struct {
	body      []byte
	validator Validator
	unchanged bool
}

// fetch asks for the bundle; on condition where kept is the one that the validator belongs to.
func (l *look) fetch(ctx context.Context, kept []byte) (f fetched, err error) {
	asker, ok := l.Origin.(Conditional)
	if !ok {
		f.body, err = l.Origin.Fetch(ctx, BundleFile, sign.MaxBundle)
		return f, err
	}
	var v Validator
	if kept != nil {
		v = l.memory.Validator
	}
	f.body, f.validator, f.unchanged, err = asker.FetchIf(ctx, BundleFile, sign.MaxBundle, v)
	if f.unchanged {
		f.body = kept
	}
	return f, err
}

// whole is the kept bundle when it is the one that the validator belongs to. Another one was kept by a run that was
// killed before it wrote the validator, or is damaged: then it is set aside. Validator, trust and what was seen are read again
// with it: another look may have gone further meanwhile.
func (l *look) whole(ctx context.Context) ([]byte, error) {
	unlock, err := l.store.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := l.refresh(); err != nil {
		return nil, err
	}
	kept, err := l.store.read(BundleFile, sign.MaxBundle)
	if kept == nil || err != nil {
		return nil, err
	}
	if manifest.SHA256(kept) == l.memory.Bundle {
		return kept, nil
	}
	o := l.options()
	o.AnyAge = true
	_, _, err = Open(kept, o)
	return nil, l.discard(err)
}

// judgeWalking walks the trust chain once a day, and when the document cannot be judged by the version held; and where the
// document pinned was put there by hand, it looks whether the versions left out start the serials anew.
func (l *look) judgeWalking(ctx context.Context, f fetched) (*Opened, error) {
	if !l.walked && (over(l.memory.TrustChecked, day, l.now) || l.broken) {
		l.follow(ctx)
	}
	opened, err := l.judge(ctx, f)
	var r *Refused
	if !errors.As(err, &r) {
		return opened, err
	}
	suspect := r.Reason == Signature || r.Reason == TrustExpired || r.Reason == TrustTooOld || r.unsettled
	if suspect && !l.walked && (l.follow(ctx) > 0 || r.unsettled) {
		opened, err = l.judge(ctx, f)
	}
	if errors.As(err, &r) && r.Reason == Rollback && l.bridge(ctx) {
		opened, err = l.judge(ctx, f)
	}
	if errors.As(err, &r) && r.Reason == TrustTooOld && l.walkErr != nil {
		told := *r
		told.Err = l.walkErr
		return nil, &told
	}
	return opened, err
}

// follow walks the chain and notes what came of it; it returns how many steps were made.
func (l *look) follow(ctx context.Context) int {
	l.walked = true
	var accepted []*keys.Trust
	accepted, l.walkErr = l.walk(ctx)
	if len(accepted) > 0 {
		t := l.chain.trust
		l.notef(NoteTrustWalked, "", "version %d of the trust document was accepted; it is good until %s", t.Version, stamp(t.Expires.Time))
	}
	switch r := (*Refused)(nil); {
	case errors.As(l.walkErr, &r):
		l.notef(NoteTrustRefused, tellOperator, "%v", l.walkErr)
	case l.walkErr != nil:
		l.notef(NoteTrustMissing, "", "%v", l.walkErr)
	}
	return len(accepted)
}
