package schema

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

func TestSchemasCompile(t *testing.T) {
	for _, name := range Names() {
		compile(t, name)
		text, err := Get(name)
		if err != nil {
			t.Fatal(err)
		}
		var head struct {
			Schema string `json:"$schema"`
			ID     string `json:"$id"`
			Title  string `json:"title"`
		}
		if err := json.Unmarshal(text, &head); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if head.Schema != "https://json-schema.org/draft/2020-12/schema" || head.ID != BaseURI+name || head.Title == "" {
			t.Errorf("%s: $schema, $id or title is not as in the others: %+v", name, head)
		}
	}
}

func compile(t *testing.T, name string) *jsonschema.Schema {
	t.Helper()
	text, err := Get(name)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(BaseURI+name, doc); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	s, err := c.Compile(BaseURI + name)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return s
}

func TestGet(t *testing.T) {
	byFile, err := Get("manifest.v1.json")
	if err != nil {
		t.Fatal(err)
	}
	bySchema, err := Get("tidemark/manifest/v1")
	if err != nil {
		t.Fatal(err)
	}
	if string(byFile) != string(bySchema) {
		t.Error("the two names give two schemas")
	}
	for _, name := range []string{"", "tidemark/manifest/v2", "../go.mod", "manifest", "tidemark/"} {
		if b, err := Get(name); err == nil {
			t.Errorf("Get(%q) gave %d bytes, expected an error", name, len(b))
		}
	}
}
