package client

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"tidemark/internal/strictjson"
)

// A 304 says that the file is the same, not that it is good: it is opened again in full.
func TestLook_NotModified_SeenSince(t *testing.T) {
	s, r := settled(t)
	seen, _ := LoadSeen(r.State)
	seen.Serial++
	if err := SaveSeen(r.State, *seen); err != nil {
		t.Fatal(err)
	}
	r.refuses(t, Rollback)
	if got := s.log(); got[0] != "304 "+BundleFile {
		t.Error(got)
	}
}

func TestLook_NotModified_KeyRevoked(t *testing.T) {
	s, r := settled(t)
	revoked := following(4, nil)
	revoked.Manifest.Keys[1].Revoked = true
	r.Trust = sealed(t, revoked, 3)
	r.refuses(t, Signature)
	if got := strings.Join(s.log(), ", "); !strings.HasPrefix(got, "304 "+BundleFile) || !strings.Contains(got, "200 "+BundleFile) {
		t.Errorf("%s: expected to ask again for the whole of it", got)
	}
}

func TestLook_KeptDamaged(t *testing.T) {
	s, r := settled(t)
	path := filepath.Join(r.State, BundleFile)
	if err := os.WriteFile(path, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	v, err := r.look(t)
	if err != nil || !v.Fresh || v.Unchanged || !told(v.Noted, NoteDamaged) {
		t.Errorf("%+v, %v", v, err)
	}
	if b, _ := os.ReadFile(path + damaged); string(b) != "{}" {
		t.Errorf("%q was set aside", b)
	}
	if b, _ := os.ReadFile(path); !bytes.Equal(b, fixtures().bundle(t, nil)) {
		t.Error("not fetched again")
	}
	if got := s.log(); got[0] != "200 "+BundleFile {
		t.Error(got)
	}
}

func TestLook_OriginDamaged(t *testing.T) {
	s, r := settled(t)
	if err := os.WriteFile(filepath.Join(r.State, originFile), []byte(`{"bundle": "x"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if v, err := r.look(t); err != nil || !v.Fresh || v.Unchanged || !told(v.Noted, NoteDamaged) {
		t.Errorf("%+v, %v", v, err)
	}
	s.log()
	if v, err := r.look(t); err != nil || !v.Unchanged || len(v.All) != 0 {
		t.Errorf("%+v, %v", v, err)
	}
}

func TestLook_SeenPipe(t *testing.T) {
	_, r := settled(t)
	path := filepath.Join(r.State, SeenFile)
	os.Remove(path)
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if v, err := r.look(t); v != nil || err == nil || !strings.Contains(err.Error(), "no regular file") {
		t.Errorf("%+v, %v", v, err)
	}
}

func TestLook_SeenDamaged(t *testing.T) {
	_, r := settled(t)
	if err := os.WriteFile(filepath.Join(r.State, SeenFile), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if v, err := r.look(t); v != nil || err == nil || !strings.Contains(err.Error(), "seen.json is damaged") {
		t.Errorf("%+v, %v", v, err)
	}
}

func FuzzMemory(f *testing.F) {
	f.Add([]byte(`{}`))
	good, err := strictjson.Marshal(memory{Validator: Validator{URL: "https://h/f", ETag: `W/"x"`, LastModified: "x"}, Bundle: strings.Repeat("0", 64), TrustChecked: strictjson.At(day0),
		OlderSince: strictjson.At(day0), FailingSince: strictjson.At(day0), NothingSince: strictjson.At(day0), OutOfTimeSince: strictjson.At(day0), Said: map[string]strictjson.Time{"old": strictjson.At(day0)}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"validator": {"url": "\n", "etag": "\r\nX: y"}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parseMemory(b)
		if err != nil {
			return
		}
		out, err := strictjson.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := parseMemory(out); err != nil || !again.same(m) {
			t.Fatalf("%+v, then %+v, %v", m, again, err)
		}
		if strings.ContainsAny(m.Validator.ETag+m.Validator.LastModified+m.Validator.URL, "\r\n") {
			t.Fatalf("%+v would split a header", m.Validator)
		}
	})
}
