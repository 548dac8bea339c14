package client

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tidemark/internal/strictjson"
	"tidemark/keys"
	"tidemark/manifest"
)

// rooted gives the root role to one other test key.
func rooted(n int) func(*keys.Trust) {
	return func(x *keys.Trust) {
		k := testKey(n).Key()
		x.Root.Keys = []keys.RootKey{{Holder: "bob", Key: k.Key, Public: k.Public}}
		var rest []keys.ManifestKey // no key is in both roles
		for _, m := range x.Manifest.Keys {
			if m.Key != k.Key {
				rest = append(rest, m)
			}
		}
		x.Manifest.Keys = rest
	}
}

func steps(s *site, from int64, files ...[]byte) {
	for i, b := range files {
		s.serve(fmt.Sprintf("trust/%d.json", from+int64(i)), b)
	}
}

// The key that signs is changed: the first bundle by the new one does not verify, and that is why the chain is walked.
func TestLook_TrustWalkedWhenVerificationFails(t *testing.T) {
	f := fixtures()
	s, r := settled(t)
	r.Trust = sealed(t, following(3, func(x *keys.Trust) { x.Manifest.Keys = x.Manifest.Keys[:2] }), 3)
	steps(s, 4, sealed(t, following(4, func(x *keys.Trust) { x.Manifest.Keys[1].Revoked = true }), 3))
	m := f.document(t, serial(4128))
	payload := encode(t, m)
	s.serve(BundleFile, pack(t, payload, f.signed(t, payload, m, f.pgp, f.mini2)))
	v, err := r.look(t)
	if err != nil || v.Opened.Manifest.Serial != 4128 || v.Trust.Version != 4 || !told(v.Noted, NoteTrustWalked) {
		t.Fatalf("%+v, %v", v, err)
	}
	if got := strings.Join(s.log(), ", "); got != "200 manifest.bundle.json, 200 trust/4.json, 404 trust/5.json" {
		t.Error(got)
	}
}

// Once a day, and no more often, the chain is walked without a reason.
func TestLook_TrustWalkedOnceADay(t *testing.T) {
	s, r := settled(t)
	s.serve(BundleFile, fixtures().bundle(t, at(4128, 12*time.Hour)))
	for _, tt := range []struct {
		at   time.Duration
		want int
	}{{2, 0}, {20, 0}, {25, 1}, {26, 0}} {
		r.now = day0.Add(tt.at * time.Hour)
		if _, err := r.look(t); err != nil {
			t.Fatal(err)
		}
		if got := strings.Count(strings.Join(s.log(), " "), "trust/"); got != tt.want {
			t.Errorf("after %d hours: %d steps asked for, expected %d", tt.at, got, tt.want)
		}
	}
}

func TestUpdateTrust_Expiry(t *testing.T) {
	s, r := settled(t)
	over := func(x *keys.Trust) { x.Expires = strictjson.At(day0) }
	steps(s, 4, sealed(t, following(4, over), 3), sealed(t, following(5, nil), 3))
	if accepted, err := UpdateTrust(t.Context(), r.LookOptions); len(accepted) != 2 || err != nil {
		t.Fatalf("an expired one on the way: %d accepted, %v", len(accepted), err)
	}
	steps(s, 6, sealed(t, following(6, over), 3))
	accepted, err := UpdateTrust(t.Context(), r.LookOptions)
	var refused *Refused
	if len(accepted) != 1 || !errors.As(err, &refused) || refused.Reason != TrustExpired {
		t.Fatalf("an expired one at the end: %d accepted, %v", len(accepted), err)
	}
	r.refuses(t, TrustExpired)
	steps(s, 7, sealed(t, following(7, nil), 3))
	if v, err := r.look(t); err != nil || v.Trust.Version != 7 {
		t.Errorf("%+v, %v: an expired trust is a reason to look for the next", v, err)
	}
}

