package publish

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"tidemark/manifest"
)

// The pauses of Await double from the first to the longest.
const (
	firstPause   = 500 * time.Millisecond
	longestPause = 10 * time.Second
	fetchTries   = 3 // with no answer at all
)

// StaleError: the public URL still gives an older answer, or none yet, after all patience. A cache keeps objects for
// longer than their Cache-Control says, or the URL leads elsewhere.
type StaleError struct {
	Name   string
	Absent bool  // the answer was that nothing is there
	Serial int64 // of the answer; 0: it does not tell
	Waited time.Duration
}

func (e *StaleError) Error() string {
	found := "other bytes"
	switch {
	case e.Absent:
		found = "nothing"
	case e.Serial > 0:
		found = "serial " + strconv.FormatInt(e.Serial, 10)
	}
	return fmt.Sprintf("%s: found %s for %s, expected what was just published", e.Name, found, e.Waited)
}

// DifferentError: the answer is not what was published and not older either: another publisher was there, or something
// between store and reader changes bytes.
type DifferentError struct {
	Name         string
	Serial, Want int64 // of the answer and of what was published; 0: it does not tell
}

func (e *DifferentError) Error() string {
	if e.Serial > e.Want {
		return fmt.Sprintf("%s: found serial %d, expected %d, which was just published: another publisher was faster", e.Name, e.Serial, e.Want)
	}
	return fmt.Sprintf("%s: found other bytes than were published, with no older serial: a cache or web server changes files", e.Name)
}

// UnreachableError: the public URL gave no answer. What is published may be right all the same.
type UnreachableError struct {
	Name string
	Err  error
}

func (e *UnreachableError) Error() string { return fmt.Sprintf("%s: %v", e.Name, e.Err) }
func (e *UnreachableError) Unwrap() error { return e.Err }

// Await fetches name through the public URL until it is want. An older answer may be a cache's: it is asked again,
// with growing pauses, until patience (the time to live, and a little) is over: *StaleError. So is an answer that
// nothing is there, when fetch's error wraps ErrNotFound or fs.ErrNotExist. Other bytes of the same serial, of a higher
// one or of none are a *DifferentError at once; immutable names have no older version. No answer, three times, is an
// *UnreachableError.
func Await(ctx context.Context, fetch Fetch, name string, want []byte, patience time.Duration) error {
	return await(ctx, fetch, name, want, patience, false)
}

// AwaitAnew is Await after a publication over what counted no more (Standing.Void): whatever else a fixed name gives, of whatever
// serial, may be a cache's.
func AwaitAnew(ctx context.Context, fetch Fetch, name string, want []byte, patience time.Duration) error {
	return await(ctx, fetch, name, want, patience, true)
}

// Fetch gets an object through the public URL. What is not there wraps ErrNotFound or fs.ErrNotExist.
type Fetch func(ctx context.Context, name string) ([]byte, error)

func await(ctx context.Context, fetch Fetch, name string, want []byte, patience time.Duration, anew bool) error {
	var waited time.Duration
	tries, pause := 0, firstPause
	for {
		got, err := fetch(ctx, name)
		var outcome error
		switch {
		case err == nil && bytes.Equal(got, want):
			return nil
		case err == nil:
			have, now := serialIn(name, got), serialIn(name, want)
			if NewObject(name, nil).Cache == CacheImmutable || !anew && now > 0 && (have == 0 || have >= now) {
				return &DifferentError{name, have, now}
			}
			outcome = &StaleError{Name: name, Serial: have, Waited: waited}
		case errors.Is(err, ErrNotFound), errors.Is(err, fs.ErrNotExist):
			outcome = &StaleError{Name: name, Absent: true, Waited: waited}
		default:
			outcome = &UnreachableError{name, err}
			if tries++; tries == fetchTries || ctx.Err() != nil {
				return outcome
			}
		}
		step := min(pause, patience-waited)
		if step <= 0 {
			return outcome
		}
		if !sleep(ctx, step) {
			return &UnreachableError{name, ctx.Err()}
		}
		waited, pause = waited+step, min(2*pause, longestPause)
	}
}

// sleep reports whether ctx lasted.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// serialIn is the serial that an object of a site shows, 0 when it shows none. Nobody has verified it: it only tells
// waiting from refusing.
func serialIn(name string, data []byte) int64 {
	switch name {
	case PointerName:
		if p, err := manifest.ParsePointer(data); err == nil {
			return p.Serial
		}
	case MarkName:
		n, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimPrefix(string(data), "m/"), "/\n"), 10, 64)
		return n
	case BundleName:
		if files, err := Unpack(data); err == nil {
			return serialIn(ManifestName, files[ManifestName])
		}
	case ManifestName:
		var m struct {
			Serial int64 `json:"serial"`
		}
		if json.Unmarshal(data, &m) == nil {
			return m.Serial
		}
	}
	return 0
}
