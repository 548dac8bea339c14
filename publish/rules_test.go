package publish_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tidemark/manifest"
	"tidemark/publish"
	"tidemark/publish/storetest"
)

func look(t *testing.T, s publish.Store) *publish.Standing {
	t.Helper()
	st, err := publish.Look(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func wants(t *testing.T, err error, text string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) {
		t.Errorf("error %v, expected one with %q", err, text)
	}
}

// recorded gives the names that act writes, in order.
func recorded(s publish.Store, act func(publish.Store) error) ([]string, error) {
	var names []string
	f := &faulty{Store: s}
	f.after = func(request string) {
		if name, ok := strings.CutPrefix(request, "put "); ok {
			names = append(names, name)
		}
	}
	return names, act(f)
}

func TestPush_Order(t *testing.T) {
	third := ".CCCCCCCCCCCCCCCC.minisig"
	all := []string{
		"trust/1.json", "trust.json", "keys/centos.asc",
		"m/1/manifest.bundle.json", "m/1/manifest.json.asc", "m/1/manifest.json.minisig", "m/1/manifest.json" + third, "m/1/manifest.json", "m/1/manifest.json.gpg",
		"latest.json",
		"manifest.bundle.json", "manifest.json.gpg",
		"manifest.json.asc", "manifest.json.minisig", "manifest.json" + third, "manifest.json",
		"latest.txt",
		"status.json",
	}
	s := openDir(t, fastDir(t))
	got, err := recorded(s, func(s publish.Store) error { return push(t.Context(), s, release(1, "one")) })
	if err != nil || !slices.Equal(got, all) {
		t.Errorf("first publication: %v\n%s", err, cmp.Diff(all, got))
	}
	got, err = recorded(s, func(s publish.Store) error { return push(t.Context(), s, release(2, "two")) })
	for i := range all {
		all[i] = strings.Replace(all[i], "m/1/", "m/2/", 1)
	}
	if err != nil || !slices.Equal(got, all[3:]) {
		t.Errorf("trust and keys unchanged: %v\n%s", err, cmp.Diff(all[3:], got))
	}
	got, err = recorded(s, func(s publish.Store) error { return publish.Heal(t.Context(), s, look(t, s), genuine) })
	if err != nil || len(got) != 0 {
		t.Errorf("healing a whole site writes %v, %v", got, err)
	}
}

func TestLook_TwoRequests(t *testing.T) {
	s := openDir(t, fastDir(t))
	mustPush(t, s, release(1, "one"))
	f := &faulty{Store: s}
	if st := look(t, f); f.count != 2 || st.Serial() != 1 || st.Mark != "m/1/" || !st.Complete() {
		t.Errorf("%d requests, %+v", f.count, st)
	}
}

func TestLook_DamagedPointer(t *testing.T) {
	good, err := manifest.PointTo(7, strings.Repeat("a", 64)).Encode()
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string]string{
		"empty": "", "half": string(good[:40]), "schema": strings.Replace(string(good), "v1", "v2", 1),
		"sum": strings.Replace(string(good), "aaaa", "AAAA", 1), "path": strings.Replace(string(good), "m/7/", "m/8/", 1),
		"escape": strings.Replace(string(good), "m/7/", "../7", 1), "serial": strings.Replace(string(good), "7,", "0,", 1),
		"huge serial": strings.NewReplacer("7,", "9007199254740992,", "m/7/", "m/9007199254740992/").Replace(string(good)),
		"oversize":    strings.Repeat(" ", 5000),
		"trailing":    string(good) + "{}", "duplicate": strings.Replace(string(good), "{", `{"serial": 7,`, 1),
	} {
		t.Run(name, func(t *testing.T) {
			dir := fastDir(t)
			s := openDir(t, dir)
			put(t, s, "latest.json", b)
			st, err := publish.Look(t.Context(), s)
			var damaged *publish.DamagedError
			if !errors.As(err, &damaged) || damaged.Name != "latest.json" || !strings.Contains(err.Error(), "restore it, or remove it") {
				t.Fatalf("error %v, expected a damaged pointer", err)
			}
			// A run that knows the serial from elsewhere can publish over it.
			if err := publish.Push(t.Context(), s, st, release(8, "repaired"), genuine); err != nil {
				t.Fatal(err)
			}
			if err := newWorld(dir).is(release(8, "repaired")); err != nil {
				t.Error(err)
			}
		})
	}
	if p, err := manifest.ParsePointer(good); err != nil || p.Serial != 7 {
		t.Errorf("the good one: %v, %v", p, err)
	}
}

