package strictyaml

import (
	"fmt"
	"sort"
	"strings"
)

// Problem is one thing wrong in an operator's file.
type Problem struct {
	File  string `json:"file"`
	Line  int    `json:"line"`  // from 1; 0 when not known, as for a key missing at the top
	Field string `json:"field"` // e.g. "trees.centos.quorum"; "" for the file as a whole
	Text  string `json:"text"`  // what was found, what was expected
	Hint  string `json:"hint,omitempty"`
}

// String is the problem on one line: "file:line: field: text (hint)".
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d", p.Line)
	}
	if p.Field != "" {
		b.WriteString(": " + p.Field)
	}
	b.WriteString(": " + p.Text)
	if p.Hint != "" {
		b.WriteString(" (" + p.Hint + ")")
	}
	return b.String()
}

// Problems is all of them, as an error: one line each.
type Problems []Problem

func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, one := range p {
		lines[i] = one.String()
	}
	return strings.Join(lines, "\n")
}

// Err is p as an error: nil when there is no problem.
func (p Problems) Err() error {
	if len(p) == 0 {
		return nil
	}
	return p
}

// sorted returns p by line, problems of one line in the order they were found.
func (p Problems) sorted() Problems {
	out := append(Problems(nil), p...)
	sort.SliceStable(out, func(i, j int) bool { return out[i].Line < out[j].Line })
	return out
}
