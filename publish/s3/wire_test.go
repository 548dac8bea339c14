package s3_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"tidemark/internal/lab"
	"tidemark/publish"
	"tidemark/publish/s3"
	"tidemark/publish/storetest"
)

// TestPut_Headers: what goes over the wire with an object, and what never does.
func TestPut_Headers(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		var mu sync.Mutex
		var seen http.Header
		o := lab.FaultProxyOptions{Before: func(_ int, r *http.Request) bool {
			mu.Lock()
			defer mu.Unlock()
			seen = r.Header.Clone()
			return true
		}}
		if s.pki != nil {
			o.Cert = s.pki.cert(t)
		}
		p := s.proxied(t, o)
		for _, checksum := range []string{"", "when_required"} {
			so := s.options("wire" + checksum)
			so.Endpoint, so.Checksum = p.URL, checksum
			store := open(t, so)
			if _, err := store.Put(t.Context(), publish.NewObject("m/1/manifest.json", []byte("hello")), publish.Condition{Absent: true}); err != nil {
				t.Fatal(err)
			}
			want := map[string]string{"Content-Type": "application/json", "Cache-Control": publish.CacheImmutable, "If-None-Match": "*",
				"Content-Encoding": "", "X-Amz-Trailer": "", "X-Amz-Checksum-Sha256": "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="}
			if checksum != "" {
				want["X-Amz-Checksum-Sha256"] = ""
			}
			for k, v := range want {
				if got := seen.Get(k); got != v {
					t.Errorf("checksum %q: %s: %q, expected %q", checksum, k, got, v)
				}
			}
			for k := range seen {
				if checksum != "" && strings.Contains(strings.ToLower(k), "checksum") {
					t.Errorf("when_required, and yet %s", k)
				}
			}
		}
	})
}

