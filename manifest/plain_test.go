package manifest

import (
	"reflect"
	"strings"
	"testing"

	"tidemark/internal/strictjson"
)

// generalSource is a Source that strictjson reads by its general rules: it has no methods.
type generalSource Source

// generally reads a text both ways, and insists that nobody can tell.
func generally(t *testing.T, text string) (read bool) {
	t.Helper()
	var plain []Source
	var general []generalSource
	got, want := strictjson.Unmarshal([]byte(text), &plain), strictjson.Unmarshal([]byte(text), &general)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s\nfound %v, expected %v", text, got, want)
	}
	same := []generalSource{}
	for _, s := range plain {
		same = append(same, generalSource(s))
	}
	if want == nil && !reflect.DeepEqual(same, general) {
		t.Errorf("%s\nfound %+v, expected %+v", text, same, general)
	}
	return want == nil
}

const plainSource = `{"id": "ftp.funet.fi", "kind": "mirror", "country": "FI", "continent": "EU", "asn": 1741, "slots": 2, "trees": {"centos": {` +
	`"url": "rsync://rsync.nic.funet.fi/ftp/centos/", "timestamp": 1488376381, "since": "2026-11-22T08:00:00Z", "depth": "listing", "families": [4, 6]}}}`

// plainTexts are plainSource with something else in place of one part.
func plainTexts() (texts []string) {
	for _, swap := range [][2]string{
		{"", ""}, {"{", " {\n"}, {" ", ""}, {`"FI"`, `"\u0046I"`}, {`"id"`, `"\u0069d"`}, {`"id"`, `"ID"`}, {`"kind"`, `"id"`}, {`"country": "FI", `, ""},
		{`"continent": "EU", `, ""}, {`"asn": 1741, `, ""}, {`"asn": 1741, `, `"asn": 0, `}, {`"country": "FI"`, `"country": ""`}, {`"country": "FI"`, `"country": null`},
		{`"country": "FI"`, `"Country": "FI"`}, {`"country": "FI"`, `"later": {"a": [1, null]}`}, {`"country": "FI"`, `"later": {"a": 1, "a": 1}`},
		{`"id": "ftp.funet.fi", "kind": "mirror"`, `"kind": "mirror", "id": "ftp.funet.fi"`}, {`"id": "ftp.funet.fi", `, ""}, {`"id": "ftp.funet.fi"`, `, "id": "ftp.funet.fi"`},
		{`"id": "ftp.funet.fi",`, `"id": "ftp.funet.fi",,`}, {`"id": "ftp.funet.fi",`, `"id": "ftp.funet.fi"`}, {`"id": "ftp.funet.fi"`, `"id": "ftp.funet.fi", "id": "x"`},
		{`"id": "ftp.funet.fi"`, `"id" "ftp.funet.fi"`}, {`"id": "ftp.funet.fi"`, `"id": ["ftp.funet.fi"]`}, {"funet", "fu\x00net"}, {"funet", "fu\nnet"}, {"funet", `fu\u0000net`},
		{"funet", `fu\ud800net`}, {"funet", "fu\xffnet"}, {"funet", "fünet"}, {"1741", "01741"}, {"1741", "-1"}, {"1741", "-0"}, {"1741", "1741.0"}, {"1741", "1e3"}, {"1741", "1E3"},
		{"1741", "999999999999999999"}, {"1741", "9223372036854775807"}, {"1741", "9223372036854775808"}, {"1741", "18446744073709551617"}, {"1741", `"1741"`}, {"1741", "null"},
		{"1741", "17 41"}, {"1741", ""}, {`: 2`, `: 4294967296`}, {`: 2`, `: -2`}, {`"slots": 2, `, ""}, {`: 2, "trees"`, `: 2, "slots": 3, "trees"`}, {`"trees": {`, `"trees": {"centos": null, `},
		{`"trees": {`, `"trees": {"": {}, `}, {`"centos"`, `""`}, {`"centos"`, `"cent\u006fs"`}, {`[4, 6]}}}`, `[4, 6]}}, "asn": 1}`}, {`[4, 6]}}}`, `[4, 6]}}, }`}, {`[4, 6]}}}`, `[4, 6]}, }}`},
		{`[4, 6]}}}`, `[4, 6], }}}`}, {`[4, 6]}}}`, `[4, 6]}}} {}`}, {`[4, 6]}}}`, `[4, 6]}}`}, {`[4, 6]`, `[]`}, {`[4, 6]`, `[4]`}, {`[4, 6]`, `[4, 6, ]`}, {`[4, 6]`, `[, 4]`}, {`[4, 6]`, `[4 6]`},
		{`[4, 6]`, `[4, 6`}, {`[4, 6]`, `[4.0]`}, {`[4, 6]`, `[[4]]`}, {`[4, 6]`, `null`}, {`[4, 6]`, `{}`}, {`[4, 6]`, `["4"]`}, {"rsync://", "http://"}, {"rsync://", `rsync:\/\/`}, {"rsync://", ""},
		{"08:00:00Z", "08:00:00+00:00"}, {"08:00:00Z", `08:00:00\u005a`}, {"2026-11-22", "2026-02-30"}, {`"depth": "listing", `, ""}, {`"depth": "listing"`, `"depth": "listing", "by": "fi"`},
		{"{", "\ufeff{"}, {"{", "["}, {"}", "]"},
	} {
		texts = append(texts, "["+strings.Replace(plainSource, swap[0], swap[1], 1)+"]")
	}
	_, trees, _ := strings.Cut(plainSource, `"trees": {`)
	tree := strings.TrimSuffix(trees, "}}")
	texts = append(texts, "[]", "[null]", "[{}]", "["+plainSource+","+plainSource+"]", strings.ReplaceAll("["+plainSource+"]", " ", "\t\r\n "),
		"["+strings.Replace(plainSource, tree, tree+`, `+tree, 1)+"]", "["+strings.Replace(plainSource, tree, tree+`, `+strings.Replace(tree, "centos", "vault", 1), 1)+"]")
	for end := range len(plainSource) {
		texts = append(texts, "["+plainSource[:end])
	}
	return texts
}

