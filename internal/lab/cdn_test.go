package lab_test

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tidemark/internal/lab"
)

// cdns starts both kinds of cache before g.
func cdns(t *testing.T, g *lab.S3, longest time.Duration) map[string]*lab.Service {
	t.Helper()
	need(t, "/usr/sbin/varnishd", "varnish")
	need(t, "/usr/sbin/nginx", "nginx-light")
	varnish, err := lab.StartVarnish(t.Context(), t.TempDir(), lab.VarnishCDN(g, longest))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { varnish.Stop() })
	nginx, err := lab.StartNginx(t.Context(), t.TempDir(), lab.NginxCDN(g, longest))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nginx.Stop() })
	return map[string]*lab.Service{"varnish": varnish, "nginx": nginx}
}

func get(t *testing.T, method, url string, header ...string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}

func TestCDN_KeepsPurgesAndAsksAgain(t *testing.T) {
	g := startS3(t, lab.S3Options{Dir: t.TempDir()})
	file := filepath.Join(g.Root, g.Bucket, "a.txt")
	put := func(text string) {
		if err := g.Put(t.Context(), "a.txt", []byte(text), http.Header{"Cache-Control": {"max-age=3600, must-revalidate"}}); err != nil {
			t.Fatal(err)
		}
	}
	for name, cdn := range cdns(t, g, 0) {
		t.Run(name, func(t *testing.T) {
			put("one")
			if b, err := os.ReadFile(file); err != nil || string(b) != "one" {
				t.Fatalf("the object's file: %q, %v", b, err)
			}
			expect := func(why, body string) {
				t.Helper()
				code, got := status(t, http.DefaultClient, cdn.URL()+"a.txt")
				if code != 200 || got != body {
					t.Errorf("%s: %d %q, expected 200 %q", why, code, got, body)
				}
			}
			if code, _ := status(t, http.DefaultClient, cdn.URL()+"none.txt"); code != 404 {
				t.Errorf("an absent object: %d, expected 404", code)
			}
			expect("first", "one")
			put("two")
			expect("kept", "one")
			tag := get(t, "GET", cdn.URL()+"a.txt").Header.Get("ETag")
			if code := get(t, "GET", cdn.URL()+"a.txt", "If-None-Match", tag).StatusCode; code != 304 {
				t.Errorf("If-None-Match: %d, expected 304", code)
			}
			if code := get(t, "PURGE", cdn.URL()+"a.txt").StatusCode; code != 200 {
				t.Errorf("PURGE: %d, expected 200", code)
			}
			expect("purged", "two")
			if name == "nginx" {
				return
			}
			put("three")
			if code := get(t, "BAN", cdn.URL(), "X-Ban-Url", "^/(a[.]txt|b)$").StatusCode; code != 200 {
				t.Errorf("BAN: %d, expected 200", code)
			}
			expect("banned", "three")
			put("four")
			get(t, "BAN", cdn.URL(), "X-Ban-Url", "^/(b[.]txt|b)$")
			expect("another's ban", "three")
		})
	}
}

func TestCDN_LongestTime(t *testing.T) {
	g := startS3(t, lab.S3Options{Dir: t.TempDir()})
	header := http.Header{"Cache-Control": {"max-age=3600"}}
	for name, cdn := range cdns(t, g, time.Second) {
		if err := g.Put(t.Context(), name, []byte("old"), header); err != nil {
			t.Fatal(err)
		}
		status(t, http.DefaultClient, cdn.URL()+name)
		if err := g.Put(t.Context(), name, []byte("new"), header); err != nil {
			t.Fatal(err)
		}
		for tries := 0; ; tries++ {
			_, body := status(t, http.DefaultClient, cdn.URL()+name)
			if body == "new" {
				break
			}
			if tries > 600 {
				t.Fatalf("%s: still %q", name, body)
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
}
