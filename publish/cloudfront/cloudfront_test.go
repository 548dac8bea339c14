package cloudfront_test

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/google/go-cmp/cmp"

	"tidemark/publish/cloudfront"
)

var sum = strings.Repeat("0123456789abcdef", 4)

// batch is the call's body.
type batch struct {
	XMLName         xml.Name `xml:"InvalidationBatch"`
	CallerReference string
	Paths           []string `xml:"Paths>Items>Path"`
	Quantity        int      `xml:"Paths>Quantity"`
}

// api speaks CreateInvalidation as Amazon documents it, references that were seen included.
type api struct {
	mu      sync.Mutex
	batches map[string]batch
	calls   int
	fail    func(call int) (status int, code, message string) // status 0: well
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.calls++
	var b batch
	body, _ := io.ReadAll(r.Body)
	err := xml.Unmarshal(body, &b)
	status, code, message := 0, "", ""
	if a.fail != nil {
		status, code, message = a.fail(a.calls)
	}
	seen, known := a.batches[b.CallerReference]
	switch {
	case r.Method != "POST" || r.URL.Path != "/2020-05-31/distribution/E2EXAMPLE/invalidation":
		status, code, message = 404, "NoSuchDistribution", "The specified distribution does not exist."
	case !strings.Contains(r.Header.Get("Authorization"), "Credential=key/"):
		status, code, message = 403, "InvalidClientTokenId", "unknown key"
	case status != 0:
	case err != nil || b.Quantity != len(b.Paths):
		status, code, message = 400, "InvalidArgument", fmt.Sprint(err, string(body))
	case known && !cmp.Equal(seen, b):
		status, code, message = 400, "InvalidationBatchAlreadyExists", "other paths"
	}
	w.Header().Set("Content-Type", "text/xml")
	if status != 0 {
		w.WriteHeader(status)
		fmt.Fprintf(w, `<ErrorResponse xmlns="http://cloudfront.amazonaws.com/doc/2020-05-31/"><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error><RequestId>1</RequestId></ErrorResponse>`, code, message)
		return
	}
	a.batches[b.CallerReference] = b
	w.WriteHeader(201)
	fmt.Fprintf(w, `<Invalidation><Id>I%d</Id><Status>InProgress</Status></Invalidation>`, len(a.batches))
}

func serve(t *testing.T) (*api, cloudfront.Options) {
	t.Helper()
	a := &api{batches: map[string]batch{}}
	server := httptest.NewServer(a)
	t.Cleanup(server.Close)
	return a, cloudfront.Options{Distribution: "E2EXAMPLE", Serial: 12, SHA256: sum, Endpoint: server.URL, Timeout: 20 * time.Second,
		Credentials: credentials.NewStaticCredentialsProvider("key", "topsecret", "")}
}

func TestInvalidate(t *testing.T) {
	a, o := serve(t)
	paths := []string{"/centos/manifest.json", "/centos/latest.json", "/centos/manifest.json"}
	for range 2 { // the second is a repetition
		if err := cloudfront.Invalidate(t.Context(), o, paths); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]batch{"tidemark-12-0123456789abcdef-ff28ea73": {XMLName: xml.Name{Space: "http://cloudfront.amazonaws.com/doc/2020-05-31/", Local: "InvalidationBatch"},
		CallerReference: "tidemark-12-0123456789abcdef-ff28ea73", Paths: []string{"/centos/latest.json", "/centos/manifest.json"}, Quantity: 2}}
	if diff := cmp.Diff(want, a.batches); diff != "" || a.calls != 2 {
		t.Errorf("%d calls, expected 2; batches (-want +got):\n%s", a.calls, diff)
	}
	if paths[0] != "/centos/manifest.json" {
		t.Error("the caller's list was sorted")
	}
	o2 := o
	o2.Serial = 13
	if err := errors.Join(cloudfront.Invalidate(t.Context(), o2, paths), cloudfront.Invalidate(t.Context(), o, paths[:2]),
		cloudfront.Invalidate(t.Context(), o, paths[:1])); err != nil {
		t.Fatal(err)
	}
	if len(a.batches) != 3 {
		t.Errorf("%d batches, expected one more for the next serial and one for fewer paths", len(a.batches)-1)
	}
}

