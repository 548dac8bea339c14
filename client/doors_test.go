package client

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"tidemark/keys"
	"tidemark/sign"
)

// both opens the bundle, and the files that it holds: one rule for the two doors.
func both(t testing.TB, payload []byte, sigs []sign.Signature, o Options) map[string]error {
	t.Helper()
	bundle, err := Pack(payload, sigs)
	if err != nil {
		t.Fatal(err)
	}
	_, _, byBundle := Open(bundle, o)
	files, err := Unpack(bundle)
	if err != nil {
		t.Fatal(err)
	}
	_, _, byFiles := OpenFiles(asFS(files), o)
	return map[string]error{"bundle": byBundle, "files": byFiles}
}

// A signature that nobody can read would be laid down under the main name, before the good one.
func TestOpen_SignatureThatCannotBeRead(t *testing.T) {
	f := fixtures()
	m := f.document(t, nil)
	payload := encode(t, m)
	good := f.signed(t, payload, m, f.pgp, f.mini)
	for name, junk := range map[string]sign.Signature{
		"minisign":                       {Kind: keys.Minisign, Key: strings.Repeat("0", 16), Value: "junk"},
		"openpgp":                        {Kind: keys.OpenPGP, Key: strings.Repeat("0", 40), Value: "junk\n"},
		"minisign, with carriage return": {Kind: keys.Minisign, Key: f.mini2.Key().Key, Value: strings.ReplaceAll(good[1].Value, "\n", "\r\n")},
		"minisign, legacy form":          {Kind: keys.Minisign, Key: f.mini2.Key().Key, Value: strings.Replace(good[1].Value, "\nRU", "\nRW", 1)},
	} {
		if junk.Value == good[1].Value {
			t.Fatalf("%s: the case changes nothing", name)
		}
		for _, sigs := range [][]sign.Signature{{junk, good[0], good[1]}, {good[0], good[1], junk}} {
			for door, err := range both(t, payload, sigs, f.options(nil)) {
				var r *Refused
				if !errors.As(err, &r) || r.Reason != Signature {
					t.Errorf("%s, %s: %v, expected a refusal of the signature", name, door, err)
				}
			}
		}
	}
}