// A mark that somebody filled with rubbish hides nothing, and is written over.
func TestLook_DamagedMark(t *testing.T) {
	dir := fastDir(t)
	s := openDir(t, dir)
	mustPush(t, s, release(1, "one"))
	put(t, s, "latest.txt", strings.Repeat("x", 3000))
	st := look(t, s)
	if st.Serial() != 1 || st.Complete() {
		t.Fatalf("%+v", st)
	}
	if err := publish.Push(t.Context(), s, st, release(2, "two"), genuine); err != nil {
		t.Fatal(err)
	}
	if err := newWorld(dir).is(release(2, "two")); err != nil {
		t.Error(err)
	}
}

func TestPredecessor(t *testing.T) {
	s := openDir(t, fastDir(t))
	if _, err := look(t, s).Predecessor(t.Context(), s); !errors.Is(err, publish.ErrNotFound) {
		t.Errorf("an empty site: %v", err)
	}
	r := release(1, "one")
	mustPush(t, s, r)
	b, err := look(t, s).Predecessor(t.Context(), s)
	if err != nil || string(b) != string(r.Bundle) {
		t.Errorf("%q, %v", b, err)
	}
}

func TestPush_RefusesAReleaseNotOfOnePiece(t *testing.T) {
	for name, c := range map[string]struct {
		damage func(*publish.Release)
		want   string
	}{
		"sum":       {func(r *publish.Release) { r.SHA256 = strings.Repeat("0", 64) }, "the release says"},
		"serial":    {func(r *publish.Release) { r.Serial = 0 }, "outside 1 to"},
		"signature": {func(r *publish.Release) { r.Files["manifest.json.asc"] = []byte("other") }, "manifest.json.asc is not in the bundle, or differs"},
		"manifest":  {func(r *publish.Release) { r.Files["manifest.json"] = []byte("other") }, "manifest.json is not in the bundle, or differs"},
		"more":      {func(r *publish.Release) { r.Files["index.html"] = nil }, "index.html is not in the bundle"},
		"fewer":     {func(r *publish.Release) { delete(r.Files, "manifest.json.minisig") }, "not in the release"},
		"bundle":    {func(r *publish.Release) { r.Bundle = []byte("{") }, "unpack"},
		"ground":    {func(r *publish.Release) { r.Ground[0].Name = "manifest.json" }, "belongs to the publication"},
		"status":    {func(r *publish.Release) { r.Status[0].Name = "m/1/x" }, "belongs to the publication"},
		"name":      {func(r *publish.Release) { r.Status[0].Name = "../x" }, "not allowed"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := fastDir(t)
			r := release(1, "one")
			c.damage(&r)
			wants(t, push(t.Context(), openDir(t, dir), r), c.want)
			if _, err := os.Stat(dir); err == nil {
				t.Error("something was written")
			}
		})
	}
}

func TestPush_VerifyStopsBeforeTheSwap(t *testing.T) {
	dir := fastDir(t)
	s := openDir(t, dir)
	mustPush(t, s, release(1, "one"))
	bad := errors.New("no client takes this")
	err := publish.Push(t.Context(), s, look(t, s), release(2, "two"), func([]byte) error { return bad })
	var step *publish.StepError
	if !errors.Is(err, bad) || !errors.As(err, &step) || step.Step != publish.ReadBack || step.Published() {
		t.Errorf("%v", err)
	}
	if err := newWorld(dir).is(release(1, "one")); err != nil {
		t.Error(err)
	}
}

