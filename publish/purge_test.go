package publish_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tidemark/internal/lab"
	"tidemark/publish"
	"tidemark/publish/storetest"
)

// recorder is a cache that answers as told and writes down what it was asked.
type recorder struct {
	mu     sync.Mutex
	asked  []string
	answer func(w http.ResponseWriter, r *http.Request)
}

func (rec *recorder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rec.mu.Lock()
	rec.asked = append(rec.asked, strings.TrimSpace(fmt.Sprintf("%s http://%s%s %s%s%s", r.Method, r.Host, r.URL.EscapedPath(),
		r.Header.Get(publish.BanHeader), r.Header.Get("Fastly-Key"), r.Header.Get("Authorization"))))
	rec.mu.Unlock()
	if rec.answer != nil {
		rec.answer(w, r)
	}
}

func record(t *testing.T, answer func(w http.ResponseWriter, r *http.Request)) (*recorder, string) {
	t.Helper()
	rec := &recorder{answer: answer}
	server := httptest.NewServer(rec)
	t.Cleanup(server.Close)
	return rec, server.URL + "/centos/"
}

func (rec *recorder) sorted() []string {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	return slices.Sorted(slices.Values(rec.asked))
}

func code(status int) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }
}

func TestPurge_Requests(t *testing.T) {
	one, url1 := record(t, nil)
	two, url2 := record(t, nil)
	header, err := publish.PurgeHeader("Fastly-Key: abc\nFastly-Soft-Purge: 1\n")
	if err != nil {
		t.Fatal(err)
	}
	err = publish.Purge(t.Context(), publish.PurgeOptions{Caches: []publish.Cache{
		{URL: url1, Host: "mirrors.example.org", Header: header},
		{URL: strings.TrimSuffix(url2, "/"), Method: "BAN", Host: "mirrors.example.org"},
	}}, []string{"latest.json", "mirror/a+b.html"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"PURGE http://mirrors.example.org/centos/latest.json abc", "PURGE http://mirrors.example.org/centos/mirror/a+b.html abc"}, one.sorted()); diff != "" {
		t.Errorf("PURGE (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"BAN http://mirrors.example.org/centos ^/centos/(latest[.]json|mirror/a[+]b[.]html)$"}, two.sorted()); diff != "" {
		t.Errorf("BAN (-want +got):\n%s", diff)
	}
}

func TestPurge_Answers(t *testing.T) {
	for status, want := range map[int]string{200: "", 202: "", 204: "", 404: "", 412: "",
		301: "redirect (status 301)", 307: "redirect (status 307)", 304: "redirect", 401: "status 401", 403: "must allow this host's address",
		405: "does not do PURGE", 501: "does not do PURGE", 500: "found status 500", 503: "found status 503"} {
		rec, url := record(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(status)
		})
		err := publish.Purge(t.Context(), publish.PurgeOptions{Caches: []publish.Cache{{URL: url}}}, []string{"latest.json"})
		if (want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("status %d: %v, expected %q", status, err, want)
		}
		if len(rec.asked) != 1 {
			t.Errorf("status %d: asked %v, expected one request", status, rec.asked)
		}
	}
	_, url := record(t, code(404))
	if err := publish.Purge(t.Context(), publish.PurgeOptions{Caches: []publish.Cache{{URL: url, Method: "BAN"}}}, []string{"latest.json"}); err == nil {
		t.Error("a BAN that was answered 404 counts as done")
	}
}

func TestPurge_FailuresStopNothing(t *testing.T) {
	good, url := record(t, nil)
	_, bad := record(t, code(403))
	names := []string{"latest.json", "manifest.json", "manifest.json.asc", "latest.txt"}
	err := publish.Purge(t.Context(), publish.PurgeOptions{Caches: []publish.Cache{
		{URL: bad}, {URL: "http://127.0.0.1:1/"}, {URL: "ftp://127.0.0.1/"}, {URL: url, Method: "DELETE"}, {URL: url}}}, names)
	var failed *publish.PurgeError
	if !errors.As(err, &failed) {
		t.Fatalf("found %v, expected a *PurgeError", err)
	}
	if len(good.asked) != len(names) || failed.Asked != 14 || len(failed.Failed) != 10 {
		t.Errorf("the good cache was asked %d times, expected 4; %d of %d failed, expected 10 of 14", len(good.asked), len(failed.Failed), failed.Asked)
	}
	if text := err.Error(); !strings.HasPrefix(text, "10 of 14 purge requests failed; PURGE "+bad+"latest.json: ") || !strings.HasSuffix(text, "; and 7 more") {
		t.Errorf("its text: %s", text)
	}
}

