package strictjson

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

type inner struct {
	Key  int    `json:"key"`
	Note string `json:"note,omitempty"`
}

type embedded struct {
	Base uint8 `json:"base,omitempty"`
}

type outer struct {
	embedded
	Serial  int64            `json:"serial"`
	Names   []string         `json:"names,omitempty"`
	Trees   map[string]inner `json:"trees,omitempty"`
	Numbers map[int64]bool   `json:"numbers,omitempty"`
	Since   *Time            `json:"since,omitempty"`
	Zero    Time             `json:"zero,omitzero"`
	Ratio   float64          `json:"ratio,omitempty"`
	Blob    []byte           `json:"blob,omitempty"`
	Raw     json.RawMessage  `json:"raw,omitempty"`
	Any     any              `json:"any,omitempty"`
	Hidden  string           `json:"-"`
	private int              //lint:ignore U1000 never filled in: that is the point
}

func TestUnmarshal(t *testing.T) {
	since := At(time.Unix(1795334400, 0))
	for text, want := range map[string]outer{
		`{"serial":1}`: {Serial: 1},
		" \t\r\n{ \"serial\" : -9223372036854775808 }\n ":                                        {Serial: -1 << 63},
		`{"serial":0,"base":255}`:                                                                {embedded: embedded{255}},
		`{"s\u0065rial":2,"unknown":{"serial":[1.5e-3,null]}}`:                                   {Serial: 2},
		`{"serial":3,"names":[],"trees":{},"numbers":{}}`:                                        {Serial: 3, Names: []string{}, Trees: map[string]inner{}, Numbers: map[int64]bool{}},
		`{"serial":4,"trees":{"a":{"key":5},"A":{"key":6,"note":"\u00e9\ud83c\udf0a\n\/\"\\"}}}`: {Serial: 4, Trees: map[string]inner{"a": {Key: 5}, "A": {6, "é\U0001F30A\n/\"\\"}}},
		`{"serial":5,"numbers":{"-7":true,"0":false}}`:                                           {Serial: 5, Numbers: map[int64]bool{-7: true, 0: false}},
		`{"serial":6,"since":"2026-11-22T08:00:00Z","zero":"2026-11-22T08:00:00Z"}`:              {Serial: 6, Since: &since, Zero: since},
		`{"serial":7,"ratio":-1.5e3,"blob":"AAE=","raw":[1, null],"any":{"x":[null]}}`:           {Serial: 7, Ratio: -1500, Blob: []byte{0, 1}, Raw: json.RawMessage(`[1, null]`), Any: map[string]any{"x": []any{nil}}},
		`{"serial":8,"Hidden":"x","private":1}`:                                                  {Serial: 8},
	} {
		var got outer
		if err := Unmarshal([]byte(text), &got); err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(outer{}, embedded{})); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
}

