package publish

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"tidemark/manifest"
)

// Push publishes r in the order of DESIGN 4.5. Each refusal wraps ErrConflict (exit 5) or says which step failed, as
// a *StepError. Pushing what the pointer already names does again what is missing, and nothing else.
//
// verify gets the bundle as read back from the store, when all of m/<serial>/ is there and nothing that readers
// follow has changed: the place for a read-back through the public URL, too.
func Push(ctx context.Context, s Store, st *Standing, r Release, verify Verify) error {
	if err := r.check(); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	if err := st.mayTake(&r); err != nil {
		return err
	}
	var step *StepError
	err := st.within(ctx, s, r.Serial, func(s Store) error { return push(ctx, s, st, &r, verify) })
	if err != nil && !errors.As(err, &step) {
		return &StepError{Ground, err}
	}
	return err
}

func push(ctx context.Context, s Store, st *Standing, r *Release, verify Verify) error {
	if err := st.ground(ctx, s, GroundFiles{Objects: r.Ground, Genuine: r.Genuine}); err != nil {
		return &StepError{Ground, err}
	}
	look := tagsOf
	if st.Pointer != nil && *st.Pointer == r.pointer() {
		look = readSlots // so that nothing is written twice
	}
	slots, err := look(ctx, s, r)
	if err != nil {
		return &StepError{Reserve, err}
	}
	if err := reserve(ctx, s, r); err != nil {
		return &StepError{Reserve, err}
	}
	if err := readBack(ctx, s, r, verify); err != nil {
		return &StepError{ReadBack, err}
	}
	if err := swap(ctx, s, st, r); err != nil {
		return &StepError{Swap, err}
	}
	if err := settle(ctx, s, st, r, slots); err != nil {
		return err
	}
	return PutStatus(ctx, s, r.Status)
}

// Finish completes a reserved serial whose immutable copies are all there, from the swap on. Where some are missing
// it wraps ErrIncomplete: that serial is to be skipped.
func Finish(ctx context.Context, s Store, st *Standing, serial int64, verify Verify) error {
	r, err := load(ctx, s, serial, verify)
	if err != nil {
		return fmt.Errorf("finish serial %d: %w", serial, err)
	}
	if _, signed := r.Files[ManifestName+".asc"]; signed && r.Files[InlineName] == nil {
		return fmt.Errorf("finish serial %d: no %s: %w", serial, InlineName, ErrIncomplete)
	}
	if err := st.mayTake(r); err != nil {
		return err
	}
	return st.within(ctx, s, serial, func(s Store) error { return finish(ctx, s, st, r, verify) })
}

func finish(ctx context.Context, s Store, st *Standing, r *Release, verify Verify) error {
	slots, err := readSlots(ctx, s, r)
	if err != nil {
		return fmt.Errorf("finish serial %d: %w", r.Serial, err)
	}
	err = readBack(ctx, s, r, verify)
	if errors.Is(err, ErrNotFound) {
		err = fmt.Errorf("%w: %w", ErrIncomplete, err)
	}
	if err != nil {
		return fmt.Errorf("finish serial %d: %w", r.Serial, err)
	}
	if err := swap(ctx, s, st, r); err != nil {
		return &StepError{Swap, err}
	}
	return settle(ctx, s, st, r, slots)
}

// Heal redoes the fixed names from m/<serial>/ after a run that was killed between swap and mark. Names that are as
// they should be are only read, so it may be called at any time: at a directory, every run can afford it.
//
// verify should not mind an expiry: what has expired since is still what the pointer names.
func Heal(ctx context.Context, s Store, st *Standing, verify Verify) error {
	if st.Pointer == nil {
		return nil
	}
	r, err := load(ctx, s, st.Pointer.Serial, verify)
	if errors.Is(err, ErrNotFound) {
		return fmt.Errorf("heal: %w (the next publication writes every name anew)", err)
	} else if err != nil {
		return fmt.Errorf("heal: %w", err)
	}
	if r.SHA256 != st.Pointer.SHA256 {
		return fmt.Errorf("heal: %s says SHA-256 %s, %s%s holds %s", PointerName, st.Pointer.SHA256, st.Pointer.Path, BundleName, r.SHA256)
	}
	return st.within(ctx, s, r.Serial, func(s Store) error { return heal(ctx, s, st, r) })
}

