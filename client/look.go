package client

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"

	"tidemark/internal/strictjson"
	"tidemark/keys"
	"tidemark/manifest"
	"tidemark/sign"
)

// LookOptions say where and how to look for news.
type LookOptions struct {
	Origin  Origin
	State   string // directory
	Network string
	Trust   []byte // the pinned trust.json (an envelope), as the configuration has it
	Now     func() time.Time
	// EveryNotice puts all notices into View.Noted, also those that were told within the last day, and marks none as told.
	EveryNotice bool

	written func(name string) error // of tests: called before and after each write
}

// View is what a reader may act on.
type View struct {
	Opened    *Opened
	Trust     *keys.Trust
	Fresh     bool     // the origin answered with this manifest (or with 304), as against the kept one alone
	Unchanged bool     // it answered that the kept one is still the one (304)
	Refused   *Refused // what the origin served was refused, and the kept one is in force: to be told, and exit code 4
	Noted     []Notice // worth telling, each kind once a day; none stops anything
	All       []Notice // the same, with those that were told within the last day
}

// look is one look.
type look struct {
	LookOptions
	store   *store
	now     time.Time
	memory  memory // as it was at the start
	chain   chain
	seen    *Seen // as it was last read under the lock
	started *Seen // as it was at the start
	broken  bool  // a kept step of the trust chain was set aside
	stuck   bool  // the state itself cannot be used, whatever the site says
	walked  bool
	walkErr error
	notices []Notice
}

// begin reads the state under its lock.
func begin(ctx context.Context, o LookOptions, readOnly bool) (*look, error) {
	c, err := openPinned(o.Trust, o.Network)
	if err != nil {
		return nil, err
	}
	s := &store{dir: o.State, readOnly: readOnly, written: o.written}
	if err := s.prepare(); err != nil {
		return nil, err
	}
	l := &look{LookOptions: o, store: s, now: o.Now(), chain: c}
	unlock, err := s.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := l.reload(); err != nil {
		return nil, err
	}
	var n *Notice
	l.memory, n, err = s.load()
	l.note(n)
	l.started = l.seen
	return l, err
}

// remember changes origin.json under the lock.
func (l *look) remember(ctx context.Context, f func(*memory)) error {
	unlock, err := l.store.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	return l.store.change(f)
}

// Look asks the origin for a newer bundle, opens it by the newest trust (walking its chain where needed), remembers what
// was seen before anything acts on it, and keeps the bundle. What is kept stays in force until it expires: then the View
// is of the kept one, and says why. The error is a *Refused (exit code 4: a fork always; else what was served was
// refused, and nothing kept is in force), or another one when the origin cannot be reached and nothing kept is in force
// (exit code 1).
func Look(ctx context.Context, o LookOptions) (*View, error) {
	l, err := begin(ctx, o, false)
	if err != nil {
		return nil, err
	}
	v, err := l.view(ctx)
	if err != nil && (l.stuck || ctx.Err() != nil) {
		return nil, err // nothing was learnt of the site
	}
	saveErr := l.end(ctx, v)
	if v == nil {
		return nil, errors.Join(err, saveErr)
	}
	if saveErr != nil { // what was seen is saved; this is but for comfort
		n := Notice{Kind: NoteUnsaved, Text: saveErr.Error()}
		v.All, v.Noted = append(v.All, n), append(v.Noted, n)
	}
	return v, err
}

