package keys

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// resign makes every self-signature anew, by a clock that shows made; keep leaves the old ones beside it.
func resign(t testing.TB, e *openpgp.Entity, made time.Time, life time.Duration, keep bool) {
	t.Helper()
	config, seconds := plainConfig(made, packet.Config{}), uint32(life/time.Second)
	for name, id := range e.Identities {
		self := *id.SelfCertifications[0].Packet
		self.KeyLifetimeSecs, self.CreationTime = &seconds, made
		if err := self.SignUserId(name, e.PrimaryKey, e.PrivateKey, config); err != nil {
			t.Fatal(err)
		}
		renewed := packet.NewVerifiableSig(&self)
		if keep {
			id.SelfCertifications = append(id.SelfCertifications, renewed)
		} else {
			id.SelfCertifications = []*packet.VerifiableSignature{renewed}
		}
	}
}

// What verifiers ask at an instant, and what Begin says of it, is the same.
func TestManifestKey_Begin(t *testing.T) {
	ahead := 30 * day
	for _, c := range []struct {
		name string
		edit func(e *openpgp.Entity)
		want time.Duration
	}{
		{"as made", func(*openpgp.Entity) {}, 0},
		{"renewed by a clock ahead", func(e *openpgp.Entity) { resign(t, e, day0.Add(ahead), 2*year, false) }, ahead},
		{"renewed so, the old signature stays", func(e *openpgp.Entity) { resign(t, e, day0.Add(ahead), 2*year, true) }, 0},
		{"renewed so, the old signature ends before", func(e *openpgp.Entity) {
			resign(t, e, day0, 10*day, false)
			resign(t, e, day0.Add(ahead), 2*year, true)
		}, ahead},
		{"its subkey bound by a clock ahead", func(e *openpgp.Entity) {
			binding := e.Subkeys[0].Bindings[0].Packet
			binding.CreationTime = day0.Add(ahead)
			if err := binding.SignKey(e.Subkeys[0].PublicKey, e.PrivateKey, plainConfig(day0.Add(ahead), packet.Config{})); err != nil {
				t.Fatal(err)
			}
		}, ahead},
	} {
		cert := edited(t, c.edit)
		k := entry(t, cert)
		begin := k.Begin()
		if begin == nil || !begin.Equal(day0.Add(c.want)) || !k.BeginOf(k.Signing[0]).Equal(*begin) {
			t.Errorf("%s: begins %v, expected %s", c.name, begin, day0.Add(c.want))
			continue
		}
		e, err := cert.Entity()
		if err != nil {
			t.Fatal(err)
		}
		for at, want := range map[time.Time]bool{*begin: true, begin.Add(-time.Second): false} {
			_, err := e.VerifyPrimaryKey(at, PacketConfig(at))
			if err == nil {
				_, err = e.Subkeys[0].Verify(at, PacketConfig(at))
			}
			if (err == nil) != want {
				t.Errorf("%s: at %s a verifier says %v", c.name, at, err)
			}
		}
		if now := begin.Add(-Skew); !k.live(now) || k.live(now.Add(-time.Second)) {
			t.Errorf("%s: it is live at %s: %v, a second before: %v", c.name, now, k.live(now), k.live(now.Add(-time.Second)))
		}
	}
	m := goodTrust(t).Manifest.Keys[1]
	if m.Begin() != nil || m.BeginOf(m.Key) != nil {
		t.Error("a minisign key begins")
	}
}

// A certificate renewed offline, by a clock that is a month ahead, locks every mirror out: nobody may overlook it.
func TestDiff_RenewedAhead(t *testing.T) {
	old := goodTrust(t)
	next := old.Successor(day0, year+day)
	ahead := edited(t, func(e *openpgp.Entity) { resign(t, e, day0.Add(30*day), 2*year, false) })
	if _, err := next.PutKey("publisher", ahead.Binary()); err != nil {
		t.Fatal(err)
	}
	alarms := alarmsOf(Diff(old, next, day0))
	if !strings.Contains(alarms["key-renewed"], "in the future") || alarms["overlap"] == "" {
		t.Errorf("%q", alarms)
	}
	if got := next.NotYet(day0); len(got) != 1 || got[0].Key != ahead.Primary.Fingerprint || !got[0].Begin.Equal(day0.Add(30*day)) {
		t.Errorf("%+v", got)
	}
	if got := next.NotYet(day0.Add(30 * day)); len(got) != 0 {
		t.Errorf("when it has begun: %+v", got)
	}
	if alarms := alarmsOf(Diff(old, next, day0.Add(30*day))); alarms["key-renewed"] != "" || alarms["overlap"] != "" {
		t.Errorf("when it has begun: %q", alarms)
	}

	fresh := same(old)
	fresh.Manifest.Keys = fresh.Manifest.Keys[1:]
	if alarms := alarmsOf(Diff(fresh, next, day0)); !strings.Contains(alarms["key-added"], "in the future") {
		t.Errorf("added: %q", alarms)
	}
	next.Manifest.Keys[0].Revoked = true
	if got := next.NotYet(day0); len(got) != 0 {
		t.Errorf("revoked: %+v", got)
	}
}

// One subkey of two that begins later is named, and stops nothing.
func TestTrust_NotYet_Subkey(t *testing.T) {
	late := ""
	c := edited(t, func(e *openpgp.Entity) {
		config := plainConfig(day0.Add(30*day), packet.Config{Algorithm: packet.PubKeyAlgoEdDSA, Curve: packet.Curve25519})
		if err := e.AddSigningSubkey(config); err != nil {
			t.Fatal(err)
		}
		late = Fingerprint(e.Subkeys[1].PublicKey.Fingerprint)
	})
	x := goodTrust(t)
	x.Manifest.Keys[0] = entry(t, c)
	if got := x.NotYet(day0); len(got) != 1 || !strings.Contains(got[0].What, late) {
		t.Errorf("%+v", got)
	}
	if !x.Manifest.Keys[0].live(day0) || slices.Contains(x.Manifest.Keys[0].signingKeys(), PGPKey{}) {
		t.Error("the other subkey cannot sign")
	}
}

func alarmsOf(list []Change) map[string]string {
	m := map[string]string{}
	for _, c := range list {
		if c.Alarm != "" {
			m[c.Code] = c.Alarm
		}
	}
	return m
}
