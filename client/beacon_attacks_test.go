package client

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tidemark/internal/strictjson"
	"tidemark/keys"
	"tidemark/manifest"
	"tidemark/sign"
)

// Whatever stands at the name in place of the network's own beacon: it is ignored at once, ends no check, and is said.
func TestLookBeacon_Attacks(t *testing.T) {
	t.Parallel()
	f := fixtures()
	genuine := func(change func(*manifest.Beacon)) manifest.Beacon { return signedBy(t, f.mini, change) }
	next := text(t, numbered(4128))
	for what, tt := range map[string]struct {
		shown []string
		why   string
	}{
		"forged signature": {[]string{forge(genuine(numbered(4128)), func(b *manifest.Beacon) { b.Signature[7] ^= 1 })}, "the signature is not of this key"},
		"forged serial":    {[]string{forge(genuine(nil), func(b *manifest.Beacon) { b.Serial = 9999 })}, "the signature is not of this key"},
		"forged end":       {[]string{forge(genuine(nil), func(b *manifest.Beacon) { b.Expires += 86400 })}, "the signature is not of this key"},
		"forged timestamp": {[]string{forge(genuine(nil), func(b *manifest.Beacon) { b.Trees["centos"]-- })}, "the signature is not of this key"},
		"mixed": {[]string{forge(genuine(numbered(4128)), func(b *manifest.Beacon) {
			b.Trees = genuine(func(b *manifest.Beacon) { b.Trees["centos"] = announced - 1 }).Trees
		})}, "the signature is not of this key"},
		"signed by another key of the role, in its name": {[]string{forge(signedBy(t, f.mini2, numbered(4128)), func(b *manifest.Beacon) { b.Key = f.mini.Key().Key })}, "the signature is not of this key"},
		"another network":              {[]string{text(t, func(b *manifest.Beacon) { b.Network = "fedora" })}, `of network "fedora", expected "centos"`},
		"expired":                      {[]string{text(t, func(b *manifest.Beacon) { b.Expires = day0.Add(54 * time.Minute).Unix() })}, "was good until 2026-11-22T08:54:00Z"},
		"truncated":                    {[]string{next[:len(next)-1]}, "is no beacon"},
		"truncated to its signed part": {[]string{next[:strings.Index(next, " g=")]}, "is no beacon"},
		"empty":                        {[]string{""}, "is no beacon"},
		"one byte more":                {[]string{next + " "}, "is no beacon"},
		"another record of the domain": {[]string{"v=spf1 -all"}, "is no beacon"},
		"bytes of no text":             {[]string{"\x00\xff\n" + next}, "is no beacon"},
		"several: genuine and another": {[]string{next, "v=spf1 -all"}, "2 TXT records"},
		"several: two genuine":         {[]string{text(t, nil), next}, "2 TXT records"},
		"several: the same one twice":  {[]string{next, next}, "2 TXT records"},
		"300 strings":                  {[]string{strings.Repeat("x", 300*255)}, "expected a beacon of at most 8192"},
		"the same serial, another end, also genuine":      {[]string{text(t, func(b *manifest.Beacon) { b.Expires++ })}, "another one than was seen with that serial"},
		"the same serial, an older timestamp, also ditto": {[]string{text(t, func(b *manifest.Beacon) { b.Trees["centos"]-- })}, "another one than was seen with that serial"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			m := moored(t)
			before := files(t, m.State)
			m.show(tt.shown...)
			m.ignores(t, false, tt.why)
			if now := files(t, m.State)[beaconFile]; now != before[beaconFile] {
				t.Errorf("an ignored beacon is remembered: %s", now)
			}
			m.show(text(t, nil))
			m.isQuiet(t) // the network's own is as good as before
		})
	}
}

// forge changes a beacon after it was signed.
func forge(b manifest.Beacon, change func(*manifest.Beacon)) string {
	b.Signature = bytes.Clone(b.Signature)
	change(&b)
	return b.Text()
}

// A key that the trust document held does not name, a root key among them, is ignored like all others. It may be the next key
// of the role, which the trust document names that HTTPS is about to bring: so it may pass by itself.
func TestLookBeacon_UnknownKey(t *testing.T) {
	t.Parallel()
	m := moored(t)
	next := newMinisign()
	for _, s := range []sign.Signer{testKey(3), next} {
		m.show(signedBy(t, s, numbered(4128)).Text())
		m.ignores(t, true, "does not name this key")
	}
	put(t, m, stepFile(4), sealed(t, following(4, func(x *keys.Trust) {
		x.Manifest.Keys[1].Revoked = true
		k := next.Key()
		k.Holder = "publisher"
		x.Manifest.Keys = append(x.Manifest.Keys, k)
	}), 3))
	m.isQuiet(t)
	m.show(text(t, numbered(4129))) // that the trust document revokes a key does not pass
	m.ignores(t, false, "revokes this key")
}

