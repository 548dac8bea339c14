package client

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tidemark/internal/dnstxt"
	"tidemark/internal/strictjson"
	"tidemark/keys"
	"tidemark/manifest"
	"tidemark/sign"
)

const beaconName = "_tidemark.centos.example.org"

// mast is a mirror that looks at a beacon: what DNS says, the mirror's clock, its trees and its draws are the test's.
type mast struct {
	BeaconOptions
	now     time.Time
	records [][]string
	noName  bool
	fails   error
	held    map[string]int64
	damaged error
	asked   []string // "tree file" of Held
	random  func(time.Duration) time.Duration
}

func newMast(t testing.TB) *mast {
	t.Helper()
	m := &mast{now: day0.Add(time.Hour), held: map[string]int64{"centos": announced}, random: func(time.Duration) time.Duration { return 0 }}
	m.BeaconOptions = BeaconOptions{Name: beaconName, State: t.TempDir(), Network: "centos", Trust: sealed(t, fixtures().trust, 3),
		Now: func() time.Time { return m.now }, Random: func(d time.Duration) time.Duration { return m.random(d) },
		Ask: func(context.Context, string) (*dnstxt.Answer, error) {
			if m.fails != nil {
				return nil, m.fails
			}
			return &dnstxt.Answer{Records: m.records, NoName: m.noName, Exchanges: 1}, nil
		},
		Held: func(tree, file string) (int64, error) {
			m.asked = append(m.asked, tree+" "+file)
			return m.held[tree], m.damaged
		}}
	return m
}

// lightMast has a trust document without a certificate, whose checks take most of the time: for tests that look often.
func lightMast(t testing.TB) *mast {
	t.Helper()
	m := newMast(t)
	m.trusting(t, following(3, func(x *keys.Trust) {
		x.Manifest.Keys, x.Manifest.Required = x.Manifest.Keys[1:], []keys.Kind{keys.Minisign}
	}))
	return m
}

// moored is a mirror in date: HTTPS answered, and the beacon of that manifest was seen.
func moored(t testing.TB) *mast {
	t.Helper()
	m := newMast(t)
	m.answered(t, nil)
	m.show(text(t, nil))
	m.isQuiet(t)
	return m
}

// answered is a look over HTTPS that brought the fixture's manifest, changed.
func (m *mast) answered(t testing.TB, change func(*manifest.Manifest)) {
	t.Helper()
	v := &View{Opened: &Opened{Manifest: fixtures().document(t, change)}, Fresh: true}
	if err := Answered(m.BeaconOptions, v); err != nil {
		t.Fatal(err)
	}
}

func (m *mast) show(texts ...string) {
	m.records = nil
	for _, s := range texts {
		m.records = append(m.records, split(s))
	}
}

func split(s string) []string {
	parts := []string{}
	for len(s) > 255 {
		parts, s = append(parts, s[:255]), s[255:]
	}
	return append(parts, s)
}

func (m *mast) look(t testing.TB) BeaconLook {
	t.Helper()
	return LookBeacon(t.Context(), m.BeaconOptions, []string{"centos"})
}

func (m *mast) isQuiet(t testing.TB) BeaconLook {
	t.Helper()
	l := m.look(t)
	if !l.Quiet || l.Beacon == nil || l.Ignored != nil {
		t.Fatalf("%+v, %+v, expected nothing new", l, l.Ignored)
	}
	return l
}

// isNews insists that HTTPS decides although the beacon is genuine, for a reason with these words.
func (m *mast) isNews(t testing.TB, why string) BeaconLook {
	t.Helper()
	l := m.look(t)
	if l.Quiet || l.Beacon == nil || l.Ignored != nil || !strings.Contains(l.Why, why) {
		t.Errorf("%+v, %+v, expected HTTPS to decide: %s", l, l.Ignored, why)
	}
	return l
}

// ignores insists that the record is not used, for a reason with these words; passing: that may pass by itself.
func (m *mast) ignores(t testing.TB, passing bool, why string) BeaconLook {
	t.Helper()
	l := m.look(t)
	switch n := l.Ignored; {
	case l.Quiet || l.Beacon != nil:
		t.Errorf("%+v, expected the record to be ignored: %s", l, why)
	case n == nil || n.Kind != NoteBeacon || !strings.Contains(n.Text, why) || !strings.HasPrefix(l.Why, n.Text):
		t.Errorf("%+v, %+v, expected a notice: %s", l, n, why)
	case n.Since.IsZero() == passing:
		t.Errorf("since %v, expected it to be of what may pass by itself: %v", n.Since, passing)
	}
	return l
}

