package filter

import (
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	for _, good := range []string{"a", "*/isos/", "/HEADER.html", "**.iso", "[!]", "+x", "-x", "#x", "/# x", "ä", "\xff"} {
		if err := Check(good, 100); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for bad, says := range map[string]string{
		"": "empty", strings.Repeat("a", 101): "101 bytes, expected at most 100", "a\nb": "control", "a\x7f": "control", "\x00": "control",
		"!": "[!] matches", "/": "matches nothing", "//": "matches nothing", "+ x": "include or exclude", "- x": "include or exclude",
		"# x": "comment", "; x": "comment",
	} {
		if err := Check(bad, 100); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, expected %q", bad, err, says)
		}
	}
}