func TestInvalidate_NothingToDo(t *testing.T) {
	a, o := serve(t)
	if err := cloudfront.Invalidate(t.Context(), o, nil); err != nil || a.calls != 0 {
		t.Errorf("no paths: %v, %d calls", err, a.calls)
	}
}

func TestInvalidate_TriesAgain(t *testing.T) {
	a, o := serve(t)
	a.fail = func(call int) (int, string, string) {
		if call == 1 {
			return 503, "ServiceUnavailable", "later"
		}
		return 0, "", ""
	}
	if err := cloudfront.Invalidate(t.Context(), o, []string{"/latest.json"}); err != nil || a.calls != 2 {
		t.Errorf("%v after %d calls, expected success at the second", err, a.calls)
	}
}

func TestInvalidate_Refusals(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*api, *cloudfront.Options)
		paths  []string
		want   string
	}{
		"wildcard":          {nil, []string{"/centos/*"}, "without *"},
		"tilde":             {nil, []string{"/~centos/latest.json"}, "without *, ~"},
		"blank":             {nil, []string{"/a b"}, "blanks"},
		"no slash":          {nil, []string{"latest.json"}, "a slash"},
		"too many":          {nil, many(3001), "at most 3000"},
		"domain":            {func(_ *api, o *cloudfront.Options) { o.Distribution = "d111.cloudfront.net" }, nil, "distribution's id"},
		"no publication":    {func(_ *api, o *cloudfront.Options) { o.SHA256 = "" }, nil, "no publication"},
		"other's":           {func(_ *api, o *cloudfront.Options) { o.Distribution = "E2OTHERONE" }, nil, "list-distributions"},
		"forbidden":         {answer(403, "AccessDenied", "User is not authorized"), nil, "allow cloudfront:CreateInvalidation on arn:aws:cloudfront::ACCOUNT:distribution/E2EXAMPLE"},
		"busy":              {answer(400, "TooManyInvalidationsInProgress", "busy"), nil, "still under way"},
		"control sequences": {answer(400, "InvalidArgument", "\u202e[31mred"), nil, "InvalidArgument:  [31mred"},
		"key": {func(_ *api, o *cloudfront.Options) {
			o.Credentials = credentials.NewStaticCredentialsProvider("other", "topsecret", "")
		}, nil, "the access key is not known"},
		"no key": {func(_ *api, o *cloudfront.Options) {
			o.Credentials = credentials.NewStaticCredentialsProvider("", "", "")
		}, nil, "AWS_ACCESS_KEY_ID"},
		"nobody there": {func(_ *api, o *cloudfront.Options) {
			o.Endpoint, o.Timeout = "http://127.0.0.1:1", 500*time.Millisecond
		}, nil, "E2EXAMPLE"},
	} {
		t.Run(name, func(t *testing.T) {
			a, o := serve(t)
			if test.change != nil {
				test.change(a, &o)
			}
			if test.paths == nil {
				test.paths = []string{"/centos/latest.json"}
			}
			err := cloudfront.Invalidate(t.Context(), o, test.paths)
			var e *cloudfront.Error
			if !errors.As(err, &e) || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("found %v, expected an Error with %q", err, test.want)
			}
			if strings.Contains(err.Error(), "topsecret") {
				t.Error("the secret is in the error")
			}
			if len(a.batches) != 0 {
				t.Error("something was invalidated")
			}
		})
	}
}

func TestInvalidate_Hangs(t *testing.T) {
	_, o := serve(t)
	release := make(chan struct{})
	hang := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	t.Cleanup(hang.Close)
	t.Cleanup(func() { close(release) })
	o.Endpoint, o.Timeout = hang.URL, 200*time.Millisecond
	err := cloudfront.Invalidate(t.Context(), o, []string{"/latest.json"})
	if err == nil || !strings.Contains(err.Error(), "no answer within 200ms") {
		t.Errorf("found %v, expected that there was no answer in time", err)
	}
}

func answer(status int, code, message string) func(*api, *cloudfront.Options) {
	return func(a *api, _ *cloudfront.Options) {
		a.fail = func(int) (int, string, string) { return status, code, message }
	}
}

func many(n int) (paths []string) {
	for i := range n {
		paths = append(paths, fmt.Sprintf("/%d", i))
	}
	return paths
}
