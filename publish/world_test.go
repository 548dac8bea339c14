package publish_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"tidemark/publish"
	"tidemark/publish/storetest"
)

var (
	release = storetest.Release
	genuine = storetest.Genuine
	push    = storetest.Push
	next    = storetest.Next
)

func mustPush(t *testing.T, s publish.Store, r publish.Release) {
	t.Helper()
	if err := push(t.Context(), s, r); err != nil {
		t.Fatal(err)
	}
}

// world watches a site directory.
type world struct {
	storetest.World
	dir string
}

func newWorld(dir string) *world {
	w := &world{dir: dir}
	w.Read = w.read
	w.Copies = func() []string {
		all, err := filepath.Glob(filepath.Join(dir, "m/*/manifest*"))
		if err != nil {
			panic(err)
		}
		for i, p := range all {
			all[i], _ = filepath.Rel(dir, p)
		}
		return all
	}
	return w
}

func (w *world) read(name string) []byte {
	b, err := os.ReadFile(filepath.Join(w.dir, name))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		panic(err)
	}
	return b
}

func (w *world) check(releases ...publish.Release) error { return w.Check(releases...) }
func (w *world) is(r publish.Release) error              { return w.Is(r) }

// errDead is what a killed process would not live to see.
var errDead = errors.New("killed")

// faulty passes requests on until its time has come.
type faulty struct {
	publish.Store
	asked  []string // the requests, in order
	count  int
	at     int    // this request...
	lost   bool   // ...is passed on, but its answer is lost; otherwise it is not passed on
	dead   bool   // and no later one either
	pause  func() // instead of dying, be paused here before the request is passed on
	repeat bool   // a Put is sent twice, as by a client that lost the first answer
	after  func(request string)
}

func (f *faulty) do(request string, pass func() error) error {
	if f.dead {
		return errDead
	}
	f.asked = append(f.asked, request)
	f.count++
	mine := f.count == f.at
	switch {
	case mine && f.pause != nil:
		f.pause()
	case mine && !f.lost:
		f.dead = true
		return errDead
	}
	err := pass()
	if f.after != nil {
		f.after(request)
	}
	if mine && f.pause == nil {
		f.dead = true
		return errDead
	}
	return err
}

func (f *faulty) Get(ctx context.Context, name string, max int64) (o publish.Object, err error) {
	err = f.do("get "+name, func() error { o, err = f.Store.Get(ctx, name, max); return err })
	return o, err
}

func (f *faulty) Put(ctx context.Context, o publish.Object, c publish.Condition) (tag string, err error) {
	err = f.do("put "+o.Name, func() error {
		if tag, err = f.Store.Put(ctx, o, c); err == nil && f.repeat {
			tag, err = f.Store.Put(ctx, o, c)
		}
		return err
	})
	return tag, err
}

// fastDir is in memory where there is such a place: these tests publish some thousand times.
func fastDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "tidemark")
	if err != nil {
		return filepath.Join(t.TempDir(), "site")
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "site")
}