// beacon is that of the fixture's manifest, changed, signed by the key.
func signedBy(t testing.TB, s sign.Signer, change func(*manifest.Beacon)) manifest.Beacon {
	t.Helper()
	b := manifest.BeaconOf(fixtures().document(t, nil), s.Key().Key)
	if change != nil {
		change(&b)
	}
	sig, err := s.(sign.RawSigner).SignRaw(context.Background(), []byte(b.Signed()))
	if err != nil {
		t.Fatal(err)
	}
	b.Signature = sig
	return b
}

func text(t testing.TB, change func(*manifest.Beacon)) string {
	t.Helper()
	return signedBy(t, fixtures().mini, change).Text()
}

func numbered(n int64) func(*manifest.Beacon) { return func(b *manifest.Beacon) { b.Serial = n } }

// trusting pins another trust document in the mirror's configuration.
func (m *mast) trusting(t testing.TB, x *keys.Trust) { m.Trust = sealed(t, x, 3) }

func TestLookBeacon_Quiet(t *testing.T) {
	t.Parallel()
	m := moored(t)
	before := files(t, m.State)
	m.asked = nil
	l := m.isQuiet(t)
	if !l.Due.Equal(m.now.Add(12 * time.Hour)) {
		t.Errorf("due %v", l.Due)
	}
	if want := "the beacon of serial 4127 has nothing new; HTTPS is asked at 2026-11-22T21:00:00Z at the latest"; l.Why != want {
		t.Errorf("%q, expected %q", l.Why, want)
	}
	if diff := cmp.Diff([]string{"centos TIME"}, m.asked); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(before, files(t, m.State)); diff != "" {
		t.Errorf("a look without news wrote: %s", diff)
	}
}

// files is every file of a directory with its content and time.
func files(t testing.TB, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all[e.Name()] = info.ModTime().String() + " " + string(b)
	}
	return all
}

// A genuine beacon ends no check when anything is not as it, and the last answer over HTTPS, have it.
func TestLookBeacon_News(t *testing.T) {
	t.Parallel()
	for what, tt := range map[string]struct {
		change func(*mast)
		why    string
	}{
		"newer": {func(m *mast) {
			m.show(text(t, func(b *manifest.Beacon) { b.Serial, b.Trees["centos"] = 4128, announced+1 }))
		}, "the beacon has centos at 1488372782, and this mirror holds 1488372781"},
		"older than announced is held": {func(m *mast) { m.held["centos"]-- }, "this mirror holds 1488372780"},
		"nothing held":                 {func(m *mast) { m.held["centos"] = 0 }, "no time file of centos"},
		"damaged":                      {func(m *mast) { m.damaged = errors.New("a link") }, "cannot be said (a link)"},
		"damaged, and a number":        {func(m *mast) { m.damaged = errors.New("in the future"); m.held["centos"] = announced + 9 }, "in the future"},
		"gone from the beacon":         {func(m *mast) { m.show(text(t, func(b *manifest.Beacon) { b.Serial++; delete(b.Trees, "centos") })) }, "the beacon has no tree centos"},
		"behind what HTTPS announced": {func(m *mast) {
			m.answered(t, func(x *manifest.Manifest) { x.Trees["centos"] = moved(x.Trees["centos"]) })
		}, "centos is announced at 1488372791"},
		"not announced by HTTPS":        {func(m *mast) { m.answered(t, func(x *manifest.Manifest) { without(x, "centos") }) }, "which was not announced"},
		"a day since HTTPS was asked":   {func(m *mast) { m.now = m.now.Add(12 * time.Hour) }, "at least once a day"},
		"a clock that went back":        {func(m *mast) { m.now = m.now.Add(-time.Second) }, "clock went back"},
		"HTTPS answered nothing so far": {func(m *mast) { os.Remove(filepath.Join(m.State, beaconFile)) }, "not answered over HTTPS yet"},
		"a damaged file":                {func(m *mast) { spoil(t, m, "{") }, "is damaged"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			m := moored(t)
			tt.change(m)
			m.isNews(t, tt.why)
		})
	}
}

