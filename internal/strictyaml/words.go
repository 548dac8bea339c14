package strictyaml

import (
	"reflect"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// isText says whether n can stand for text: a number does, as it was written; true, false and nothing do not.
func isText(n *yaml.Node) bool {
	if n.Kind != yaml.ScalarNode {
		return false
	}
	switch n.Tag {
	case "!!bool", "!!null":
		return false
	}
	return true
}

// wholeNumber takes decimal digits only: to YAML 017 is fifteen, and 1_000 a thousand.
func wholeNumber(n *yaml.Node, dst reflect.Value) bool {
	if n.Kind != yaml.ScalarNode || n.Tag != "!!int" {
		return false
	}
	v, err := strconv.ParseInt(n.Value, 10, 64)
	if err != nil || strconv.FormatInt(v, 10) != n.Value || dst.OverflowInt(v) {
		return false
	}
	dst.SetInt(v)
	return true
}

func boolHint(n *yaml.Node, dst reflect.Value) string {
	switch {
	case dst.Kind() == reflect.String && n.Tag == "!!bool":
		return "put it in quotes if it is text"
	case dst.Kind() != reflect.Bool:
		return ""
	}
	switch strings.ToLower(n.Value) {
	case "yes", "on", "y", "1":
		return "write true"
	case "no", "off", "n", "0":
		return "write false"
	}
	return ""
}

// found says what stands at n.
func found(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "keys with values"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Tag == "!!str" || n.Tag == "!!timestamp":
		return strconv.Quote(clip(n.Value))
	}
	return clip(n.Value)
}

// wanted says in words what belongs into a t.
func wanted(t reflect.Type, want string) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case want != "":
		return want
	case t == reflect.TypeFor[Duration]():
		return strings.TrimPrefix(durationWanted, "expected ")
	case t.Implements(manyType):
		return wanted(t.Elem(), "") + " or a list of such"
	}
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		return "keys with values"
	case reflect.Slice:
		return "a list"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "a whole number"
	}
	return "text"
}
