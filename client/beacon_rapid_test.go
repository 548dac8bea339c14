package client

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tidemark/internal/strictjson"
	"tidemark/manifest"
)

// Whatever is shown, held, remembered and drawn, and however the clock walks: a quiet look has a genuine beacon, nothing newer
// than what is held, and HTTPS within a day before it by every clock that was read since; and so HTTPS is asked within a day.
func TestLookBeacon_NeverQuietWrongly(t *testing.T) {
	t.Parallel()
	genuine := map[string]manifest.Beacon{}
	var shown []string
	for serial := int64(4127); serial < 4130; serial++ {
		for newer := range int64(2) {
			for _, hours := range []int64{2, 30, 500} {
				b := signedBy(t, fixtures().mini, func(b *manifest.Beacon) {
					b.Serial, b.Expires, b.Trees = serial, day0.Unix()+hours*3600, map[string]int64{"centos": announced + newer}
				})
				genuine[b.Text()] = b
				shown = append(shown, b.Text(), forge(b, func(b *manifest.Beacon) { b.Trees["centos"] = announced }), b.Text()[:40])
				b.Trees = map[string]int64{"centos": announced + newer}
			}
		}
	}
	m := lightMast(t)
	rapid.Check(t, func(r *rapid.T) {
		m.now, m.records = day0.Add(time.Hour), nil
		if err := os.RemoveAll(m.State); err != nil {
			r.Fatal(err)
		}
		m.random = func(d time.Duration) time.Duration {
			return time.Duration(rapid.Int64Range(0, int64(d)-1).Draw(r, "random"))
		}
		var asked time.Time // when HTTPS last answered
		latest, told := int64(0), int64(0)
		for range rapid.IntRange(1, 12).Draw(r, "steps") {
			m.now = m.now.Add(time.Duration(rapid.SampledFrom([]int64{-3600, -1, 0, 300, 7200, 43200, 86399, 86400, 86401}).Draw(r, "seconds")) * time.Second)
			m.held["centos"] = rapid.SampledFrom([]int64{0, announced - 1, announced, announced + 1, announced + 2}).Draw(r, "held")
			m.damaged = nil
			if rapid.IntRange(0, 9).Draw(r, "damaged") == 0 {
				m.damaged = errors.New("damaged")
			}
			switch rapid.IntRange(0, 5).Draw(r, "what") {
			case 0:
				told = announced + rapid.Int64Range(0, 1).Draw(r, "announced")
				end := rapid.SampledFrom([]time.Duration{0, time.Hour, 24 * time.Hour, 1000 * time.Hour}).Draw(r, "end")
				m.answered(t, func(x *manifest.Manifest) {
					tree := x.Trees["centos"]
					tree.Timestamp = told
					x.Trees["centos"], x.Expires = tree, strictjson.At(m.now.Add(end))
				})
				asked = m.now
			case 1:
				m.records = nil
				for range rapid.IntRange(0, 2).Draw(r, "records") {
					m.records = append(m.records, split(rapid.SampledFrom(shown).Draw(r, "text")))
				}
			default:
				s := rapid.SampledFrom(shown).Draw(r, "text")
				m.show(s)
			}
			l := m.look(t)
			if l.Due.Sub(m.now) > 24*time.Hour {
				r.Fatalf("due in %v", l.Due.Sub(m.now))
			}
			if l.Beacon != nil {
				b, ok := genuine[l.Beacon.Text()]
				if !ok || len(m.records) != 1 || b.Serial < latest || m.now.After(time.Unix(b.Expires, 0).Add(5*time.Minute)) {
					r.Fatalf("accepted %s at %v after %d", l.Beacon.Text(), m.now, latest)
				}
				latest = b.Serial
			}
			if !l.Quiet {
				if l.Why == "" {
					r.Fatal("no word why")
				}
				continue
			}
			held := m.held["centos"]
			switch since := m.now.Sub(asked); {
			case l.Beacon == nil || held < l.Beacon.Trees["centos"] || held < told || m.damaged != nil:
				r.Fatalf("quiet: %+v, held %d, announced %d", l, held, told)
			case asked.IsZero() || since <= -time.Hour || since >= 24*time.Hour: // an answer within the hour is not written down
				r.Fatalf("quiet %v after HTTPS", since)
			}
		}
	})
}

// Arbitrary text at the name is quiet only when it is one of the two that were signed.
func FuzzLookBeacon(f *testing.F) {
	m := lightMast(f)
	m.answered(f, nil)
	remembered, err := os.ReadFile(filepath.Join(m.State, beaconFile))
	if err != nil {
		f.Fatal(err)
	}
	same, next := text(f, nil), text(f, numbered(4128))
	for _, s := range []string{same, next, "", "v=tm1", next[:60], forge(signedBy(f, fixtures().mini, nil), func(b *manifest.Beacon) { b.Serial++ }), "\x00", same + " " + next} {
		f.Add(s, "", false)
		f.Add(s[:len(s)/2], s[len(s)/2:], true)
	}
	f.Fuzz(func(t *testing.T, a, b string, joined bool) {
		put(t, m, beaconFile, remembered)
		m.records = [][]string{{a}}
		whole := a
		if joined {
			m.records[0] = append(m.records[0], b)
			whole += b
		} else if b != "" {
			m.records = append(m.records, []string{b})
			whole = "two"
		}
		l := m.look(t)
		if ok := whole == same || whole == next; l.Quiet != ok || (l.Beacon != nil) != ok || (l.Ignored == nil) != ok {
			t.Fatalf("%q %q: %+v", a, b, l)
		}
	})
}

// No state file makes the reader fall, or puts HTTPS off for more than a day; what is read is written again as it was.
func FuzzBeaconMemory(f *testing.F) {
	m := moored(f)
	good, err := os.ReadFile(filepath.Join(m.State, beaconFile))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good, rand.Int64())
	f.Add([]byte("{}"), int64(0))
	f.Add([]byte(`{"due": "2026-11-22T21:00:00Z"}`), day0.Unix())
	f.Add([]byte(`{"trees": {"centos": {"announced": 1, "time_file": ".."}}}`), day0.Unix())
	f.Fuzz(func(t *testing.T, b []byte, at int64) {
		m, err := parseBeaconMemory(b)
		if err != nil {
			return
		}
		now := time.Unix(at%253402300799, 0)
		if d := m.dueAt(now).Sub(now); d < 0 || d > 24*time.Hour {
			t.Fatalf("%s: due in %v", b, d)
		}
		again, err := strictjson.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := parseBeaconMemory(again); err != nil || !n.same(m) {
			t.Fatalf("%s was read, and written as %s: %v", b, again, err)
		}
	})
}