func moved(x manifest.Tree) manifest.Tree {
	x.Timestamp += 10
	x.Later = nil
	return x
}

func without(x *manifest.Manifest, tree string) {
	delete(x.Trees, tree)
}

func spoil(t testing.TB, m *mast, s string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(m.State, beaconFile), []byte(s), 0o644); err != nil {
		t.Fatal(err)
	}
}

// A tree that the network never had is no news; one that it gets is.
func TestLookBeacon_AbsentTrees(t *testing.T) {
	t.Parallel()
	m := moored(t)
	look := func() BeaconLook { return LookBeacon(t.Context(), m.BeaconOptions, []string{"centos", "future"}) }
	if l := look(); !l.Quiet {
		t.Errorf("%+v, expected nothing new: no such tree in either", l)
	}
	m.show(text(t, func(b *manifest.Beacon) { b.Serial, b.Trees["future"] = 4128, 1488372999 }))
	if l := look(); l.Quiet || !strings.Contains(l.Why, "the tree future, which was not announced") {
		t.Errorf("%+v, expected the new tree", l)
	}
	if l := LookBeacon(t.Context(), m.BeaconOptions, nil); l.Quiet {
		t.Errorf("%+v without a tree", l)
	}
}

// No view, and one of the kept bundle alone, put nothing off.
func TestAnswered_FreshOnly(t *testing.T) {
	t.Parallel()
	m := newMast(t)
	m.show(text(t, nil))
	for _, v := range []*View{nil, {Opened: &Opened{Manifest: fixtures().document(t, nil)}}} {
		if err := Answered(m.BeaconOptions, v); err != nil {
			t.Fatal(err)
		}
		m.isNews(t, "not answered over HTTPS yet")
	}
}

// A beacon that ends no check sends every look to the site. Its answers are written down once an hour while they bring nothing,
// and at once when they do, or when the time drawn before does not hold any more; HTTPS is due within a day all the while.
func TestAnswered_Writes(t *testing.T) {
	t.Parallel()
	hour := func(m *mast) { m.now = m.now.Add(time.Hour) }
	for what, tt := range map[string]struct {
		change   func(*mast)
		manifest func(*manifest.Manifest)
		writes   bool
	}{
		"soon after":            {func(m *mast) { m.now = m.now.Add(59 * time.Minute) }, nil, false},
		"a clock with nothing":  {func(*mast) {}, nil, false},
		"an hour after":         {hour, nil, true},
		"news":                  {func(*mast) {}, func(x *manifest.Manifest) { x.Trees["centos"] = moved(x.Trees["centos"]) }, true},
		"a tree is gone":        {func(*mast) {}, func(x *manifest.Manifest) { without(x, "centos") }, true},
		"it ends earlier":       {func(*mast) {}, func(x *manifest.Manifest) { x.Expires = strictjson.At(day0.Add(3 * time.Hour)) }, true},
		"it is due":             {func(m *mast) { m.now = m.now.Add(12 * time.Hour) }, nil, true},
		"the clock went back":   {func(m *mast) { m.now = m.now.Add(-time.Second) }, nil, true},
		"due in two days":       {func(m *mast) { lie(t, m, `"due": "2026-11-22T21:00:00Z"`, `"due": "2026-11-24T21:00:00Z"`) }, nil, true},
		"damaged":               {func(m *mast) { spoil(t, m, "{") }, nil, true},
		"a reset_serial":        {func(m *mast) { put(t, m, stepFile(4), resetting(t)) }, nil, true},
		"nothing is remembered": {func(m *mast) { os.Remove(filepath.Join(m.State, beaconFile)) }, nil, true},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			m := moored(t)
			tt.change(m)
			before := files(t, m.State)[beaconFile]
			m.answered(t, tt.manifest)
			after := files(t, m.State)[beaconFile]
			if wrote := before != after; wrote != tt.writes {
				t.Errorf("wrote: %v\n%s\n%s", wrote, before, after)
			}
			if due := BeaconSeen(m.State, m.now).Due; !due.After(m.now) || due.Sub(m.now) > 24*time.Hour {
				t.Errorf("due at %v, now is %v", due, m.now)
			}
		})
	}
}

