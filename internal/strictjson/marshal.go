package strictjson

import (
	"bytes"
	"encoding"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"reflect"
	"sort"
	"strconv"
	"unicode/utf8"
)

// Marshal returns the one text of v, with a final line feed. It refuses strings that
// are not UTF-8 or hold NUL, nil pointers without omitempty, and what a type's own
// MarshalText or MarshalJSON refuses; the error says where.
func Marshal(v any) ([]byte, error) {
	e := encoder{structs: make(map[reflect.Type]*structInfo)}
	if err := e.value(reflect.ValueOf(v), 0); err != nil {
		return nil, err
	}
	e.WriteByte('\n')
	return e.Bytes(), nil
}

type encoder struct {
	bytes.Buffer
	structs map[reflect.Type]*structInfo
}

func refuse(format string, args ...any) *Error {
	return &Error{Kind: BadValue, Offset: -1, Detail: fmt.Sprintf(format, args...)}
}

func (e *encoder) value(v reflect.Value, depth int) error {
	if err := e.put(v, depth); err != nil {
		return err
	}
	return nil
}

func (e *encoder) put(v reflect.Value, depth int) *Error {
	if depth > MaxDepth {
		return &Error{Kind: TooDeep, Offset: -1, Detail: fmt.Sprintf("more than %d levels", MaxDepth)}
	}
	if !v.IsValid() {
		e.WriteString("null") // an empty interface holds nothing
		return nil
	}
	if v.Kind() == reflect.Pointer && v.IsNil() {
		return &Error{Kind: Null, Offset: -1, Detail: "a nil pointer, expected a value"}
	}
	if handled, err := e.own(v, depth); handled {
		return err
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		return e.put(v.Elem(), depth)
	case reflect.Struct:
		return e.structure(v, depth)
	case reflect.Map:
		return e.mapping(v, depth)
	case reflect.Slice, reflect.Array:
		return e.list(v, depth)
	case reflect.String:
		return e.text(v.String())
	}
	return e.scalar(v)
}

func (e *encoder) scalar(v reflect.Value) *Error {
	switch {
	case v.Kind() == reflect.Bool:
		e.WriteString(strconv.FormatBool(v.Bool()))
	case v.CanInt():
		e.WriteString(strconv.FormatInt(v.Int(), 10))
	case v.CanUint():
		e.WriteString(strconv.FormatUint(v.Uint(), 10))
	case v.CanFloat():
		b, err := json.Marshal(v.Interface())
		if err != nil {
			return refuse("%v", err)
		}
		e.Write(b)
	default:
		return refuse("a Go %s cannot be written in JSON", v.Kind())
	}
	return nil
}

// own lets a type with a writer of its own write its value.
func (e *encoder) own(v reflect.Value, depth int) (handled bool, err *Error) {
	switch m := v.Interface().(type) {
	case json.Marshaler:
		b, err := m.MarshalJSON()
		if err != nil {
			return true, &Error{Kind: BadValue, Offset: -1, Detail: err.Error(), Err: err}
		}
		return true, e.raw(b, depth)
	case encoding.TextMarshaler:
		b, err := m.MarshalText()
		if err != nil {
			return true, &Error{Kind: BadValue, Offset: -1, Detail: err.Error(), Err: err}
		}
		return true, e.text(string(b))
	}
	return false, nil
}

// raw re-indents a JSON text; outside of strings it is ASCII.
func (e *encoder) raw(b []byte, depth int) *Error {
	var out bytes.Buffer
	if err := json.Indent(&out, bytes.TrimSpace(b), indent(depth), "  "); err != nil {
		return refuse("%v", err)
	}
	if !utf8.Valid(out.Bytes()) {
		return &Error{Kind: NotUTF8, Offset: -1, Detail: "a text that is not UTF-8"}
	}
	for _, r := range out.String() {
		e.char(r)
	}
	return nil
}

const spaces = "                                                                                                                                  "

func indent(depth int) string { return spaces[:2*depth] }

func (e *encoder) newline(depth int) {
	e.WriteByte('\n')
	e.WriteString(indent(depth))
}

