package main

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// TestInventoryTable: a row is one line in a pipe, and no line is wider than a terminal.
func TestInventoryTable(t *testing.T) {
	rows := [][]string{
		{"mirror.example.org", "skipped", "list.csv:3", "one two three four five six seven eight nine ten eleven"},
		{"b", "", "", "short"},
	}
	header := []string{"ENTRY", "", "WHERE", "WHAT"}
	for width, want := range map[int]string{
		0: ` ENTRY                        WHERE       WHAT
 mirror.example.org  skipped  list.csv:3  one two three four five six seven eight nine ten eleven
 b                                        short`,
		80: ` ENTRY                        WHERE       WHAT
 mirror.example.org  skipped  list.csv:3  one two three four five six seven
                                          eight nine ten eleven
 b                                        short`,
		50: ` mirror.example.org skipped list.csv:3
    one two three four five six seven eight nine
    ten eleven
 b
    short`,
	} {
		got := inventoryTable(width, header, rows)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("width %d (-want +got):\n%s", width, diff)
		}
		for _, line := range strings.Split(got, "\n") {
			if width > 0 && utf8.RuneCountInString(line) > width {
				t.Errorf("width %d: %q", width, line)
			}
		}
	}
}

func TestShellWord(t *testing.T) {
	for in, want := range map[string]string{"a/b-1.yaml": "a/b-1.yaml", "": "''", "a b": "'a b'", "it's": `'it'\''s'`, "$HOME": "'$HOME'"} {
		if got := shellWord(in); got != want {
			t.Errorf("%q: %s, expected %s", in, got, want)
		}
	}
}
