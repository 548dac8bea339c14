package publish_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tidemark/publish"
	"tidemark/sign"
)

// release makes a publication whose "signatures" are hashes: publish verifies nothing itself, genuine does.
func release(serial int64, content string) publish.Release {
	payload := fmt.Appendf(nil, "{\"serial\": %d, \"content\": %q}\n", serial, content)
	sum := sha256.Sum256(payload)
	hash := hex.EncodeToString(sum[:])
	e := sign.Envelope{Payload: payload, Signatures: []sign.Signature{
		{Kind: "openpgp", Key: strings.Repeat("A", 40), Value: "openpgp " + hash + "\n"},
		{Kind: "minisign", Key: strings.Repeat("B", 16), Value: "minisign " + hash + "\n"},
		{Kind: "minisign", Key: strings.Repeat("C", 16), Value: "third " + hash + "\n"},
	}}
	bundle, err := json.MarshalIndent(e, "", "  ")
	if err != nil {
		panic(err)
	}
	bundle = append(bundle, '\n')
	files, err := publish.Unpack(bundle)
	if err != nil {
		panic(err)
	}
	files["manifest.json.gpg"] = []byte("inline " + hash + "\n" + string(payload))
	return publish.Release{Serial: serial, SHA256: hash, Bundle: bundle, Files: files,
		Ground: []publish.Object{publish.NewObject("trust/1.json", []byte("trust 1")), publish.NewObject("trust.json", []byte("trust 1")),
			publish.NewObject("keys/centos.asc", []byte("key"))},
		Status: []publish.Object{publish.NewObject("status.json", fmt.Appendf(nil, "status %d", serial))}}
}

// genuine is what a client's verification would be.
func genuine(bundle []byte) error {
	files, err := publish.Unpack(bundle)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(files["manifest.json"])
	if string(files["manifest.json.asc"]) != "openpgp "+hex.EncodeToString(sum[:])+"\n" {
		return errors.New("bad signature")
	}
	return nil
}

func push(ctx context.Context, s publish.Store, r publish.Release) error {
	st, err := publish.Look(ctx, s)
	if err != nil {
		return err
	}
	return publish.Push(ctx, s, st, r, genuine)
}

func mustPush(t *testing.T, s publish.Store, r publish.Release) {
	t.Helper()
	if err := push(t.Context(), s, r); err != nil {
		t.Fatal(err)
	}
}

// next is a publisher's run: heal, finish or skip what is reserved, publish content under the next serial.
func next(ctx context.Context, s publish.Store, content string) (publish.Release, error) {
	var r publish.Release
	st, err := publish.Look(ctx, s)
	if err != nil {
		return r, err
	}
	if !st.Complete() {
		if err := publish.Heal(ctx, s, st, genuine); err != nil {
			return r, err
		}
	}
	reserved, err := publish.Reservations(ctx, s, st, 0)
	if err != nil {
		return r, err
	}
	for _, o := range reserved {
		if err := publish.Finish(ctx, s, st, o.Serial, genuine); err != nil && !errors.Is(err, publish.ErrIncomplete) {
			return r, err
		}
	}
	serial, err := publish.NextSerial(st.Serial(), 0, 0, reserved...)
	if err != nil {
		return r, err
	}
	r = release(serial, content)
	return r, publish.Push(ctx, s, st, r, genuine)
}

var fixedNames = []string{"manifest.bundle.json", "manifest.json.gpg", "manifest.json.asc", "manifest.json.minisig",
	"manifest.json." + strings.Repeat("C", 16) + ".minisig", "manifest.json"}

func content(r publish.Release, name string) []byte {
	if name == "manifest.bundle.json" {
		return r.Bundle
	}
	return r.Files[name]
}

// world watches a site directory as readers see it.
type world struct {
	dir    string
	bundle map[string]string // m/<n>/manifest.bundle.json ever seen
}

func newWorld(dir string) *world { return &world{dir, map[string]string{}} }

func (w *world) read(name string) []byte {
	b, err := os.ReadFile(filepath.Join(w.dir, name))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		panic(err)
	}
	return b
}

// check is what must hold at every moment, whatever was killed where.
func (w *world) check(releases ...publish.Release) error {
	var serial int64
	if b := w.read("latest.json"); b != nil {
		p, err := publish.ParsePointer(b)
		if err != nil {
			return fmt.Errorf("latest.json: %w", err)
		}
		if serial = p.Serial; !slices.ContainsFunc(releases, func(r publish.Release) bool { return r.Serial == serial && r.SHA256 == p.SHA256 }) {
			return fmt.Errorf("latest.json names serial %d with %s, which nobody published", serial, p.SHA256)
		}
	}
	for _, name := range fixedNames {
		b := w.read(name)
		i := slices.IndexFunc(releases, func(r publish.Release) bool { return bytes.Equal(b, content(r, name)) })
		if b != nil && i < 0 {
			return fmt.Errorf("%s is not whole: %q", name, b)
		}
		if b != nil && releases[i].Serial > serial {
			return fmt.Errorf("%s changed to serial %d before the pointer, which is at %d", name, releases[i].Serial, serial)
		}
	}
	return w.checkCopies(serial, releases)
}

func (w *world) checkCopies(pointed int64, releases []publish.Release) error {
	all, err := filepath.Glob(filepath.Join(w.dir, "m/*/manifest*"))
	if err != nil {
		return err
	}
	for _, path := range all {
		name, _ := filepath.Rel(w.dir, path)
		b := string(w.read(name))
		if old, seen := w.bundle[name]; seen && old != b {
			return fmt.Errorf("%s changed: a serial with two manifests", name)
		}
		w.bundle[name] = b
		if !slices.ContainsFunc(releases, func(r publish.Release) bool {
			return name == fmt.Sprintf("m/%d/%s", r.Serial, filepath.Base(name)) && b == string(content(r, filepath.Base(name)))
		}) {
			return fmt.Errorf("%s is not whole", name)
		}
	}
	if pointed > 0 && len(all) < len(fixedNames) {
		return fmt.Errorf("the pointer names serial %d, whose copies are not all there: %v", pointed, all)
	}
	return nil
}

// is checks that the site is r, complete.
func (w *world) is(r publish.Release) error {
	for _, name := range fixedNames {
		for _, at := range []string{name, fmt.Sprintf("m/%d/%s", r.Serial, name)} {
			if !bytes.Equal(w.read(at), content(r, name)) {
				return fmt.Errorf("%s is not serial %d's: %q", at, r.Serial, w.read(at))
			}
		}
	}
	p, err := publish.ParsePointer(w.read("latest.json"))
	if err != nil {
		return err
	}
	if mark := string(w.read("latest.txt")); p.Serial != r.Serial || mark != p.Path+"\n" {
		return fmt.Errorf("pointer at %d, mark %q, expected %d", p.Serial, mark, r.Serial)
	}
	return nil
}

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
