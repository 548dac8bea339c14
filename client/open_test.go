package client

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"tidemark/internal/strictjson"
	"tidemark/sign"
)

func TestOpen(t *testing.T) {
	f := fixtures()
	b := f.bundle(t, nil)
	opened, seen, err := Open(b, f.options(nil))
	if err != nil {
		t.Fatal(err)
	}
	if opened.Manifest.Serial != 4127 || !bytes.Equal(opened.Bundle, b) || len(opened.Votes) != 2 || seen.Serial != 4127 || len(seen.SHA256) != 64 {
		t.Errorf("%+v %+v", opened, seen)
	}
	if _, _, err := Open(b, Options{Network: "centos", Now: day0}); err == nil {
		t.Error("without a trust document")
	}
}

func TestSeen(t *testing.T) {
	dir := t.TempDir()
	if s, err := LoadSeen(dir); s != nil || err != nil {
		t.Errorf("nothing seen yet: %v, %v", s, err)
	}
	want := Seen{Serial: 4127, SHA256: strings.Repeat("ab", 32), Issued: strictjson.At(day0)}
	if err := SaveSeen(dir, want); err != nil {
		t.Fatal(err)
	}
	got, err := LoadSeen(dir)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(&want, got); d != "" {
		t.Error(d)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 {
		t.Errorf("files left: %v, %v", left, err)
	}
	good, err := os.ReadFile(filepath.Join(dir, SeenFile))
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]string{
		"empty": "", "cut": string(good[:len(good)/2]), "twice": string(good) + string(good), "serial": strings.Replace(string(good), "4127", "-1", 1),
		"sum": strings.Replace(string(good), "abab", "abxx", 1), "short sum": strings.Replace(string(good), "abab", "ab", 1), "capitals": strings.Replace(string(good), "abab", "ABab", 1), "oversize": strings.Repeat(" ", maxSeen) + string(good),
	} {
		if err := os.WriteFile(filepath.Join(dir, SeenFile), []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if s, err := LoadSeen(dir); s != nil || err == nil || !strings.Contains(err.Error(), "is damaged") || !strings.Contains(err.Error(), "remove it") {
			t.Errorf("%s: %v, %v", name, s, err)
		}
	}
	if err := SaveSeen(filepath.Join(dir, "none"), want); err == nil {
		t.Error("saved in a directory that is not there")
	}
}

func TestUnpack(t *testing.T) {
	f := fixtures()
	m := f.document(t, nil)
	payload := encode(t, m)
	sigs := f.signed(t, payload, m, f.pgp, f.mini, f.mini2)
	b := pack(t, payload, sigs)
	files, err := Unpack(b)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"manifest.json", "manifest.json." + f.mini2.Key().Key + ".minisig", "manifest.json.asc", "manifest.json.minisig"}
	if d := cmp.Diff(want, slices.Sorted(maps.Keys(files))); d != "" {
		t.Error(d)
	}
	opened, _, err := OpenFiles(asFS(files), f.options(nil))
	if err != nil || len(opened.Votes) != 3 {
		t.Fatalf("opened again: %v", err)
	}
	if _, err := Unpack(pack(t, payload, append(sigs, sigs[2]))); err == nil {
		t.Error("two files of one name")
	}
	if _, err := Unpack(b[1:]); err == nil {
		t.Error("no envelope")
	}
}

func asFS(files map[string][]byte) fstest.MapFS {
	m := fstest.MapFS{}
	for name, b := range files {
		m[name] = &fstest.MapFile{Data: b}
	}
	return m
}

func TestOpenFiles_Refused(t *testing.T) {
	f := fixtures()
	for name, c := range map[string]struct {
		change func(map[string][]byte)
		want   string
	}{
		"no manifest":     {func(m map[string][]byte) { delete(m, ManifestFile) }, "manifest.json"},
		"no asc":          {func(m map[string][]byte) { delete(m, "manifest.json.asc") }, "no good openpgp"},
		"no minisig":      {func(m map[string][]byte) { delete(m, "manifest.json.minisig") }, "no good minisign"},
		"no signatures":   {func(m map[string][]byte) { delete(m, "manifest.json.asc"); delete(m, "manifest.json.minisig") }, "no manifest.json.asc"},
		"flipped byte":    {func(m map[string][]byte) { m[ManifestFile][100] ^= 1 }, "not of this key"},
		"damaged asc":     {func(m map[string][]byte) { m["manifest.json.asc"] = []byte("x") }, "manifest.json.asc"},
		"oversize asc":    {func(m map[string][]byte) { m["manifest.json.asc"] = make([]byte, sign.MaxSignature+1) }, "more than"},
		"renamed minisig": {func(m map[string][]byte) { m["manifest.json.asc"] = m["manifest.json.minisig"] }, "armor"},
		"seventeen of them": {func(m map[string][]byte) {
			for i := range 17 {
				m["manifest.json."+string(rune('a'+i))+".minisig"] = m["manifest.json.minisig"]
			}
		}, "more than 16"},
	} {
		files, err := Unpack(f.bundle(t, nil))
		if err != nil {
			t.Fatal(err)
		}
		c.change(files)
		if o, _, err := OpenFiles(asFS(files), f.options(nil)); o != nil || err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, expected %q in it", name, err, c.want)
		}
	}
	if _, _, err := OpenFiles(fstest.MapFS{}, Options{}); err == nil {
		t.Error("without a trust document")
	}
}

// What Unpack lays down, stock tools verify without us.
func TestUnpack_StockTools(t *testing.T) {
	minisign, err := exec.LookPath("minisign")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("minisign is missing: apt-get install -y minisign")
		}
		t.Skip("minisign is missing: apt-get install -y minisign")
	}
	f := fixtures()
	files, err := Unpack(f.bundle(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, b := range files {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.Command(minisign, "-V", "-m", filepath.Join(dir, ManifestFile), "-P", f.mini.Key().Public).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "Trusted comment: tidemark centos serial=4127 ") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestRefused_Error(t *testing.T) {
	cause := errors.New("cause")
	r := &Refused{Reason: Signature, Detail: "detail", Err: cause}
	if r.Error() != "manifest refused (signature): detail: cause" || !errors.Is(r, cause) {
		t.Error(r)
	}
}

// Nothing comes out of Open that was not signed.
func FuzzOpen(f *testing.F) {
	x := fixtures()
	f.Add(x.bundle(f, nil))
	f.Add([]byte(`{"payload": "e30K", "signatures": [{"kind":"minisign","key":"0000000000000000","value":""}]}`))
	want := encode(f, x.document(f, nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		o, _, err := Open(b, x.options(nil))
		if err == nil && !bytes.Equal(o.Payload, want) {
			t.Fatalf("%q was accepted", o.Payload)
		}
		var r *Refused
		if err != nil && (o != nil || !errors.As(err, &r)) {
			t.Fatalf("%+v beside %v", o, err)
		}
		Unpack(b)
	})
}

func FuzzSeen(f *testing.F) {
	f.Add([]byte(`{"serial": 1, "sha256": "` + strings.Repeat("0", 64) + `", "issued": "2026-11-22T08:00:00Z"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := parseSeen(b); err == nil && (s.Serial < 0 || len(s.SHA256) != 64) {
			t.Fatalf("%+v", s)
		}
	})
}

func BenchmarkOpen(b *testing.B) {
	f := fixtures()
	bundle, o := f.bundle(b, nil), f.options(nil)
	for b.Loop() {
		if _, _, err := Open(bundle, o); err != nil {
			b.Fatal(err)
		}
	}
}
