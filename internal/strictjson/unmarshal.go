package strictjson

import (
	"bytes"
	"encoding"
	"encoding/base64"
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Unmarshal parses data strictly into v, a pointer. Unknown members are ignored. v is
// changed only when all of data is good. Every refusal is an *Error.
//
// Destinations are structs, maps with string keys, slices, pointers, strings, booleans,
// integers, floats, []byte (base64), any, and types with UnmarshalJSON or UnmarshalText.
func Unmarshal(data []byte, v any) error {
	dst := reflect.ValueOf(v)
	if dst.Kind() != reflect.Pointer || dst.IsNil() {
		panic("strictjson: Unmarshal into " + dst.Kind().String() + ", expected a pointer")
	}
	if !utf8.Valid(data) {
		at := validPrefix(data)
		return &Error{Kind: NotUTF8, Offset: int64(at), Detail: "invalid UTF-8: byte 0x" + strconv.FormatUint(uint64(data[at]), 16)}
	}
	if bytes.HasPrefix(data, []byte("\uFEFF")) {
		return &Error{Kind: BOM, Detail: "the document begins with a byte order mark, expected none"}
	}
	d := decoder{scanner: scanner{data: data}, structs: make(map[reflect.Type]*structInfo)}
	fresh := reflect.New(dst.Type().Elem()).Elem()
	if err := d.value(fresh); err != nil {
		return err
	}
	if d.peek(); d.pos < len(data) {
		return d.errorf(Trailing, d.pos, "%d bytes after the end of the document, expected only white space", len(data)-d.pos)
	}
	dst.Elem().Set(fresh)
	return nil
}

func validPrefix(data []byte) int {
	at := 0
	for at < len(data) {
		r, n := utf8.DecodeRune(data[at:])
		if r == utf8.RuneError && n == 1 {
			break
		}
		at += n
	}
	return at
}

// decoder walks the text and the destination together, so that every refusal knows its place.
type decoder struct {
	scanner
	structs map[reflect.Type]*structInfo
}

func (d *decoder) value(v reflect.Value) *Error {
	c := d.peek()
	if kindOf(c) == "" {
		return d.syntax("a value")
	}
	if handled, err := d.own(v, c); handled {
		return err
	}
	if v.Kind() == reflect.Interface {
		return d.any(v)
	}
	if c == 'n' {
		return d.null(v)
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return d.value(v.Elem())
	case reflect.Struct:
		return d.structure(v, c)
	case reflect.Map:
		return d.mapping(v, c)
	case reflect.Slice:
		return d.slice(v, c)
	case reflect.String:
		s, err := d.text(c, "a string")
		if err == nil {
			v.SetString(s)
		}
		return err
	case reflect.Bool:
		return d.boolean(v, c)
	}
	return d.numeric(v, c)
}

func (d *decoder) expect(want bool, c byte, expected string) *Error {
	if want {
		return nil
	}
	if c == 'n' {
		return d.errorf(Null, d.pos, "found null, expected %s", expected)
	}
	return d.errorf(WrongType, d.pos, "found %s, expected %s", kindOf(c), expected)
}

func (d *decoder) null(v reflect.Value) *Error {
	at := d.pos
	if err := d.literal("null"); err != nil {
		return err
	}
	return d.errorf(Null, at, "found null, expected %s", wanted(v.Type()))
}

// wanted names the JSON value that a type is read from.
func wanted(t reflect.Type) string {
	if reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return "a string"
	}
	switch t.Kind() {
	case reflect.Pointer:
		return wanted(t.Elem())
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Slice:
		return "an array"
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Float32, reflect.Float64:
		return "a number"
	}
	return "an integer"
}

// own lets a type with a reader of its own read its value.
func (d *decoder) own(v reflect.Value, c byte) (handled bool, err *Error) {
	if v.Kind() == reflect.Pointer || v.Type().PkgPath() == "" || !v.CanAddr() {
		return false, nil // only types with a name of their own have methods
	}
	switch u := v.Addr().Interface().(type) {
	case json.Unmarshaler:
		start := d.pos
		if _, raw := u.(*json.RawMessage); c == 'n' && !raw {
			return true, d.null(v)
		}
		if err := d.skip(); err != nil {
			return true, err
		}
		return true, d.bad(start, u.UnmarshalJSON(d.data[start:d.pos:d.pos]))
	case encoding.TextUnmarshaler:
		start := d.pos
		s, err := d.text(c, "a string")
		if err != nil {
			return true, err
		}
		return true, d.bad(start, u.UnmarshalText([]byte(s)))
	case Plainer:
		if d.plainly(u) {
			return true, nil
		}
		v.SetZero()
	}
	return false, nil
}

