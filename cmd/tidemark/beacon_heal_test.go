package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"tidemark/internal/console"
	"tidemark/internal/lab"
	"tidemark/manifest"
	"tidemark/publish"
)

// heldPlace is a place in memory.
type heldPlace map[string]publish.RRset

func (h heldPlace) Get(_ context.Context, name string) (publish.RRset, error) { return h[name], nil }

func (h heldPlace) Swap(_ context.Context, name string, old, next publish.RRset) error {
	if !h[name].Same(old) {
		return fmt.Errorf("it holds other records: %w", publish.ErrConflict)
	}
	h[name] = next
	return nil
}

// at does what a run does at a place once m is published.
func (w *beaconWorld) at(place publish.TXT, m *manifest.Manifest) (o *beaconOutcome, err error) {
	w.Helper()
	code, _, errs := w.program([]string{"part"}, func(c *console.Call) error {
		p, perr := openPublisher(c, false)
		if perr != nil {
			return perr
		}
		defer p.close()
		o = &beaconOutcome{Name: beaconName, State: beaconFailed}
		k := &beaconKeeper{publisher: p, m: m, o: o, memory: p.beaconMemory(), place: place}
		err = k.put(c.Context.Context)
		return k.remember()
	})
	if code != 0 {
		w.Fatal(errs)
	}
	return o, err
}

func txt(ttl int, texts ...string) publish.RRset {
	s := publish.RRset{TTL: ttl}
	for _, one := range texts {
		if u, err := strconv.Unquote(one); err == nil {
			one = u
		}
		s.Records = append(s.Records, chunks(one))
	}
	return s
}

// Whatever is done to our records by others, the next run puts them right.
func TestKeepBeacon_Heals(t *testing.T) {
	t.Parallel()
	w := newBeaconPublisher(t)
	m, place := w.document(stamp1, stamp1), heldPlace{}
	if _, err := w.at(place, m); err != nil {
		t.Fatal(err)
	}
	text := joined(place[beaconName])
	right, err := manifest.ParseBeacon(text)
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := lab.TestMinisign(2)
	if err != nil {
		t.Fatal(err)
	}
	other, future, old := right, right, right // each genuinely signed, and not to be believed
	other.Network = "debian"
	future.Serial = m.Serial + 1
	old.Trees = map[string]int64{"centos": stamp1 - 60, "vault": stamp1}
	late := right
	late.Expires += 86400
	own, plain := w.pub.Signers[1], fmt.Sprintf("%d:%[1]d", stamp1)
	for name, there := range map[string][]publish.RRset{
		"removed":             {{}},
		"a genuine second":    {txt(60, text, w.forge(old, own))},
		"no beacon":           {txt(60, "v=tm1 hello")},
		"of a strange key":    {txt(60, w.forge(right, stranger))},
		"changed":             {txt(60, strings.Replace(text, "s=1 ", "s=9 ", 1))},
		"of another network":  {txt(60, w.forge(other, own))},
		"of a later serial":   {txt(60, w.forge(future, own))},
		"of other timestamps": {txt(60, w.forge(old, own))},
		"too long in force":   {txt(60, w.forge(late, own))},
		"of another TTL":      {txt(3600, text)},
		"plain changed":       {txt(60, text), txt(60, "1:2")},
		"plain doubled":       {txt(60, text), txt(60, "1:2", plain)},
		"plain removed":       {txt(60, text), {}},
	} {
		place[beaconName], place[plainName] = there[0], txt(60, plain)
		if len(there) > 1 {
			place[plainName] = there[1]
		}
		o, err := w.at(place, m)
		if err != nil || o.State != beaconWritten || joined(place[beaconName]) != text || place[beaconName].TTL != 60 || joined(place[plainName]) != plain {
			t.Errorf("%s: %+v, %v; %v stand", name, o, err, place)
		}
	}
	if o, err := w.at(place, m); err != nil || o.State != beaconUnchanged {
		t.Errorf("%+v, %v", o, err)
	}
}

