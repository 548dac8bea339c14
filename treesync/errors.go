package treesync

import (
	"fmt"
	"strings"
)

// Error lists what was tried.
func (e *NoSource) Error() string {
	if len(e.Attempts) == 0 {
		return fmt.Sprintf("tree %s: there is no source to sync from", e.Tree)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "tree %s: none of %d sources could be used:", e.Tree, len(e.Attempts))
	for _, a := range e.Attempts {
		fmt.Fprintf(&b, "\n  %s: %s (%s): %s", a.Source.name(), a.Why, a.Stage, a.Detail)
	}
	return b.String()
}

// Error says how to allow the deletions once.
func (e *TooManyDeletions) Error() string {
	if e.Bytes > 0 {
		return fmt.Sprintf("tree %s: %d names with %d bytes are gone at the source, more than a quarter of the tree, and it cannot be compared with what is announced: nothing was deleted, all else is in date; to allow it once: --max-delete %d",
			e.Tree, e.Count, e.Bytes, e.Count)
	}
	return fmt.Sprintf("tree %s: %d names are gone at the source, and at most %d may be deleted unasked: nothing was deleted, all else is in date; to allow it once: --max-delete %d",
		e.Tree, e.Count, e.Most, e.Count)
}

// Error says what is there and what was expected.
func (e *NotTheTree) Error() string { return fmt.Sprintf("%s: %s", e.Path, e.Detail) }

// Error says how much is missing.
func (e *NoRoom) Error() string {
	if e.Names > 0 {
		return fmt.Sprintf("%s: %d new names are to come and the file system has inodes for %d: make room, or exclude a part of the tree", e.Path, e.Names, e.FreeNames)
	}
	return fmt.Sprintf("%s: %d bytes are to come and %d are free: make room for %d more, or exclude a part of the tree",
		e.Path, e.Need, e.Free, e.Need-e.Free)
}

// name is how people call the source.
func (s Source) name() string {
	if s.ID != "" {
		return s.ID
	}
	return s.URL.String()
}

// left is the error of a source that is given up for the next one.
type left struct {
	stage  Stage
	why    Why
	detail string
	cause  error // nil, or what rsync said
}

func (e *left) Unwrap() error { return e.cause }

func (e *left) Error() string { return fmt.Sprintf("%s (%s): %s", e.why, e.stage, e.detail) }

func leave(stage Stage, why Why, format string, args ...any) error {
	return &left{stage: stage, why: why, detail: fmt.Sprintf(format, args...)}
}