func (d *decoder) bad(at int, err error) *Error {
	if err == nil {
		return nil
	}
	return &Error{Kind: BadValue, Offset: int64(at), Detail: err.Error(), Err: err}
}

// any reads into an interface what encoding/json would, from a text that was found sound.
func (d *decoder) any(v reflect.Value) *Error {
	start := d.pos
	if err := d.skip(); err != nil {
		return err
	}
	return d.bad(start, json.Unmarshal(d.data[start:d.pos], v.Addr().Interface()))
}

func (d *decoder) text(c byte, expected string) (string, *Error) {
	if err := d.expect(c == '"', c, expected); err != nil {
		return "", err
	}
	return d.str()
}

func (d *decoder) boolean(v reflect.Value, c byte) *Error {
	if err := d.expect(c == 't' || c == 'f', c, "true or false"); err != nil {
		return err
	}
	v.SetBool(c == 't')
	return d.literal(strconv.FormatBool(c == 't'))
}

func (d *decoder) slice(v reflect.Value, c byte) *Error {
	if v.Type().Elem().Kind() == reflect.Uint8 {
		return d.base64(v, c)
	}
	if err := d.expect(c == '[', c, "an array"); err != nil {
		return err
	}
	v.Set(reflect.MakeSlice(v.Type(), 0, 2))
	return d.array(func(i int) *Error {
		v.Grow(1) // reflect.Append would make a new header for each element
		v.SetLen(i + 1)
		return d.value(v.Index(i))
	})
}

func (d *decoder) base64(v reflect.Value, c byte) *Error {
	if err := d.expect(c == '"', c, "a string in base64"); err != nil {
		return err
	}
	start := d.pos
	if b, ok := d.plainBase64(); ok {
		v.SetBytes(b)
		return nil
	}
	s, err := d.str()
	if err != nil {
		return err
	}
	b, bad := base64.StdEncoding.Strict().DecodeString(s)
	if bad == nil && strings.ContainsAny(s, "\r\n") { // which DecodeString skips
		bad = base64.CorruptInputError(strings.IndexAny(s, "\r\n"))
	}
	if bad != nil {
		return d.bad(start, bad)
	}
	v.SetBytes(b)
	return nil
}

// plainBase64 reads a string without escapes where it stands: a bundle's payload is megabytes, and need not be copied
// first. Otherwise pos stays.
func (d *decoder) plainBase64() ([]byte, bool) {
	text := d.data[d.pos+1:]
	end := bytes.IndexByte(text, '"')
	if end < 0 || bytes.IndexByte(text[:end], '\r') >= 0 || bytes.IndexByte(text[:end], '\n') >= 0 { // which Decode skips
		return nil, false
	}
	b := make([]byte, base64.StdEncoding.DecodedLen(end))
	n, err := base64.StdEncoding.Strict().Decode(b, text[:end])
	if err != nil {
		return nil, false
	}
	d.pos += end + 2
	return b[:n], true
}

func (d *decoder) mapping(v reflect.Value, c byte) *Error {
	if err := d.expect(c == '{', c, "an object"); err != nil {
		return err
	}
	t := v.Type()
	out := reflect.MakeMap(t)
	elem := reflect.New(t.Elem()).Elem()
	err := d.object(func(name string, at int) *Error {
		key, bad := d.key(t.Key(), name, at)
		if bad != nil {
			return bad
		}
		if out.Len() > 0 && out.MapIndex(key).IsValid() {
			return d.duplicate(name, at)
		}
		elem.SetZero()
		if err := d.value(elem); err != nil {
			return err.in(member(name))
		}
		out.SetMapIndex(key, elem)
		return nil
	})
	v.Set(out)
	return err
}

func (d *decoder) key(t reflect.Type, name string, at int) (reflect.Value, *Error) {
	key := reflect.New(t).Elem()
	if t.Kind() == reflect.String {
		key.SetString(name)
		return key, nil
	}
	return key, setInteger(key, name, at).nested(member(name))
}

// nested is in for an error that may be nil.
func (e *Error) nested(step string) *Error {
	if e == nil {
		return nil
	}
	return e.in(step)
}
