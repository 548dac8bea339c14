package keys

import (
	"strings"
	"testing"
	"time"

	"tidemark/internal/strictjson"
)

func TestManifestKey_EndOf(t *testing.T) {
	k := goodTrust(t).Manifest.Keys[0]
	before, after := strictjson.At(day0.Add(time.Hour)), strictjson.At(day0.Add(3*year))
	byCertificate := day0.Add(year)
	for _, c := range []struct {
		name        string
		notAfter    *strictjson.Time
		fingerprint string
		want        *time.Time
	}{
		{"the certificate's end", nil, k.Signing[0], &byCertificate},
		{"not_after before it", &before, k.Signing[0], &before.Time},
		{"not_after behind it", &after, k.Signing[0], &byCertificate},
		{"a key that is not there", nil, strings.Repeat("0", 40), nil},
		{"a key that is not there, not_after", &before, strings.Repeat("0", 40), &before.Time},
	} {
		k.NotAfter = c.notAfter
		got := k.EndOf(c.fingerprint)
		if (got == nil) != (c.want == nil) || got != nil && !got.Equal(*c.want) {
			t.Errorf("%s: %v, expected %v", c.name, got, c.want)
		}
	}
	m := goodTrust(t).Manifest.Keys[1]
	if got := m.EndOf(""); got == nil || !got.Equal(m.NotAfter.Time) {
		t.Errorf("a minisign key: %v, expected its not_after", got)
	}
}

// The not_after that the certificate has too is told once; another one is told.
func TestTrust_Ends_NotAfterOfCertificate(t *testing.T) {
	x := goodTrust(t)
	for _, c := range []struct {
		end  time.Duration
		want int
	}{{year, 0}, {year - time.Hour, 1}} {
		x.Manifest.Keys[0].NotAfter = in(c.end)
		n := 0
		for _, e := range x.Ends() {
			if strings.Contains(e.What, "openpgp key") {
				n++
			}
		}
		if n != c.want {
			t.Errorf("not_after after %v: told %d times, expected %d: %+v", c.end, n, c.want, x.Ends())
		}
	}
}

// What the trust document lets sign no longer is given to no stock tool.
func TestExport_Ended(t *testing.T) {
	x := goodTrust(t)
	end := strictjson.At(day0.Add(time.Hour))
	for i := range x.Manifest.Keys {
		x.Manifest.Keys[i].NotAfter = &end
	}
	for at, want := range map[time.Time]int{day0: 5, end.Time: 5, end.Add(time.Second): 1} {
		if files, err := Export(x, at); err != nil || len(files) != want {
			t.Errorf("at %s: %d files, %v, expected %d", at, len(files), err, want)
		}
	}
}
