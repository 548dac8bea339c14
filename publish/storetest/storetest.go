// Package storetest is the contract of publish.Store as a test that every store must pass. Only tests import it:
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) publish.Store { … })
//	}
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"tidemark/publish"
)

// Open gives an empty store. Calls within one test give separate ones.
type Open func(t *testing.T) publish.Store

const limit = 1 << 20

// Run tests all that publish.Store promises, and publish.Cleaner where the store is one.
func Run(t *testing.T, open Open) {
	for _, c := range []struct {
		name string
		test func(*testing.T, publish.Store)
	}{
		{"Missing", missing},
		{"RoundTrip", roundTrip},
		{"MaxIsRefusedNotCut", maximum},
		{"Absent", absent},
		{"Match", match},
		{"MatchOnMissing", matchOnMissing},
		{"TagsTellBytesApart", tags},
		{"Names", names},
		{"RaceToCreate", raceToCreate},
		{"RaceToReplace", raceToReplace},
		{"ReadersSeeWholeObjects", readers},
		{"CanceledContext", canceled},
		{"List", list},
		{"Delete", deleting},
		{"Tag", tagAlone},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

func object(name, data string) publish.Object { return publish.NewObject(name, []byte(data)) }

func put(t *testing.T, s publish.Store, name, data string, c publish.Condition) string {
	t.Helper()
	tag, err := s.Put(t.Context(), object(name, data), c)
	if err != nil {
		t.Fatalf("put %s: %v", name, err)
	}
	if tag == "" {
		t.Fatalf("put %s: no tag", name)
	}
	return tag
}

func holds(t *testing.T, s publish.Store, name, data string) publish.Object {
	t.Helper()
	o, err := s.Get(t.Context(), name, limit)
	if err != nil {
		t.Fatalf("get %s: %v", name, err)
	}
	if string(o.Data) != data || o.Name != name {
		t.Fatalf("get %s: %q of %q, expected %q", name, o.Data, o.Name, data)
	}
	return o
}

func refused(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error %v, expected one that wraps %q", err, want)
	}
}

func missing(t *testing.T, s publish.Store) {
	for _, name := range []string{"latest.json", "m/1/manifest.json"} {
		_, err := s.Get(t.Context(), name, limit)
		refused(t, err, publish.ErrNotFound)
	}
}

func roundTrip(t *testing.T, s publish.Store) {
	all := map[string]string{
		"latest.txt": "m/1/\n", "m/1/manifest.bundle.json": "\x00\xff\r\n", "m/2/manifest.json": "{}", "trust/1.json": "t",
		".well-known/openpgpkey/example.org/policy": "", "mirror/ftp.example.org/index.html": "<p>",
	}
	for name, data := range all {
		tag := put(t, s, name, data, publish.Condition{})
		if o := holds(t, s, name, data); o.Tag != tag {
			t.Errorf("%s: Get gives tag %q, Put gave %q", name, o.Tag, tag)
		}
	}
	put(t, s, "latest.txt", "m/2/\n", publish.Condition{})
	holds(t, s, "latest.txt", "m/2/\n")
	holds(t, s, "trust/1.json", "t")
}

func maximum(t *testing.T, s publish.Store) {
	put(t, s, "a.json", "12345", publish.Condition{})
	if _, err := s.Get(t.Context(), "a.json", 5); err != nil {
		t.Errorf("5 bytes with max 5: %v", err)
	}
	o, err := s.Get(t.Context(), "a.json", 4)
	refused(t, err, publish.ErrTooLarge)
	if len(o.Data) != 0 {
		t.Errorf("a refused Get gave %q", o.Data)
	}
}

func absent(t *testing.T, s publish.Store) {
	put(t, s, "m/1/a", "first", publish.Condition{Absent: true})
	for _, data := range []string{"second", "first"} {
		_, err := s.Put(t.Context(), object("m/1/a", data), publish.Condition{Absent: true})
		refused(t, err, publish.ErrConflict)
	}
	holds(t, s, "m/1/a", "first")
}

func match(t *testing.T, s publish.Store) {
	old := put(t, s, "latest.json", "one", publish.Condition{})
	tag := put(t, s, "latest.json", "two", publish.Condition{Match: old})
	_, err := s.Put(t.Context(), object("latest.json", "three"), publish.Condition{Match: old})
	refused(t, err, publish.ErrConflict)
	holds(t, s, "latest.json", "two")
	put(t, s, "latest.json", "three", publish.Condition{Match: tag})
	holds(t, s, "latest.json", "three")
}

func matchOnMissing(t *testing.T, s publish.Store) {
	tag := put(t, s, "a", "one", publish.Condition{})
	_, err := s.Put(t.Context(), object("m/9/b", "one"), publish.Condition{Match: tag})
	refused(t, err, publish.ErrConflict)
	_, err = s.Get(t.Context(), "m/9/b", limit)
	refused(t, err, publish.ErrNotFound)
}

func tags(t *testing.T, s publish.Store) {
	seen := map[string]string{}
	for _, data := range []string{"", "a", "b", "ab"} {
		tag := put(t, s, "a", data, publish.Condition{})
		if other, taken := seen[tag]; taken {
			t.Errorf("%q and %q have the same tag %s", data, other, tag)
		}
		seen[tag] = data
	}
}

func names(t *testing.T, s publish.Store) {
	for _, name := range []string{
		"", ".", "..", "/", "/etc/passwd", "../a", "a/../../b", "a/./b", "a//b", "a/", "m/..", ".hidden", "a/.hidden",
		"-rf", "a/-o", "a\\b", "a\x00b", "a b", "a\n", "a:b", "é", "a\xff", "C:", "a/../b",
	} {
		if _, err := s.Get(t.Context(), name, limit); err == nil || errors.Is(err, publish.ErrNotFound) {
			t.Errorf("Get %q: %v, expected the name to be refused", name, err)
		}
		if _, err := s.Put(t.Context(), object(name, "x"), publish.Condition{}); err == nil {
			t.Errorf("Put %q was accepted", name)
		}
	}
}

const racers = 32

// race lets all put at once and gives the winners' numbers.
func race(t *testing.T, s publish.Store, name string, c publish.Condition) []int {
	t.Helper()
	var wg sync.WaitGroup
	start := make(chan struct{})
	errs := make([]error, racers)
	for i := range racers {
		wg.Go(func() {
			<-start
			_, errs[i] = s.Put(t.Context(), object(name, text(i)), c)
		})
	}
	close(start)
	wg.Wait()
	var winners []int
	for i, err := range errs {
		if err == nil {
			winners = append(winners, i)
		} else if !errors.Is(err, publish.ErrConflict) {
			t.Errorf("racer %d: %v, expected a conflict", i, err)
		}
	}
	return winners
}

func text(i int) string { return fmt.Sprintf("racer %d", i) }

func raceToCreate(t *testing.T, s publish.Store) {
	won := race(t, s, "m/7/manifest.bundle.json", publish.Condition{Absent: true})
	if len(won) != 1 {
		t.Fatalf("winners: %v, expected exactly one", won)
	}
	holds(t, s, "m/7/manifest.bundle.json", text(won[0]))
}

func raceToReplace(t *testing.T, s publish.Store) {
	tag := put(t, s, "latest.json", "start", publish.Condition{})
	won := race(t, s, "latest.json", publish.Condition{Match: tag})
	if len(won) != 1 {
		t.Fatalf("winners: %v, expected exactly one", won)
	}
	holds(t, s, "latest.json", text(won[0]))
}

func readers(t *testing.T, s publish.Store) {
	const size, rounds = 256 << 10, 40
	whole := func(b byte) []byte { return bytes.Repeat([]byte{b}, size-int(b)) }
	write := func(b byte) {
		if _, err := s.Put(t.Context(), publish.NewObject("a.json", whole(b)), publish.Condition{}); err != nil {
			t.Error(err)
		}
	}
	write(0)
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				o, err := s.Get(t.Context(), "a.json", limit)
				if err != nil || len(o.Data) == 0 || !bytes.Equal(o.Data, whole(o.Data[0])) {
					t.Errorf("a reader got %d bytes, error %v: not a whole object", len(o.Data), err)
					return
				}
			}
		})
	}
	for i := range rounds {
		write(byte(i % 200))
	}
	close(done)
	wg.Wait()
}

