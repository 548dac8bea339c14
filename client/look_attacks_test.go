package client

import (
	"bytes"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tidemark/manifest"
	"tidemark/sign"
)

// settled is a reader that has looked once, at serial 4127.
func settled(t *testing.T) (*site, *reader) {
	t.Helper()
	s := newSite(t)
	s.serve(BundleFile, fixtures().bundle(t, nil))
	r := newReader(t, s)
	if _, err := r.look(t); err != nil {
		t.Fatal(err)
	}
	s.log()
	return s, r
}

// keeps insists that the kept serial stays in force, and that what was served was refused for that reason ("": it was not).
func (r *reader) keeps(t *testing.T, serial int64, why Reason, notice string) *View {
	t.Helper()
	v, err := r.look(t)
	if err != nil {
		t.Fatal(err)
	}
	if v.Fresh || v.Opened.Manifest.Serial != serial {
		t.Errorf("serial %d, fresh %v, expected the kept %d", v.Opened.Manifest.Serial, v.Fresh, serial)
	}
	if got := v.Refused; (got == nil) != (why == "") || got != nil && got.Reason != why {
		t.Errorf("refused: %v, expected %q", got, why)
	}
	if notice != "" && !told(v.All, notice) {
		t.Errorf("%v, expected the notice %q", v.All, notice)
	}
	return v
}

func told(list []Notice, kind string) bool {
	for _, n := range list {
		if n.Kind == kind {
			return true
		}
	}
	return false
}

// refuses insists on a refusal, and nothing beside it.
func (r *reader) refuses(t *testing.T, why Reason) *Refused {
	t.Helper()
	v, err := r.look(t)
	var refused *Refused
	if v != nil || !errors.As(err, &refused) || refused.Reason != why {
		t.Fatalf("%+v, %v, expected a refusal: %s", v, err, why)
	}
	return refused
}

// What a site may answer in place of a bundle, to a reader that keeps one and to one that keeps none: the former goes on
// with its own and has the refusal to end by, the latter ends by it.
func TestLook_WhatIsRefused(t *testing.T) {
	f := fixtures()
	good := f.bundle(t, at(4128, time.Minute))
	flipped := bytes.Replace(good, []byte(`"value": "untrusted comment`), []byte(`"value": "Untrusted comment`), 1)
	for name, tt := range map[string]struct {
		answer http.HandlerFunc
		body   []byte
		why    Reason
	}{
		"redirect to http":            {to("http://127.0.0.1/x"), nil, Redirect},
		"redirect to another host":    {to("https://evil.example.org/x"), nil, Redirect},
		"redirect to private address": {to("https://192.168.1.1/x"), nil, Redirect},
		"endless body":                {status(200, "Content-Length", "99999999999"), nil, TooLarge},
		"encoded body":                {status(200, "Content-Encoding", "br"), nil, Encoded},
		"not JSON":                    {nil, []byte("<html>"), Malformed},
		"bad signature":               {nil, flipped, Signature},
		"another network":             {nil, f.bundle(t, func(m *manifest.Manifest) { m.Network = "debian" }), WrongNetwork},
		"from the future":             {nil, f.bundle(t, at(5000, 3*time.Hour)), FutureDated},
		"expired":                     {nil, f.bundle(t, at(5000, -30*time.Hour)), Expired},
		"trust that is not there":     {nil, f.bundle(t, func(m *manifest.Manifest) { m.TrustVersion = 9; m.Serial = 5000 }), TrustTooOld},
	} {
		t.Run(name, func(t *testing.T) {
			s, r := settled(t)
			s.serve(BundleFile, tt.body)
			if tt.answer != nil {
				s.answer(BundleFile, tt.answer)
			}
			r.keeps(t, 4127, tt.why, "")
			n := newReader(t, s)
			n.refuses(t, tt.why)
			s.serve(BundleFile, good)
			if v, err := r.look(t); err != nil || v.Opened.Manifest.Serial != 4128 || v.Refused != nil {
				t.Errorf("after that: %+v, %v", v, err)
			}
		})
	}
}

