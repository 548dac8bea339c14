package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/gofrs/flock"

	"tidemark/internal/console"
	"tidemark/internal/strictjson"
	"tidemark/quorum"
)

// state is the publisher's state directory. Every file in it is written atomically; losing any of them loses no content,
// since what was published last can be read back from the site.
//
//	memory.json             quorum.Memory
//	site.json               siteState
//	published.bundle.json   own copy of what was published last
//	status.json             what the last run concluded
//	readings.json           what was seen last of each server (lastReadings)
//	history.db              what was seen over time
//	lists/                  the masters' file lists (lists)
//	trust/<N>.json          every trust version that was worked with (trustChain)
//	trust/sealed/<N>.json   those that were sealed here (keepSealed)
//	lock.json               who holds the lock (an flock on the directory itself)
type state struct {
	dir  string
	lock *flock.Flock
}

// siteState is what the publisher remembers of its own publications.
type siteState struct {
	Schema    string          `json:"schema"`
	Serial    int64           `json:"serial"`             // highest that was ever used, published or not
	Released  int64           `json:"released,omitempty"` // highest that was signed and reserved from here
	Published int64           `json:"published"`          // newest that is known to have been published; 0: nothing ever was
	Bundle    string          `json:"bundle,omitempty"`   // SHA-256 of published.bundle.json
	StatusAt  strictjson.Time `json:"status_at,omitzero"`
	WarnedAt  strictjson.Time `json:"warned_at,omitzero"` // of keys that end
	BehindAt  strictjson.Time `json:"behind_at,omitzero"` // when it was said that a newer trust version judges than is installed

	SkippedAt map[string]strictjson.Time `json:"skipped_at,omitempty"` // by words: when it was said that a configured key is not used

	TrustPut int64 `json:"trust_put,omitempty"` // the highest trust version that went up

	Renewed *life `json:"renewed,omitempty"` // when what is published was given its end

	ResetBy []string               `json:"reset_by,omitempty"` // SHA-256 of the trust payloads whose reset_serial was obeyed
	Ground  map[string]groundState `json:"ground,omitempty"`   // by target: trust and keys as put last

	CleanedAt map[string]strictjson.Time `json:"cleaned_at,omitempty"` // by target: when old serials were removed
}

// life is the issue and the end of a manifest that a full run published, or of the first of that end that was seen here. Those
// that runs for check-ins publish afterwards have the same end, and must not put off the moment when half of the time is over.
type life struct {
	Issued  strictjson.Time `json:"issued"`
	Expires strictjson.Time `json:"expires"`
}

const siteSchema = "tidemark/site-state/v1"

type holder struct {
	PID   int             `json:"pid"`
	Since strictjson.Time `json:"since"`
	For   purpose         `json:"for,omitempty"`
}

// purpose is what the lock is held for.
type purpose string

const (
	forAnything purpose = ""
	forCheckins purpose = "checkins" // a short run that comes at any moment: the others wait for it
)

// openState locks the state directory, which must exist. The lock ends with the process, whatever becomes of it.
func openState(c *console.Call, dir string) (*state, error) {
	return lockState(c, dir, forAnything, 0)
}