// A stranger's signature before the good ones counts for nothing, and takes no good one's name.
func TestOpened_Files(t *testing.T) {
	f := fixtures()
	m := f.document(t, nil)
	payload := encode(t, m)
	stranger := newMinisign()
	good := f.signed(t, payload, m, f.pgp, f.mini, f.mini2)
	forged := f.signed(t, []byte("other\n"), m, f.mini)[0]
	sigs := append(f.signed(t, payload, m, stranger), forged)
	sigs = append(sigs, good...)
	bundle := pack(t, payload, sigs)
	opened, _, err := Open(bundle, f.options(nil))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(opened.Bundle, bundle) {
		t.Error("the bundle is not what was served")
	}
	want := map[string]string{
		"manifest.json":         string(payload),
		"manifest.json.asc":     good[0].Value,
		"manifest.json.minisig": good[1].Value,
		"manifest.json." + f.mini2.Key().Key + ".minisig": good[2].Value,
	}
	got := map[string]string{}
	for name, b := range opened.Files() {
		got[name] = string(b)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	again, _, err := OpenFiles(asFS(opened.Files()), f.options(nil))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(opened.Files(), again.Files()); d != "" {
		t.Error(d)
	}
	if reopened, _, err := Open(again.Bundle, f.options(nil)); err != nil || len(reopened.Votes) != 3 {
		t.Errorf("the bundle of what was opened as files: %v", err)
	}
}

// A file that a key unknown to the trust document signed is tolerated, as in a bundle.
func TestOpenFiles_Stranger(t *testing.T) {
	f := fixtures()
	m := f.document(t, nil)
	payload := encode(t, m)
	opened, _, err := Open(pack(t, payload, f.signed(t, payload, m, f.pgp, f.mini)), f.options(nil))
	if err != nil {
		t.Fatal(err)
	}
	files := opened.Files()
	sq, err := os.ReadFile("../sign/testdata/sq-made-signature.asc")
	if err != nil {
		t.Fatal(err)
	}
	files["manifest.json.0.asc"], files["manifest.json.0.minisig"] = sq, []byte(f.signed(t, payload, m, newMinisign())[0].Value)
	again, _, err := OpenFiles(asFS(files), f.options(nil))
	if err != nil {
		t.Fatal(err)
	}
	if got := slices.Sorted(maps.Keys(again.Files())); len(got) != 3 {
		t.Errorf("files %s, expected those of the two votes", got)
	}
}

// Every minisign signature that counts says of which document it is; minisign -V shows nothing else.
func TestOpen_CommentOfEveryVote(t *testing.T) {
	f := fixtures()
	m := f.document(t, nil)
	payload := encode(t, m)
	good := f.signed(t, payload, m, f.pgp, f.mini)
	want := m.Comment(payload)
	for _, comment := range []string{"", "tidemark", "timestamp:1", strings.ToUpper(want[:1]) + want[1:], want + " ", strings.Replace(want, " ", "\t", 1)} {
		s, err := f.mini2.Sign(t.Context(), sign.Request{Payload: payload, Comment: comment})
		if err != nil {
			t.Fatal(err)
		}
		for door, err := range both(t, payload, append(slices.Clone(good), s), f.options(nil)) {
			var r *Refused
			if !errors.As(err, &r) || r.Reason != Malformed || !strings.Contains(err.Error(), "trusted comment") {
				t.Errorf("%q, %s: %v, expected its trusted comment to be refused", comment, door, err)
			}
		}
	}
}

// within ends the test when f blocks, and lets the pipe's reader go.
func within(t *testing.T, pipe string, f func() error) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-time.After(20 * time.Second):
		if w, err := os.OpenFile(pipe, os.O_WRONLY|syscall.O_NONBLOCK, 0); err == nil {
			w.Close()
		}
		t.Fatal("blocked on a pipe")
	}
	return nil
}

func TestOrigin_Pipe(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, ManifestFile)
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	o, err := NewOrigin(dir)
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]func() error{
		"origin": func() error { _, err := o.Fetch(t.Context(), ManifestFile, 10); return err },
		"files":  func() error { _, _, err := OpenFiles(os.DirFS(dir), fixtures().options(nil)); return err },
	} {
		if err := within(t, pipe, f); err == nil || !strings.Contains(err.Error(), "no regular file") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "d"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := o.Fetch(t.Context(), "d", 10); err == nil || !strings.Contains(err.Error(), "no regular file") {
		t.Errorf("a directory: %v", err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := os.WriteFile(filepath.Join(dir, "a"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if b, err := o.Fetch(over, "a", 10); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end of its context: %q, %v", b, err)
	}
}

func FuzzOpenFiles(f *testing.F) {
	x := fixtures()
	opened, _, err := Open(x.bundle(f, nil), x.options(nil))
	if err != nil {
		f.Fatal(err)
	}
	files := opened.Files()
	asc, minisig := files["manifest.json.asc"], files["manifest.json.minisig"]
	f.Add(opened.Payload, asc, minisig, []byte("junk"))
	f.Add(opened.Payload, asc, minisig, minisig)
	f.Fuzz(func(t *testing.T, payload, asc, minisig, more []byte) {
		dir := fstest.MapFS{}
		for name, b := range map[string][]byte{ManifestFile: payload, "manifest.json.asc": asc, "manifest.json.minisig": minisig, "manifest.json.x.minisig": more} {
			if len(b) > 0 {
				dir[name] = &fstest.MapFile{Data: b}
			}
		}
		o, _, err := OpenFiles(dir, x.options(nil))
		if err != nil {
			if o != nil {
				t.Fatalf("%+v beside %v", o, err)
			}
			return
		}
		if !bytes.Equal(o.Payload, opened.Payload) {
			t.Fatalf("%q was accepted", o.Payload)
		}
		if again, _, err := Open(o.Bundle, x.options(nil)); err != nil || len(again.Votes) != len(o.Votes) {
			t.Fatalf("the bundle of what was accepted: %v", err)
		}
	})
}
