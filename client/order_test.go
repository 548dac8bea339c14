package client

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tidemark/internal/strictjson"
	"tidemark/keys"
	"tidemark/manifest"
)

// afterReset names version 4 of the trust document, which starts the serials anew.
func afterReset(serial int64) func(*manifest.Manifest) {
	return func(m *manifest.Manifest) {
		m.Serial, m.TrustVersion, m.Issued = serial, 4, strictjson.At(day0.Add(time.Minute))
	}
}

func resetting(t *testing.T) []byte {
	return sealed(t, following(4, func(x *keys.Trust) { x.ResetSerial, x.MinSerial = true, 4100 }), 3)
}

// A stolen key signed the highest serial there is. What was published since names the trust document that starts the
// serials anew: that is fetched before the serial is judged by what was seen, not once a day.
func TestLook_OlderNamesHigherTrust(t *testing.T) {
	s, r := settled(t)
	s.serve(BundleFile, fixtures().bundle(t, serial(manifest.MaxSerial)))
	if _, err := r.look(t); err != nil {
		t.Fatal(err)
	}
	s.serve(BundleFile, fixtures().bundle(t, afterReset(4200)))
	r.keeps(t, manifest.MaxSerial, TrustTooOld, "") // not to be had: exit 4
	steps(s, 4, resetting(t))
	v, err := r.look(t)
	if err != nil || v.Opened.Manifest.Serial != 4200 || v.Trust.Version != 4 || v.Refused != nil {
		t.Fatalf("%+v, %v", v, err)
	}
}

// The same for another document of the serial that was seen. While the version named is not to be had, it is a fork.
func TestLook_ForkNamesHigherTrust(t *testing.T) {
	s, r := settled(t)
	s.serve(BundleFile, fixtures().bundle(t, afterReset(4127)))
	s.answer("trust/4.json", status(500))
	r.refuses(t, Fork)
	s.serve("trust/4.json", resetting(t))
	v, err := r.look(t)
	if err != nil || v.Opened.Manifest.Serial != 4127 || v.Trust.Version != 4 || v.Refused != nil {
		t.Fatalf("%+v, %v", v, err)
	}
	s2, r2 := settled(t)
	steps(s2, 4, resetting(t))
	s2.serve(BundleFile, fixtures().bundle(t, afterReset(4127)))
	if v, err := r2.look(t); err != nil || v.Trust.Version != 4 || told(v.All, NoteFork) {
		t.Errorf("%+v, %v, expected no word of a fork", v, err)
	}
	if forks, _ := filepath.Glob(filepath.Join(r2.State, forkGlob)); len(forks) != 0 {
		t.Errorf("%v were kept", forks)
	}
}

// A fork whose document has expired is one all the same: somebody signed two of one serial.
func TestLook_ForkExpired(t *testing.T) {
	s, r := settled(t)
	s.serve(BundleFile, fixtures().bundle(t, func(m *manifest.Manifest) { m.Expires = strictjson.At(day0.Add(30 * time.Minute)) }))
	r.refuses(t, Fork)
	if forks, _ := filepath.Glob(filepath.Join(r.State, forkGlob)); len(forks) != 2 {
		t.Errorf("%v, expected both documents", forks)
	}
}

// A step of the trust chain that was refused is why the manifest does not verify: with nothing in force, no notice tells it.
func TestLook_RefusedStepIsTold(t *testing.T) {
	f, s := fixtures(), newSite(t)
	steps(s, 4, sealed(t, following(4, rooted(2)), 2))
	good := f.bundle(t, nil)
	for why, b := range map[Reason][]byte{
		Signature: []byte(strings.Replace(string(good), `"value": "untrusted comment`, `"value": "Untrusted comment`, 1)),
		Expired:   f.bundle(t, at(5000, -30*time.Hour)),
	} {
		s.serve(BundleFile, b)
		refused := newReader(t, s)
		v, err := refused.look(t)
		var r *Refused
		if v != nil || !errors.As(err, &r) || r.Reason != why || !strings.Contains(err.Error(), "trust/4.json refused") {
			t.Errorf("%s: %+v, %v, expected the trust chain's refusal in it", why, v, err)
		}
	}
}

// While one look is slow, another walks the trust chain and keeps a bundle by a new key: it is none of the slow one's
// business to set that aside.
func TestLook_SlowLookLeavesTheNewBundle(t *testing.T) {
	f := fixtures()
	s, r := settled(t)
	r.Trust = sealed(t, following(3, func(x *keys.Trust) { x.Manifest.Keys = x.Manifest.Keys[:2] }), 3)
	slow, err := begin(t.Context(), r.LookOptions, false)
	if err != nil {
		t.Fatal(err)
	}
	steps(s, 4, sealed(t, following(4, func(x *keys.Trust) { x.Manifest.Keys[1].Revoked = true }), 3))
	m := f.document(t, serial(4128))
	payload := encode(t, m)
	s.serve(BundleFile, pack(t, payload, f.signed(t, payload, m, f.pgp, f.mini2)))
	if _, err := r.look(t); err != nil {
		t.Fatal(err)
	}
	kept, err := slow.whole(t.Context())
	if err != nil || manifest.SHA256(kept) != slow.memory.Bundle || len(slow.notices) != 0 {
		t.Errorf("%d bytes, %v, %v, expected the new bundle with its validator", len(kept), err, slow.notices)
	}
	if _, err := os.Stat(filepath.Join(r.State, BundleFile)); err != nil {
		t.Error(err)
	}
}