// A line that stalls is nobody's fault: the kept one stays in force, and without one the site is not reached.
func TestLook_Stalled(t *testing.T) {
	s, r := settled(t)
	s.hasty = true
	r.Origin = s.origin(t)
	s.answer(BundleFile, stall("{"))
	if v := r.keeps(t, 4127, "", NoteUnreachable); v.Refused != nil {
		t.Error(v.Refused)
	}
	v, err := newReader(t, s).look(t)
	if refused := (*Refused)(nil); v != nil || err == nil || errors.As(err, &refused) {
		t.Errorf("%+v, %v, expected no refusal", v, err)
	}
}

// A body that comes byte by byte would hold a run for ever: it is refused, and the kept one stays in force.
func TestLook_SlowBody(t *testing.T) {
	s, r := settled(t)
	s.hasty = true
	r.Origin = s.origin(t)
	s.answer(BundleFile, drip(1, 5*time.Millisecond))
	r.keeps(t, 4127, Slow, "")
}

func TestLook_StaleEdge(t *testing.T) {
	s, r := settled(t)
	s.serve(BundleFile, fixtures().bundle(t, at(4100, -time.Hour)))
	if v := r.keeps(t, 4127, "", NoteStaleEdge); !told(v.Noted, NoteStaleEdge) {
		t.Error("not told the first time")
	}
	r.now = r.now.Add(59 * time.Minute)
	if v := r.keeps(t, 4127, "", NoteStaleEdge); told(v.Noted, NoteStaleEdge) {
		t.Error("told twice within a day")
	}
	r.now = r.now.Add(time.Minute)
	r.keeps(t, 4127, Rollback, "")
	s.serve(BundleFile, fixtures().bundle(t, nil)) // the same serial again ends it,
	if v, err := r.look(t); err != nil || !v.Fresh {
		t.Fatal(v, err)
	}
	s.serve(BundleFile, fixtures().bundle(t, at(4100, -time.Hour))) // and the next hour begins anew
	r.keeps(t, 4127, "", NoteStaleEdge)
}

// An edge that lags by more than a validity serves what is expired, too: it is old before it is expired.
func TestLook_StaleEdgeExpired(t *testing.T) {
	s, r := settled(t)
	s.serve(BundleFile, fixtures().bundle(t, at(4000, -30*time.Hour)))
	r.keeps(t, 4127, "", NoteStaleEdge)
}

// With nothing kept in force there is nothing to go on with, within the hour or not.
func TestLook_RollbackWithoutKept(t *testing.T) {
	s, r := settled(t)
	if err := os.Remove(filepath.Join(r.State, BundleFile)); err != nil {
		t.Fatal(err)
	}
	s.serve(BundleFile, fixtures().bundle(t, at(4100, -time.Hour)))
	r.refuses(t, Rollback)
	r.now = r.now.Add(time.Hour)
	r.refuses(t, Rollback)
}

// While the site may be lagging, what is wrong is that the kept one has expired.
func TestLook_StaleEdgeKeptExpired(t *testing.T) {
	s, r := settled(t)
	s.serve(BundleFile, fixtures().bundle(t, at(4100, 5*time.Hour)))
	r.now = day0.Add(25 * time.Hour)
	r.refuses(t, Expired)
	r.now = r.now.Add(time.Hour)
	r.refuses(t, Rollback)
}

