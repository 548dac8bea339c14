package route53_test

import (
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/google/go-cmp/cmp"

	"tidemark/publish"
	"tidemark/publish/route53"
)

const (
	zoneID    = "Z0123456789EXAMPLE"
	namespace = "https://route53.amazonaws.com/doc/2013-04-01/"
)

// recordSet is a ResourceRecordSet of the API, as far as it matters here.
type recordSet struct {
	Name          string
	Type          string
	SetIdentifier string `xml:",omitempty"`
	Weight        *int   `xml:",omitempty"`
	TTL           int64  `xml:",omitempty"`
	Values        values `xml:"ResourceRecords"`
}

// values are those of a set, each in an element of its own.
type values []string

type valueElements struct {
	Records []struct{ Value string } `xml:"ResourceRecord"`
}

func (v values) MarshalXML(e *xml.Encoder, start xml.StartElement) error {
	var out valueElements
	for _, s := range v {
		out.Records = append(out.Records, struct{ Value string }{s})
	}
	return e.EncodeElement(out, start)
}

func (v *values) UnmarshalXML(d *xml.Decoder, start xml.StartElement) error {
	var in valueElements
	if err := d.DecodeElement(&in, &start); err != nil {
		return err
	}
	for _, r := range in.Records {
		*v = append(*v, r.Value)
	}
	return nil
}

type changeRequest struct {
	XMLName xml.Name `xml:"ChangeResourceRecordSetsRequest"`
	Changes []struct {
		Action string
		Set    recordSet `xml:"ResourceRecordSet"`
	} `xml:"ChangeBatch>Changes>Change"`
}

// api speaks ListResourceRecordSets and ChangeResourceRecordSets as Amazon documents them: sets in the order of their
// reversed labels, a batch whole or not at all, DELETE with the very values and TTL.
type api struct {
	mu    sync.Mutex
	sets  []recordSet // sorted
	calls []string    // GET, POST
	// hook sees each call before it is served (applied false) and after it was (true); a status other than 0 is answered instead.
	hook func(call int, r *http.Request, applied bool) (status int, body string)
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.calls = append(a.calls, r.Method)
	status, body := a.hooked(r, false)
	if status == 0 {
		status, body = a.serve(r)
		if s, b := a.hooked(r, true); s != 0 {
			status, body = s, b
		}
	}
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

func (a *api) hooked(r *http.Request, applied bool) (int, string) {
	if a.hook == nil {
		return 0, ""
	}
	return a.hook(len(a.calls), r, applied)
}

func (a *api) serve(r *http.Request) (int, string) {
	switch {
	case !strings.Contains(r.Header.Get("Authorization"), "Credential=key/") || !strings.Contains(r.Header.Get("Authorization"), "/us-east-1/route53/"):
		return failure(403, "InvalidClientTokenId", "The security token included in the request is invalid.")
	case r.URL.Path != "/2013-04-01/hostedzone/"+zoneID+"/rrset":
		return failure(404, "NoSuchHostedZone", "No hosted zone found with ID: "+strings.Split(r.URL.Path, "/")[3])
	case r.Method == http.MethodGet:
		return a.list(r)
	}
	body, err := io.ReadAll(r.Body)
	var req changeRequest
	if err == nil {
		err = xml.Unmarshal(body, &req)
	}
	if err != nil || req.XMLName.Space != namespace || len(req.Changes) == 0 {
		return failure(400, "InvalidInput", fmt.Sprint("Invalid XML: ", err))
	}
	return a.change(req)
}

func (a *api) list(r *http.Request) (int, string) {
	q := r.URL.Query()
	type page struct {
		XMLName     xml.Name    `xml:"ListResourceRecordSetsResponse"`
		Space       string      `xml:"xmlns,attr"`
		Sets        []recordSet `xml:"ResourceRecordSets>ResourceRecordSet"`
		IsTruncated bool
		MaxItems    string
	}
	out := page{Space: namespace, MaxItems: q.Get("maxitems")}
	for _, s := range a.sets {
		if sortKey(s.Name, s.Type) < sortKey(q.Get("name"), q.Get("type")) {
			continue
		}
		if fmt.Sprint(len(out.Sets)) == q.Get("maxitems") {
			out.IsTruncated = true
			break
		}
		out.Sets = append(out.Sets, s)
	}
	b, err := xml.Marshal(out)
	if err != nil {
		return 500, err.Error()
	}
	return 200, xml.Header + string(b)
}

func (a *api) change(req changeRequest) (int, string) {
	sets, wrong := slices.Clone(a.sets), []string{}
	for _, c := range req.Changes {
		i := slices.IndexFunc(sets, func(s recordSet) bool { return s.Name == escaped(c.Set.Name) && s.Type == c.Set.Type })
		about := fmt.Sprintf("resource record set [name='%s', type='%s'] but ", c.Set.Name, c.Set.Type)
		switch {
		case c.Action == "DELETE" && i < 0:
			wrong = append(wrong, "Tried to delete "+about+"it was not found")
		case c.Action == "DELETE" && (sets[i].TTL != c.Set.TTL || !sameValues(sets[i].Values, c.Set.Values)):
			wrong = append(wrong, "Tried to delete "+about+"the values provided do not match the current values")
		case c.Action == "DELETE":
			sets = slices.Delete(sets, i, i+1)
		case c.Action != "CREATE":
			wrong = append(wrong, "unexpected action "+c.Action)
		case i >= 0:
			wrong = append(wrong, "Tried to create "+about+"it already exists")
		case !strings.HasSuffix(c.Set.Name, ".example.org."):
			wrong = append(wrong, "RRSet with DNS name "+c.Set.Name+" is not permitted in zone example.org.")
		case len(c.Set.Values) == 0:
			wrong = append(wrong, "no values")
		default:
			c.Set.Name = escaped(c.Set.Name)
			sets = append(sets, c.Set)
		}
	}
	if len(wrong) > 0 {
		b := fmt.Sprintf(`<InvalidChangeBatch xmlns=%q><Messages>`, namespace)
		for _, m := range wrong {
			b += "<Message>[" + m + "]</Message>"
		}
		return 400, b + "</Messages><RequestId>r</RequestId></InvalidChangeBatch>"
	}
	a.put(sets...)
	return 200, fmt.Sprintf(`<ChangeResourceRecordSetsResponse xmlns=%q><ChangeInfo><Id>/change/C1</Id><Status>PENDING</Status>`+
		`<SubmittedAt>2026-11-22T08:00:00Z</SubmittedAt></ChangeInfo></ChangeResourceRecordSetsResponse>`, namespace)
}

// put sets what the zone holds.
func (a *api) put(sets ...recordSet) {
	slices.SortFunc(sets, func(x, y recordSet) int { return strings.Compare(sortKey(x.Name, x.Type), sortKey(y.Name, y.Type)) })
	a.sets = sets
}

func (a *api) state() ([]recordSet, []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.sets), slices.Clone(a.calls)
}

