package strictyaml

import (
	"encoding"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Pos, as a field of a struct, is filled with the place of the struct's mapping.
type Pos struct {
	Field string // path, "" at the top
	Line  int
	Short bool // a text stands in place of the mapping
}

// At is the path of a key of that mapping, or of one further down, for [Document.Refuse]; in the short form, of the text.
func (p Pos) At(keys ...string) string {
	if p.Short {
		return p.Field
	}
	return Path(p.Field, keys...)
}

// Path is the path of a key below a path ("" at the top).
func Path(path string, keys ...string) string {
	for _, k := range keys {
		path = join(path, k)
	}
	return path
}

// Item is the path of the i-th value of a list, from 0.
func Item(path string, i int) string { return index(path, i) }

// OneOrMany takes one value, or a list of them.
type OneOrMany[T any] []T

func (OneOrMany[T]) oneOrMany() {}

var (
	posType  = reflect.TypeFor[Pos]()
	textType = reflect.TypeFor[encoding.TextUnmarshaler]()
	manyType = reflect.TypeFor[interface{ oneOrMany() }]()
)

// Decode reads one YAML document strictly into v, a pointer; every unknown key and wrong type is reported, not just the first.
func Decode(file string, data []byte, v any) Problems {
	d := Read(file, data)
	d.Decode(v)
	return d.Problems()
}

// Decode fills v, a pointer to a struct, map or slice, with what could be understood and adds the problems to the
// document's. A file of comments alone is an empty list to [OneOrMany], and a problem to anything else.
func (d *Document) Decode(v any) {
	dst := reflect.ValueOf(v).Elem()
	switch {
	case d.broken:
	case d.root == nil && dst.Type().Implements(manyType):
	case d.root == nil:
		d.add(0, "", "", "the file is empty, expected %s", wanted(dst.Type(), ""))
	default:
		w := walker{doc: d, top: dst.Type()}
		w.value("", words{}, d.root, dst)
	}
}

// walker decodes one document.
type walker struct {
	doc *Document
	top reflect.Type
}

// words say what belongs somewhere, and into each item of a list or map there; "" for the plain word of the type.
type words struct{ want, each string }

func (ws words) item() words { return words{want: ws.each} }

// value decodes n into dst.
func (w walker) value(path string, ws words, n *yaml.Node, dst reflect.Value) {
	t := dst.Type()
	switch {
	case n.Kind == yaml.AliasNode: // refused by check
	case t.Kind() == reflect.Pointer:
		p := reflect.New(t.Elem())
		dst.Set(p)
		w.value(path, ws, n, p.Elem())
	case n.Kind == yaml.ScalarNode && n.Tag == "!!null":
		w.doc.add(n.Line, path, "give a value, or remove the key", "found no value, expected %s", wanted(t, ws.want))
	case reflect.PointerTo(t).Implements(textType):
		w.text(path, ws, n, dst)
	case t.Implements(manyType) && n.Kind != yaml.SequenceNode:
		dst.Set(reflect.MakeSlice(t, 1, 1))
		w.value(path, ws, n, dst.Index(0))
	default:
		w.plain(path, ws, n, dst)
	}
}

func (w walker) plain(path string, ws words, n *yaml.Node, dst reflect.Value) {
	ok := true
	switch kind := dst.Kind(); {
	case kind == reflect.Struct && n.Kind == yaml.MappingNode:
		w.structure(path, n, dst)
	case kind == reflect.Struct:
		ok = w.short(path, n, dst)
	case kind == reflect.Map && n.Kind == yaml.MappingNode:
		w.mapping(path, ws, n, dst)
	case kind == reflect.Slice && n.Kind == yaml.SequenceNode:
		dst.Set(reflect.MakeSlice(dst.Type(), len(n.Content), len(n.Content)))
		for i, c := range n.Content {
			w.value(index(path, i), ws.item(), c, dst.Index(i))
		}
	case kind == reflect.String:
		if ok = isText(n); ok {
			dst.SetString(n.Value)
		}
	case kind == reflect.Bool:
		if ok = n.Kind == yaml.ScalarNode && n.Tag == "!!bool"; ok {
			dst.SetBool(strings.EqualFold(n.Value, "true"))
		}
	case dst.CanInt():
		ok = wholeNumber(n, dst)
	default:
		ok = false
	}
	if !ok {
		w.doc.add(n.Line, path, boolHint(n, dst), "found %s, expected %s", found(n), wanted(dst.Type(), ws.want))
	}
}

func (w walker) text(path string, ws words, n *yaml.Node, dst reflect.Value) {
	if !isText(n) {
		w.doc.add(n.Line, path, "", "found %s, expected %s", found(n), wanted(dst.Type(), ws.want))
		return
	}
	err := dst.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(n.Value))
	if err == nil {
		return
	}
	hint := ""
	if h, ok := err.(interface{ Hint() string }); ok {
		hint = h.Hint()
	}
	w.doc.add(n.Line, path, hint, "%v", err)
}

func (w walker) mapping(path string, ws words, n *yaml.Node, dst reflect.Value) {
	t := dst.Type()
	dst.Set(reflect.MakeMap(t))
	for i := 0; i < len(n.Content); i += 2 {
		k := n.Content[i]
		v := reflect.New(t.Elem()).Elem()
		w.value(join(path, k.Value), ws.item(), n.Content[i+1], v)
		dst.SetMapIndex(reflect.ValueOf(k.Value).Convert(t.Key()), v)
	}
}

func (w walker) structure(path string, n *yaml.Node, dst reflect.Value) {
	fields := fieldsOf(dst.Type())
	given := map[string]bool{}
	for i := 0; i < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		p := join(path, k.Value)
		given[k.Value] = true
		if f, known := fields.find(k.Value); known {
			w.value(p, f.words, v, dst.Field(f.index))
		} else {
			w.doc.add(k.Line, p, w.unknownHint(k.Value, fields), "unknown key")
		}
	}
	for _, f := range fields {
		if f.required && !given[f.name] {
			w.doc.add(w.doc.Line(path), join(path, f.name), "", "missing, expected %s", wanted(f.typ, f.want))
		}
	}
	setPos(dst, Pos{Field: path, Line: n.Line})
}

// short takes a text in place of a mapping, where the struct has a key for it.
func (w walker) short(path string, n *yaml.Node, dst reflect.Value) bool {
	if !isText(n) {
		return false
	}
	for _, f := range fieldsOf(dst.Type()) {
		if f.short {
			w.value(path, f.words, n, dst.Field(f.index))
			setPos(dst, Pos{Field: path, Line: n.Line, Short: true})
			return true
		}
	}
	return false
}

func setPos(dst reflect.Value, p Pos) {
	for i := range dst.NumField() {
		if dst.Type().Field(i).Type == posType {
			dst.Field(i).Set(reflect.ValueOf(p))
		}
	}
}
