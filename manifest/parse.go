package manifest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
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
	return m, nil
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
