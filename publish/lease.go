package publish

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"tidemark/internal/strictjson"
	"tidemark/manifest"
)

// LeaseName is the object by which publishers keep each other out of a store that does not heed conditions.
const LeaseName = "lease.json"

const (
	leaseSchema  = "tidemark/lease/v1"
	leaseTime    = 5 * time.Minute
	leaseSettle  = 2 * time.Second // between writing a lease and believing in it
	leaseRelease = 10 * time.Second
	maxLease     = 4 << 10
)

// lease is lease.json. It ends Seconds after it was written, by the store's clock: the publishers' own need not agree.
type lease struct {
	Schema  string `json:"schema"`
	Holder  string `json:"holder"` // for people: host and process
	Nonce   string `json:"nonce"`
	Seconds int64  `json:"seconds"` // 0: given back

	store Store
}

// takeLease writes a lease where none holds, waits until whoever wrote at the same time has written, and reads it back:
// of several the last one wins. A write that takes as long as the wait is given up, so that it cannot come after it.
func takeLease(ctx context.Context, s Store) (*lease, error) {
	if err := leaseFree(ctx, s); err != nil {
		return nil, err
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	l := &lease{Schema: leaseSchema, Holder: fmt.Sprintf("%s, process %d", host, os.Getpid()), Nonce: rand.Text(),
		Seconds: int64(leaseTime / time.Second), store: s}
	short, cancel := context.WithTimeout(ctx, leaseSettle*3/4)
	defer cancel()
	if err := l.write(short); err != nil {
		return nil, err
	}
	select {
	case <-time.After(leaseSettle):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return l, l.held(ctx)
}

// leaseFree wraps ErrConflict while somebody else's lease holds.
func leaseFree(ctx context.Context, s Store) error {
	o, err := s.Get(ctx, LeaseName, maxLease)
	if errors.Is(err, ErrNotFound) {
		return nil
	} else if err != nil {
		return err
	}
	if o.Age == 0 {
		return fmt.Errorf("the store does not say when %s was written: this store cannot be published to", LeaseName)
	}
	var l lease
	if strictjson.Unmarshal(o.Data, &l) != nil || l.Schema != leaseSchema {
		l = lease{Holder: "somebody", Seconds: int64(leaseTime / time.Second)} // whoever it is, it will not last longer
	}
	left := min(time.Duration(l.Seconds)*time.Second, leaseTime) - o.Age
	if l.Seconds <= 0 || left <= 0 {
		return nil
	}
	return fmt.Errorf("%s: %q publishes there, or was killed: its lease ends in %s: %w", LeaseName, l.Holder, left.Round(time.Second), ErrConflict)
}

func (l *lease) write(ctx context.Context) error {
	b, err := json.MarshalIndent(l, "", "  ")
	if err != nil {
		return err
	}
	if _, err = l.store.Put(ctx, NewObject(LeaseName, append(b, '\n')), Condition{}); err != nil {
		return fmt.Errorf("write the lease: %w", err)
	}
	return nil
}

// held checks that the lease is ours still, and makes it last again when a third of it is over.
func (l *lease) held(ctx context.Context) error {
	o, err := l.store.Get(ctx, LeaseName, maxLease)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	var there lease
	if err != nil || strictjson.Unmarshal(o.Data, &there) != nil || there.Nonce != l.Nonce || o.Age >= leaseTime {
		return fmt.Errorf("%s is not ours any more: %w", LeaseName, ErrConflict)
	}
	if o.Age > leaseTime/3 {
		return l.write(ctx)
	}
	return nil
}

// release gives the lease back, also when the run was interrupted. Failing that it ends by itself.
func (l *lease) release(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaseRelease)
	defer cancel()
	if l.held(ctx) == nil {
		l.Seconds = 0
		_ = l.write(ctx)
	}
}

// leased does for a store without conditions what can be done: each write looks at the lease, at the pointer and at what it
// replaces right before.
type leased struct {
	Remote
	lease  *lease
	serial int64
	void   *manifest.Pointer // one that may be passed by a lower serial
}

// Peek, List and Get need no lease; Delete asks as Put does.
func (l *leased) Delete(ctx context.Context, name, tag string) error {
	if err := l.lease.held(ctx); err != nil {
		return err
	}
	if strings.HasPrefix(name, "manifest.") {
		if err := l.notNewer(ctx); err != nil {
			return err
		}
	}
	return l.Remote.Delete(ctx, name, tag)
}

// Put asks for the conditions itself.
func (l *leased) Put(ctx context.Context, o Object, c Condition) (string, error) {
	if err := l.lease.held(ctx); err != nil {
		return "", err
	}
	if strings.HasPrefix(o.Name, "manifest.") || strings.HasPrefix(o.Name, "latest.") {
		if err := l.notNewer(ctx); err != nil {
			return "", err
		}
	}
	if c != (Condition{}) {
		there, err := l.Get(ctx, o.Name, limitOf(BundleName))
		if errors.Is(err, ErrTooLarge) {
			there.Tag, err = l.Tag(ctx, o.Name)
		}
		switch {
		case errors.Is(err, ErrNotFound):
			if !c.Absent {
				return "", fmt.Errorf("%s is not there any more: %w", o.Name, ErrConflict)
			}
		case err != nil:
			return "", err
		case c.Absent || there.Tag != c.Match:
			return "", fmt.Errorf("%s was written meanwhile: %w", o.Name, ErrConflict)
		}
	}
	return l.Remote.Put(ctx, o, Condition{})
}

// Tag asks the store below.
func (l *leased) Tag(ctx context.Context, name string) (string, error) {
	return tagOf(ctx, l.Remote, name)
}

// notNewer refuses to go on at a serial that the pointer has passed.
func (l *leased) notNewer(ctx context.Context) error {
	o, err := l.Get(ctx, PointerName, maxPointer)
	if errors.Is(err, ErrNotFound) {
		return nil
	} else if err != nil {
		return err
	}
	if p, err := manifest.ParsePointer(o.Data); err == nil && p.Serial > l.serial && (l.void == nil || *p != *l.void) {
		return fmt.Errorf("the site is at serial %d already, this one is %d: %w", p.Serial, l.serial, ErrConflict)
	}
	return nil
}
