package client

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tidemark/internal/strictjson"
	"tidemark/manifest"
)

const announced = 1488372781

// announcing is a manifest that announces one tree, admitting share, with a max_hold of two hours.
func announcing(timestamp, share int64) *manifest.Manifest {
	return &manifest.Manifest{Serial: 4127, Trees: map[string]manifest.Tree{"centos": {Timestamp: timestamp, Admit: share}},
		Policy: manifest.Policy{CheckInterval: 300, MaxHold: 7200}}
}

func TestDecide(t *testing.T) {
	const id = "ftp.funet.fi"
	place := manifest.Place(id, "centos", announced)
	since := func(before time.Duration, newest int64) *Behind {
		return &Behind{Since: strictjson.At(day0.Add(-before)), Newest: newest}
	}
	tests := []struct {
		name   string
		tree   string
		share  int64
		held   int64
		behind *Behind
		action Action
		want   *Behind
		reason string
	}{
		{"in date", "centos", 0, announced, nil, InDate, nil, "in date"},
		{"in date clears", "centos", 0, announced, since(time.Hour, announced), InDate, nil, "in date"},
		{"beyond", "centos", 0, announced + 1, nil, InDate, nil, "in date"},
		{"gone", "altarch", 0, 1, nil, Gone, nil, `no tree "altarch"`},
		{"gone leaves what was remembered", "altarch", 0, 1, since(time.Hour, 2), Gone, since(time.Hour, 2), "no news"},
		{"no time file", "centos", 0, 0, nil, Sync, since(0, announced), "no usable time file"},
		{"admitted", "centos", place + 1, 1, nil, Sync, since(0, announced), "admitted"},
		{"the place itself is not admitted", "centos", place, 1, nil, Hold, since(0, announced), "not admitted yet"},
		{"nobody is", "centos", 0, announced - 1, nil, Hold, since(0, announced), "admitted 0 %"},
		{"a newer one does not set it back", "centos", 0, 1, since(time.Minute, announced-5), Hold, since(time.Minute, announced), "not admitted"},
		{"the newest is not forgotten", "centos", 0, 1, since(time.Minute, announced+5), Hold, since(time.Minute, announced+5), "not admitted"},
		{"max_hold is over", "centos", 0, 1, since(2*time.Hour, announced), Sync, since(2*time.Hour, announced), "admitted 100 %"},
		{"a clock that moved back", "centos", 0, 1, since(-time.Hour, announced), Hold, since(0, announced), "not admitted"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := Decide(announcing(announced, tt.share), tt.tree, id, tt.held, tt.behind, day0)
			if d.Action != tt.action || !strings.Contains(d.Reason, tt.reason) || d.Tree != tt.tree || d.Held != tt.held {
				t.Errorf("%+v, expected %s with %q", d, tt.action, tt.reason)
			}
			if diff := cmp.Diff(tt.want, d.Behind); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What was remembered is never changed in place: the caller stores what comes back.
func TestDecide_Pure(t *testing.T) {
	b := &Behind{Since: strictjson.At(day0), Newest: 1}
	Decide(announcing(announced, 0), "centos", "a", 1, b, day0.Add(time.Minute))
	if b.Newest != 1 {
		t.Errorf("%+v", b)
	}
}

// A mirror that runs again and again starts when it was told at the latest, not a second before (with nobody admitted),
// however many newer timestamps come in between.
func TestDecide_TheTurnIsTrue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.StringMatching(`[a-z]{1,8}`).Draw(t, "id")
		m := announcing(announced, 0)
		m.Policy.MaxHold = rapid.Int64Range(1, 100000).Draw(t, "hold")
		first := Decide(m, "centos", id, 1, nil, day0)
		if first.Action != Hold {
			t.Fatal(first)
		}
		turn := first.turn(time.Duration(m.Policy.MaxHold) * time.Second)
		if d := Decide(m, "centos", id, 1, first.Behind, turn.Add(-time.Second)); d.Action != Hold {
			t.Fatalf("early: %+v", d)
		}
		if d := Decide(m, "centos", id, 1, first.Behind, turn); d.Action != Sync {
			t.Fatalf("late: %+v", d)
		}
		newer := announcing(announced+rapid.Int64Range(0, 1000).Draw(t, "newer"), 0)
		newer.Policy.MaxHold = m.Policy.MaxHold
		if d := Decide(newer, "centos", id, 1, first.Behind, day0.Add(time.Duration(m.Policy.MaxHold)*time.Second)); d.Action != Sync || d.Behind.Since != first.Behind.Since {
			t.Fatalf("still held after max_hold: %+v", d)
		}
	})
}

// The words and the decision agree: who waits is told a place above what is admitted.
func TestDecide_Words(t *testing.T) {
	d := Decision{Place: 314_900, Admitted: 312_000}
	if d.Queue() != "admitted 31 %, you are at 32 %" {
		t.Error(d.Queue())
	}
	d.Admitted = 315_000
	if d.Queue() != "admitted 32 %, you are at 31 %" {
		t.Error(d.Queue())
	}
}

func TestChoose(t *testing.T) {
	m := announcing(announced, 0)
	offered := func(id, kind, country, continent string) {
		m.Sources = append(m.Sources, manifest.Source{ID: id, Kind: kind, Country: country, Continent: continent, Slots: 2,
			Trees: map[string]manifest.SourceTree{"centos": {Timestamp: announced, Families: []int{4}}}})
	}
	offered("br", manifest.KindMirror, "BR", "SA")
	offered("de", manifest.KindMirror, "DE", "EU")
	offered("fi", manifest.KindMirror, "FI", "EU")
	offered("node-de", manifest.KindNode, "DE", "EU")
	offered("node-us", manifest.KindNode, "US", "NA")
	for name, tt := range map[string]struct {
		client manifest.Client
		want   string
	}{
		"a country":           {manifest.Client{ID: "x", Country: "FI"}, "fi de node-de node-us br"},
		"another continent":   {manifest.Client{ID: "x", Country: "AR"}, "br node"},
		"itself, and avoided": {manifest.Client{ID: "fi", Country: "FI", Avoid: []string{"de"}}, "node-de node-us br"},
		"no country":          {manifest.Client{ID: "x"}, "node-"},
		"the one family only": {manifest.Client{ID: "x", Country: "FI", Families: []int{6}}, ""},
	} {
		var got []string
		for _, r := range Choose(m, "centos", tt.client) {
			got = append(got, r.Source.ID)
		}
		if s := strings.Join(got, " "); !strings.HasPrefix(s, tt.want) || tt.want == "" && s != "" {
			t.Errorf("%s: %q, expected %q", name, s, tt.want)
		}
	}
	if Choose(m, "altarch", manifest.Client{ID: "x"}) != nil {
		t.Error("sources of a tree that is gone")
	}
}
