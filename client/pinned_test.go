package client

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"tidemark/keys"
	"tidemark/manifest"
)

// overrun is a reader that saw the highest serial, of a stolen key, under version 3; the network has since started its serials
// anew in version 4, and gone on to version 5, of which the reset is not told any more. Today's serial is 4128.
func overrun(t *testing.T) (*site, *reader, []byte) {
	t.Helper()
	f := fixtures()
	s, r := settled(t)
	s.serve(BundleFile, f.bundle(t, serial(manifest.MaxSerial)))
	if _, err := r.look(t); err != nil {
		t.Fatal(err)
	}
	five := sealed(t, following(5, nil), 3)
	steps(s, 4, sealed(t, following(4, func(x *keys.Trust) { x.ResetSerial, x.MinSerial = true, 4100 }), 3), five)
	s.serve(BundleFile, f.bundle(t, at(4128, 2*time.Minute)))
	s.log()
	return s, r, five
}

// An admin pins version 5 by hand: the version left out is fetched, followed from the one that was held up to the one pinned,
// and its reset obeyed, once.
func TestLook_PinnedBeyondAReset(t *testing.T) {
	s, r, five := overrun(t)
	r.Trust = five
	v, err := r.look(t)
	if err != nil || !v.Fresh || v.Opened.Manifest.Serial != 4128 || v.Trust.Version != 5 {
		t.Fatalf("%+v, %v", v, err)
	}
	seen, err := LoadSeen(r.State)
	if err != nil || seen.Serial != 4128 || seen.Reset != 4 || len(seen.ResetBy) != 1 {
		t.Errorf("%+v, %v", seen, err)
	}
	s.serve(BundleFile, fixtures().bundle(t, at(4127, 2*time.Minute)))
	r.keeps(t, 4128, "", NoteStaleEdge) // once
	r.Trust = sealed(t, fixtures().trust, 3)
	s.serve(BundleFile, fixtures().bundle(t, at(4126, 2*time.Minute)))
	r.keeps(t, 4128, "", NoteStaleEdge) // also by the chain from the old pinned one
}

// What is no way from the one held to the one pinned starts nothing anew: the site does not have it, or it leads elsewhere,
// or is not signed by who was trusted; nor does a version pinned without a reset between.
func TestLook_PinnedBeyondNoReset(t *testing.T) {
	for name, change := range map[string]func(*site, *reader){
		"the site does not have it": func(s *site, r *reader) { s.serve("trust/4.json", nil) },
		"the site fails":            func(s *site, r *reader) { s.answer("trust/4.json", status(500)) },
		"signed by a stranger": func(s *site, r *reader) {
			steps(s, 4, sealed(t, following(4, func(x *keys.Trust) { x.ResetSerial = true }), 2))
		},
		"signed by the next root only": func(s *site, r *reader) {
			steps(s, 4, sealed(t, following(4, func(x *keys.Trust) { rooted(2)(x); x.ResetSerial = true }), 2))
			r.Trust = sealed(t, following(5, rooted(2)), 2)
		},
		"it leads elsewhere": func(s *site, r *reader) {
			steps(s, 4, sealed(t, following(4, func(x *keys.Trust) { rooted(2)(x); x.ResetSerial = true }), 3, 2))
		},
		"nothing is reset on the way": func(s *site, r *reader) { steps(s, 4, sealed(t, following(4, nil), 3)) },
		"nothing is known of what was held": func(s *site, r *reader) {
			if err := os.Remove(filepath.Join(r.State, stepFile(3))); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, r, five := overrun(t)
			r.Trust = five
			change(s, r)
			r.keeps(t, manifest.MaxSerial, "", NoteStaleEdge)
			if seen, err := LoadSeen(r.State); err != nil || seen.Serial != manifest.MaxSerial || seen.Reset != 0 {
				t.Errorf("%+v, %v", seen, err)
			}
		})
	}
}