// lockState is openState for a purpose. It waits for the lock up to patience, and for one that is held for check-ins in any case.
func lockState(c *console.Call, dir string, why purpose, patience time.Duration) (*state, error) {
	if err := c.StateDir(dir); err != nil {
		return nil, err
	}
	s := &state{dir: dir, lock: flock.New(dir, flock.SetFlag(os.O_RDONLY))}
	got, err := s.await(c.Context.Context, patience)
	if err != nil {
		return nil, fmt.Errorf("lock state directory %s: %w", dir, err)
	}
	if !got {
		return nil, console.Exit(console.Locked, fmt.Errorf("%s holds the lock on %s", s.holder(), dir), "wait for it to end (a dead process holds no lock), or find it: fuser %s", dir)
	}
	os.Chmod(dir, 0o700) // private servers are named in it, and whoever may read it may hold the lock; not ours to change: never mind
	s.sweep()
	if err := s.save("lock.json", holder{PID: os.Getpid(), Since: strictjson.At(c.Now()), For: why}); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// await tries to get the lock until patience is over.
func (s *state) await(ctx context.Context, patience time.Duration) (got bool, err error) {
	for begun := time.Now(); ; {
		got, err := s.lock.TryLock()
		if got || err != nil {
			return got, err
		}
		most := patience
		switch h, known := s.held(); {
		case known && h.For == forCheckins:
			most = max(patience, lockPatience)
		case !known:
			most = max(patience, lockNamed) // it may be about to say what it is
		}
		if time.Since(begun) >= most {
			return false, nil
		}
		if err := sleep(ctx, lockPoll); err != nil {
			return false, err
		}
	}
}

const (
	lockPatience = 10 * time.Minute // how long a run and one for check-ins wait for each other
	lockPoll     = 100 * time.Millisecond
	lockNamed    = time.Second
)

// held is who has the lock, when that is known: who had it before is dead, or is not the process of that name.
func (s *state) held() (h holder, known bool) {
	b, err := os.ReadFile(s.path("lock.json"))
	known = err == nil && json.Unmarshal(b, &h) == nil && syscall.Kill(h.PID, 0) == nil
	return h, known
}

// holder names who has the lock, as far as can be known.
func (s *state) holder() string {
	if h, known := s.held(); known {
		return fmt.Sprintf("process %d, since %s,", h.PID, console.Clock(h.Since.Time))
	}
	return "another process"
}

// sweep removes the temporary files of killed runs; the lock is held, so nobody else is writing.
func (s *state) sweep() {
	left, err := filepath.Glob(s.path(".*.json*"))
	if err != nil {
		return
	}
	for _, f := range left {
		os.Remove(f)
	}
}

func (s *state) close()                  { s.lock.Close() }
func (s *state) path(name string) string { return filepath.Join(s.dir, name) }

// save writes v as JSON: whole, or not at all.
func (s *state) save(name string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("encode %s: %w", name, err)
	}
	return s.write(name, append(b, '\n'))
}

func (s *state) write(name string, b []byte) error {
	if err := console.WriteFile(s.path(name), b, 0o600); err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	return nil
}

// read returns a file's bytes, nil when there is none.
func (s *state) read(name string) ([]byte, error) {
	b, err := os.ReadFile(s.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read state: %w", err)
	}
	return b, nil
}

// memory loads what the deciding remembers. A damaged file stops the run: guessing could announce too early.
func (s *state) memory() (quorum.Memory, error) {
	b, err := s.read("memory.json")
	if err != nil {
		return quorum.Memory{}, err
	}
	if b == nil {
		return quorum.NewMemory(), nil
	}
	m, err := quorum.LoadMemory(b)
	if err != nil {
		return m, console.Hinted(fmt.Errorf("%s: %w", s.path("memory.json"), err),
			"move it away (mv %s %s.bad) and run again: what is announced is read back from the site", s.path("memory.json"), s.path("memory.json"))
	}
	return m, nil
}

func (s *state) saveMemory(m quorum.Memory) error {
	b, err := quorum.EncodeMemory(m)
	if err != nil {
		return fmt.Errorf("encode memory: %w", err)
	}
	return s.write("memory.json", b)
}

// site loads what is remembered of the site; known is false when this directory never published and was not made by init.
func (s *state) site() (st siteState, known bool, err error) {
	b, err := s.read("site.json")
	if err != nil || b == nil {
		return siteState{Schema: siteSchema}, false, err
	}
	if err := strictjson.Unmarshal(b, &st); err != nil {
		return st, true, console.Hinted(fmt.Errorf("%s: %w", s.path("site.json"), err), "restore it from a copy, or write {\"schema\": %q, \"serial\": N, \"published\": N} with the serial of the site's latest.json", siteSchema)
	}
	return st, true, nil
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
