package keys

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"tidemark/internal/strictjson"
)

// same is a copy that shares no memory.
func same(x *Trust) *Trust {
	c := x.Successor(day0, year)
	c.Version, c.Issued, c.Expires, c.ResetSerial = x.Version, x.Issued, x.Expires, x.ResetSerial
	return c
}

func codes(list []Change) []string {
	var c []string
	for _, x := range list {
		c = append(c, x.Code)
	}
	return c
}

func in(d time.Duration) *strictjson.Time {
	t := strictjson.At(day0.Add(d))
	return &t
}

// Every change of the document is told; what weighs has an alarm.
func TestDiff(t *testing.T) {
	base := goodTrust(t)
	base.Manifest.Keys = append(base.Manifest.Keys, ManifestKey{Holder: "gone", Kind: Minisign, Key: "", Revoked: true})
	gone := minisignKey(t)
	base.Manifest.Keys[2].Key, base.Manifest.Keys[2].Public = gone.ID, gone.String()
	fresh, second := minisignKey(t), minisignKey(t)
	shortened := extended(t, day)
	other, err := ReadCertificate(ed25519Entity(t))
	if err != nil {
		t.Fatal(err)
	}
	edEntry := entry(t, other)
	root := func(x *Trust) *[]RootKey { return &x.Root.Keys }
	cases := []struct {
		name        string
		edit        func(old, next *Trust)
		code, alarm string // alarm "": none; "*" any
	}{
		{"nothing but the version", func(_, _ *Trust) {}, "version", ""},
		{"the same version", func(o, n *Trust) { n.Version = o.Version }, "expires", ""},
		{"a version skipped", func(_, n *Trust) { n.Version++ }, "version", "only version 2"},
		{"issued in the future", func(_, n *Trust) { n.Issued = strictjson.At(day0.Add(49 * time.Hour)) }, "version", "clock"},
		{"issued before", func(_, n *Trust) { n.Issued = strictjson.At(day0.Add(-time.Hour)) }, "version", "issued before"},
		{"another network", func(_, n *Trust) { n.Network = "other" }, "network", "two networks"},
		{"another format", func(_, n *Trust) { n.Schema = "tidemark/trust/v2" }, "schema", "reads"},
		{"ends before", func(o, n *Trust) { n.Expires = strictjson.At(o.Expires.Add(-time.Second)) }, "expires", "before the version"},
		{"ended", func(_, n *Trust) { n.Expires = strictjson.At(day0) }, "expires", "ended already"},
		{"89 days", func(o, n *Trust) {
			o.Expires = strictjson.At(day0.Add(day))
			n.Expires = strictjson.At(day0.Add(89 * day))
		}, "expires", "90 days"},
		{"89 days, as before", func(o, n *Trust) { o.Expires = strictjson.At(day0.Add(89 * day)); n.Expires = o.Expires }, "expires", "90 days"},
		{"four years", func(_, n *Trust) { n.Expires = strictjson.At(day0.Add(4 * year)) }, "expires", "three years"},
		{"two years", func(_, n *Trust) { n.Expires = strictjson.At(day0.Add(2 * year)) }, "expires", ""},
		{"root threshold falls", func(o, n *Trust) { o.Root.Threshold = 3 }, "root-threshold", "fewer holders"},
		{"root threshold of one", func(_, n *Trust) { n.Root.Threshold = 1 }, "root-threshold", "alone (alice, bob, carol)"},
		{"root threshold rises", func(_, n *Trust) { n.Root.Threshold = 3 }, "root-threshold", ""},
		{"a root key more", func(_, n *Trust) { *root(n) = append(*root(n), RootKey{"dave", fresh.ID, fresh.String()}) }, "root-added", ""},
		{"two root holders more, who suffice", func(_, n *Trust) {
			*root(n) = append(*root(n), RootKey{"dave", fresh.ID, fresh.String()}, RootKey{"erin", second.ID, second.String()})
		}, "root-majority", "new keys alone (dave, erin)"},
		{"second keys of two holders suffice", func(_, n *Trust) {
			*root(n) = append(*root(n), RootKey{"alice", fresh.ID, fresh.String()}, RootKey{"bob", second.ID, second.String()})
		}, "root-majority", "new keys alone (alice, bob)"},
		{"two of three keys replaced", func(_, n *Trust) {
			*root(n) = []RootKey{{"alice", fresh.ID, fresh.String()}, {"bob", second.ID, second.String()}, (*root(n))[2]}
		}, "root-majority", "by voice"},
		{"no root holder can be missed", func(_, n *Trust) { *root(n) = (*root(n))[1:] }, "root-all", "one key lost"},
		{"no root holder can be missed, by the threshold", func(_, n *Trust) { n.Root.Threshold = 3 }, "root-all", "one key lost"},
		{"a root holder who looks like another", func(_, n *Trust) { *root(n) = append(*root(n), RootKey{"a1ice", fresh.ID, fresh.String()}) }, "look-alike", "two persons"},
		{"a holder who looks like a root holder", func(_, n *Trust) { n.Manifest.Keys[1].Holder = "car-0l" }, "look-alike", "two persons"},
		{"two manifest holders more, who suffice", func(o, n *Trust) {
			o.Manifest.Keys[1].Holder, n.Manifest.Keys[1].Holder = "second", "second"
			o.Manifest.Threshold, n.Manifest.Threshold = 2, 2
			cert := edEntry
			cert.Holder = "dave"
			n.Manifest.Keys = append(n.Manifest.Keys, cert, ManifestKey{Holder: "erin", Kind: Minisign, Key: fresh.ID, Public: fresh.String()})
		}, "majority", "without anybody of today"},
		{"no manifest holder can be missed", func(o, n *Trust) {
			o.Manifest.Keys[1].Holder, n.Manifest.Keys[1].Holder = "second", "second"
			n.Manifest.Threshold = 2
		}, "threshold-all", "one key lost"},
		{"a certificate that ends within 90 days", func(_, n *Trust) { n.Manifest.Keys[0].Public = shortened }, "key-renewed", "within 90 days"},
		{"a certificate's end instead of not_after", func(o, _ *Trust) { o.Manifest.Keys[0].NotAfter = in(year) }, "key-end", ""},
		{"a root key more, threshold one", func(o, n *Trust) {
			o.Root.Threshold, n.Root.Threshold = 1, 1
			*root(n) = append(*root(n), RootKey{"dave", fresh.ID, fresh.String()})
		}, "root-added", "dave alone"},
		{"a second key of a holder", func(_, n *Trust) { *root(n) = append(*root(n), RootKey{"bob", fresh.ID, fresh.String()}) }, "root-added", ""},
		{"a root key less", func(_, n *Trust) { *root(n) = (*root(n))[1:] }, "root-removed", ""},
		{"a root key moved", func(_, n *Trust) { (*root(n))[0].Holder = "dave" }, "root-holder", "two names"},
		{"a root key replaced under its id", func(_, n *Trust) { (*root(n))[0].Public = fresh.String() }, "root-public", "collide"},
		{"the root in another order", func(_, n *Trust) { slices.Reverse(*root(n)) }, "root-order", ""},
		{"another root", func(_, n *Trust) {
			*root(n) = []RootKey{{"dave", fresh.ID, fresh.String()}, {"erin", second.ID, second.String()}}
		}, "root-whole", "no holder of the old"},
		{"every root key replaced", func(_, n *Trust) {
			*root(n) = []RootKey{{"alice", fresh.ID, fresh.String()}, {"bob", second.ID, second.String()}}
		}, "root-whole", "by voice"},
		{"a root key goes online", func(o, n *Trust) {
			k := (*root(n))[0]
			*root(n) = (*root(n))[1:]
			n.Manifest.Keys = append(n.Manifest.Keys, ManifestKey{Holder: "second", Kind: Minisign, Key: k.Key, Public: k.Public})
		}, "key-added", "it is the root key"},
		{"a root key goes online, told at the root", func(o, n *Trust) {
			k := (*root(n))[0]
			*root(n) = (*root(n))[1:]
			n.Manifest.Keys = append(n.Manifest.Keys, ManifestKey{Holder: "second", Kind: Minisign, Key: k.Key, Public: k.Public})
		}, "root-removed", "online key"},
		{"an online key becomes a root key", func(_, n *Trust) {
			k := n.Manifest.Keys[1]
			n.Manifest.Keys = slices.Delete(n.Manifest.Keys, 1, 2)
			*root(n) = append(*root(n), RootKey{"dave", k.Key, k.Public})
		}, "root-added", "was an online key"},
		{"threshold falls", func(o, n *Trust) { o.Manifest.Threshold = 2 }, "threshold", "alone can do it now: publisher"},
		{"threshold rises", func(_, n *Trust) { n.Manifest.Threshold = 2 }, "threshold", ""},
		{"a kind not required", func(_, n *Trust) { n.Manifest.Required = []Kind{OpenPGP} }, "required", "fewer kinds"},
		{"a kind required", func(o, n *Trust) { o.Manifest.Required = []Kind{OpenPGP} }, "required", ""},
		{"required in another order", func(_, n *Trust) { slices.Reverse(n.Manifest.Required) }, "required", ""},
		{"a key more", func(_, n *Trust) {
			n.Manifest.Keys = append(n.Manifest.Keys, ManifestKey{Holder: "second", Kind: Minisign, Key: fresh.ID, Public: fresh.String()})
		}, "key-added", ""},
		{"a key more, that suffices", func(o, n *Trust) {
			o.Manifest.Required, n.Manifest.Required = []Kind{Minisign}, []Kind{Minisign}
			n.Manifest.Keys = append(n.Manifest.Keys, ManifestKey{Holder: "second", Kind: Minisign, Key: fresh.ID, Public: fresh.String()})
		}, "key-added", "second alone"},
		{"a key more, ended", func(_, n *Trust) {
			n.Manifest.Keys = append(n.Manifest.Keys, ManifestKey{Holder: "second", Kind: Minisign, Key: fresh.ID, Public: fresh.String(), NotAfter: in(-day)})
		}, "key-added", "ended already"},
		{"a revoked key under another id", func(_, n *Trust) {
			b := MinisignKey{ID: "0000000000000001", Public: gone.Public}
			n.Manifest.Keys = append(n.Manifest.Keys, ManifestKey{Holder: "second", Kind: Minisign, Key: b.ID, Public: b.String()})
		}, "key-added", "which is revoked"},
		{"a key less", func(_, n *Trust) { n.Manifest.Keys = slices.Delete(n.Manifest.Keys, 1, 2) }, "key-removed", "refuse"},
		{"an ended key less", func(o, n *Trust) {
			o.Manifest.Keys[1].NotAfter = in(-day)
			n.Manifest.Keys = slices.Delete(n.Manifest.Keys, 1, 2)
		}, "key-removed", ""},
		{"a revoked key less", func(_, n *Trust) { n.Manifest.Keys = n.Manifest.Keys[:2] }, "key-removed", ""},
		{"revoked", func(_, n *Trust) { n.Manifest.Keys[1].Revoked = true }, "key-revoked", "refuse"},
		{"revoked when ended", func(o, n *Trust) {
			o.Manifest.Keys[1].NotAfter = in(-day)
			n.Manifest.Keys[1].NotAfter, n.Manifest.Keys[1].Revoked = in(-day), true
		}, "key-revoked", ""},
		{"revoked no more", func(_, n *Trust) { n.Manifest.Keys[2].Revoked = false }, "key-unrevoked", "comes back"},
		{"another holder", func(_, n *Trust) { n.Manifest.Keys[1].Holder = "second" }, "key-holder", "two names"},
		{"another kind", func(_, n *Trust) { n.Manifest.Keys[1].Kind = OpenPGP }, "key-kind", "two keys"},
		{"an end", func(_, n *Trust) { n.Manifest.Keys[1].NotAfter = in(30 * day) }, "key-end", ""},
		{"no end", func(_, n *Trust) { n.Manifest.Keys[1].NotAfter = nil }, "key-end", ""},
		{"ended now", func(_, n *Trust) { n.Manifest.Keys[1].NotAfter = in(-time.Second) }, "key-end", "refuse"},
		{"ended no more", func(o, n *Trust) { o.Manifest.Keys[1].NotAfter = in(-day) }, "key-end", "may sign again"},
		{"a minisign key replaced under its id", func(_, n *Trust) { n.Manifest.Keys[1].Public = fresh.String() }, "key-renewed", "collide"},
		{"a signing key less", func(o, n *Trust) {
			o.Manifest.Keys[0].Signing = append(o.Manifest.Keys[0].Signing, strings.Repeat("A", 40))
		}, "key-signing", "refuse"},
		{"a signing key more", func(_, n *Trust) {
			n.Manifest.Keys[0].Signing = append(n.Manifest.Keys[0].Signing, strings.Repeat("A", 40))
		}, "key-signing", ""},
		{"the keys in another order", func(_, n *Trust) { slices.Reverse(n.Manifest.Keys) }, "key-order", ""},
		{"a kind of key replaced without an overlap", func(_, n *Trust) {
			n.Manifest.Keys[1] = ManifestKey{Holder: "publisher", Kind: Minisign, Key: fresh.ID, Public: fresh.String()}
		}, "overlap", "publish both together"},
		{"one person has everything", func(o, n *Trust) {
			n.Root.Threshold = 1
			n.Root.Keys[0].Holder = "publisher"
		}, "alone", "everything"},
		{"the floor rises", func(_, n *Trust) { n.MinSerial = 5000 }, "min-serial", ""},
		{"the floor rises far", func(_, n *Trust) { n.MinSerial = 1 << 40 }, "min-serial", "reset_serial"},
		{"the floor falls", func(o, n *Trust) { o.MinSerial = 5 }, "min-serial", "newly set up"},
		{"serials start again", func(_, n *Trust) { n.ResetSerial = true }, "reset-serial", "thief"},
		{"serials start again no more", func(o, n *Trust) { o.ResetSerial = true }, "reset-serial", ""},
	}
	for _, c := range cases {
		old := same(base)
		next := old.Successor(day0, year+day)
		c.edit(old, next)
		list := Diff(old, next, day0)
		i := slices.IndexFunc(list, func(x Change) bool { return x.Code == c.code })
		switch {
		case i < 0:
			t.Errorf("%s: %q, expected %s", c.name, codes(list), c.code)
		case c.alarm == "" && list[i].Alarm != "":
			t.Errorf("%s: alarm %q, expected none", c.name, list[i].Alarm)
		case !strings.Contains(list[i].Alarm, c.alarm):
			t.Errorf("%s: alarm %q, expected %q in it", c.name, list[i].Alarm, c.alarm)
		}
		if !slices.IsSortedFunc(list, func(a, b Change) int { return weight(a) - weight(b) }) {
			t.Errorf("%s: alarms are not in front: %q", c.name, codes(list))
		}
		if slices.Contains(codes(list), "other") {
			t.Errorf("%s: not told in words", c.name)
		}
	}
}

