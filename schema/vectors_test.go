package schema

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

const vectors = "../testdata"

// debianPython is the interpreter that has Debian's python3-jsonschema.
const debianPython = "/usr/bin/python3"

// needPython ends the test when python3-jsonschema is not there.
func needPython(t *testing.T) {
	t.Helper()
	if err := exec.CommandContext(t.Context(), debianPython, "-c", "import jsonschema").Run(); err == nil {
		return
	}
	const hint = "python3-jsonschema is missing: apt-get install -y python3-jsonschema"
	if os.Getenv("CI") == "true" {
		t.Fatal(hint)
	}
	t.Skip(hint)
}

// beyondSchema are the rules that JSON Schema cannot say; of the others it refuses
// every bad document but those in beyondSchemaToo.
func beyondSchema() []string {
	return []string{
		"anchor-count", "anchor-twice", "bom", "duplicate-member", "entry-count", "expires", "integer", "later-order", "member-case", "nesting", "nodes",
		"size", "source-order", "source-timestamp", "source-tree", "source-twice", "surrogate", "utf-8",
	}
}

func beyondSchemaToo() []string {
	return []string{"nearby.itself.json", "time.no-such-day.json"}
}

// refusedAllTheSame break a rule that a schema cannot say, in a way that it refuses.
func refusedAllTheSame() []string {
	return []string{"integer.range.json", "member-case.alone.json", "nodes.negative.json"}
}

func documents(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(vectors, dir, "*.json*"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no documents in %s: %v", dir, err)
	}
	docs := make(map[string][]byte)
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name, packed := strings.CutSuffix(filepath.Base(path), ".gz")
		if packed {
			b = unpack(t, b)
		}
		docs[name] = b
	}
	return docs
}

func unpack(t *testing.T, b []byte) []byte {
	t.Helper()
	r, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if b, err = io.ReadAll(r); err != nil {
		t.Fatal(err)
	}
	return b
}

func validate(s *jsonschema.Schema, b []byte) error {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		return err
	}
	return s.Validate(doc)
}

func expectAccepted(name string) bool {
	rule, _, _ := strings.Cut(name, ".")
	if slices.Contains(refusedAllTheSame(), name) {
		return false
	}
	return slices.Contains(beyondSchema(), rule) || slices.Contains(beyondSchemaToo(), name)
}

func TestManifestVectors(t *testing.T) {
	s := compile(t, "manifest.v1.json")
	for name, b := range documents(t, "good") {
		if err := validate(s, b); err != nil {
			t.Errorf("good/%s: %v", name, err)
		}
	}
	for name, b := range documents(t, "bad") {
		if !json.Valid(b) {
			continue // which every JSON reader refuses before a schema is asked
		}
		if accepted := validate(s, b) == nil; accepted != expectAccepted(name) {
			t.Errorf("bad/%s: accepted: %v, expected %v", name, accepted, expectAccepted(name))
		}
	}
}

const pythonValidator = `
import gzip, json, sys
from jsonschema import Draft202012Validator
schema = json.load(open(sys.argv[1]))
Draft202012Validator.check_schema(schema)
validator = Draft202012Validator(schema)
for path in sys.argv[2:]:
    data = (gzip.open if path.endswith('.gz') else open)(path, 'rb').read()
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        print('not-json', path)
        continue
    print('accepted' if validator.is_valid(document) else 'refused', path)
`

// TestManifestVectors_Python asks Debian's python3-jsonschema, which nobody here wrote.
func TestManifestVectors_Python(t *testing.T) {
	needPython(t)
	good, _ := filepath.Glob(vectors + "/good/*.json*")
	bad, _ := filepath.Glob(vectors + "/bad/*.json*")
	args := slices.Concat([]string{"-c", pythonValidator, "manifest.v1.json"}, good, bad)
	out, err := exec.CommandContext(t.Context(), debianPython, args...).Output()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(out)) {
		verdict, path, _ := strings.Cut(strings.TrimSpace(line), " ")
		name := strings.TrimSuffix(filepath.Base(path), ".gz")
		n++
		switch {
		case strings.Contains(path, "/good/"):
			if verdict != "accepted" {
				t.Errorf("%s: %s", path, verdict)
			}
		case verdict == "not-json":
		case (verdict == "accepted") != expectAccepted(name):
			t.Errorf("%s: %s, expected accepted: %v", path, verdict, expectAccepted(name))
		}
	}
	if n != len(good)+len(bad) || n < 100 {
		t.Errorf("%d of %d documents were judged", n, len(good)+len(bad))
	}
}