// The publisher's next key signs what was announced anew, under the serial it has: the same beacon to a mirror that saw it.
func TestLookBeacon_NextKey(t *testing.T) {
	t.Parallel()
	m := moored(t)
	m.show(signedBy(t, fixtures().mini2, nil).Text())
	m.isQuiet(t)
	m.show(text(t, nil))
	m.isQuiet(t)
}

// An older one, genuine and still in force: ignored, whatever was seen of manifests. It may be a server that lags.
func TestLookBeacon_ReplayedOlder(t *testing.T) {
	t.Parallel()
	m := moored(t)
	m.show(text(t, numbered(4130)))
	m.isQuiet(t)
	m.show(text(t, numbered(4129)))
	m.ignores(t, true, "has serial 4129, and 4130 was seen there")
	m.show(text(t, numbered(4130)))
	m.isQuiet(t)
}

// The newest there was before HTTPS saw more: what HTTPS announced counts, and the beacon ends nothing until it is held.
func TestLookBeacon_ReplayedAfterNews(t *testing.T) {
	t.Parallel()
	m := moored(t)
	m.answered(t, func(x *manifest.Manifest) { x.Serial++; x.Trees["centos"] = moved(x.Trees["centos"]) })
	m.isNews(t, "centos is announced at 1488372791, and this mirror holds 1488372781")
}

// A genuine one, in force, shown for ever: it keeps the mirror from looking for a day at most, at whatever hour, and however
// long the beacon says it is good.
func TestLookBeacon_ReplayedForEver(t *testing.T) {
	t.Parallel()
	for _, draw := range []time.Duration{0, 12*time.Hour - 1} {
		m := lightMast(t)
		m.random = func(d time.Duration) time.Duration { return min(draw, d-1) }
		m.show(text(t, func(b *manifest.Beacon) { b.Expires = day0.Add(1000 * time.Hour).Unix() }))
		forever := func(x *manifest.Manifest) { x.Expires = strictjson.At(day0.Add(1000 * time.Hour)) }
		m.answered(t, forever)
		last, looks := m.now, 0
		for range 4 * 24 * 2 {
			m.now = m.now.Add(30 * time.Minute)
			if l := m.look(t); l.Quiet {
				continue
			}
			if gap := m.now.Sub(last); gap > 24*time.Hour+30*time.Minute || gap < 12*time.Hour {
				t.Errorf("draw %v: HTTPS after %v", draw, gap)
			}
			last = m.now
			looks++
			m.answered(t, forever)
		}
		if looks < 3 {
			t.Errorf("draw %v: %d looks over HTTPS in four days", draw, looks)
		}
	}
}

// A key that the trust document revoked, or whose time is over, signs no beacon any more; nor does one under a trust
// document that has ended.
func TestLookBeacon_Trust(t *testing.T) {
	t.Parallel()
	m := moored(t)
	m.trusting(t, following(3, func(x *keys.Trust) { x.Manifest.Keys[1].Revoked = true }))
	m.ignores(t, false, "revokes this key")
	ended := strictjson.At(m.now.Add(-time.Hour))
	m.trusting(t, following(3, func(x *keys.Trust) { x.Manifest.Keys[1].NotAfter = &ended }))
	m.ignores(t, false, "lets this key sign until 2026-11-22T08:00:00Z only")
	m.trusting(t, following(3, func(x *keys.Trust) { x.Expires = strictjson.At(m.now.Add(-6 * time.Minute)) }))
	if l := m.look(t); l.Quiet || l.Beacon != nil || !strings.Contains(l.Why, "version 3 of the trust document, the newest held, ended at") {
		t.Errorf("%+v, expected HTTPS to decide", l)
	}
	m.trusting(t, following(3, func(x *keys.Trust) { x.Expires = strictjson.At(m.now.Add(-4 * time.Minute)) }))
	m.isQuiet(t)
	m.Trust = []byte("{}")
	if l := m.look(t); l.Quiet || !strings.Contains(l.Why, "trust") {
		t.Errorf("%+v, expected HTTPS to decide", l)
	}
}

// The newest trust held judges, as a look over HTTPS left it.
func TestLookBeacon_TrustChain(t *testing.T) {
	t.Parallel()
	m := moored(t)
	revoked := sealed(t, following(4, func(x *keys.Trust) { x.Manifest.Keys[1].Revoked = true }), 3)
	put(t, m, stepFile(4), revoked)
	m.ignores(t, false, "version 4 of the trust document asks")
	m.show(signedBy(t, fixtures().mini2, numbered(4128)).Text())
	m.isQuiet(t)
	put(t, m, stepFile(4), []byte("{}")) // damaged: for the next look to set aside
	m.isNews(t, "a step of the trust chain here is damaged")
	if _, err := os.Stat(filepath.Join(m.State, stepFile(4))); err != nil {
		t.Error(err)
	}
}