func canceled(t *testing.T, s publish.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Put(ctx, object("a", "x"), publish.Condition{})
	refused(t, err, context.Canceled)
	_, err = s.Get(t.Context(), "a", limit)
	refused(t, err, publish.ErrNotFound)
}

func cleaner(t *testing.T, s publish.Store) publish.Cleaner {
	c, ok := s.(publish.Cleaner)
	if !ok {
		t.Skip("this store is no Cleaner")
	}
	return c
}

func list(t *testing.T, s publish.Store) {
	c := cleaner(t, s)
	if all, err := c.List(t.Context(), "m/"); err != nil || len(all) != 0 {
		t.Fatalf("an empty store lists %v, %v", all, err)
	}
	tag := put(t, s, "m/1/a", "x", publish.Condition{})
	put(t, s, "m/12/b", "y", publish.Condition{})
	put(t, s, "manifest.json", "z", publish.Condition{})
	all, err := c.List(t.Context(), "m/")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]publish.Listed{}
	for _, l := range all {
		seen[l.Name] = l
		if l.Modified.IsZero() {
			t.Errorf("%s has no time", l.Name)
		}
	}
	a, ok1 := seen["m/1/a"]
	_, ok2 := seen["m/12/b"]
	if !ok1 || !ok2 || len(all) != 2 {
		t.Errorf("m/ lists %v, expected m/1/a and m/12/b", all)
	}
	if a.Tag != "" && a.Tag != tag {
		t.Errorf("m/1/a is listed with tag %q, Put gave %q", a.Tag, tag)
	}
}