// TestSource_Plain: whatever the spelling, a source read plainly and one read by the general rules are the same, and so are
// the refusals.
func TestSource_Plain(t *testing.T) {
	read := 0
	for _, text := range plainTexts() {
		if generally(t, text) {
			read++
		}
	}
	if read < 10 {
		t.Errorf("%d texts were read, expected more: the others show little", read)
	}
}

// TestSource_PlainIsTaken: without it, the test above would hold two general readings against each other.
func TestSource_PlainIsTaken(t *testing.T) {
	text := []byte("[" + plainSource + strings.Repeat(","+plainSource, 99) + "]")
	var plain []Source
	var general []generalSource
	quick := testing.AllocsPerRun(5, func() { _ = strictjson.Unmarshal(text, &plain) })
	slow := testing.AllocsPerRun(5, func() { _ = strictjson.Unmarshal(text, &general) })
	if len(plain) != 100 || quick > slow*3/4 {
		t.Errorf("%d sources, %.0f allocations by the plain way, %.0f by the general one", len(plain), quick, slow)
	}
}

// FuzzSource_Plain looks for a text that the two ways read differently.
func FuzzSource_Plain(f *testing.F) {
	for _, text := range plainTexts() {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) { generally(t, text) })
}

// TestSource_PlainDepth: neither way reads a source that lies too deep.
func TestSource_PlainDepth(t *testing.T) {
	type nest[S any] struct {
		Next    []nest[S] `json:"next,omitempty"`
		Sources []S       `json:"sources,omitempty"`
	}
	read := 0
	for levels := range strictjson.MaxDepth / 2 { // each is two: an object and a list
		text := []byte(strings.Repeat(`{"next": [`, levels) + `{"sources": [` + plainSource + "]}" + strings.Repeat("]}", levels))
		got, want := strictjson.Unmarshal(text, new(nest[Source])), strictjson.Unmarshal(text, new(nest[generalSource]))
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%d levels: found %v, expected %v", levels, got, want)
		}
		if want == nil {
			read++
		}
	}
	if read == 0 || read == strictjson.MaxDepth/2 {
		t.Errorf("%d were read, expected some", read)
	}
}
