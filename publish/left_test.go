package publish_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"tidemark/publish"
)

// What belongs to a signer who left does not stay beside a newer manifest.json, where it would be a bad signature. Names that no
// publication has stay.
func TestPush_SignerLeft(t *testing.T) {
	dir := fastDir(t)
	s := openDir(t, dir)
	mustPush(t, s, release(1, "of a run"))
	left := []string{"manifest.json.91C0EDFA3B5A2C11.minisig", "manifest.json.0123456789ABCDEF0123456789ABCDEF01234567.asc"}
	kept := []string{"manifest.json.asc.orig", "manifest.html", "manifests/manifest.json.asc"}
	for _, name := range slices.Concat(left, kept) {
		put(t, s, name, "of serial 1\n")
	}
	mustPush(t, s, release(2, "of a run"))
	for _, name := range left {
		if _, err := os.Stat(filepath.Join(dir, name)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there (%v)", name, err)
		}
	}
	for _, name := range kept {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
}

// A pointer that names what counts no more is passed by a lower serial, on the same conditions as ever.
func TestPush_Void(t *testing.T) {
	s := openDir(t, fastDir(t))
	mustPush(t, s, release(9, "of a run"))
	st, err := publish.Look(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if err := publish.Push(t.Context(), s, st, release(3, "of a run"), genuine); !errors.Is(err, publish.ErrConflict) {
		t.Errorf("a lower serial: %v, expected a conflict", err)
	}
	st.Void = true
	paused := *st
	if err := publish.Push(t.Context(), s, st, release(3, "of a run"), genuine); err != nil {
		t.Fatal(err)
	}
	if st.Void || st.Serial() != 3 {
		t.Errorf("the standing is %+v", st)
	}
	if err := publish.Push(t.Context(), s, &paused, release(4, "of a run"), genuine); !errors.Is(err, publish.ErrConflict) {
		t.Errorf("another publisher was faster: %v, expected a conflict", err)
	}
}

// The first free serial is one of which nothing lies there, not even a part.
func TestFirstFree(t *testing.T) {
	s := openDir(t, fastDir(t))
	for _, name := range []string{"m/10/manifest.bundle.json", "m/11/manifest.json.asc", "m/13/manifest.bundle.json"} {
		put(t, s, name, "a thief's\n")
	}
	for from, want := range map[int64]int64{0: 1, 9: 9, 10: 12, 13: 14} {
		if n, err := publish.FirstFree(t.Context(), s, from); n != want || err != nil {
			t.Errorf("from %d: %d, %v; expected %d", from, n, err, want)
		}
	}
}

// Ground goes up by itself; what is exported no more goes; a version with the same payload stays as it is.
func TestPutGround(t *testing.T) {
	dir := fastDir(t)
	s := openDir(t, dir)
	st, err := publish.Look(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	version := func(payload, signature string) []byte {
		return []byte(`{"payload": "` + payload + `", "signatures": [{"kind": "minisign", "key": "91C0EDFA3B5A2C11", "value": "` + signature + `"}]}` + "\n")
	}
	ground := func(b []byte) publish.GroundFiles {
		return publish.GroundFiles{Objects: []publish.Object{publish.NewObject("trust/1.json", b), publish.NewObject("trust.json", b)}}
	}
	put(t, s, "keys/centos.pub", "revoked\n")
	put(t, s, "index.html", "mine\n")
	g := ground(version("e30K", "first"))
	g.Gone = []string{"keys/centos.pub", "index.html"}
	if _, err := publish.PutGround(t.Context(), s, st, g); err != nil {
		t.Fatal(err)
	}
	if got := files(t, dir); !slices.Equal(got, []string{"index.html", "trust/1.json", "trust.json"}) {
		t.Errorf("the site has %v", got)
	}
	if _, err := publish.PutGround(t.Context(), s, st, ground(version("e30K", "second"))); err != nil {
		t.Errorf("other signatures: %v", err)
	}
	if b, _ := os.ReadFile(filepath.Join(dir, "trust.json")); string(b) != string(version("e30K", "first")) {
		t.Errorf("other signatures were put: %s", b)
	}
	var fork *publish.TrustForkError
	if _, err := publish.PutGround(t.Context(), s, st, ground(version("e30KCg==", "first"))); !errors.As(err, &fork) {
		t.Errorf("another payload: %v", err)
	}
	forged := ground(version("e30KCg==", "first"))
	forged.Genuine = func(int64, []byte) error { return errors.New("not by the root holders") }
	if _, err := publish.PutGround(t.Context(), s, st, forged); err != nil {
		t.Errorf("in place of a forged one: %v", err)
	}
}