func TestOtherSchemas(t *testing.T) {
	sum := strings.Repeat("0a", 32)
	payload := base64.StdEncoding.EncodeToString([]byte("{}\n"))
	minisign := `{"kind": "minisign", "key": "C6E8270B592965FF", "value": "untrusted comment: x"}`
	public := "RWT/ZSlZCyfoxj3X6EMB0GaAPwapP4uEp9TQ2ARSy/Npb8JLromLoszT"
	rootKey := fmt.Sprintf(`{"holder": "a", "key": "C6E8270B592965FF", "public": %q}`, public)
	onlineKey := fmt.Sprintf(`{"holder": "a", "kind": "minisign", "key": "C6E8270B592965FF", "public": %q, "not_after": "2027-11-22T08:00:00Z"}`, public)
	pgpKey := `{"holder": "a", "kind": "openpgp", "key": "` + strings.Repeat("AB", 20) + `", "public": "-----BEGIN", "signing": ["` + strings.Repeat("CD", 20) + `"], "revoked": true}`
	trust := `{"schema": "tidemark/trust/v1", "network": "centos", "version": 1, "issued": "2026-11-22T08:00:00Z", "expires": "2027-11-22T08:00:00Z",
		"root": {"threshold": 2, "keys": [` + rootKey + `]}, "manifest": {"threshold": 1, "required": ["openpgp", "minisign"], "keys": [` + onlineKey + `, ` + pgpKey + `]}, "min_serial": 0}`
	for _, c := range []struct {
		schema, doc string
		good        bool
	}{
		{"pointer", `{"schema": "tidemark/pointer/v1", "serial": 12, "sha256": "` + sum + `", "path": "m/12/"}`, true},
		{"pointer", `{"schema": "tidemark/pointer/v1", "serial": 12, "sha256": "` + sum + `", "path": "m/../12/"}`, false},
		{"pointer", `{"schema": "tidemark/pointer/v1", "serial": 12, "sha256": "` + sum + `\n", "path": "m/12/"}`, false},
		{"pointer", `{"schema": "tidemark/pointer/v2", "serial": 12, "sha256": "` + sum + `", "path": "m/12/"}`, false},
		{"pointer", `{"schema": "tidemark/pointer/v1", "serial": 12, "path": "m/12/"}`, false},
		{"bundle", `{"payload": "` + payload + `", "signatures": [` + minisign + `]}`, true},
		{"bundle", `{"payload": "` + payload + `", "signatures": []}`, false},
		{"bundle", `{"payload": "e30", "signatures": [` + minisign + `]}`, false},
		{"bundle", `{"payload": "", "signatures": [` + minisign + `]}`, false},
		{"bundle", `{"payload": "` + payload + `", "signatures": [` + strings.Replace(minisign, "minisign", "openpgp", 1) + `]}`, false},
		{"bundle", `{"payload": "` + payload + `", "signatures": [` + strings.Replace(minisign, "C6E8", "c6e8", 1) + `]}`, false},
		{"bundle", `{"signatures": [` + minisign + `]}`, false},
		{"trust", trust, true},
		{"trust", strings.Replace(trust, `"threshold": 2`, `"threshold": 0`, 1), false},
		{"trust", strings.Replace(trust, `"required": ["openpgp", `, `"required": ["ssh", `, 1), false},
		{"trust", strings.Replace(trust, `"version": 1`, `"version": "1"`, 1), false},
		{"trust", strings.Replace(trust, `2027-11-22T08:00:00Z`, `2027-11-22`, 1), false},
		{"trust", strings.Replace(trust, `"kind": "minisign"`, `"kind": "openpgp"`, 1), false},
	} {
		name := c.schema + ".v1.json"
		if err := validate(compile(t, name), []byte(c.doc)); err == nil != c.good {
			t.Errorf("%s: %s: %v, expected good: %v", c.schema, c.doc, err, c.good)
		}
	}
}
