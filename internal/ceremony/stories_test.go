package ceremony

import "testing"

// stories have all ceremonies between them; each begins 300 days after section A.
var stories = []story{
	{"three versions", today, []act{
		{section: "c1-a-new-ed25519-key"},
		{section: "d-an-online-key-was-stolen", before: steal, after: refusesStolen},
		{section: "e-a-root-holder-leaves-or-loses-the-key"},
	}},
	{"admins", today, []act{
		{section: "for-admins-with-gpg-alone"},
		{section: "c2-a-new-openpgp-subkey"},
		{section: "c3-a-wholly-new-openpgp-key"},
		{section: "b-every-year-a-new-end"},
		{section: "k-once-a-year"},
	}},
	{"roots", nil, []act{
		{section: "i-the-publisher-was-away", after: keyring},
		{section: "f-a-root-key-was-stolen"},
		{section: "d2-the-serial-was-driven-up", before: driveUp},
		{section: "g-a-whole-new-root"},
	}},
	{"lost", today, []act{{section: "h-the-root-is-lost"}}},
	{"elsewhere", today, []act{{section: "j-online-keys-that-no-file-holds", before: agents}}},
}

func keyring(t *testing.T, w *world)   { w.must(t, "admin", "cp ../operator/site/keys/centos.* .") }
func steal(*testing.T, *world)         {}
func refusesStolen(*testing.T, *world) {}
func driveUp(*testing.T, *world)       {}
func agents(*testing.T, *world)        {}
