package publish

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"

	"tidemark/internal/strictjson"
)

// Remote is a Store that is somebody else's server: whether it heeds conditions has to be found out, and each request
// counts. Push, Finish and Heal know it by this interface.
type Remote interface {
	Store
	Cleaner // whose List takes any prefix, "" too

	// Where tells this store from all others, e.g. "s3://bucket/prefix at https://s3.example.org".
	Where() string
	// Peek gives the names of at most max objects, as they are stored, allowed at a site or not.
	Peek(ctx context.Context, max int) ([]string, error)
}

// NoteName is the object in which publishers keep what they found out about a Remote.
const NoteName = "store.json"

const (
	noteSchema = "tidemark/store/v1"
	maxNote    = 4 << 10
)

// note is store.json. It is a memory, not a promise: whoever changes it makes publishers look again, or use a lease.
type note struct {
	Schema      string `json:"schema"`
	At          string `json:"at"`                 // SHA-256 of Where: a copy of the site elsewhere says nothing about that store
	Conditional bool   `json:"conditional_writes"` // If-None-Match and If-Match are heeded
	Ground      string `json:"ground"`             // GroundSum of the trust and keys last put; "": not all are there
	Probe       int    `json:"probe,omitempty"`    // being found out; afterwards 0

	tag string
}

// readNote gives what is known about the store; a note with Probe 1 is as good as none.
func readNote(ctx context.Context, s Remote) (*note, error) {
	unknown := &note{Schema: noteSchema, At: sumOf([]byte(s.Where())), Probe: 1}
	o, err := s.Get(ctx, NoteName, maxNote)
	if errors.Is(err, ErrNotFound) {
		return unknown, nil
	} else if err != nil {
		return nil, err
	}
	var n note
	if strictjson.Unmarshal(o.Data, &n) != nil || n.Schema != noteSchema || n.At != unknown.At || n.Probe != 0 {
		unknown.tag = o.Tag
		return unknown, nil
	}
	n.tag = o.Tag
	return &n, nil
}

func (n *note) put(ctx context.Context, s Store, c Condition) (string, error) {
	b, err := json.MarshalIndent(n, "", "  ")
	if err != nil {
		return "", err
	}
	return s.Put(ctx, NewObject(NoteName, append(b, '\n')), c)
}

// save writes the note. That another publisher wrote it first is no harm: then it is read anew next time.
func (n *note) save(ctx context.Context, s Store) error {
	tag, err := n.put(ctx, s, conditionOf(n.tag))
	if errors.Is(err, ErrConflict) {
		return nil
	}
	n.tag = tag
	return err
}

// probe finds out whether the store heeds conditions, on the note itself: a second creation and a replacement with a
// false tag must both be refused. Their bytes differ from the first ones, so that none is taken for an answer lost.
func (n *note) probe(ctx context.Context, s Remote) error {
	n.Probe, n.Conditional, n.Ground = 1, false, ""
	tag, err := n.put(ctx, s, conditionOf(n.tag))
	if errors.Is(err, ErrUnconditional) {
		n.Probe = 0
		return nil
	} else if err != nil {
		return err
	}
	n.tag = tag
	for i, c := range []Condition{{Absent: true}, {Match: falseTag}} {
		n.Probe = 2 + i
		tag, err := n.put(ctx, s, c)
		switch {
		case err == nil:
			n.tag, n.Probe = tag, 0
			return nil
		case errors.Is(err, ErrUnconditional):
			n.Probe = 0
			return nil
		case !errors.Is(err, ErrConflict):
			return err
		}
	}
	n.Probe, n.Conditional = 0, true
	return nil
}

// falseTag has an ETag's form, so that the server looks at it.
const falseTag = `"00000000000000000000000000000000"`

// within runs act on s; on a Remote that ignores conditions, with a lease and through a store that checks instead.
func (st *Standing) within(ctx context.Context, s Store, serial int64, act func(Store) error) error {
	r, ok := s.(Remote)
	if !ok {
		return act(s)
	}
	if err := st.know(ctx, r); err != nil {
		return fmt.Errorf("find out what the store can: %w", err)
	}
	if st.note.Conditional {
		return act(s)
	}
	l, err := takeLease(ctx, s)
	if err != nil {
		return err
	}
	defer l.release(ctx)
	under := &leased{Remote: r, lease: l, serial: serial}
	if st.Void {
		under.void = st.Pointer
	}
	return act(under)
}

// know fills st.note, once a run.
func (st *Standing) know(ctx context.Context, r Remote) error {
	if st.note != nil {
		return nil
	}
	n, err := readNote(ctx, r)
	if err != nil {
		return err
	}
	if n.Probe != 0 {
		if err := n.probe(ctx, r); err != nil {
			return err
		}
		if !n.Conditional {
			st.warning = fmt.Sprintf("this store does not heed If-None-Match and If-Match: publishers keep each other out by %s instead, "+
				"which takes longer and cannot stop one that was paused in the middle of a write; let one host alone publish there", LeaseName)
		}
	}
	st.note = n
	return nil
}

// Warning is what a person should be told about the store; found out at the first publication there, and said then only.
func (st *Standing) Warning() string { return st.warning }

// GroundSum tells one ground from another: names and SHA-256 of contents, of trust documents that of the payload.
func GroundSum(objects []Object) string {
	h := sha256.New()
	for _, o := range objects {
		fmt.Fprintf(h, "%s %s\n", o.Name, groundHash(o))
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

// tagsOf is readSlots in one request, where the store can list: the tags are what the fence needs.
func tagsOf(ctx context.Context, s Store, r *Release) (map[string]slot, error) {
	remote, ok := s.(Remote)
	if !ok {
		return readSlots(ctx, s, r)
	}
	all, err := remote.List(ctx, "manifest.")
	if err != nil {
		return nil, fmt.Errorf("list the present manifests: %w", err)
	}
	slots := make(map[string]slot)
	for _, name := range r.fixed() {
		slots[name] = slot{cond: conditionOf("")}
	}
	for _, l := range all {
		slots[l.Name] = slot{cond: conditionOf(l.Tag)}
	}
	return slots, addLeft(ctx, s, r, all, slots)
}
