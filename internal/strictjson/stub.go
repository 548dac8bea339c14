package strictjson

// Kind says which of the rules was broken.
type Kind string

// The kinds of refusal.
const (
	NotUTF8    Kind = "not-utf8"
	BOM        Kind = "bom"
	Syntax     Kind = "syntax"
	Duplicate  Kind = "duplicate-member"
	WrongCase  Kind = "wrong-case-member"
	Trailing   Kind = "trailing-bytes"
	TooDeep    Kind = "too-deep"
	WrongType  Kind = "wrong-type"
	Missing    Kind = "missing-member"
	NotInteger Kind = "not-integer"
)

// Error is one refusal.
type Error struct {
	Kind   Kind
	Path   string // e.g. "trees.centos.admit"
	Offset int64  // byte offset into the document, -1 when not known
	Detail string
}

func (e *Error) Error() string { panic("stub") }

// Unmarshal parses data strictly into v (pointer to struct). Unknown members are ignored.
func Unmarshal(data []byte, v any) error { panic("stub") }
