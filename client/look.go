package client

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"

	"tidemark/keys"
)

// LookOptions say where and how to look for news.
type LookOptions struct {
	Origin  Origin
	State   string // directory
	Network string
	Trust   []byte // the pinned trust.json (an envelope), as the configuration has it
	Pinned  string // the name of that file, for a *PinRefused
	Now     func() time.Time
	// EveryNotice puts all notices into View.Noted, also those that were told within the last day, and marks none as told.
	EveryNotice bool
	// WarnAfter holds back what may pass by itself (Notice.Since) until it has lasted so long: it is in View.All alone.
	WarnAfter time.Duration

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
	memory  memory // as it was when the origin was asked
	chain   chain
	seen    *Seen // as it was last read under the lock
	started *Seen // as it was when the origin was asked
	broken  bool  // a kept step of the trust chain was set aside
	stuck   bool  // the state itself cannot be used, whatever the site says
	walked  bool
	walkErr error

	outOfTime bool // what the origin served was genuine, and refused as expired or future-dated
	notices   []Notice
}

// begin reads the state under its lock.
func begin(ctx context.Context, o LookOptions, readOnly bool) (*look, error) {
	c, err := openPinned(o)
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
	return l, l.refresh()
}

// refresh reads all that is remembered. The lock is held.
func (l *look) refresh() error {
	if err := l.reload(); err != nil {
		return err
	}
	m, n, err := l.store.load()
	l.note(n)
	l.memory, l.started = m, l.seen
	return err
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
		return nil, errors.Join(l.withStep(err), saveErr)
	}
	if saveErr != nil { // what was seen is saved; this is but for comfort
		n := Notice{Kind: NoteUnsaved, Text: saveErr.Error()}
		v.All, v.Noted = append(v.All, n), append(v.Noted, n)
	}
	return v, err
}

// withStep adds why the trust chain could not be followed: where nothing is in force, no notice tells it.
func (l *look) withStep(err error) error {
	if l.walkErr == nil || errors.Is(err, l.walkErr) {
		return err
	}
	return fmt.Errorf("%w; %v", err, l.walkErr) // the first alone says which kind of error this is
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
	r := (*Refused)(nil)
	l.outOfTime = errors.As(err, &r) && (r.Reason == Expired || r.Reason == FutureDated)
	switch {
	case err != nil && l.stuck:
		return nil, err
	case err != nil:
		return l.fallBack(ctx, err)
	}
	return &View{Opened: opened, Trust: l.chain.trust, Fresh: true, Unchanged: f.unchanged}, nil
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