// TestStockTools: the AWS command line and curl read back what was put, with its headers.
func TestStockTools(t *testing.T) {
	const aws2 = "/usr/bin/aws" // others may lie earlier in PATH
	need(t, aws2, "awscli")
	need(t, "curl", "curl")
	each(t, func(t *testing.T, s *server) {
		store := open(t, s.options("centos"))
		r := release(7, "seven")
		mustPush(t, store, r)
		policy := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":["s3:GetObject"],"Resource":["arn:aws:s3:::%s/*"]}]}`, bucket)
		if _, err := s.sdk().PutBucketPolicy(t.Context(), &awss3.PutBucketPolicyInput{Bucket: aws.String(bucket), Policy: &policy}); err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		down := exec.CommandContext(t.Context(), aws2, "--endpoint-url", s.url, "s3", "cp", "--recursive", "s3://"+bucket+"/centos/", dir)
		down.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID="+accessKey, "AWS_SECRET_ACCESS_KEY="+secretKey, "AWS_REGION=us-east-1",
			"AWS_EC2_METADATA_DISABLED=true", "AWS_CA_BUNDLE="+s.ca)
		if out, err := down.CombinedOutput(); err != nil {
			t.Fatalf("aws s3 cp: %v\n%s", err, out)
		}
		w := &storetest.World{Read: func(name string) []byte { b, _ := os.ReadFile(filepath.Join(dir, name)); return b }}
		if err := w.Is(r); err != nil {
			t.Errorf("read by aws: %v", err)
		}
		for name, want := range map[string]string{
			"manifest.bundle.json": "application/json|" + publish.CacheBrief, "m/7/manifest.json.asc": "application/pgp-signature|" + publish.CacheImmutable,
			"latest.txt": "text/plain; charset=utf-8|" + publish.CacheBrief, "trust/1.json": "application/json|" + publish.CacheImmutable,
		} {
			body := filepath.Join(t.TempDir(), "body")
			args := []string{"-fsS", "--max-time", "20", "-D", "-", "-o", body, s.url + "/" + bucket + "/centos/" + name}
			if s.ca != "" {
				args = append(args, "--cacert", s.ca)
			}
			out, err := exec.CommandContext(t.Context(), "curl", args...).CombinedOutput()
			if err != nil {
				t.Fatalf("curl %s: %v\n%s", name, err, out)
			}
			h := headers(string(out))
			if got := h.Get("Content-Type") + "|" + h.Get("Cache-Control"); got != want || h.Get("Content-Encoding") != "" {
				t.Errorf("%s: %s, encoding %q, expected %s and none", name, got, h.Get("Content-Encoding"), want)
			}
			o, err := store.Get(t.Context(), name, 1<<20)
			if b, _ := os.ReadFile(body); err != nil || string(b) != string(o.Data) || o.Type+"|"+o.Cache != want {
				t.Errorf("%s: curl reads %q, Get %q as %s|%s, %v", name, b, o.Data, o.Type, o.Cache, err)
			}
		}
	})
}

func headers(text string) http.Header {
	h := http.Header{}
	for line := range strings.Lines(text) {
		if k, v, ok := strings.Cut(line, ":"); ok {
			h.Add(k, strings.TrimSpace(v))
		}
	}
	return h
}

// TestRequests: what a run costs. A steady run looks twice.
func TestRequests(t *testing.T) {
	s := versitygw(t, false)
	p := s.proxied(t, lab.FaultProxyOptions{})
	o := s.options("counted")
	o.Endpoint = p.URL
	store := open(t, o)
	run := func(content string) int {
		p.Reset()
		if _, err := next(t.Context(), store, content); err != nil {
			t.Fatal(err)
		}
		return p.Count()
	}
	first := run("one")
	changed := run("two")
	p.Reset()
	if _, err := publish.Look(t.Context(), store); err != nil || p.Count() != 2 {
		t.Errorf("a look costs %d requests, expected 2 (%v)", p.Count(), err)
	}
	t.Logf("first publication %d requests, changed run %d, with three signatures and one status file", first, changed)
	if changed >= 30 {
		t.Errorf("a changed run costs %d requests, expected fewer than 30", changed)
	}
}

// TestErrors: each refusal names bucket and key and says what to do.
func TestErrors(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		code   string
		header string
		want   string
	}{
		{"forbidden", 403, "AccessDenied", "", "allow s3:PutObject on arn:aws:s3:::mirrors/p/*"},
		{"no bucket", 404, "NoSuchBucket", "", "make bucket mirrors first (aws s3 mb s3://mirrors)"},
		{"no bucket, no words", 404, "", "", "make bucket mirrors first"},
		{"clock", 403, "RequestTimeTooSkewed", "", "set the clock"},
		{"secret", 403, "SignatureDoesNotMatch", "", "its secret is another"},
		{"session", 400, "ExpiredToken", "", "log in anew"},
		{"region", 301, "PermanentRedirect", "eu-north-1", "the bucket is in region eu-north-1, not us-east-1"},
		{"region in signature", 400, "AuthorizationHeaderMalformed", "", "correct region"},
		{"checksum", 400, "InvalidRequest", "", "set checksum: when_required"},
		{"later", 503, "SlowDown", "", "no answer to be had in"},
	} {
		t.Run(c.name, func(t *testing.T) {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if c.header != "" {
					w.Header().Set("X-Amz-Bucket-Region", c.header)
				}
				w.WriteHeader(c.status)
				if c.code != "" {
					fmt.Fprintf(w, "<Error><Code>%s</Code><Message>no\u202e, %s</Message></Error>", c.code, r.Header.Get("X-Amz-Date"))
				}
			}))
			defer srv.Close()
			s := &server{url: srv.URL}
			o := s.options("p")
			o.Timeout = time.Second
			_, err := open(t, o).Put(t.Context(), publish.NewObject("latest.json", []byte("x")), publish.Condition{})
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range []string{c.want, "put s3://mirrors/p/latest.json", fmt.Sprint(c.status)} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %v, expected %q in it", err, want)
				}
			}
			for _, not := range []string{accessKey, secretKey, "\u202e", "operation error"} {
				if strings.Contains(err.Error(), not) {
					t.Errorf("%q is in the error: %v", not, err)
				}
			}
			if errors.Is(err, publish.ErrConflict) || errors.Is(err, publish.ErrNotFound) {
				t.Errorf("%v is taken for a conflict or an absence", err)
			}
		})
	}
}

// TestRetryAfter: longer than the deadline is said at once.
func TestRetryAfter(t *testing.T) {
	n := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n++
		w.Header().Set("Retry-After", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
		w.WriteHeader(429)
	}))
	defer srv.Close()
	s := &server{url: srv.URL}
	_, err := open(t, s.options("p")).Get(t.Context(), "latest.json", 10)
	if err == nil || !strings.Contains(err.Error(), "the server asks to come back in 1h0m0s") || n != 1 {
		t.Errorf("%d requests, error %v", n, err)
	}
}

// TestPut_OwnAnswerLost: the retry of a conditional write whose answer was lost is refused; the bytes tell that it was ours.
func TestPut_OwnAnswerLost(t *testing.T) {
	s := versitygw(t, false)
	p := s.proxied(t, lab.FaultProxyOptions{})
	o := s.options("lost")
	o.Endpoint = p.URL
	store, direct := open(t, o), open(t, s.options("lost"))
	tag := ""
	for i, c := range []publish.Condition{{Absent: true}, {Match: "the tag"}} {
		if c.Match != "" {
			c.Match = tag
		}
		p.Reset(lab.Fault{At: 1, Kind: lab.FaultAnswerLost})
		got, err := store.Put(t.Context(), publish.NewObject("latest.json", fmt.Appendf(nil, "%d", i)), c)
		if there, getErr := direct.Get(t.Context(), "latest.json", 10); err != nil || getErr != nil || got != there.Tag || p.Count() != 3 {
			t.Errorf("%+v: tag %s, %v, at the store %+v, %v, %d requests", c, got, err, there, getErr, p.Count())
		}
		tag = got
	}
	p.Reset(lab.Fault{At: 1, Kind: lab.FaultResetAfter})
	if _, err := store.Put(t.Context(), publish.NewObject("latest.json", []byte("other")), publish.Condition{Absent: true}); !errors.Is(err, publish.ErrConflict) {
		t.Errorf("somebody else's object: %v, expected a conflict", err)
	}
}

// TestNew refuses what cannot be meant, and asks nobody.
func TestNew(t *testing.T) {
	t.Setenv("AWS_REGION", "")
	t.Setenv("AWS_DEFAULT_REGION", "")
	t.Setenv("AWS_CONFIG_FILE", "/nonexistent")
	for want, o := range map[string]s3.Options{
		"bucket name":          {Bucket: "a/b"},
		"prefix":               {Bucket: "b2c", Prefix: "../x"},
		"checksum":             {Bucket: "b2c", Checksum: "md5"},
		"no region is known":   {Bucket: "b2c"},
		"endpoint \"ftp://x\"": {Bucket: "b2c", Endpoint: "ftp://x"},
		"credentials belong":   {Bucket: "b2c", Endpoint: "https://user:hunter2@x"},
		"read the ca":          {Bucket: "b2c", Region: "r", CA: "/nonexistent"},
		"no certificate in it": {Bucket: "b2c", Region: "r", CA: "store_test.go"},
	} {
		_, err := s3.New(t.Context(), o)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%+v: error %v, expected %q in it", o, err, want)
		}
	}
	if got := open(t, s3.Options{Bucket: "b2c", Prefix: "/centos/", Region: "r"}).String(); got != "s3://b2c/centos" {
		t.Errorf("String gives %s", got)
	}
}

// TestCA: a server whose authority is not named is not believed, and the error says what to set.
func TestCA(t *testing.T) {
	s := versitygw(t, true)
	o := s.options("p")
	o.CA = ""
	if _, err := open(t, o).Get(t.Context(), "a", 1); err == nil || !strings.Contains(err.Error(), "set ca to the PEM file") {
		t.Errorf("error %v", err)
	}
	o = s.options("p")
	o.Endpoint = strings.Replace(o.Endpoint, "https", "http", 1)
	o.Timeout = 2 * time.Second
	if _, err := open(t, o).Get(t.Context(), "a", 1); err == nil {
		t.Error("plain http to a TLS server succeeded")
	} else {
		t.Log(err)
	}
}

// TestForeign: a bucket with other things in it is refused, one of ours never.
func TestForeign(t *testing.T) {
	s := versitygw(t, false)
	ask := func(store *s3.Store) error {
		st, err := publish.Look(t.Context(), store)
		if err != nil {
			t.Fatal(err)
		}
		return publish.Foreign(t.Context(), store, st)
	}
	place := func(store *s3.Store, name string) {
		if _, err := store.Put(t.Context(), publish.NewObject(name, []byte("x")), publish.Condition{}); err != nil {
			t.Fatal(err)
		}
	}
	empty := open(t, s.options("empty"))
	if err := ask(empty); err != nil {
		t.Errorf("an empty prefix: %v", err)
	}
	place(empty, "keys/centos.asc") // a run was killed in step 0
	place(empty, "m/1/manifest.bundle.json")
	if err := ask(empty); err != nil {
		t.Errorf("a run killed before its first pointer: %v", err)
	}
	place(empty, "index.html") // the pointer was removed later
	if err := ask(empty); err != nil {
		t.Errorf("a site that lost its pointer: %v", err)
	}
	foreign := open(t, s.options("foreign"))
	if _, err := s.sdk().PutObject(t.Context(), &awss3.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String("foreign/My Photos/1.jpg"), Body: strings.NewReader("x")}); err != nil {
		t.Fatal(err)
	}
	var f *publish.ForeignError
	if err := ask(foreign); !errors.As(err, &f) || !strings.Contains(err.Error(), "My Photos/1.jpg") || !strings.Contains(err.Error(), "choose an empty prefix") {
		t.Errorf("a foreign prefix: %v", err)
	}
	place(foreign, "latest.json")
	if st, _ := publish.Look(t.Context(), foreign); publish.Foreign(t.Context(), foreign, st) != nil {
		t.Error("a damaged pointer makes the site foreign")
	}
}
