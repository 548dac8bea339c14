package client

import (
	"fmt"
	"maps"
	"strings"
	"time"

	"tidemark/internal/strictjson"
)

const (
	maxMemory = 64 << 10
	maxSaid   = 64
	day       = 24 * time.Hour
)

// memory is origin.json: what a reader remembers of its origin. Nothing in it makes a bundle good.
type memory struct {
	Validator    Validator       `json:"validator,omitzero"` // of the kept bundle,
	Bundle       string          `json:"bundle,omitempty"`   // whose SHA-256 this is: of another one it says nothing
	TrustChecked strictjson.Time `json:"trust_checked,omitzero"`
	OlderSince   strictjson.Time `json:"older_since,omitzero"`   // nothing but older serials came since
	FailingSince strictjson.Time `json:"failing_since,omitzero"` // nothing usable came since
	NothingSince strictjson.Time `json:"nothing_since,omitzero"` // no valid manifest was in force, as was first found then

	OutOfTimeSince strictjson.Time `json:"out_of_time_since,omitzero"` // what came was genuine, and expired or of the future

	EndTold int64 `json:"end_told,omitempty"` // the version of the trust document that was told to end within 90 days

	Said map[string]strictjson.Time `json:"said,omitempty"` // when a kind of notice was last told
}

func parseMemory(b []byte) (memory, error) {
	var m memory
	if len(b) > maxMemory {
		return memory{}, fmt.Errorf("more than %d bytes", maxMemory)
	}
	if err := strictjson.Unmarshal(b, &m); err != nil {
		return memory{}, err
	}
	if err := m.Validator.check(); err != nil {
		return memory{}, err
	}
	if m.Bundle != "" && (len(m.Bundle) != 64 || strings.Trim(m.Bundle, "0123456789abcdef") != "") {
		return memory{}, fmt.Errorf("bundle is %.70q, expected 64 lower-case hex digits", m.Bundle)
	}
	if len(m.Said) > maxSaid {
		return memory{}, fmt.Errorf("%d kinds of notices, expected at most %d", len(m.Said), maxSaid)
	}
	return m, nil
}

// load reads origin.json; a damaged one is set aside, since all in it can be learnt again.
func (s *store) load() (memory, *Notice, error) {
	b, err := s.read(originFile, maxMemory)
	if b == nil || err != nil {
		return memory{}, nil, err
	}
	m, err := parseMemory(b)
	if err == nil {
		return m, nil, nil
	}
	n := &Notice{Kind: NoteDamaged, Text: fmt.Sprintf("%s/%s is damaged (%v); it was set aside, and the manifest is fetched in full", s.dir, originFile, err)}
	return memory{}, n, s.setAside(originFile)
}

// change loads the newest memory, changes it, and stores it when something did change. The lock is held.
func (s *store) change(f func(*memory)) error {
	before, _, err := s.load()
	if err != nil {
		return err
	}
	after := before
	after.Said = maps.Clone(before.Said)
	f(&after)
	if after.same(before) {
		return nil
	}
	b, err := strictjson.Marshal(after)
	if err != nil {
		return fmt.Errorf("write %s: %w", originFile, err)
	}
	return s.write(originFile, b)
}

func (m memory) same(o memory) bool {
	if !maps.Equal(m.Said, o.Said) {
		return false
	}
	return m.Validator == o.Validator && m.Bundle == o.Bundle && m.TrustChecked == o.TrustChecked &&
		m.OlderSince == o.OlderSince && m.FailingSince == o.FailingSince && m.NothingSince == o.NothingSince &&
		m.OutOfTimeSince == o.OutOfTimeSince && m.EndTold == o.EndTold
}

// since keeps the start of something that goes on; one after now is of a clock that moved back.
func since(old strictjson.Time, now time.Time) strictjson.Time {
	if old.IsZero() || old.After(now) {
		return strictjson.At(now)
	}
	return old
}

// lasting is since for what goes on, zero for what does not.
func lasting(on bool, old strictjson.Time, now time.Time) strictjson.Time {
	if !on {
		return strictjson.Time{}
	}
	return since(old, now)
}

// over reports whether d has passed since t; so it has when t is zero, or after now.
func over(t strictjson.Time, d time.Duration, now time.Time) bool {
	return t.IsZero() || t.After(now) || !now.Before(t.Add(d))
}

// sayOnce marks the end of that version of the trust document as told, and reports whether it was due.
func (m *memory) sayOnce(version int64) bool {
	due := m.EndTold != version
	m.EndTold = version
	return due
}

// say marks a kind of notice as told, and reports whether it was due: once a day.
func (m *memory) say(kind string, now time.Time) bool {
	if !over(m.Said[kind], day, now) {
		return false
	}
	maps.DeleteFunc(m.Said, func(_ string, t strictjson.Time) bool { return over(t, day, now) })
	if len(m.Said) >= maxSaid {
		return true
	}
	if m.Said == nil {
		m.Said = make(map[string]strictjson.Time)
	}
	m.Said[kind] = strictjson.At(now)
	return true
}