func (l *look) view(ctx context.Context) (*View, error) {
	kept, err := l.whole(ctx)
	if err != nil {
		l.stuck = true
		return nil, err
	}
	f, err := l.fetch(ctx, kept)
	if err != nil {
		return l.fallBack(ctx, err)
	}
	opened, err := l.judgeWalking(ctx, f)
	if f.unchanged && useless(err) {
		if f, err = l.fetch(ctx, nil); err == nil {
			opened, err = l.judgeWalking(ctx, f)
		}
	}
	switch {
	case err != nil && l.stuck:
		return nil, err
	case err != nil:
		return l.fallBack(ctx, err)
	}
	return &View{Opened: opened, Trust: l.chain.trust, Fresh: true, Unchanged: f.unchanged}, nil
}

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
// killed before it wrote the validator, or is damaged: then it is set aside.
func (l *look) whole(ctx context.Context) ([]byte, error) {
	unlock, err := l.store.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
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

// judgeWalking walks the trust chain once a day, and when the document cannot be judged by the version held.
func (l *look) judgeWalking(ctx context.Context, f fetched) (*Opened, error) {
	if !l.walked && (over(l.memory.TrustChecked, day, l.now) || l.broken) {
		l.follow(ctx)
	}
	opened, err := l.judge(ctx, f)
	var r *Refused
	if !errors.As(err, &r) || r.Reason != Signature && r.Reason != TrustExpired && r.Reason != TrustTooOld {
		return opened, err
	}
	if !l.walked && l.follow(ctx) > 0 {
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

// fallBack gives what is kept, where that is in force; cause is why what the origin served is not.
func (l *look) fallBack(ctx context.Context, cause error) (*View, error) {
	var served *Refused
	errors.As(cause, &served)
	if ctx.Err() != nil || served != nil && served.Reason == Fork {
		return nil, cause
	}
	kept, err := l.inForce(ctx)
	rollback := served != nil && served.Reason == Rollback
	if rollback && kept != nil && err == nil && l.overtaken() {
		return &View{Opened: kept, Trust: l.chain.trust, Fresh: true}, nil
	}
	lagging := false
	if rollback {
		var err error
		if lagging, err = l.lags(ctx); err != nil {
			return nil, err
		}
	}
	if kept == nil || err != nil {
		return nil, nothing(cause, served, lagging, err)
	}
	v := &View{Opened: kept, Trust: l.chain.trust}
	switch {
	case lagging:
		l.notef(NoteStaleEdge, "", "the site served an older manifest (%s); the kept one, serial %d, stays in force", served.Detail, kept.Manifest.Serial)
	case served != nil:
		v.Refused = served
	default:
		l.notef(NoteUnreachable, "", "no newer manifest was to be had since %s (%v); the kept one, serial %d, stays in force until %s",
			stamp(since(l.memory.FailingSince, l.now).Time), cause, kept.Manifest.Serial, stamp(kept.Manifest.Expires.Time))
	}
	return v, nil
}

// overtaken reports whether another process kept a newer one while this one was fetching.
func (l *look) overtaken() bool {
	return l.seen != nil && (l.started == nil || l.seen.Serial > l.started.Serial)
}

// edgesLag is for how long the edges of a CDN may serve what is older than what they served before.
const edgesLag = time.Hour

// lags reports whether nothing but older serials have come for less than edgesLag.
func (l *look) lags(ctx context.Context) (bool, error) {
	var start strictjson.Time
	err := l.remember(ctx, func(m *memory) {
		m.OlderSince = since(m.OlderSince, l.now)
		start = m.OlderSince
	})
	return l.now.Before(start.Add(edgesLag)), err
}

// nothing is the error when nothing is in force.
func nothing(cause error, served *Refused, lagging bool, keptErr error) error {
	switch kept := (*Refused)(nil); {
	case keptErr == nil:
		return cause
	case lagging && errors.As(keptErr, &kept):
		return fmt.Errorf("%w; the site served an older one still", keptErr)
	case served != nil:
		return cause
	}
	return fmt.Errorf("no manifest is to be had: %w; %v", cause, keptErr)
}

// Kept opens the bundle that is kept, without asking anybody; nil when none is. It works in a directory that is not ours
// to write, too.
func Kept(o LookOptions) (*View, error) {
	if _, err := os.Stat(o.State); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	ctx := context.Background()
	l, err := begin(ctx, o, false)
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		l, err = begin(ctx, o, true)
	}
	if err != nil {
		return nil, err
	}
	opened, err := l.inForce(ctx)
	if opened == nil || err != nil {
		return nil, err
	}
	v := &View{Opened: opened, Trust: l.chain.trust}
	l.age(v)
	v.All, v.Noted = l.notices, l.notices
	return v, nil
}