func TestLook_ForkKeepsBoth(t *testing.T) {
	s, r := settled(t)
	one := fixtures().bundle(t, nil)
	two := fixtures().bundle(t, func(m *manifest.Manifest) { m.Policy.CheckInterval++ })
	s.serve(BundleFile, two)
	refused := r.refuses(t, Fork)
	forks, _ := filepath.Glob(filepath.Join(r.State, "fork-4127-????????.bundle.json"))
	if len(forks) != 2 {
		t.Fatalf("%v, expected both documents", forks)
	}
	found := map[string]bool{}
	for _, name := range forks {
		b, err := os.ReadFile(name)
		if err != nil || !strings.Contains(refused.Error(), name) {
			t.Errorf("%v; %v does not name %s", err, refused, name)
		}
		found[string(b)] = true
	}
	if !found[string(one)] || !found[string(two)] {
		t.Error("the two files are not the two documents")
	}
	r.refuses(t, Fork) // again, and no more files
	if again, _ := filepath.Glob(filepath.Join(r.State, "fork-*")); len(again) != 2 {
		t.Error(again)
	}
	if since, err := NoManifestSince(r.State); err != nil || !since.IsZero() {
		t.Errorf("%v, %v: the kept one is in force all the while", since, err)
	}
	s.serve(BundleFile, fixtures().bundle(t, at(4128, time.Minute)))
	v, err := r.look(t)
	if err != nil || v.Opened.Manifest.Serial != 4128 || !told(v.Noted, NoteFork) {
		t.Errorf("%+v, %v: the next serial, and a word about the fork", v, err)
	}
}

