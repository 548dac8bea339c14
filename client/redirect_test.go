package client

import (
	"errors"
	"net/http"
	"net/url"
	"testing"
)

// Each thing that a redirect may change of where readers ask, by itself.
func TestStay(t *testing.T) {
	at := func(s string) *http.Request {
		u, err := url.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		return &http.Request{URL: u}
	}
	const from = "https://mirrors.example.org/centos/manifest.bundle.json"
	for name, tt := range map[string]struct {
		to     string
		before int // redirects followed already
		stays  bool
	}{
		"another path":     {"https://mirrors.example.org/x", 0, true},
		"the port by name": {"https://MIRRORS.example.org:443/x", 0, true},
		"the third":        {"https://mirrors.example.org/x", 2, true},
		"the fourth":       {"https://mirrors.example.org/x", 3, false},
		"another scheme":   {"http://mirrors.example.org:443/x", 0, false},
		"another host":     {"https://example.org/x", 0, false},
		"a host below it":  {"https://a.mirrors.example.org/x", 0, false},
		"another port":     {"https://mirrors.example.org:8443/x", 0, false},
		"a user":           {"https://root@mirrors.example.org/x", 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			via := []*http.Request{at(from)}
			for range tt.before {
				via = append(via, at(from))
			}
			err := stay(at(tt.to), via)
			if r := (*Refused)(nil); (err == nil) != tt.stays || err != nil && (!errors.As(err, &r) || r.Reason != Redirect) {
				t.Errorf("%v, expected that it is followed: %t", err, tt.stays)
			}
		})
	}
}
