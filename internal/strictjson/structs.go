package strictjson

import (
	"reflect"
	"slices"
	"strings"
)

// field is one member of a struct.
type field struct {
	name      string
	index     []int
	omitEmpty bool
	omitZero  bool
}

func (f field) optional() bool { return f.omitEmpty || f.omitZero }

type structInfo struct {
	fields []field
}

// find is the place of a member among the fields. Documents mostly have them in order: it looks from the one after the
// last first.
func (info *structInfo) find(name string, after int) (int, bool) {
	for n := range info.fields {
		i := (after + 1 + n) % len(info.fields)
		if info.fields[i].name == name {
			return i, true
		}
	}
	return 0, false
}

// structOf lists the members of a struct type in order; the members of an embedded
// struct without a tag are its own.
func structOf(t reflect.Type) *structInfo {
	info := &structInfo{}
	info.add(t, nil)
	return info
}

func (info *structInfo) add(t reflect.Type, prefix []int) {
	for i := range t.NumField() {
		f := t.Field(i)
		tag, tagged := f.Tag.Lookup("json")
		index := append(slices.Clone(prefix), i)
		if f.Anonymous && !tagged && f.Type.Kind() == reflect.Struct {
			info.add(f.Type, index)
			continue
		}
		name, options, _ := strings.Cut(tag, ",")
		if tag == "-" || !f.IsExported() {
			continue
		}
		if name == "" {
			name = f.Name
		}
		opts := strings.Split(options, ",")
		info.fields = append(info.fields, field{
			name: name, index: index,
			omitEmpty: slices.Contains(opts, "omitempty"), omitZero: slices.Contains(opts, "omitzero"),
		})
	}
}

func (d *decoder) info(t reflect.Type) *structInfo {
	info := d.structs[t]
	if info == nil {
		info = structOf(t)
		d.structs[t] = info
	}
	return info
}

func (d *decoder) structure(v reflect.Value, c byte) *Error {
	if err := d.expect(c == '{', c, "an object"); err != nil {
		return err
	}
	start := d.pos
	info := d.info(v.Type())
	var few [32]bool
	seen := few[:]
	if len(info.fields) > len(few) {
		seen = make([]bool, len(info.fields))
	}
	var unknown map[string]bool
	last := -1
	err := d.object(func(name string, at int) *Error {
		i, known := info.find(name, last)
		if !known {
			if unknown == nil {
				unknown = make(map[string]bool)
			}
			return d.unknown(info, unknown, name, at)
		}
		if seen[i] {
			return d.duplicate(name, at)
		}
		seen[i], last = true, i
		return d.value(v.FieldByIndex(info.fields[i].index)).nested(name)
	})
	if err != nil {
		return err
	}
	for i, f := range info.fields {
		if !seen[i] && !f.optional() {
			return d.errorf(Missing, start, "the member is missing, and is required").in(f.name)
		}
	}
	return nil
}

// unknown passes over a member of a later minor version. One that differs from a known
// name in case only would be taken for it by other readers.
func (d *decoder) unknown(info *structInfo, seen map[string]bool, name string, at int) *Error {
	if seen[name] {
		return d.duplicate(name, at)
	}
	seen[name] = true
	for _, f := range info.fields {
		if strings.EqualFold(f.name, name) {
			return d.errorf(WrongCase, at, "found member %s, expected %q in exactly this case", show(name), f.name).in(member(name))
		}
	}
	return d.skip().nested(member(name))
}