func lie(t testing.TB, m *mast, old, new string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(m.State, beaconFile))
	if err != nil {
		t.Fatal(err)
	}
	spoiled := strings.Replace(string(b), old, new, 1)
	if spoiled == string(b) {
		t.Fatalf("%s is not in %s", old, b)
	}
	spoil(t, m, spoiled)
}

// What is remembered, for people: of a directory, of none, and of a damaged file, which is left where it is.
func TestBeaconSeen(t *testing.T) {
	t.Parallel()
	m := moored(t)
	check := func(what, dir string, now time.Time, want BeaconStatus) {
		t.Helper()
		if diff := cmp.Diff(want, BeaconSeen(dir, now)); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
	}
	at, due := m.now, m.now.Add(12*time.Hour)
	check("seen", m.State, at, BeaconStatus{Serial: 4127, Answered: at, Due: due})
	check("due", m.State, due.Add(time.Hour), BeaconStatus{Serial: 4127, Answered: at, Due: due.Add(time.Hour)})
	check("none", t.TempDir(), at, BeaconStatus{Due: at})
	spoil(t, m, "{")
	before := files(t, m.State)
	check("damaged", m.State, at, BeaconStatus{Due: at})
	if diff := cmp.Diff(before, files(t, m.State)); diff != "" {
		t.Errorf("looking has changed %s", diff)
	}
}

// When HTTPS is asked next: half a day to a day on, and not after the manifest's end.
func TestNextDue(t *testing.T) {
	t.Parallel()
	now := day0
	most := func(d time.Duration) time.Duration { return d - 1 }
	least := func(time.Duration) time.Duration { return 0 }
	for _, tt := range []struct {
		expires time.Duration
		random  func(time.Duration) time.Duration
		want    time.Duration
	}{
		{48 * time.Hour, least, 12 * time.Hour},
		{48 * time.Hour, most, 24*time.Hour - 1},
		{18 * time.Hour, most, 17*time.Hour + 1},
		{6 * time.Hour, least, 6 * time.Hour},
		{6 * time.Hour, most, 5*time.Hour + 1},
		{30 * time.Minute, most, 30 * time.Minute},
		{-time.Minute, most, 0}, // in force by the five minutes of skew
	} {
		if got := nextDue(now, now.Add(tt.expires), tt.random).Sub(now); got != tt.want {
			t.Errorf("a manifest that ends in %v: due in %v, expected %v", tt.expires, got, tt.want)
		}
	}
}

// What may pass by itself says since when it lasts, and begins anew once a beacon was there.
func TestLookBeacon_PassingSince(t *testing.T) {
	t.Parallel()
	m := moored(t)
	m.fails = errors.New("SERVFAIL")
	start := m.now
	for range 3 {
		if l := m.ignores(t, true, "cannot be asked: SERVFAIL"); !l.Ignored.Since.Equal(start) {
			t.Errorf("since %v, expected %v", l.Ignored.Since, start)
		}
		m.now = m.now.Add(time.Minute)
	}
	m.fails, m.records = nil, nil
	if l := m.ignores(t, true, "has no TXT record"); !l.Ignored.Since.Equal(start) {
		t.Errorf("since %v, expected %v: another cause is no beacon either", l.Ignored.Since, start)
	}
	m.show(text(t, nil))
	m.now = start.Add(time.Hour)
	m.isQuiet(t)
	m.noName, m.records = true, nil
	if l := m.ignores(t, true, "does not exist"); !l.Ignored.Since.Equal(m.now) {
		t.Errorf("since %v, expected %v", l.Ignored.Since, m.now)
	}
}

// Servers that disagree, or fail now and then: at most two writes an hour, and since when it lasts is an hour too early at most.
func TestLookBeacon_Flapping(t *testing.T) {
	t.Parallel()
	m := moored(t)
	m.answered(t, nil)
	start, writes, last := m.now, 0, files(t, m.State)[beaconFile]
	for i := range 2 * 12 {
		if m.fails = nil; i%2 == 0 {
			m.fails = errors.New("SERVFAIL")
		}
		l := m.look(t)
		if m.fails == nil != l.Quiet {
			t.Errorf("%v: %+v", m.now, l)
		}
		if n := l.Ignored; n != nil && (n.Since.Before(start) || m.now.Sub(n.Since) > time.Hour) {
			t.Errorf("%v: since %v", m.now, n.Since)
		}
		if now := files(t, m.State)[beaconFile]; now != last {
			writes, last = writes+1, now
		}
		m.now = m.now.Add(5 * time.Minute)
	}
	if writes < 2 || writes > 4 {
		t.Errorf("%d writes in two hours, expected two an hour", writes)
	}
}