func heal(ctx context.Context, s Store, st *Standing, r *Release) error {
	slots, err := readSlots(ctx, s, r)
	if err != nil {
		return fmt.Errorf("heal: %w", err)
	}
	// Only now: had another publisher been before the tags were read, the pointer would show it; whoever comes
	// after changes a tag.
	if err := st.unmoved(ctx, s); err != nil {
		return fmt.Errorf("heal: %w", err)
	}
	return settle(ctx, s, st, r, slots)
}

// mayTake refuses a serial that the pointer has reached with another manifest, or passed, unless what it names is void.
func (st *Standing) mayTake(r *Release) error {
	if p := st.Pointer; p != nil && !st.Void && (r.Serial < p.Serial || r.Serial == p.Serial && r.SHA256 != p.SHA256) {
		return fmt.Errorf("publish serial %d: the site is at serial %d already: %w", r.Serial, p.Serial, ErrConflict)
	}
	return nil
}

// slot is a fixed name as it was found before the reservation.
type slot struct {
	cond Condition
	same bool // it holds the release's bytes already
	left bool // it is no file of the release: of a signer who left
}

func readSlots(ctx context.Context, s Store, r *Release) (map[string]slot, error) {
	slots := make(map[string]slot)
	for _, name := range r.fixed() {
		o, err := s.Get(ctx, name, limitOf(name))
		same := err == nil && bytes.Equal(o.Data, r.content(name))
		if errors.Is(err, ErrTooLarge) { // no publisher's: it is replaced
			o.Tag, err = tagOf(ctx, s, name)
		}
		if err != nil && !errors.Is(err, ErrNotFound) {
			return nil, fmt.Errorf("read the present %s: %w", name, err)
		}
		slots[name] = slot{cond: conditionOf(o.Tag), same: same}
	}
	c, ok := s.(Cleaner)
	if !ok {
		return slots, nil
	}
	all, err := c.List(ctx, "manifest.")
	if err != nil {
		return nil, fmt.Errorf("list the present manifests: %w", err)
	}
	return slots, addLeft(ctx, s, r, all, slots)
}

// leftName are the fixed names that not every release has.
var leftName = regexp.MustCompile(`^manifest\.json\.(gpg|([0-9A-F]{16}\.|[0-9A-F]{40}\.)?(asc|minisig))$`)

// addLeft finds the fixed names that r does not have: beside its manifest.json an older signature would be a bad one.
func addLeft(ctx context.Context, s Store, r *Release, all []Listed, slots map[string]slot) error {
	for _, l := range all {
		if !leftName.MatchString(l.Name) || slices.Contains(r.fixed(), l.Name) {
			continue
		}
		if l.Tag == "" {
			tag, err := tagOf(ctx, s, l.Name)
			if errors.Is(err, ErrNotFound) {
				continue
			} else if err != nil {
				return fmt.Errorf("read the present %s: %w", l.Name, err)
			}
			l.Tag = tag
		}
		slots[l.Name] = slot{cond: conditionOf(l.Tag), left: true}
	}
	return nil
}

// removeLeft removes what belongs to no signer of the release.
func removeLeft(ctx context.Context, s Store, slots map[string]slot) error {
	c, ok := s.(Cleaner)
	if !ok {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(slots)) {
		if !slots[name].left {
			continue
		}
		if err := c.Delete(ctx, name, slots[name].cond.Match); err != nil && !errors.Is(err, ErrNotFound) {
			return fmt.Errorf("remove %s, whose signer left: %w", name, err)
		}
	}
	return nil
}

// reserve takes the serial and puts its other copies: step 1.
func reserve(ctx context.Context, s Store, r *Release) error {
	for _, name := range r.copies() {
		o := NewObject(manifest.SerialPath(r.Serial)+name, r.content(name))
		if _, err := putOrSame(ctx, s, o, Condition{Absent: true}); err != nil {
			return fmt.Errorf("serial %d: %w", r.Serial, err)
		}
	}
	return nil
}