func deleting(t *testing.T, s publish.Store) {
	c := cleaner(t, s)
	old := put(t, s, "m/1/a", "x", publish.Condition{})
	tag := put(t, s, "m/1/a", "y", publish.Condition{})
	put(t, s, "m/1/b", "z", publish.Condition{})
	refused(t, c.Delete(t.Context(), "m/1/a", old), publish.ErrConflict)
	holds(t, s, "m/1/a", "y")
	if err := c.Delete(t.Context(), "m/1/a", tag); err != nil {
		t.Fatal(err)
	}
	_, err := s.Get(t.Context(), "m/1/a", limit)
	refused(t, err, publish.ErrNotFound)
	refused(t, c.Delete(t.Context(), "m/1/a", tag), publish.ErrNotFound)
	holds(t, s, "m/1/b", "z")
}

// tagAlone: a store that can tell a tag without the bytes tells one that serves for a Match, however large the object is, and that
// changes with it.
func tagAlone(t *testing.T, s publish.Store) {
	tagger, ok := s.(publish.Tagger)
	if !ok {
		t.Skip("this store cannot")
	}
	if _, err := tagger.Tag(t.Context(), "a.json"); !errors.Is(err, publish.ErrNotFound) {
		t.Errorf("nothing there: %v", err)
	}
	put(t, s, "a.json", "12345", publish.Condition{})
	first, err := tagger.Tag(t.Context(), "a.json")
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, "a.json", "54321", publish.Condition{Match: first})
	second, err := tagger.Tag(t.Context(), "a.json")
	if err != nil || second == first {
		t.Errorf("after a change: %q, %v; before it %q", second, err, first)
	}
	_, err = s.Put(t.Context(), object("a.json", "again"), publish.Condition{Match: first})
	refused(t, err, publish.ErrConflict)
	if c, ok := s.(publish.Cleaner); ok {
		refused(t, c.Delete(t.Context(), "a.json", first), publish.ErrConflict)
		if err := c.Delete(t.Context(), "a.json", second); err != nil {
			t.Error(err)
		}
	}
}