// What cannot be remembered is not acted on.
func TestLookBeacon_NotRemembered(t *testing.T) {
	t.Parallel()
	m := moored(t)
	m.show(text(t, numbered(4128)))
	m.written = func(name string) error { return errors.New("disk full: " + name) }
	if l := m.look(t); l.Quiet || l.Beacon != nil || !strings.Contains(l.Why, "disk full: beacon.json") {
		t.Errorf("%+v, expected HTTPS to decide", l)
	}
	m.written = nil
	m.isQuiet(t)
}

// A state directory that is not ours to write is read; nothing is kept there.
func TestLookBeacon_ReadOnly(t *testing.T) {
	t.Parallel()
	m := moored(t)
	if os.Getuid() == 0 {
		// Nothing stops root; so the store is told.
		a := &beaconAsk{BeaconOptions: m.BeaconOptions, now: m.now, store: &store{dir: m.State, readOnly: true}}
		c, err := openPinned(LookOptions{Trust: m.Trust, Network: m.Network})
		if err != nil {
			t.Fatal(err)
		}
		a.chain = c
		if err := a.load(); err != nil {
			t.Fatal(err)
		}
		before := files(t, m.State)
		if err := a.save(beaconMemory{}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(before, files(t, m.State)); diff != "" {
			t.Error(diff)
		}
		return
	}
	if err := os.Chmod(m.State, 0o555); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(m.State, 0o755)
	before := files(t, m.State)
	m.show(text(t, numbered(4128)))
	m.isQuiet(t)
	if diff := cmp.Diff(before, files(t, m.State)); diff != "" {
		t.Error(diff)
	}
}

// What is remembered, as a file; and so doc.go has it.
func TestBeaconMemory_Text(t *testing.T) {
	t.Parallel()
	m := moored(t)
	got, err := os.ReadFile(filepath.Join(m.State, beaconFile))
	if err != nil {
		t.Fatal(err)
	}
	want, err := strictjson.Marshal(beaconMemory{Serial: 4127, SHA256: manifest.SHA256([]byte(strings.Split(strings.Join(m.records[0], ""), " k=")[0])),
		Answered: strictjson.At(m.now), Due: strictjson.At(m.now.Add(12 * time.Hour)), Trees: map[string]beaconTree{"centos": {announced, "TIME"}}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Error(diff)
	}
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	if text := "//\t" + strings.ReplaceAll(strings.TrimSpace(string(got)), "\n", "\n//\t") + "\n"; !strings.Contains(string(doc), text) {
		t.Errorf("doc.go has not\n%s", text)
	}
}

// However many look at once, the newest serial seen never goes back.
func TestLookBeacon_ManyAtOnce(t *testing.T) {
	t.Parallel()
	m := moored(t)
	texts := make([]string, 8)
	for i := range texts {
		texts[i] = text(t, numbered(4127+int64(i)))
	}
	var all sync.WaitGroup
	for _, s := range texts {
		o := m.BeaconOptions
		o.Ask = func(context.Context, string) (*dnstxt.Answer, error) {
			return &dnstxt.Answer{Records: [][]string{split(s)}}, nil
		}
		o.Held = func(string, string) (int64, error) { return announced, nil }
		all.Go(func() { LookBeacon(context.Background(), o, []string{"centos"}) })
		all.Go(func() {
			if err := Answered(o, &View{Opened: &Opened{Manifest: fixtures().document(t, nil)}, Fresh: true}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	m.show(texts[6])
	m.ignores(t, true, "has serial 4133, and 4134 was seen")
	m.show(texts[7])
	m.isQuiet(t)
}

// The beacon's part of a check that finds nothing new, DNS and the tree's disk apart.
func BenchmarkLookBeacon(b *testing.B) {
	m := moored(b)
	b.ReportAllocs()
	for b.Loop() {
		if l := m.look(b); !l.Quiet {
			b.Fatalf("%+v", l)
		}
	}
}
