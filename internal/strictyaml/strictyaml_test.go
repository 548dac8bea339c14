package strictyaml

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

type sample struct {
	Pos   `yaml:"-"`
	Name  string            `yaml:"name,required" want:"a name, e.g. centos"`
	Count *int              `yaml:"count"`
	Small int8              `yaml:"small"`
	On    bool              `yaml:"on"`
	Wait  *Duration         `yaml:"wait"`
	List  []string          `yaml:"list" want:"a list of words" each:"a word"`
	Map   map[string]string `yaml:"map"`
	Subs  map[string]sub    `yaml:"subs"`
	Many  OneOrMany[sub]    `yaml:"many"`
	Near  *near             `yaml:"near" want:"a place, or {url: PLACE}"`
}

type near struct {
	Pos `yaml:"-"`
	URL string `yaml:"url,short" want:"a place"`
	Via string `yaml:"via"`
}

type sub struct {
	Pos   `yaml:"-"`
	Title string `yaml:"title,required"`
	Speed int    `yaml:"speed"`
}

func TestDecode_Good(t *testing.T) {
	const text = `# a comment
name: 017            # a number is text where text is wanted, as it was written
count: -3
small: 127
on: true
wait: 1h30m
list: ["NO", yes, 2026-01-01, 1e3]
map: {a.b: c}
subs:
  one: {title: x}
many: {title: y, speed: 3}
`
	var got sample
	if p := Decode("f.yaml", []byte(text), &got); p != nil {
		t.Fatal(p)
	}
	count, wait := -3, Duration(90*time.Minute)
	want := sample{
		Pos: Pos{Line: 2}, Name: "017", Count: &count, Small: 127, On: true, Wait: &wait,
		List: []string{"NO", "yes", "2026-01-01", "1e3"}, Map: map[string]string{"a.b": "c"},
		Subs: map[string]sub{"one": {Pos: Pos{Field: "subs.one", Line: 10}, Title: "x"}},
		Many: OneOrMany[sub]{{Pos: Pos{Field: "many", Line: 11}, Title: "y", Speed: 3}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestDecode_Problems has a row for each refusal, with the exact words.
func TestDecode_Problems(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"empty", "# nothing\n", "f: the file is empty, expected keys with values"},
		{"scalar", "hello\n", `f:1: found "hello", expected keys with values`},
		{"missing", "count: 1\n", "f: name: missing, expected a name, e.g. centos"},
		{"missing below", "name: x\nsubs:\n  a: {speed: 1}\n", "f:3: subs.a.title: missing, expected text"},
		{"typo", "nmae: x\nname: y\n", "f:1: nmae: unknown key (did you mean name?)"},
		{"typo with a dash", "name: x\nmany: {ti-tle: x, title: y}\n", "f:2: many.ti-tle: unknown key (did you mean title?)"},
		{"far", "name: x\nsubs: {a: {title: x, colour: red}}\n", "f:2: subs.a.colour: unknown key (known keys: title, speed)"},
		{"long value", "name: x\ncount: " + strings.Repeat("ä", 80) + "\n", `f:2: count: found "` + strings.Repeat("ä", 60) + `...", expected a whole number`},
		{"elsewhere", "name: x\nspeed: 3\n", "f:2: speed: unknown key (known elsewhere, as subs.*.speed, many.speed)"},
		{"as messages name it", "name: x\nnear.speed: 3\nmany.speed: 1\n", "f:2: near.speed: unknown key (known keys: name, count, small, on, wait, list, map, subs, many, near)\nf:3: many.speed: unknown key (did you mean many: {speed: ...}?)"},
		{"capitals", "Name: x\nname: x\n", "f:1: Name: unknown key (did you mean name?)"},
		{"twice", "name: x\nname: y\n", "f:2: name: given twice, first on line 1 (remove one of the two)"},
		{"short form of another type", "name: x\nnear: true\n", "f:2: near: found true, expected a place, or {url: PLACE}"},
		{"short form as list", "name: x\nnear: [a]\n", "f:2: near: found a list, expected a place, or {url: PLACE}"},
		{"long form without its key", "name: x\nnear: {via: b}\n", "f:2: near.url: missing, expected a place"},
		{"null", "name: ~\n", "f:1: name: found no value, expected a name, e.g. centos (give a value, or remove the key)"},
		{"null pointer", "name: x\nwait:\n", "f:2: wait: found no value, expected a duration such as 10m, 24h or 7d (give a value, or remove the key)"},
		{"null item", "name: x\nlist: [a, ]\nmany: [~]\n", "f:3: many[0]: found no value, expected keys with values (give a value, or remove the key)"},
		{"bool as text", "name: true\n", "f:1: name: found true, expected a name, e.g. centos (put it in quotes if it is text)"},
		{"list as text", "name: [x]\n", "f:1: name: found a list, expected a name, e.g. centos"},
		{"map as text", "name: {x: y}\n", "f:1: name: found keys with values, expected a name, e.g. centos"},
		{"text as list", "name: x\nlist: a\n", `f:2: list: found "a", expected a list of words`},
		{"map in list", "name: x\nlist: [{a: b}]\n", "f:2: list[0]: found keys with values, expected a word"},
		{"list as map", "name: x\nmap: [a]\n", "f:2: map: found a list, expected keys with values"},
		{"list in map", "name: x\nmap: {k: [a]}\n", "f:2: map.k: found a list, expected text"},
		{"text as number", "name: x\ncount: lots\n", `f:2: count: found "lots", expected a whole number`},
		{"fraction", "name: x\ncount: 1.5\n", "f:2: count: found 1.5, expected a whole number"},
		{"octal", "name: x\ncount: 010\n", "f:2: count: found 010, expected a whole number"},
		{"hex", "name: x\ncount: 0x10\n", "f:2: count: found 0x10, expected a whole number"},
		{"underscore", "name: x\ncount: 1_000\n", "f:2: count: found 1_000, expected a whole number"},
		{"overflow", "name: x\nsmall: 128\n", "f:2: small: found 128, expected a whole number"},
		{"quoted number", "name: x\ncount: \"1\"\n", `f:2: count: found "1", expected a whole number`},
		{"yes", "name: x\non: yes\n", `f:2: on: found "yes", expected true or false (write true)`},
		{"off", "name: x\non: Off\n", `f:2: on: found "Off", expected true or false (write false)`},
		{"one or many", "name: x\nmany: 3\n", "f:2: many: found 3, expected keys with values"},
		{"duration list", "name: x\nwait: [1h]\n", "f:2: wait: found a list, expected a duration such as 10m, 24h or 7d"},
		{"anchor", "name: &a x\n", "f:1: name: found the anchor &a: anchors are not accepted (write the value out where it is needed)"},
		{"tag", "name: !secret x\n", "f:1: name: found the tag !secret: tags are not accepted (remove the tag)"},
		{"merge", "name: x\nmap: {<<: {a: b}}\n", "f:2: map.<<: merge keys are not accepted (write the values out)"},
		{"complex key", "name: x\nmap: {[a]: b}\n", "f:2: map: found a key that is no plain text"},
		{"nameless key", "name: x\nmap: {: b}\n", `f:2: map: found a key without a name ("") (put quotes around a key of that name)`},
		{"null key", "name: x\nmap: {~: b}\n", `f:2: map: found a key without a name ("~") (put quotes around a key of that name)`},
		{"long key", "name: x\nmap: {" + strings.Repeat("k", 201) + ": b}\n", "f:2: map: found a key of 201 bytes, expected at most 200"},
		{"odd key", "name: x\n\"a\\nb\": 1\n", `f:2: "a\nb": unknown key (known keys: name, count, small, on, wait, list, map, subs, many, near)`},
		{"two documents", "name: x\n---\nname: y\n", "f:2: a second document begins, expected one in a file (remove the --- or use a second file)"},
		{"rest after the end", "name: x\n...\nname: y\n", "f:3: a second document begins, expected one in a file (remove the --- or use a second file)"},
		{"broken second document", "name: x\n---\n[\n", "f:4: not valid YAML: did not find expected node content, while parsing a flow node that began on line 4 (check the quotes, brackets and indentation here and on the line before)"},
		{"tab", "map:\n\ta: b\n", "f:2: not valid YAML: indented with a tab (YAML wants spaces)"},
		{"bracket", "list: [a\nname: x\n", "f:2: not valid YAML: did not find expected ',' or ']', while parsing a flow sequence that began on line 1 (check the quotes, brackets and indentation here and on the line before)"},
		{"unknown alias", "name: *a\n", "f:1: not valid YAML: unknown anchor 'a' referenced (check the quotes, brackets and indentation here and on the line before)"},
		{"bom", "\xEF\xBB\xBFname: x\n", "f:1: begins with a byte-order mark, expected plain UTF-8 (save it as plain UTF-8, without a BOM)"},
		{"bom inside", "name: x\n# \uFEFF\n", "f:2: found the control character U+FEFF, expected text"},
		{"utf-16", "\xFF\xFEn\x00", "f:1: found UTF-16, expected UTF-8 (save it as plain UTF-8)"},
		{"nul", "name: x\n# \x00\n", "f:2: found the control character U+0000, expected text"},
		{"escape", "name: x\n# \x1b[2J\n", "f:2: found the control character U+001B, expected text"},
		{"latin-1", "name: x\n# \xE4\n", "f:2: found byte 0xE4, which is no UTF-8 (save it as plain UTF-8)"},
		{"oversize", "name: x\n#" + strings.Repeat("x", MaxSize), "f: larger than 1048576 bytes, the limit of a file (an inventory may be split over several files)"},
		{"deep", "name: x\nlist: " + strings.Repeat("[", 40) + strings.Repeat("]", 40) + "\n",
			"f:2: list[0]: found a list, expected a word\nf:2: list" + strings.Repeat("[0]", 31) + ": nested deeper than 32 levels"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var v sample
			got := Decode("f", []byte(tt.text), &v).Error()
			want := tt.want
			if tt.name == "deep" { // two problems on one line, in the order in which they are found
				lines := strings.Split(want, "\n")
				want = lines[1] + "\n" + lines[0]
			}
			if got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

func TestDecode_EveryProblemAtOnce(t *testing.T) {
	var v sample
	got := Decode("f", []byte("count: a\nwait: 3\nlist: 1\nsubs:\n  a: {}\n  b: 2\nmany:\n- title: x\n  spede: 1\n- 3\nlist: []\n"), &v)
	var fields []string
	for _, p := range got {
		fields = append(fields, fmt.Sprintf("%d %s", p.Line, p.Field))
	}
	want := []string{"0 name", "1 count", "2 wait", "3 list", "5 subs.a.title", "6 subs.b", "9 many[0].spede", "10 many[1]", "11 list"}
	if diff := cmp.Diff(want, fields); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestDecode_AliasBomb: nine levels of nine aliases are 10^9 values; they are refused one by one and never expanded.
func TestDecode_AliasBomb(t *testing.T) {
	var b strings.Builder
	b.WriteString("name: x\nmap:\n  l0: &l0 [lol]\n")
	for i := 1; i <= 9; i++ {
		fmt.Fprintf(&b, "  l%d: &l%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*l%d, ", i-1), 9), ", "))
	}
	var v sample
	got := Decode("f", []byte(b.String()), &v)
	if n := len(got); n < 10+81 || n > 200 {
		t.Errorf("%d problems, expected one for each anchor, alias and list", n)
	}
}

func TestOneOrMany_Empty(t *testing.T) {
	var many OneOrMany[sub]
	if p := Decode("f", []byte("# none yet\n"), &many); p != nil || len(many) != 0 {
		t.Errorf("got %v, %v", many, p)
	}
	if p := Decode("f", []byte("[]"), &many); p != nil || len(many) != 0 {
		t.Errorf("got %v, %v", many, p)
	}
	if p := Decode("f", []byte("- {title: a}\n- {title: b}\n"), &many); p != nil || len(many) != 2 || many[1].Field != "[1]" || many[1].Line != 2 {
		t.Errorf("got %+v, %v", many, p)
	}
}

// TestRefuse: checks of meaning come in line order with the rest, and say nothing of what was not understood.
func TestRefuse(t *testing.T) {
	d := Read("f", []byte("name: x\nlist: [a, [b]]\nsubs:\n  a: 3\n"))
	var v sample
	d.Decode(&v)
	d.Refuse("subs.a.title", "", "follows from subs.a")
	d.Refuse("list[1]", "", "is reported already")
	d.Refuse("list[0]", "try c", "found %q", "a")
	d.Refuse("name", "", "found %q", "x")
	want := "f:1: name: found \"x\"\nf:2: list[1]: found a list, expected a word\nf:2: list[0]: found \"a\" (try c)\nf:4: subs.a: found 3, expected keys with values"
	if got := d.Problems().Error(); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	if d.Line("subs.a.title") != 4 || d.Line("nowhere") != 0 || !d.Given("list[1]") || d.Given("count") {
		t.Error("lines or keys are lost")
	}
}

func TestDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"10m": 10 * time.Minute, "24h": 24 * time.Hour, "7d": 7 * 24 * time.Hour, "1d12h": 36 * time.Hour, "1h30m": 90 * time.Minute,
		"0s": 0, "250ms": 250 * time.Millisecond, "1m1s1ms": time.Minute + time.Second + time.Millisecond, "3650d": 3650 * 24 * time.Hour, "90m": 90 * time.Minute,
	} {
		var d Duration
		if err := d.UnmarshalText([]byte(text)); err != nil || d.Std() != want {
			t.Errorf("%s: got %v, %v", text, d.Std(), err)
		}
	}
	for text, want := range map[string]string{
		"24":                       "found 24 without a unit, expected a duration such as 10m, 24h or 7d",
		"1.5":                      "found 1.5 without a unit, expected a duration such as 10m, 24h or 7d",
		"-5":                       "found -5 without a unit, expected a duration such as 10m, 24h or 7d",
		"":                         `found "", expected a duration such as 10m, 24h or 7d`,
		"-5m":                      `found "-5m", expected a duration such as 10m, 24h or 7d`,
		"1.5h":                     `found "1.5h", expected a duration such as 10m, 24h or 7d`,
		"5 m":                      `found "5 m", expected a duration such as 10m, 24h or 7d`,
		"5M":                       `found "5M", expected a duration such as 10m, 24h or 7d`,
		"h":                        `found "h", expected a duration such as 10m, 24h or 7d`,
		"30m1h":                    `found "30m1h", expected a duration such as 10m, 24h or 7d`,
		"1m1m":                     `found "1m1m", expected a duration such as 10m, 24h or 7d`,
		"5us":                      `found "5us", expected a duration such as 10m, 24h or 7d`,
		"3651d":                    `found "3651d", expected at most 3650d`,
		"3650d1s":                  `found "3650d1s", expected at most 3650d`,
		"99999999999999999999999h": `found "99999999999999999999999h", expected at most 3650d`,
	} {
		var d Duration
		if err := d.UnmarshalText([]byte(text)); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, %v", text, d, err)
		}
	}
}

