package publish

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// ForeignError says that a store without a pointer holds what no publisher put there.
type ForeignError struct {
	Where string   // the store
	Names []string // some of what is there
}

func (e *ForeignError) Error() string {
	return fmt.Sprintf("%s holds objects that are not a site's (%s), and no %s: choose an empty prefix or bucket for it, or empty this one",
		e.Where, strings.Join(e.Names, ", "), PointerName)
}

const (
	peekAt    = 1000 // names, one request
	namesSaid = 3
)

// beforePointer are the names that a site can have before its first pointer.
var beforePointer = regexp.MustCompile(`^(trust\.json|trust/[1-9][0-9]*\.json|(keys|schema)/.+|\.well-known/openpgpkey/.+|store\.json|lease\.json|m/[1-9][0-9]*/manifest\..+)$`)

// Foreign refuses, with a *ForeignError, a Remote that was never published to and is not empty either: a bucket of
// somebody else's would lose what has the same name, and tell the world the rest. It makes a request only where there is
// no pointer, one or two; a directory may hold whatever it likes. Where any m/<serial>/ has a bundle, the site is ours
// and lost its pointer.
func Foreign(ctx context.Context, s Store, st *Standing) error {
	r, ok := s.(Remote)
	if !ok || st.pointerTag != "" {
		return nil
	}
	names, err := r.Peek(ctx, peekAt)
	if err != nil {
		return fmt.Errorf("look at what the store holds: %w", err)
	}
	foreign := slices.DeleteFunc(names, beforePointer.MatchString)
	if len(foreign) == 0 {
		return nil
	}
	copies, err := r.List(ctx, "m/")
	if err != nil {
		return fmt.Errorf("look at what the store holds: %w", err)
	}
	if slices.ContainsFunc(copies, func(l Listed) bool {
		return copyName.MatchString(l.Name) && strings.HasSuffix(l.Name, "/"+BundleName)
	}) {
		return nil
	}
	return &ForeignError{Where: r.Where(), Names: foreign[:min(namesSaid, len(foreign))]}
}
