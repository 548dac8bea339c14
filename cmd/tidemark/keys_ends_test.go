package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"tidemark/config"
	"tidemark/internal/strictjson"
	"tidemark/keys"
)

// TestEndings: trust, not_after, certificates and signing subkeys are warned of at 90 and at 30 days, and when they are over.
func TestEndings(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	made := now.Add(-365 * day)
	for _, c := range []struct {
		left time.Duration
		want string // what follows the name of what ends; "": nothing is said
	}{
		{91 * day, ""},
		{90*day + time.Second, ""},
		{90 * day, "ends in 90 days (2027-02-20 08:00:00 UTC)"},
		{89 * day, "ends in 89 days (2027-02-19 08:00:00 UTC)"},
		{31 * day, "ends in 31 days (2026-12-23 08:00:00 UTC)"},
		{30*day + time.Second, "ends in 30 days (2026-12-22 08:00:01 UTC)"},
		{30 * day, "ends in 30 days (2026-12-22 08:00:00 UTC): renew it now"},
		{29 * day, "ends in 29 days (2026-12-21 08:00:00 UTC): renew it now"},
		{day, "ends in 1 day (2026-11-23 08:00:00 UTC): renew it now"},
		{day - time.Second, "ends in less than a day (2026-11-23 07:59:59 UTC): renew it now"},
		{0, "ENDED at 2026-11-22 08:00:00 UTC: renew it now"},
		{-day, "ENDED at 2026-11-21 08:00:00 UTC: renew it now"},
	} {
		end := strictjson.At(now.Add(c.left))
		trust := &keys.Trust{Network: "centos", Version: 3, Expires: end, Manifest: keys.ManifestRole{Keys: []keys.ManifestKey{
			{Holder: "publisher", Kind: keys.Minisign, Key: "5B3A", NotAfter: &end},
			{Holder: "gone", Kind: keys.Minisign, Key: "91C0", NotAfter: &end, Revoked: true},
			{Holder: "long", Kind: keys.Minisign, Key: "0FE2"},
		}}}
		names := []string{"version 3 of the trust document of centos", "the minisign key 5B3A of publisher (not_after)"}
		var want []string
		for _, name := range names {
			if c.want != "" {
				want = append(want, name+" "+c.want)
			}
		}
		if got := endings(trust, now); strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("%v left: found\n%s\nexpected\n%s", c.left, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}

	// an OpenPGP key whose primary and subkey end together, 30 days from now
	_, cert, err := keys.GenerateOpenPGP("centos", nil, made, 395*day)
	if err != nil {
		t.Fatal(err)
	}
	armored, err := cert.Armored()
	if err != nil {
		t.Fatal(err)
	}
	sub := cert.SigningFingerprints()[0]
	trust := &keys.Trust{Network: "centos", Version: 3, Expires: strictjson.At(now.Add(365 * day)), Manifest: keys.ManifestRole{Keys: []keys.ManifestKey{
		{Holder: "publisher", Kind: keys.OpenPGP, Key: cert.Primary.Fingerprint, Public: string(armored), Signing: []string{sub}}}}}
	want := fmt.Sprintf("the certificate %s of publisher ends in 30 days (2026-12-22 08:00:00 UTC): renew it now\n"+
		"the signing subkey %s of publisher ends in 30 days (2026-12-22 08:00:00 UTC): renew it now", cert.Primary.Fingerprint, sub)
	if got := strings.Join(endings(trust, now), "\n"); got != want {
		t.Errorf("found\n%s\nexpected\n%s", got, want)
	}
}

// TestAllowed: a key signs while the trust lets it, to the second; a signing subkey's name finds its key, too.
func TestAllowed(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	at := func(d time.Duration) *strictjson.Time { v := strictjson.At(now.Add(d)); return &v }
	trust := &keys.Trust{Network: "centos", Version: 3, Manifest: keys.ManifestRole{Keys: []keys.ManifestKey{
		{Kind: keys.Minisign, Key: "GOOD"}, {Kind: keys.Minisign, Key: "SOON", NotAfter: at(time.Second)},
		{Kind: keys.Minisign, Key: "ENDED", NotAfter: at(0)}, {Kind: keys.Minisign, Key: "REVOKED", Revoked: true},
		{Kind: keys.OpenPGP, Key: "PRIMARY", Signing: []string{"SUB"}},
	}}}
	for _, c := range []struct {
		kind keys.Kind
		id   string
		want string
	}{
		{keys.Minisign, "GOOD", ""}, {keys.Minisign, "SOON", ""}, {keys.OpenPGP, "PRIMARY", ""}, {keys.OpenPGP, "SUB", ""},
		{keys.Minisign, "ENDED", "minisign key ENDED ended at 2026-11-22 08:00:00 UTC by trust version 3"},
		{keys.Minisign, "REVOKED", "minisign key REVOKED is revoked by trust version 3"},
		{keys.Minisign, "OTHER", "minisign key OTHER is not in trust version 3 of network centos"},
		{keys.OpenPGP, "GOOD", "openpgp key GOOD is not in trust version 3 of network centos"},
	} {
		got := ""
		if err := allowed(c.kind, c.id, "", trust, now); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s %s: found %q, expected %q", c.kind, c.id, got, c.want)
		}
	}
}

// TestEnough: keys that are skipped are an error when the others miss a required kind, or a holder.
func TestEnough(t *testing.T) {
	t.Parallel()
	role := keys.ManifestRole{Threshold: 2, Required: []keys.Kind{keys.OpenPGP, keys.Minisign}, Keys: []keys.ManifestKey{
		{Holder: "a", Kind: keys.OpenPGP, Key: "A1"}, {Holder: "a", Kind: keys.Minisign, Key: "A2"},
		{Holder: "b", Kind: keys.OpenPGP, Key: "B1"}, {Holder: "b", Kind: keys.Minisign, Key: "B2"}}}
	p := &publisher{cfg: &config.Publisher{}, trust: &keys.Trust{Version: 3, Manifest: role}}
	for ids, want := range map[string]string{
		"A1 B2": "", "A1 A2 B1 B2": "", "B1 A2": "",
		"A1 A2": "keys of 1 holder where 2 must sign",
		"A1 B1": "no minisign key",
		"B2":    "no openpgp key, keys of 1 holder where 2 must sign",
	} {
		var mine []keys.ManifestKey
		for _, id := range strings.Fields(ids) {
			mine = append(mine, keys.ManifestKey{Kind: map[bool]keys.Kind{true: keys.OpenPGP, false: keys.Minisign}[id[1] == '1'], Key: id})
		}
		got := ""
		if err := p.enough(mine, nil); err != nil {
			got = strings.TrimPrefix(err.Error(), "what is left is too little for trust version 3: ")
		}
		if got != want {
			t.Errorf("%s: found %q, expected %q", ids, got, want)
		}
	}
}
