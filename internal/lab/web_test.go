package lab_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tidemark/client"
	"tidemark/internal/lab"
	"tidemark/keys"
	"tidemark/manifest"
	"tidemark/sign"
)

var webDay = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)

func publisher(t *testing.T) *lab.Publisher {
	t.Helper()
	p, err := lab.NewPublisher(t.TempDir(), "centos", webDay)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestPublisher_ReadersAccept: what the lab lays is what the real door opens, in its every form.
func TestPublisher_ReadersAccept(t *testing.T) {
	n := newNetwork(t, lab.Options{Trees: []string{"centos"}})
	p := publisher(t)
	for serial := int64(1); serial <= 2; serial++ {
		m, err := n.Manifest(t.Context(), webDay)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Publish(m); err != nil {
			t.Fatal(err)
		}
		bundle, err := os.ReadFile(filepath.Join(p.Site, "manifest.bundle.json"))
		if err != nil {
			t.Fatal(err)
		}
		pinned, err := os.ReadFile(p.TrustFile)
		if err != nil {
			t.Fatal(err)
		}
		trust, err := sign.OpenTrust(pinned)
		if err != nil {
			t.Fatal(err)
		}
		o, _, err := client.Open(bundle, client.Options{Network: "centos", Trust: trust, Now: webDay})
		if err != nil {
			t.Fatal(err)
		}
		if o.Manifest.Serial != serial || (serial == 2) != (o.Manifest.Previous != "") {
			t.Errorf("serial %d, previous %q", o.Manifest.Serial, o.Manifest.Previous)
		}
		if tree := o.Manifest.Trees["centos"]; tree.Timestamp != start || tree.Files < 30 || len(tree.Anchors) != 4 {
			t.Errorf("tree: %+v", tree)
		}
		// 3 of 5 nodes and 8 of 12 mirrors follow; the others behave otherwise.
		if got := len(o.Manifest.Sources); got != 11 {
			t.Errorf("%d sources, expected 11", got)
		}
		if _, _, err := client.OpenFiles(os.DirFS(filepath.Join(p.Site, "m", fmt.Sprint(serial))), client.Options{Network: "centos", Trust: trust, Now: webDay}); err != nil {
			t.Error(err)
		}
	}
}

func TestPublisher_NextTrust(t *testing.T) {
	p := publisher(t)
	pinned, err := os.ReadFile(p.TrustFile)
	if err != nil {
		t.Fatal(err)
	}
	first, err := sign.OpenTrust(pinned)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.NextTrust(func(tr *keys.Trust) { tr.MinSerial = 7 }); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(p.Site, "trust", "2.json"))
	if err != nil {
		t.Fatal(err)
	}
	if next, err := sign.NextTrust(first, b); err != nil || next.MinSerial != 7 {
		t.Fatalf("%+v, %v", next, err)
	}
}

func TestSite_AnswersAndRemembers(t *testing.T) {
	need(t, "/usr/sbin/nginx", "nginx-light")
	p := publisher(t)
	if err := p.Publish(&manifest.Manifest{Trees: map[string]manifest.Tree{}}); err != nil {
		t.Fatal(err)
	}
	w, err := lab.StartSite(t.Context(), t.TempDir(), p.Site, lab.WebOptions{Extra: "location = /away { return 302 http://192.0.2.1/; }"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Stop() })
	c, err := w.Client()
	if err != nil {
		t.Fatal(err)
	}
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	ask := func(url, tag string) *http.Response {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
		if err != nil {
			t.Fatal(err)
		}
		if tag != "" {
			req.Header.Set("If-None-Match", tag)
		}
		resp, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		return resp
	}
	first := ask(w.URL+"manifest.bundle.json", "")
	if got := first.Header.Get("Cache-Control"); got != "max-age=60, must-revalidate, no-transform" {
		t.Errorf("Cache-Control %q", got)
	}
	if got := ask(w.Plain+"m/1/manifest.json", "").Header.Get("Cache-Control"); got != "max-age=31536000, immutable" {
		t.Errorf("Cache-Control of an immutable copy: %q", got)
	}
	tag := first.Header.Get("ETag")
	ask(w.URL+"manifest.bundle.json", tag)
	if err := p.Publish(&manifest.Manifest{Trees: map[string]manifest.Tree{}}); err != nil {
		t.Fatal(err)
	}
	ask(w.URL+"manifest.bundle.json", tag)
	ask(w.URL+"away", "")
	got, err := w.Requests(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var short []string
	for _, r := range got {
		short = append(short, fmt.Sprint(r.Scheme, " ", r.Path, " ", r.Status))
	}
	want := []string{"https /manifest.bundle.json 200", "http /m/1/manifest.json 200", "https /manifest.bundle.json 304", "https /manifest.bundle.json 200", "https /away 302"}
	if fmt.Sprint(short) != fmt.Sprint(want) {
		t.Errorf("requests %q, expected %q", short, want)
	}
	if got[2].Sent >= 1000 || got[0].Sent <= 1000 {
		t.Errorf("%d bytes for a 304, %d for the bundle", got[2].Sent, got[0].Sent)
	}
	if err := w.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, err := w.Requests(t.Context()); err != nil || len(got) != 0 {
		t.Errorf("after Reset: %v, %v", got, err)
	}
}

func TestStatic_AsksAgain(t *testing.T) {
	p := publisher(t)
	if err := p.Publish(&manifest.Manifest{Trees: map[string]manifest.Tree{}}); err != nil {
		t.Fatal(err)
	}
	s, err := lab.ServeStatic(t.Context(), t.TempDir(), p.Site)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	c, err := s.Client()
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(filepath.Join(p.Site, "manifest.bundle.json"))
	if err != nil {
		t.Fatal(err)
	}
	if code, got := status(t, c, s.URL+"manifest.bundle.json"); code != 200 || got != string(want) {
		t.Errorf("%d, %d bytes, expected the bundle's %d", code, len(got), len(want))
	}
	resp, err := c.Get(s.URL + "manifest.bundle.json")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	req, _ := http.NewRequestWithContext(t.Context(), "GET", s.URL+"manifest.bundle.json", nil)
	req.Header.Set("If-None-Match", resp.Header.Get("ETag"))
	if resp, err = c.Do(req); err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 304 {
		t.Errorf("If-None-Match: %d, expected 304", resp.StatusCode)
	}
	for _, path := range []string{"", "m", "m/", "none", "../trust.json", "%2e%2e/trust.json"} {
		if code, _ := status(t, c, s.URL+path); code != 404 {
			t.Errorf("%q: %d, expected 404", path, code)
		}
	}
}