func TestPurge_Hangs(t *testing.T) {
	_, url := record(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	o := publish.PurgeOptions{Caches: []publish.Cache{{URL: url}}, Within: 500 * time.Millisecond, Timeout: 100 * time.Millisecond, AtOnce: 3}
	var failed *publish.PurgeError
	if err := publish.Purge(t.Context(), o, numbered(20)); !errors.As(err, &failed) || len(failed.Failed) != 20 || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a cache that hangs: %v, expected 20 failures by the deadline", err)
	}
}

func TestPurge_AtOnce(t *testing.T) {
	var now, most atomic.Int32
	_, url := record(t, func(http.ResponseWriter, *http.Request) {
		n := now.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		time.Sleep(5 * time.Millisecond)
		now.Add(-1) // before the answer is sent
	})
	if err := publish.Purge(t.Context(), publish.PurgeOptions{Caches: []publish.Cache{{URL: url}}, AtOnce: 3}, numbered(20)); err != nil {
		t.Fatal(err)
	}
	if most.Load() > 3 {
		t.Errorf("%d requests at once, expected 3", most.Load())
	}
}

func numbered(n int) (names []string) {
	for i := range n {
		names = append(names, fmt.Sprintf("n%d", i))
	}
	return names
}

func TestPurge_PlainHTTPStaysNear(t *testing.T) {
	for address, want := range map[string][2]string{ // without and with a token
		"127.0.0.1:1":           {"", ""},
		"[::1]:1":               {"", ""},
		"[::ffff:127.0.0.1]:1":  {"", ""},
		"10.1.2.3:80":           {"", "in the clear"},
		"192.168.0.1:80":        {"", "in the clear"},
		"[fd00::1]:80":          {"", "in the clear"},
		"[fe80::1%eth0]:80":     {"", "in the clear"},
		"[::ffff:192.0.2.1]:80": {"use https", "in the clear"},
		"192.0.2.1:80":          {"use https", "in the clear"},
		"[2001:db8::1]:80":      {"use https", "in the clear"},
		"100.64.0.1:80":         {"use https", "in the clear"},
		"169.254.169.254:80":    {"", "in the clear"},
		"0.0.0.0:80":            {"use https", "in the clear"},
	} {
		for i, secret := range []bool{false, true} {
			err := publish.Near(address, secret)
			if (want[i] == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), want[i]) {
				t.Errorf("%s, token %v: %v, expected %q", address, secret, err, want[i])
			}
		}
	}
	// And it is asked: no connection is made to a documentation address.
	err := publish.Purge(t.Context(), publish.PurgeOptions{Caches: []publish.Cache{{URL: "http://192.0.2.1/"}}}, []string{"latest.json"})
	if err == nil || !strings.Contains(err.Error(), "public address 192.0.2.1") {
		t.Errorf("found %v, expected that the address is refused", err)
	}
}

func TestPurge_Names(t *testing.T) {
	rec, url := record(t, nil)
	for _, name := range []string{"../x", "/x", "a b", ""} {
		if err := publish.Purge(t.Context(), publish.PurgeOptions{Caches: []publish.Cache{{URL: url}}}, []string{"latest.json", name}); err == nil {
			t.Errorf("name %q was purged", name)
		}
	}
	if err := publish.Purge(t.Context(), publish.PurgeOptions{Caches: []publish.Cache{{URL: url}}}, nil); err != nil || len(rec.asked) > 0 {
		t.Errorf("no names: %v, asked %v", err, rec.asked)
	}
	r := release(3, "x")
	want := slices.Concat([]string{"trust.json", "keys/centos.asc", "latest.json"}, storetest.FixedNames(), []string{"latest.txt", "status.json"})
	if diff := cmp.Diff(want, r.Names()); diff != "" {
		t.Errorf("names of a release (-want +got):\n%s", diff)
	}
}

