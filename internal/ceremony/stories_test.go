package ceremony

import "testing"

// stories have all ceremonies between them; each begins 300 days after section A.
var stories = []story{
	{name: "three versions", before: today, acts: []act{
		{section: "c1-a-new-ed25519-key"},
		{section: "d-an-online-key-was-stolen", oldRing: noKey, before: steal, after: refusesStolen},
		{section: "e-a-root-holder-leaves-or-loses-the-key"},
	}},
	{name: "admins", before: today, acts: []act{
		{section: "for-admins-with-gpg-alone"},
		{section: "c2-a-new-openpgp-subkey", oldRing: noKey},
		{section: "c3-a-wholly-new-openpgp-key", oldRing: noKey},
		{section: "b-every-year-a-new-end"},
		{section: "k-once-a-year"},
	}},
	{name: "roots", acts: []act{
		{section: "i-the-publisher-was-away", after: keyring},
		{section: "f-a-root-key-was-stolen"},
		{section: "d2-the-serial-was-driven-up", oldRing: noKey, before: driveUp, after: lowAgain},
		{section: "g-a-whole-new-root"},
	}},
	{name: "lost", before: today, strands: true, acts: []act{{section: "h-the-root-is-lost"}}},
	{name: "elsewhere", before: today, acts: []act{{section: "j-online-keys-that-no-file-holds", before: agents}}},
}

// noKey is what gpgv ends with where the keyring lacks the signer.
const noKey = 2

// keyring is the admin's.
func keyring(t *testing.T, w *world) { w.must(t, "admin", "cp ../operator/site/keys/centos.* .") }

// steal happens before ceremony D; afterwards what the thief signs is refused.
func steal(t *testing.T, w *world) { w.thief = rob(t, w) }

func refusesStolen(t *testing.T, w *world) { w.thief.refused(t, w, "mirror") }

// driven is the highest serial that there can be but for a few.
const driven = 1<<53 - 100

// driveUp has a mirror obey a thief, who signs with both keys.
func driveUp(t *testing.T, w *world) {
	w.thief = rob(t, w)
	w.thief.forge(t, w, driven)
	w.reaches(t, "mirror")
}

func lowAgain(t *testing.T, w *world) {
	if s := w.serial(t); s > 1000 {
		t.Errorf("serial %d after reset_serial: expected a low one again", s)
	}
	w.thief.refused(t, w, "mirror")
}
