package sign

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	fprA = "CC32F6FFD5510D33834ED1BE738208699D6141DF"
	fprB = "2943507303A6331F78766AB773C57F79C42B0737"
	fprC = "374F695955B45EF572B876A778467C490AF178CF"
)

// offlineListing is what gpg 2.2 prints of an offline primary, a subkey with gpg-agent, and one on a card.
const offlineListing = `sec:-:3072:1:738208699D6141DF:1795390188:1858462188::-:::cSC:::#:::23::0:
fpr:::::::::` + fprA + `:
grp:::::::::E08E5B8B2AB7CA54DC335CF9919C55FBDFEA9726:
uid:-::::1795390188::5430BC1D4C781F62F148E5CA864F25F47413089E::A <a@x>::::::::::0:
ssb:-:3072:1:73C57F79C42B0737:1795390195:1826926195:::::s:::+:::23:
fpr:::::::::` + fprB + `:
grp:::::::::ED58113AAFEF17E1F93021CC3DE2BDFB46A74712:
ssb:-:255:22:78467C490AF178CF:1795390201:1826926201:::::s:::D2760001240102010006055532110000::ed25519::
fpr:::::::::` + fprC + `:
`

func TestParseSecretKeys(t *testing.T) {
	got, err := parseSecretKeys([]byte(offlineListing))
	want := []gpgSecret{{fprA, false, ""}, {fprB, true, ""}, {fprC, true, "D2760001240102010006055532110000"}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(gpgSecret{})); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	// gpg 2.0 says nothing of a key that is there.
	got, err = parseSecretKeys([]byte("sec::3072:1:738208699D6141DF:1795390188:::::::::\nfpr:::::::::" + fprA + ":\n"))
	if err != nil || len(got) != 1 || !got[0].here {
		t.Errorf("%+v, %v", got, err)
	}
	for name, in := range map[string]string{
		"empty":             "",
		"only comments":     "tru::1:1:0\nuid:-:\n",
		"two keys":          offlineListing + offlineListing,
		"subkey first":      offlineListing[strings.Index(offlineListing, "ssb"):],
		"no fingerprint":    "sec:-:3072:1:738208699D6141DF:1:::::::::+:\n",
		"two fingerprints":  "sec::::::::::::::+:\nfpr:::::::::" + fprA + ":\nfpr:::::::::" + fprB + ":\n",
		"version 5":         "sec::::::::::::::+:\nfpr:::::::::" + fprA + fprA[:24] + ":\n",
		"fingerprint first": "fpr:::::::::" + fprA + ":\n",
	} {
		if got, err := parseSecretKeys([]byte(in)); err == nil || got != nil {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func FuzzParseSecretKeys(f *testing.F) {
	f.Add([]byte(offlineListing))
	f.Add([]byte(strings.ReplaceAll(offlineListing, "\n", "\r\n")))
	f.Add([]byte("sec:\nfpr:::::::::" + fprA))
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := parseSecretKeys(b)
		if (err == nil) != (len(list) > 0) {
			t.Fatalf("%+v and %v", list, err)
		}
		for _, s := range list {
			if !gpgFingerprint.MatchString(s.fingerprint) || s.card != "" && !s.here {
				t.Fatalf("%+v", s)
			}
		}
	})
}

func TestLastWords(t *testing.T) {
	got := lastWords("gpg: WARNING: running with faked system time: x\ngpg: a\ngpg: b\x1b[31m\n\ngpg: c\ngpg: d\n")
	if want := "b?[31m; c; d"; got != want {
		t.Errorf("%q, expected %q", got, want)
	}
}
