package client

import (
	"slices"
	"testing"
	"time"
)

func TestLook_FirstThenUnchangedThenNewer(t *testing.T) {
	f, s := fixtures(), newSite(t)
	s.serve(BundleFile, f.bundle(t, nil))
	r := newReader(t, s)
	v, err := r.look(t)
	if err != nil || !v.Fresh || v.Unchanged || v.Opened.Manifest.Serial != 4127 || v.Trust.Version != 3 {
		t.Fatalf("%+v, %v", v, err)
	}
	if got := s.log(); !slices.Equal(got, []string{"200 manifest.bundle.json", "404 trust/4.json"}) {
		t.Error(got)
	}
	if v, err = r.look(t); err != nil || !v.Fresh || !v.Unchanged || len(v.All) != 0 {
		t.Fatalf("%+v, %v", v, err)
	}
	if got := s.log(); !slices.Equal(got, []string{"304 manifest.bundle.json"}) {
		t.Errorf("%v: expected one request, answered with 304", got)
	}
	s.serve(BundleFile, f.bundle(t, at(4128, time.Hour)))
	if v, err = r.look(t); err != nil || v.Unchanged || v.Opened.Manifest.Serial != 4128 {
		t.Fatalf("%+v, %v", v, err)
	}
	k, err := Kept(r.LookOptions)
	if err != nil || k.Opened.Manifest.Serial != 4128 || k.Fresh {
		t.Fatalf("%+v, %v", k, err)
	}
	if seen, err := LoadSeen(r.State); err != nil || seen.Serial != 4128 {
		t.Errorf("%+v, %v", seen, err)
	}
}
