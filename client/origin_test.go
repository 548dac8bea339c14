package client

import (
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestNewOrigin(t *testing.T) {
	for _, place := range []string{"http://mirrors.example.org/", "ftp://mirrors.example.org/", "https://user@mirrors.example.org/", "https://mirrors.example.org/?x=1",
		"https:///centos/", "http://169.254.169.254/", "https://2130706433/", "https://0x7f.1/", "https://0x7f000001/", "https://017700000001/", "https://127.1/",
		"https://user:secret@mirrors.example.org/", "https://a_b/", "https://-oProxy/", "https://mirrors.example.org:0/", "https://mirrors.example.org:65537/", "https://[fe80::1%25eth0]/",
		"https://[::ffff:127.0.0.1]/", "http://2130706433/", "HTTPS://h/\n", "file:///etc/", "https://mirrors.example.org/#x", filepath.Join(t.TempDir(), "missing")} {
		if _, err := NewOrigin(place); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", place, err)
		}
	}
	for _, place := range []string{"https://mirrors.example.org/centos/", "http://127.0.0.1:8080/", "http://[::1]/", "http://localhost/", "https://MIRRORS.example.org:8443/", "https://192.0.2.1/", t.TempDir()} {
		if _, err := NewOrigin(place); err != nil {
			t.Error(err)
		}
	}
}

func TestDirOrigin(t *testing.T) {
	dir := t.TempDir()
	outside := filepath.Join(t.TempDir(), "secret")
	for name, text := range map[string]string{filepath.Join(dir, "a"): "12345", outside: "secret"} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(outside, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	o, err := NewOrigin(dir)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := o.Fetch(t.Context(), "a", 5); string(b) != "12345" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	if b, err := o.Fetch(t.Context(), "a", 4); b != nil || err == nil {
		t.Errorf("more than the limit: %q, %v", b, err)
	}
	if _, err := o.Fetch(t.Context(), "b", 5); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	for _, name := range []string{"link", "../secret"} {
		if b, err := o.Fetch(t.Context(), name, 100); err == nil {
			t.Errorf("%s leads outside: %q", name, b)
		}
	}
}

// hostile answers each path in a way that a reader must not swallow.
func hostile(w http.ResponseWriter, r *http.Request) {
	switch strings.TrimPrefix(r.URL.Path, "/site/") {
	case "good":
		w.Write([]byte("12345"))
	case "long":
		w.Write([]byte("123456"))
	case "gone":
		http.NotFound(w, r)
	case "forbidden":
		w.WriteHeader(http.StatusForbidden)
	case "broken":
		w.WriteHeader(http.StatusInternalServerError)
	case "encoded":
		w.Header().Set("Content-Encoding", "gzip")
		w.Write([]byte("12345"))
	case "short":
		w.Header().Set("Content-Length", "5")
		w.Write([]byte("123"))
	case "moved":
		http.Redirect(w, r, "/site/good", http.StatusFound)
	case "away":
		http.Redirect(w, r, "http://127.0.0.2:1/good", http.StatusFound)
	case "metadata":
		http.Redirect(w, r, "http://169.254.169.254/latest/", http.StatusFound)
	case "circle":
		http.Redirect(w, r, "/site/circle", http.StatusFound)
	}
}

func TestHTTPOrigin(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(hostile))
	defer srv.Close()
	o, err := NewOrigin(srv.URL + "/site/")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, want string // want: the bytes, or a part of the error
		missing    bool
	}{
		{"good", "12345", false},
		{"moved", "12345", false},
		{"long", "larger than 5 bytes", false},
		{"gone", "404", true},
		{"forbidden", "403", true},
		{"broken", "500", false},
		{"encoded", "encoded", false},
		{"short", "unexpected EOF", false},
		{"away", "refused", false},
		{"metadata", "refused", false},
		{"circle", "refused", false},
	}
	for _, tt := range tests {
		b, err := o.Fetch(t.Context(), tt.name, 5)
		if err != nil {
			b = []byte(err.Error())
		}
		if !strings.Contains(string(b), tt.want) || (err == nil) != (tt.want == "12345") || errors.Is(err, fs.ErrNotExist) != tt.missing {
			t.Errorf("%s: %s, expected %s", tt.name, b, tt.want)
		}
	}
}