// lying gives back other bytes than were put.
type lying struct {
	publish.Store
	name string
}

func (l lying) Get(ctx context.Context, name string, max int64) (publish.Object, error) {
	o, err := l.Store.Get(ctx, name, max)
	if err == nil && name == l.name {
		o.Data = append([]byte{}, o.Data...)
		o.Data[0] ^= 1
	}
	return o, err
}

func TestPush_ReadBackFindsEveryFlippedByte(t *testing.T) {
	for _, name := range storetest.FixedNames() {
		s := openDir(t, fastDir(t))
		err := push(t.Context(), lying{s, "m/1/" + name}, release(1, "one"))
		wants(t, err, "m/1/"+name+": the store gives back")
		if st := look(t, s); st.Pointer != nil {
			t.Errorf("%s: the pointer was swapped", name)
		}
	}
}

func TestPush_StaleSerial(t *testing.T) {
	dir := fastDir(t)
	s := openDir(t, dir)
	mustPush(t, s, release(5, "five"))
	for _, serial := range []int64{4, 5} {
		names, err := recorded(s, func(s publish.Store) error { return push(t.Context(), s, release(serial, "other")) })
		if !errors.Is(err, publish.ErrConflict) || len(names) != 0 {
			t.Errorf("serial %d: wrote %v, %v", serial, names, err)
		}
	}
	names, err := recorded(s, func(s publish.Store) error { return push(t.Context(), s, release(5, "five")) })
	if err != nil || slices.ContainsFunc(names, func(n string) bool { return !strings.HasPrefix(n, "m/") && n != "status.json" }) {
		t.Errorf("the same again: wrote %v, %v", names, err)
	}
}

// TestPush_TwiceWithOneStanding: Push brings the Standing up to date.
func TestPush_TwiceWithOneStanding(t *testing.T) {
	dir := fastDir(t)
	s := openDir(t, dir)
	st := look(t, s)
	for i := int64(1); i <= 3; i++ {
		if err := publish.Push(t.Context(), s, st, release(i, "x"), genuine); err != nil {
			t.Fatal(err)
		}
	}
	if err := newWorld(dir).is(release(3, "x")); err != nil {
		t.Error(err)
	}
}

func TestPush_TwoPublishersOneStandingEach(t *testing.T) {
	dir := fastDir(t)
	s := openDir(t, dir)
	mustPush(t, s, release(1, "one"))
	a, b := look(t, s), look(t, s)
	if err := publish.Push(t.Context(), s, a, release(2, "a"), genuine); err != nil {
		t.Fatal(err)
	}
	for _, serial := range []int64{2, 3} {
		err := publish.Push(t.Context(), s, b, release(serial, "b"), genuine)
		if !errors.Is(err, publish.ErrConflict) {
			t.Errorf("serial %d: %v, expected a conflict", serial, err)
		}
		if err := newWorld(dir).is(release(2, "a")); err != nil {
			t.Error(err)
		}
	}
}

func TestPush_Ground(t *testing.T) {
	dir := fastDir(t)
	s := openDir(t, dir)
	with := func(serial int64, ground ...publish.Object) error {
		r := release(serial, "x")
		r.Ground = ground
		return push(t.Context(), s, r)
	}
	one, two := publish.NewObject("trust/1.json", []byte("1")), publish.NewObject("trust/2.json", []byte("2"))
	newest := func(o publish.Object) publish.Object { return publish.NewObject("trust.json", o.Data) }
	if err := with(1, newest(one), one); err != nil {
		t.Fatal(err)
	}
	names, err := recorded(s, func(s publish.Store) error {
		r := release(2, "x")
		r.Ground = []publish.Object{newest(two), two, one}
		return push(t.Context(), s, r)
	})
	if err != nil || !slices.Equal(names[:2], []string{"trust/2.json", "trust.json"}) {
		t.Errorf("a new trust version: %v, %v", names, err)
	}
	wants(t, with(3, one, newest(one)), "the site has trust/2.json already, this publisher only version 1")
	wants(t, with(3, publish.NewObject("trust/2.json", []byte("other"))), "a trust version never changes")
	if b, _ := os.ReadFile(filepath.Join(dir, "trust.json")); string(b) != "2" {
		t.Errorf("trust.json is %q", b)
	}

	st := look(t, s)
	r := release(3, "another publisher")
	r.Ground = nil
	mustPush(t, s, r)
	r = release(4, "stale")
	r.Ground = []publish.Object{publish.NewObject("keys/centos.asc", []byte("old key"))}
	names, err = recorded(s, func(s publish.Store) error { return publish.Push(t.Context(), s, st, r, genuine) })
	if !errors.Is(err, publish.ErrConflict) || len(names) != 0 {
		t.Errorf("keys by a publisher that was overtaken: wrote %v, %v", names, err)
	}
}