func TestDuration_RoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := Duration(rapid.Int64Range(0, int64(maxDuration/time.Millisecond)).Draw(t, "ms")) * Duration(time.Millisecond)
		var got Duration
		if err := got.UnmarshalText([]byte(want.String())); err != nil || got != want {
			t.Fatalf("%v: got %v, %v", want, got, err)
		}
	})
}

func TestNearest(t *testing.T) {
	known := []string{"network", "state", "quorum", "max_wait", "passphrase_file", "passphrase_env", "id", "asn"}
	for word, want := range map[string]string{
		"qorum": "quorum", "qourum": "quorum", "max-wait": "max_wait", "maxwait": "max_wait", "Netwrok": "network", "passphrase": "passphrase_file",
		"di": "id", "sate": "state", "colour": "", "x": "", "": "", "stat": "state", "quor": "quorum",
	} {
		if got := Nearest(word, known); got != want {
			t.Errorf("%s: got %q, want %q", word, got, want)
		}
	}
}

func TestReadFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "big.yaml")
	if err := os.WriteFile(file, make([]byte, MaxSize+100), 0o600); err != nil {
		t.Fatal(err)
	}
	if data, err := ReadFile(file); err != nil || len(data) != MaxSize+1 {
		t.Errorf("got %d bytes, %v", len(data), err)
	}
	if _, err := ReadFile(dir); err == nil || !strings.Contains(err.Error(), "found no regular file") {
		t.Errorf("a directory: got %v", err)
	}
	if _, err := ReadFile("/dev/zero"); err == nil {
		t.Error("a device was read")
	}
}

// A text may stand for a mapping with one key.
func TestDecode_Short(t *testing.T) {
	for text, want := range map[string]near{
		"name: x\nnear: here\n":                 {Pos: Pos{"near", 2, true}, URL: "here"},
		"name: x\nnear: 7\n":                    {Pos: Pos{"near", 2, true}, URL: "7"},
		"name: x\nnear: {url: here, via: gw}\n": {Pos: Pos{"near", 2, false}, URL: "here", Via: "gw"},
	} {
		var got sample
		if p := Decode("f.yaml", []byte(text), &got); p != nil {
			t.Errorf("%s: %v", text, p)
		} else if diff := cmp.Diff(&want, got.Near); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
}