// text writes a string: the escapes of JSON with a letter where there is one.
func (e *encoder) text(s string) *Error {
	if !utf8.ValidString(s) {
		return &Error{Kind: NotUTF8, Offset: -1, Detail: "the string " + show(s) + " is not UTF-8"}
	}
	e.WriteByte('"')
	for _, r := range s {
		switch r {
		case 0:
			return &Error{Kind: Control, Offset: -1, Detail: "the string " + show(s) + " holds a NUL"}
		case '"', '\\':
			e.WriteByte('\\')
			e.WriteByte(byte(r))
		case '\b':
			e.WriteString(`\b`)
		case '\f':
			e.WriteString(`\f`)
		case '\n':
			e.WriteString(`\n`)
		case '\r':
			e.WriteString(`\r`)
		case '\t':
			e.WriteString(`\t`)
		default:
			e.char(r)
		}
	}
	e.WriteByte('"')
	return nil
}

// char writes one character in ASCII.
func (e *encoder) char(r rune) {
	switch {
	case r < 0x20 && r != '\n' || 0x7f < r && r <= 0xffff:
		fmt.Fprintf(e, `\u%04x`, r)
	case r > 0xffff:
		r -= 0x10000
		fmt.Fprintf(e, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
	default:
		e.WriteByte(byte(r))
	}
}

func (e *encoder) list(v reflect.Value, depth int) *Error {
	if v.Type().Elem().Kind() == reflect.Uint8 && v.Kind() == reflect.Slice {
		return e.text(base64.StdEncoding.EncodeToString(v.Bytes()))
	}
	if v.Len() == 0 {
		e.WriteString("[]")
		return nil
	}
	e.WriteByte('[')
	for i := range v.Len() {
		if i > 0 {
			e.WriteByte(',')
		}
		e.newline(depth + 1)
		if err := e.put(v.Index(i), depth+1); err != nil {
			return err.in(index(i))
		}
	}
	e.newline(depth)
	e.WriteByte(']')
	return nil
}

func (e *encoder) mapping(v reflect.Value, depth int) *Error {
	names := make([]string, 0, v.Len())
	values := make(map[string]reflect.Value, v.Len())
	for _, k := range v.MapKeys() {
		name := fmt.Sprint(k.Interface())
		names = append(names, name)
		values[name] = v.MapIndex(k)
	}
	sort.Strings(names)
	return e.members(depth, func(put func(name string, v reflect.Value) *Error) *Error {
		for _, name := range names {
			if err := put(name, values[name]); err != nil {
				return err
			}
		}
		return nil
	})
}

func (e *encoder) structure(v reflect.Value, depth int) *Error {
	info := e.structs[v.Type()]
	if info == nil {
		info = structOf(v.Type())
		e.structs[v.Type()] = info
	}
	return e.members(depth, func(put func(name string, v reflect.Value) *Error) *Error {
		for _, f := range info.fields {
			member := v.FieldByIndex(f.index)
			if f.omitEmpty && empty(member) || f.omitZero && zero(member) {
				continue
			}
			if err := put(f.name, member); err != nil {
				return err
			}
		}
		return nil
	})
}

// members writes an object, of which walk puts the members.
func (e *encoder) members(depth int, walk func(put func(name string, v reflect.Value) *Error) *Error) *Error {
	e.WriteByte('{')
	n := 0
	err := walk(func(name string, v reflect.Value) *Error {
		if n++; n > 1 {
			e.WriteByte(',')
		}
		e.newline(depth + 1)
		if err := e.text(name); err != nil {
			return err
		}
		e.WriteString(": ")
		return e.put(v, depth+1).nested(member(name))
	})
	if n > 0 {
		e.newline(depth)
	}
	e.WriteByte('}')
	return err
}

// empty and zero are the meanings of omitempty and omitzero in encoding/json.
func empty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Array, reflect.Map, reflect.Slice, reflect.String:
		return v.Len() == 0
	case reflect.Struct:
		return false
	}
	return v.IsZero()
}

func zero(v reflect.Value) bool {
	if z, ok := v.Interface().(interface{ IsZero() bool }); ok && (v.Kind() != reflect.Pointer || !v.IsNil()) {
		return z.IsZero()
	}
	return v.IsZero()
}