// What encoding/json takes in silence, and more.
func TestUnmarshal_Refused(t *testing.T) {
	nested := func(n int) string {
		return `{"serial":1,"x":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}`
	}
	for _, c := range []struct {
		name, text string
		kind       Kind
		path       string
		offset     int64
	}{
		{"invalid UTF-8", "{\"serial\":1,\"x\":\"\xff\"}", NotUTF8, "", 17},
		{"a surrogate in UTF-8", "{\"serial\":1,\"x\":\"\xed\xa0\x80\"}", NotUTF8, "", 17},
		{"UTF-8 before all else", "not JSON \xff", NotUTF8, "", 9},
		{"UTF-16", "\xff\xfe{\x00}\x00", NotUTF8, "", 0},
		{"BOM", "\uFEFF{\"serial\":1}", BOM, "", 0},
		{"empty", "", Syntax, "", 0},
		{"white space", " \n", Syntax, "", 2},
		{"cut", `{"serial":1`, Syntax, "", 11},
		{"cut in a name", `{"ser`, Syntax, "", 5},
		{"cut in an escape", `{"serial":1,"x":"\`, Syntax, "x", 18},
		{"cut in a \\u", `{"serial":1,"x":"\u00`, Syntax, "x", 21},
		{"cut in a literal", `{"serial":1,"x":tru`, Syntax, "x", 16},
		{"name without quotes", `{serial:1}`, Syntax, "", 1},
		{"single quotes", `{'serial':1}`, Syntax, "", 1},
		{"no colon", `{"serial" 1}`, Syntax, "serial", 10},
		{"no comma", `{"serial":1 "x":2}`, Syntax, "", 12},
		{"trailing comma", `{"serial":1,}`, Syntax, "", 12},
		{"trailing comma in a list", `{"serial":1,"names":["a",]}`, Syntax, "names[1]", 25},
		{"comment", `{"serial":1/**/}`, Syntax, "", 11},
		{"leading zero", `{"serial":01}`, Syntax, "serial", 10},
		{"plus", `{"serial":+1}`, Syntax, "serial", 10},
		{"point without digits", `{"serial":1.}`, Syntax, "serial", 12},
		{"exponent without digits", `{"serial":1e}`, Syntax, "serial", 12},
		{"NaN", `{"serial":NaN}`, Syntax, "serial", 10},
		{"bad escape", `{"serial":1,"x":"\x41"}`, Syntax, "x", 18},
		{"bad hex", `{"serial":1,"x":"\u00g0"}`, Syntax, "x", 21},
		{"other white space", "{\"serial\":\u00a01}", Syntax, "serial", 10},
		{"form feed", "{\"serial\":\f1}", Syntax, "serial", 10},
		{"newline in a string", "{\"serial\":1,\"x\":\"a\nb\"}", Control, "x", 18},
		{"NUL in a string", "{\"serial\":1,\"x\":\"\x00\"}", Control, "x", 17},
		{"NUL escaped", `{"serial":1,"x":"\u0000"}`, Control, "x", 17},
		{"NUL in a name", `{"serial":1,"\u0000":1}`, Control, "", 13},
		{"high surrogate", `{"serial":1,"x":"\ud800"}`, LoneSurrogate, "x", 17},
		{"high surrogate, then text", `{"serial":1,"x":"\ud800abcdef"}`, LoneSurrogate, "x", 17},
		{"high surrogate, then a character", `{"serial":1,"x":"\ud800\u0041"}`, LoneSurrogate, "x", 17},
		{"low surrogate", `{"serial":1,"x":"\udc00"}`, LoneSurrogate, "x", 17},
		{"two high surrogates", `{"serial":1,"x":"\ud800\ud800"}`, LoneSurrogate, "x", 17},
		{"surrogate in a name", `{"serial":1,"\ud800":1}`, LoneSurrogate, "", 13},
		{"duplicate", `{"serial":1,"serial":1}`, Duplicate, "serial", 12},
		{"duplicate, escaped", `{"serial":1,"\u0073erial":1}`, Duplicate, "serial", 12},
		{"duplicate, embedded", `{"serial":1,"base":1,"base":1}`, Duplicate, "base", 21},
		{"duplicate in a map", `{"serial":1,"trees":{"a":{"key":1},"a":{"key":1}}}`, Duplicate, "trees.a", 35},
		{"duplicate in a map of integers", `{"serial":1,"numbers":{"1":true,"\u0031":true}}`, Duplicate, "numbers.1", 32},
		{"duplicate unknown", `{"serial":1,"x":1,"x":1}`, Duplicate, "x", 18},
		{"duplicate in an unknown", `{"serial":1,"x":[{"y":1,"y":1}]}`, Duplicate, "x[0].y", 24},
		{"duplicate in raw", `{"serial":1,"raw":{"y":1,"y":1}}`, Duplicate, "raw.y", 25},
		{"duplicate in any", `{"serial":1,"any":{"y":1,"y":1}}`, Duplicate, "any.y", 25},
		{"capitals", `{"SERIAL":1}`, WrongCase, "SERIAL", 1},
		{"capitals beside it", `{"serial":1,"Serial":2}`, WrongCase, "Serial", 12},
		{"long s", `{"serial":1,"\u017ferial":2}`, WrongCase, `"\u017ferial"`, 12},
		{"Kelvin sign", `{"serial":1,"trees":{"a":{"key":1,"\u212aey":1}}}`, WrongCase, `trees.a."\u212aey"`, 34},
		{"another document", `{"serial":1}{}`, Trailing, "", 12},
		{"a NUL after it", "{\"serial\":1}\x00", Trailing, "", 12},
		{"a brace after it", `{"serial":1}}`, Trailing, "", 12},
		{"too deep", nested(MaxDepth), TooDeep, "x" + strings.Repeat("[0]", MaxDepth-1), 79},
		{"a million deep", nested(1000000), TooDeep, "x" + strings.Repeat("[0]", MaxDepth-1), 79},
		{"list for an object", `[]`, WrongType, "", 0},
		{"string for an integer", `{"serial":"1"}`, WrongType, "serial", 10},
		{"boolean for an integer", `{"serial":true}`, WrongType, "serial", 10},
		{"integer for a string", `{"serial":1,"names":[1]}`, WrongType, "names[0]", 21},
		{"object for a list", `{"serial":1,"names":{}}`, WrongType, "names", 20},
		{"list for a map", `{"serial":1,"trees":[]}`, WrongType, "trees", 20},
		{"integer for a boolean", `{"serial":1,"numbers":{"1":1}}`, WrongType, "numbers.1", 27},
		{"null document", `null`, Null, "", 0},
		{"null for an integer", `{"serial":null}`, Null, "serial", 10},
		{"null for a string", `{"serial":1,"names":[null]}`, Null, "names[0]", 21},
		{"null for a list", `{"serial":1,"names":null}`, Null, "names", 20},
		{"null for a map", `{"serial":1,"trees":null}`, Null, "trees", 20},
		{"null for a pointer", `{"serial":1,"since":null}`, Null, "since", 20},
		{"null for a time", `{"serial":1,"zero":null}`, Null, "zero", 19},
		{"missing", `{}`, Missing, "serial", 0},
		{"missing inside", `{"serial":1,"trees":{"a":{}}}`, Missing, "trees.a.key", 25},
		{"point", `{"serial":1.0}`, NotInteger, "serial", 10},
		{"exponent", `{"serial":1e0}`, NotInteger, "serial", 10},
		{"minus zero", `{"serial":-0}`, NotInteger, "serial", 10},
		{"key with a zero", `{"serial":1,"numbers":{"01":true}}`, NotInteger, "numbers.01", 23},
		{"key of words", `{"serial":1,"numbers":{"one":true}}`, NotInteger, "numbers.one", 23},
		{"beyond 64 bits", `{"serial":9223372036854775808}`, OutOfRange, "serial", 10},
		{"beyond 8 bits", `{"serial":1,"base":256}`, OutOfRange, "base", 19},
		{"negative", `{"serial":1,"base":-1}`, OutOfRange, "base", 19},
		{"float out of range", `{"serial":1,"ratio":1e999}`, OutOfRange, "ratio", 20},
		{"time in another spelling", `{"serial":1,"zero":"2026-11-22T08:00:00+00:00"}`, BadValue, "zero", 19},
		{"time as a number", `{"serial":1,"zero":1795334400}`, BadValue, "zero", 19},
		{"base64 without padding", `{"serial":1,"blob":"AAE"}`, BadValue, "blob", 19},
		{"base64 with loose bits", `{"serial":1,"blob":"AAF="}`, BadValue, "blob", 19},
		{"base64 with a newline", `{"serial":1,"blob":"AA\nE="}`, BadValue, "blob", 19},
	} {
		got := outer{Serial: 42}
		err := Unmarshal([]byte(c.text), &got)
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%s: %v, expected an *Error", c.name, err)
			continue
		}
		if e.Kind != c.kind || e.Path != c.path || e.Offset != c.offset {
			t.Errorf("%s: %s at %q, byte %d; expected %s at %q, byte %d (%v)", c.name, e.Kind, e.Path, e.Offset, c.kind, c.path, c.offset, err)
		}
		if diff := cmp.Diff(outer{Serial: 42}, got, cmp.AllowUnexported(outer{}, embedded{})); diff != "" {
			t.Errorf("%s: refused, but the destination changed: %s", c.name, diff)
		}
		if msg := err.Error(); len(msg) > 500 || strings.ContainsFunc(msg, func(r rune) bool { return r < 0x20 || r > 0x7e }) {
			t.Errorf("%s: the message is long or not plain ASCII: %q", c.name, msg)
		}
	}
}

func TestUnmarshal_DepthLimit(t *testing.T) {
	n := MaxDepth - 1 // the document is a level itself
	text := `{"serial":1,"x":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}`
	if err := Unmarshal([]byte(text), new(outer)); err != nil {
		t.Error(err)
	}
}

func TestUnmarshal_Scalars(t *testing.T) {
	for text, dst := range map[string]any{`"a"`: new(string), `1`: new(int), `true`: new(bool), `[1,2]`: new([]int), `{"a":1}`: new(map[string]int), `{}`: new(any)} {
		if err := Unmarshal([]byte(text), dst); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestTime(t *testing.T) {
	for text, want := range map[string]int64{"2026-11-22T08:00:00Z": 1795334400, "1970-01-01T00:00:00Z": 0, "9999-12-31T23:59:59Z": 253402300799, "2024-02-29T00:00:00Z": 1709164800} {
		var got Time
		if err := got.UnmarshalText([]byte(text)); err != nil || got.Unix() != want {
			t.Errorf("%s: %d, %v", text, got.Unix(), err)
		}
		if b, err := got.MarshalText(); err != nil || string(b) != text {
			t.Errorf("%s: written as %s, %v", text, b, err)
		}
	}
	for _, text := range []string{
		"", "2026-11-22", "2026-11-22T08:00Z", "2026-11-22T08:00:00", "2026-11-22T08:00:00z", "2026-11-22t08:00:00Z", "2026-11-22 08:00:00Z", "2026-11-22T08:00:00.0Z",
		"2026-11-22T08:00:00.5Z", "2026-11-22T08:00:00,5Z", "2026-11-22T08:00:00+00:00", "2026-11-22T08:00:00-00:00", "2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-11-22T24:00:00Z",
		"2026-11-22T08:00:60Z", "2026-11-22T8:00:00Z", "26-11-22T08:00:00Z", "12026-11-22T08:00:00Z", "-026-11-22T08:00:00Z", " 2026-11-22T08:00:00Z", "2026-11-22T08:00:00Z\n",
	} {
		var got Time
		if err := got.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is read as %v", text, got)
		}
	}
	local := time.Date(2026, 11, 22, 10, 0, 0, 999, time.FixedZone("EET", 7200))
	if b, err := At(local).MarshalJSON(); err != nil || string(b) != `"2026-11-22T08:00:00Z"` {
		t.Errorf("%s, %v", b, err)
	}
	for _, year := range []int{-1, 10000} {
		if b, err := At(time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)).MarshalText(); err == nil {
			t.Errorf("year %d is written as %s", year, b)
		}
	}
}

func Example() {
	var doc struct {
		Serial int64 `json:"serial"`
	}
	for _, text := range []string{`{"serial": 1, "new": true}`, `{"serial": 1, "SERIAL": 2}`, `{"serial": 1.0}`, `{}`} {
		fmt.Println(Unmarshal([]byte(text), &doc))
	}
	b, err := Marshal(doc)
	fmt.Printf("%s%v\n", b, err)
	// Output:
	// <nil>
	// SERIAL: found member "SERIAL", expected "serial" in exactly this case (at byte 14)
	// serial: found 1.0, expected an integer in digits only (at byte 11)
	// serial: the member is missing, and is required (at byte 0)
	// {
	//   "serial": 1
	// }
	// <nil>
}

func FuzzStrictJSON(f *testing.F) {
	for _, s := range []string{
		`{"serial":1}`, `{"serial":4,"trees":{"a":{"key":5},"A":{"key":6,"note":"\u00e9\ud83c\udf0a\n"}}}`, `{"serial":7,"ratio":-1.5e3,"blob":"AAE=","raw":[1, null],"any":{"x":[null]}}`,
		`{"serial":6,"since":"2026-11-22T08:00:00Z"}`, `{"serial":1,"\u017ferial":2}`, `{"serial":1,"x":"\ud800"}`, `{"serial":-0}`, "\uFEFF{}", `{"serial":1}{}`, `[[[[`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var v outer
		if err := Unmarshal(b, &v); err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Kind == "" || len(err.Error()) > 4096 {
				t.Fatalf("%T: %v", err, err)
			}
			return
		}
		if !json.Valid(b) {
			t.Fatalf("accepted, but not JSON: %q", b)
		}
		var loose outer // the standard reader finds the same in what is accepted
		if err := json.Unmarshal(b, &loose); err != nil {
			t.Fatalf("accepted, but encoding/json says %v: %q", err, b)
		}
		if diff := cmp.Diff(loose, v, cmp.AllowUnexported(outer{}, embedded{})); diff != "" {
			t.Fatalf("encoding/json reads it in another way: %s", diff)
		}
		once, err := Marshal(v)
		if err != nil {
			t.Fatalf("read, but not written: %v", err)
		}
		var again outer
		if err := Unmarshal(once, &again); err != nil {
			t.Fatalf("written, but not read: %v\n%s", err, once)
		}
		if twice, err := Marshal(again); err != nil || string(twice) != string(once) {
			t.Fatalf("written in two ways (%v):\n%s\n%s", err, once, twice)
		}
	})
}
