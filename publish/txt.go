package publish

import "context"

// RRset are the TXT records at one name, as one place has them. The zero value: none.
type RRset struct {
	TTL     int        // seconds
	Records [][]string // the character-strings of each record, at most 255 bytes each
}

// TXT is a place where the TXT records of a name can be replaced: a primary server (RFC 2136), a hosted zone (package
// route53), a fragment of a zone file.
type TXT interface {
	// Get reads what the place itself holds, past every cache.
	Get(ctx context.Context, name string) (RRset, error)
	// Swap puts next in place of old in one step. When the place no longer holds old (TTL aside), nothing is changed and the
	// error wraps ErrConflict.
	Swap(ctx context.Context, name string, old, next RRset) error
}

// Same compares the records in any order, TTL aside.
func (s RRset) Same(o RRset) bool { panic("stub") }