func TestHeal_ReplacedCopies(t *testing.T) {
	dir := fastDir(t)
	s := openDir(t, dir)
	mustPush(t, s, release(1, "one"))
	for _, name := range []string{"manifest.json", "manifest.bundle.json"} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := publish.Heal(t.Context(), s, look(t, s), genuine); err != nil {
		t.Fatal(err)
	}
	if err := newWorld(dir).is(release(1, "one")); err != nil {
		t.Errorf("missing names: %v", err)
	}
	put(t, s, "m/1/manifest.bundle.json", string(release(1, "forged").Bundle))
	wants(t, publish.Heal(t.Context(), s, look(t, s), genuine), "latest.json says SHA-256")
	if err := os.RemoveAll(filepath.Join(dir, "m/1")); err != nil {
		t.Fatal(err)
	}
	wants(t, publish.Heal(t.Context(), s, look(t, s), genuine), "the next publication writes every name anew")
}

func TestFinish(t *testing.T) {
	r := release(2, "reserved")
	for kill, incomplete := range map[string]bool{
		"put m/2/manifest.bundle.json": true, "put m/2/manifest.json.minisig": true, "put m/2/manifest.json": true,
		"put m/2/manifest.json.gpg": false,
	} {
		t.Run(kill, func(t *testing.T) {
			dir := fastDir(t)
			s := openDir(t, dir)
			mustPush(t, s, release(1, "one"))
			f := &faulty{Store: s}
			f.after = func(request string) { f.dead = request == kill }
			if err := push(t.Context(), f, r); !errors.Is(err, errDead) {
				t.Fatal(err)
			}
			st := look(t, s)
			reserved, err := publish.Reservations(t.Context(), s, st, 0)
			if err != nil || len(reserved) != 1 || reserved[0].Serial != 2 || string(reserved[0].Bundle) != string(r.Bundle) {
				t.Fatalf("reserved: %v, %v", reserved, err)
			}
			if err := publish.Finish(t.Context(), s, st, 2, func([]byte) error { return os.ErrInvalid }); !errors.Is(err, os.ErrInvalid) {
				t.Errorf("does not verify: %v", err)
			}
			err = publish.Finish(t.Context(), s, st, 2, genuine)
			if incomplete != errors.Is(err, publish.ErrIncomplete) {
				t.Errorf("incomplete %v: %v", incomplete, err)
			}
			want := release(1, "one")
			if !incomplete {
				want = r
			}
			if err := newWorld(dir).is(want); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestFinish_CopyLost: all but one there, and the last one too.
func TestFinish_CopyLost(t *testing.T) {
	dir := fastDir(t)
	s := openDir(t, dir)
	f := &faulty{Store: s}
	f.after = func(request string) { f.dead = request == "put m/2/manifest.json.gpg" }
	if err := push(t.Context(), f, release(2, "x")); !errors.Is(err, errDead) {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "m/2/manifest.json.asc")); err != nil {
		t.Fatal(err)
	}
	if err := publish.Finish(t.Context(), s, look(t, s), 2, genuine); !errors.Is(err, publish.ErrIncomplete) {
		t.Errorf("%v", err)
	}
}
