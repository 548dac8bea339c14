package manifest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"tidemark/internal/strictjson"
)

// Parse reads a manifest strictly, the size first. Every refusal is a *RuleError.
// It says nothing of signatures or of the time: see CheckTime, and client.Open.
func Parse(b []byte) (*Manifest, error) {
	if len(b) > MaxSize {
		return nil, broken(RuleSize, "", "found %d bytes, expected at most %d", len(b), MaxSize)
	}
	m := new(Manifest)
	if err := strictjson.Unmarshal(b, m); err != nil {
		return nil, textError(b, err)
	}
	if err := m.check(); err != nil {
		return nil, err
	}
	if err := m.checkEmpty(b); err != nil {
		return nil, err
	}
	return m, nil
}

// checkEmpty refuses optional members that are there and empty: an absent one says the same, and the signed document has
// one spelling. The value of a Manifest does not tell the two apart, the text does.
func (m *Manifest) checkEmpty(b []byte) error {
	for _, name := range slices.Sorted(maps.Keys(m.Trees)) {
		if t := m.Trees[name]; t.Later != nil && len(t.Later) == 0 {
			return broken(RuleLaterCount, "trees."+name+".later", "found an empty list, expected 1 to %d newer timestamps, or no such member", MaxLater)
		}
	}
	if !bytes.Contains(b, []byte(`""`)) { // nearly always: a second reading costs as much as the first
		return nil
	}
	var there struct {
		Previous *string `json:"previous"`
		Sources  []struct {
			Country   *string `json:"country"`
			Continent *string `json:"continent"`
		} `json:"sources"`
	}
	if err := json.Unmarshal(b, &there); err != nil {
		return broken(RuleSyntax, "", "%v", err)
	}
	empty := func(s *string) bool { return s != nil && *s == "" }
	if empty(there.Previous) {
		return broken(RulePrevious, "previous", "found an empty text, expected a SHA-256 in 64 lower-case hex digits, or no such member")
	}
	for i, s := range there.Sources {
		if empty(s.Country) {
			return broken(RuleCountry, "sources"+index(i)+".country", "found an empty text, expected an ISO 3166-1 alpha-2 code, or no such member")
		}
		if empty(s.Continent) {
			return broken(RuleContinent, "sources"+index(i)+".continent", "found an empty text, expected AF, AN, AS, EU, NA, OC or SA, or no such member")
		}
	}
	return nil
}

// Encode writes the one text of m; it refuses what Parse would refuse, naming the tree.
// Every refusal is a *RuleError.
func Encode(m *Manifest) ([]byte, error) {
	if err := m.check(); err != nil {
		return nil, err
	}
	b, err := strictjson.Marshal(m)
	if err != nil {
		return nil, textError(nil, err)
	}
	if len(b) > MaxSize {
		tree, n := m.largestTree()
		return nil, broken(RuleSize, "trees."+tree, "found a document of %d bytes, expected at most %d; tree %s is the largest with %d entries", len(b), MaxSize, tree, n)
	}
	return b, nil
}

// SHA256 is the name of a payload in previous, latest.json and comments: lower-case hex.
func SHA256(payload []byte) string {
	sum := sha256.Sum256(payload)
	return hex.EncodeToString(sum[:])
}

// textError turns a refusal of strictjson into the rule that was broken.
func textError(b []byte, err error) error {
	var e *strictjson.Error
	if !errors.As(err, &e) {
		return broken(RuleSyntax, "", "%v", err)
	}
	if found, ok := otherSchema(b, e.Kind); ok {
		return schemaError(found)
	}
	detail := e.Detail
	if e.Offset >= 0 {
		detail = fmt.Sprintf("%s (at byte %d)", detail, e.Offset)
	}
	return &RuleError{Rule: ruleOf(e), Path: e.Path, Detail: detail}
}

// otherSchema looks whether a document of the wrong shape is of another schema, which
// is the better thing to say.
func otherSchema(b []byte, k strictjson.Kind) (string, bool) {
	switch k {
	case strictjson.WrongType, strictjson.Null, strictjson.Missing, strictjson.NotInteger, strictjson.OutOfRange, strictjson.BadValue:
		var head struct {
			Schema string `json:"schema"`
		}
		err := json.Unmarshal(b, &head)
		return head.Schema, err == nil && head.Schema != "" && head.Schema != Schema
	}
	return "", false
}

func ruleOf(e *strictjson.Error) Rule {
	switch e.Kind {
	case strictjson.NotUTF8:
		return RuleUTF8
	case strictjson.BOM:
		return RuleBOM
	case strictjson.Control:
		return RuleControl
	case strictjson.LoneSurrogate:
		return RuleSurrogate
	case strictjson.Duplicate:
		return RuleDuplicate
	case strictjson.WrongCase:
		return RuleCase
	case strictjson.Trailing:
		return RuleTrailing
	case strictjson.TooDeep:
		return RuleNesting
	case strictjson.WrongType:
		return RuleType
	case strictjson.Null:
		return RuleNull
	case strictjson.Missing:
		return RuleMissing
	case strictjson.NotInteger, strictjson.OutOfRange:
		return RuleInteger
	case strictjson.BadValue:
		if strings.HasSuffix(e.Path, ".url") {
			return RuleURL
		}
		return RuleTime
	}
	return RuleSyntax
}

func schemaError(found string) error {
	return broken(RuleSchema, "schema", "found %.100q, expected %q; a later major version needs a later program", found, Schema)
}
