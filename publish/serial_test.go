package publish_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tidemark/publish"
)

func TestReservations(t *testing.T) {
	for _, c := range []struct {
		pointer, floor int64
		reserved       []int64
		want           []int64
		requests       int
	}{
		{0, 0, nil, nil, 3},
		{5, 5, nil, nil, 3},
		{5, 0, []int64{4, 5}, nil, 3},
		{5, 0, []int64{6, 7}, []int64{6, 7}, 5},
		{5, 0, []int64{8, 11}, []int64{8, 11}, 9},
		{5, 0, []int64{9}, nil, 3}, // too far above
		{5, 40, []int64{6, 41, 43}, []int64{6, 41, 43}, 10},
		{5, 7, []int64{8}, []int64{8}, 6},
		{5, 7, nil, nil, 5},                 // 6 to 10
		{5, 7, []int64{10}, []int64{10}, 8}, // far above the pointer, near the floor
	} {
		s := openDir(t, fastDir(t))
		if c.pointer > 0 {
			mustPush(t, s, release(c.pointer, "x"))
		}
		for _, n := range c.reserved {
			put(t, s, fmt.Sprintf("m/%d/manifest.bundle.json", n), "reserved")
		}
		st := look(t, s)
		f := &faulty{Store: s}
		found, err := publish.Reservations(t.Context(), f, st, c.floor)
		var got []int64
		for _, r := range found {
			got = append(got, r.Serial)
		}
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("pointer %d, floor %d, reserved %v: %v, %v, expected %v", c.pointer, c.floor, c.reserved, got, err, c.want)
		}
		if f.count != c.requests {
			t.Errorf("pointer %d, floor %d, reserved %v: %d requests, expected %d", c.pointer, c.floor, c.reserved, f.count, c.requests)
		}
	}
}

func TestReservations_Many(t *testing.T) {
	s := openDir(t, fastDir(t))
	for n := range 1000 {
		put(t, s, fmt.Sprintf("m/%d/manifest.bundle.json", n+1), "x")
	}
	found, err := publish.Reservations(t.Context(), s, look(t, s), 0)
	if err != nil || len(found) != 1000 || found[991].Bundle != nil || found[992].Bundle == nil {
		t.Errorf("%d found, %v: expected 1000, the newest 8 with their bundles", len(found), err)
	}
	put(t, s, "m/1001/manifest.bundle.json", "x")
	_, err = publish.Reservations(t.Context(), s, look(t, s), 0)
	wants(t, err, "more than 1000 serials are reserved")
}

func TestNextSerial(t *testing.T) {
	for _, c := range []struct {
		pointer, state, min int64
		reserved            []publish.Reserved
		want                int64
	}{
		{0, 0, 0, nil, 1},
		{12, 0, 0, nil, 13},
		{12, 20, 0, nil, 21},
		{12, 11, 100, nil, 101},
		{12, 0, 0, []publish.Reserved{{Serial: 14}, {Serial: 13}}, 15},
		{12, 0, 0, []publish.Reserved{{Serial: 5}}, 13},
		{1<<53 - 2, 0, 0, nil, 1<<53 - 1},
	} {
		if got, err := publish.NextSerial(c.pointer, c.state, c.min, c.reserved...); err != nil || got != c.want {
			t.Errorf("%+v: %d, %v", c, got, err)
		}
	}
	if _, err := publish.NextSerial(1<<53-1, 0, 0); err == nil {
		t.Error("a serial above 2^53-1 was given")
	}
}

func TestClean(t *testing.T) {
	dir := fastDir(t)
	s := openDir(t, dir)
	for i := int64(1); i <= 4; i++ {
		mustPush(t, s, release(i, "x"))
	}
	put(t, s, "m/6/manifest.bundle.json", "reserved")
	put(t, s, "m/notes.txt", "somebody's")
	now := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	age := func(days int, paths ...string) {
		for _, p := range paths {
			when := now.Add(-time.Duration(days) * 24 * time.Hour)
			all, _ := filepath.Glob(filepath.Join(dir, p))
			for _, path := range all {
				if err := os.Chtimes(path, when, when); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	age(30, "m/*/*", "m/notes.txt")
	age(1, "m/2/manifest.json")
	incomplete := look(t, s)
	incomplete.Mark = "m/3/"
	if removed, err := publish.Clean(t.Context(), s, incomplete, 7*24*time.Hour, now); err != nil || removed != nil {
		t.Errorf("while healing is due: removed %v, %v", removed, err)
	}
	removed, err := publish.Clean(t.Context(), s, look(t, s), 7*24*time.Hour, now)
	if err != nil || !slices.Equal(removed, []int64{1, 3}) {
		t.Errorf("removed %v, %v", removed, err)
	}
	var left []string
	entries, _ := os.ReadDir(filepath.Join(dir, "m"))
	for _, e := range entries {
		left = append(left, e.Name())
	}
	if want := []string{"2", "4", "6", "notes.txt"}; !slices.Equal(left, want) {
		t.Errorf("left %v, expected %v", left, want)
	}
	if err := newWorld(dir).is(release(4, "x")); err != nil {
		t.Error(err)
	}
	if removed, err := publish.Clean(t.Context(), &faulty{Store: s}, look(t, s), 0, now); removed != nil || err != nil {
		t.Errorf("a store that is no Cleaner: %v, %v", removed, err)
	}
}

// stubborn refuses to delete bundles.
type stubborn struct{ *publish.DirStore }

func (s stubborn) Delete(ctx context.Context, name, tag string) error {
	if strings.HasSuffix(name, "bundle.json") {
		return publish.ErrConflict
	}
	return s.DirStore.Delete(ctx, name, tag)
}

// TestClean_BundleLast: the name that reserves the serial outlives the others.
func TestClean_BundleLast(t *testing.T) {
	dir := fastDir(t)
	s := openDir(t, dir)
	mustPush(t, s, release(1, "x"))
	mustPush(t, s, release(2, "x"))
	now := time.Date(2126, 11, 22, 8, 0, 0, 0, time.UTC)
	if _, err := publish.Clean(t.Context(), stubborn{s}, look(t, s), time.Hour, now); !errors.Is(err, publish.ErrConflict) {
		t.Errorf("%v", err)
	}
	if got := files(t, filepath.Join(dir, "m/1")); !slices.Equal(got, []string{"manifest.bundle.json"}) {
		t.Errorf("left %v", got)
	}
}

func TestNewObject(t *testing.T) {
	for name, want := range map[string][2]string{
		"m/1/manifest.json":          {"application/json", publish.CacheImmutable},
		"trust/12.json":              {"application/json", publish.CacheImmutable},
		"trust.json":                 {"application/json", publish.CacheBrief},
		"manifest.json.asc":          {"application/pgp-signature", publish.CacheBrief},
		"keys/centos.asc":            {"application/pgp-keys", publish.CacheBrief},
		"manifest.json.minisig":      {"text/plain; charset=utf-8", publish.CacheBrief},
		"latest.txt":                 {"text/plain; charset=utf-8", publish.CacheBrief},
		"m/1/manifest.json.gpg":      {"application/octet-stream", publish.CacheImmutable},
		".well-known/openpgpkey/x/p": {"application/octet-stream", publish.CacheBrief},
	} {
		if o := publish.NewObject(name, nil); o.Type != want[0] || o.Cache != want[1] {
			t.Errorf("%s: %q, %q, expected %q", name, o.Type, o.Cache, want)
		}
	}
}