// Whoever has the keys can make forks without end; the disk is not theirs to fill.
func TestLook_ForkCap(t *testing.T) {
	s, r := settled(t)
	for n := range maxForks - 1 {
		if err := os.WriteFile(filepath.Join(r.State, forkFile(int64(n), strings.Repeat("a", 64))), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.serve(BundleFile, fixtures().bundle(t, func(m *manifest.Manifest) { m.Policy.CheckInterval++ }))
	r.refuses(t, Fork)
	if all, _ := filepath.Glob(filepath.Join(r.State, forkGlob)); len(all) != maxForks {
		t.Errorf("%d files, expected %d", len(all), maxForks)
	}
}

func TestLook_SiteDown(t *testing.T) {
	s, r := settled(t)
	s.answer(BundleFile, status(500))
	if v := r.keeps(t, 4127, "", NoteUnreachable); !told(v.Noted, NoteUnreachable) || told(v.All, NoteOld) {
		t.Error(v.All)
	}
	r.now = day0.Add(13*time.Hour + time.Minute) // half the validity and an hour
	if v := r.keeps(t, 4127, "", NoteOld); told(v.Noted, NoteUnreachable) || !told(v.Noted, NoteOld) {
		t.Errorf("%v: the one was told today, the other not", v.Noted)
	}
	r.now = day0.Add(24*time.Hour + 4*time.Minute)
	r.keeps(t, 4127, "", NoteUnreachable)
	if since, err := NoManifestSince(r.State); err != nil || !since.IsZero() {
		t.Errorf("%v, %v", since, err)
	}
	r.now = day0.Add(24*time.Hour + 6*time.Minute)
	v, err := r.look(t)
	var refused *Refused
	if v != nil || err == nil || errors.As(err, &refused) || !strings.Contains(err.Error(), "500") || !strings.Contains(err.Error(), "expired") {
		t.Errorf("%+v, %v: expected no refusal, with both reasons", v, err)
	}
	found := r.now
	for range 2 {
		if since, err := NoManifestSince(r.State); err != nil || !since.Equal(found) {
			t.Errorf("%v, %v: expected the first look that found nothing in force", since, err)
		}
		r.now = r.now.Add(time.Hour)
		r.look(t)
	}
	s.serve(BundleFile, fixtures().bundle(t, at(4129, 24*time.Hour)))
	if _, err := r.look(t); err != nil {
		t.Error(err)
	}
	if since, err := NoManifestSince(r.State); err != nil || !since.IsZero() {
		t.Errorf("%v, %v: it is over", since, err)
	}
}

func TestLook_NeverReached(t *testing.T) {
	s := newSite(t)
	r := newReader(t, s)
	start := r.now
	for range 2 {
		v, err := r.look(t)
		if v != nil || err == nil || !strings.Contains(err.Error(), "404") {
			t.Fatal(v, err)
		}
		if since, err := NoManifestSince(r.State); err != nil || !since.Equal(start) {
			t.Errorf("%v, %v: expected the first look in vain", since, err)
		}
		r.now = r.now.Add(time.Hour)
	}
	if v, err := Kept(r.LookOptions); v != nil || err != nil {
		t.Error(v, err)
	}
}

// Expired is expired, whether it comes again, comes as a 304, or is kept alone.
func TestLook_Expired(t *testing.T) {
	s, r := settled(t)
	r.now = day0.Add(25 * time.Hour)
	r.refuses(t, Expired)
	if got := s.log(); got[0] != "304 "+BundleFile {
		t.Error(got)
	}
	if since, _ := NoManifestSince(r.State); !since.Equal(r.now) {
		t.Error(since)
	}
	var refused *Refused
	if v, err := Kept(r.LookOptions); v != nil || !errors.As(err, &refused) || refused.Reason != Expired {
		t.Errorf("%+v, %v", v, err)
	}
}

// A clock set back must not bring an expired document back to life, nor hold things up.
func TestLook_Clock(t *testing.T) {
	s, r := settled(t)
	s.serve(BundleFile, fixtures().bundle(t, at(4128, 48*time.Hour)))
	r.now = day0.Add(49 * time.Hour)
	if _, err := r.look(t); err != nil {
		t.Fatal(err)
	}
	r.now = day0.Add(time.Hour) // a day and more behind: what was seen is the floor
	if v, err := r.look(t); err != nil || v.Opened.Manifest.Serial != 4128 {
		t.Fatalf("%+v, %v", v, err)
	}
	s.serve(BundleFile, fixtures().bundle(t, at(4129, 50*time.Hour)))
	r.keeps(t, 4128, FutureDated, "")
	r.now = day0.Add(100 * time.Hour)
	r.refuses(t, Expired)
	r.now = day0.Add(51 * time.Hour)
	if v, err := r.look(t); err != nil || v.Opened.Manifest.Serial != 4129 {
		t.Fatalf("%+v, %v", v, err)
	}
}

func TestLook_EveryNotice(t *testing.T) {
	s, r := settled(t)
	s.answer(BundleFile, status(500))
	r.EveryNotice = true
	for range 2 {
		if v := r.keeps(t, 4127, "", ""); !told(v.Noted, NoteUnreachable) {
			t.Error("not told")
		}
	}
	r.EveryNotice = false
	if v := r.keeps(t, 4127, "", ""); !told(v.Noted, NoteUnreachable) {
		t.Error("what was told by hand counts as told")
	}
	r.now = r.now.Add(day)
	s.serve(BundleFile, fixtures().bundle(t, at(4130, 24*time.Hour)))
	r.look(t)
	s.answer(BundleFile, status(500))
	if v := r.keeps(t, 4130, "", ""); !told(v.Noted, NoteUnreachable) {
		t.Error("not told again after a day")
	}
}

func TestLook_OfADirectory(t *testing.T) {
	dir := t.TempDir()
	f := fixtures()
	put := func(b []byte) {
		if err := os.WriteFile(filepath.Join(dir, BundleFile), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	put(f.bundle(t, nil))
	r := &reader{now: day0.Add(time.Hour)}
	o, err := NewOrigin(dir)
	if err != nil {
		t.Fatal(err)
	}
	r.LookOptions = LookOptions{Origin: o, State: filepath.Join(t.TempDir(), "not", "made"), Network: "centos", Trust: sealed(t, f.trust, 3), Now: func() time.Time { return r.now }}
	if v, err := Kept(r.LookOptions); v != nil || err != nil {
		t.Fatal(v, err)
	}
	if v, err := r.look(t); err != nil || !v.Fresh {
		t.Fatalf("%+v, %v", v, err)
	}
	put(f.bundle(t, at(4128, time.Minute)))
	if v, err := r.look(t); err != nil || v.Opened.Manifest.Serial != 4128 {
		t.Fatalf("%+v, %v", v, err)
	}
	put(bytes.Repeat([]byte(" "), sign.MaxBundle+1))
	r.keeps(t, 4128, TooLarge, "")
}

func TestLook_PinnedTrust(t *testing.T) {
	_, r := settled(t)
	r.Network = "debian"
	r.refuses(t, WrongNetwork)
	r.Trust = []byte("{}")
	if v, err := r.look(t); v != nil || err == nil || !strings.Contains(err.Error(), "pinned trust") {
		t.Errorf("%+v, %v", v, err)
	}
}