// A harmless renewal alarms nobody; a rotation with an overlap neither.
func TestDiff_Quiet(t *testing.T) {
	old := goodTrust(t)
	next := old.Successor(day0, year+day)
	k := minisignKey(t)
	if _, err := next.PutKey("publisher", k.File()); err != nil {
		t.Fatal(err)
	}
	for _, c := range Diff(old, next, day0) {
		if c.Alarm != "" {
			t.Errorf("%+v", c)
		}
	}
	if list := Diff(old, same(old), day0); len(list) != 0 {
		t.Errorf("the same document: %q", codes(list))
	}
}

func TestDiff_First(t *testing.T) {
	x := goodTrust(t)
	got := codes(Diff(nil, x, day0))
	for _, want := range []string{"version", "expires", "root-threshold", "root-added", "threshold", "required", "key-added"} {
		if !slices.Contains(got, want) {
			t.Errorf("%q lacks %s", got, want)
		}
	}
	for _, c := range Diff(nil, x, day0) {
		if c.Alarm != "" || strings.Contains(c.Text, " was ") {
			t.Errorf("%+v", c)
		}
	}
	x.Root.Threshold = 1
	if c := Diff(nil, x, day0)[0]; c.Code != "root-threshold" || c.Alarm == "" {
		t.Errorf("a root threshold of one: %+v first", c)
	}
}