// readBack compares all copies with what they should be, and verifies: step 2.
func readBack(ctx context.Context, s Store, r *Release, verify Verify) error {
	for _, name := range r.copies() {
		full := manifest.SerialPath(r.Serial) + name
		o, err := s.Get(ctx, full, limitOf(name))
		if err != nil {
			return err
		}
		if !bytes.Equal(o.Data, r.content(name)) {
			return fmt.Errorf("%s: the store gives back %d bytes with SHA-256 %s, expected %d with %s",
				full, len(o.Data), sumOf(o.Data), len(r.content(name)), sumOf(r.content(name)))
		}
		if name != BundleName {
			continue
		}
		if err := verify(o.Data); err != nil {
			return fmt.Errorf("verify %s: %w", full, err)
		}
	}
	return nil
}

// swap moves the pointer: step 3. From here on readers see the new serial.
func swap(ctx context.Context, s Store, st *Standing, r *Release) error {
	p := r.pointer()
	if st.Pointer != nil && *st.Pointer == p {
		return st.unmoved(ctx, s)
	}
	b, err := p.Encode()
	if err != nil {
		return err
	}
	tag, err := putOrSame(ctx, s, NewObject(PointerName, b), conditionOf(st.pointerTag))
	if err != nil {
		return err
	}
	st.Pointer, st.pointerTag, st.Void = &p, tag, false
	return nil
}

// settle writes the fixed names and the mark: steps 4 to 6. Each is fenced by the tag it had at the start, so that
// nothing newer is ever overwritten.
func settle(ctx context.Context, s Store, st *Standing, r *Release, slots map[string]slot) error {
	for i, name := range r.fixed() {
		if name == ManifestName { // the last one: before it changes, no signature of another may lie beside it
			if err := removeLeft(ctx, s, slots); err != nil {
				return &StepError{Pair, err}
			}
		}
		if slots[name].same {
			continue
		}
		step := Pair
		if i < len(r.singles()) {
			step = Single
		}
		if _, err := putOrSame(ctx, s, NewObject(name, r.content(name)), slots[name].cond); err != nil {
			return &StepError{step, err}
		}
	}
	if st.Mark == manifest.SerialPath(r.Serial) {
		return nil
	}
	if err := st.unmoved(ctx, s); err != nil {
		return &StepError{Mark, err}
	}
	mark := NewObject(MarkName, []byte(manifest.SerialPath(r.Serial)+"\n"))
	tag, err := putOrSame(ctx, s, mark, conditionOf(st.markTag))
	if err != nil {
		return &StepError{Mark, err}
	}
	st.Mark, st.markTag = manifest.SerialPath(r.Serial), tag
	return nil
}

// PutStatus puts status files, unconditionally: step 8. Push calls it for Release.Status; a publisher with a beacon
// hands them over here, after the beacon.
func PutStatus(ctx context.Context, s Store, objects []Object) error {
	for _, o := range objects {
		if _, err := s.Put(ctx, o, Condition{}); err != nil {
			return &StepError{Status, err}
		}
	}
	return nil
}

// putOrSame puts o; refused, it compares: the same bytes are our own, put by a request whose answer was lost.
func putOrSame(ctx context.Context, s Store, o Object, c Condition) (string, error) {
	tag, err := s.Put(ctx, o, c)
	if err == nil || !errors.Is(err, ErrConflict) {
		return tag, err
	}
	there, getErr := s.Get(ctx, o.Name, int64(len(o.Data)))
	switch {
	case getErr == nil && bytes.Equal(there.Data, o.Data):
		return there.Tag, nil
	case getErr == nil, errors.Is(getErr, ErrTooLarge), errors.Is(getErr, ErrNotFound):
		return "", fmt.Errorf("another publisher wrote %s: %w", o.Name, err)
	}
	return "", errors.Join(err, getErr)
}
