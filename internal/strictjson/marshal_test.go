package strictjson

import (
	"encoding/json"
	"errors"
	"math"
	"testing"
	"time"
)

func TestMarshal(t *testing.T) {
	v := struct {
		Text  string           `json:"text"`
		Nil   []string         `json:"nil"`
		Map   map[string]inner `json:"map"`
		None  map[string]int   `json:"none"`
		Since *Time            `json:"since,omitempty"`
		Skip  *Time            `json:"skip,omitempty"`
		Blob  []byte           `json:"blob"`
		Raw   json.RawMessage  `json:"raw"`
		Ints  map[int]bool     `json:"ints"`
		Float float64          `json:"float"`
		Any   any              `json:"any"`
		Empty struct{}         `json:"empty"`
	}{
		Text: "<a> & 'b' \"c\" \\ / \x7f \b\f\n\r\t\x01 é \u2028 \uffff \U0001F30A",
		Map:  map[string]inner{"b": {Key: 1}, "a": {Key: -2, Note: "x"}, "B": {}},
		Blob: []byte{0, 1}, Raw: json.RawMessage(` {"z":["é<"],"a":{}} `), Ints: map[int]bool{10: true, 9: false}, Float: 0.5,
	}
	since := At(time.Unix(1795334400, 0))
	v.Since = &since
	want := `{
  "text": "<a> & 'b' \"c\" \\ / ` + "\x7f" + ` \b\f\n\r\t\u0001 \u00e9 \u2028 \uffff \ud83c\udf0a",
  "nil": [],
  "map": {
    "B": {
      "key": 0
    },
    "a": {
      "key": -2,
      "note": "x"
    },
    "b": {
      "key": 1
    }
  },
  "none": {},
  "since": "2026-11-22T08:00:00Z",
  "blob": "AAE=",
  "raw": {
    "z": [
      "\u00e9<"
    ],
    "a": {}
  },
  "ints": {
    "10": true,
    "9": false
  },
  "float": 0.5,
  "any": null,
  "empty": {}
}
`
	got, err := Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("got\n%s\nexpected\n%s", got, want)
	}
	if byPointer, err := Marshal(&v); err != nil || string(byPointer) != want {
		t.Errorf("a pointer is written in another way: %v", err)
	}
}

func TestMarshal_Refused(t *testing.T) {
	for name, v := range map[string]any{
		"not UTF-8":         inner{Note: "\xff"},
		"NUL":               inner{Note: "\x00"},
		"key not UTF-8":     map[string]int{"\xff": 1},
		"nil pointer":       struct{ P *int }{},
		"nil":               (*inner)(nil),
		"NaN":               math.NaN(),
		"function":          struct{ F func() }{},
		"time out of range": At(time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)),
		"raw not JSON":      json.RawMessage("{"),
		"raw not UTF-8":     json.RawMessage("\"\xff\""),
	} {
		b, err := Marshal(v)
		var e *Error
		if b != nil || !errors.As(err, &e) {
			t.Errorf("%s: %q, %v, expected an *Error", name, b, err)
		}
	}
	_, err := Marshal(map[string][]inner{"trees": {{}, {Note: "\xff"}}})
	var e *Error
	if !errors.As(err, &e) || e.Path != "trees[1].note" || e.Offset != -1 {
		t.Errorf("%v, expected trees[1].note", err)
	}
	type loop struct{ Next any }
	deep := any(loop{})
	for range MaxDepth + 1 {
		deep = loop{deep}
	}
	if _, err := Marshal(deep); err == nil {
		t.Error("too deep a value is written")
	}
}
