package client

import (
	"slices"
	"testing"
	"time"

	"tidemark/manifest"
)

// A clock that jumps ahead is no reason to sync without a manifest: nothing in force was found only now, and the site
// answers, with a document that is genuine.
func TestLook_ClockAheadIsNoFallback(t *testing.T) {
	const after = 24 * time.Hour
	s, r := settled(t)
	r.now = day0.Add(90 * 24 * time.Hour)
	r.refuses(t, Expired)
	since, err := NoManifestSince(r.State)
	if err != nil || !since.Equal(r.now) || FallbackDue(since, time.Time{}, r.now, after) {
		t.Errorf("%v, %v: expected `after` to begin now", since, err)
	}
	ahead := r.now
	r.now = r.now.Add(after)
	r.refuses(t, Expired)
	if out, err := OutOfTime(r.State); err != nil || !out.Equal(ahead) {
		t.Errorf("%v, %v: the site answers with a genuine document since %v", out, err, ahead)
	}
	s.answer(BundleFile, status(500))
	if v, err := r.look(t); v != nil || err == nil {
		t.Fatal(v, err)
	}
	if out, err := OutOfTime(r.State); err != nil || !out.IsZero() {
		t.Errorf("%v, %v: it does not answer any more", out, err)
	}
	if since, _ := NoManifestSince(r.State); !FallbackDue(since, time.Time{}, r.now, after) {
		t.Errorf("%v: nothing has been in force for a day", since)
	}
	r.now = day0.Add(2 * time.Hour) // the clock is right again
	s.serve(BundleFile, fixtures().bundle(t, nil))
	if _, err := r.look(t); err != nil {
		t.Fatal(err)
	}
	if since, _ := NoManifestSince(r.State); !since.IsZero() {
		t.Error(since)
	}
}

func TestLook_OutOfTime(t *testing.T) {
	f := fixtures()
	for name, tt := range map[string]struct {
		change func(*manifest.Manifest)
		now    time.Duration
		want   bool
	}{
		"a clock behind":         {nil, -48 * time.Hour, true},
		"a clock ahead":          {nil, 48 * time.Hour, true},
		"a clock that is right":  {nil, time.Hour, false},
		"another network":        {func(m *manifest.Manifest) { m.Network = "debian" }, time.Hour, false},
		"the trust to be walked": {func(m *manifest.Manifest) { m.TrustVersion = 9 }, time.Hour, false},
	} {
		s := newSite(t)
		s.serve(BundleFile, f.bundle(t, tt.change))
		r := newReader(t, s)
		r.now = day0.Add(tt.now)
		r.look(t)
		if out, err := OutOfTime(r.State); err != nil || out.IsZero() == tt.want {
			t.Errorf("%s: %v, %v", name, out, err)
		}
	}
}

// What may pass by itself tells since when it lasts, and is not called told before a caller would tell it.
func TestLook_WarnAfter(t *testing.T) {
	s, r := settled(t)
	r.WarnAfter = 6 * time.Hour
	start := r.now
	older := fixtures().bundle(t, at(4100, -time.Hour))
	for _, tt := range []struct {
		after time.Duration
		older bool
		noted []string
	}{
		{0, false, nil},
		{30 * time.Minute, true, nil},
		{5 * time.Hour, false, nil},
		{6 * time.Hour, false, []string{NoteUnreachable}},
		{6*time.Hour + time.Minute, true, []string{NoteStaleEdge}},
		{7 * time.Hour, false, nil}, // told today
	} {
		r.now = start.Add(tt.after)
		kind := NoteUnreachable
		s.answer(BundleFile, status(500))
		if tt.older {
			kind = NoteStaleEdge
			s.serve(BundleFile, older)
			if err := (&store{dir: r.State}).change(func(m *memory) { m.OlderSince.Time = time.Time{} }); err != nil {
				t.Fatal(err)
			}
		}
		v := r.keeps(t, 4127, "", kind)
		if n := v.All[0]; !n.Since.Equal(start) {
			t.Errorf("after %s: %+v, expected it to be since %v", tt.after, n, start)
		}
		var noted []string
		for _, n := range v.Noted {
			noted = append(noted, n.Kind)
		}
		if !slices.Equal(noted, tt.noted) {
			t.Errorf("after %s: %v, expected %v", tt.after, noted, tt.noted)
		}
	}
	r.EveryNotice = true
	if v := r.keeps(t, 4127, "", ""); len(v.Noted) != 1 {
		t.Error(v.Noted)
	}
}

func TestFallbackDue(t *testing.T) {
	const after = 24 * time.Hour
	for name, tt := range map[string]struct {
		since, last time.Duration // before now; 0: never
		want        bool
	}{
		"a manifest is in force":     {0, 0, false},
		"not long enough":            {after - time.Second, 0, false},
		"long enough":                {after, 0, true},
		"tried five hours ago":       {30 * time.Hour, 5 * time.Hour, false},
		"tried six hours ago":        {30 * time.Hour, 6 * time.Hour, true},
		"tried in the future":        {30 * time.Hour, -time.Hour, true},
		"nothing, since the future ": {-time.Hour, 0, false},
	} {
		before := func(d time.Duration) time.Time {
			if d == 0 {
				return time.Time{}
			}
			return day0.Add(-d)
		}
		if got := FallbackDue(before(tt.since), before(tt.last), day0, after); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
