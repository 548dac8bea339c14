package publish

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// The answers of a store that callers act upon.
var (
	ErrNotFound = errors.New("not found")
	ErrConflict = errors.New("condition failed") // somebody else wrote
	ErrTooLarge = errors.New("larger than allowed")
	ErrLocked   = errors.New("site is locked by another program") // directory store only

	// ErrUnconditional: the store refuses to put under a condition, whatever the condition.
	ErrUnconditional = errors.New("this store takes no conditions")
)

// Object is one file of the site.
type Object struct {
	Name  string // e.g. "m/12/manifest.json"
	Data  []byte
	Type  string // media type
	Cache string // Cache-Control
	Tag   string // the store's ETag (for the directory: SHA-256 in hex)

	// Age is how long ago the object was written when it was read, both by the store's own clock; 0: unknown.
	Age time.Duration
}

// Condition of a Put. The zero value is unconditional; Absent and Match exclude each other.
type Condition struct {
	Absent bool   // If-None-Match: *
	Match  string // If-Match: this tag
}

// Store is where a site is put. Get and Put wrap ErrNotFound and ErrConflict.
//
// Get reads at most max bytes and refuses a larger object with ErrTooLarge. A Put is whole or not at all, and is
// lasting once it has returned; a Match on an object that is not there wraps ErrConflict. Package storetest holds the
// whole contract as a test.
type Store interface {
	Get(ctx context.Context, name string, max int64) (Object, error)
	Put(ctx context.Context, o Object, c Condition) (tag string, err error)
}

// Listed is one object of a listing.
type Listed struct {
	Name     string
	Tag      string // "" where it would have to be computed from the bytes: Get tells
	Modified time.Time
}

// Cleaner is what a Store can do besides, so that old manifests can be removed from it.
type Cleaner interface {
	// List gives all objects whose name begins with prefix. One that does not end in a slash ends in a name's beginning, and
	// may stand for that directory alone.
	List(ctx context.Context, prefix string) ([]Listed, error)
	// Delete removes the object if it still has this tag; otherwise it wraps ErrConflict or ErrNotFound.
	Delete(ctx context.Context, name, tag string) error
}

// Tagger is what a Store can do besides: tell the tag of an object that is too large to be read. The tag serves for a Match,
// and to see whether the object changed; it may be another than Get gives.
type Tagger interface {
	Tag(ctx context.Context, name string) (string, error)
}

// maxDamage bounds what is read of an object to learn its tag, where the store cannot tell.
const maxDamage = 64 << 20

// tagOf asks for a tag alone.
func tagOf(ctx context.Context, s Store, name string) (string, error) {
	if t, ok := s.(Tagger); ok {
		return t.Tag(ctx, name)
	}
	o, err := s.Get(ctx, name, maxDamage)
	return o.Tag, err
}

// Cache-Control values (DESIGN 4.5).
const (
	CacheImmutable = "max-age=31536000, immutable"
	CacheBrief     = "max-age=60, must-revalidate, no-transform"
)

var (
	namePart  = regexp.MustCompile(`^(\.well-known|[A-Za-z0-9_][A-Za-z0-9._@+~-]{0,199})$`)
	trustName = regexp.MustCompile(`^trust/([1-9][0-9]{0,15})\.json$`)
	typeOf    = regexp.MustCompile(`\.[a-z]+$`)
)

// CheckName accepts the names that a site may hold: relative, with slashes, clean, of letters, digits and ._@+~-; no
// part begins with a dot, a minus or another sign, except ".well-known". A store asks it before anything else.
func CheckName(name string) error {
	ok := len(name) <= 512
	for part := range strings.SplitSeq(name, "/") {
		ok = ok && namePart.MatchString(part)
	}
	if !ok {
		return fmt.Errorf("name %q is not allowed at a site: expected a relative path like m/12/manifest.json", name)
	}
	return nil
}

// NewObject fills in the media type and the Cache-Control that belong to a name.
func NewObject(name string, data []byte) Object {
	o := Object{Name: name, Data: data, Type: "application/octet-stream", Cache: CacheBrief}
	if strings.HasPrefix(name, "m/") || trustName.MatchString(name) {
		o.Cache = CacheImmutable
	}
	switch typeOf.FindString(name) {
	case ".json":
		o.Type = "application/json"
	case ".asc":
		o.Type = "application/pgp-signature" // RFC 3156
		if strings.HasPrefix(name, "keys/") {
			o.Type = "application/pgp-keys"
		}
	case ".minisig", ".pub", ".pem", ".txt":
		o.Type = "text/plain; charset=utf-8"
	}
	return o
}