// The same at a real server; and what others wrote there stays.
func TestKeepBeacon_ByHand(t *testing.T) {
	t.Parallel()
	w := newBeaconWorld(t)
	w.byHand(`update add *.centos.example.org. 60 TXT "v=spf1 -all"`) // stands at neither name
	m := w.document(stamp1, stamp1)
	w.good(m, beaconWritten)
	right := w.stands()
	if got := w.text("x.centos.example.org"); got != `"v=spf1 -all"` {
		t.Errorf("the wildcard's record is %s", got)
	}
	old := right
	old.Trees = map[string]int64{"centos": stamp1 - 60, "vault": stamp1}
	w.byHand("update delete "+beaconName+". TXT", "update add "+beaconName+". 60 TXT "+w.forge(old, w.pub.Signers[1]), "update delete "+plainName+". TXT", "update add "+plainName+`. 60 TXT "1:2"`)
	w.good(nil, beaconWritten)
	if b := w.stands(); b.Signed() != right.Signed() || w.text(plainName) != fmt.Sprintf(`"%d:%[1]d"`, stamp1) {
		t.Errorf("%s and %s stand", b.Text(), w.text(plainName))
	}
	w.byHand("update add "+beaconName+`. 60 TXT "hello"`, "update delete "+plainName+". TXT", "update add "+plainName+`. 60 TXT "v=DKIM1; p=MIGf"`)
	zone := w.zone()
	o, _, trouble := w.keep(nil)
	if len(trouble) != 1 || o.State != beaconFailed || w.zone() != zone {
		t.Fatalf("%+v, %v, zone %d, was %d", o, trouble, w.zone(), zone)
	}
	code, errs := report(trouble[0])
	for _, want := range []string{"TXT records that tidemark did not write stand at " + beaconName + `, and stay: "hello"`, "hint: choose a name where nothing else stands, like _tidemark."} {
		if code != 1 || !strings.Contains(errs, want) {
			t.Errorf("exit code %d, no %q in %s", code, want, errs)
		}
	}
}

// Nobody's records but our own are ever replaced.
func TestKeepBeacon_ForeignStay(t *testing.T) {
	t.Parallel()
	w := newBeaconPublisher(t)
	m, place := w.document(stamp1, stamp1), heldPlace{}
	if _, err := w.at(place, m); err != nil {
		t.Fatal(err)
	}
	text := joined(place[beaconName])
	for what, tt := range map[string]struct {
		name string
		set  publish.RRset
		want string
	}{
		"mail":                  {beaconName, txt(3600, "v=spf1 -all"), `stay: "v=spf1 -all"`},
		"two":                   {beaconName, txt(3600, "v=spf1 -all", "google-site-verification=abc"), `stay: "google-site-verification=abc" and "v=spf1 -all"`},
		"a second":              {beaconName, txt(60, text, "hello"), `stay: "hello"`},
		"nearly ours":           {beaconName, txt(60, "v=tm11 n=centos"), `stay: "v=tm11 n=centos"`},
		"empty":                 {beaconName, txt(60, ""), `stay: `},
		"of the plain record":   {beaconName, txt(60, "1:2"), `stay: "1:2"`},
		"at plain, mail":        {plainName, txt(60, "v=DKIM1; p=MIGf"), `beacon.plain`},
		"at plain, a second":    {plainName, txt(60, "1:2", "hello"), `stay: "hello"`},
		"at plain, of a beacon": {plainName, txt(60, text), `stay: "v=tm1 n=centos`},
		"at plain, empty":       {plainName, txt(60, ""), `stay: ""`},
	} {
		place[beaconName], place[plainName] = txt(60, text), txt(60, "1:2")
		place[tt.name] = tt.set
		_, err := w.at(place, m)
		if err == nil || !place[tt.name].Same(tt.set) || !strings.Contains(err.Error(), "did not write stand at "+tt.name) {
			t.Fatalf("%s: %v; %v stand", what, err, place[tt.name])
		}
		if _, errs := report(err); !strings.Contains(errs, tt.want) {
			t.Errorf("%s: no %q in %s", what, tt.want, errs)
		}
	}
	fragment := beaconName + ". 3600 IN TXT \"v=spf1 -all\"\n"
	w.write("beacon.zone", fragment)
	_, _, trouble := w.keep(m)
	if got := must(os.ReadFile(filepath.Join(w.dir, "beacon.zone"))); len(trouble) != 1 || string(got) != fragment {
		t.Errorf("%v; the fragment:\n%s", trouble, got)
	}
}