func TestPurgeHeader(t *testing.T) {
	for text, want := range map[string]http.Header{
		"Fastly-Key: abc\n":         {"Fastly-Key": {"abc"}},
		"abc\n":                     {"Authorization": {"Bearer abc"}},
		"X-Purge-Token:  a:b ":      {"X-Purge-Token": {"a:b"}},
		"Fastly-Key: a\r\nX-B: c\n": {"Fastly-Key": {"a"}, "X-B": {"c"}},
		"":                          nil, "\n": nil, "a\nb": nil, "A: b\nc": nil, ": x": nil, "A b: x": nil, "A:": nil, "A: b\x00": nil, "sch\u00f6n": nil,
	} {
		got, err := publish.PurgeHeader(text)
		if diff := cmp.Diff(want, got); diff != "" || (err == nil) != (want != nil) {
			t.Errorf("%q: %v (-want +got):\n%s", text, err, diff)
		}
		if err != nil && strings.Contains(err.Error(), "sch") {
			t.Errorf("the error shows the token: %v", err)
		}
	}
}

// need skips, or under CI fails, where there is no such program.
func need(t testing.TB, program, pkg string) {
	t.Helper()
	if _, err := exec.LookPath(program); err == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is missing: apt-get install -y %s", program, pkg)
	}
	t.Skipf("%s is missing: apt-get install -y %s", program, pkg)
}

// realCaches are Varnish and nginx before a real bucket, and the bucket.
func realCaches(t *testing.T, longest time.Duration) (*lab.S3, map[string]*lab.Service) {
	t.Helper()
	if testing.Short() {
		t.Skip("versitygw takes a minute to build")
	}
	need(t, "/usr/sbin/varnishd", "varnish")
	need(t, "/usr/sbin/nginx", "nginx-light")
	g, err := lab.StartVersityGW(t.Context(), lab.S3Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Stop() })
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
	return g, map[string]*lab.Service{"varnish": varnish, "nginx": nginx}
}

// asReaders is what readers get through a cache.
func asReaders(t *testing.T, base string) func(ctx context.Context, name string) ([]byte, error) {
	return func(ctx context.Context, name string) ([]byte, error) {
		c := exec.CommandContext(ctx, "curl", "-sS", "--fail", "-H", "Host: mirrors.example.org", base+name)
		return c.Output()
	}
}

func TestPurge_RealCaches(t *testing.T) {
	need(t, "curl", "curl")
	g, caches := realCaches(t, 0)
	header := http.Header{"Cache-Control": {publish.CacheBrief}}
	for kind, cache := range caches {
		for _, method := range []string{"PURGE", "BAN"} {
			if kind == "nginx" && method == "BAN" {
				continue
			}
			t.Run(kind+" "+method, func(t *testing.T) {
				fetch := asReaders(t, cache.URL())
				names := []string{"latest.json", "mirror/a+b.html"}
				all := append([]string{"untouched.json"}, names...)
				put := func(text string) {
					for _, name := range all {
						if err := g.Put(t.Context(), name, []byte(text), header); err != nil {
							t.Fatal(err)
						}
					}
				}
				kept := func(why string) {
					for _, name := range all {
						if got, err := fetch(t.Context(), name); err != nil || string(got) != "old" {
							t.Fatalf("%s, %s: %q, %v; expected the old one", why, name, got, err)
						}
					}
				}
				put("old")
				publish.Purge(t.Context(), publish.PurgeOptions{Caches: []publish.Cache{{URL: cache.URL(), Host: "mirrors.example.org"}}}, all)
				kept("before")
				put("new")
				kept("replaced at the origin")
				err := publish.Purge(t.Context(), publish.PurgeOptions{Caches: []publish.Cache{
					{URL: cache.URL(), Method: method, Host: "mirrors.example.org"}}}, names)
				if err != nil {
					t.Fatal(err)
				}
				for name, want := range map[string]string{names[0]: "new", names[1]: "new", "untouched.json": "old"} {
					if got, err := fetch(t.Context(), name); err != nil || string(got) != want {
						t.Errorf("%s after the purge: %q, %v; expected the %s one", name, got, err, want)
					}
				}
			})
		}
	}
}