// No member of the document, today's or one to come, may differ without a word.
func TestDiff_EveryMember(t *testing.T) {
	base := goodTrust(t)
	base.Manifest.Keys[0].NotAfter = in(50 * day)
	seen := 0
	for path, spoil := range leaves(base) {
		next := same(base)
		spoil(reflect.ValueOf(next).Elem())
		if reflect.DeepEqual(base, next) {
			t.Fatalf("%s: the case changes nothing", path)
		}
		seen++
		list := Diff(base, next, day0)
		if len(list) == 0 || slices.Contains(codes(list), "other") {
			t.Errorf("%s differs, and the difference is %q", path, codes(list))
		}
		if list := Diff(next, base, day0); len(list) == 0 || slices.Contains(codes(list), "other") {
			t.Errorf("%s differs, and the other way the difference is %q", path, codes(list))
		}
	}
	if seen < 40 {
		t.Errorf("%d members were changed: the walk is broken", seen)
	}
}

// leaves gives for each place in the document a function that changes it: each value, each list's order and length.
func leaves(x *Trust) map[string]func(reflect.Value) {
	list := map[string]func(reflect.Value){}
	var walk func(path string, v reflect.Value, to func(reflect.Value) reflect.Value)
	walk = func(path string, v reflect.Value, to func(reflect.Value) reflect.Value) {
		switch {
		case v.Type() == reflect.TypeFor[strictjson.Time]():
			list[path] = func(r reflect.Value) {
				at := to(r).Interface().(strictjson.Time)
				to(r).Set(reflect.ValueOf(strictjson.At(at.Add(time.Hour))))
			}
		case v.Kind() == reflect.Pointer:
			list[path+" (nil)"] = func(r reflect.Value) {
				if p := to(r); p.IsNil() {
					p.Set(reflect.New(p.Type().Elem()))
				} else {
					p.SetZero()
				}
			}
			if !v.IsNil() {
				walk(path, v.Elem(), func(r reflect.Value) reflect.Value { return to(r).Elem() })
			}
		case v.Kind() == reflect.Struct:
			for i := range v.NumField() {
				walk(path+"."+v.Type().Field(i).Name, v.Field(i), func(r reflect.Value) reflect.Value { return to(r).Field(i) })
			}
		case v.Kind() == reflect.Slice:
			for i := range v.Len() {
				at := fmt.Sprintf("%s[%d]", path, i)
				list[at+" (gone)"] = func(r reflect.Value) {
					s := to(r)
					s.Set(reflect.AppendSlice(s.Slice(0, i), s.Slice(i+1, s.Len())))
				}
				if i > 0 {
					list[at+" (swapped)"] = func(r reflect.Value) { reflect.Swapper(to(r).Interface())(0, i) }
				}
				walk(at, v.Index(i), func(r reflect.Value) reflect.Value { return to(r).Index(i) })
			}
		case v.Kind() == reflect.String:
			list[path] = func(r reflect.Value) { to(r).SetString(to(r).String() + "x") }
		case v.Kind() == reflect.Bool:
			list[path] = func(r reflect.Value) { to(r).SetBool(!to(r).Bool()) }
		case v.CanInt():
			list[path] = func(r reflect.Value) { to(r).SetInt(to(r).Int() + 1) }
		default:
			panic(path + ": " + v.Kind().String() + " is not walked")
		}
	}
	walk("", reflect.ValueOf(x).Elem(), func(r reflect.Value) reflect.Value { return r })
	return list
}

