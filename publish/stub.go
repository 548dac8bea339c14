package publish

import (
	"context"
	"errors"
	"time"
)

// The two answers of a store that callers act upon.
var (
	ErrNotFound = errors.New("not found")
	ErrConflict = errors.New("condition failed") // somebody else wrote
)

// Object is one file of the site.
type Object struct {
	Name  string // e.g. "m/12/manifest.json"
	Data  []byte
	Type  string // media type
	Cache string // Cache-Control
	Tag   string // the store's ETag (for the directory: SHA-256 in hex)
}

// Condition of a Put. The zero value is unconditional.
type Condition struct {
	Absent bool   // If-None-Match: *
	Match  string // If-Match: this tag
}

// Store is where a site is put. Get and Put wrap ErrNotFound and ErrConflict.
type Store interface {
	Get(ctx context.Context, name string, max int64) (Object, error)
	Put(ctx context.Context, o Object, c Condition) (tag string, err error)
}

// Dir is the directory store; path is made when missing.
func Dir(path string) (*DirStore, error) { panic("stub") }

// DirStore writes atomically (temp file, fsync, rename or link, fsync of the directory) under a lock on the directory.
type DirStore struct{}

func (d *DirStore) Get(ctx context.Context, name string, max int64) (Object, error) { panic("stub") }
func (d *DirStore) Put(ctx context.Context, o Object, c Condition) (string, error)  { panic("stub") }

// Pointer is latest.json.
type Pointer struct {
	Schema string `json:"schema"` // tidemark/pointer/v1
	Serial int64  `json:"serial"`
	SHA256 string `json:"sha256"` // of manifest.json
	Path   string `json:"path"`   // "m/12/"
}

// Standing is how a store was found at the start of a run. Its tags fence the swap.
type Standing struct {
	Pointer *Pointer // nil: never published
	Mark    string   // latest.txt
	// unexported: tags
}

// Look reads the pointer and the completion mark: two requests.
func Look(ctx context.Context, s Store) (*Standing, error) { panic("stub") }

// Complete reports whether the completion mark agrees with the pointer; else Heal is due.
func (st *Standing) Complete() bool { panic("stub") }

// Predecessor fetches the bundle that the pointer names.
func (st *Standing) Predecessor(ctx context.Context, s Store) ([]byte, error) { panic("stub") }

// Reserved is a serial that was reserved and not pointed to.
type Reserved struct {
	Serial int64
	Bundle []byte
}

// Reservations lists reserved serials above the pointer and above floor, by looking at serial after serial.
func Reservations(ctx context.Context, s Store, st *Standing, floor int64) ([]Reserved, error) {
	panic("stub")
}

// Release is one publication.
type Release struct {
	Serial  int64
	SHA256  string
	Bundle  []byte
	Files   map[string][]byte // "manifest.json", "manifest.json.asc", "manifest.json.minisig", "manifest.json.gpg", more signers' files
	Ground  []Object          // trust and keys: put first, when new (trust/<N>.json with Absent)
	Status  []Object          // put last
	Expires time.Time
}

// Verify checks a bundle as a client would.
type Verify func(bundle []byte) error

// Push publishes r in the order of DESIGN 4.5. Each refusal wraps ErrConflict (exit 5) or says which step failed.
func Push(ctx context.Context, s Store, st *Standing, r Release, verify Verify) error { panic("stub") }

// Heal redoes the fixed names from m/<serial>/ after a run that was killed between swap and mark.
func Heal(ctx context.Context, s Store, st *Standing, verify Verify) error { panic("stub") }

// Finish completes a reserved serial whose immutable copies are all there, from the swap on.
func Finish(ctx context.Context, s Store, st *Standing, serial int64, verify Verify) error {
	panic("stub")
}

// Clean removes m/<serial>/ older than keep (never the pointer's own), with If-Match, where the store can.
func Clean(ctx context.Context, s Store, st *Standing, keep time.Duration, now time.Time) (removed []int64, err error) {
	panic("stub")
}
