package checkin

import (
	"bytes"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"tidemark/schema"
	"tidemark/sign"
)

// The schema takes what Seal writes, and refuses what Open refuses of a message's form.
func TestSchema(t *testing.T) {
	text, err := schema.Get(Schema)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("checkin.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("checkin.json")
	if err != nil {
		t.Fatal(err)
	}
	a := newMirror(t, "a")
	msg := a.message(noon)
	e, err := sign.ParseEnvelope(a.seal(t, msg), MaxBody)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		old, new string
		good     bool
	}{
		{"", "", true},
		{`"nonce"`, `"later": null, "nonce"`, true},
		{"checkin/v1", "checkin/v2", false},
		{`"mirror": "a"`, `"mirror": "A"`, false},
		{`"mirror": "a"`, `"mirror": "a\n"`, false},
		{`"mirror": "a"`, `"mirror": "` + strings.Repeat("a", 101) + `"`, false},
		{`"network": "centos"`, `"network": ""`, false},
		{msg.Nonce, msg.Nonce[1:], false},
		{msg.Nonce, strings.Repeat("AB", 16), false},
		{"12:00:00Z", "12:00:00+00:00", false},
		{"1488372781", "0", false},
		{"1488372781", "253402300800", false},
		{"1488372781", `"1488372781"`, false},
		{`"centos": 1`, `"../x": 1`, false},
		{"\"centos\": 1488372781\n", "", false},
		{`"network": "centos",`, "", false},
	} {
		changed := strings.Replace(string(e.Payload), tt.old, tt.new, 1)
		doc, err := jsonschema.UnmarshalJSON(strings.NewReader(changed))
		if err != nil {
			t.Fatalf("%s: %v", changed, err)
		}
		if err := s.Validate(doc); (err == nil) != tt.good {
			t.Errorf("the schema: %v, expected good: %v\n%s", err, tt.good, changed)
		}
		if _, err := senders(t, a.server(t, "centos")).Open(a.sealed(t, changed), noon); (err == nil) != tt.good {
			t.Errorf("Open: %v, expected good: %v\n%s", err, tt.good, changed)
		}
	}
}