// A run that began before another publisher's ended does not put the beacon back; one whose site was set back does.
func TestKeepBeacon_SlowerPublisher(t *testing.T) {
	t.Parallel()
	w := newBeaconPublisher(t)
	place, latest := heldPlace{}, filepath.Join(w.pub.Site, "latest.json")
	first := w.document(stamp1, stamp1)
	before := must(os.ReadFile(latest))
	w.now = w.now.Add(time.Minute)
	second := w.document(stamp2, stamp2)
	if _, err := w.at(place, second); err != nil {
		t.Fatal(err)
	}
	theirs := joined(place[beaconName]) + joined(place[plainName])
	w.lose(beaconFile)
	o, err := w.at(place, first)
	if err != nil || o.State != beaconUnchanged || o.Serial != second.Serial || joined(place[beaconName])+joined(place[plainName]) != theirs {
		t.Fatalf("%+v, %v; %v stand", o, err, place)
	}
	for what, pointer := range map[string][]byte{"set back": before, "damaged": []byte("{}"), "gone": nil} {
		if _, err := w.at(place, second); err != nil {
			t.Fatal(err)
		}
		if pointer == nil {
			err = os.Remove(latest)
		} else {
			err = os.WriteFile(latest, pointer, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
		o, err := w.at(place, first)
		if b, perr := manifest.ParseBeacon(joined(place[beaconName])); err != nil || perr != nil || o.State != beaconWritten || b.Serial != first.Serial {
			t.Errorf("%s: %+v, %v; %v stand", what, o, err, place)
		}
	}
	if _, err := w.at(place, second); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(w.pub.Site); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(w.pub.Site, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if o, err := w.at(place, first); err == nil || joined(place[beaconName])+joined(place[plainName]) != theirs {
		t.Errorf("a site that cannot be read: %+v, %v; %v stand", o, err, place)
	}
}

func (w *beaconWorld) lose(name string) {
	w.Helper()
	if err := os.Remove(filepath.Join(w.dir, "state", name)); err != nil {
		w.Fatal(err)
	}
}

// A zone that was restored from a copy gives an earlier record, which mirrors take for a replay: it is written anew, even when
// it says the same of the trees.
func TestKeepBeacon_OlderComesBack(t *testing.T) {
	t.Parallel()
	w := newBeaconPublisher(t)
	place := heldPlace{}
	if _, err := w.at(place, w.document(stamp1, stamp1)); err != nil {
		t.Fatal(err)
	}
	old := place[beaconName]
	w.now = w.now.Add(time.Minute)
	m := w.document(stamp1, stamp1)
	if o, err := w.at(place, m); err != nil || o.State != beaconUnchanged {
		t.Fatalf("%+v, %v", o, err)
	}
	delete(place, beaconName)
	if o, err := w.at(place, m); err != nil || o.State != beaconWritten || o.Serial != 2 {
		t.Fatalf("%+v, %v", o, err)
	}
	place[beaconName] = old
	if o, err := w.at(place, m); err != nil || o.State != beaconWritten || o.Serial != 2 || !strings.Contains(o.Why, "it gave serial 1, and serial 2 was put there at ") {
		t.Fatalf("%+v, %v", o, err)
	}
	if o, err := w.at(place, m); err != nil || o.State != beaconUnchanged {
		t.Errorf("%+v, %v", o, err)
	}
	place[beaconName] = old
	w.lose(beaconFile) // nothing depends on it
	if o, err := w.at(place, m); err != nil || o.State != beaconUnchanged {
		t.Errorf("%+v, %v", o, err)
	}
}