// A certificate that ends a key is refused at once, even if its kind is not required.
func TestDiff_RenewedEnded(t *testing.T) {
	old := goodTrust(t)
	old.Manifest.Required = []Kind{Minisign}
	next := old.Successor(day0, year+day)
	next.Manifest.Keys[0].Public = extended(t, day)
	if alarms := alarmsOf(Diff(old, next, day0.Add(2*day))); alarms["key-renewed"] != refusedAtOnce {
		t.Errorf("%q", alarms)
	}
}

// The not_after that a renewal drops: the certificate's end is what counts, and nothing sounds like a key for ever.
func TestDiff_NotAfterDropped(t *testing.T) {
	old := goodTrust(t)
	old.Manifest.Keys[0].NotAfter = in(year)
	next := old.Successor(day0, year+day)
	if _, err := next.PutKey("publisher", []byte(extended(t, 2*year))); err != nil {
		t.Fatal(err)
	}
	for _, c := range Diff(old, next, day0) {
		if c.Code == "key-end" && (c.Alarm != "" || strings.Contains(c.Text, "without an end") || !strings.Contains(c.Text, "its certificate's own end counts, so it may sign until "+date(day0.Add(2*year)))) {
			t.Errorf("%+v", c)
		}
	}
}

func TestDiff_Renewed(t *testing.T) {
	old := goodTrust(t)
	next := old.Successor(day0, year+day)
	next.Manifest.Keys[0].Public = extended(t, 2*year)
	list := Diff(old, next, day0)
	i := slices.IndexFunc(list, func(c Change) bool { return c.Code == "key-renewed" })
	if i < 0 || list[i].Alarm != "" {
		t.Fatalf("%+v", list)
	}
	for _, end := range []time.Duration{year, 2 * year} {
		if !strings.Contains(list[i].Text, date(day0.Add(end))) {
			t.Errorf("%q does not give the end %s", list[i].Text, date(day0.Add(end)))
		}
	}
}
