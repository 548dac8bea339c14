package publish_test

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tidemark/publish"
)

// bucket is a directory that looks like a Remote: it lists with tags, and counts what it is asked.
type bucket struct {
	publish.Store
	dir   string
	asked []string
}

func (b *bucket) Where() string { return "a bucket" }
func (b *bucket) Peek(context.Context, int) ([]string, error) {
	return nil, nil
}

func (b *bucket) Get(ctx context.Context, name string, max int64) (publish.Object, error) {
	b.asked = append(b.asked, "get "+name)
	return b.Store.Get(ctx, name, max)
}

func (b *bucket) Put(ctx context.Context, o publish.Object, c publish.Condition) (string, error) {
	b.asked = append(b.asked, "put "+o.Name)
	return b.Store.Put(ctx, o, c)
}

func (b *bucket) Delete(ctx context.Context, name, tag string) error {
	b.asked = append(b.asked, "delete "+name)
	return b.Store.(publish.Cleaner).Delete(ctx, name, tag)
}

func (b *bucket) List(ctx context.Context, prefix string) (all []publish.Listed, err error) {
	b.asked = append(b.asked, "list "+prefix)
	err = filepath.WalkDir(b.dir, func(path string, d os.DirEntry, err error) error {
		name, _ := filepath.Rel(b.dir, path)
		if err != nil || d.IsDir() || !strings.HasPrefix(name, prefix) {
			return nil
		}
		o, err := b.Store.Get(ctx, name, 100<<20)
		all = append(all, publish.Listed{Name: name, Tag: o.Tag})
		return err
	})
	return all, err
}

// At a Remote, what has the tag that is remembered costs nothing but the listings; what has not is read, and put back where it
// differs or is gone. The note that lies there is not believed.
func TestPutGround_Remembered(t *testing.T) {
	dir := fastDir(t)
	b := &bucket{Store: openDir(t, dir), dir: dir}
	g := publish.GroundFiles{Objects: release(1, "one").Ground, Stray: func(name string) bool { return name == "keys/stray.pub" }}
	put := func(known publish.GroundTags) (publish.GroundTags, []string) {
		t.Helper()
		st, err := publish.Look(t.Context(), b)
		if err != nil {
			t.Fatal(err)
		}
		g.Known, b.asked = known, nil
		tags, err := publish.PutGround(t.Context(), b, st, g)
		if err != nil {
			t.Fatal(err)
		}
		return tags, slices.DeleteFunc(b.asked, func(a string) bool {
			return strings.HasSuffix(a, publish.NoteName) || strings.HasSuffix(a, publish.PointerName)
		})
	}
	first, _ := put(nil)
	lists := []string{"list keys/", "list trust"}
	for _, c := range []struct {
		name  string
		known publish.GroundTags
		harm  func() error
		asked []string
	}{
		{"all in order", first, nil, lists},
		{"nothing remembered", nil, nil, append(slices.Clone(lists), "get trust/1.json", "get trust.json", "get keys/centos.asc")},
		{"remembered of another content", publish.GroundTags{"trust.json": {Tag: first["trust.json"].Tag, SHA256: "00"}, "trust/1.json": first["trust/1.json"], "keys/centos.asc": first["keys/centos.asc"]}, nil,
			append(slices.Clone(lists), "get trust.json")},
		{"removed", first, func() error { return os.Remove(filepath.Join(dir, "trust/1.json")) }, append(slices.Clone(lists), "put trust/1.json")},
		{"changed", first, func() error { return os.WriteFile(filepath.Join(dir, "keys/centos.asc"), []byte("a thief's"), 0o644) },
			append(slices.Clone(lists), "get keys/centos.asc", "put keys/centos.asc")},
		{"too large", first, func() error { return os.Truncate(filepath.Join(dir, "trust.json"), 65<<20-1<<20) },
			append(slices.Clone(lists), "get trust.json", "get trust.json", "put trust.json")},
		{"a stray key", first, func() error { return os.WriteFile(filepath.Join(dir, "keys/stray.pub"), []byte("a thief's"), 0o644) },
			append(slices.Clone(lists), "get keys/stray.pub", "delete keys/stray.pub")},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.harm != nil {
				if err := c.harm(); err != nil {
					t.Fatal(err)
				}
			}
			tags, asked := put(c.known)
			if !maps.Equal(tags, first) || !slices.Equal(asked, c.asked) {
				t.Errorf("asked %v, expected %v; tags %v", asked, c.asked, tags)
			}
			if got := files(t, dir); !slices.Equal(got, []string{"keys/centos.asc", "store.json", "trust/1.json", "trust.json"}) {
				t.Errorf("the site has %v", got)
			}
		})
	}
}

// What hinders one object holds no other back; a fork of the newest version leaves what readers follow alone.
func TestPutGround_OneFails(t *testing.T) {
	object := func(name, data string) publish.Object { return publish.NewObject(name, []byte(data)) }
	mine := []publish.Object{object("trust/1.json", "one"), object("trust/2.json", "two"), object("trust.json", "two"), object("keys/centos.asc", "key")}
	for _, c := range []struct {
		name string
		harm func(dir string) error
		site map[string]string
	}{
		{"a fork of an old version", func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "trust/1.json"), []byte("theirs"), 0o644)
		},
			map[string]string{"trust/1.json": "theirs", "trust/2.json": "two", "trust.json": "two", "keys/centos.asc": "key"}},
		{"a fork of the newest", func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "trust/2.json"), []byte("theirs"), 0o644)
		},
			map[string]string{"trust/2.json": "theirs", "trust.json": "", "keys/centos.asc": ""}},
		{"no file", func(dir string) error { return os.MkdirAll(filepath.Join(dir, "keys/centos.asc/x"), 0o755) },
			map[string]string{"trust/1.json": "one", "trust/2.json": "two", "trust.json": "two"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := fastDir(t)
			s := openDir(t, dir)
			err := errors.Join(os.MkdirAll(filepath.Join(dir, "trust"), 0o755), c.harm(dir))
			if err != nil {
				t.Fatal(err)
			}
			st, err := publish.Look(t.Context(), s)
			if err != nil {
				t.Fatal(err)
			}
			genuine := func(_ int64, data []byte) error {
				if string(data) == "theirs" {
					return nil
				}
				return errors.New("nobody signed it")
			}
			if _, err := publish.PutGround(t.Context(), s, st, publish.GroundFiles{Objects: mine, Genuine: genuine}); err == nil {
				t.Error("no error")
			}
			for name, want := range c.site {
				if b, _ := os.ReadFile(filepath.Join(dir, name)); string(b) != want {
					t.Errorf("%s is %q, expected %q", name, b, want)
				}
			}
		})
	}
}
