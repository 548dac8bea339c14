package strictjson

import (
	"fmt"
	"strconv"
	"strings"
)

// Kind says which of the rules was broken.
type Kind string

// The kinds of refusal.
const (
	NotUTF8       Kind = "not-utf8"
	BOM           Kind = "bom"
	Syntax        Kind = "syntax"
	Control       Kind = "control-character"
	LoneSurrogate Kind = "lone-surrogate"
	Duplicate     Kind = "duplicate-member"
	WrongCase     Kind = "wrong-case-member"
	Trailing      Kind = "trailing-bytes"
	TooDeep       Kind = "too-deep"
	WrongType     Kind = "wrong-type"
	Null          Kind = "null"
	Missing       Kind = "missing-member"
	NotInteger    Kind = "not-integer"
	OutOfRange    Kind = "out-of-range"
	BadValue      Kind = "bad-value" // refused by the type's own UnmarshalText or UnmarshalJSON
)

// Error is one refusal.
type Error struct {
	Kind   Kind
	Path   string // e.g. "trees.centos.admit"; "" for the document itself
	Offset int64  // byte offset into the document, -1 when not known
	Detail string // what was found and what was expected
	Err    error  // of BadValue: the type's own error
}

func (e *Error) Error() string {
	var b strings.Builder
	if e.Path != "" {
		b.WriteString(e.Path + ": ")
	}
	b.WriteString(e.Detail)
	if e.Offset >= 0 {
		fmt.Fprintf(&b, " (at byte %d)", e.Offset)
	}
	return b.String()
}

// Unwrap returns the error of the type that refused its value.
func (e *Error) Unwrap() error { return e.Err }

// maxErrorPath keeps a message short when the document is deep on purpose.
const maxErrorPath = 200

// in puts a member or an index before the path, while the error climbs out of the document.
func (e *Error) in(step string) *Error {
	switch {
	case e.Path == "", strings.HasPrefix(e.Path, "["):
		e.Path = step + e.Path
	default:
		e.Path = step + "." + e.Path
	}
	if len(e.Path) > maxErrorPath {
		e.Path = e.Path[:maxErrorPath] + "..."
	}
	return e
}

// member shows a name in a path: as it is when it is plain, else quoted and cut.
func member(name string) string {
	plain := name != "" && len(name) <= 100 && strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") == ""
	if plain {
		return name
	}
	return show(name)
}

func index(i int) string { return "[" + strconv.Itoa(i) + "]" }

// show quotes foreign text in ASCII, cut at 64 bytes.
func show(s string) string {
	if len(s) > 64 {
		return strconv.QuoteToASCII(s[:64]) + "..."
	}
	return strconv.QuoteToASCII(s)
}