// A stolen key signed the highest serial there is. The next trust document, without it, starts the serials anew, once.
func TestLook_ResetSerial(t *testing.T) {
	f := fixtures()
	s, r := settled(t)
	s.serve(BundleFile, f.bundle(t, serial(manifest.MaxSerial)))
	if _, err := r.look(t); err != nil {
		t.Fatal(err)
	}
	s.serve(BundleFile, f.bundle(t, at(4128, time.Minute)))
	r.keeps(t, manifest.MaxSerial, "", NoteStaleEdge)
	reset := following(4, func(x *keys.Trust) { x.ResetSerial, x.MinSerial = true, 4100 })
	steps(s, 4, sealed(t, reset, 3), sealed(t, following(5, func(x *keys.Trust) { x.MinSerial = 4100 }), 3))
	if accepted, err := UpdateTrust(t.Context(), r.LookOptions); len(accepted) != 2 || err != nil {
		t.Fatalf("%v, %v", accepted, err)
	}
	seen, err := LoadSeen(r.State)
	if err != nil || seen.Serial != 4099 || seen.Reset != 4 || !seen.Issued.Equal(day0) {
		t.Errorf("%+v, %v", seen, err)
	}
	if v, err := Kept(r.LookOptions); v != nil || err != nil {
		t.Errorf("%+v, %v: the bundle of the old serials must not come back", v, err)
	}
	s.serve(BundleFile, f.bundle(t, at(4099, time.Minute)))
	r.refuses(t, Rollback) // min_serial is a floor
	s.serve(BundleFile, f.bundle(t, at(4100, time.Minute)))
	if v, err := r.look(t); err != nil || v.Opened.Manifest.Serial != 4100 {
		t.Fatalf("%+v, %v", v, err)
	}
	s.serve(BundleFile, f.bundle(t, at(4200, time.Minute)))
	if v, err := r.look(t); err != nil || v.Opened.Manifest.Serial != 4200 {
		t.Fatalf("%+v, %v", v, err)
	}
	s.serve(BundleFile, f.bundle(t, at(4150, time.Minute)))
	r.keeps(t, 4200, "", NoteStaleEdge) // not a second time
}

// A reader that was installed with the resetting version has nothing to reset, and obeys it not later either.
func TestLook_ResetSerialPinned(t *testing.T) {
	f, s := fixtures(), newSite(t)
	r := newReader(t, s)
	r.Trust = sealed(t, following(4, func(x *keys.Trust) { x.ResetSerial = true }), 3)
	s.serve(BundleFile, f.bundle(t, nil))
	for range 2 {
		if _, err := r.look(t); err != nil {
			t.Fatal(err)
		}
	}
	if seen, err := LoadSeen(r.State); err != nil || seen.Serial != 4127 || seen.Reset != 4 {
		t.Errorf("%+v, %v", seen, err)
	}
	s.serve(BundleFile, f.bundle(t, serial(4126)))
	r.keeps(t, 4127, "", NoteStaleEdge)
	// With another version pinned for a while, it is still remembered that this one was obeyed.
	four := r.Trust
	r.Trust = sealed(t, following(5, nil), 3)
	s.serve(BundleFile, f.bundle(t, serial(4128)))
	if v, err := r.look(t); err != nil || v.Opened.Manifest.Serial != 4128 {
		t.Fatalf("%+v, %v", v, err)
	}
	r.Trust = four
	s.serve(BundleFile, f.bundle(t, serial(4126)))
	r.keeps(t, 4128, "", NoteStaleEdge)
}

// Of two that walk at once, the slower one, served another document with good signatures, does not break the chain that
// the faster one kept.
func TestLook_TwoWalkAtOnce(t *testing.T) {
	s, r := settled(t)
	slow, err := begin(t.Context(), r.LookOptions, false)
	if err != nil {
		t.Fatal(err)
	}
	steps(s, 4, sealed(t, following(4, nil), 3), sealed(t, following(5, rooted(2)), 3, 2))
	if _, err := UpdateTrust(t.Context(), r.LookOptions); err != nil {
		t.Fatal(err)
	}
	steps(s, 4, sealed(t, following(4, func(x *keys.Trust) { x.MinSerial = 7 }), 3))
	if _, err := slow.walk(t.Context()); err != nil {
		t.Error(err)
	}
	if x, err := HeldTrust(r.LookOptions); err != nil || x.Version != 5 || x.Root.Keys[0].Holder != "bob" {
		t.Errorf("%+v, %v", x, err)
	}
	if b, err := os.ReadFile(filepath.Join(r.State, stepFile(4))); err != nil || string(b) != string(sealed(t, following(4, nil), 3)) {
		t.Errorf("version 4 was written over: %v", err)
	}
}

