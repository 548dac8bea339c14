package publish

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"tidemark/manifest"
)

// Names and limits of the pointer and the completion mark.
const (
	PointerName = manifest.PointerFile
	MarkName    = "latest.txt"

	maxPointer = 4 << 10
	maxMark    = 1 << 10
)

// DamagedError says that the pointer or the mark at the site cannot be what a publisher wrote.
type DamagedError struct {
	Name string // latest.json
	Err  error
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("%s at the site is damaged: %v (restore it, or remove it: "+
		"the next publication then takes its serial from the publisher's own state)", e.Name, e.Err)
}

func (e *DamagedError) Unwrap() error { return e.Err }

// Standing is how a store was found at the start of a run. Its tags fence the swap. Push, Heal and Finish bring it up
// to date when they succeed, so that one may follow the other.
type Standing struct {
	Pointer *manifest.Pointer // nil: never published, or the pointer is gone
	Mark    string            // the path in latest.txt, e.g. "m/12/"; "" when there is none

	// Void is set by a publisher that has found that what the pointer names counts for no reader any more, whatever its
	// serial: a lower one may take its place, on the same conditions. A Swap clears it.
	Void bool

	pointerTag string // "" when absent
	markTag    string

	note     *note  // what is known of a Remote; nil: not asked yet
	grounded string // GroundSum of what was found to lie there, in this run
	warning  string
}

// Look reads the pointer and the completion mark: two requests. Nothing there is no error: a site begins empty. With
// a *DamagedError the Standing is valid but for its Pointer, so that a run that knows the serial from its own state
// can publish over the damage.
func Look(ctx context.Context, s Store) (*Standing, error) {
	st := new(Standing)
	p, err := lookAt(ctx, s, PointerName, maxPointer)
	if err != nil && !errors.Is(err, ErrNotFound) && !isDamaged(err) {
		return st, err
	}
	there, damage := err == nil, err
	m, err := lookAt(ctx, s, MarkName, maxMark)
	if err != nil && !errors.Is(err, ErrNotFound) && !isDamaged(err) {
		return st, err
	}
	st.pointerTag, st.markTag = p.Tag, m.Tag
	if err == nil {
		st.Mark = strings.TrimSuffix(string(m.Data), "\n")
	}
	if isDamaged(damage) {
		return st, damage
	}
	if !there { // a mark alone, damaged or not, is written over
		return st, nil
	}
	if st.Pointer, err = manifest.ParsePointer(p.Data); err != nil {
		return st, &DamagedError{PointerName, err}
	}
	return st, nil
}

// lookAt gets a small object. Of one that is too large to be what a publisher wrote it still learns the tag, so that it can be
// replaced.
func lookAt(ctx context.Context, s Store, name string, max int64) (Object, error) {
	o, err := s.Get(ctx, name, max)
	if err == nil || errors.Is(err, ErrNotFound) {
		return o, err
	}
	if !errors.Is(err, ErrTooLarge) {
		return o, fmt.Errorf("look at the site: %w", err)
	}
	tag, lerr := tagOf(ctx, s, name)
	if lerr != nil {
		return o, fmt.Errorf("look at the site: %w", lerr)
	}
	return Object{Name: name, Tag: tag}, &DamagedError{name, err}
}

func isDamaged(err error) bool {
	var d *DamagedError
	return errors.As(err, &d)
}

// Serial is the published serial, 0 when there is none.
func (st *Standing) Serial() int64 {
	if st.Pointer == nil {
		return 0
	}
	return st.Pointer.Serial
}

// Complete reports whether the completion mark agrees with the pointer; else Heal is due. Without a pointer there is
// nothing to heal from: true; the next publication writes every name anew.
func (st *Standing) Complete() bool { return st.Pointer == nil || st.Mark == st.Pointer.Path }

// Predecessor fetches the bundle that the pointer names. Nobody has verified it.
func (st *Standing) Predecessor(ctx context.Context, s Store) ([]byte, error) {
	if st.Pointer == nil {
		return nil, fmt.Errorf("predecessor: the site has no %s: %w", PointerName, ErrNotFound)
	}
	o, err := s.Get(ctx, st.Pointer.Path+BundleName, limitOf(BundleName))
	if err != nil {
		return nil, fmt.Errorf("predecessor: %w", err)
	}
	return o.Data, nil
}

// unmoved checks that the pointer is still the one that st knows.
func (st *Standing) unmoved(ctx context.Context, s Store) error {
	o, err := lookAt(ctx, s, PointerName, maxPointer)
	if err != nil && !errors.Is(err, ErrNotFound) && !isDamaged(err) {
		return err
	}
	if o.Tag == st.pointerTag { // "" when absent
		return nil
	}
	return fmt.Errorf("%s was moved by another publisher meanwhile: %w", PointerName, ErrConflict)
}

func conditionOf(tag string) Condition { return Condition{Absent: tag == "", Match: tag} }