// The beacons' serials are started anew with the manifests'.
func TestLook_PinnedBeyondAReset_Beacon(t *testing.T) {
	_, r, five := overrun(t)
	if err := os.WriteFile(filepath.Join(r.State, beaconFile), []byte(`{"serial": 9007199254740991, "sha256": "`+manifest.SHA256(nil)+"\"}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	r.Trust = five
	if v, err := r.look(t); err != nil || v.Opened.Manifest.Serial != 4128 {
		t.Fatalf("%+v, %v", v, err)
	}
	if _, err := os.Lstat(filepath.Join(r.State, beaconFile)); !os.IsNotExist(err) {
		t.Errorf("beacon.json: %v, expected that it is gone", err)
	}
}

// A trust document that is going to end is told once from 90 days on, and once a day in the last 30; the last day has no end
// but the document's own, and five minutes.
func TestLook_TrustEnds(t *testing.T) {
	expires := fixtures().trust.Expires.Time
	const far, near = 90 * day, 30 * day
	f, s := fixtures(), newSite(t)
	r := newReader(t, s)
	var serial int64 = 5000
	look := func(left time.Duration) (*View, error) {
		r.now, serial = expires.Add(-left), serial+1
		s.serve(BundleFile, f.bundle(t, at(serial, r.now.Sub(day0))))
		return r.look(t)
	}
	for _, tt := range []struct {
		left  time.Duration
		noted bool // told to cron
		all   bool // told to a person
	}{
		{91 * day, false, false}, {far + time.Second, false, false},
		{far, true, true}, {far - time.Hour, false, true}, {89 * day, false, true}, {60 * day, false, true}, {31 * day, false, true},
		{near, true, true}, {near - time.Hour, false, true}, {29 * day, true, true}, {28*day - time.Hour, true, true},
		{day, true, true}, {0, true, true}, {-time.Minute, false, true},
	} {
		v, err := look(tt.left)
		if err != nil {
			t.Fatalf("%v left: %v", tt.left, err)
		}
		if told(v.Noted, NoteTrustEnds) != tt.noted || told(v.All, NoteTrustEnds) != tt.all {
			t.Errorf("%v left: noted %v of all %v, expected %v and %v", tt.left, v.Noted, v.All, tt.noted, tt.all)
		}
		r.EveryNotice = true // as `check` looks: nothing is marked as told
		if v, err = look(tt.left); err != nil || told(v.Noted, NoteTrustEnds) != tt.all {
			t.Errorf("%v left, every notice: %+v, %v", tt.left, v, err)
		}
		r.EveryNotice = false
	}
	for _, left := range []time.Duration{-6 * time.Minute, -day} {
		r.now = expires.Add(-left)
		r.refuses(t, TrustExpired)
	}
	// Another version is told anew.
	steps(s, 4, sealed(t, following(4, func(x *keys.Trust) { x.Expires.Time = expires.Add(60 * day) }), 3))
	if v, err := look(-day); err != nil || v.Trust.Version != 4 || !told(v.Noted, NoteTrustEnds) {
		t.Fatalf("%+v, %v", v, err)
	}
	if v, err := look(-2 * day); err != nil || told(v.Noted, NoteTrustEnds) {
		t.Errorf("%+v, %v", v, err)
	}
}

// A kept bundle whose key the newest trust document revokes is out of force at once, without the site, too.
func TestKept_KeyRevoked(t *testing.T) {
	s, r := settled(t)
	steps(s, 4, sealed(t, following(4, func(x *keys.Trust) { x.Manifest.Keys[1].Revoked = true }), 3))
	if v, err := Kept(r.LookOptions); err != nil || v == nil {
		t.Fatalf("%+v, %v", v, err)
	}
	if _, err := UpdateTrust(t.Context(), r.LookOptions); err != nil {
		t.Fatal(err)
	}
	r.Origin = nowhere{}
	v, err := Kept(r.LookOptions)
	if v != nil || err == nil {
		t.Errorf("%+v, %v: it is in force still", v, err)
	}
	if v, err := r.look(t); v != nil || err == nil {
		t.Errorf("%+v, %v: it is in force without the site", v, err)
	}
}