// The chain that is kept follows from the pinned document, or is not used.
func TestLook_PinnedReplaced(t *testing.T) {
	s, r := settled(t)
	steps(s, 4, sealed(t, following(4, nil), 3), sealed(t, following(5, nil), 3))
	if _, err := UpdateTrust(t.Context(), r.LookOptions); err != nil {
		t.Fatal(err)
	}
	held := func(pinned []byte) int64 {
		o := r.LookOptions
		o.Trust = pinned
		x, err := HeldTrust(o)
		if err != nil {
			t.Fatal(err)
		}
		return x.Version
	}
	if n := held(sealed(t, following(4, nil), 3)); n != 5 {
		t.Errorf("pinned a step further: version %d", n)
	}
	if n := held(sealed(t, following(7, nil), 3)); n != 7 {
		t.Errorf("pinned beyond what is kept: version %d", n)
	}
	other := sealed(t, following(3, rooted(2)), 2)
	if n := held(other); n != 3 {
		t.Errorf("pinned to another chain: version %d", n)
	}
	r.Trust = other
	v, err := r.look(t)
	if err != nil || v.Trust.Version != 3 || !told(v.Noted, NoteDamaged) || !told(v.Noted, NoteTrustRefused) {
		t.Errorf("%+v, %v", v, err)
	}
	if _, err := os.Stat(filepath.Join(r.State, stepFile(4)+damaged)); err != nil {
		t.Error(err)
	}
}

// A network that lost its root keys starts anew, at version 1: once its document is pinned, its reset is obeyed, whatever
// version the last one of the old chain had; and the old one's is not obeyed a second time.
func TestLook_ResetSerialOfAnotherChain(t *testing.T) {
	s, r := settled(t)
	old := r.Trust
	steps(s, 4, sealed(t, following(4, func(x *keys.Trust) { x.ResetSerial, x.MinSerial = true, 4000 }), 3))
	if _, err := UpdateTrust(t.Context(), r.LookOptions); err != nil {
		t.Fatal(err)
	}
	s.serve(BundleFile, fixtures().bundle(t, at(4128, time.Minute)))
	if _, err := r.look(t); err != nil {
		t.Fatal(err)
	}
	r.Trust = sealed(t, following(1, func(x *keys.Trust) { rooted(2)(x); x.ResetSerial, x.MinSerial = true, 1 }), 2)
	s.serve("trust/4.json", nil)
	anew := func(n int64) func(*manifest.Manifest) {
		return func(m *manifest.Manifest) { at(n, 2*time.Minute)(m); m.TrustVersion = 1 }
	}
	s.serve(BundleFile, fixtures().bundle(t, anew(2)))
	if v, err := r.look(t); err != nil || v.Opened.Manifest.Serial != 2 || v.Trust.Version != 1 {
		t.Fatalf("%+v, %v", v, err)
	}
	s.serve(BundleFile, fixtures().bundle(t, anew(1)))
	r.keeps(t, 2, "", NoteStaleEdge) // once
	r.Trust = old                    // with its version 4, which is still kept
	s.serve(BundleFile, fixtures().bundle(t, anew(1)))
	v, err := r.look(t)
	if seen, err := LoadSeen(r.State); err != nil || seen.Serial != 2 || len(seen.ResetBy) != 2 {
		t.Errorf("%+v, %v: the old chain's reset was obeyed again", seen, err)
	}
	if v != nil && v.Fresh {
		t.Errorf("%+v, %v", v, err)
	}
}

// The documents obeyed are remembered up to a number, the newest of the chain always among them.
func TestSeen_ResetsRemembered(t *testing.T) {
	sum := func(n int) string { return fmt.Sprintf("%064x", n) }
	c := chain{reset: 20}
	for n := range 20 {
		c.resets = append(c.resets, sum(n))
	}
	s := Seen{SHA256: sum(0), ResetBy: []string{sum(100), sum(3)}}.obeying(c)
	if again := s.obeying(c); len(s.ResetBy) != maxResets || !s.obeyed(c) || !again.same(s) || s.Reset != 20 {
		t.Errorf("%+v, then %+v", s, again)
	}
	if s.obeyed(chain{reset: 1, resets: []string{sum(101)}}) || !s.obeyed(chain{}) {
		t.Error("another document was taken for one obeyed, or none for one to obey")
	}
	before := Seen{Reset: 6} // as it was written before the documents were remembered
	if before.obeyed(chain{reset: 7, resets: c.resets[:1]}) || !before.obeyed(chain{reset: 4, resets: c.resets[:1]}) {
		t.Error("by the version alone")
	}
}
