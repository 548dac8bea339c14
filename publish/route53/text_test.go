package route53

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestValue_RoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var record []string
		for _, b := range rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, longest), 1, 4).Draw(t, "record") {
			record = append(record, string(b))
		}
		value, err := formatValue(record)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []byte(value) {
			if c < ' ' || c > '~' {
				t.Fatalf("%q has a byte that is to be escaped", value)
			}
		}
		got, err := parseValue(value)
		if err != nil || !slices.Equal(got, record) {
			t.Fatalf("%q: found %q, %v, expected %q", value, got, err, record)
		}
	})
}

func FuzzParseValue(f *testing.F) {
	for _, s := range []string{`"a"`, `"a" "b"`, `"a\"\\\052"`, `"a`, `a`, ``, `"\4"`, `"\400"`, `"\`, `"" ""`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		record, err := parseValue(s)
		if err != nil {
			return
		}
		for _, one := range record {
			if len(one) > longest {
				return
			}
		}
		value, err := formatValue(record)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := parseValue(value); err != nil || !slices.Equal(again, record) {
			t.Fatalf("%q: %q became %q, %v", s, record, again, err)
		}
	})
}

func TestSameName(t *testing.T) {
	for _, tt := range []struct {
		theirs, ours string
		want         bool
	}{
		{"a.example.org.", "a.example.org", true}, {"A.example.org", "a.Example.org.", true}, {`\052.example.org.`, "*.example.org", true},
		{`\137t.example.org.`, "_t.example.org", true}, {`a\056b.example.org.`, "a.b.example.org", false},
		{"b.example.org.", "a.example.org", false}, {"a.example.org.org.", "a.example.org", false}, {`\400.example.org.`, "*.example.org", false}, {`a\`, "a", false}, {"", "a", false},
	} {
		if got := sameName(tt.theirs, tt.ours); got != tt.want {
			t.Errorf("%q and %q: %v", tt.theirs, tt.ours, got)
		}
	}
}