func put(t testing.TB, m *mast, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(m.State, name), b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// A stolen key signed the highest serial there is: it locks beacons out until the trust document starts the serials anew,
// and no longer. What is remembered from before counts for nothing then, so HTTPS decides first.
func TestLookBeacon_ResetSerial(t *testing.T) {
	t.Parallel()
	m := moored(t)
	m.show(text(t, numbered(manifest.MaxSerial)))
	m.isQuiet(t)
	m.show(text(t, numbered(4200)))
	m.ignores(t, true, "has serial 4200")
	put(t, m, stepFile(4), resetting(t))
	m.isNews(t, "starts the serials anew")
	m.answered(t, afterReset(4200))
	m.isQuiet(t)
	m.show(text(t, numbered(4199)))
	m.ignores(t, true, "has serial 4199, and 4200 was seen")
	m.show(text(t, numbered(4099)))
	m.ignores(t, true, "lets nothing in below 4100")
	// Once: the same step, read again, resets nothing any more; nor does a pinned one that is newer than it.
	m.trusting(t, following(5, func(x *keys.Trust) { x.MinSerial = 4100 }))
	m.show(text(t, numbered(4199)))
	m.ignores(t, true, "has serial 4199, and 4200 was seen")
}

// The five minutes by which clocks may differ are in the beacon's favour.
func TestLookBeacon_Skew(t *testing.T) {
	t.Parallel()
	m := moored(t)
	m.show(text(t, func(b *manifest.Beacon) { b.Serial, b.Expires = 4128, m.now.Add(-5*time.Minute).Unix() }))
	m.isQuiet(t)
	m.now = m.now.Add(time.Second)
	m.ignores(t, false, "was good until")
}

// A state file that says otherwise puts HTTPS off for no longer than a day.
func TestLookBeacon_FileOfLies(t *testing.T) {
	t.Parallel()
	m := moored(t)
	good, err := os.ReadFile(filepath.Join(m.State, beaconFile))
	if err != nil {
		t.Fatal(err)
	}
	for old, lies := range map[string][]string{
		`"due": "2026-11-22T21:00:00Z"`:      {`"due": "2026-11-23T09:00:01Z"`, `"due": "9999-11-23T09:00:01Z"`, `"due": "2026-11-22T08:59:59Z"`, `"due": "never"`},
		`"answered": "2026-11-22T09:00:00Z"`: {`"answered": "2026-11-21T20:59:59Z"`, `"answered": "2026-11-22T09:00:01Z"`, `"answered": "0001-01-01T00:00:00Z"`},
		`"serial": 4127`:                     {`"serial": -1`, `"serial": 0`, `"serial": 9007199254740992`},
		`"announced": 1488372781`:            {`"announced": 0`, `"announced": -5`, `"announced": 1.5`},
		`"time_file": "TIME"`:                {`"time_file": "../TIME"`, `"time_file": "/etc/TIME"`, `"time_file": ""`},
	} {
		for _, lie := range lies {
			spoiled := strings.Replace(string(good), old, lie, 1)
			if spoiled == string(good) {
				t.Fatalf("%s is not in %s", old, good)
			}
			spoil(t, m, spoiled)
			if l := m.look(t); l.Quiet {
				t.Errorf("%s: %+v", lie, l)
			}
		}
	}
	spoil(t, m, string(good))
	m.isQuiet(t)
	for what, b := range map[string]string{"empty": "", "of another kind": "[]", "too large": string(good) + strings.Repeat(" ", maxBeacons), "half": string(good[:len(good)/2])} {
		spoil(t, m, b)
		if l := m.look(t); l.Quiet {
			t.Errorf("%s: %+v", what, l)
		}
		if _, err := os.Stat(filepath.Join(m.State, beaconFile+damaged)); err != nil {
			t.Errorf("%s: %v, expected the file set aside", what, err)
		}
	}
}

// Neither a directory nor a pipe in the place of the file holds anything up.
func TestLookBeacon_NoFile(t *testing.T) {
	t.Parallel()
	m := newMast(t)
	m.show(text(t, nil))
	if err := os.Mkdir(filepath.Join(m.State, beaconFile), 0o755); err != nil {
		t.Fatal(err)
	}
	if l := m.look(t); l.Quiet || !strings.Contains(l.Why, "no regular file") {
		t.Errorf("%+v", l)
	}
}

// An answer of nothing at all is no answer.
func TestLookBeacon_NoAnswer(t *testing.T) {
	t.Parallel()
	m := moored(t)
	m.fails = errors.New("no answer within 2s")
	if l := m.ignores(t, true, "no answer within 2s"); l.Answer != nil {
		t.Errorf("%+v", l.Answer)
	}
	m.fails = nil
	m.records = [][]string{{}}
	m.ignores(t, false, "is no beacon")
	if _, ok := fixtures().mini.(sign.RawSigner); !ok {
		t.Error("the test key signs no beacons")
	}
}
