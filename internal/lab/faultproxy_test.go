package lab_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tidemark/internal/lab"
)

// TestFaultProxy: what each fault does to a client, and whether the server saw the request.
func TestFaultProxy(t *testing.T) {
	const text = "0123456789"
	var arrived atomic.Int32
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if b, err := io.ReadAll(r.Body); err != nil || r.Method == http.MethodPut && string(b) != text {
			return // a cut upload
		}
		arrived.Add(1)
		if r.Host != "signed.example" {
			t.Errorf("the Host header arrived as %q", r.Host)
		}
		if r.Method == http.MethodGet {
			io.WriteString(w, text)
		}
	}))
	defer up.Close()
	for _, c := range []struct {
		name    string
		fault   lab.Fault
		method  string
		want    string // status and body, or "error"
		arrived int32
	}{
		{"none", lab.Fault{}, "GET", "200 " + text, 1},
		{"other request", lab.Fault{At: 2, Kind: lab.FaultStatus, Status: 500}, "GET", "200 " + text, 1},
		{"status", lab.Fault{At: 1, Kind: lab.FaultStatus, Status: 503}, "PUT", "503 <", 0},
		{"for ever", lab.Fault{At: 1, Times: -1, Kind: lab.FaultStatus, Status: 404, Body: "x"}, "GET", "404 x", 0},
		{"others only", lab.Fault{At: 1, Kind: lab.FaultStatus, Status: 404, Only: func(r *http.Request) bool { return r.Method == "PUT" }}, "GET", "200 " + text, 1},
		{"reset before", lab.Fault{At: 1, Times: 9, Kind: lab.FaultResetBefore}, "PUT", "error", 0},
		{"reset after", lab.Fault{At: 1, Times: 9, Kind: lab.FaultResetAfter}, "PUT", "error", 0},
		{"truncated answer", lab.Fault{At: 1, Times: 9, Kind: lab.FaultTruncated}, "GET", "error", 1},
		{"truncated upload", lab.Fault{At: 1, Times: 9, Kind: lab.FaultTruncated}, "PUT", "error", 0},
		{"hang", lab.Fault{At: 1, Times: 9, Kind: lab.FaultHang}, "GET", "error", 0},
		{"answer lost", lab.Fault{At: 1, Times: 9, Kind: lab.FaultAnswerLost}, "PUT", "error", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := lab.StartFaultProxy(lab.FaultProxyOptions{Upstream: up.URL})
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			p.Reset(c.fault)
			arrived.Store(0)
			got := ask(p.URL, c.method, text)
			if !strings.HasPrefix(got, c.want) {
				t.Errorf("the client got %q, expected %q", got, c.want)
			}
			if arrived.Load() != c.arrived {
				t.Errorf("%d requests arrived, expected %d", arrived.Load(), c.arrived)
			}
			if seen := p.Requests(); p.Count() != 1 || len(seen) != 1 || seen[0].Method != c.method || seen[0].Path != "/a?b" {
				t.Errorf("requests seen: %d, %+v", p.Count(), seen)
			}
		})
	}
}

func ask(url, method, text string) string {
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	var body io.Reader
	if method == "PUT" {
		body = strings.NewReader(text)
	}
	r, err := http.NewRequest(method, url+"/a?b", body)
	if err != nil {
		return err.Error()
	}
	r.Host = "signed.example"
	resp, err := client.Do(r)
	if err != nil {
		return "error " + err.Error()
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return "error " + err.Error()
	}
	return resp.Status[:4] + string(b)
}

// TestFaultProxy_Hooks: a request that a hook refuses never arrives; after the server's answer it has.
func TestFaultProxy_Hooks(t *testing.T) {
	var arrived atomic.Int32
	up := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { arrived.Add(1) }))
	defer up.Close()
	var after atomic.Int32
	p, err := lab.StartFaultProxy(lab.FaultProxyOptions{Upstream: up.URL,
		Before: func(n int, _ *http.Request) bool { return n != 2 },
		After:  func(n int, _ *http.Request, status int) { after.Add(arrived.Load()*100 + int32(n)) }})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for i, want := range []string{"200", "error", "200"} {
		if got := ask(p.URL, "PUT", "x"); !strings.HasPrefix(got, want) {
			t.Errorf("request %d: %q, expected %s", i+1, got, want)
		}
	}
	if arrived.Load() != 2 || after.Load() != 101+203 {
		t.Errorf("arrived %d, after %d", arrived.Load(), after.Load())
	}
}
