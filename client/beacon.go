package client

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"time"

	"tidemark/internal/dnstxt"
	"tidemark/internal/strictjson"
	"tidemark/manifest"
)

// BeaconOptions say how to ask the beacon (DESIGN 4.4).
type BeaconOptions struct {
	Name    string                                                         // of the TXT record
	Ask     func(ctx context.Context, name string) (*dnstxt.Answer, error) // one question to DNS
	State   string                                                         // directory: beacon.json, and the trust chain
	Network string                                                         //
	Trust   []byte                                                         // the pinned trust.json, as LookOptions has it
	Pinned  string                                                         // its file's name
	Now     func() time.Time                                               //
	Random  func(time.Duration) time.Duration                              // uniform in [0, d): when HTTPS is asked next
	Held    func(tree, timeFile string) (timestamp int64, err error)       // what this mirror's own time file says; 0: none

	written func(name string) error // of tests: called before and after each write
}

// BeaconLook is what one question to the beacon came to.
type BeaconLook struct {
	Beacon  *manifest.Beacon // genuine, in force, not older than seen; nil: nothing to go by
	Quiet   bool             // nothing new in it, and HTTPS need not be asked now: the check ends here
	Why     string           // a sentence: why the check ends here, or why HTTPS decides
	Ignored *Notice          // the record is not used, and why (kind "beacon"); nil: nothing wrong
	Due     time.Time        // when HTTPS is asked at the latest, whatever the beacon says
	Answer  *dnstxt.Answer   // nil: nobody answered
}

// beaconAsk is one question to the beacon on its way.
type beaconAsk struct {
	BeaconOptions
	store  *store
	now    time.Time
	chain  chain
	memory beaconMemory
	broken string // why nothing remembered is to be relied on; "": it is
}

// LookBeacon asks the beacon whether any of the trees has something new. It never fails: whatever is wrong leads to HTTPS.
// An accepted beacon's serial is on the disk before anything acts on it. In a directory that is not ours to write it goes by
// what is remembered there, and remembers nothing.
func LookBeacon(ctx context.Context, o BeaconOptions, trees []string) BeaconLook {
	a := &beaconAsk{BeaconOptions: o}
	answer, askErr := o.Ask(ctx, o.Name)
	a.now = o.Now() // the answer may have taken its time
	look := BeaconLook{Answer: answer, Due: a.now}
	b, ignored, err := a.judgeKept(ctx, answer, askErr)
	if err != nil {
		look.Why = fmt.Sprintf("the beacon is not looked at (%v): HTTPS decides", err)
		return look
	}
	look.Beacon, look.Ignored, look.Due = b, ignored, a.memory.dueAt(a.now)
	if b == nil {
		look.Why = ignored.Text + ": HTTPS decides"
		return look
	}
	look.Quiet, look.Why = a.quiet(b, trees)
	return look
}

// judgeKept judges the answer by the trust and by what is remembered, as they are on the disk by now, and remembers it.
func (a *beaconAsk) judgeKept(ctx context.Context, answer *dnstxt.Answer, askErr error) (*manifest.Beacon, *Notice, error) {
	unlock, err := a.begin(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer unlock()
	if err := a.load(); err != nil {
		return nil, nil, err
	}
	if t := a.chain.trust; a.now.After(t.Expires.Add(manifest.Skew)) {
		return nil, nil, fmt.Errorf("version %d of the trust document, the newest held, ended at %s", t.Version, stamp(t.Expires.Time))
	}
	b, doubt := a.judge(answer, askErr)
	after := a.memory
	after.FailingSince = failing(doubt != nil && doubt.passing, after.FailingSince, a.now)
	if doubt == nil && b.Serial > after.Serial {
		after.Serial, after.SHA256 = b.Serial, contentSum(b)
	}
	after.ResetBy = a.obeying()
	if err := a.save(after); err != nil {
		return nil, nil, err
	}
	if doubt != nil {
		return nil, a.ignored(doubt), nil
	}
	return b, nil, nil
}

// begin takes the lock of the state directory.
func (a *beaconAsk) begin(ctx context.Context) (unlock func(), err error) {
	c, err := openPinned(LookOptions{Trust: a.Trust, Pinned: a.Pinned, Network: a.Network})
	if err != nil {
		return nil, err
	}
	a.chain = c
	a.store = &store{dir: a.State, written: a.written}
	if err = a.store.prepare(); err == nil {
		unlock, err = a.store.lock(ctx)
	}
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		a.store.readOnly = true
		unlock, err = a.store.lock(ctx)
	}
	return unlock, err
}

// load reads the newest trust held and what is remembered of the beacon. The lock is held. A step of the trust chain that
// does not follow is for the next look over HTTPS to deal with. Under a reset_serial that was not obeyed here yet nothing
// remembered counts: serials seen before it would lock new beacons out, and the kept bundle is dropped for it, too.
func (a *beaconAsk) load() error {
	reader := &store{dir: a.State, readOnly: true} // a bad step is the look's to set aside, and to tell
	c, bad, err := a.chain.grow(reader)
	if err != nil {
		return err
	}
	a.chain = c
	if a.memory, a.broken, err = a.store.loadBeacon(); err != nil {
		return err
	}
	if bad != nil {
		a.broken = "a step of the trust chain here is damaged"
	}
	if !a.memory.obeyed(c) {
		a.memory = beaconMemory{FailingSince: a.memory.FailingSince}
		a.broken = "the trust document starts the serials anew"
	}
	return nil
}

// Answered remembers what a Look brought, when the origin answered (View.Fresh): what is announced of each tree, and when
// HTTPS is to be asked next. Without it LookBeacon is never quiet. It writes at most once an hour while nothing changes.
func Answered(o BeaconOptions, v *View) error {
	if v == nil || !v.Fresh {
		return nil
	}
	a := &beaconAsk{BeaconOptions: o, now: o.Now()}
	unlock, err := a.begin(context.Background())
	if err != nil {
		return err
	}
	defer unlock()
	if err := a.load(); err != nil {
		return err
	}
	m := v.Opened.Manifest
	after := a.memory
	after.ResetBy = a.obeying()
	after.Trees = make(map[string]beaconTree, len(m.Trees))
	for name, t := range m.Trees {
		after.Trees[name] = beaconTree{Announced: t.Timestamp, TimeFile: t.TimeFile}
	}
	if a.memory.drawAgain(a.now, m.Expires.Time) {
		after.Answered = strictjson.At(a.now)
		after.Due = strictjson.At(nextDue(a.now, m.Expires.Time, a.Random))
	}
	return a.save(after)
}
