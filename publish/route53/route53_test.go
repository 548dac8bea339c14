package route53_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/google/go-cmp/cmp"

	"tidemark/publish"
	"tidemark/publish/route53"
)

const name = "_tidemark.example.org"

func set(ttl int, records ...[]string) publish.RRset {
	return publish.RRset{TTL: ttl, Records: records}
}

func txt(ttl int64, values ...string) recordSet {
	return recordSet{Name: name + ".", Type: "TXT", TTL: ttl, Values: values}
}

func TestSwap(t *testing.T) {
	t.Parallel()
	a, o := serve(t)
	place := open(t, o)
	states := []publish.RRset{
		{},
		set(60, []string{"v=tm1 n=centos"}),
		set(60, []string{`two`, `strings of "one"\ record`}, []string{"another\x00\xff record"}),
		set(300, []string{"v=tm1 n=centos"}),
		{},
	}
	for i, next := range states[1:] {
		got, err := place.Get(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(states[i], got); diff != "" {
			t.Errorf("state %d (-want +got):\n%s", i, diff)
		}
		if err := place.Swap(t.Context(), name, got, next); err != nil {
			t.Fatal(err)
		}
		switch i {
		case 0:
			a.holds(t, name+".", 60, `"v=tm1 n=centos"`)
		case 1:
			a.holds(t, name+".", 60, `"two" "strings of \"one\"\\ record"`, `"another\000\377 record"`)
		case 3:
			a.holds(t, "", 0)
		}
	}
	if err := place.Swap(t.Context(), name, publish.RRset{}, publish.RRset{}); err != nil {
		t.Errorf("nothing in place of nothing: %v", err)
	}
}

// The first set from the name on may be another's; only the exact name and type count.
func TestGet_OthersRecords(t *testing.T) {
	t.Parallel()
	for what, there := range map[string][]recordSet{
		"below":        {{Name: "a." + name + ".", Type: "TXT", TTL: 60, Values: []string{`"x"`}}},
		"after":        {{Name: "_tidemark2.example.org.", Type: "TXT", TTL: 60, Values: []string{`"x"`}}},
		"another type": {{Name: name + ".", Type: "CNAME", TTL: 60, Values: []string{"other.example.net."}}},
	} {
		_, o := serve(t, there...)
		if got, err := open(t, o).Get(t.Context(), name); err != nil || len(got.Records) > 0 {
			t.Errorf("%s: found %v, %v, expected nothing", what, got, err)
		}
	}
}

func TestGet_Escapes(t *testing.T) {
	t.Parallel()
	a, o := serve(t, recordSet{Name: `\052.example.org.`, Type: "TXT", TTL: 60, Values: []string{`"a\040b"  "c\"\\"`}},
		recordSet{Name: `\137tidemark.example.org.`, Type: "TXT", TTL: 60, Values: []string{`""`}})
	place := open(t, o)
	got, err := place.Get(t.Context(), "*.example.org")
	if diff := cmp.Diff(set(60, []string{"a b", `c"\`}), got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	// the old set is deleted as it came
	if err := place.Swap(t.Context(), "*.example.org", got, publish.RRset{}); err != nil {
		t.Error(err)
	}
	a.holds(t, `\137tidemark.example.org.`, 60, `""`)
	got, err = place.Get(t.Context(), "_TIDEMARK.example.org.")
	if diff := cmp.Diff(set(60, []string{""}), got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestSwap_Conflict(t *testing.T) {
	t.Parallel()
	one, two, mine := set(60, []string{"one"}), set(60, []string{"two"}), set(60, []string{"mine"})
	for what, test := range map[string]struct {
		there []recordSet
		old   publish.RRset
	}{
		"changed":  {[]recordSet{txt(60, `"two"`)}, one},
		"added to": {[]recordSet{txt(60, `"one"`, `"two"`)}, one},
		"gone":     {nil, one},
		"new":      {[]recordSet{txt(60, `"one"`)}, publish.RRset{}},
	} {
		a, o := serve(t, test.there...)
		err := open(t, o).Swap(t.Context(), name, test.old, mine)
		if !errors.Is(err, publish.ErrConflict) {
			t.Errorf("%s: found %v, expected ErrConflict", what, err)
		}
		if _, calls := a.state(); len(calls) != 1 {
			t.Errorf("%s: the calls were %v, expected one reading", what, calls)
		}
	}

	// somebody is faster between the reading and the change
	a, o := serve(t, txt(60, `"one"`))
	a.hook = func(call int, r *http.Request, applied bool) (int, string) {
		if r.Method == http.MethodPost && !applied {
			a.put(txt(60, `"two"`))
		}
		return 0, ""
	}
	place := open(t, o)
	if err := place.Swap(t.Context(), name, one, mine); !errors.Is(err, publish.ErrConflict) {
		t.Errorf("found %v, expected ErrConflict", err)
	}
	a.holds(t, name+".", 60, `"two"`)
	a.hook = nil
	if err := place.Swap(t.Context(), name, two, mine); err != nil {
		t.Error(err)
	}
	a.holds(t, name+".", 60, `"mine"`)
}

// The TTL is no part of what is compared, and what is there is deleted with its own.
func TestSwap_OtherTTL(t *testing.T) {
	t.Parallel()
	a, o := serve(t, txt(3600, `"one"`))
	if err := open(t, o).Swap(t.Context(), name, set(60, []string{"one"}), set(60, []string{"one"})); err != nil {
		t.Fatal(err)
	}
	a.holds(t, name+".", 60, `"one"`)
}

// The answer to a change is lost, the SDK tries again, and its own first try makes the second one fail.
func TestSwap_LostAnswer(t *testing.T) {
	t.Parallel()
	for what, old := range map[string]publish.RRset{"create": {}, "replace": set(60, []string{"one"})} {
		var there []recordSet
		if len(old.Records) > 0 {
			there = append(there, txt(60, `"one"`))
		}
		a, o := serve(t, there...)
		lost := false
		a.hook = func(_ int, r *http.Request, applied bool) (int, string) {
			if r.Method == http.MethodPost && applied && !lost {
				lost = true
				return failure(503, "ServiceUnavailable", "later")
			}
			return 0, ""
		}
		if err := open(t, o).Swap(t.Context(), name, old, set(60, []string{"mine"})); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		a.holds(t, name+".", 60, `"mine"`)
		if _, calls := a.state(); strings.Join(calls, " ") != "GET POST POST GET" {
			t.Errorf("%s: the calls were %v", what, calls)
		}
	}
}

func TestSwap_TriesAgain(t *testing.T) {
	t.Parallel()
	a, o := serve(t)
	a.hook = func(call int, _ *http.Request, applied bool) (int, string) {
		if applied {
			return 0, ""
		}
		switch call {
		case 1:
			return failure(500, "InternalFailure", "x")
		case 3:
			return failure(400, "PriorRequestNotComplete", "The request was rejected because Route 53 was still processing a prior request.")
		}
		return 0, ""
	}
	if err := open(t, o).Swap(t.Context(), name, publish.RRset{}, set(60, []string{"mine"})); err != nil {
		t.Fatal(err)
	}
	a.holds(t, name+".", 60, `"mine"`)
}

func TestErrors(t *testing.T) {
	for what, test := range map[string]struct {
		change func(*api, *route53.Options)
		there  []recordSet
		name   string
		next   publish.RRset
		want   string
	}{
		"another zone": {change: func(_ *api, o *route53.Options) { o.Zone = "Z1" }, want: "NoSuchHostedZone: No hosted zone found with ID: Z1: correct the id: aws route53 list-hosted-zones"},
		"not allowed":  {change: answer(403, "AccessDenied", "User: arn is not authorized to perform"), want: "allow route53:ListResourceRecordSets and route53:ChangeResourceRecordSets on arn:aws:route53:::hostedzone/" + zoneID},
		"clock":        {change: answer(403, "RequestExpired", "Request has expired"), want: "set the clock"},
		"session":      {change: answer(403, "ExpiredToken", "token"), want: "log in anew"},
		"throttled":    {change: answer(400, "Throttling", "Rate exceeded"), want: "five requests a second"},
		"another key": {change: func(_ *api, o *route53.Options) {
			o.Credentials = credentials.NewStaticCredentialsProvider("other", "topsecret", "")
		}, want: "the access key is not known"},
		"no credentials": {change: func(_ *api, o *route53.Options) { o.Credentials = credentials.NewStaticCredentialsProvider("", "", "") }, want: "AWS_ACCESS_KEY_ID"},
		"nobody there":   {change: func(_ *api, o *route53.Options) { o.Endpoint, o.Timeout = "http://127.0.0.1:1", 500*time.Millisecond }, want: zoneID},
		"no API":         {change: page(200, "<html>portal</html>"), want: "an answer that is none of the API"},
		"odd words":      {change: answer(403, "Odd", "\u202e"+strings.Repeat("x", 400)), want: "..."},
		"outside":        {name: "_tidemark.example.net", want: "InvalidChangeBatch: [RRSet with DNS name _tidemark.example.net. is not permitted in zone example.org.]"},
		"long string":    {next: set(60, []string{strings.Repeat("x", 256)}), want: "found a string of 256 bytes, expected at most 255"},
		"no string":      {next: set(60, []string{}), want: "found no string"},
		"weighted":       {there: []recordSet{{Name: name + ".", Type: "TXT", SetIdentifier: "a", TTL: 60, Values: []string{`"x"`}}}, want: "has a routing policy or is an alias: make it a simple record"},
		"alias":          {there: []recordSet{{Name: name + ".", Type: "TXT"}}, want: "has a routing policy or is an alias"},
		"no quotes":      {there: []recordSet{txt(60, "x")}, want: `found the value "x", expected strings in quotes`},
		"half quoted":    {there: []recordSet{txt(60, `"x`)}, want: "without its last quote"},
		"broken escape":  {there: []recordSet{txt(60, `"\8"`, `"\09"`)}, want: "broken escape"},
		"empty value":    {there: []recordSet{txt(60, ` `)}, want: "empty value"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			a, o := serve(t, test.there...)
			before, _ := a.state()
			if test.change != nil {
				test.change(a, &o)
			}
			if test.name == "" {
				test.name = name
			}
			if test.next.Records == nil {
				test.next = set(60, []string{"mine"})
			}
			err := open(t, o).Swap(t.Context(), test.name, publish.RRset{}, test.next)
			var e *route53.Error
			if !errors.As(err, &e) || !strings.Contains(err.Error(), test.want) || errors.Is(err, publish.ErrConflict) {
				t.Fatalf("found %v, expected an Error with %q", err, test.want)
			}
			if strings.Contains(err.Error(), "topsecret") || strings.ContainsRune(err.Error(), 0x202e) || len(err.Error()) > 500 {
				t.Errorf("the error shows what it should not: %q", err)
			}
			if after, _ := a.state(); !cmp.Equal(before, after) {
				t.Error("something was changed")
			}
		})
	}
}

func answer(status int, code, message string) func(*api, *route53.Options) {
	return page(failure(status, code, message))
}

func page(status int, body string) func(*api, *route53.Options) {
	return func(a *api, _ *route53.Options) {
		a.hook = func(int, *http.Request, bool) (int, string) { return status, body }
	}
}

func TestNew_Zone(t *testing.T) {
	t.Parallel()
	for _, zone := range []string{"", "example.org", "/hostedzone/Z1", "z1", "Z1/../Z2", "Z" + strings.Repeat("0", 40)} {
		if _, err := route53.New(t.Context(), route53.Options{Zone: zone}); err == nil || !strings.Contains(err.Error(), "e.g. Z0123456789EXAMPLE") {
			t.Errorf("%q: found %v, expected a refusal", zone, err)
		}
	}
}

func TestHangs(t *testing.T) {
	t.Parallel()
	_, o := serve(t)
	release := make(chan struct{})
	hang := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	t.Cleanup(hang.Close)
	t.Cleanup(func() { close(release) })
	o.Endpoint, o.Timeout = hang.URL, 200*time.Millisecond
	place := open(t, o)
	_, err := place.Get(t.Context(), name)
	if err == nil || !strings.Contains(err.Error(), "no answer within 200ms") {
		t.Errorf("found %v, expected that there was no answer in time", err)
	}
	if err := place.Swap(t.Context(), name, publish.RRset{}, set(60, []string{"x"})); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("found %v, expected that there was no answer in time", err)
	}
}

// A page with status 200 is no answer of the API, be it to the reading or to the change.
func TestForeignAnswers(t *testing.T) {
	t.Parallel()
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		a, o := serve(t)
		a.hook = func(_ int, r *http.Request, _ bool) (int, string) {
			if r.Method == method {
				return 200, "<html>portal</html>"
			}
			return 0, ""
		}
		place := open(t, o)
		err := place.Swap(t.Context(), name, publish.RRset{}, set(60, []string{"x"}))
		if method == http.MethodGet {
			_, err = place.Get(t.Context(), name)
		}
		if err == nil || !strings.Contains(err.Error(), "none of the API") {
			t.Errorf("%s: found %v, expected a refusal", method, err)
		}
	}
}