func failure(status int, code, message string) (int, string) {
	return status, fmt.Sprintf(`<ErrorResponse xmlns=%q><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error><RequestId>r</RequestId></ErrorResponse>`,
		namespace, code, message)
}

// sortKey has the order of the list: org, example, a; then the type.
func sortKey(name, kind string) string {
	name = strings.NewReplacer(`\052`, "*", `\137`, "_").Replace(name)
	labels := strings.Split(strings.TrimSuffix(name, "."), ".")
	slices.Reverse(labels)
	return strings.Join(labels, ".") + ". " + kind
}

// escaped has a name as the API gives it back.
func escaped(name string) string { return strings.ReplaceAll(name, "*", `\052`) }

func sameValues(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

func serve(t *testing.T, sets ...recordSet) (*api, route53.Options) {
	t.Helper()
	a := &api{}
	a.put(append(sets, recordSet{Name: "example.org.", Type: "SOA", TTL: 900, Values: []string{"ns.example.org. h.example.org. 1 2 3 4 5"}},
		recordSet{Name: "z.example.org.", Type: "TXT", TTL: 300, Values: []string{`"another"`}})...)
	server := httptest.NewServer(a)
	t.Cleanup(server.Close)
	return a, route53.Options{Zone: zoneID, Endpoint: server.URL, Timeout: 20 * time.Second,
		Credentials: credentials.NewStaticCredentialsProvider("key", "topsecret", "")}
}

func open(t *testing.T, o route53.Options) publish.TXT {
	t.Helper()
	txt, err := route53.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return txt
}

// holds checks what the zone has at a name; ttl 0: nothing.
func (a *api) holds(t *testing.T, name string, ttl int64, values ...string) {
	t.Helper()
	want := []recordSet{}
	if ttl > 0 {
		want = append(want, recordSet{Name: name, Type: "TXT", TTL: ttl, Values: values})
	}
	sets, _ := a.state()
	sets = slices.DeleteFunc(sets, func(s recordSet) bool { return s.Name == "example.org." || s.Name == "z.example.org." })
	if diff := cmp.Diff(want, sets); diff != "" {
		t.Errorf("the zone holds (-want +got):\n%s", diff)
	}
}
