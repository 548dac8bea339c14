package strictyaml

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// field is one known key of a struct.
type field struct {
	words
	name     string
	required bool
	short    bool // a text in place of the mapping is this key's value
	typ      reflect.Type
	index    int
}

type fields []field

func (fs fields) find(name string) (field, bool) {
	for _, f := range fs {
		if f.name == name {
			return f, true
		}
	}
	return field{}, false
}

func (fs fields) names() []string {
	var out []string
	for _, f := range fs {
		out = append(out, f.name)
	}
	return out
}

func fieldsOf(t reflect.Type) fields {
	var out fields
	for i := range t.NumField() {
		sf := t.Field(i)
		name, opt, _ := strings.Cut(sf.Tag.Get("yaml"), ",")
		if name == "" || name == "-" {
			continue
		}
		out = append(out, field{
			words: words{sf.Tag.Get("want"), sf.Tag.Get("each")},
			name:  name, required: opt == "required" || opt == "short", short: opt == "short",
			typ: sf.Type, index: i,
		})
	}
	return out
}

// unknownHint names the nearest known key, or where the key belongs, or all known keys.
func (w walker) unknownHint(key string, fs fields) string {
	if near := Nearest(key, fs.names()); near != "" {
		return fmt.Sprintf("did you mean %s?", near)
	}
	if places := placesOf(w.top, key, "", 0); len(places) > 0 {
		return "known elsewhere, as " + strings.Join(places, ", ")
	}
	if nested := w.nested(key); nested != "" {
		return "did you mean " + nested + "?"
	}
	return "known keys: " + strings.Join(fs.names(), ", ")
}

// nested is a key with dots, as messages name keys, in the form that the file wants: "probe: {allow_private: ...}".
func (w walker) nested(key string) string {
	cut := strings.LastIndexByte(key, '.')
	if cut < 0 || !slices.Contains(placesOf(w.top, key[cut+1:], "", 0), key) {
		return ""
	}
	names := strings.Split(key, ".")
	return strings.Join(names, ": {") + ": ..." + strings.Repeat("}", len(names)-1)
}

// placesOf lists the paths at which key is known in t.
func placesOf(t reflect.Type, key, path string, depth int) []string {
	switch {
	case depth > maxDepth:
		return nil
	case t.Kind() == reflect.Pointer || t.Implements(manyType):
		return placesOf(t.Elem(), key, path, depth+1)
	case reflect.PointerTo(t).Implements(textType):
		return nil
	case t.Kind() == reflect.Slice:
		return placesOf(t.Elem(), key, path+"[]", depth+1)
	case t.Kind() == reflect.Map:
		return placesOf(t.Elem(), key, join(path, "*"), depth+1)
	case t.Kind() != reflect.Struct:
		return nil
	}
	var out []string
	for _, f := range fieldsOf(t) {
		p := join(path, f.name)
		if f.name == key {
			out = append(out, p)
		}
		out = append(out, placesOf(f.typ, key, p, depth+1)...)
	}
	return out
}
